"""Explanations of other people's data: hostile text, column names that say nothing, labels not yet known."""

import csv

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mlproj.explain.contributions import (
    alert_changes,
    contribution_changes,
    contributions,
    count_changes,
    importance,
    model_beside,
    partial_dependence,
    permutation_importance,
    plot_alert,
    plot_changes,
    plot_contributions,
    plot_importance,
    plot_partial_dependence,
)
from mlproj.explain.reasons import reasons, rule_reasons, sentence
from mlproj.explain.spot_check import choose_transactions, write_spot_check
from mlproj.features.definition import AGGREGATES, parse_definition
from mlproj.models.model import Model, fit_model

HOSTILE = [
    "=cmd|'/c calc'!A1",
    "+1",
    "-2",
    "@SUM(A1)",
    "\tx",
    "\r=1",
    "<script>alert(1)</script>",
    'a"b,c\nd',
    "$\\frac$ & $1",
    "&lt;",
]
SIZES = {"alerts": 10, "near_misses": 10, "random": 20}
NOTHING = {
    "units": {},
    "timezone": "UTC",
    "calendar": [],
    "windows": [],
    "attributes": [],
    "distances": [],
    "speeds": [],
    "fill": None,
}
ANONYMOUS = parse_definition(**NOTHING | {"inputs": ["merchant", "v1", "v2"]})
RECIPE = {
    "estimator": "XGBClassifier",
    "parameters": {"n_estimators": 20, "max_depth": 3, "base_score": 0.5, "random_state": 0},
}


def anonymous(n_rows: int = 2_000) -> pd.DataFrame:
    "Transactions without cards: two numbers, one with gaps, and merchants with hostile names."
    draw = np.random.default_rng(4)
    rows = pd.DataFrame({"transaction_id": np.arange(n_rows), "amount": draw.gamma(2, 30, n_rows).round(2)})
    rows["merchant"] = draw.choice(np.array(HOSTILE, dtype=object), n_rows)
    rows["v1"] = draw.normal(size=n_rows)
    rows["v2"] = np.where(draw.uniform(size=n_rows) < 0.2, np.nan, draw.normal(size=n_rows))
    fraud = (
        rows.v1 + rows.v2.fillna(0) + (rows.merchant == "-2") + draw.normal(size=n_rows) / 2 > 2.5
    ).astype("Int8")
    return rows.assign(is_fraud=fraud, timestamp=pd.Timestamp("2018-08-01", tz="UTC"))


def fitted(rows: pd.DataFrame, **more) -> Model:
    return fit_model(RECIPE | more, rows, ["merchant", "amount", "v1", "v2"], ANONYMOUS.hash)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    "A spot check of hostile text, as reviewers get it; the labels of the newest rows are unknown."
    rows, folder = anonymous(), tmp_path_factory.mktemp("spot_check")
    model = fitted(rows)
    rows = rows.assign(score=model.predict(rows), is_fraud=rows.is_fraud.where(rows.transaction_id < 1_500))
    chosen = choose_transactions(rows, 0.5, SIZES, seed=0)
    parts, _ = contributions(model, chosen)
    told = [reasons(parts.loc[place], chosen.loc[place], ANONYMOUS, 4) for place in chosen.index]
    write_spot_check(
        folder, chosen, ["transaction_id", "timestamp", "merchant", "amount", "v1"], told, "Spot check of <b>"
    )
    return folder, chosen


def test_a_spreadsheet_finds_no_formula(files):
    folder, chosen = files
    with (folder / "transactions.csv").open(newline="", encoding="utf-8-sig") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(chosen)
    shown = {row["merchant"] for row in table}
    assert shown == {("'" if name[0] in "=+-@\t\r" else "") + name for name in chosen.merchant}
    assert {"'-2", "'\tx", "<script>alert(1)</script>"} <= shown
    for row in table:
        assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in row.values())
    # -1.5 is still a number.
    assert min(float(row["v1"]) for row in table) == pytest.approx(chosen.v1.min())
    assert chosen.v1.min() < 0


def test_a_page_shows_text_and_runs_nothing(files):
    page = (files[0] / "transactions.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<title>Spot check of &lt;b&gt;</title>" in page
    assert "&amp;lt;" in page # a name with the characters &lt; is shown with these characters
    assert "default-src 'none'" in page
    assert "http://" not in page and "https://" not in page and "src=" not in page


def test_reviewers_do_not_see_the_labels(files):
    folder, chosen = files
    for name in ("transactions.csv", "transactions.html"):
        assert (
            "fraud</dt>" not in (folder / name).read_text() and "is_fraud" not in (folder / name).read_text()
        )
    labels = pd.read_csv(folder / "labels.csv", index_col="transaction_id").is_fraud
    assert labels.isna().any() and labels.dropna().equals(
        chosen.set_index("transaction_id").is_fraud.dropna().astype("float64")
    )


@pytest.mark.parametrize("more", [{}, {"categories": "native"}], ids=str)
def test_contributions_of_categories_and_gaps_sum_to_the_score(more):
    rows = anonymous()
    model = fitted(rows, **more)
    rows.loc[0, "merchant"] = "not seen in training"
    parts, start = contributions(model, rows)
    assert list(parts) == ["merchant", "amount", "v1", "v2"]
    score = 1 / (1 + np.exp(-(parts.sum(axis="columns") + start)))
    assert np.abs(score - model.predict(rows)).max() < 1e-6
    assert sentence("merchant", rows.loc[0], ANONYMOUS) == "merchant = not seen in training"
    assert sentence("v2", rows[rows.v2.isna()].iloc[0], ANONYMOUS) == "v2 = missing"


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_every_aggregate_has_its_words(aggregate):
    column = (
        {}
        if AGGREGATES[aggregate] is None
        else {"column": "is_fraud" if AGGREGATES[aggregate] == "label" else "points"}
    )
    line = {
        "entity": "card_id",
        "lengths": ["6h", "7d"],
        "lag": "1d",
        "aggregates": [{"aggregate": aggregate, **column}],
    }
    definition = parse_definition(**NOTHING | {"units": {"points": 10}, "windows": [line], "inputs": []})
    first, name = definition.feature_names()[1:]
    row = pd.Series({"amount": 5.0, "points": 120, "is_fraud": pd.NA, name: -1.5, first: np.nan})
    known, unknown = sentence(name, row, definition), sentence(first, row, definition)
    assert known != unknown and "card" in known and "card_id" not in known and "{" not in known + unknown
    assert "6 hours" in unknown and "nan" not in known + unknown
    if aggregate in ("ratio", "zscore"):
        assert known.startswith("The points, 12.00, is")


def test_text_has_its_words():
    line = {
        "entity": "card_id",
        "lengths": ["7d"],
        "lag": "0d",
        "aggregates": [{"aggregate": "distinct", "column": "merchant"}],
    }
    definition = parse_definition(**NOTHING | {"windows": [line], "inputs": ["merchant"]})
    row = pd.Series({"amount": 5.0, "merchant": HOSTILE[0], "card_id_merchant_distinct_7d": 3.0})
    assert (
        sentence("card_id_merchant_distinct_7d", row, definition)
        == "This card has 3 different values of merchant in the last 7 days."
    )
    assert sentence("merchant", row, definition) == f"merchant = {HOSTILE[0]}"


@pytest.mark.filterwarnings("ignore:Glyph") # of a tab
def test_everything_is_drawn_of_hostile_text():
    rows = anonymous(600)
    model, other = fitted(rows), fit_model(RECIPE, rows, ["v1"], ANONYMOUS.hash)
    (parts, start), (poorer, _) = contributions(model, rows), contributions(other, rows)
    changes = alert_changes(other.predict(rows) > 0.5, model.predict(rows) > 0.5)
    with plt.rc_context({"text.parse_math": False}):
        drawn = [
            plot_importance(importance(parts), "$ & $", "log-odds"),
            plot_contributions(parts, rows, 3, "Contributions"),
            plot_partial_dependence(
                [partial_dependence(model, rows[:100], name) for name in ("merchant", "v2")], rows[:100]
            ),
            plot_alert(parts.iloc[0], start, rows.iloc[0], 2, "One"),
            plot_changes(contribution_changes(poorer, parts, changes), "Changes"),
        ]
        for figure in drawn:
            figure.canvas.draw()
    plt.close("all")


def test_unknown_labels_count_as_unknown():
    rows = anonymous(600)
    model = fitted(rows)
    open_ = rows.assign(is_fraud=rows.is_fraud.where(rows.transaction_id < 300))
    assert permutation_importance(model, open_, seed=1).equals(
        permutation_importance(model, open_[:300], seed=1)
    )
    counts = count_changes(alert_changes(np.ones(600, dtype=bool), np.ones(600, dtype=bool)), open_.is_fraud)
    assert (
        counts.loc["kept", "label unknown"] == 300
        and counts.loc["new"].sum() == counts.loc["gone"].sum() == 0
    )


@pytest.mark.parametrize("n_frauds", [0, 20])
def test_a_champion_is_compared_with_the_runner_up_and_not_with_itself(tmp_path, n_frauds):
    draw, ids = np.random.default_rng(4), np.arange(200)
    labels = pd.array([1] * n_frauds + [0] * (190 - n_frauds) + [None] * 10, "Int8")
    (tmp_path / "prepared").mkdir()
    (tmp_path / "predictions/backtest").mkdir(parents=True)
    rows = pd.DataFrame({"transaction_id": ids, "is_fraud": labels})
    rows.to_parquet(tmp_path / "prepared/transactions.parquet")
    for name, noise in {"best": 0.1, "second": 0.5, "third": 5.0, "unknown": 0.1}.items():
        score = rows.is_fraud.fillna(0).astype("float64") + draw.normal(0, noise, len(rows))
        predicted = pd.DataFrame({"transaction_id": ids, "score": score})
        predicted.to_parquet(tmp_path / f"predictions/backtest/{name}.parquet")
        if name != "unknown":
            (tmp_path / "models" / name).mkdir(parents=True)
            (tmp_path / "models" / name / "meta.json").touch()
    assert model_beside(tmp_path, "best", "third") == "third"
    assert model_beside(tmp_path, "best", "best") == "second"
    assert model_beside(tmp_path, "second", "second") == "best"
    for name in ("second", "third"):
        (tmp_path / "models" / name / "meta.json").unlink()
    assert model_beside(tmp_path, "best", "best") == "best"


def test_the_reasons_of_a_rule_are_its_limits():
    definition, limits = ANONYMOUS, {"amount": 220, "v1": 3, "v2": 0.5}
    row = {"amount": 250.0, "v1": 1.5, "v2": np.nan}
    assert rule_reasons(limits, row, definition, 3) == [
        "The amount is 250.00: above the rule's limit of 220.",
        "v1 = 1.5: below the rule's limit of 3.",
        "v2 = missing: the rule's limit of 0.5 does not count.",
    ]
    assert rule_reasons(limits, row | {"v1": 3}, definition, 2)[1] == "v1 = 3: at the rule's limit of 3."
