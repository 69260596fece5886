"""Notebooks in JupyterLab and in git, as `make lab` sets both up."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from nbformat.v4 import new_markdown_cell, new_output
from traitlets.config import PyFileConfigLoader

from mlproj.data.versions import read_record
from support import ROOT, Project, Visit

NOTEBOOKS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "nbs").rglob("*.ipynb")
    if ".ipynb_checkpoints" not in path.parts
)
CONFIG = PyFileConfigLoader("jupyter_server_config.py", path=str(ROOT / ".jupyter")).load_config()


@pytest.fixture
def repository(tmp_path) -> Project:
    "The notebooks in their own git repository, with the drivers that `make hooks` sets up."
    project = Project(tmp_path / "clone")
    shutil.copytree(ROOT / "nbs", project.root / "nbs", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for name in (".gitattributes", ".gitignore", "Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, project.root / name)
    project.run("git init --quiet")
    project.run(f"make --silent hooks READY= BIN={Path(sys.executable).parent}")
    project.run("git add --all && git commit --quiet --message notebooks")
    return project


def open_notebook(root: Path, name: str) -> tuple[AsyncLargeFileManager, nbformat.NotebookNode]:
    "Open a notebook as JupyterLab does."
    contents = AsyncLargeFileManager(root_dir=str(root), config=CONFIG)
    return contents, asyncio.run(contents.get(name))["content"]


def save(contents: AsyncLargeFileManager, name: str, notebook: nbformat.NotebookNode) -> None:
    asyncio.run(contents.save({"type": "notebook", "format": "json", "content": notebook}, name))


def add_noise(notebook: nbformat.NotebookNode, runs: bool) -> None:
    "Write into a notebook the traces of JupyterLab and of a run; `runs` adds outputs."
    notebook.metadata.update(language_info={"name": "python", "version": "3.12.1"})
    notebook.metadata.kernelspec["display_name"] = "Python 3 (ipykernel)"
    for number, cell in enumerate(notebook.cells):
        cell.metadata.update(collapsed=False, trusted=True, editable=True)
        if cell.cell_type == "code":
            cell.execution_count = number
            cell.metadata["execution"] = {"iopub.status.busy": "2026-01-01T00:00:00.000000Z"}
            cell.outputs += [new_output("stream", text="so far")] if runs else []
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = number


def test_running_and_saving_notebooks_changes_nothing_in_git(repository):
    for name in NOTEBOOKS:
        contents, notebook = open_notebook(repository.root, name)
        add_noise(notebook, runs=name.startswith("nbs/pipeline/"))
        save(contents, name, notebook)
    assert repository.run("git status --porcelain").stdout == ""
    assert repository.run("git diff").stdout == ""


NAME = "nbs/api/10_core/20_settings.ipynb"


def change(repository: Project, place: int, text: str, output: str) -> None:
    "Extend a markdown cell, and run the first cell that prints something."
    contents, notebook = open_notebook(repository.root, NAME)
    markdown = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    markdown[place].source += f"\n{text}"
    next(cell for cell in notebook.cells if cell.get("outputs")).outputs = [new_output("stream", text=output)]
    save(contents, NAME, notebook)
    repository.run(f"git commit --all --quiet --message '{text}'")


def branch_and_change(repository: Project, ours: int, theirs: int) -> None:
    "Change a cell on two branches, and switch to ours."
    repository.run("git switch --quiet --create theirs")
    change(repository, theirs, "their words", "their output\n")
    repository.run("git switch --quiet -")
    change(repository, ours, "our words", "our output\n")


def test_two_branches_that_change_different_cells_merge(repository):
    branch_and_change(repository, ours=1, theirs=-1)
    repository.run("git merge --no-edit theirs")
    merged = nbformat.read(repository.root / NAME, as_version=4)
    nbformat.validate(merged)
    source = "\n".join(cell.source for cell in merged.cells)
    assert source.count("their words") == source.count("our words") == 1
    assert "our output" in str(merged) and "their output" not in str(merged)


def test_a_cell_that_both_branches_change_is_a_conflict_in_a_notebook_that_opens(repository):
    branch_and_change(repository, ours=1, theirs=1)
    repository.run("git merge --no-edit theirs", fails=True)
    merged = nbformat.read(repository.root / NAME, as_version=4)
    assert any("<<<<<<<" in cell.source for cell in merged.cells)
    assert repository.run("git diff --name-only --diff-filter=U").stdout.split() == [NAME]


def test_a_diff_shows_cells_and_no_json(repository):
    contents, notebook = open_notebook(repository.root, NAME)
    notebook.cells.append(new_markdown_cell("A new thought"))
    save(contents, NAME, notebook)
    shown = repository.run("git diff").stdout
    assert "A new thought" in shown and '"cell_type"' not in shown


def test_hooks_leave_everything_outside_of_the_clone_alone(repository):
    told = repository.run("git config --list --show-origin").stdout
    lines = [line for line in told.splitlines() if "notebook" in line]
    assert len(lines) == 3 and all(line.startswith("file:.git/config\t") for line in lines)


def test_a_kernel_takes_up_a_module_that_was_written_anew(tmp_path):
    shutil.copytree(ROOT / ".jupyter/ipython/profile_default", tmp_path / "ipython/profile_default")
    module = tmp_path / "word.py"
    module.write_text("def say(): return 1\n")
    manager, client = start_new_kernel(
        env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}, cwd=str(tmp_path)
    )
    try:
        client.execute_interactive("import word; first = word.say()", timeout=60)
        module.write_text("def say(): return 'two'\n")
        reply = client.execute_interactive(
            "second = word.say()", user_expressions={"seen": "first, second"}, timeout=60
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert reply["content"]["user_expressions"]["seen"]["data"]["text/plain"] == "(1, 'two')"


def test_what_ipython_keeps_beside_its_settings_is_no_part_of_the_project():
    ignored = [
        ".jupyter/ipython/profile_default/history.sqlite",
        ".jupyter/ipython/profile_default/startup/README",
    ]
    done = subprocess.run(
        ["git", "check-ignore", *ignored], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ignored


@pytest.mark.long
def test_a_stage_notebook_runs_alone_from_its_own_folder(project):
    "It has the values of params.yaml, which are not those of its cell `parameters`."
    for stage in ("prepare", "features", "score"):
        before = (project.root / f"nbs/pipeline/{stage}.ipynb").read_bytes()
        project.run(f"jupyter nbconvert --execute --to notebook --stdout nbs/pipeline/{stage}.ipynb")
        assert (project.root / f"nbs/pipeline/{stage}.ipynb").read_bytes() == before
        assert "up to date" in project.run(f"dvc status {stage}").stdout


@contextmanager
def lab(project: Project, folder: Path) -> Iterator[str]: # the address that a browser is sent to
    "Run `make lab` as a user does; `folder` holds JupyterLab's files outside of the project."
    settings, runtime = folder / "settings", folder / "runtime"
    settings.mkdir(parents=True)
    (settings / "jupyter_server_config.json").write_text(json.dumps({"ServerApp": {"allow_root": True}}))
    places = {
        "JUPYTER_CONFIG_DIR": settings,
        "JUPYTER_RUNTIME_DIR": runtime,
        "JUPYTERLAB_SETTINGS_DIR": settings,
    }
    environment = {**os.environ, **{name: str(path) for name, path in places.items()}, "BROWSER": "true"}
    command = ["make", "--silent", "lab", "READY=", f"BIN={Path(sys.executable).parent}"]
    with (folder / "log").open("w") as log:
        making = subprocess.Popen(
            command, cwd=project.root, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until = time.monotonic() + 120
        while not (
            sent := re.search(
                r'href="(http[^"]+)"',
                "".join(page.read_text() for page in runtime.glob("jpserver-file-to-run-*")),
            )
        ):
            assert making.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.2)
        yield sent[1]
    finally:
        os.killpg(making.pid, signal.SIGTERM)
        making.wait()


@pytest.mark.site
@pytest.mark.long
def test_lab_opens_where_one_begins_and_asks_nothing_of_other_machines(project, tmp_path, browser):
    with lab(project, tmp_path / "jupyter") as address:
        visit = Visit(browser, re.match(r"http://[^/]+", address)[0], "desktop")
        page = visit.page
        page.goto(address)
        page.get_by_role("heading", name="Start here").wait_for()
        page.wait_for_selector("text=| Idle")
        page.click(".lm-MenuBar-itemLabel:text-is('Run')")
        page.click(".lm-Menu-itemLabel:text-is('Run All Cells')")
        # The data version of this clone, which the committed outputs do not name.
        page.wait_for_selector(f"text={read_record(project.root).version}")
        assert not page.locator("[data-mime-type$='.stderr'], [data-mime-type$='.error']").count()
        assert not page.locator(".Toastify__toast").count()  # nobody is asked whether news may be fetched
        page.context.close()
    assert not [fault for fault in visit.wrong if fault.startswith(("leaves", "script"))]
