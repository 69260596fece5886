"""How a notebook becomes a page of the site."""

import re
from pathlib import Path

import nbformat

from links import relink

HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def as_page(
    notebook: nbformat.NotebookNode,
    source: str, # the notebook's path, relative to the project's root
    root: Path,
) -> nbformat.NotebookNode: # the same notebook, changed
    "Make links lead from page to page, and describe each picture in words."
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = (HEADING.findall(cell.source) or [heading])[-1]
            cell.source = relink(cell.source, source, root)
            continue
        shown = [output.data for output in cell.get("outputs", []) if "data" in output]
        for data in shown:
            if "text/markdown" in data:
                data["text/markdown"] = relink(data["text/markdown"], source, root)
        if any("image/png" in data for data in shown):
            cell.metadata["mystnb"] = {"image": {"alt": picture_words(cell.source, heading)}}
    return notebook


def picture_words(
    code: str, # of the cell that draws the picture
    heading: str, # above the picture
) -> str:
    "Describe a picture by the title in its code, and by the heading above it."
    titles = re.findall(r'title=f?"([^"{}]+)"', code)
    words = " and ".join(titles) or heading
    return f"Plot: {words}" + (f" ({heading})" if titles and heading not in words else "")


def tag(
    cell: nbformat.NotebookNode,
    name: str, # of MyST-NB, such as hide-input
) -> nbformat.NotebookNode: # the same cell
    "Tag a cell."
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), name]
    return cell


def markdown(source: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(source)


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
