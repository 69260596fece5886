"""The engines agree to the last bit on random histories, and with a slow, plain reading of the definition."""

from collections import deque
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlproj.features.aggregates
import mlproj.features.batch
from mlproj.core.checks import LARGEST
from mlproj.core.columns import place_columns
from mlproj.core.engine import connect, connect_backend, query_batches
from mlproj.core.tables import write_parquet
from mlproj.features.batch import batch_features
from mlproj.features.definition import AGGREGATES, Definition, Duration, parse_definition
from mlproj.features.online import OnlineFeatures
from mlproj.features.warming import attribute_rows
from mlproj.pipeline.parameters import read_parameters
from support import ROOT

DAY = Duration("1d").microseconds
START = 1_522_540_800_000_000  # 2018-04-01, microseconds since 1970


def items(*kinds: str | None) -> list[dict]:
    "List all aggregates over columns of these kinds."
    columns = {
        None: [None],
        "whole numbers": ["amount", "points"],
        "whole numbers or text": ["category", "points"],
        "label": ["is_fraud"],
    }
    pairs = [(name, column) for name, kind in AGGREGATES.items() if kind in kinds for column in columns[kind]]
    return [{"aggregate": name} | ({"column": column} if column else {}) for name, column in pairs]


EVERYTHING = parse_definition(
    units={"amount": 100},
    timezone="Europe/Paris",
    calendar=["is_weekend", "is_night", "hour", "day_of_week"],
    windows=[
        {"entity": "customer_id", "lengths": ["1d", "3d"], "lag": "0d",
         "aggregates": items(None, "whole numbers", "whole numbers or text")},
        {"entity": "terminal_id", "lengths": ["6h", "2d"], "lag": "2d", "fill": None,
         "aggregates": items(None, "whole numbers", "whole numbers or text", "label")},
    ],
    attributes=[{"entity": "terminal_id", "columns": ["kind", "floor"]}],
    distances=[["customer_id", "terminal_id"], ["home", "shop"]],
    speeds=[
        {"entity": "customer_id", "place": "terminal_id", "within": "1d"},
        {"entity": "customer_id", "place": "shop", "within": "1d"},
    ],
    inputs=["points", "category"],
    fill=-1.0,
)

N_HISTORIES = (
    8 # in one table, each with customers and terminals of its own, so that one query computes all
)


def attributes() -> dict[str, pa.Table]:
    "Draw attributes that change, are unknown for a while, or are missing altogether."
    homes, places = [], []
    for history in range(N_HISTORIES):
        homes += [
            (history * 10, None, 0.0, 1.0),
            (history * 10, START + DAY, 5.5, -7.25),
            (history * 10 + 1, START + 3 * DAY, 1e6, 3.0),
        ]
        places += [(f"a{history}", None, 3.0, 4.0, "books", 1), (f"b{history}", None, 0.1, 0.2, None, 2),
                   (f"b{history}", START + DAY, None, 8.0, "fuel", None)]
    moments = pa.timestamp("us", "UTC")
    homes, places = ([pa.array(column) for column in zip(*rows, strict=True)] for rows in (homes, places))
    homes[1], places[1] = (pa.array(column, moments) for column in (homes[1], places[1]))
    return {
        "customer_id": pa.table(homes, ["customer_id", "known_from", "x", "y"]),
        "terminal_id": pa.table(places, ["terminal_id", "known_from", "x", "y", "kind", "floor"]),
    }


ATTRIBUTES = attributes()
CHOICES = {
    "step": [0, 0, 1, DAY // 4, DAY // 2, DAY - 1, DAY, DAY + 1, 2 * DAY, 3 * DAY, 7 * DAY],
    "behind": [0, 0, 0, 1, DAY // 2, 2 * DAY],  # how long before its arrival the transaction was made
    "customer_id": [0, 0, 0, 0, 1, 2],  # customer 0 has most of the transactions
    "terminal_id": ["a", "a", "b", "c"],
    "amount": [0, 1, 99, 1234, 99_999, 7_654_321, LARGEST - 1, LARGEST],
    "points": [None, -LARGEST, LARGEST, -3, 0, 1, 2],
    "category": [None, "x", "y", "z"],
    "is_fraud": [0, 1, 1, None],
    "home": [(0, 0, 0), (3, 4, 0), (None, 4, 0)],  # places that stand in the transaction: x, y, z
    "shop": [(0, 0, 0), (6_371_009, -1, 17), (None, None, None)],
    "label_delay": [1, DAY, 2 * DAY - 1, 2 * DAY, 2 * DAY + 1, 3 * DAY, 4 * DAY - 1, 4 * DAY, 9 * DAY],
}
EVENT = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in CHOICES.items()})
HISTORIES = st.lists(st.lists(EVENT, min_size=1, max_size=25), min_size=N_HISTORIES, max_size=N_HISTORIES)


def serve(
    histories: list[list[dict]],
) -> tuple[list[dict], list[dict]]: # the transactions as a table would have them; the rows that were served
    "Send histories as they happen."
    transactions, served = [], []
    for number, history in enumerate(histories):
        own = [
            {
                "customer_id": number * 10 + event["customer_id"],
                "terminal_id": f"{event['terminal_id']}{number}",
            }
            for event in history
        ]
        named = [event | names for event, names in zip(history, own, strict=True)]
        some_transactions, some_served = serve_one(
            named, number * 1000, OnlineFeatures(EVERYTHING, attributes=attribute_rows(ATTRIBUTES))
        )
        transactions += some_transactions
        served += some_served
    return transactions, served


def serve_one(history: list[dict], first: int, online: OnlineFeatures) -> tuple[list[dict], list[dict]]:
    transactions, served, labels, clock = [], [], [], START
    for number, event in enumerate(history):
        clock += event["step"]
        for label in sorted(label for label in labels if label[0] <= clock):
            labels.remove(label)
            send_label(online, transactions[label[1]], label[0])
        features = {
            name: event[name]
            for name in ("customer_id", "terminal_id", "amount", "points", "category", "is_fraud")
        }
        for place in ("home", "shop"):
            features |= dict(zip(place_columns(place), event[place], strict=True))
        features |= {"transaction_id": first + number, "timestamp": clock - event["behind"]}
        row = online.add(features)
        assert online.add(features) == row, "a second time, the answer is the same"
        clock = row["arrival_time"]
        label_time = None if event["is_fraud"] is None else clock + event["label_delay"]
        transactions.append(features | {"arrival_time": clock, "label_time": label_time})
        served.append({name: row[name] for name in ["transaction_id", *online.names]})
        if label_time is not None:
            labels.append((label_time, number))
    return transactions, served


def send_label(online: OnlineFeatures, transaction: dict, label_time: int) -> None:
    effective_time = online.label(transaction["transaction_id"], transaction["is_fraud"], label_time)
    forgotten = transaction["arrival_time"] + online.definition.horizon
    transaction["label_time"] = effective_time if effective_time is not None else max(label_time, forgotten)


TYPES = {
    "transaction_id": pa.int64(),
    "timestamp": pa.timestamp("us", "UTC"),
    "arrival_time": pa.timestamp("us", "UTC"),
    "label_time": pa.timestamp("us", "UTC"),
    "customer_id": pa.int64(),
    "terminal_id": pa.string(),
    "amount": pa.int64(),
    "points": pa.int64(),
    "category": pa.string(),
    "is_fraud": pa.int8(),
} | {column: pa.int64() for place in ("home", "shop") for column in place_columns(place)}


def as_table(transactions: list[dict]) -> pa.Table:
    return pa.table(
        {name: pa.array([row[name] for row in transactions], kind) for name, kind in TYPES.items()}
    )


def by_batch(engine: ibis.BaseBackend, transactions: list[dict], folder: Path) -> list[dict]:
    tables = {
        name: engine.read_parquet(save(table, folder / f"{name}.parquet"))
        for name, table in ATTRIBUTES.items()
    }
    table = engine.read_parquet(save(as_table(transactions), folder / "transactions.parquet"))
    return query_batches(engine, batch_features(engine, table, EVERYTHING, tables)).read_all().to_pylist()


def save(table: pa.Table, path: Path) -> Path:
    write_parquet(table, path, {})
    return path


def assert_equal(one: list[dict], other: list[dict]) -> None:
    "Compare every value of every transaction, to the last bit."
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        for name, value in left.items():
            assert repr(value) == repr(right[name]), (
                f"transaction {left['transaction_id']}, {name}: {value!r} and {right[name]!r}"
            )


def assert_engines_agree(histories: list[list[dict]], folder: Path) -> None:
    "Served, by frames and by ledger."
    transactions, served = serve(histories)
    framed = by_batch(connect(), transactions, folder)
    assert_equal(served, framed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlproj.features.batch, "GIANT", 1)
        assert_equal(by_batch(connect(), transactions, folder), framed)


# The same histories each time; `make long` draws others.
SAME = settings(
    max_examples=6, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.slow(40)
@SAME
@given(HISTORIES)
def test_online_equals_batch_by_frames_and_by_ledger(tmp_path, histories):
    assert_engines_agree(histories, tmp_path)


@pytest.mark.long
@settings(SAME, max_examples=100, derandomize=False)
@given(HISTORIES)
def test_online_equals_batch_on_many_more_histories(tmp_path, histories):
    assert_engines_agree(histories, tmp_path)


@pytest.mark.long
def test_every_row_of_the_world_is_served_as_batch_has_it(world, tmp_path):
    definition = parse_definition(**read_parameters(ROOT)["features"])
    table = world["transactions"].drop(columns="scenario")
    table["label_time"] = table.timestamp + pd.Timedelta(days=7)
    path = save(pa.Table.from_pandas(table, preserve_index=False), tmp_path / "transactions.parquet")
    expected = features_of(connect(), path, definition)
    assert_same_as_spark(path, definition, expected)

    online, labels = OnlineFeatures(definition), deque()
    rows = table.assign(
        timestamp=table.timestamp.astype("int64"), label_time=table.label_time.astype("int64")
    ).itertuples(index=False)
    for row, batch in zip(rows, zip(*expected, strict=True), strict=True):
        while labels and labels[0].label_time <= row.timestamp:
            label = labels.popleft()
            online.label(label.transaction_id, label.is_fraud, label.label_time)
        labels.append(row)
        served = online.add(row._asdict())
        assert [served[name] for name in online.names] == list(batch), (
            f"transaction {row.transaction_id}: {served} and {batch}"
        )


def features_of(
    engine: ibis.BaseBackend, path: Path, definition: Definition
) -> list[list]: # the columns of features
    features = batch_features(engine, engine.read_parquet(path), definition, {})
    table = query_batches(engine, features).read_all()
    return [table[name].to_pylist() for name in definition.feature_names()]


def assert_same_as_spark(path: Path, definition: Definition, expected: list[list]) -> None:
    pytest.importorskip("pyspark", reason="PySpark is not installed: `make spark`")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLPROJ_ENGINE_BACKEND", "spark")
        spark = connect_backend()
    from_spark = features_of(spark, path, definition)
    spark.disconnect()
    for name, ours, theirs in zip(definition.feature_names(), expected, from_spark, strict=True):
        assert ours == theirs, name
