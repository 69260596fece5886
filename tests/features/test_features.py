"""Features equal the published ones, and a slow, plain reading of their definition."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlproj.core.engine import connect, query_batches
from mlproj.core.tables import write_parquet
from mlproj.features.batch import batch_features
from mlproj.features.definition import parse_definition
from mlproj.pipeline.parameters import read_parameters
from support import ROOT

DAY = 86_400_000_000  # microseconds

# Digests of the sorted columns, as float64.
DIGESTS = {
    "amount": "ed8348d9fa2a0bf3",
    "is_weekend": "1dd8400a9ddab908",
    "is_night": "b99eb77a887045b1",
    "customer_id_count_1d": "50fb4e1a6d69ad8d",
    "customer_id_amount_mean_1d": "9c9ca74df23cc106",
    "customer_id_count_7d": "2f6096b0e897808f",
    "customer_id_amount_mean_7d": "00734031b9a22cd0",
    "customer_id_count_30d": "87fe0ce5ec5ad272",
    "customer_id_amount_mean_30d": "245f09ecb34f5750",
    "terminal_id_count_1d_lag7d": "5ec192468e654e69",
    "terminal_id_is_fraud_rate_1d_lag7d": "e9c1cc7f365b195c",
    "terminal_id_count_7d_lag7d": "adc8e30741e4d875",
    "terminal_id_is_fraud_rate_7d_lag7d": "581181baffc8fd65",
    "terminal_id_count_30d_lag7d": "3ea25414abcc924b",
    "terminal_id_is_fraud_rate_30d_lag7d": "532931bbaf06f187",
}


@pytest.fixture(scope="module")
def features(world, tmp_path_factory) -> pd.DataFrame:
    "The Handbook's features of the published world, by the definition of params.yaml."
    prepared = tmp_path_factory.mktemp("prepared") / "transactions.parquet"
    table = world["transactions"].drop(columns="scenario")
    table["label_time"] = table.timestamp + pd.Timedelta(days=7)
    write_parquet(pa.Table.from_pandas(table, preserve_index=False), prepared, {})
    engine = connect()
    section = read_parameters(ROOT)["features"]
    definition = parse_definition(**{**section, "windows": section["windows"][:2]})
    return (
        query_batches(engine, batch_features(engine, engine.read_parquet(prepared), definition, {}))
        .read_all()
        .to_pandas()
    )


def test_names_are_the_published_inputs_in_their_order(features):
    expected = ["transaction_id", "amount", "is_weekend", "is_night"]
    expected += [f"customer_id_{what}_{days}d" for days in (1, 7, 30) for what in ("count", "amount_mean")]
    expected += [
        f"terminal_id_{what}_{days}d_lag7d" for days in (1, 7, 30) for what in ("count", "is_fraud_rate")
    ]
    assert list(features) == expected
    assert read_parameters(ROOT)["inputs"]["handbook"] == expected[1:]


def test_one_row_a_transaction(features, world):
    assert np.array_equal(features.transaction_id, world["transactions"].transaction_id)


def test_features_have_the_digests_of_those_that_equal_the_published(features):
    digests = {
        name: hashlib.sha256(np.sort(features[name].astype("float64").to_numpy()).tobytes()).hexdigest()[:16]
        for name in DIGESTS
    }
    assert digests == DIGESTS


def test_features_equal_the_published(features, world, reference):
    published = pd.read_parquet(reference / "handbook_features_rows.parquet")
    table = world["transactions"].merge(features.rename(columns={"amount": "units"}), on="transaction_id")
    table["TX_TIME_SECONDS"] = (table.timestamp - pd.Timestamp("2018-04-01", tz="UTC")) // pd.Timedelta(
        seconds=1
    )
    rows = published.merge(table, left_on=["TX_TIME_SECONDS", "CUSTOMER_ID", "TERMINAL_ID"],
                           right_on=["TX_TIME_SECONDS", "customer_id", "terminal_id"])
    assert len(rows) == len(published) == 2000
    assert np.array_equal(rows.TX_DURING_WEEKEND, rows.is_weekend)
    assert np.array_equal(rows.TX_DURING_NIGHT, rows.is_night)
    assert np.allclose(rows.TX_AMOUNT, rows.units, rtol=0, atol=1e-9)
    for days in (1, 7, 30):
        assert np.array_equal(rows[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"], rows[f"customer_id_count_{days}d"])
        assert np.array_equal(
            rows[f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"], rows[f"terminal_id_count_{days}d_lag7d"]
        )
        for theirs, ours in (
            (f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW", f"customer_id_amount_mean_{days}d"),
            (f"TERMINAL_ID_RISK_{days}DAY_WINDOW", f"terminal_id_is_fraud_rate_{days}d_lag7d"),
        ):
            assert np.allclose(rows[theirs], rows[ours], rtol=0, atol=1e-9)


# A plain reading of the definition, one transaction at a time, against the query.

STEPS = [0, 1, DAY // 2, DAY - 1, DAY, DAY + 1, 2 * DAY, 3 * DAY]
TRANSACTION = st.tuples(
    st.sampled_from(STEPS), st.integers(0, 2), st.integers(0, 10**12), st.sampled_from([0, 1, None])
)


def plainly(rows: list[dict], lag: int, days: int) -> list[tuple]:
    "Compute count, mean amount and fraud rate of each window by comparing all pairs of transactions."
    values = []
    for now in rows:
        mine = [row for row in rows if row["entity"] == now["entity"]]
        counted = [row for row in mine if (row["time"] + lag, row["rank"]) <= (now["time"], now["rank"])
                   and (row["time"] + lag + days * DAY, row["rank"]) > (now["time"], now["rank"])]
        known = [
            row["is_fraud"]
            for row in mine
            if row["is_fraud"] is not None and now["time"] - days * DAY < row["time"] + lag <= now["time"]
        ]
        mean = sum(row["amount"] for row in counted) / (len(counted) * 100) if counted else -1.0
        values.append((len(counted), mean, sum(known) / len(known) if known else -1.0))
    return values


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(TRANSACTION, min_size=1, max_size=40), st.sampled_from([1, 2]), st.sampled_from([1, 3]))
def test_windows_hold_what_their_definition_says(drawn, days, lag_days):
    times = np.cumsum([step for step, *_ in drawn]).tolist()
    rows = [
        {"transaction_id": number, "time": time, "entity": entity, "amount": amount, "is_fraud": is_fraud}
        for number, (time, (_, entity, amount, is_fraud)) in enumerate(zip(times, drawn, strict=True))
    ]
    for row in rows:
        row["rank"] = sum(other["transaction_id"] <= row["transaction_id"] for other in rows
                          if (other["entity"], other["time"]) == (row["entity"], row["time"]))
    table = pa.table(
        {
            "transaction_id": pa.array([row["transaction_id"] for row in rows], "int64"),
            "timestamp": pa.array(
                [row["time"] + 1_522_540_800_000_000 for row in rows], pa.timestamp("us", "UTC")
            ),
            "entity": pa.array([row["entity"] for row in rows], "int64"),
            "amount": pa.array([row["amount"] for row in rows], "int64"),
            "is_fraud": pa.array([row["is_fraud"] for row in rows], "int8"),
        }
    )
    table = table.append_column("label_time", table["timestamp"])
    aggregates = [{"aggregate": "count"}, {"aggregate": "mean", "column": "amount"}]
    label = [{"aggregate": "rate", "column": "is_fraud"}]
    lines = [
        {"entity": "entity", "lengths": [f"{days}d"], "lag": "0d", "aggregates": aggregates},
        {
            "entity": "entity",
            "lengths": [f"{days}d"],
            "lag": f"{lag_days}d",
            "aggregates": aggregates + label,
        },
    ]
    nothing = {
        "timezone": "UTC",
        "calendar": [],
        "attributes": [],
        "distances": [],
        "speeds": [],
        "inputs": [],
    }
    definition = parse_definition(units={"amount": 100}, windows=lines, fill=-1, **nothing)
    engine = connect()
    transactions = engine.create_table("transactions", table, temp=True)
    features = batch_features(engine, transactions, definition, {}).to_pyarrow().to_pandas()
    now, lagged = plainly(rows, 0, days), plainly(rows, lag_days * DAY, days)
    expected = [[*a[:2], *b] for a, b in zip(now, lagged, strict=True)]
    assert features.drop(columns=["transaction_id", "amount"]).to_numpy().tolist() == expected
