"""Sum up what `make long` found, as pytest's `--junitxml` writes it, in records/checks.json: `python tests/record.py FILE.xml …`."""

import sys
from pathlib import Path
from xml.etree import ElementTree

from mlproj.core.files import write_json
from mlproj.core.settings import project_root


def outcome(case: ElementTree.Element) -> str:
    found = {child.tag for child in case}
    return "failed" if found & {"failure", "error"} else "skipped" if "skipped" in found else "passed"


def sum_up(
    results: list[Path],
) -> dict[str, dict[str, int]]: # {file of tests: passed, failed, skipped, seconds}
    "Count outcomes by file."
    files = {}
    for case in [case for path in results for case in ElementTree.parse(path).iter("testcase")]:
        counts = files.setdefault(
            case.get("classname").replace(".", "/") + ".py",
            {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0},
        )
        counts[outcome(case)] += 1
        counts["seconds"] += float(case.get("time"))
    return {name: counts | {"seconds": round(counts["seconds"])} for name, counts in sorted(files.items())}


if __name__ == "__main__":
    write_json(project_root() / "records" / "checks.json", sum_up([Path(name) for name in sys.argv[1:]]))
