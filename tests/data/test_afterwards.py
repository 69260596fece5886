"What came after a transaction is no input, whatever it is called; and a proposal that is not sure says so."

import ibis
import numpy as np
import pandas as pd
import pytest

from mlproj.core.engine import connect
from mlproj.data.profile import survey_table
from mlproj.data.proposal import propose_roles
from mlproj.data.proposed_columns import Proposal

N = 600
LATER = { # kinds of columns that come later, by name and how they are drawn from the amount and a generator
    "an amount paid": ("paid_amount", lambda amount, draw: (amount * draw.uniform(0.2, 1, N)).round(2)),
    "a reserve": ("monto_reserva", lambda amount, draw: (amount * 0.8).round(2)),
    "an amount allowed": ("AllowedAmount", lambda amount, draw: (amount * draw.uniform(0, 1, N)).round(2)),
    "a second amount": ("amount_b", lambda amount, draw: draw.lognormal(3, 1, N).round(2)),
    "the bank's answer": ("auth_code", lambda amount, draw: draw.choice(["00", "05", "51"], N)),
    "days of a case": ("processing_days", lambda amount, draw: draw.integers(1, 60, N)),
    "days to an end": ("days_to_close", lambda amount, draw: draw.integers(1, 60, N)),
    "a rating": ("rating", lambda amount, draw: draw.integers(1, 6, N)),
    "a balance": ("new_balance", lambda amount, draw: draw.uniform(0, 900, N).round(2)),
}
BEFORE = { # and of columns that were known
    "credit_limit": lambda amount, draw: draw.choice([500.5, 900.25, 1500.75], N) + draw.random(N).round(2),
    "unit_price": lambda amount, draw: (amount / draw.integers(1, 4, N)).round(2),
    "avg_amount_30d": lambda amount, draw: draw.lognormal(3, 1, N).round(2),
    "amount_eur": lambda amount, draw: (amount * 0.9).round(3),
    "old_balance": lambda amount, draw: draw.uniform(0, 900, N).round(2),
    "channel": lambda amount, draw: draw.choice(["web", "shop"], N),
}


def write_table(seed: int) -> tuple[pd.DataFrame, np.random.Generator]:
    "Draw transactions with nothing but the columns of the contract."
    draw = np.random.default_rng(seed)
    seconds = pd.to_timedelta(np.sort(draw.integers(0, 90 * 86_400, N)), "s")
    return pd.DataFrame({
        "ref": [f"R{9_000_000 + n}" for n in range(N)],
        "when": (pd.Timestamp("2024-03-01") + seconds).strftime("%Y-%m-%d %H:%M:%S"),
        "policy_no": [f"P-{n:05}" for n in draw.integers(0, 60, N)],
        "claimed_amount": (draw.lognormal(4, 1, N) + 0.01).round(2),
        "is_fraud": (draw.random(N) < 0.06).astype(int),
    }), draw


def proposal_of(table: pd.DataFrame) -> Proposal:
    return propose_roles(survey_table(connect().create_table(ibis.util.gen_name("t"), table, temp=True)), "t")


@pytest.mark.parametrize("kind", LATER)
def test_a_column_that_may_come_later_is_left_out_and_said(kind):
    table, draw = write_table(1)
    name, write = LATER[kind]
    proposal = proposal_of(table.assign(**{name: write(table.claimed_amount, draw)}))
    assert proposal.columns["amount"] == "claimed_amount"
    assert name.lower() in proposal.evaluation_only and name.lower() in proposal.doubtful
    assert "not sure whether it was known at the time" in proposal.notes[name.lower()]


def test_columns_that_were_known_stay_inputs():
    table, draw = write_table(2)
    known = {name: write(table.claimed_amount, draw) for name, write in BEFORE.items()}
    assert set(proposal_of(table.assign(**known)).inputs) == set(BEFORE)


def test_what_is_computed_from_a_later_amount_comes_later():
    table, draw = write_table(3)
    paid = (table.claimed_amount * draw.uniform(0.2, 1, N)).round(2).where(draw.random(N) < 0.6)
    way = pd.Series(draw.choice(["cheque", "wire"], N)).where(paid.notna())
    share = (paid / table.claimed_amount).round(3)
    proposal = proposal_of(table.assign(paid_amount=paid, quotient=share, way=way))
    assert {"quotient", "way"} <= set(proposal.doubtful)
    assert proposal.inputs == []


@pytest.mark.parametrize("name", ["fraud_type", "typology", "scam_kind", "typeoffraud"])
def test_a_flag_beats_the_text_of_its_kind(name):
    table, draw = write_table(4)
    kinds = np.where(table.is_fraud == 1, draw.choice(["mule", "takeover"], N), "normal")
    proposal = proposal_of(table.assign(**{name: kinds}))
    assert proposal.columns["is_fraud"] == "is_fraud"
    assert "not sure" not in proposal.notes["is_fraud"]
    assert name in proposal.evaluation_only


@pytest.mark.parametrize(("words", "name"), [
    (("low_risk", "high_risk"), "anomaly"),
    (("settled", "chargeback"), "journal"),
    (("premium", "fraudster_event"), "acct_type"),
])
def test_a_label_of_unknown_words_is_named_with_its_doubt(words, name):
    table, _ = write_table(5)
    label = np.where(table.is_fraud == 1, words[1], words[0])
    proposal = proposal_of(table.drop(columns="is_fraud").assign(**{name: label}))
    assert proposal.columns["is_fraud"] == name
    assert proposal.labels == {words[0]: 0, words[1]: 1}
    assert name == "anomaly" or "not sure" in proposal.notes["is_fraud"]


def test_who_works_on_it_acts_where_nobody_pays():
    table, draw = write_table(6)
    drivers = {"driver_id": [f"D{n}" for n in draw.integers(100, 140, N)]}
    proposal = proposal_of(table.drop(columns="policy_no").assign(**drivers))
    assert proposal.card == "driver_id"
    assert "not sure" in proposal.notes["driver_id"]
    assert proposal_of(table.assign(**drivers)).card == "policy_no"


def test_a_report_of_every_row_is_no_time_of_the_label():
    table, draw = write_table(7)
    days = pd.to_timedelta(draw.integers(2, 30, N), "D")
    later = pd.Series((pd.to_datetime(table.when) + days).dt.strftime("%Y-%m-%d"))
    assert "label_time" not in proposal_of(table.assign(reported_date=later)).columns
    of_frauds = later.where(table.is_fraud == 1)
    assert proposal_of(table.assign(reported_date=of_frauds)).columns["label_time"] == "reported_date"
    unnamed = proposal_of(table.assign(shut_on=of_frauds))
    assert unnamed.columns["label_time"] == "shut_on" and "not sure" in unnamed.notes["label_time"]


TIMES = { # by kind: columns in place of the time, what is proposed, and its format
    "a year and its day": (
        lambda when: {"year": when.dt.year, "day": when.dt.day_of_year.sample(frac=1, random_state=1).array},
        (["year", "day"], "%Y %j"),
    ),
    "UTC as a word": (
        lambda when: {"block_timestamp": when.dt.strftime("%Y-%m-%d %H:%M:%S UTC")},
        ("block_timestamp", "%Y-%m-%d %H:%M:%S UTC"),
    ),
    "days of a month that nothing tells": (
        lambda when: {"day": 1 + np.arange(N) // 25, "time": when.dt.strftime("%H:%M:%S")},
        ("day", "days"),
    ),
}


@pytest.mark.parametrize("kind", TIMES)
def test_odd_times_are_read(kind):
    table, _ = write_table(8)
    write, expected = TIMES[kind]
    proposal = proposal_of(table.drop(columns="when").assign(**write(pd.to_datetime(table.when))))
    assert (proposal.columns["timestamp"], proposal.types["timestamp"]) == expected


def test_counts_of_people_and_of_windows_are_inputs():
    table, draw = write_table(9)
    names = {"customer_history_orders": 40, "provider_volume_30d": 90}
    counts = {name: draw.integers(0, most, N) for name, most in names.items()}
    proposal = proposal_of(table.assign(**counts))
    assert proposal.entities == ["policy_no"]
    assert set(proposal.inputs) == set(counts)
