"""The results of `make verify`, `make long` and the tests of bad days, in words for pages of the site."""

import hashlib
import json
from pathlib import Path


def last_verification(root: Path) -> str: # Markdown
    "Write the record of the last `make verify`, stage by stage."
    path = root / "records/verify.json"
    if not path.exists():
        return "It has not been run yet."
    record, lock = json.loads(path.read_text()), hashlib.md5((root / "dvc.lock").read_bytes()).hexdigest()
    version = record["data_version"].removesuffix(".dir")
    which = "the one" if record["dvc_lock"] == lock else "another than that"
    runs = {}
    for number, run in record["runs"].items():
        runs["one thread" if number == "1" else f"{number} threads"] = run
    verdicts = " and ".join(f"**{run['verdict']}** with {threads}" for threads, run in runs.items())
    data = f"version `{version}` of the data"
    lines = [
        f"It says: {verdicts}, for {data} and the `dvc.lock` with the MD5 `{record['dvc_lock']}`,",
        f"{which} of these pages.",
        "",
        f"| stage | outputs | {' | '.join(runs)} |",
        "|---|---|" + "---|" * len(runs),
    ]
    for stage, outputs in record["outputs"].items():
        words = [run["stages"].get(stage, "identical") for run in runs.values()]
        lines.append(f"| {stage} | {len(outputs)} | {' | '.join(words)} |")
    for threads, run in runs.items():
        if stage := next(iter(run["stages"]), None):
            reasons = [f"- {reason}" for reason in run["reasons"][stage]]
            lines += ["", f"With {threads}, the first stage that is not identical is {stage}:", "", *reasons]
    return "\n".join(lines)


def last_checks(root: Path) -> str: # Markdown
    "Write the record of the last `make long`, file by file."
    path = root / "records/checks.json"
    if not path.exists():
        return "It has not been run yet."
    head = "| tests | passed | failed | skipped | seconds | commit | date |"
    rows = [
        f"| `{name}` | {run['passed']} | {run['failed']} | {run['skipped']} | {run['seconds']:,} | "
        f"{run.get('commit', '–')} | {run.get('date', '–')} |"
        for name, run in json.loads(path.read_text()).items()
    ]
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])


def list_bad_days(root: Path) -> str: # Markdown
    "Write records/bad_days.json, which the tests check, as a table."
    days = json.loads((root / "records/bad_days.json").read_text())
    table = [(title, f"`{day['where']}`", day["seen"], day["lost"]) for title, day in days.items()]
    lines = [" | ".join(cell.replace("|", "\\|") for cell in cells) for cells in table]
    head = "| what was done | with | what the user saw | what was lost |\n|---|---|---|---|\n"
    return head + "\n".join(f"| {line} |" for line in lines)
