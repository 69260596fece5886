"""Figures of folds that lack frauds, days, cards or differences: defined, or NaN, and never a warning."""

import json
import warnings

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from mlproj.core.files import write_json
from mlproj.evaluation.alarms import alarm_metrics, with_enough_frauds
from mlproj.evaluation.backtest import (
    backtest_metrics,
    daily_card_precision,
    describe_means,
    fold_metrics,
    fold_table,
)
from mlproj.evaluation.bootstrap import bootstrap, intervals, paired_differences, trusted_draws
from mlproj.evaluation.calibration import choose_calibration
from mlproj.evaluation.comparison import (
    baseline_metrics,
    best_models,
    choose_folds,
    choose_leader,
    comparison_table,
    prequential_means,
    prequential_metrics,
    read_fold_metrics,
    with_intervals,
)
from mlproj.evaluation.judgement import (
    add_oracle,
    decide,
    decision_summary,
    draw_savings,
    operating_points,
    savings_curves,
    savings_metrics,
    threshold_tables,
)
from mlproj.evaluation.metrics import brier_score, describe_shortage
from mlproj.evaluation.plausibility import high_scores_alarm, rule_alarm
from mlproj.evaluation.plots import caught_by_group, fold_curves
from mlproj.evaluation.policy import Costs
from mlproj.evaluation.savings import choose_threshold
from mlproj.evaluation.splits import Fold

COSTS, START = Costs(recovery=0.8, review=5.0, false_alert_cost=10.0, capacity=2), "2024-01-01"
MODELS = ["one", "two"]


@st.composite
def odd_folds(draw) -> tuple[list[Fold], pd.DataFrame]: # folds, and tested rows with two models' scores
    "Draw folds of one to thirty rows, often of one kind of label, one card, one score, or few days or hours."
    step, length = draw(st.sampled_from([(7, 3), (0.25, 0.25)]))
    folds = [
        Fold(pd.Timestamp(START, tz="UTC") + pd.Timedelta(days=step * n), 3, 1, length)
        for n in range(draw(st.integers(1, 3)))
    ]
    parts = []
    for fold in folds:
        n = draw(st.integers(1, 30))
        kinds = draw(st.sampled_from([[0], [1], [0, 1], [0, 0, 0, 1], [0, None], [None, 0, 1]]))
        scores = draw(st.sampled_from([[0.0], [0.5], [0.2, 0.7], [0.0, 0.1, 0.2, 0.9, 1.0]]))
        column = st.lists(st.sampled_from(scores), min_size=n, max_size=n)
        hours = draw(st.lists(st.integers(0, 71), min_size=n, max_size=n))
        part = pd.DataFrame({
            "timestamp": fold.test_start + pd.to_timedelta(hours, "h") * (length / 3),
            "card": draw(st.lists(st.integers(0, draw(st.sampled_from([0, 3, 20]))), min_size=n, max_size=n)),
            "is_fraud": draw(st.lists(st.sampled_from(kinds), min_size=n, max_size=n)),
            "amount": draw(st.lists(st.sampled_from([0.0, 1.0, 250.0]), min_size=n, max_size=n)),
            "fold": fold.name,
            "one": draw(column),
            "two": draw(column),
        })
        parts.append(part)
    rows = pd.concat(parts, ignore_index=True).assign(transaction_id=lambda table: range(len(table)))
    rows["is_fraud"] = rows.is_fraud.astype("float64")
    if rows.is_fraud.isna().all():
        rows.loc[0, "is_fraud"] = 0.0
    rows["day"] = rows.timestamp.to_numpy("datetime64[D]")
    return folds, rows


def strict(path, content: dict) -> dict:
    def refuse(word: str):
        raise AssertionError(f"the file holds {word}")

    write_json(path, content)
    return json.loads(path.read_text(), parse_constant=refuse)


def labelled_part(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]: # rows with a label, their scores
    known = rows.dropna(subset="is_fraud").astype({"is_fraud": "int8"})
    return known.drop(columns=MODELS), known[MODELS]


@settings(max_examples=60, deadline=None)
@given(odd_folds())
def test_figures_of_a_comparison(tmp_path_factory, case):
    folds, rows = case
    folder = tmp_path_factory.mktemp("metrics")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in MODELS:
            predictions = rows[["transaction_id", "timestamp", "fold"]].assign(score=rows[model])
            metrics = backtest_metrics(fold_metrics(predictions, rows, "card", 2), folds)
            strict(folder / f"{model}.json", metrics)
            assert "nan" not in describe_means(fold_table(metrics), model, 2, "frauds")
            assert daily_card_precision(metrics, 2).between(0, 1).all()
        figures = read_fold_metrics(folder, MODELS)
        baseline, prequential = baseline_metrics(figures, min(figures.fold)), prequential_metrics(figures)
        choice = choose_folds(figures, read_fold_metrics(folder, MODELS, "validation"))
        leader, means = choose_leader(choice.figures), prequential_means(prequential)
        known, scores = labelled_part(rows)
        n_frauds = int(known.is_fraud.sum())
        draws = trusted_draws(bootstrap(known, scores, ["card"], 2, 8), n_frauds)
        bounds = intervals(draws)
        precisions = draws.xs("average_precision", axis="columns", level="metric")
        differences = paired_differences(precisions, leader)
        table = comparison_table(baseline, {}, 0.01)
        best_models(means)
        fold_curves(known.is_fraud, scores.one)
        caught_by_group(known.assign(score=scores.one, kind="a"), "kind", "card", 2)
    written = strict(folder / "all.json", {"baseline": baseline, "with": with_intervals(prequential, bounds)})
    assert set(written["with"]) == set(MODELS) and len(table) == 2
    if known.is_fraud.nunique() < 2:
        assert written["baseline"]["one"]["auc"] is None and differences.isna().all(axis=None)
    if n_frauds < 10:
        assert bounds[["low", "high"]].isna().all(axis=None) and not (differences.low > 0).any()
        assert "needed" in describe_shortage(n_frauds)


@settings(max_examples=60, deadline=None)
@given(odd_folds())
def test_figures_of_a_judgement(tmp_path_factory, case):
    folds, rows = case
    known, scores = labelled_part(rows)
    names, n_days = list(dict.fromkeys(known.fold)), known.day.nunique()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tables = threshold_tables(known, scores, names, COSTS.capacity)
        thresholds = {model: choose_threshold(table, COSTS) for model, table in tables.items()}
        with_oracle, limits = add_oracle(known, scores, thresholds, COSTS)
        values, alerted, saved = decide(known, with_oracle, limits, COSTS)
        by_day = known.fold.groupby(known.day).nunique().clip(lower=COSTS.capacity) # each fold has one
        assert alerted.groupby(known.day).sum().le(by_day, axis="index").all(axis=None)
        draws = trusted_draws(draw_savings(known, values, ["card"], 8) / n_days, int(known.is_fraud.sum()))
        summary = decision_summary(known, alerted, saved, limits, draws, n_days)
        differences = paired_differences(draws, "one")
        points = pd.DataFrame({
            model: operating_points(known, scores[model], names, [0.05], [2]) for model in MODELS
        }).T
        truths = [known.is_fraud[known.fold == name].to_numpy() for name in names]
        parts = [scores.one[known.fold == name].to_numpy() for name in names]
        repair, _ = choose_calibration(truths, parts)
        brier = pd.Series({model: brier_score(known.is_fraud, scores[model]) for model in MODELS})
        savings_curves(tables, COSTS, n_days)
        metrics = savings_metrics(summary, points, brier, differences, {"costs": differences})
    written = strict(tmp_path_factory.mktemp("metrics") / "savings.json", metrics | {"repair": repair})
    assert np.isfinite([written["models"][model]["net_savings_a_day"] for model in MODELS]).all()
    if known.is_fraud.sum() < 10:
        assert repair == {"method": "none"} and written["models"]["one"]["low"] is None


@settings(max_examples=60, deadline=None)
@given(odd_folds())
def test_alarms_of_scores(tmp_path_factory, case):
    folds, rows = case
    known, scores = labelled_part(rows)
    figures = []
    for model in MODELS:
        predictions = known[["transaction_id", "timestamp", "fold"]].assign(score=scores[model])
        figures += [{"model": model} | of_fold for of_fold in fold_metrics(predictions, known, "card", 2)]
    frauds = known[known.is_fraud == 1].groupby("fold").size()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        high = high_scores_alarm(known[["fold"]].assign(score=scores.one), limit=0.5)
        behind = rule_alarm(pd.DataFrame(figures), "one", ["two"], frauds, fewest=3)
    few = with_enough_frauds(high, n_frauds=29, fewest=30)
    alarms = [high, behind, few]
    strict(tmp_path_factory.mktemp("metrics") / "alarms.json", alarm_metrics(alarms))
    assert high.goes_off == bool((scores.one > 0.5).groupby(known.fold).mean().max() > 0.5)
    assert few.state == "undecided" and not few.goes_off and "29 frauds cannot tell, 30 are" in few.about
    if behind.state == "undecided":
        assert "are needed" in behind.about
