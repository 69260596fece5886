"""`mlproj predict`: new rows have the features that the pipeline computes when they are part of its data."""

import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from mlproj.core.checks import UserError
from mlproj.core.engine import connect
from mlproj.core.tables import write_parquet
from mlproj.data.contract import finish_transactions, number_transactions, read_transactions, split_rejected
from mlproj.data.simulator import World, simulate
from mlproj.data.source import Source
from mlproj.features.definition import parse_definition
from mlproj.features.recompute import make_features
from mlproj.pipeline.parameters import read_parameters
from mlproj.pipeline.prediction import Predicted, check_currency, new_features, read_new, write_predicted
from support import ROOT, Project, message

WORLD = World(n_customers=30, n_terminals=20, n_days=45, radius=20)
PARAMETERS = read_parameters(ROOT)
COLUMNS = ["timestamp", "customer_id", "terminal_id", "amount", "is_fraud"]
WAYS = ["text", *(pytest.param(way, marks=pytest.mark.slow) for way in ("numbers", "none"))] # of the ids


def write_rows(rows: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(path, index=False)


def settings(way: str) -> dict:
    "Write the section of prepare for files with ids of this kind."
    names = COLUMNS if way == "none" else ["transaction_id", *COLUMNS]
    other = {"columns": {name: name for name in names}, "evaluation_only": [], "attributes": {}}
    return PARAMETERS["prepare"] | other | {"types": {"transaction_id": "text"} if way == "text" else {}}


def prepare(folder: Path, way: str) -> tuple[pa.Table, pa.Table | None]:
    "Make of files what the stage makes of them."
    section = settings(way)
    source = Source(section["columns"], section["types"])
    rows = read_transactions(connect(), folder, source, section["entities"])
    kept, _ = split_rejected(rows, section["entities"])
    numbered, ids = number_transactions(kept)
    return finish_transactions(numbered, 7), ids


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    "Transactions in order, many of them in the same moment."
    rows = simulate(WORLD)["transactions"].drop(columns="scenario")
    rows["timestamp"] = rows.timestamp.dt.floor("6h")
    return rows


def with_ids(rows: pd.DataFrame, way: str) -> pd.DataFrame:
    if way == "none":
        return rows.drop(columns="transaction_id")
    if way == "text": # in another order than the numbers
        numbers = rows.transaction_id * 7919 % 100_003
        return rows.assign(transaction_id=[f"T{number:06}" for number in numbers])
    return rows


@pytest.mark.parametrize("way", WAYS)
def test_features_of_new_rows_are_those_of_the_pipeline(rows, tmp_path, way):
    definition = parse_definition(**PARAMETERS["features"])
    half = len(rows) * 3 // 4 # in the middle of a moment
    assert rows.timestamp[half - 1] == rows.timestamp[half]
    old, new = with_ids(rows[:half], way), with_ids(rows[half:], way)
    write_rows(old, tmp_path / "old/a.csv")
    write_rows(new.drop(columns="is_fraud"), tmp_path / "new.csv")
    write_rows(old, tmp_path / "all/a.csv")
    write_rows(new.assign(is_fraud=""), tmp_path / "all/b.csv")
    write_prepared(*prepare(tmp_path / "old", way), tmp_path / "prepared")
    together, ids = prepare(tmp_path / "all", way)
    whole = together.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    expected = make_features(whole, definition, {}).set_index("transaction_id")

    parameters = PARAMETERS | {"prepare": settings(way)}
    kept, rejected = read_new(tmp_path / "new.csv", settings(way), tmp_path / "prepared/transactions.parquet")
    behind = new_features(kept, tmp_path, parameters, "new.csv")
    found = behind.features
    assert behind.contradicts.empty and len(rejected) == 0 and len(found) == len(new)
    assert behind.n_repeated == 0
    expected = expected.loc[numbers_of(new, way, whole, ids)].set_axis(found.index)
    names = definition.feature_names()
    pd.testing.assert_frame_equal(found[names], expected[names], check_exact=True, check_names=False)


def write_prepared(transactions: pa.Table, ids: pa.Table | None, folder: Path) -> None:
    write_parquet(transactions, folder / "transactions.parquet", {})
    if ids is not None:
        write_parquet(ids, folder / "ids.parquet", {})


@pytest.mark.parametrize("way", WAYS[:2])
def test_a_row_that_the_history_has_is_the_same_transaction(rows, tmp_path, way):
    write_rows(with_ids(rows, way), tmp_path / "old/a.csv")
    write_prepared(*prepare(tmp_path / "old", way), tmp_path / "prepared")
    again = with_ids(rows[-5:], way).reset_index(drop=True)
    again.loc[1, "amount"] += 1
    write_rows(again, tmp_path / "new.csv")
    parameters = PARAMETERS | {"prepare": settings(way)}
    kept, _ = read_new(tmp_path / "new.csv", settings(way), tmp_path / "prepared/transactions.parquet")
    behind = new_features(kept, tmp_path, parameters, "new.csv")
    found = behind.features
    assert behind.contradicts.tolist() == [2] and found.index.tolist() == [1, 3, 4, 5]
    assert behind.n_repeated == 4
    definition = parse_definition(**PARAMETERS["features"])
    table = pd.read_parquet(tmp_path / "prepared/transactions.parquet", dtype_backend="numpy_nullable")
    ordered = table.sort_values("timestamp", kind="stable").reset_index(drop=True)
    expected = make_features(ordered, definition, {}).set_index("transaction_id")
    numbers = numbers_in(tmp_path / "prepared", again, way)
    expected = expected.loc[numbers].drop(numbers[1]).set_axis(found.index)
    names = definition.feature_names()
    pd.testing.assert_frame_equal(found[names], expected[names], check_exact=True, check_names=False)


def test_a_row_without_an_id_that_the_history_has_counts_once(rows, tmp_path):
    "The file holds the history's newest rows, of which some are there several times, and some rows more."
    rows = rows[-3000:].reset_index(drop=True)
    half, definition = len(rows) * 3 // 4, parse_definition(**PARAMETERS["features"])
    twice = rows[half - 40 : half - 20]
    old = pd.concat([rows[:half], twice]).drop(columns="transaction_id") # each of these rows is there twice
    overlap = pd.concat([rows[half - 60 : half], twice, twice]) # and in the file three times
    new = pd.concat([overlap, rows[half:]]).drop(columns=["transaction_id", "is_fraud"])
    write_rows(old, tmp_path / "old/a.csv")
    write_rows(new, tmp_path / "new.csv")
    unseen = pd.concat([twice, rows[half:]]).drop(columns="transaction_id").assign(is_fraud="")
    write_rows(old, tmp_path / "all/a.csv")
    write_rows(unseen, tmp_path / "all/b.csv")
    write_prepared(*prepare(tmp_path / "old", "none"), tmp_path / "prepared")
    whole = prepare(tmp_path / "all", "none")[0].to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    features = make_features(whole, definition, {}).set_index("transaction_id")

    parameters = PARAMETERS | {"prepare": settings("none")}
    history = tmp_path / "prepared/transactions.parquet"
    kept, _ = read_new(tmp_path / "new.csv", parameters["prepare"], history)
    behind = new_features(kept, tmp_path, parameters, "new.csv")
    assert behind.n_repeated == 80 and len(behind.features) == len(new)
    names, keys = definition.feature_names(), ["timestamp", "customer_id", "terminal_id", "amount_cents"]
    ordered = whole.rename(columns={"amount": "amount_cents"}).set_index("transaction_id")
    expected = ordered[keys].join(features[names]).sort_values([*keys, *names])
    found = behind.features.sort_values([*keys, *names])
    both = found.merge(expected.drop_duplicates(), on=[*keys, *names], how="left", indicator=True)
    assert (both._merge == "both").all()


def numbers_in(prepared: Path, rows: pd.DataFrame, way: str) -> list[int]:
    if way == "numbers":
        return rows.transaction_id.tolist()
    ids = pd.read_parquet(prepared / "ids.parquet").set_index("original").transaction_id
    return rows.transaction_id.map(ids).tolist()


def numbers_of(new: pd.DataFrame, way: str, whole: pd.DataFrame, ids: pa.Table | None) -> list[int]:
    "Find the numbers of the new rows among all rows."
    if way == "numbers":
        return new.transaction_id.tolist()
    if way == "text":
        return new.transaction_id.map(ids.to_pandas().set_index("original").transaction_id).tolist()
    ordered = new.sort_values("timestamp", kind="stable")
    last = whole.transaction_id.sort_values()[-len(new) :]
    return pd.Series(last.to_numpy(), ordered.index).loc[new.index].tolist()


def newest(project: Project, n: int) -> pd.DataFrame:
    "Draw rows of the project's files that the pipeline scored, without what only the past knows."
    scored = pd.read_parquet(project.root / "predictions/champion.parquet")
    files = sorted((project.root / "data/transactions").glob("*.parquet"))
    rows = pd.concat(map(pd.read_parquet, files))
    rows = rows[rows.transaction_id.isin(scored.transaction_id)].sample(n, random_state=0)
    return rows.drop(columns=["is_fraud", "scenario"])


def test_a_folder_above_the_file_says_a_column(rows, tmp_path):
    parameters = PARAMETERS | {"prepare": settings("text")}
    parameters["prepare"]["columns"]["customer_id"] = "card"
    some = with_ids(rows[rows.customer_id == rows.customer_id[0]], "text")
    for folder in ("old/card=c1", "new/card=c2"):
        write_rows(some.drop(columns="customer_id"), tmp_path / folder / "x.csv")
    source = Source(parameters["prepare"]["columns"], parameters["prepare"]["types"])
    table = read_transactions(connect(), tmp_path / "old", source, parameters["prepare"]["entities"])
    kept, _ = split_rejected(table, parameters["prepare"]["entities"])
    write_prepared(*number_transactions(kept), tmp_path / "prepared")
    history = tmp_path / "prepared/transactions.parquet"
    kept, rejected = read_new(tmp_path / "new/card=c2/x.csv", parameters["prepare"], history)
    assert len(rejected) == 0 and kept["customer_id"].to_pylist() == ["c2"] * len(some)
    with pytest.raises(UserError, match="is a folder: predict reads one file at a time"):
        read_new(tmp_path / "new", parameters["prepare"], history)


@pytest.mark.parametrize("way", ["input", "other", "link"]) # what has the name already
def test_no_file_is_replaced(tmp_path, way):
    for name in ("params.yaml", "settings.ini"):
        shutil.copy(ROOT / name, tmp_path / name)
    mine = tmp_path / "new.csv"
    mine.write_text("mine\n")
    out = mine if way == "input" else tmp_path / "scores.csv"
    if way == "other":
        out.write_text("mine too\n")
    if way == "link": # to a file that is not there
        out.symlink_to("absent.csv")
    before = {path: path.is_symlink() or path.read_text() for path in (mine, out)}
    said = message(Project(tmp_path).here(f"mlproj predict {mine} --out {out}", fails=True))
    assert said.endswith(f"{out} is there already, and predict replaces no file: give --out another name")
    assert {path: path.is_symlink() or path.read_text() for path in (mine, out)} == before
    assert not (tmp_path / "absent.csv").exists()
    with pytest.raises(UserError, match="replaces no file"): # also where the file came during the wait
        write_predicted(Predicted(pd.DataFrame(), {}, ""), out)


@pytest.mark.long
def test_a_file_is_scored_as_the_pipeline_scored_it(finished, tmp_path):
    rows = newest(finished, 50).reset_index(drop=True)
    rows["amount"] = rows.amount.astype("object")
    rows.loc[3, "amount"] = "much"
    rows.to_csv(tmp_path / "new.csv", index=False)
    done = finished.here(f"mlproj predict {tmp_path}/new.csv --out {tmp_path}/scores.parquet")
    assert "champion scored 49 of 50 rows of new.csv" in done.stdout and "not_scored says why" in done.stdout
    table = pd.read_parquet(tmp_path / "scores.parquet")
    assert table.row.tolist() == list(range(1, 51))
    assert table.transaction_id.tolist() == rows.transaction_id.tolist() # the file's order
    assert table.not_scored[3] == "amount: unreadable" and table.index[table.score.isna()] == [3]
    scored = pd.read_parquet(finished.root / "predictions/champion.parquet").set_index("transaction_id").score
    sound = table[table.not_scored.isna()]
    assert sound.score.tolist() == scored.loc[sound.transaction_id].tolist()
    rows.assign(amount="much").to_csv(tmp_path / "wrong.csv", index=False)
    said = message(finished.here(f"mlproj predict {tmp_path}/wrong.csv --out {tmp_path}/w.csv", fails=True))
    assert said.endswith("none of the 50 rows of wrong.csv can be scored; most often: amount: unreadable")
    finished.here(f"mlproj predict {tmp_path}/new.csv --out {tmp_path}/scores.csv")
    again = pd.read_csv(tmp_path / "scores.csv")
    assert again.columns.tolist() == table.columns.tolist() and len(again) == 50


@pytest.mark.long
def test_a_mistake_of_predict_is_one_sentence(finished, tmp_path):
    rows = newest(finished, 5)
    rows.to_csv(tmp_path / "new.csv", index=False)
    rows.drop(columns="customer_id").to_csv(tmp_path / "short.csv", index=False)
    for command, expected in (
        (f"{tmp_path}/new.csv --model best", "there is no model in models/best"),
        (f"{tmp_path}/new.csv --out scores.xls", "a name that ends in .csv or .parquet"),
        (f"{tmp_path}/absent.csv", "there is no file"),
        (f"{tmp_path}/short.csv", "has no column 'customer_id'"),
        (f"{tmp_path}/new.csv --model ../etc", "a name is text of at most 100 letters"),
    ):
        assert expected in message(finished.here(f"mlproj predict {command}", fails=True)), command


@pytest.mark.parametrize(("history", "new", "read", "reason"), [
    ([7, 12], ["7", "12.0", "x"], [7, 12], "customer_id: unreadable"),
    (["7", "12"], ["7.0", "x9"], ["7", "x9"], None),
    (["7", "12.0", "x9"], ["12.0"], ["12.0"], None),
    (["007", "12"], ["7", "12.0"], ["7", "12.0"], None),
])
def test_ids_of_a_new_file_have_the_types_of_the_history(history, new, read, reason, tmp_path):
    write_parquet(pa.table({"customer_id": history}), tmp_path / "history.parquet", {})
    rows = {"timestamp": "2018-06-01", "customer_id": new, "terminal_id": 1, "amount": 5}
    write_rows(pd.DataFrame(rows), tmp_path / "new.csv")
    kept, rejected = read_new(tmp_path / "new.csv", settings("none"), tmp_path / "history.parquet")
    assert kept["customer_id"].to_pylist() == read
    assert rejected["reason"].to_pylist() == ([reason] if reason else [])


@pytest.mark.parametrize(("known", "said", "refused"), [
    ("€", "EUR ", False), ("€", "$", True), ("USD ", "kr ", True), ("", "$", False), ("$", "", False),
])
def test_amounts_in_another_currency_than_the_data_are_refused(tmp_path, known, said, refused):
    (tmp_path / "data/transactions").mkdir(parents=True)
    for name, sign in {"data/transactions/a.csv": known, "new.csv": said}.items():
        (tmp_path / name).write_text("paid\n" + "".join(f"{sign}{n}.50\n" for n in range(1, 20)))
    arguments = (tmp_path / "new.csv", tmp_path, {"csv": {}, "columns": {"amount": "paid"}})
    if refused:
        with pytest.raises(UserError, match="the amounts of new.csv are in .*, and those of the data in"):
            check_currency(*arguments)
    else:
        check_currency(*arguments)
