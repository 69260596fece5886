"""Whatever comes from outside gives a valid result or one sentence: no other exception, no hang, no crash.

Each reader has a strategy that makes its input, from nearly right to anything at all, and a function that
reads the input and checks the result. CI tries some inputs of each reader. `make long` tries a hundred
thousand in all, and writes down how many.
"""

import gzip
import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import nbformat
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mlproj.core.checks import LARGEST, UserError, read_yaml
from mlproj.core.columns import REQUIRED
from mlproj.core.files import read_json, write_json
from mlproj.core.settings import load_settings
from mlproj.data.attributes import read_attributes
from mlproj.data.contract import (
    check_rejected,
    finish_transactions,
    number_transactions,
    read_transactions,
    split_evaluation,
    split_rejected,
)
from mlproj.data.ingest import read_world
from mlproj.data.readers import KINDS
from mlproj.data.simulator import World
from mlproj.data.source import Source
from mlproj.data.versions import Record, read_record
from mlproj.evaluation.comparison import comparison_table, read_fold_metrics, read_measured
from mlproj.evaluation.splits import make_folds
from mlproj.features.definition import Definition, parse_definition
from mlproj.features.online import OnlineFeatures
from mlproj.lifecycle.acceptance import accept
from mlproj.models.model import fit_model, load_model, save_model
from mlproj.models.recipe import make_estimator
from mlproj.pipeline.environment import read_environment
from mlproj.pipeline.equality import compare_files
from mlproj.pipeline.parameters import read_parameters
from mlproj.pipeline.proposal import propose
from support import ROOT, engine, forget_tables

PARAMS = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
COLUMNS = ["transaction_id", "timestamp", "customer_id", "amount", "is_fraud"]
LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 3),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "",
            "0",
            "1",
            "7d",
            "../../x",
            "a; reboot",
            "amount",
            "is_fraud",
            "customer_id",
            "UTC",
            "\x00",
            "1e999",
            "nan",
        ]
    ),
)
ANYTHING = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LEAF, inner, max_size=3), max_leaves=8
)


@st.composite
def damaged(draw: st.DrawFn, value: object) -> object:
    "Draw a right value, of which a part at any depth is replaced by anything or left out."
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 3)) == 0:
        return draw(ANYTHING)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = draw(st.sampled_from(keys))
    changed = value.copy()
    if draw(st.integers(0, 5)) == 0:
        del changed[key]
    else:
        changed[key] = draw(damaged(value[key]))
    return changed


@st.composite
def flipped(draw: st.DrawFn, content: bytes) -> bytes:
    "Draw right bytes, cut bytes, bytes with changes, and bytes with other bytes inserted."
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        what = draw(st.integers(0, 3))
        if what == 0:
            del content[at:]
        elif what == 1:
            content[at:at] = draw(st.binary(min_size=1, max_size=12))
        elif what == 2:
            del content[at : at + draw(st.integers(1, 40))]
        elif content:
            content[min(at, len(content) - 1)] ^= 1 << draw(st.integers(0, 7))
    return bytes(content)


def in_folder(read: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read(Path(folder))


# Files of transactions.

CELL = st.one_of(
    st.sampled_from(
        [
            "1",
            "2",
            "7",
            "2018-07-25 10:00:00",
            "2018-07-25T10:00:00+02:00",
            "1532512800",
            "100",
            "19.99",
            "0",
            "1",
            "",
        ]
    ),
    st.sampled_from(
        [
            "-5",
            "1e400",
            "nan",
            "-inf",
            "9" * 30,
            "0x10",
            "yesterday",
            "9999-12-31",
            "=1+1",
            '"',
            "a,b",
            "\x00",
            "\n",
            "’",
        ]
    ),
    st.just("\x1b[2J"),
    st.text(max_size=6),
    st.integers().map(str),
)
GOOD = {
    "transaction_id": st.integers(1, 9).map(str),
    "timestamp": st.datetimes().map(str)
    | st.sampled_from(["2018-07-25 10:00:00", "2018-07-25T10:00:00+02:00", "2018-07-25"]),
    "customer_id": st.sampled_from(["1", "2", "a"]),
    "amount": st.integers(0, 10_000).map(str),
    "is_fraud": st.sampled_from(["0", "1", ""]),
}


@st.composite
def rows(draw: st.DrawFn, header: list[str]) -> list[list[str]]: # right rows, but for some cells
    table = [[draw(GOOD.get(name, CELL)) for name in header] for _ in range(draw(st.integers(0, 5)))]
    for row in table:
        if draw(st.integers(0, 2)) == 0:
            row[draw(st.integers(0, len(row) - 1))] = draw(CELL)
    return table


@st.composite
def names(draw: st.DrawFn) -> list[str]: # most of the time the names of the contract
    return draw(
        st.lists(st.sampled_from(COLUMNS) | st.text(max_size=6), min_size=1, max_size=7)
        if draw(st.integers(0, 4)) == 0
        else st.permutations(COLUMNS)
    )


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    header, delimiter, quote = draw(names()), draw(st.sampled_from(",;\t|")), draw(st.integers(0, 3))
    write = (lambda cell: '"' + cell.replace('"', '""') + '"') if quote else str
    lines = [delimiter.join(map(write, row)) for row in [header, *draw(rows(header))]]
    text = draw(st.sampled_from(["\n", "\r\n"])).join(lines) + "\n"
    content = text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig"])))
    return draw(flipped(content)) if draw(st.integers(0, 3)) == 0 else content


@st.composite
def json_files(draw: st.DrawFn) -> bytes:
    header = draw(names())
    records = [dict(zip(header, row, strict=True)) for row in draw(rows(header))]
    if draw(st.integers(0, 3)) == 0:
        records = draw(damaged(records))
    content = "".join(
        json.dumps(row, skipkeys=True) + "\n" for row in (records if isinstance(records, list) else [records])
    ).encode()
    return draw(flipped(content)) if draw(st.integers(0, 3)) == 0 else content


KIND = st.sampled_from(
    [
        pa.int64(),
        pa.int8(),
        pa.uint64(),
        pa.float32(),
        pa.float64(),
        pa.bool_(),
        pa.string(),
        pa.binary(),
        pa.date32(),
        pa.decimal128(20, 4),
        pa.timestamp("ns"),
        pa.timestamp("ms", "Europe/Paris"),
        pa.timestamp("us", "UTC"),
        pa.time64("us"),
        pa.null(),
        pa.list_(pa.int64()),
        pa.struct([("a", pa.int64())]),
        pa.dictionary(pa.int8(), pa.string()),
    ]
)
NUMBERS = { # a column's right numbers
    "transaction_id": st.integers(-(2**63), 2**63 - 1),
    "timestamp": st.integers(0, 2 * 10**15),
    "customer_id": st.integers(0, 9),
    "amount": st.integers(0, 10_000),
    "is_fraud": st.sampled_from([0, 1, None]),
}


@st.composite
def parquet_files(draw: st.DrawFn) -> bytes:
    header, n_rows, columns = draw(names()), draw(st.integers(0, 5)), []
    for name in header:
        odd = name not in COLUMNS or draw(st.integers(0, 9)) == 0
        kind = draw(KIND) if odd else pa.timestamp("us") if name == "timestamp" else pa.int64()
        numbers = st.none() | st.integers(0, 100) | NUMBERS["transaction_id"] if odd else NUMBERS[name]
        columns.append(_column(draw(st.lists(numbers, min_size=n_rows, max_size=n_rows)), kind))
    sink = BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, names=header), sink)
    return draw(flipped(sink.getvalue())) if draw(st.integers(0, 3)) == 0 else sink.getvalue()


def _column(values: list[int | None], kind: pa.DataType) -> pa.Array:
    try:
        if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_dictionary(kind):
            return pa.array([None if value is None else str(value) for value in values]).cast(kind)
        if pa.types.is_list(kind):
            return pa.array([None if value is None else [value] for value in values], kind)
        if pa.types.is_struct(kind):
            return pa.array([None if value is None else {"a": value} for value in values], kind)
        return pa.array(values, pa.int64()).cast(kind, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(values), kind)


@st.composite
def table_files(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> tuple[str, bytes]: # name, content
    kind = draw(st.sampled_from(kinds))
    name = draw(st.sampled_from(["a", "k=v", "*", "[ab]", "ü", "a.csv", "%41", "~"])) + kind
    content = draw(parquet_files() if kind == ".parquet" else csv_files() if ".csv" in kind else json_files())
    if kind.endswith(".gz"):
        content = gzip.compress(content, mtime=0)
        content = draw(flipped(content)) if draw(st.integers(0, 3)) == 0 else content
    return name, content


def prepare(
    folder: Path,
    source: Source,
    entities=("customer_id",),
    max_rejected=1.0,
    label_delay_days=7,
    evaluation_only=(),
) -> None:
    "Do the work of the stage prepare, and check that the accepted rows keep the contract."
    rows = read_transactions(engine(), folder, source, list(entities))
    valid, rejected = split_rejected(rows, list(entities) if isinstance(entities, tuple) else entities)
    assert len(valid) + len(rejected) == len(rows) and not any(
        reason is None for reason in rejected["reason"].to_pylist()
    )
    check_rejected(len(rows), rejected, max_rejected)
    numbered, _ = number_transactions(valid)
    transactions = finish_transactions(numbered, label_delay_days)
    transactions, _ = split_evaluation(
        transactions, list(evaluation_only) if isinstance(evaluation_only, tuple) else evaluation_only
    )
    ids, amounts = transactions["transaction_id"].to_pylist(), transactions["amount"].to_pylist()
    assert transactions["transaction_id"].type == pa.int64() and len(set(ids)) == len(ids) and None not in ids
    assert (
        transactions["timestamp"].type == pa.timestamp("us", "UTC")
        and transactions["timestamp"].null_count == 0
    )
    assert all(isinstance(amount, int) and 0 <= amount <= LARGEST for amount in amounts)
    assert set(transactions["is_fraud"].to_pylist()) <= {0, 1, None}


def read_transaction_file(case: tuple[str, bytes]) -> None:
    def read(folder: Path) -> None:
        (folder / case[0]).write_bytes(case[1])
        prepare(folder, Source({name: name for name in COLUMNS}))

    try:
        in_folder(read)
    finally:
        forget_tables()


# The sections of params.yaml on files.

GOOD_CSV = b"transaction_id,timestamp,customer_id,amount,is_fraud,scenario\n" + b"".join(
    b"%d,2018-07-%02d 10:00:00,%d,100,%d,0\n" % (n, n + 1, n % 3, n % 2) for n in range(9)
)
PREPARE = {
    "columns": {name: name for name in [*COLUMNS, "scenario"]},
    "types": {"scenario": "text"},
    "decimals": {"amount": 2},
    "timezone": "UTC",
    "labels": {"1": 1, "0": 0},
    "entities": ["customer_id"],
    "max_rejected": 0.1,
    "label_delay_days": 7,
    "evaluation_only": ["scenario"],
}


@st.composite
def sections(draw: st.DrawFn, section: dict) -> dict:
    "Draw a section of params.yaml with the right parameters, one or two with other values."
    keys = draw(st.lists(st.sampled_from(sorted(section)), min_size=1, max_size=2, unique=True))
    return section | {key: draw(damaged(section[key])) for key in keys}


def read_as_section_says(section: dict) -> None:
    names = ("columns", "types", "decimals", "timezone", "labels")
    rest = {key: value for key, value in section.items() if key not in names}

    def read(folder: Path) -> None:
        (folder / "a.csv").write_bytes(GOOD_CSV)
        prepare(folder, Source(**{name: section[name] for name in names}), **rest)

    try:
        in_folder(read)
    finally:
        forget_tables()


# Attributes.

TABLE = {
    "file": "customers.csv",
    "columns": {"customer_id": "id", "latitude": "lat", "longitude": "lon", "kind": "kind"},
    "known_from": "since",
    "types": {"kind": "text"},
}


@st.composite
def attribute_tables(draw: st.DrawFn) -> tuple[object, bytes]:
    good = ["1", "10.5", "-3.25", "shop", "2018-01-01"]
    body = [[str(number), *good[1:]] for number in range(draw(st.integers(0, 4)))]
    for row in body:
        if draw(st.booleans()):
            row[draw(st.integers(0, 4))] = draw(
                st.sampled_from(["1", "-91", "181", "2018-01-01", "nan", "1e400", ""]) | CELL
            )
    content = (
        "\n".join(",".join(row) for row in [["id", "lat", "lon", "kind", "since"], *body]).encode() + b"\n"
    )
    table = draw(damaged(TABLE)) if draw(st.booleans()) else TABLE
    return table, draw(flipped(content)) if draw(st.integers(0, 3)) == 0 else content


def read_attribute_table(case: tuple[object, bytes]) -> None:
    def read(folder: Path) -> None:
        (folder / "customers.csv").write_bytes(case[1])
        rows = read_attributes(engine(), folder, "customer_id", case[0], pa.int64(), Source({}))
        assert rows.column_names[:2] == ["customer_id", "known_from"] and rows["customer_id"].null_count == 0

    try:
        in_folder(read)
    finally:
        forget_tables()


# YAML files, and the objects that are made of them.

YAML_SIGNS = [
    "a: ",
    "- ",
    "&x ",
    "*x",
    "!!python/name:os.system ",
    "!!set ",
    "<<: ",
    *"{}[]\n|'\"#~",
    "  ",
    "1e3",
    "? ",
    "%TAG",
    "---\n",
]
YAML_TEXT = (st.text(max_size=60) | st.lists(st.sampled_from(YAML_SIGNS), max_size=25).map("".join)).map(
    str.encode
)


@cache
def committed(name: str) -> bytes:
    return (ROOT / name).read_bytes()


def dump(value: object) -> bytes:
    sink = BytesIO()
    YAML(typ="safe", pure=True).dump(value, sink)
    return sink.getvalue()


@st.composite
def records(draw: st.DrawFn) -> bytes:
    return draw(
        st.one_of(
            flipped(committed("data.dvc")),
            YAML_TEXT,
            damaged(read_yaml(committed("data.dvc"), "data.dvc")).map(dump),
        )
    )


def read_data_dvc(content: bytes) -> None:
    def read(folder: Path) -> None:
        (folder / "data.dvc").write_bytes(content)
        assert isinstance(read_record(folder), Record)

    in_folder(read)


@st.composite
def params_files(draw: st.DrawFn) -> bytes:
    few = PARAMS | {"models": {"tree": PARAMS["models"]["tree"]}}
    return draw(st.one_of(flipped(dump(few)), YAML_TEXT, damaged(few).map(dump)))


def read_params(content: bytes) -> None:
    def read(folder: Path) -> None:
        (folder / "params.yaml").write_bytes(content)
        given = read_parameters(folder)
        make_folds(given["folds"], given["label_delay_days"])
        for recipe in given["models"].values():
            make_estimator(recipe, threads=1)

    in_folder(read)


def read_definition(section: dict) -> None:
    definition = parse_definition(**section)
    assert isinstance(definition, Definition) and len(definition.hash) == 16
    assert len(set(definition.feature_names())) == len(definition.feature_names()) and definition.horizon >= 0


INI_SIGNS = [
    "[engine]",
    "[paths]",
    "threads",
    "=",
    "0",
    "4",
    "²",
    "9" * 5000,
    "spill",
    "\n",
    " ",
    "%(x)s",
    "[",
    "]",
    "\x00",
]
INI_TEXT = st.lists(st.sampled_from(INI_SIGNS), max_size=12).map("".join).map(str.encode)
SETTINGS = flipped((ROOT / "settings.ini").read_bytes()) | INI_TEXT


def read_settings(content: bytes) -> None:
    def read(folder: Path) -> None:
        (folder / "settings.ini").write_bytes(content)
        assert load_settings(folder).threads >= 1

    in_folder(read)


# Model folders.

@cache
def model_folders() -> dict[str, dict[str, bytes]]: # name → file → content
    draw = np.random.default_rng(0)
    rows = pd.DataFrame({"amount": draw.gamma(2, 30, 500), "shop": draw.choice(["a", "b"], 500)})
    rows["is_fraud"] = (rows.amount > 100).astype("int8")
    trees = {"XGBClassifier": {"n_estimators": 3}, "DecisionTreeClassifier": {"max_depth": 2}}
    small = trees | {"LogisticRegression": {}, "KNeighborsClassifier": {}}
    folders = {}
    for name, parameters in small.items():
        with tempfile.TemporaryDirectory() as folder:
            save_model(
                fit_model({"estimator": name, "parameters": parameters}, rows, ["amount", "shop"], "abc"),
                Path(folder),
                {},
            )
            folders[name] = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return folders


@st.composite
def model_files(draw: st.DrawFn) -> tuple[str, str, bytes]:
    name = draw(st.sampled_from(sorted(model_folders())))
    file = draw(st.sampled_from(sorted(model_folders()[name])))
    return name, file, draw(flipped(model_folders()[name][file]) | st.binary(max_size=50))


def read_model(case: tuple[str, str, bytes]) -> None:
    name, file, content = case

    def read(folder: Path) -> None:
        for other, saved in model_folders()[name].items():
            (folder / other).write_bytes(content if other == file else saved)
        load_model(folder, "abc")
        assert content == model_folders()[name][file], "a changed model was loaded"

    in_folder(read)


# Transactions and labels that reach a service.

EVENT = {
    "transaction_id": 1,
    "timestamp": 1_532_512_800_000_000,
    "customer_id": 7,
    "terminal_id": 3,
    "amount": 100,
}
MOMENT = st.integers(1_532_512_800_000_000, 1_532_600_000_000_000)


@st.composite
def events(draw: st.DrawFn) -> list[tuple]:
    calls = []
    for number in range(draw(st.integers(1, 4))):
        right = EVENT | {
            "transaction_id": number,
            "timestamp": draw(MOMENT),
            "customer_id": draw(st.integers(0, 2)),
        }
        event = draw(damaged(right)) if draw(st.integers(0, 1)) else right
        calls.append(("add", event if isinstance(event, dict) else right, draw(st.none() | MOMENT | LEAF)))
        if draw(st.booleans()):
            calls.append(
                (
                    "label",
                    draw(st.integers(0, number) | ANYTHING),
                    draw(st.sampled_from([0, 1]) | ANYTHING),
                    draw(MOMENT | LEAF),
                )
            )
    return calls


@cache
def online_definition() -> Definition:
    return parse_definition(**PARAMS["features"])


def serve(made: list[tuple]) -> None:
    """Every event is taken or refused.

    A refused event changes nothing: the features of the other events are as if it had not come.
    """
    online, answers = OnlineFeatures(online_definition()), []
    for event in made:
        try:
            answers.append(_send(online, event))
        except UserError:
            answers.append(None)
    again, taken = (
        OnlineFeatures(online_definition()),
        [pair for pair in zip(made, answers, strict=True) if pair[1] is not None],
    )
    assert [_send(again, event) for event, _ in taken] == [answer for _, answer in taken]
    if None in answers:
        raise UserError("refused")


def _send(online: OnlineFeatures, event: tuple) -> object:
    kind, *what = event
    if kind == "label":
        return ("label", online.label(*what))
    row = online.add(*what)
    assert set(online.names) < set(row)
    return row


@cache
def saved_store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        online = OnlineFeatures(online_definition(), path)
        for number in range(6):
            online.add(EVENT | {"transaction_id": number, "timestamp": EVENT["timestamp"] + number})
        online.label(1, 1, EVENT["timestamp"] + 100)
        online.close()
        return path.read_bytes()


@st.composite
def stores(draw: st.DrawFn) -> bytes:
    if draw(st.integers(0, 2)):
        return draw(flipped(saved_store()))
    with tempfile.TemporaryDirectory() as folder: # a store that SQLite can read, with another event in it
        path = Path(folder) / "store"
        path.write_bytes(saved_store())
        with sqlite3.connect(path) as database:
            event = json.loads(database.execute("SELECT event FROM events WHERE number = 3").fetchone()[0])
            database.execute(
                "UPDATE events SET event = ? WHERE number = 3",
                [json.dumps(draw(damaged(event)), skipkeys=True)],
            )
        database.close()
        return path.read_bytes()


def read_store(content: bytes) -> None:
    def read(folder: Path) -> None:
        (folder / "store").write_bytes(content)
        online = OnlineFeatures(online_definition(), folder / "store")
        online.add(EVENT | {"transaction_id": 1_000, "timestamp": EVENT["timestamp"] + 10**10})
        online.close()

    in_folder(read)


# Proposals, and small results.

def propose_for(case: tuple[str, bytes]) -> None:
    def read(folder: Path) -> None:
        (folder / case[0]).write_bytes(case[1])
        proposed = YAML(typ="safe", pure=True).load(propose([folder / case[0]]))
        assert set(proposed["prepare"]["columns"]) >= {*REQUIRED[1:]}

    in_folder(read)


RESULT = {
    "study": "abc",
    "model": "small",
    "best": {"average_precision": 0.74, "parameters": {"max_depth": 5, "gamma": 0.5}},
    "difference": {"difference": 0.01},
    "present": {"average_precision": 0.7},
}
BEFORE = "models:\n  small:\n    parameters:\n      max_depth: 3\n      random_state: 0\n"


def accept_result(result: object) -> None:
    def read(folder: Path) -> None:
        write_json(folder / "tuning.json", result)
        (folder / "params.yaml").write_text(BEFORE)
        try:
            accept(folder / "params.yaml", read_json(folder / "tuning.json"), "abc")
        except UserError:
            assert (folder / "params.yaml").read_text() == BEFORE
            raise
        models = read_yaml((folder / "params.yaml").read_bytes(), "params.yaml")["models"]
        assert isinstance(models["small"]["parameters"], dict)

    in_folder(read)


FOLD = {
    "fold": "2018-07-25",
    "auc": 0.87,
    "card_precision_100": 0.3,
    "card_precision_100_by_day": {"2018-08-08": 0.3},
}


def read_figures(content: object) -> None:
    def read(folder: Path) -> None:
        write_json(folder / "small.json", content)
        read_fold_metrics(folder, ["small"])

    in_folder(read)


def read_comparison(content: object) -> None:
    def read(folder: Path) -> None:
        write_json(folder / "compare.json", content)
        comparison_table(read_measured(folder / "compare.json"), {"small": {"auc": 0.87}}, 0.01)

    in_folder(read)


def read_packages(content: object) -> None:
    def read(folder: Path) -> None:
        write_json(folder / "versions.json", content)
        assert all(isinstance(version, str) for version in read_environment(folder).values())

    in_folder(read)


def read_constants(constants: object) -> None:
    assert isinstance(read_world(constants), World)


@cache
def outputs() -> dict[str, bytes]: # an output of each kind that `mlproj verify` reads
    rows = pd.DataFrame({"score": [0.5, None], "n": pd.array([1, None], dtype="Int64"), "name": ["a", None]})
    sink, cell = (
        BytesIO(),
        nbformat.v4.new_code_cell("1 + 1", outputs=[nbformat.v4.new_output("stream", text="2")], id="a"),
    )
    rows.to_parquet(sink)
    picture = (ROOT / "benchmarks/stores.png").read_bytes()
    notebook = nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode()
    metrics = b'{"auc": 0.5, "n": 1, "more": [true, null, {"a": "b"}]}'
    return {
        "x.json": metrics,
        "x.parquet": sink.getvalue(),
        "x.csv": rows.to_csv().encode(),
        "x.ipynb": notebook,
        "x.png": picture,
    }


@st.composite
def changed_outputs(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(sorted(outputs())))
    metrics = damaged(json.loads(outputs()["x.json"])).map(
        lambda value: json.dumps(value, skipkeys=True).encode()
    )
    return name, draw(flipped(outputs()[name]) | (metrics if name == "x.json" else st.binary(max_size=50)))


def compare_output(case: tuple[str, bytes]) -> None:
    "Compare two outputs; a difference, or an unreadable output, gives sentences."
    name, content = case
    assert compare_files(name, outputs()[name], outputs()[name]) == []
    if differences := compare_files(name, outputs()[name], content):
        assert all(isinstance(sentence, str) and sentence for sentence in differences)
        raise UserError("different")


class Reader(NamedTuple):
    "A reader of outside input, and the number of cases that it is tried on."
    inputs: st.SearchStrategy
    read: Callable[[object], None]
    n_cases: int # in CI
    n_cases_long: int # in `make long`


FIGURES = {"small": {"auc": 0.87, "average_precision": None}}
READERS = {
    "CSV": Reader(table_files((".csv", ".csv.gz")), read_transaction_file, 20, 1_500),
    "JSON lines": Reader(table_files((".jsonl", ".ndjson.gz")), read_transaction_file, 30, 1_500),
    "Parquet": Reader(table_files((".parquet",)), read_transaction_file, 30, 1_500),
    "prepare in params.yaml": Reader(sections(PREPARE), read_as_section_says, 20, 1_000),
    "attributes": Reader(attribute_tables(), read_attribute_table, 25, 1_000),
    "mlproj data inspect": Reader(table_files(), propose_for, 8, 500),
    "data.dvc": Reader(records(), read_data_dvc, 30, 10_000),
    "simulator in data.dvc": Reader(damaged(asdict(World())), read_constants, 40, 3_000),
    "params.yaml": Reader(params_files(), read_params, 40, 12_000),
    "features in params.yaml": Reader(sections(PARAMS["features"]), read_definition, 60, 28_000),
    "settings.ini": Reader(SETTINGS, read_settings, 60, 15_000),
    "model folders": Reader(model_files(), read_model, 40, 8_000),
    "transactions and labels sent": Reader(events(), serve, 60, 10_000),
    "stores of events": Reader(stores(), read_store, 30, 4_000),
    "results of a search": Reader(damaged(RESULT), accept_result, 60, 12_000),
    "figures of folds": Reader(damaged({"folds": [FOLD]}), read_figures, 40, 3_000),
    "figures that are compared": Reader(damaged(FIGURES), read_comparison, 40, 3_000),
    "versions.json": Reader(damaged({"duckdb": "2.0.0", "numpy": "2.4.6"}), read_packages, 40, 3_000),
    "outputs that are compared": Reader(changed_outputs(), compare_output, 40, 3_000),
}


def try_cases(name: str, n_cases: int) -> Counter:
    "Read some cases, and count the valid and the refused ones."
    reader = READERS[name]
    counts = Counter()

    @settings(
        max_examples=n_cases, deadline=30_000, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )
    @given(reader.inputs)
    def case(given: object) -> None:
        try:
            reader.read(given)
        except UserError as error:
            assert str(error) and str(error).isprintable() and len(str(error)) < 3_000
            counts["refused"] += 1
        else:
            counts["valid"] += 1

    case()
    return counts


@pytest.mark.parametrize("name", READERS)
def test_some_cases(name):
    assert sum(try_cases(name, READERS[name].n_cases).values()) > 0


def test_each_reader_is_in_the_last_long_run():
    assert set(json.loads((ROOT / "records/fuzz.json").read_text())["readers"]) == set(READERS)


@pytest.mark.long
def test_a_hundred_thousand_cases():
    counts = {}
    for name, reader in READERS.items():
        counts[name] = dict(sorted(try_cases(name, reader.n_cases_long).items()))
    n_cases = sum(sum(count.values()) for count in counts.values())
    write_json(ROOT / "records/fuzz.json", {"cases": n_cases, "readers": counts})
    assert n_cases >= 100_000 and all("refused" in count for count in counts.values())
