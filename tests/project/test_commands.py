"""Commands that texts name are there, and the command puts right what DVC does to params.yaml."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from mlproj.cli import app
from support import ROOT, Project

NAMED = re.compile(r"`mlproj ([a-z-]+)(?: ([a-z-]+))?")


def commands() -> dict[str, set[str]]: # by name: the commands that stand below it
    group = typer.main.get_command(app)
    return {name: set(getattr(command, "commands", ())) for name, command in group.commands.items()}


def texts() -> list:
    places = "README.md CONTRIBUTING.md docs nbs mlproj benchmarks params.yaml".split()
    listed = ["git", "ls-files", *places]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if name.endswith((".md", ".ipynb", ".py", ".yaml"))]


def test_each_command_that_a_text_names_is_there():
    known, named = commands(), set()
    for path in texts():
        for name, inner in NAMED.findall(path.read_text()):
            named.add(name)
            assert name in known, f"{path.relative_to(ROOT)} names `mlproj {name}`"
            if known[name] and inner:
                assert inner in known[name], f"{path.relative_to(ROOT)} names `mlproj {name} {inner}`"
    assert len(named) > 10


@pytest.mark.parametrize("command", ["predict", "new", "data", "data add", "repro"])
def test_help_needs_no_project(tmp_path, command):
    mlproj = [Path(sys.executable).with_name("mlproj"), *command.split(), "--help"]
    done = subprocess.run(mlproj, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.lstrip().startswith(f"Usage: mlproj {command}")


@pytest.mark.slow(10)
def test_any_command_gives_params_yaml_its_layout_back(tmp_path):
    from dvc.utils.hydra import apply_overrides

    project = Project(tmp_path)
    for name in ("params.yaml", "settings.ini"):
        shutil.copy(ROOT / name, tmp_path / name)
    project.run("git init --quiet && git add --all && git commit --quiet --message Begin")
    apply_overrides(tmp_path / "params.yaml", ["top_k=7"])
    command = Path(sys.executable).with_name("mlproj")
    subprocess.run([command, "data", "check"], cwd=tmp_path, capture_output=True)
    expected = (ROOT / "params.yaml").read_text().replace("top_k: 100", "top_k: 7")
    assert (tmp_path / "params.yaml").read_text() == expected
