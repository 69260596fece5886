"""The tutorial of a first change, every command and every edit of it as printed, on the small world."""

import re

import nbformat
import pytest

import mlproj.models.formats
import mlproj.models.recipe
from support import ROOT, Project

TUTORIAL = ROOT / "nbs/explore/95_first_change.ipynb"


def blocks() -> list[tuple[str, str]]: # language and text, in order
    cells = nbformat.read(TUTORIAL, as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.findall(r"^```(sh|yaml|python)\n(.*?)^```$", prose, flags=re.MULTILINE | re.DOTALL)


def edit_params(project: Project, text: str) -> None:
    "Put lines between the first and the last line, which params.yaml already has."
    first, *_, last = text.splitlines()
    path = project.root / "params.yaml"
    params = path.read_text()
    assert params.count(f"{first}\n{last}\n") == 1, (
        f"params.yaml does not have these lines, or more than once:\n{first}\n{last}"
    )
    path.write_text(params.replace(f"{first}\n{last}\n", text))


def add_cell(project: Project, text: str) -> None:
    "Add a cell to the library's notebook of formats, under the cell that the tutorial names."
    path = project.root / "nbs/api/40_models/40_formats.ipynb"
    notebook = nbformat.read(path, as_version=4)
    (place,) = (number for number, cell in enumerate(notebook.cells) if "\nFORMATS = {" in cell.source)
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(text.strip()))
    nbformat.write(notebook, path)


def test_the_cell_that_is_pasted_fits_its_module(monkeypatch):
    (cell,) = (text for language, text in blocks() if language == "python")
    monkeypatch.setattr(mlproj.models.recipe, "ESTIMATORS", {})
    module = vars(mlproj.models.formats) | {"FORMATS": {}}
    exec(cell, module)
    assert set(module["ESTIMATORS"]) == set(module["FORMATS"]) == {"ExtraTreesClassifier"}


@pytest.mark.long
def test_the_first_change_works_as_printed(project):
    params = (ROOT / "params.yaml").read_text() # in the layout that the tutorial shows
    (project.root / "params.yaml").write_text(params)
    project.run("git commit --all --quiet --message 'settings as they are'")
    before, printed = project.run("git rev-parse HEAD").stdout, {}
    for language, text in blocks():
        if language == "yaml":
            edit_params(project, text)
        elif language == "python":
            add_cell(project, text)
        else:
            for command in text.splitlines():
                printed[command] = project.run(command).stdout
        if "git restore" in text:
            assert project.run("git status --porcelain").stdout == ""
            assert not (project.root / "predictions/backtest/first_change.parquet").exists()

    assert "Running stage 'features'" in printed["dvc exp run --name first_change compare"]
    assert "first_change" in printed["dvc metrics diff --targets metrics/compare.json"]
    assert "mlproj/models/formats.py" in printed["git diff --stat -- mlproj"]
    assert "extra_trees" in printed["mlproj report"]
    assert (
        project.run("git status --porcelain").stdout == ""
        and project.run("git rev-parse HEAD").stdout == before
    )
    assert project.run("git log --format=%s first-change -2").stdout.splitlines()[0] == "Extra trees"
