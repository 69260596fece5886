"""A card's history as a plain loop finds it, and scores that nothing later and no other card can change."""

import json
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproj.core.checks import UserError
from mlproj.models.sequence import SINCE_PREVIOUS, add_since_previous, card_history, fit_sequence_model
from mlproj.pipeline.parameters import read_parameters
from mlproj.pipeline.stage_parameters import notebook_defaults
from support import ROOT

NO_TORCH = "PyTorch is not installed: `make sequence`"
RECIPE = {"hidden_size": 8, "epochs": 2, "batch_size": 64, "learning_rate": 0.01, "random_state": 0}
card_and_second = st.tuples(st.integers(0, 3), st.integers(0, 9))
rows_of_cards = st.lists(card_and_second, min_size=1, max_size=40)


def in_table(drawn: list[tuple[int, int]], ids: list[int]) -> pd.DataFrame:
    cards, seconds = zip(*drawn, strict=True)
    timestamp = pd.Timestamp("2018-07-11", tz="UTC").as_unit("us") + pd.to_timedelta(
        seconds, unit="s"
    ).astype("timedelta64[us]")
    return pd.DataFrame({"transaction_id": ids, "timestamp": timestamp, "customer_id": cards})


@given(rows_of_cards, st.integers(1, 6), st.data())
def test_a_history_is_what_a_plain_loop_finds(drawn, n, data):
    ids = data.draw(st.permutations(range(len(drawn))))
    history = card_history(in_table(drawn, ids), "customer_id", n)
    waited = np.expm1(add_since_previous(in_table(drawn, ids), "customer_id")[SINCE_PREVIOUS])
    for row, (card, second) in enumerate(drawn):
        until = [
            i
            for i in range(len(drawn))
            if drawn[i][0] == card and (drawn[i][1], ids[i]) <= (second, ids[row])
        ]
        last = sorted(until, key=lambda i: (drawn[i][1], ids[i]))[-n:]
        assert history[row].tolist() == last + [-1] * (n - len(last))
        before = sorted(drawn[i][1] for i in until)
        assert waited[row] == pytest.approx(second - before[-2] if len(before) > 1 else 0, abs=1e-9)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    drawn = zip(
        draw.integers(0, 20, 600).tolist(), np.sort(draw.integers(0, 9_999, 600)).tolist(), strict=True
    )
    rows = in_table(list(drawn), list(range(600))).assign(amount=draw.gamma(2, 30, 600))
    return rows.assign(
        is_fraud=(rows.amount + rows.groupby("customer_id").amount.shift() > 150).astype("int8")
    )


@pytest.fixture(scope="module")
def model(rows):
    pytest.importorskip("torch", reason=NO_TORCH)
    return fit(rows)


def fit(rows: pd.DataFrame):
    return fit_sequence_model(
        rows, card_history(rows, "customer_id", 5), rows.index < 300, ["amount"], RECIPE
    )


def scores(model, rows: pd.DataFrame) -> np.ndarray:
    return model.predict(rows, card_history(rows, "customer_id", 5))


def test_no_score_depends_on_what_comes_later_or_on_other_cards(model, rows):
    changed = 400
    after = scores(model, rows.assign(amount=rows.amount.mask(rows.index == changed, 1_000.0)))
    of_its_card = rows.index[(rows.customer_id == rows.customer_id[changed]) & (rows.index >= changed)]
    # The row's own score changes, and the scores of rows whose history it is in.
    assert np.flatnonzero(after != scores(model, rows)).tolist() == of_its_card[:5].tolist()


def test_no_score_depends_on_how_rows_are_ordered_or_what_else_is_scored(model, rows):
    mixed = rows.sample(frac=1, random_state=0)
    assert scores(model, mixed) == pytest.approx(scores(model, rows)[mixed.index], abs=1e-6)
    alone = model.predict(rows, card_history(rows, "customer_id", 5)[77:78])
    assert alone == pytest.approx(scores(model, rows)[77:78], abs=1e-6)


def test_the_same_rows_give_the_same_bytes(model, rows):
    again = fit(rows)
    assert again == model
    later = rows.assign(is_fraud=rows.is_fraud.where(rows.index < 300, 0)) # labels that are not trained on
    assert fit(later) == model
    assert fit(rows.assign(is_fraud=1 - rows.is_fraud)) != model


def test_without_pytorch_it_says_what_to_do(rows, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match="run `make sequence`"):
        fit(rows)


def test_the_folds_are_those_of_every_other_model():
    defaults = [
        notebook_defaults(nbformat.read(ROOT / f"nbs/pipeline/{stage}.ipynb", as_version=4), stage)
        for stage in ("sequence", "backtest")
    ]
    for name in ("folds", "label_delay_days", "card", "top_k"):
        assert defaults[0][name] == defaults[1][name] == read_parameters(ROOT)[name]


def test_its_figures_are_not_too_good_to_be_true():
    "The ceilings of the baseline week."
    (week,) = (
        fold
        for fold in json.loads((ROOT / "metrics/sequence/gru.json").read_text())["folds"]
        if fold["fold"] == "2018-07-25"
    )
    assert week["average_precision"] < 0.79 and week["card_precision_100"] < 0.31


def shown(project) -> str: # what the comparison shows
    cells = nbformat.read(project.root / "reports/compare.ipynb", as_version=4).cells
    return "".join(str(output.get("data", "")) for cell in cells for output in cell.get("outputs", []))


def test_figures_of_other_data_are_not_shown(finished):
    assert (finished.root / "metrics/sequence/gru.json").is_file()
    assert "No sequence model was judged" in shown(finished)


@pytest.mark.long
def test_its_pipeline_runs_twice_alike_and_its_figures_are_shown(project):
    pytest.importorskip("torch", reason=NO_TORCH)
    project.run("dvc repro pipelines/sequence/dvc.yaml")
    lock = (project.root / "pipelines/sequence/dvc.lock").read_text()
    project.run("dvc repro --force --single-item pipelines/sequence/dvc.yaml:sequence")
    assert (project.root / "pipelines/sequence/dvc.lock").read_text() == lock
    assert project.run("dvc repro").stdout.count("Running stage") == 1 # compare
    assert "gru" in shown(project) and "No sequence model" not in shown(project)
