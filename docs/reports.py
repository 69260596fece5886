"""The reports: each stage's notebook as the pipeline ran it, with what it was made from on top."""

import hashlib
from functools import cache
from pathlib import Path

import nbformat
from dvc.repo import Repo
from dvc.stage import PipelineStage
from ruamel.yaml import YAML

from mlproj.engine import read_lineage
from mlproj.settings import UserError
from notebooks import as_page, markdown, tag, write

TITLES = {"data_version": "data version", "definition": "definition of the features"}


@cache
def stage_names(root: Path) -> set[str]:
    "List the stages that there are now: dvc.lock keeps those of models that left."
    with Repo(str(root)) as repo:
        return {stage.name for stage in repo.index.stages if isinstance(stage, PipelineStage)}


def recorded(root: Path, lock: Path) -> dict[str, dict[str, str]]: # {report: {path that its stage read or wrote: MD5}}
    "Read from a dvc.lock which notebooks its stages left."
    found = {}
    for name, stage in YAML(typ="safe", pure=True).load(lock)["stages"].items():
        if name not in stage_names(root):
            continue
        files = {entry["path"]: entry["md5"] for entry in stage.get("deps", []) + stage["outs"]}
        found |= {path: files for path in files if path.startswith("reports/")}
    return found


def read_report(root: Path, report: str, files: dict[str, str]) -> nbformat.NotebookNode:
    """Read an executed notebook.

    Raises `UserError` when it is not the one that dvc.lock records.
    """
    if not is_recorded(root, report, files):
        raise UserError(f"{report} is not the one that dvc.lock records: `make repro` makes it, then run `make docs` again")
    return nbformat.read(root / report, as_version=4)


def is_recorded(root: Path, report: str, files: dict[str, str]) -> bool:
    path = root / report
    return path.exists() and hashlib.md5(path.read_bytes()).hexdigest() == files[report]


def lineage(root: Path, files: dict[str, str]) -> dict[str, list[str]]: # {data_version or definition: what the tables say}
    "Ask the tables that a stage read and wrote what they were made from."
    said = {}
    for name in sorted(files):
        path = root / name
        tables = sorted(path.rglob("*.parquet")) if path.is_dir() else [path] if path.suffix == ".parquet" else []
        for table in tables if not name.startswith(".data") else []:
            for key, value in kept_lineage(table).items():
                said.setdefault(key, set()).add(value)
    return {key: sorted(said[key]) for key in TITLES if key in said}


@cache
def kept_lineage(table: Path) -> dict[str, str]:
    return {key: value for key, value in read_lineage(table).items() if key in TITLES}


def describe(found: dict[str, list[str]]) -> str:
    "Say in a sentence what a page was made from."
    facts = " · ".join(f"{TITLES[key]} " + ", ".join(f"`{value.removesuffix('.dir')}`" for value in found[key]) for key in found)
    return f":::{{container}} made-from\nMade from {facts}\n:::"


def report_page(notebook: nbformat.NotebookNode, made_from: str, model: str | None = None) -> nbformat.NotebookNode:
    "Put what a report was made from below its title, fold its code, and leave out the parameters that were not used."
    first, *cells = notebook.cells
    title, _, text = first.source.partition("\n")
    page = [markdown(f"{title}: {model}" if model else title), markdown(made_from), markdown(text.strip())]
    for cell in cells:
        tags = cell.metadata.pop("tags", [])
        if "parameters" in tags:
            continue
        if cell.cell_type == "code":
            tag(cell, "hide-input")
        if "injected-parameters" in tags:
            cell.source = cell.source.removeprefix("# Parameters\n")
            cell.metadata["mystnb"] = {"code_prompt_show": "Show the parameters", "code_prompt_hide": "Hide the parameters"}
            page.insert(2, cell)
        else:
            page.append(cell)
    notebook.cells = page
    return notebook


def not_run_page(notebook: nbformat.NotebookNode, stage: str) -> nbformat.NotebookNode:
    "Say of a stage outside of `make repro` that it was not run here."
    title, _, text = notebook.cells[0].source.partition("\n")
    note = f":::{{note}}\nThis stage is not part of `make repro`, and was not run before this page was made: `make {stage}` runs it.\n:::"
    notebook.cells[:1] = [markdown(title), markdown(note), markdown(text.strip())]
    return notebook


def gather_reports(root: Path, site: Path) -> None:
    "Write a page for each report, in the order of the pipeline; of stages outside of it that were not run, the notebook as it is."
    runs = recorded(root, root / "dvc.lock")
    for lock in sorted(root.glob("*/dvc.lock")):
        runs |= {report: files for report, files in recorded(root, lock).items() if is_recorded(root, report, files)}
    stages = {}
    for report, files in runs.items():
        stage, *model = Path(report).relative_to("reports").with_suffix("").parts
        page = report_page(read_report(root, report, files), describe(lineage(root, files)), *model)
        write(as_page(page, f"nbs/pipeline/{stage}.ipynb", root), site / "pipeline" / Path(report).relative_to("reports"))
        stages.setdefault(stage, []).extend(model)
    for path in sorted((root / "nbs/pipeline").glob("*.ipynb")):
        if path.stem not in stages:
            page = not_run_page(nbformat.read(path, as_version=4), path.stem)
            write(as_page(page, f"nbs/pipeline/{path.name}", root), site / f"pipeline/{path.name}")
            stages[path.stem] = []
    for stage, models in stages.items():
        if models:
            reports = "\n".join(f"{stage}/{model}" for model in models)
            text = f"# {stage.capitalize()}\n\nA report for each model.\n\n```{{toctree}}\n{reports}\n```\n"
            (site / f"pipeline/{stage}.md").write_text(text)
    contents = "\n".join(stages)
    introduction = (root / "docs/reports.md").read_text()
    (site / "pipeline/index.md").write_text(f"{introduction}\n```{{toctree}}\n:maxdepth: 1\n{contents}\n```\n")
