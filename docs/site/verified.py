"""What `make verify`, `make long` and the tests of bad days found, as pages of the site say it."""

import hashlib
import json
from pathlib import Path


def last_verification(root: Path) -> str: # Markdown
    "Write what the last `make verify` found, stage by stage."
    path = root / "records/verify.json"
    if not path.exists():
        return "It has not been run yet."
    found, lock = json.loads(path.read_text()), hashlib.md5((root / "dvc.lock").read_bytes()).hexdigest()
    version, which = (
        found["data_version"].removesuffix(".dir"),
        "the one" if found["dvc_lock"] == lock else "another than that",
    )
    runs = {
        "one thread" if number == "1" else f"{number} threads": run for number, run in found["runs"].items()
    }
    verdicts = " and ".join(f"**{run['verdict']}** with {threads}" for threads, run in runs.items())
    lines = [
        f"It says: {verdicts}, for version `{version}` of the data and the `dvc.lock` with the MD5 `{found['dvc_lock']}`,",
        f"{which} of these pages.",
        "",
        f"| stage | outputs | {' | '.join(runs)} |",
        "|---|---|" + "---|" * len(runs),
    ]
    for stage, outputs in found["outputs"].items():
        lines.append(
            f"| {stage} | {len(outputs)} | {' | '.join(run['stages'].get(stage, 'identical') for run in runs.values())} |"
        )
    for threads, run in runs.items():
        if stage := next(iter(run["stages"]), None):
            reasons = [f"- {reason}" for reason in run["reasons"][stage]]
            lines += ["", f"With {threads}, the first stage that is not identical is {stage}:", "", *reasons]
    return "\n".join(lines)


def last_checks(root: Path) -> str: # Markdown
    "Write what the last `make long` found, file by file."
    path = root / "records/checks.json"
    if not path.exists():
        return "It has not been run yet."
    head = "| tests | passed | failed | skipped | seconds | commit | date |"
    rows = [
        f"| `{name}` | {found['passed']} | {found['failed']} | {found['skipped']} | {found['seconds']:,} | "
        f"{found.get('commit', '–')} | {found.get('date', '–')} |"
        for name, found in json.loads(path.read_text()).items()
    ]
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])


def list_bad_days(root: Path) -> str: # Markdown
    "Write records/bad_days.json, which the tests hold to be true, as a table."
    rows = json.loads((root / "records/bad_days.json").read_text())
    table = [(what, f"`{row['where']}`", row["seen"], row["lost"]) for what, row in rows.items()]
    lines = [" | ".join(cell.replace("|", "\\|") for cell in cells) for cells in table]
    head = "| what was done | with | what the user saw | what was lost |\n|---|---|---|---|\n"
    return head + "\n".join(f"| {line} |" for line in lines)
