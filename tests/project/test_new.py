"""`mlproj new`: a project for other data beside this one, which works from its first command on."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from ruamel.yaml import YAML

from mlproj.pipeline.parameters import read_parameters
from mlproj.pipeline.project import create_project, drop_links
from support import ROOT, Project, copy_project, message

# Words and figures that only the simulated world has.
OF_THE_WORLD = re.compile(r"simulat|handbook|2018|Le Borgne", re.IGNORECASE)


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("new") / "shop"
    create_project(ROOT, folder, "The shop's cards")
    return Project(folder)


def prose(path: Path) -> str:
    "Read a page, or the Markdown cells and the outputs of a notebook."
    if path.suffix == ".md":
        return path.read_text()
    cells = nbformat.read(path, as_version=4).cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    return "\n".join([*texts, *(str(cell.outputs) for cell in cells if cell.get("outputs"))])


def test_it_is_a_clean_repository_of_one_commit(own):
    assert own.run("git status --porcelain").stdout == ""
    assert own.run("git log --format=%s").stdout == "Begin with mlproj new\n"
    assert own.run("git check-ignore data prepared models").stdout.split() == ["data", "prepared", "models"]


def test_nothing_of_the_simulated_world_goes_along(own):
    names = own.run("git ls-files").stdout.split()
    assert not [name for name in names if name.startswith(("data", "plots", "tests", "benchmarks"))]
    assert [name for name in names if name.startswith(("metrics", "records"))] == [
        "metrics/sequence/.gitkeep",
        "records/latency.json",
    ]
    assert not [name for name in names if name.endswith("dvc.lock")]
    pages = [own.root / "README.md", *own.root.glob("nbs/explore/*.ipynb"), own.root / "nbs/index.ipynb"]
    for page in pages:
        assert not OF_THE_WORLD.search(prose(page)), page


def test_its_pages_bear_its_name(own):
    assert (own.root / "README.md").read_text().startswith("# The shop's cards\n")
    assert prose(own.root / "nbs/index.ipynb").startswith("# The shop's cards\n")


def test_its_links_lead_somewhere(own):
    names = own.run("git ls-files").stdout.split()
    pages = [name for name in names if name.endswith((".md", ".ipynb"))]
    assert len(pages) > 60
    for name in pages:
        text = prose(own.root / name) if name.endswith(".md") else "\n".join(
            cell.source
            for cell in nbformat.read(own.root / name, as_version=4).cells
            if cell.cell_type == "markdown"
        )
        assert drop_links(text, name, names) == text, name


def test_its_stages_have_what_they_read(own):
    stages = YAML(typ="safe", pure=True).load(own.root / "dvc.yaml")["stages"]
    outputs = {
        output if isinstance(output, str) else next(iter(output))
        for stage in stages.values()
        for output in stage["outs"]
    }
    made = tuple(name.partition("$")[0].rstrip("/") for name in outputs)
    for name in {name for stage in stages.values() for name in stage.get("deps", [])}:
        assert name.startswith(made) or (own.root / name).exists() or "/" not in name, name


def test_its_first_commands_say_what_to_do(own):
    assert "begin with `mlproj data add`" in message(own.run("mlproj data", fails=True))
    assert "`mlproj repro` makes it" in message(own.run("mlproj report", fails=True))
    assert "verify" in own.run("make help").stdout


def test_a_folder_in_use_stays_as_it_is(own, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = Project(own.root).here(f"mlproj new {tmp_path}", fails=True)
    assert "is no empty folder: name another one" in message(done)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert "is inside this project" in message(Project(own.root).here("mlproj new shop", fails=True))


def test_a_name_that_is_no_line_is_refused(own, tmp_path):
    done = Project(own.root).here(f"mlproj new {tmp_path / 'b'} --name ''", fails=True)
    assert "cannot be a project's name" in message(done)
    assert not list(tmp_path.iterdir())


def test_a_killed_command_leaves_nothing_that_the_next_one_keeps(tmp_path):
    command = [sys.executable, "-c", "from mlproj.cli import app; app()", "new", str(tmp_path / "shop")]
    process = subprocess.Popen(command, cwd=ROOT)
    while not list(tmp_path.glob(".shop.new-*/mlproj")) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (tmp_path / "shop").exists() and list(tmp_path.glob(".shop.new-*"))
    create_project(ROOT, tmp_path / "shop", "shop")
    assert os.listdir(tmp_path) == ["shop"]


def test_a_folder_without_git_is_told_so(own, tmp_path):
    (tmp_path / "settings.ini").write_text("[engine]\n")
    done = Project(tmp_path).run("GIT_CEILING_DIRECTORIES=/ mlproj new ../shop", fails=True)
    assert "this folder is no git clone" in message(done)


def write_sales(folder: Path, n: int = 900) -> None:
    "Write a table of four weeks in which every eleventh sale is a fraud."
    lines = ["time,card,amount,fraud"]
    for number in range(n):
        minutes = number * 28 * 1440 // n
        time = f"2024-03-{minutes // 1440 + 1:02} {minutes % 1440 // 60:02}:{minutes % 60:02}:00"
        lines.append(f"{time},c{number % 37},{number % 90}.50,{int(number % 11 == 0)}")
    (folder / "sales.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def shop(own, tmp_path) -> Project:
    "A copy of the new project, with a file of sales."
    project = copy_project(own.root, tmp_path / "shop")
    write_sales(project.root)
    return project


def test_the_settings_of_a_file_are_written_with_their_reasons(shop):
    comments = re.compile(r"^ *#.*$", re.MULTILINE)
    before = comments.findall((shop.root / "params.yaml").read_text())
    assert "DECISIONS.md says why" in shop.here("mlproj data inspect sales.csv --write").stdout
    text = (shop.root / "params.yaml").read_text()
    params = read_parameters(shop.root)
    assert params["prepare"]["columns"]["timestamp"] == "time" and params["card"] == "card"
    assert not OF_THE_WORLD.search(re.sub("xgboost_handbook|2018-04-01 10:00:00", "", text))
    assert len(set(comments.findall(text)) & set(before)) > 60
    assert "`prepare.columns.is_fraud: fraud`" in (shop.root / "DECISIONS.md").read_text()
    plots = YAML(typ="safe", pure=True).load(shop.root / "dvc.yaml")["plots"]
    for plot in plots:
        (options,) = plot.values()
        assert [Path(name).stem for name in options["y"]] == list(params["models"])


def test_settings_that_a_person_wrote_are_not_replaced(shop):
    shop.here("mlproj data inspect sales.csv --write")
    shop.here("mlproj data inspect sales.csv --write") # nobody has touched it
    path = shop.root / "params.yaml"
    path.write_text(path.read_text().replace("recovery: 0.8", "recovery: 0.5"))
    edited = path.read_text()
    done = shop.here("mlproj data inspect sales.csv --write", fails=True)
    assert "has changes that no commit holds" in message(done) and path.read_text() == edited
    shop.run("git commit --quiet --all --message 'half is lost'")
    shop.here("mlproj data inspect sales.csv --write")
    assert read_parameters(shop.root)["assumptions"]["recovery"] == 0.5 # a proposal knows nothing about it


def test_this_projects_own_settings_are_never_replaced(tmp_path):
    write_sales(tmp_path)
    before = (ROOT / "params.yaml").read_bytes()
    done = Project(ROOT).here(f"mlproj data inspect {tmp_path / 'sales.csv'} --write", fails=True)
    assert "`mlproj new ../FOLDER` begins a project for other data" in message(done)
    assert "prepare:" in Project(ROOT).here(f"mlproj data inspect {tmp_path / 'sales.csv'}").stdout
    assert (ROOT / "params.yaml").read_bytes() == before and not (ROOT / "DECISIONS.md").exists()
