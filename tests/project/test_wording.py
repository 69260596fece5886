"""Reports speak of the data at hand: on other worlds, no sentence has a word of the simulated one."""

import ast
import re
import shutil
import subprocess
from contextlib import chdir
from pathlib import Path

import nbformat
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from mlproj.cli import app
from rendering import render_stage
from support import ROOT
from worlds import WORLDS

STAGES = sorted(path.stem for path in (ROOT / "nbs" / "pipeline").glob("*.ipynb"))
# Words of the simulated world, of its book and of its months. A sentence takes such a word from the run.
OF_ONE_WORLD = re.compile(
    r"\b(customers?|terminals?|scenarios?|handbook|simulat\w+|benchmark|compromised|weeks?|cents?|euros?"
    r"|2018\S*|a third of)\b",
    re.IGNORECASE,
)
OF_CARDS = re.compile(r"\b(?<!model )cards?\b(?!\.)", re.IGNORECASE)


def prose(stage: str) -> list[str]:
    "Gather what a stage's notebook says in every run: its text, and the strings of its code."
    said = []
    for cell in nbformat.read(ROOT / "nbs" / "pipeline" / f"{stage}.ipynb", as_version=4).cells:
        if cell.cell_type == "markdown":
            said.append(cell.source)
        elif "parameters" not in cell.metadata.get("tags", []):
            said += [text for text in strings(cell.source) if " " in text and text != "card precision"]
    return said


def strings(source: str) -> list[str]:
    nodes = ast.walk(ast.parse(source))
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.mark.parametrize("stage", STAGES)
def test_no_notebook_speaks_of_one_world(stage):
    for text in prose(stage):
        assert not (found := OF_ONE_WORLD.search(text)), f"{found.group()!r} in: {text}"
        assert not (found := OF_CARDS.search(text)), f"{found.group()!r} in: {text}"


def messages(path: Path) -> list[str]:
    "Gather the strings of a module that people may read: with blanks, and no docstrings."
    tree = ast.parse(path.read_text())
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs]
    return [node.value for node in texts if isinstance(node.value, str) and " " in node.value]


@pytest.mark.parametrize("wing", ["core", "features", "models", "evaluation", "explain", "lifecycle"])
def test_no_module_speaks_of_one_world(wing):
    for path in sorted((ROOT / "mlproj" / wing).glob("*.py")):
        for text in messages(path):
            found = OF_ONE_WORLD.search(text.replace("such as 2018-08-15", ""))
            assert not found, f"{path.name}: {found.group()!r} in: {text}"



MODELS = ("tree", "boosted")
AFTER = ("compare", "judge", "audit", "finalize", "explain", "score", "model_card")
SIZES = {"shop": 6_000, "anonymous": 6_000, "awkward": 2_500}  # rows
OF_OTHER_WORLDS = {
    "shop": re.compile(r"\b(konto|v1)\b"),
    "anonymous": re.compile(rf"{OF_CARDS.pattern}|\b(konto|shops?)\b", re.IGNORECASE),
    "awkward": re.compile(r"\b(shops?|v1)\b", re.IGNORECASE),
}
BAD_FORM = re.compile(r"\bnan\b|(?<![\d.,])1 (days|folds|alerts|frauds|transactions|inputs)\b")


def settle(root: Path, name: str) -> None:
    "Make a small project of a world: its settings in params.yaml, its file as the data."
    for part in ("nbs/pipeline", "records"):
        shutil.copytree(ROOT / part, root / part)
    (root / ".dvc").mkdir()
    for part in (".dvc/config", "settings.ini", "params.yaml"):
        shutil.copy(ROOT / part, root / part)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    yaml, settings = YAML(), YAML(typ="safe", pure=True).load(ROOT / "tests" / "worlds.yaml")
    params = yaml.load(root / "params.yaml")
    for section, value in [*settings["every"].items(), *settings[name].items()]:
        if section in STAGES:
            params[section].update(value)
        else:
            params[section] = value
    yaml.dump(params, root / "params.yaml")
    file = WORLDS[name](n_rows=SIZES[name]).write(root)
    with chdir(root):
        done = CliRunner().invoke(app, ["data", "add", file.name], catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.mark.slow(60)
@pytest.mark.parametrize("name", WORLDS)
def test_every_report_speaks_of_its_own_world(name, tmp_path):
    settle(tmp_path, name)
    runs = [("prepare", None), ("features", None)]
    runs += [(stage, model) for stage in ("train", "backtest") for model in MODELS]
    texts = {}
    for stage, model in [*runs, *((stage, None) for stage in AFTER)]:
        texts[f"{stage} {model or ''}"] = render_stage(tmp_path, stage, model)
    strange = [
        f"{stage}: {found.group()!r} in: {text}"
        for stage, said in texts.items()
        for text in said
        for words in (OF_ONE_WORLD, OF_OTHER_WORLDS[name], BAD_FORM)
        if (found := words.search(text))
    ]
    assert not strange, "\n".join(strange)
