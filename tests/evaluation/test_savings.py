"""Decisions are made in order of time: as a plain loop makes them, and without anything that comes later."""


import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproj.evaluation.policy import Costs, live_alerts
from mlproj.evaluation.savings import CardDays, judged_alerts, net_savings, oracle_scores

COSTS = Costs(recovery=0.8, review=5.0, false_alert_cost=10.0, capacity=3)


@st.composite
def days(draw) -> tuple[pd.DataFrame, np.ndarray]: # transactions in any order, and their scores
    n = draw(st.integers(1, 40))
    hours = draw(st.lists(st.integers(0, 3 * 24 - 1), min_size=n, max_size=n)) # few values, so many ties
    rows = pd.DataFrame({
        "transaction_id": draw(st.permutations(range(n))),
        "timestamp": pd.Timestamp("2018-08-08", tz="UTC") + pd.to_timedelta(hours, "h"),
        "card": draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)),
        "is_fraud": draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)),
        "amount": draw(st.lists(st.integers(0, 300).map(float), min_size=n, max_size=n)),
    })
    return rows, np.array(draw(st.lists(st.sampled_from([0.1, 0.4, 0.5, 0.9]), min_size=n, max_size=n)))


def plain_loop(
    rows: pd.DataFrame, score: np.ndarray, threshold: float, costs: Costs
) -> tuple[list[int], float]: # transactions that are alerted, and net savings
    "Decide one transaction after another, as an operations team would."
    ordered = rows.assign(score=score, day=rows.timestamp.dt.date).sort_values(
        ["timestamp", "transaction_id"]
    )
    bad_days = set(zip(ordered.card[ordered.is_fraud == 1], ordered.day[ordered.is_fraud == 1], strict=True))
    seen, looked_at, stopped, alerted, net = set(), {}, set(), [], 0.0
    for row in ordered.itertuples():
        fresh = (row.card, row.day) not in seen and row.card not in stopped
        if row.score >= threshold and fresh and looked_at.get(row.day, 0) < costs.capacity:
            seen.add((row.card, row.day))
            looked_at[row.day] = looked_at.get(row.day, 0) + 1
            alerted.append(row.transaction_id)
            is_bad_day = (row.card, row.day) in bad_days
            net -= costs.review + (0 if is_bad_day else costs.false_alert_cost)
            if is_bad_day:
                stopped.add(row.card)
        if row.is_fraud and row.card in stopped:
            net += costs.recovery * row.amount
    return alerted, net


@given(days())
def test_decisions_are_those_of_a_plain_loop(case):
    rows, score = case
    card_days = CardDays(rows)
    alerts = judged_alerts(card_days, score, 0.5, COSTS.capacity)
    expected, net = plain_loop(rows, score, 0.5, COSTS)
    assert rows.transaction_id.to_numpy()[card_days.order[alerts]].tolist() == expected
    assert net_savings(card_days, alerts, COSTS) == pytest.approx(net)


@given(days(), st.integers(1, 3 * 24))
def test_what_comes_later_changes_no_decision(case, hours):
    rows, score = case
    until = rows.timestamp < pd.Timestamp("2018-08-08", tz="UTC") + pd.Timedelta(hours=hours)
    whole, part = CardDays(rows), CardDays(rows[until])
    chosen = whole.order[judged_alerts(whole, score, 0.5, COSTS.capacity)]
    chosen_early = part.order[judged_alerts(part, score[until], 0.5, COSTS.capacity)]
    alerts = rows.transaction_id.to_numpy()[chosen]
    early = rows[until].transaction_id.to_numpy()[chosen_early]
    assert alerts[: len(early)].tolist() == early.tolist()
    assert set(alerts[len(early):]) <= set(rows.transaction_id[~until])


@given(days(), st.sampled_from([0.4, 0.5, 0.9]))
def test_nobody_saves_more_than_all_that_is_lost(case, threshold):
    rows, score = case
    lost = rows.amount[rows.is_fraud == 1].sum()
    card_days, oracle = CardDays(rows), oracle_scores(rows, COSTS)
    alerts = judged_alerts(card_days, score, threshold, COSTS.capacity)
    assert net_savings(card_days, alerts, COSTS) <= COSTS.recovery * lost + 1e-9
    assert net_savings(card_days, judged_alerts(card_days, oracle, 0.5, 1_000), COSTS) >= -1e-9


@given(days())
def test_without_frauds_the_judged_alerts_are_the_live_ones(case):
    rows, score = case
    card_days, nobody = CardDays(rows.assign(is_fraud=0)), np.zeros(len(rows), dtype=bool)
    live = live_alerts(card_days.day, card_days.card, score[card_days.order], nobody, 0.5, COSTS.capacity)
    assert live.tolist() == judged_alerts(card_days, score, 0.5, COSTS.capacity).tolist()
