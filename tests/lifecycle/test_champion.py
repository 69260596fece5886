"What commands say of a champion that is worth less than doing nothing."

import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from mlproj.cli import app
from mlproj.core.files import write_json
from mlproj.lifecycle.champion import champion_reason, champion_warning, lead_sentences
from mlproj.pipeline import prediction
from mlproj.pipeline.prediction import Predicted
from support import ROOT

CASES = [
    ((-3.0, -5.0, -1.0), "The champion is `tree`. On the test it loses money: doing nothing is better."),
    ((-3.0, None, None), "The champion is `tree`. On the test it saves less than doing nothing does."),
    ((3.0, -5.0, 9.0), "The champion is `tree`. Whether it saves more than doing nothing is not sure."),
    ((3.0, 1.0, 9.0), ""),
    ((3.0, None, None), ""),
]


FASTER = [ # savings and average precision of the champion, and what is said
    ((99.5, 0.495), "saves 0.5% less than `best`, has an average precision that is 1.0% lower"),
    ((101.0, 0.495), "saves 1.0% more than `best`, has an average precision that is 1.0% lower"),
    ((99.5, 0.505), "saves 0.5% less than `best`, has an average precision that is 1.0% higher"),
    ((101.0, 0.505), "saves 1.0% more than `best`, has an average precision that is 1.0% higher"),
    ((100.0, 0.5), "saves about as much as `best`, has about the same average precision"),
]


@pytest.mark.parametrize(("figures", "said"), FASTER)
def test_what_a_faster_champion_lacks_and_leads_is_said(figures, said, monkeypatch):
    monkeypatch.setattr("mlproj.lifecycle.champion.best_model", lambda ranked: "best")
    columns = ["savings", "average_precision", "microseconds"]
    ranked = pd.DataFrame([[*figures, 90.0], [100.0, 0.5, 200.0]], ["fast", "best"], columns)
    told = champion_reason(ranked.assign(fast_enough=True), 1e4)
    assert told == f"{said}, and scores a transaction in 90 µs"


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_champion_that_leads_no_model_is_said_with_a_verb_that_denies(n):
    paired = pd.DataFrame({"difference": 1.0, "low": -1.0, "high": 3.0, "p_value": 0.4}, index=range(n))
    told = lead_sentences(paired, {})
    assert told.startswith("It does not save significantly more than ") and "none" not in told


def make_project(root: Path, savings: float, low: float | None, high: float | None) -> None:
    for name in ("settings.ini", "params.yaml"):
        shutil.copy(ROOT / name, root / name)
    (root / "reports").mkdir()
    (root / "reports/compare.ipynb").touch()
    figures = {"net_savings_a_day": savings, "low": low, "high": high}
    write_json(root / "metrics/compare.json", {"tree": {"auc": 0.5, "average_precision": 0.1}})
    write_json(root / "metrics/champion.json", {"champion": "tree"})
    write_json(root / "metrics/savings.json", {"models": {"tree": figures}})


@pytest.mark.parametrize(("figures", "said"), CASES)
def test_report_and_predict_say_what_the_champion_is_worth(figures, said, tmp_path, monkeypatch):
    make_project(tmp_path, *figures)
    monkeypatch.chdir(tmp_path)
    found = Predicted(pd.DataFrame({"row": [1]}), {}, "a summary")
    monkeypatch.setattr(prediction, "predict_file", lambda root, file, name: found)
    assert champion_warning(tmp_path) == said
    for command in (["report"], ["predict", "new.csv"], ["predict", "new.csv", "--out", "scores.csv"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        told = [line for line in done.output.splitlines() if line.startswith("The champion")]
        assert told == ([said] if said else [])
    other = CliRunner().invoke(app, ["predict", "new.csv", "--model", "tree"])
    assert other.exit_code == 0 and "The champion" not in other.output


def test_report_says_nothing_of_a_champion_that_is_not_named_yet(tmp_path, monkeypatch):
    make_project(tmp_path, -3.0, None, None)
    (tmp_path / "metrics/champion.json").unlink()
    monkeypatch.chdir(tmp_path)
    assert champion_warning(tmp_path) == ""
    assert CliRunner().invoke(app, ["report"]).exit_code == 0
