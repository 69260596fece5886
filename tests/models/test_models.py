"""Models for other people's inputs: categories, missing values, features of another definition, no cards."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlproj.core.checks import UserError
from mlproj.core.tables import read_lineage, write_parquet
from mlproj.models.export import to_onnx
from mlproj.models.model import Model, fit_model, load_model
from support import Project

ESTIMATORS = ["LogisticRegression", "DecisionTreeClassifier", "RandomForestClassifier", "XGBClassifier"]
NATIVE = {"categories": "native"}


def recipe(estimator: str, parameters: dict | None = None, **more) -> dict:
    size = {} if estimator in ("LogisticRegression", "DecisionTreeClassifier") else {"n_estimators": 30}
    return {"estimator": estimator, "parameters": {"random_state": 0} | size | (parameters or {})} | more


def shop(n_rows: int = 6_000) -> pd.DataFrame:
    "Draw purchases: large ones of one country are frauds, and very large ones of unknown age."
    draw = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "amount": draw.gamma(2, 30, n_rows).round(2),
            "country": draw.choice(["DE", "ES", "FR", "IT"], n_rows),
        }
    )
    rows["age"] = np.where(draw.uniform(size=n_rows) < 0.2, np.nan, draw.integers(18, 80, n_rows))
    rows["is_fraud"] = (
        (rows.country == "FR") & (rows.amount > 60) | rows.age.isna() & (rows.amount > 150)
    ).astype("int8")
    return rows


def fit(chosen: dict, rows: pd.DataFrame, inputs: list[str]) -> Model:
    return fit_model(chosen, rows, inputs, "abc")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_one_hot_is_what_columns_of_zeros_and_ones_give(estimator):
    rows = shop()
    by_hand = rows.assign(**{f"is_{name}": rows.country == name for name in ("DE", "ES", "FR", "IT")})
    model = fit(recipe(estimator), rows, ["country", "amount"])
    assert model.features[0] == {
        "name": "country",
        "kind": "categorical",
        "categories": ["DE", "ES", "FR", "IT"],
    }
    scores = fit(recipe(estimator), by_hand, ["amount", "is_DE", "is_ES", "is_FR", "is_IT"]).predict(by_hand)
    assert np.corrcoef(scores, model.predict(rows))[0, 1] > 0.95


@pytest.mark.parametrize("method", ["hist", "approx"])
def test_native_categories_are_split_by_xgboost_itself(method):
    draw, names = np.random.default_rng(2), [f"shop {n:02}" for n in range(40)]
    rows = pd.DataFrame({"shop": draw.choice(names, 8_000), "amount": draw.uniform(size=8_000)})
    rows["is_fraud"] = rows["shop"].isin(draw.choice(names, 12, replace=False)).astype("int8")
    few = {"n_estimators": 1, "max_depth": 1, "learning_rate": 1, "tree_method": method}
    native, one_hot = (
        fit(recipe("XGBClassifier", few, **more), rows, ["amount", "shop"]) for more in (NATIVE, {})
    )
    scores = [
        pd.Series(model.predict(rows)).groupby(rows.is_fraud).agg(["min", "max"])
        for model in (native, one_hot)
    ]
    # One split on a set of shops tells all of them apart; a column of zeros and ones tells one shop alone.
    assert [score["min"][1] > score["max"][0] for score in scores] == [True, False]


@pytest.mark.parametrize("chosen", [*map(recipe, ESTIMATORS), recipe("XGBClassifier", **NATIVE)], ids=str)
def test_a_category_not_seen_in_training_is_no_category(chosen):
    rows = shop()
    rows["country"] = rows.country.where(rows.age.notna()) # missing in a fifth of the rows, which are genuine
    # The frauds are of the first and of the last category.
    rows["is_fraud"] = (rows.country.isin(["DE", "IT"]) & (rows.amount > 60)).astype("int8")
    model = fit(chosen, rows, ["country", "amount"])
    large = rows[rows.amount.between(80, 110)]
    unseen, missing = (model.predict(large.assign(country=country)) for country in ("XX", None))
    assert (unseen == missing).all()
    assert (
        unseen.max()
        < 0.5
        < min(model.predict(large.assign(country=country)).max() for country in ("DE", "IT"))
    )


def test_xgboost_takes_missing_values_and_others_take_the_mean():
    rows = shop()
    for more in ({}, NATIVE):
        model = fit(recipe("XGBClassifier", **more), rows, ["country", "age", "amount"])
        alarming = rows[rows.age.isna() & (rows.amount > 170) & (rows.country != "FR")]
        assert model.predict(alarming).min() > 0.5 > model.predict(alarming.assign(age=40)).max()
    for estimator in ESTIMATORS[:3]:
        trained = fit(recipe(estimator), rows, ["age", "amount"])
        mean = rows.age.mean()
        assert (trained.predict(rows) == trained.predict(rows.fillna({"age": mean}))).all()
        assert (trained.predict(rows) != trained.predict(rows.fillna({"age": mean + 40}))).any()


VARIANTS = [{}, {"tree_method": "exact", "base_score": 0.5}, {"scale_pos_weight": 20}]


@pytest.mark.parametrize("parameters", VARIANTS, ids=str)
def test_a_booster_scores_the_same_as_onnx(parameters):
    rows = shop()
    booster = fit(recipe("XGBClassifier", parameters), rows, ["country", "age", "amount"])
    exported = to_onnx(booster)
    everywhere = pd.concat(
        [rows, rows.assign(country="XX"), rows.assign(age=np.nan), rows.assign(amount=np.nan)]
    )
    assert np.abs(exported.predict(everywhere) - booster.predict(everywhere)).max() < 5e-6


def test_a_categorical_booster_is_not_exported():
    with pytest.raises(UserError, match="train it without `categories: native`"):
        to_onnx(fit(recipe("XGBClassifier", **NATIVE), shop(), ["country", "amount"]))


def test_the_models_of_the_pipeline_score_features_of_their_definition_alone(finished):
    lineage = read_lineage(finished.root / "features/features.parquet")
    rows = pd.read_parquet(finished.root / "features/features.parquet")
    assert load_model(finished.root / "models/logistic", lineage["definition"]).predict(rows).max() > 0.5
    with pytest.raises(UserError, match="the model logistic was fitted on features of definition"):
        load_model(finished.root / "models/logistic", "0123456789abcdef")


def message(done) -> str:
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("mlproj: ")]
    assert "Traceback" not in done.stderr + done.stdout
    return line


def strange_inputs(root: Path) -> None:
    "Add a column of text and one with missing values to the features."
    path = root / "features/features.parquet"
    table = pd.read_parquet(path)
    text = pa.array(np.where(table.transaction_id % 3 == 0, "odd", "even"))
    gaps = pa.array(table.transaction_id / 7, mask=(table.transaction_id % 5 == 0).to_numpy())
    rows = (
        pa.Table.from_pandas(table, preserve_index=False)
        .append_column("word", text)
        .append_column("gaps", gaps)
    )
    write_parquet(rows, path, read_lineage(path))


@pytest.mark.long
def test_the_stages_take_text_and_missing_values(project):
    strange_inputs(project.root)
    project.params(lambda params: params["models"].update(boosted=recipe("XGBClassifier", **NATIVE)))
    project.params(lambda params: params["inputs"]["handbook"].append("gaps"))
    project.run("mlproj run train --model boosted && mlproj run backtest --model boosted")
    schema = json.loads((project.root / "models/boosted/schema.json").read_text())
    assert [item["kind"] for item in schema["features"][-2:]] == ["categorical", "numeric"]
    assert schema["features"][-2]["categories"] == ["even", "odd"]
    project.run("mlproj run train --model logistic && mlproj run backtest --model logistic")
    told = "Values are missing of `gaps` (20% of the rows): LogisticRegression takes the mean instead."
    assert told in (project.root / "reports/train/logistic.ipynb").read_text()


@pytest.mark.long
def test_a_model_without_rivals_is_compared_and_judged(project):
    project.params(lambda params: params["models"].pop("tree_depth_2"))
    project.run("mlproj run compare && mlproj run judge")
    assert list(json.loads((project.root / "metrics/compare.json").read_text())) == ["logistic"]
    assert json.loads((project.root / "metrics/champion.json").read_text())["champion"] == "logistic"


def no_cards(project: Project) -> None:
    "Put a table without entities, whose last days have no labels, in place of the simulated world."
    draw, n_rows = np.random.default_rng(3), 8_000
    rows = pd.DataFrame({"id": np.arange(n_rows), "cents": draw.integers(1, 20_000, n_rows)})
    rows["when"] = pd.Timestamp("2018-06-20") + pd.to_timedelta(
        np.sort(draw.uniform(0, 80, n_rows)), unit="D"
    )
    rows["bad"] = (
        pd.Series((rows.cents > 17_000) & (draw.uniform(size=n_rows) < 0.8))
        .astype("Int8")
        .where(rows.when < "2018-09-03")
    )
    project.run("rm -rf data data.dvc")
    rows.to_csv(project.root / "mine.csv", index=False)
    project.run("mlproj data add mine.csv")

    def describe(params: dict) -> None:
        columns = {"transaction_id": "id", "timestamp": "when", "amount": "cents", "is_fraud": "bad"}
        params["prepare"].update(columns=columns, entities=[], attributes={}, evaluation_only=[])
        params["inputs"].update(handbook=None, strongest=None) # all features
        params.update(card=None, clusters=[])
        params["features"]["windows"] = []
        params["judge"]["first_use"] = None
        params["model_card"].update(groups={}, place=None)

    project.params(describe)


@pytest.mark.long
def test_a_table_without_entities_goes_through_the_pipeline(project):
    no_cards(project)
    project.run("dvc repro")
    shown = [
        cell.outputs
        for cell in nbformat.read(project.root / "reports/compare.ipynb", as_version=4).cells
        if cell.cell_type == "code"
    ]
    assert "AUC</th>" in str(shown) and "published</th>" not in str(shown) and "customer" not in str(shown)
    figures = json.loads((project.root / "metrics/compare.json").read_text())
    assert all(values["auc"] > 0.9 and values["card_precision_10"] > 0.5 for values in figures.values())
    transactions = pd.read_parquet(project.root / "prepared/transactions.parquet")
    for model in figures:
        scored = pd.read_parquet(project.root / f"predictions/backtest/{model}.parquet").merge(
            transactions.drop(columns="timestamp")
        )
        last = scored[scored.fold == scored.fold.max()]
        days = json.loads((project.root / f"metrics/backtest/{model}.json").read_text())["folds"][-1][
            "card_precision_10_by_day"
        ]
        assert last.is_fraud.isna().any() and max(days) == "2018-09-02"  # scored, but not judged
        top = last.dropna(subset="is_fraud").sort_values(["score", "transaction_id"], ascending=[False, True])
        by_day = top.groupby(top.timestamp.dt.strftime("%Y-%m-%d")).is_fraud.apply(
            lambda labels: labels[:10].mean()
        )
        assert days == pytest.approx(by_day.to_dict())
    assert "logistic" in project.run("mlproj report").stdout


def test_a_card_that_is_no_column(project):
    project.params(lambda params: params.update(card="card_id"))
    done = project.run("mlproj run backtest --model logistic", fails=True)
    assert "card in params.yaml names 'card_id', which the prepared transactions lack" in message(done)
