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
    shell, texts = InteractiveShell.instance(), []  # the one that `display` writes to
    shell.reset()
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
            texts += [said.stdout.partition("Out[")[0], *(_text(output.data) for output in said.outputs)]
            if done.result is not None and not cell.source.endswith(";"):
                texts.append(_text(shell.display_formatter.format(done.result)[0]))
            texts += _texts_of_pictures()
    InteractiveShell.clear_instance()
    return texts


def _text(data: dict[str, str]) -> str:  # by type
    return data.get("text/markdown") or data.get("text/html") or data.get("text/plain") or ""


def _texts_of_pictures() -> list[str]:
    texts = []
    for number in plt.get_fignums():
        texts += [text.get_text() for text in plt.figure(number).findobj(Text)]
    plt.close("all")
    return [text for text in texts if text]
