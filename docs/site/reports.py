"""The reports: each stage's notebook as the pipeline ran it, headed by what it was made from."""

from functools import cache
from pathlib import Path

import nbformat
from dvc.repo import Repo

from mlproj.core.checks import UserError
from mlproj.pipeline.lineage import VERSIONS, made_from, pipeline_stages
from notebooks import as_page, markdown, tag, write


@cache
def recorded(
    root: Path,
) -> dict[str, tuple[bool, dict[str, list[str]]]]: # {report: (has it the recorded hash?, its versions)}
    """List the notebooks that stages leave, in the order of the pipeline.

    Of the other pipelines it lists the notebooks of stages that were run.
    """
    reports = {}
    with Repo(str(root)) as repo:
        for stage in pipeline_stages(repo):
            for output in stage.outs:
                here = not output.workspace_status()
                if output.def_path.startswith("reports/") and (here or Path(stage.path).parent == root):
                    reports[output.def_path] = here, made_from(repo, stage)
    return reports


def read_report(root: Path, report: str) -> nbformat.NotebookNode:
    "Read an executed notebook. Raises `UserError` when dvc.lock records another one."
    here, _ = recorded(root)[report]
    if not here:
        raise UserError(
            f"{report} is not the one that dvc.lock records: "
            "`make repro` makes it, then run `make docs` again"
        )
    return nbformat.read(root / report, as_version=4)


def describe(versions: dict[str, list[str]]) -> str:
    "Say in a sentence what a page was made from."
    facts = []
    for key, values in versions.items():
        facts.append(f"{VERSIONS[key]} " + ", ".join(f"`{value.removesuffix('.dir')}`" for value in values))
    return f":::{{container}} made-from\nMade from {' · '.join(facts)}\n:::"


def report_page(
    notebook: nbformat.NotebookNode, made_from: str, model: str | None = None
) -> nbformat.NotebookNode:
    """Put what a report was made from below its title, and fold its code.

    The parameters that were not used are left out.
    """
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
            cell.metadata["mystnb"] = {
                "code_prompt_show": "Show the parameters",
                "code_prompt_hide": "Hide the parameters",
            }
            page.insert(2, cell)
        else:
            page.append(cell)
    notebook.cells = page
    return notebook


def not_run_page(notebook: nbformat.NotebookNode, stage: str) -> nbformat.NotebookNode:
    "Say that a stage outside of `make repro` was not run here."
    title, _, text = notebook.cells[0].source.partition("\n")
    reason = "This stage is not part of `make repro`, and was not run before this page was made"
    note = f":::{{note}}\n{reason}: `make {stage}` runs it.\n:::"
    notebook.cells[:1] = [markdown(title), markdown(note), markdown(text.strip())]
    return notebook


def gather_reports(root: Path, site: Path) -> None:
    """Write a page for each report, in the order of the pipeline.

    A stage of another pipeline that was not run gets a page of its notebook.
    """
    stages = {}
    for report, (_, versions) in recorded(root).items():
        place = Path(report).relative_to("reports")
        stage, *model = place.with_suffix("").parts
        page = report_page(read_report(root, report), describe(versions), *model)
        write(as_page(page, f"nbs/pipeline/{stage}.ipynb", root), site / "pipeline" / place)
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
    introduction = (root / "docs/site/reports.md").read_text()
    contents = f"```{{toctree}}\n:maxdepth: 1\n{contents}\n```\n"
    (site / "pipeline/index.md").write_text(f"{introduction}\n{contents}")
