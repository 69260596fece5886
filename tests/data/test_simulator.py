"""The simulated world equals the published one, row for row."""

import hashlib

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from mlproj.data.simulator import World, simulate

COLUMNS = ["timestamp", "customer_id", "terminal_id", "amount", "is_fraud", "scenario"]

# Digests of the published table's sorted columns (as int64, times in microseconds), and of its sorted rows.
DIGESTS = {
    "timestamp": "34aa5f96fba60168",
    "customer_id": "3c941126feb7d8e0",
    "terminal_id": "196e04fa1a4d8648",
    "amount": "1aa6d62036b82e1f",
    "is_fraud": "3f3e5d66f943b388",
    "scenario": "3a2b415fe4247622",
    "rows": "cd1c5ca7e7cc8c15",
}


def sorted_rows(table: pd.DataFrame) -> np.ndarray:
    return table.sort_values(COLUMNS)[COLUMNS].astype("int64").to_numpy()


def digest(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def test_world_has_the_digests_of_the_published_table(world):
    table = world["transactions"]
    digests = {name: digest(np.sort(table[name].astype("int64").to_numpy())) for name in COLUMNS}
    assert digests | {"rows": digest(sorted_rows(table))} == DIGESTS


def test_world_equals_the_published_table(world, reference):
    published = pd.read_parquet(reference / "handbook_transactions.parquet")
    start = pd.Timestamp("2018-04-01", tz="UTC").as_unit("us")
    published = pd.DataFrame({
        "timestamp": start + pd.to_timedelta(published.TX_TIME_SECONDS, unit="s").astype("timedelta64[us]"),
        "customer_id": published.CUSTOMER_ID,
        "terminal_id": published.TERMINAL_ID,
        "amount": (published.TX_AMOUNT * 100).round(),
        "is_fraud": published.TX_FRAUD,
        "scenario": published.TX_FRAUD_SCENARIO,
    })
    assert np.array_equal(sorted_rows(world["transactions"]), sorted_rows(published))


def test_rows_follow_the_stable_rule(world):
    table = world["transactions"]
    assert table.transaction_id.tolist() == list(range(len(table)))
    same_second = table.timestamp.diff() == pd.Timedelta(0)
    assert same_second.sum() > 100_000
    assert (table.timestamp.diff()[1:] >= pd.Timedelta(0)).all()
    assert (table.customer_id.diff()[same_second] >= 0).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(0, 10), st.integers(0, 2**20))
def test_a_longer_world_begins_as_the_shorter_one(n_customers, n_terminals, n_days, more_days, seed):
    world = World(
        n_customers=n_customers,
        n_terminals=n_terminals,
        n_days=n_days,
        radius=30,
        transaction_seed=seed,
        customer_seed=seed,
    )
    longer = World(**{**vars(world), "n_days": n_days + more_days})
    short, long = (simulate(each, progress=False)["transactions"] for each in (world, longer))
    same = ["transaction_id", "timestamp", "customer_id", "terminal_id"]
    assert long[: len(short)][same].equals(short[same])
    assert set(short.scenario[short.is_fraud == 0]) <= {0}
    assert (short.amount >= 0).all()
