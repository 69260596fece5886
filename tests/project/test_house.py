"""The picture of the sub-packages, the reference and the record of long tests follow the code."""

import ast
import json
import re
import sys

import pytest

from record import record
from support import ROOT, Project

sys.path.insert(0, str(ROOT / "docs/site"))

from house import PICTURE, draw_house, import_graph, read_modules  # noqa: E402
from reference import Module  # noqa: E402

NOTEBOOKS = sorted(
    path for path in (ROOT / "nbs/api").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
)


def test_the_picture_is_the_one_that_the_command_draws():
    assert (ROOT / PICTURE).read_text() == draw_house(ROOT), "`make house` draws it"


def test_the_picture_shows_every_module_above_what_it_imports():
    packages = read_modules(ROOT)
    assert len(packages) > 8 and sum(map(len, packages.values())) == len(NOTEBOOKS) > 55
    shown = re.findall(r'<text x="[\d.]+" y="([\d.]+)"(?: class="name")?>(\w+)</text>', draw_house(ROOT))
    height = {name: float(y) for y, name in shown}
    assert {re.sub(r"^\d+_", "", path.stem) for path in NOTEBOOKS} <= height.keys()
    arrows = import_graph(ROOT, packages).edges
    assert len(arrows) > 15 and all(height[importer] < height[imported] for importer, imported in arrows)


def test_a_circle_of_imports_is_not_drawn(tmp_path):
    for package, imported in [("one", "two"), ("two", "one")]:
        (tmp_path / f"mlproj/{package}").mkdir(parents=True)
        (tmp_path / f"mlproj/{package}/a.py").write_text(f"from mlproj.{imported}.a import x")
    packages = {package: [f"mlproj/{package}/a.py"] for package in ("one", "two")}
    with pytest.raises(ValueError, match="circle"):
        import_graph(tmp_path, packages)


def test_the_reference_has_every_name_that_a_module_exports():
    modules = [Module(path, ROOT) for path in NOTEBOOKS]
    names = {f"{module.name}.{name}" for module in modules for name in module.names}
    exported = set()
    for path in (ROOT / "mlproj").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT / "mlproj").with_suffix("").parts)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                exported |= {f"{module}.{name}" for name in ast.literal_eval(node.value)}
    assert names == exported and len(names) >= 440


def test_a_part_of_the_long_tests_replaces_its_own_entries_alone(tmp_path):
    project = Project(tmp_path)
    for name in ("tests/a/test_b.py", "tests/a/test_c.py", "records/checks.json", "settings.ini"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    old = {"passed": 1, "failed": 1, "skipped": 0, "seconds": 9, "commit": "before", "date": "2026-01-01"}
    recorded = {name: old for name in ("tests/a/test_b.py", "tests/a/test_c.py", "tests/a/test_lost.py")}
    (tmp_path / "records/checks.json").write_text(json.dumps(recorded))
    project.run("git init --quiet && git add --all && git commit --quiet --message tests")
    case = '<testcase classname="tests.a.test_b" time="1.6"/>'
    (tmp_path / "results.xml").write_text(f"<testsuites>{case}{case}</testsuites>")
    record(tmp_path / "results.xml", tmp_path)
    after = json.loads((tmp_path / "records/checks.json").read_text())
    assert after.keys() == {"tests/a/test_b.py", "tests/a/test_c.py"} and after["tests/a/test_c.py"] == old
    renewed = after["tests/a/test_b.py"]
    assert renewed["passed"] == 2 and renewed["failed"] == 0 and renewed["seconds"] == 3
    assert renewed["commit"] == project.run("git rev-parse --short=10 HEAD").stdout.strip()
