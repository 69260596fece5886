"""A leak of every kind is planted, and its alarm goes off; on the honest pipeline all of them are silent."""

import json
from dataclasses import replace
from functools import partial

import nbformat
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlproj.core.tables import read_lineage, write_parquet
from mlproj.data.simulator import simulate
from mlproj.evaluation import splits
from mlproj.evaluation.alarms import Alarm, alarm_metrics
from mlproj.evaluation.backtest import backtest, count_training, fold_metrics
from mlproj.evaluation.leakage import (
    assume_delay,
    ceiling_alarm,
    label_delay_alarm,
    shuffled_labels_alarm,
    single_feature_alarm,
    small_recipe,
    time_travel_alarm,
    train_and_test,
    train_on_shuffled_labels,
    train_with_delays,
    training_row_alarms,
)
from mlproj.evaluation.splits import prequential_folds, train_rows
from mlproj.features.definition import parse_definition
from mlproj.features.recompute import (
    features_of_columns,
    label_features,
    make_features,
    replace_features,
)
from mlproj.pipeline.parameters import read_parameters
from support import MODELS, ROOT, SMALL, message

CARD, METRIC = "customer_id", "average_precision"


class Pipeline:
    "Features and a recipe of params.yaml on a small world; a test may replace a part by one that leaks."

    def __init__(self):
        world = replace(SMALL, n_terminals=800, radius=8, terminals_per_day=1, customers_per_day=1, n_days=62)
        self.transactions = assume_delay(simulate(world)["transactions"].drop(columns="scenario"), 7)
        section = read_parameters(ROOT)["features"]
        # The Handbook's features, and some more.
        self.definition = parse_definition(**{**section, "windows": section["windows"][:3]})
        self.folds = prequential_folds(
            "2018-07-25", n_folds=2, step_days=7, train_days=7, delay_days=7, test_days=7
        )
        self.fold = self.folds[-1]
        self.recipe = small_recipe(read_parameters(ROOT)["models"]["xgboost"])
        self.inputs = self.definition.feature_names()
        self.told = features_of_columns(self.definition)
        self.made = make_features(self.transactions, self.definition, {})
        self.rows = self.transactions.rename(columns={"amount": "amount_cents"}).merge(
            self.made, on="transaction_id"
        )
        made = backtest(self.rows, self.folds, self.recipe, self.inputs, "", CARD)
        self.predictions, self.training = made.predictions, made.training
        self.cut = self.fold.test_start + pd.Timedelta(days=3.5)

    def predict(self, rows: pd.DataFrame, inputs: list[str]) -> pd.DataFrame:
        return backtest(rows, self.folds, self.recipe, inputs, "", CARD).predictions

    def features(self, transactions: pd.DataFrame, lag: str | None = None) -> pd.DataFrame:
        return label_features(transactions, self.definition, lag)

    def shuffled(self, rows: pd.DataFrame, features) -> Alarm:
        train = partial(train_and_test, recipe=self.recipe, inputs=self.inputs, card=CARD, top_k=10)
        entities = self.definition.entities()
        args = self.transactions, rows, self.fold, entities, features, train
        return shuffled_labels_alarm(train_on_shuffled_labels(*args, n_permutations=6), limit=3.0)

    def delayed(self, transactions: pd.DataFrame, rows: pd.DataFrame, metric: str = METRIC) -> Alarm:
        train = partial(train_and_test, recipe=self.recipe, inputs=self.inputs, card=CARD, top_k=10)
        tested = splits.test_rows(rows, self.fold, CARD)
        figures = train_with_delays(transactions, rows, tested, self.fold, [0, 1, 7], self.features, train)
        return label_delay_alarm(figures, 7, metric, gain=1.1)

    def travelled(self, made: pd.DataFrame, features) -> Alarm:
        moment = self.transactions.timestamp
        two_days = moment.between(self.cut - pd.Timedelta(days=2), self.cut, "left")
        latest = made[made.transaction_id.isin(self.transactions.transaction_id[two_days])]
        return time_travel_alarm(self.transactions, latest, self.cut, features)

    def trained(self, chosen: list[pd.Series]) -> list[dict]:
        "Count the training rows that a test chose, as the backtest counts its own."
        tested = [
            self.rows.merge(self.predictions.loc[self.predictions.fold == fold.name, ["transaction_id"]])
            for fold in self.folds
        ]
        return [
            count_training(self.rows[mark], *of_fold)
            for mark, *of_fold in zip(chosen, tested, self.folds, strict=True)
        ]

    def with_the_answer(self) -> tuple[pd.DataFrame, list[str]]:  # rows, and the names of inputs
        "A leak: the label, with some noise, under another name."
        noise = np.random.default_rng(0).normal(scale=0.3, size=len(self.rows))
        return self.rows.assign(dispute=noise - self.rows.is_fraud), [*self.inputs, "dispute"]

    def highest(self, predictions: pd.DataFrame) -> float:
        return max(figures[METRIC] for figures in fold_metrics(predictions, self.rows, CARD, 10))


@pytest.fixture(scope="module")
def honest() -> Pipeline:
    return Pipeline()


def test_all_alarms_are_silent_on_what_is_honest(honest):
    alarms = [
        honest.shuffled(honest.rows, honest.features),
        honest.delayed(honest.transactions, honest.rows),
        single_feature_alarm(honest.rows, honest.folds, honest.predictions, honest.told, limit=0.8),
        *training_row_alarms(honest.training),
        honest.travelled(honest.made, partial(make_features, definition=honest.definition, attributes={})),
    ]
    assert {alarm.name: alarm.state for alarm in alarms} == {alarm.name: "silent" for alarm in alarms}
    assert [alarm.number for alarm in alarms[-3:]] == [0, 0, 0]


def test_a_rate_without_a_lag_holds_its_own_label(honest):
    def at_once(transactions: pd.DataFrame) -> pd.DataFrame:
        return honest.features(transactions.assign(label_time=transactions.timestamp), "0d")

    alarm = honest.shuffled(honest.rows, at_once)
    assert alarm.goes_off and alarm.number > 10


def test_the_answer_under_another_name(honest):
    planted, inputs = honest.with_the_answer()
    told = [*honest.told, "dispute"]
    alarm = single_feature_alarm(planted, honest.folds, honest.predict(planted, inputs), told, limit=0.8)
    assert alarm.goes_off and alarm.about.startswith("dispute alone")
    assert "raise audit.limits.one_feature in params.yaml" in alarm.about


def test_what_belongs_to_the_transaction_itself_may_decide_alone():
    "An amount, a time or a distance can be honest and strong; a column of the file may know the answer."
    every = [{"aggregate": "count"}, {"aggregate": "max", "column": "amount"}]
    columns = [{"aggregate": "mean", "column": "points"}, {"aggregate": "rate", "column": "is_fraud"}]
    windows = [
        {"entity": "card", "lengths": ["1d"], "lag": "7d", "aggregates": every + columns},
        {"entity": "card", "lengths": ["7d"], "lag": "0d", "aggregates": every},
    ]
    attributes = [{"entity": "shop", "columns": ["age"]}]
    speeds = [{"entity": "card", "place": "shop", "within": "1d"}]
    definition = parse_definition(
        {"amount": 100, "points": 1},
        "UTC",
        ["is_night"],
        windows,
        attributes,
        [["home", "shop"]],
        speeds,
        ["kind"],
        0.0,
    )
    expected = ["card_points_mean_1d_lag7d", "card_is_fraud_rate_1d_lag7d", "shop_age", "kind"]
    assert features_of_columns(definition) == expected


@pytest.mark.parametrize("metric", [METRIC, "card_precision_10"])
@pytest.mark.parametrize(("delay", "lag"), [(0, "1s"), (1, "1d")])
def test_labels_that_are_known_too_early(honest, delay, lag, metric):
    early = assume_delay(honest.transactions, delay)
    alarm = honest.delayed(
        early, replace_features(assume_delay(honest.rows, delay), honest.features(early, lag)), metric
    )
    assert alarm.goes_off and alarm.number > alarm.limit


def test_training_without_regard_to_label_time(honest):
    chosen = [
        honest.rows.timestamp.between(fold.train_start, fold.test_start, "left") for fold in honest.folds
    ]
    unknown, shared = training_row_alarms(honest.trained(chosen))
    waiting = [
        honest.rows.timestamp.between(fold.train_end, fold.test_start, "neither").sum()
        for fold in honest.folds
    ]
    assert unknown.goes_off and unknown.number == sum(waiting)
    assert not shared.goes_off


def test_a_label_that_is_not_known_at_all(honest):
    trained = honest.rows[train_rows(honest.rows, honest.fold)]
    trained = trained.assign(label_time=trained.label_time.where(trained.index != trained.index[0]))
    unknown, _ = training_row_alarms([count_training(trained, trained[:0], honest.fold)])
    assert unknown.number == 1


def test_one_tested_row_in_training(honest):
    chosen = [train_rows(honest.rows, fold) for fold in honest.folds]
    tested = honest.predictions.transaction_id[honest.predictions.fold == honest.folds[0].name].iloc[5]
    chosen[0] = chosen[0] | (honest.rows.transaction_id == tested)
    _, shared = training_row_alarms(honest.trained(chosen))
    assert shared.goes_off and shared.number == 1


def usual_amount(transactions: pd.DataFrame) -> pd.DataFrame:
    "A leak: the mean of all amounts that a customer ever spends."
    means = transactions.groupby(CARD).amount.transform("mean")
    return transactions[["transaction_id"]].assign(usual=means.astype("float64"))


def test_a_mean_over_the_future(honest):
    alarm = honest.travelled(usual_amount(honest.transactions), usual_amount)
    assert alarm.goes_off and "look at usual, which in transaction" in alarm.about


def test_labels_that_are_read_before_they_are_known(honest):
    def at_once(transactions: pd.DataFrame) -> pd.DataFrame:
        return honest.features(transactions.assign(label_time=transactions.timestamp), "1s")

    alarm = honest.travelled(at_once(honest.transactions), at_once)
    assert alarm.goes_off and "is_fraud" in alarm.about


def test_a_champion_that_knows_the_answer_passes_a_ceiling(honest):
    "Whose height is that of the honest one and a little more."
    highest = honest.highest(honest.predictions)
    planted, inputs = honest.with_the_answer()
    reached = [highest, honest.highest(honest.predict(planted, inputs))]
    ceilings = {METRIC: highest + 0.02}
    states = [ceiling_alarm({METRIC: value}, METRIC, ceilings).state for value in reached]
    assert states == ["silent", "goes off"]


def test_what_cannot_be_measured_is_said(honest):
    nothing = honest.rows.assign(is_fraud=0)
    states = [
        honest.delayed(honest.transactions, nothing).state,
        single_feature_alarm(nothing, honest.folds, honest.predictions, honest.told, limit=0.8).state,
        ceiling_alarm({METRIC: float("nan")}, METRIC, {METRIC: 0.79}).state,
        honest.travelled(honest.made[:0], None).state,
    ]
    assert states == ["not applicable"] * 4
    assert not any(
        alarm["goes_off"] for alarm in alarm_metrics([honest.travelled(honest.made[:0], None)]).values()
    )


LEAK = """
import mlproj.evaluation.backtest as leaky

def until_test(rows, fold, history_days=None):
    return rows.timestamp.between(fold.train_start, fold.test_start, 'left')

leaky.train_rows = until_test
"""


@pytest.mark.slow
def test_a_backtest_that_trains_on_what_waits_for_its_label(project):
    "The leak is planted in the stage backtest, and the stage audit finds it."
    path = project.root / "nbs/pipeline/backtest.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(3, nbformat.v4.new_code_cell(LEAK))
    nbformat.write(notebook, path)
    project.run(f"mlproj run backtest --model {MODELS[0]}")
    told = message(project.run("mlproj run audit", fails=True))
    assert "unknown labels is" in told and "training rows of" in told and "shared rows is" not in told


@pytest.mark.slow
def test_the_stage_stops_at_a_leak(project):
    path = project.root / "features/features.parquet"
    table, customers = pd.read_parquet(path), pd.read_parquet(project.root / "prepared/transactions.parquet")
    leak = customers.set_index("transaction_id").groupby(CARD).amount.transform("mean") / 100
    leaky = table.assign(customer_id_amount_mean_7d=leak.reindex(table.transaction_id).to_numpy())
    write_parquet(pa.Table.from_pandas(leaky, preserve_index=False), path, read_lineage(path))
    done = project.run("mlproj run audit", fails=True)
    told = message(done)
    assert "1 of 11 alarms went off: time travel is" in told and "where 0 is the limit" in told
    assert "look at customer_id_amount_mean_7d, which in transaction" in told
    alarms = json.loads((project.root / "metrics/alarms.json").read_text())["alarms"]
    assert [name for name, alarm in alarms.items() if alarm["goes_off"]] == ["time travel"] and alarms[
        "time travel"
    ]["number"] > 100
    assert "goes off" in (project.root / "reports/failed/audit.ipynb").read_text()
