"""`mlproj data add`: the columns of a file are compared with params.yaml's before it joins the data."""

import gzip
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlproj.core.checks import UserError
from mlproj.data.readers import KINDS, read_file, read_names
from mlproj.pipeline.added_files import check_added, check_columns
from mlproj.pipeline.parameters import read_parameters
from support import ROOT, Project, engine, message

PARAMS = read_parameters(ROOT)
NAMES = ["transaction_id", "timestamp", "customer_id", "terminal_id", "amount", "is_fraud", "scenario"]


@pytest.fixture
def project(tmp_path) -> Project:
    "A folder with this project's settings, which `mlproj data inspect --write` has written, and no data."
    for name in ("params.yaml", "settings.ini"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "DECISIONS.md").touch()
    return Project(tmp_path)


def write(project: Project, name: str, columns: list[str]) -> list:
    (project.root / name).write_text(",".join(columns) + "\n")
    return [project.root / name]


@given(st.sampled_from(NAMES), st.sampled_from(["left out", "capitals", "misspelt"]), st.randoms())
@settings(deadline=None)
def test_a_file_without_a_column_of_the_settings_is_refused(name, how, random):
    names = [*NAMES, "note", "till"]
    random.shuffle(names)
    other = {"left out": [], "capitals": [name.upper()], "misspelt": [f"{name}s"]}[how]
    names = [each for old in names for each in (other if old == name else [old])]
    with pytest.raises(UserError, match=f"mine.csv has no column '{name}', which prepare.columns") as refusal:
        check_columns({"mine.csv": names}, [], PARAMS["prepare"])
    assert not other or f"did you mean {other[0]}?" in str(refusal.value)


def test_a_further_column_may_be_lacking_where_other_files_have_it(project):
    assert check_added(project.root, write(project, "new.csv", [*NAMES, "note"])) == []
    lacking = write(project, "mine.csv", NAMES[:-1])
    with pytest.raises(UserError, match="mine.csv has no column 'scenario'"):
        check_added(project.root, lacking)
    remarks = ["mine.csv lacks scenario, which other files have: missing in its rows"]
    assert check_added(project.root, [*lacking, project.root / "new.csv"]) == remarks
    (project.root / "data/transactions").mkdir(parents=True)
    (project.root / "new.csv").rename(project.root / "data/transactions/new.csv")
    assert check_added(project.root, lacking) == remarks


def test_settings_that_are_not_about_the_files_yet_refuse_nothing(project):
    (project.root / "DECISIONS.md").unlink()
    bank = write(project, "bank.csv", ["Tag", "Betrag", "Betrug"])
    (remark,) = check_added(project.root, bank)
    assert remark.startswith("params.yaml is not about these files yet: bank.csv has no column")
    (project.root / "data/transactions").mkdir(parents=True)
    bank[0].rename(project.root / "data/transactions/bank.csv")
    (remark,) = check_added(project.root, write(project, "june.csv", ["Tag", "Betrag", "Betrug"]))
    assert "bank" not in remark and "june.csv has no column" in remark
    (project.root / "data/transactions/bank.csv").unlink()
    write(project, "data/transactions/april.csv", NAMES)
    with pytest.raises(UserError, match="june.csv has no column"):
        check_added(project.root, [project.root / "june.csv"])


def test_settings_that_cannot_be_read_stop_no_file(project):
    project.params(lambda params: params.update(top_k=-3))
    assert check_added(project.root, write(project, "mine.csv", ["day"])) == []


def test_the_command_refuses_before_it_adds(project):
    write(project, "mine.csv", NAMES[1:])
    said = message(project.here("mlproj data add mine.csv", fails=True))
    assert "mine.csv has no column 'transaction_id'" in said
    assert not (project.root / "data").exists() and not (project.root / "data.dvc").exists()


def test_parts_of_a_time_are_needed():
    prepare = {"columns": {"timestamp": ["day", "clock"], "amount": "cents"}, "entities": []}
    with pytest.raises(UserError, match="'clock', which prepare.columns in params.yaml takes for timestamp"):
        check_columns({"b.csv": ["day", "cents"]}, ["day", "clock", "cents"], prepare)


@pytest.mark.parametrize("ending", KINDS)
def test_names_are_read_as_the_file_is(tmp_path, ending):
    if ending == ".xlsx":
        pytest.skip("a workbook is read whole")
    path = tmp_path / "dt=2024-01-31" / f"a{ending}"
    path.parent.mkdir()
    rows = [{"id": 1, "card": {"no": "x", "bank": {"name": "y"}}, "DT": "z"}]
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        text = "sep=;\nid;card.no;;card.bank.name;DT;id\n1;x;;y;z;2\n"
        text = text if ending.startswith(".csv") else json.dumps(rows[0])
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith(".gz") else text.encode())
    names = read_names(engine(), path, folder=tmp_path)
    assert names == list(read_file(engine(), path, folder=tmp_path).columns)
    assert names[:4] == ["id", "card.no", "card.bank.name", "DT"]
