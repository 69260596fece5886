"Alarms decide where there are frauds enough, and say how many it takes elsewhere."

import re

import numpy as np
import pandas as pd
import pytest

from mlproj.evaluation.alarms import (
    Alarm,
    State,
    alarm_metrics,
    alarm_table,
    count_states,
    describe_alarms,
    not_applicable,
    with_enough_frauds,
)
from mlproj.evaluation.plausibility import rule_alarm

FEWEST = 30


def draw_folds(seed: int, n_frauds: int, model: float, rule: float) -> tuple[pd.DataFrame, pd.Series]:
    "Draw the figures of four folds: a fraud is found with a probability, so chance decides with few frauds."
    draw, figures, frauds = np.random.default_rng(seed), [], {}
    for fold in ("a", "b", "c", "d"):
        frauds[fold] = n_frauds
        for name, skill in {"model": model, "rule": rule}.items():
            found = draw.binomial(n_frauds, skill) / n_frauds
            figures.append({"model": name, "fold": fold, "average_precision": found})
    return pd.DataFrame(figures), pd.Series(frauds)


@pytest.mark.parametrize("n_frauds", [2, 5, 29, 60, 400])
def test_a_model_as_good_as_the_rule_is_not_blamed(n_frauds):
    states = []
    for seed in range(200):
        figures, frauds = draw_folds(seed, n_frauds, 0.5, 0.5)
        states.append(rule_alarm(figures, "model", ["rule"], frauds, FEWEST).state)
    assert states.count(State.LOUD) <= (0 if n_frauds < FEWEST else 10)


@pytest.mark.parametrize(("n_frauds", "state"), [(5, State.UNDECIDED), (60, State.LOUD), (400, State.LOUD)])
def test_a_model_far_worse_than_the_rule_is_told_where_frauds_are_enough(n_frauds, state):
    for seed in range(50):
        figures, frauds = draw_folds(seed, n_frauds, 0.1, 0.9)
        alarm = rule_alarm(figures, "model", ["rule"], frauds, FEWEST)
        assert alarm.state == state
        if state == State.UNDECIDED:
            said, needed = re.match(r"(\d+) frauds cannot tell, (\d+) are needed", alarm.about).groups()
            assert int(said) == n_frauds and int(needed) >= FEWEST


def test_one_fold_of_many_frauds_decides_beside_folds_of_few():
    folds = [("few", 4, 0.0, 1.0), ("many", 400, 0.2, 0.6)]
    rows = [
        {"model": name, "fold": fold, "average_precision": figure}
        for fold, _, model, rule in folds
        for name, figure in (("model", model), ("rule", rule))
    ]
    frauds = pd.Series({fold: n for fold, n, *_ in folds})
    alarm = rule_alarm(pd.DataFrame(rows), "model", ["rule"], frauds, FEWEST)
    assert alarm.state == State.LOUD and "in the fold many" in alarm.about


def test_every_report_says_the_same_of_a_state():
    loud = Alarm("loud", 2.0, 1.0, True, "")
    alarms = [
        loud,
        Alarm("quiet", 0.0, 1.0, False, ""),
        with_enough_frauds(Alarm("few", 2.0, 1.0, True, ""), 3, FEWEST),
        not_applicable("none", "nothing to measure"),
    ]
    assert [alarm.state for alarm in alarms] == list(State) == alarm_table(alarms)["state"].tolist()
    counted, described = count_states(alarm_metrics(alarms)), describe_alarms(alarms)
    states = "1 went off, 1 is silent, 1 is undecided for want of frauds and 1 is not applicable"
    assert counted == f"Of 4 alarms, {states}."
    assert count_states(alarm_metrics(alarms[1:2])) == "Of 1 alarm, none went off and 1 is silent."
    assert "undecided for want of frauds: few." in described and "not applicable: none." in described
