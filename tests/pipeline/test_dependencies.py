"""`mlproj dependencies` where dvc.yaml or a stage's notebook has a mistake: one sentence names it."""

from pathlib import Path

import nbformat
import pytest

from mlproj.core.checks import UserError
from mlproj.pipeline.dependencies import stage_imports, write_dependencies

STAGE = """stages:
  count:
    cmd: mlproj run count
    deps: [nbs/pipeline/count.ipynb]
    params: [versions.json: []]
"""


@pytest.fixture
def small(tmp_path) -> Path: # a project with one stage
    (tmp_path / "nbs/pipeline").mkdir(parents=True)
    (tmp_path / "dvc.yaml").write_text(STAGE)
    write_cells(tmp_path, "import numpy")
    return tmp_path


def write_cells(root: Path, *sources: str) -> Path:
    path = root / "nbs/pipeline/count.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_the_lists_are_written_once(small):
    assert write_dependencies(small) == ["count"]
    assert "versions.json: [ipykernel, nbformat, numpy, papermill]" in (small / "dvc.yaml").read_text()
    assert write_dependencies(small) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages: 3\n", "dvc.yaml does not name stages with their settings under `stages`: "),
        ("- stages\n", "dvc.yaml does not name stages with their settings under `stages`: "),
        ("", "dvc.yaml does not name stages with their settings under `stages`: "),
        ("stages: {count: 3}\n", "dvc.yaml does not name stages with their settings under `stages`: "),
        ("stages: {count: [}\n", "dvc.yaml cannot be read: "),
        (STAGE.replace("deps", "outs"), "stage count in dvc.yaml has no list of paths under `deps`: "),
        (STAGE.replace("[nbs/pipeline/count.ipynb]", "7"), "stage count in dvc.yaml has no list of paths"),
        (STAGE.replace("params", "metrics"), "stage count in dvc.yaml does not have versions.json once "),
        (STAGE.replace("versions.json: []", "seed"), "stage count in dvc.yaml does not have versions.json"),
    ],
)
def test_a_mistake_in_dvc_yaml_is_said_in_one_sentence(small, text, message):
    (small / "dvc.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        write_dependencies(small)
    assert str(error.value).startswith(message)
    assert (small / "dvc.yaml").read_text() == text


def test_lines_of_ipython_import_nothing(small):
    lines = ["%matplotlib inline\nimport numpy", "!ls\nimport pandas"]
    other_language, remainder = "%%bash\nimport -window root", "share = (3\n    % 2)"
    modules, packages = stage_imports(write_cells(small, *lines, other_language, remainder), small)
    assert modules == [] and packages == ["ipykernel", "nbformat", "numpy", "pandas", "papermill"]


def test_a_cell_that_is_not_python_is_named(small):
    write_cells(small, "import numpy", "days = 3\ndays = (")
    with pytest.raises(UserError) as error:
        write_dependencies(small)
    assert str(error.value).startswith(
        "cell 2 of count.ipynb cannot be read as Python ('(' was never closed, line 2): "
    )
