"""Sum up a part of `make long` in records/checks.json: `python tests/record.py FILE.xml`.

FILE.xml is what pytest's `--junitxml` writes.
"""

import subprocess
import sys
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

from mlproj.core.files import read_json, write_json
from mlproj.core.settings import project_root


def outcome(case: ElementTree.Element) -> str:
    tags = {child.tag for child in case}
    return "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"


def sum_up(results: Path) -> dict[str, dict[str, int]]: # {file of tests: passed, failed, skipped, seconds}
    "Count outcomes by file."
    files = {}
    for case in ElementTree.parse(results).iter("testcase"):
        name = case.get("classname").replace(".", "/") + ".py"
        counts = files.setdefault(name, {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0})
        counts[outcome(case)] += 1
        counts["seconds"] += float(case.get("time"))
    return {name: counts | {"seconds": round(counts["seconds"])} for name, counts in files.items()}


def record(results: Path, root: Path) -> None:
    "Replace the entries of the files of tests that ran, and drop the entries of files that are gone."
    path = root / "records/checks.json"
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    commit = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    stamp = {"commit": commit, "date": date.today().isoformat()}
    recorded = read_json(path) if path.exists() else {}
    recorded |= {name: counts | stamp for name, counts in sum_up(results).items()}
    write_json(path, {name: recorded[name] for name in sorted(recorded) if (root / name).is_file()})


if __name__ == "__main__":
    record(Path(sys.argv[1]), project_root())
