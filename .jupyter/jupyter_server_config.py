"""What JupyterLab does in this project, when it is opened by `make lab`."""

from nbdev.clean import clean_nb
from nbdev.config import get_config


def clean(model, path, **_):
    """Keep out of a notebook's file what differs from run to run, and, where it is a stage's, all outputs.

    DVC runs a stage again when its file has changed.
    """
    if model["type"] != "notebook":
        return
    clean_nb(model["content"], allowed_cell_metadata_keys=get_config().allowed_cell_metadata_keys)
    if path.strip("/").startswith("nbs/pipeline/"):
        for cell in model["content"]["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"] = []


c.ContentsManager.pre_save_hook = clean  # noqa: F821 Jupyter gives `c`
