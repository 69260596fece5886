"""Compare dvc.lock, data.dvc and the metrics after `make repro` with those of the last commit.

Fails when the committed dvc.lock was made from other code, parameters or data. Where only an output's bytes differ, as they can on a
processor of another kind, it says which, and fails only when a metric differs by more than 1e-9.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML


def committed(path: str) -> str:
    return subprocess.run(["git", "show", f"HEAD:{path}"], capture_output=True, text=True, check=True).stdout


def leaves(value: object, name: str = "") -> dict[str, object]:
    "Flatten nested dictionaries and lists."
    if not isinstance(value, dict | list):
        return {name: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {path: leaf for key, inner in items for path, leaf in leaves(inner, f"{name}/{key}").items()}


def equal(one: object, other: object) -> bool:
    numbers = all(isinstance(value, int | float) for value in (one, other))
    return math.isclose(one, other, rel_tol=0, abs_tol=1e-9) if numbers else one == other


def main() -> list[str]: # what is wrong
    yaml = YAML(typ="safe", pure=True)
    before, now = (yaml.load(text)["stages"] for text in (committed("dvc.lock"), Path("dvc.lock").read_text()))
    wrong = [] if committed("data.dvc") == Path("data.dvc").read_text() else ["data.dvc differs from the committed one"]
    tracked = set(subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines())
    for stage in sorted(set(before) ^ set(now)):
        wrong.append(f"dvc.lock: stage {stage} is in one of the two only")
    for stage in sorted(set(before) & set(now)):
        old, new = before[stage], now[stage]
        sources = [{dep["path"]: dep["md5"] for dep in lock.get("deps", []) if dep["path"] in tracked - made(now)} for lock in (old, new)]
        if sources[0] != sources[1] or old["cmd"] != new["cmd"] or old.get("params") != new.get("params"):
            wrong.append(f"dvc.lock: {stage} was made from other code or parameters: run `make repro` and commit the result")
        hashes = [{out["path"]: out["md5"] for out in lock.get("outs", [])} for lock in (old, new)]
        for path, md5 in hashes[1].items():
            if md5 != hashes[0].get(path):
                print(f"{path} has other bytes here than in the committed dvc.lock (stage {stage})")
    for path in sorted(tracked):
        if path.startswith("metrics/") and path.endswith(".json"):
            old, new = (leaves(json.loads(text)) for text in (committed(path), Path(path).read_text()))
            wrong += [f"{path}: {name} is {new.get(name)}, committed is {old.get(name)}"
                      for name in sorted(set(old) | set(new)) if name not in old or name not in new or not equal(old[name], new[name])]
    return wrong


def made(stages: dict) -> set[str]:
    return {out["path"] for lock in stages.values() for out in lock.get("outs", [])}


if __name__ == "__main__":
    problems = main()
    print(*problems, sep="\n", end="\n" if problems else "")
    if problems:
        sys.exit(1)
    print("dvc.lock, data.dvc and metrics: as committed")
