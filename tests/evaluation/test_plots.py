"Pictures say which rows they are of, and which models they leave out."

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from mlproj.evaluation.plots import plot_calibration, plot_savings

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
