"""A stage's notebook run in this process: what its reader reads, with the texts of its pictures."""

from contextlib import chdir
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.text import Text


def render_stage(root: Path, stage: str, model: str | None = None) -> list[str]:
    """Run a stage with the values of params.yaml, and gather its texts, outputs and words in pictures.

    Raises the error of a cell that fails.
    """
    matplotlib.use("agg")
    shell, texts = InteractiveShell(), []
    cells = nbformat.read(root / "nbs" / "pipeline" / f"{stage}.ipynb", as_version=4).cells
    with chdir(root):
        for cell in cells:
            if cell.cell_type == "markdown":
                texts.append(cell.source)
                continue
            with capture_output() as said:
                done = shell.run_cell(cell.source)
            done.raise_error()
            if "parameters" in cell.metadata.get("tags", []) and model is not None:
                shell.push({"model": model})
            texts += [said.stdout, *map(_text, said.outputs), *_texts_of_pictures()]
    return texts


def _text(output) -> str:
    data = output.data
    return data.get("text/markdown") or data.get("text/html") or data.get("text/plain") or ""


def _texts_of_pictures() -> list[str]:
    texts = []
    for number in plt.get_fignums():
        texts += [text.get_text() for text in plt.figure(number).findobj(Text)]
    plt.close("all")
    return [text for text in texts if text]
