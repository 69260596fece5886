"""`make docs`: gather the pages of the site in _site/source/, and let Sphinx build _docs/ from them."""

import os
import shutil
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from sphinx.cmd.build import main as sphinx
from traitlets.config import Config

from links import page_of, relink
from messages import list_messages
from mlproj.core.checks import UserError
from mlproj.core.settings import project_root
from notebooks import as_page, markdown, tag, write
from picture import draw
from reference import gather_reference
from reports import describe, gather_reports, recorded
from verified import last_checks, last_verification, list_bad_days

TEXTS = ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md"]
FILLED = { # mark in a page → function that writes the text in its place
    "% every message %": list_messages,
    "% every bad day %": list_bad_days,
    "% last verification %": last_verification,
    "% last checks %": last_checks,
}
PICTURES = ["docs/guide/*.png", "docs/guide/*.svg", "plots/*.png", "benchmarks/*.png"]


def front_page(root: Path) -> nbformat.NotebookNode:
    """Run nbs/index.ipynb, so that the page shows the present values of metrics/.

    A picture of dvc.yaml replaces the diagram of the pipeline.
    """
    notebook = nbformat.read(root / "nbs/index.ipynb", as_version=4)
    here = {"metadata": {"path": str(root)}}
    NotebookClient(
        notebook, kernel_name="python3", resources=here, config=Config(KernelManager={"transport": "ipc"})
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.clear() # it holds times of the run
            tag(cell, "remove-input")
        before, diagram, rest = cell.source.partition("```mermaid\n")
        if diagram:
            cell.source = f"{before}```{{raw}} html\n{draw(root)}\n```{rest.partition('```')[2]}"
    _, versions = recorded(root)["reports/compare.ipynb"]
    contents = (root / "docs/site/contents.md").read_text()
    if not (root / "benchmarks").exists():
        contents = contents.replace("benchmarks/index\n", "")
    notebook.cells[1:1] = [markdown(describe(versions)), markdown(contents)]
    return as_page(notebook, "nbs/index.ipynb", root)


def gather_explore(root: Path, site: Path) -> None:
    "Copy the notebooks of nbs/explore, with the outputs that are committed."
    contents = ""
    for path in sorted((root / "nbs/explore").glob("*.ipynb")):
        name = path.relative_to(root).as_posix()
        page = site / page_of(name, root)
        write(as_page(nbformat.read(path, as_version=4), name, root), page)
        contents += f"{page.stem}\n"
    (site / "explore/index.md").write_text(
        f"{(root / 'docs/site/explore.md').read_text()}\n```{{toctree}}\n:maxdepth: 1\n{contents}```\n"
    )


def gather_texts(root: Path, site: Path) -> None:
    "Copy the Markdown pages, fill their marks, and copy the pictures and the static files."
    texts = [root / name for name in TEXTS if (root / name).exists()] # a project of `mlproj new` has none
    for path in [*(root / "docs/guide").glob("*.md"), *texts]:
        name = path.relative_to(root).as_posix()
        place = site / page_of(name, root)
        place.parent.mkdir(parents=True, exist_ok=True)
        text = relink(path.read_text(), name, root)
        for mark, fill in FILLED.items():
            if mark in text:
                text = text.replace(mark, fill(root))
        place.write_text(text)
    for path in [path for pattern in PICTURES for path in root.glob(pattern)]:
        place = site / page_of(path.relative_to(root).as_posix(), root)
        place.parent.mkdir(exist_ok=True)
        shutil.copy2(path, place)
    shutil.copytree(root / "docs/site/static", site / "static")


def build(root: Path) -> int: # exit status
    "Gather the pages and build the site. _docs/ is replaced only if Sphinx finds no fault."
    site, html = root / "_site/source", root / "_site/html"
    shutil.rmtree(root / "_site", ignore_errors=True)
    gather_reference(root, site)
    gather_reports(root, site)
    gather_explore(root, site)
    gather_texts(root, site)
    write(front_page(root), site / "index.ipynb")
    options = [
        "-W",
        "--keep-going",
        "-q",
        "-j",
        "auto",
        "-c",
        str(root / "docs/site"),
        "-d",
        str(root / "_site/doctrees"),
    ]
    if status := sphinx([*options, str(site), str(html)]):
        return status
    shutil.rmtree(root / "_docs", ignore_errors=True)
    html.rename(root / "_docs")
    return 0


if __name__ == "__main__":
    os.environ["PYTHONWARNINGS"] = "ignore" # nbdev's worker processes would print warnings
    try:
        sys.exit(build(project_root()))
    except UserError as error:
        sys.exit(f"docs: {error}")
