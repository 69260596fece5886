"Pictures say which rows they are of, and which models they leave out."

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mlproj.evaluation.backtest import backtest_metrics, daily_card_precision, fold_metrics
from mlproj.evaluation.plots import plot_by_day, plot_calibration, plot_savings
from mlproj.evaluation.splits import make_folds

CURVES = {
    "gains": pd.DataFrame({"alerts": [0.0, 1.0, 2.0], "net_savings": [0.0, 5.0, -2.0]}),
    "loses": pd.DataFrame({"alerts": [0.0, 1.0, 2.0], "net_savings": [0.0, -1.0, -2.0]}),
    "silent": pd.DataFrame({"alerts": [0.0], "net_savings": [0.0]}),
}


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("names", [list(CURVES), ["gains"], ["loses", "silent"]])
def test_each_model_has_a_line_or_a_word(part, names):
    (ax,) = plot_savings({name: CURVES[name] for name in names}, part).axes
    assert f"folds of {part}" in ax.get_title() and "units of the currency" in ax.get_ylabel()
    bottom, top = ax.get_ylim()
    for line, name in zip(ax.lines, names, strict=True):
        drawn = [bottom <= y <= top for y, x in zip(line.get_ydata(), line.get_xdata(), strict=True) if x > 0]
        shown = any(drawn) or (bottom < 0 and line.get_marker() == "o")
        assert line.get_label() == (name if shown else f"{name} (never above 0)")
    plt.close("all")


def test_calibration_says_whose_and_of_which_rows():
    points = pd.DataFrame({"score": [0.1, 1.0], "fraud_rate": [0.0, 1.0]})
    (ax,) = plot_calibration({"score": points}, "tree", "9 transactions of the folds of test").axes
    assert {"tree", "9 transactions of the folds of test"} <= set(ax.get_title().splitlines())
    assert ax.get_xlabel().startswith("predicted") and ax.get_ylabel().startswith("observed")
    plt.close("all")


@pytest.mark.parametrize("days", [0.125, 0.25, 0.5, 1, 2])
def test_each_fold_keeps_its_own_day(days):
    draw, n = np.random.default_rng(0), 4000
    given = {"last_start": "2024-01-08", "n_folds": 4, "n_validation_folds": 2}
    folds = make_folds(given | {"step_days": days, "train_days": days, "test_days": days}, days)
    timestamp = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.sort(draw.uniform(0, 14, n)), "D")
    rows = pd.DataFrame({"transaction_id": np.arange(n), "timestamp": timestamp})
    rows = rows.assign(card=draw.integers(0, 30, n), is_fraud=draw.integers(0, 2, n), score=draw.random(n))
    every = [*folds.validation, *folds.test]
    parts = [rows[rows.timestamp.between(fold.test_start, fold.test_end, "left")] for fold in every]
    tested = pd.concat([part.assign(fold=fold.name) for part, fold in zip(parts, every, strict=True)])
    predictions = tested[["transaction_id", "timestamp", "fold", "score"]]
    metrics = backtest_metrics(fold_metrics(predictions, rows, "card", 3), folds.test)
    found = daily_card_precision(metrics, 3)
    expected = {}
    for (fold, day), part in tested.groupby(["fold", tested.timestamp.dt.strftime("%Y-%m-%d")]):
        best = part.groupby("card").agg(score=("score", "max"), is_fraud=("is_fraud", "max"))
        expected[fold, day] = best.nlargest(3, "score").is_fraud.sum() / 3
    assert found.to_dict() == pytest.approx(expected)
    (ax,) = plot_by_day(found.to_frame("tree"), "each day", 3).axes
    (line,) = ax.lines
    assert np.array_equal(line.get_ydata(), found.to_numpy())
    assert all(earlier < later for earlier, later in pairwise(line.get_xdata()))
    plt.close("all")
