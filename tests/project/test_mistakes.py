"""What a user does wrong: one clear message, a non-zero exit, and nothing lost."""

import nbformat
import pytest

from mlproj.data.ingest import add_files
from mlproj.data.versions import hash_folder
from support import MADE, message


@pytest.fixture
def kept(project):
    "The project; afterwards, all its outputs must still be there, or come back by `dvc checkout`."
    before = {name: hash_folder(project.root / name) for name in MADE}
    record = (project.root / "data.dvc").read_text()
    yield project
    project.run("rm -rf reports/failed && dvc checkout --force")
    assert (project.root / "data.dvc").read_text() == record
    assert {name: hash_folder(project.root / name) for name in MADE} == before


def test_a_parameter_that_is_misspelt(kept):
    kept.params(lambda params: params["prepare"].update(label_delay=7))
    for command in ("run prepare", "data check"):
        refusal = message(kept.here(f"mlproj {command}", fails=True))
        assert "params.yaml has prepare.label_delay, which is none of columns, types" in refusal


def test_a_parameter_that_params_yaml_lacks(kept):
    kept.params(lambda params: params["folds"].pop("step_days"))
    assert "params.yaml lacks folds.step_days" in message(
        kept.here("mlproj run train --model logistic", fails=True)
    )


def test_a_parameter_that_only_the_notebook_has(kept):
    path = kept.root / "nbs/pipeline/prepare.ipynb"
    notebook = nbformat.read(path, as_version=4)
    (cell,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    cell.source += "\nlabel_delay = 7"
    nbformat.write(notebook, path)
    refusal = message(kept.here("mlproj run prepare", fails=True))
    assert "has the parameter 'label_delay', which params.yaml does not give" in refusal


def test_a_notebook_without_its_tag(kept):
    path = kept.root / "nbs/pipeline/prepare.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("tags", None)
    nbformat.write(notebook, path)
    assert "no cell tagged `parameters`" in message(kept.here("mlproj run prepare", fails=True))


@pytest.mark.slow
def test_a_cell_that_fails(kept):
    path = kept.root / "nbs/pipeline/prepare.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(4, nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, path)
    done = kept.run("mlproj run prepare", fails=True)
    assert "ZeroDivisionError" in done.stderr
    assert done.stderr.splitlines()[-1] == "reports/failed/prepare.ipynb"
    assert "ZeroDivisionError" in (kept.root / "reports/failed/prepare.ipynb").read_text()
    assert "exited with 1" in kept.run("dvc repro prepare", fails=True).stderr


@pytest.mark.parametrize("command", ["dvc repro", "dvc exp run"])
def test_data_absent(kept, command):
    kept.run("mv data elsewhere && mv .dvc/cache/files files")
    done = kept.run(command, fails=True)
    assert "data/ is absent: `mlproj data` brings" in message(done)
    kept.run("rm -rf .dvc/cache/files && mv files .dvc/cache/files && mv elsewhere data")


# `dvc exp run` puts the files of data/ into its cache; still no commit names them.
@pytest.mark.parametrize(
    ("command", "refusal"),
    [("dvc repro", "kept nowhere else"), ("dvc exp run", "no commit names")],
)
def test_data_changed(kept, command, refusal):
    mine = kept.root / "data/transactions/mine.csv"
    mine.write_text("transaction_id,timestamp,amount\n")
    assert "data/ is not what data.dvc names" in message(kept.run(command, fails=True))
    assert mine.read_text() == "transaction_id,timestamp,amount\n"
    assert refusal in message(kept.here("mlproj data", fails=True))
    assert kept.run("git status --porcelain data.dvc").stdout == ""


@pytest.mark.slow
def test_a_file_without_a_needed_column(project):
    (project.root / "mine.csv").write_text("transaction_id,timestamp,amount\n1,2018-09-08,100\n")
    expected = (
        "mine.csv has no column 'customer_id', which prepare.columns in params.yaml takes for customer_id"
    )
    assert expected in message(project.here("mlproj data add mine.csv", fails=True))
    add_files(project.root, [project.root / "mine.csv"])
    before = hash_folder(project.root / "prepared")
    assert expected in message(project.run("mlproj run prepare", fails=True))
    assert hash_folder(project.root / "prepared") == before


def test_commands_that_make_no_sense(project):
    for command, expected in {
        "mlproj run prepair": "there is no stage 'prepair'",
        "mlproj run train": "train runs once a model",
        "mlproj run train --model forest": "--model is 'forest', which is none of models",
        "mlproj data add": "say what to add",
        "mlproj data add absent.csv": "there is no file absent.csv",
    }.items():
        assert expected in message(project.here(command, fails=True))
    assert "run this inside the project's folder" in message(project.run("cd / && mlproj data", fails=True))


def test_a_simulator_that_makes_another_version(project):
    record = project.root / "data.dvc"
    record.write_text(record.read_text().replace("n_customers: 400", "n_customers: 30"))
    project.run("rm -rf data .dvc/cache")
    assert "the simulator made version" in message(project.here("mlproj data", fails=True))
    assert not (project.root / "data").exists()
    assert not list(project.root.glob(".data-*"))


@pytest.mark.slow
def test_explorations_that_fail_stay_as_they_were(project):
    path = project.root / "nbs/explore/10_look.ipynb"
    metadata = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}
    sources = [
        "'as far as it came'",
        "from mlproj.pipeline.explorations import output_path\n"
        "output_path('prepared/transactions.parquet').name",
    ]
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)]
    nbformat.write(nbformat.v4.new_notebook(metadata=metadata, cells=cells), path)
    project.run("mlproj explore 10_look")
    executed = path.read_bytes()
    assert b"as far as it came" in executed and b"transactions.parquet" in executed
    project.run("mlproj explore 10_look")
    assert path.read_bytes() == executed
    project.run("rm -r prepared")
    done = project.run("mlproj explore 10_look", fails=True)
    assert "10_look stopped: prepared/transactions.parquet is absent: `make repro` makes it" in message(done)
    assert done.stderr.splitlines()[-1] == "reports/failed/explore/10_look.ipynb"
    assert "as far as it came" in (project.root / "reports/failed/explore/10_look.ipynb").read_text()
    assert path.read_bytes() == executed
    assert "there is no notebook 'look' in nbs/explore" in message(
        project.here("mlproj explore look", fails=True)
    )
