"""The stages on tables that lack what the simulated world has: each ends, and says what is undefined."""

import ast
import builtins
import copy
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from IPython.display import Markdown
from ruamel.yaml import YAML

from mlproj.data.versions import describe_folder, write_record
from mlproj.pipeline.parameters import read_parameters
from mlproj.pipeline.stage_parameters import notebook_defaults, stage_parameters
from support import ROOT

START = pd.Timestamp("2024-01-01", tz="UTC")
BOOSTED = {
    "estimator": "XGBClassifier",
    "parameters": {
        "n_estimators": 10,
        "max_depth": 3,
        "base_score": 0.5,
        "tree_method": "hist",
        "random_state": 0,
    },
}
SMALL = {"n_estimators": 5, "random_state": 0}
EVERY = {
    "boosted": BOOSTED | {"history_days": 20, "genuine_share": 0.5},
    "logistic": {"estimator": "LogisticRegression", "parameters": {"random_state": 0}},
    "neighbours": {"estimator": "KNeighborsClassifier", "parameters": {"n_neighbors": 5}},
    "tree": {"estimator": "DecisionTreeClassifier", "parameters": {"random_state": 0}},
    "forest": {"estimator": "RandomForestClassifier", "parameters": SMALL},
    "unusual": {"estimator": "IsolationForest", "parameters": SMALL},
    "rule": {"estimator": "Rule", "parameters": {"limits": {"amount": 250}}},
}
STAGES = ["prepare", "features", "train", "backtest", "compare", "judge", "audit", "finalize", "score"]


class Pipeline:
    "A folder with a table and its settings, whose stages run in this process."

    def __init__(self, root: Path, rows: pd.DataFrame, settings: dict):
        self.root, self.said = root, {}
        for name in ("nbs", "records", "settings.ini"):
            (root / name).symlink_to(ROOT / name)
        with (root / "params.yaml").open("w") as file:
            YAML().dump(settings, file)
        (root / "data/transactions").mkdir(parents=True)
        rows.to_parquet(root / "data/transactions/rows.parquet", index=False)
        write_record(root, describe_folder(root / "data", []))

    def run(self, stage: str) -> None:
        parameters = read_parameters(self.root)
        notebook = nbformat.read(self.root / f"nbs/pipeline/{stage}.ipynb", as_version=4)
        defaults = notebook_defaults(notebook, stage)
        own = "model" in parameters.get(stage, {})
        models = [None] if own or "model" not in defaults else list(parameters["models"])
        for model in models:
            self.said[stage] = self.execute(
                notebook, stage_parameters(parameters, defaults, stage, model)
            )

    def execute(self, notebook: nbformat.NotebookNode, given: dict) -> list[str]: # what cells say in words
        said, variables = [], copy.deepcopy(given)
        for cell in notebook.cells:
            if cell.cell_type != "code" or "parameters" in cell.metadata.get("tags", []):
                continue
            *statements, last = _statements(cell.source)
            exec(statements[0], variables) if statements else None
            value = eval(last, variables) if last else None
            said += [value.data] if isinstance(value, Markdown) else []
            plt.close("all")
        return said


def _statements(source: str) -> list: # what is executed, and the last expression, if the cell shows one
    tree = ast.parse(source)
    if isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
        return [compile(tree, "cell", "exec"), compile(last, "cell", "eval")]
    return [compile(tree, "cell", "exec"), None]


def settings(models: dict, **shared) -> dict:
    "The settings of this repository, for a table of its own without entities."
    values = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    first = next(iter(models))
    values |= {"models": models, "inputs": {"all": None}, "n_draws": 20, "card": None, "clusters": []}
    values |= shared
    values["compare"]["published"], values["sequence"]["inputs"] = {}, "all"
    values["prepare"] |= {"columns": {}, "entities": [], "attributes": {}, "evaluation_only": []}
    values["features"] |= {"windows": [], "calendar": []}
    values["judge"]["first_use"] = None
    values["audit"] |= {"n_permutations": 2, "ceilings": {}, "cut": None}
    values["tune"]["model"] = values["explain"]["compared_with"] = first
    return values


def draw_rows(n: int, n_days: int, n_frauds: int, seed: int = 0) -> pd.DataFrame:
    "Draw transactions of a few cards and shops, and frauds among them that are somewhat large."
    draw = np.random.default_rng(seed)
    seconds = np.sort(draw.integers(0, n_days * 86_400, n))
    amount = draw.integers(50, 30_000, n)
    is_fraud = np.zeros(n, dtype="int64")
    is_fraud[draw.choice(np.flatnonzero(amount > 15_000), n_frauds, replace=False)] = 1
    return pd.DataFrame({
        "transaction_id": np.arange(n),
        "timestamp": START + pd.to_timedelta(seconds, "s"),
        "amount": amount,
        "card": draw.integers(0, 60, n),
        "shop": draw.integers(0, 15, n),
        "number": draw.normal(size=n).round(5),
        "is_fraud": is_fraud,
    })


def no_cards() -> tuple[pd.DataFrame, dict]:
    "Anonymous columns, one of them constant; two days, no validation, one model, all labels known at once."
    rows = draw_rows(1500, 2, 15).assign(constant=7.0).drop(columns=["card", "shop"])
    folds = {"last_start": "2024-01-01", "n_folds": 1, "n_validation_folds": 0}
    folds |= {"step_days": 1, "train_days": 1, "test_days": 1}
    values = settings({"boosted": BOOSTED}, folds=folds, label_delay_days=0, top_k=5)
    values["prepare"]["columns"] = {name: name for name in rows}
    values["features"]["inputs"] = ["number", "constant"]
    return rows, values


def gaps() -> tuple[pd.DataFrame, dict]:
    "Every estimator; nine frauds, days without transactions, without labels, with new and missing values."
    rows = draw_rows(2400, 40, 40)
    day = (rows.timestamp - START).dt.days
    rows["colour"] = np.where(day < 20, np.where(rows.card % 2, "red", "blue"), "green")
    rows["colour"] = rows.colour.where(rows.shop % 4 > 0)
    rows["number"] = rows.number.where(rows.shop % 3 > 0)
    kept = rows.is_fraud.cumsum().isin([3, 9, 30, 31, 32, 35, 36, 37, 38])
    rows["is_fraud"] = rows.is_fraud.where(kept, 0).astype("Int64")
    rows["is_fraud"] = rows.is_fraud.mask((day >= 15) & (day < 18) | (day > 37))
    rows = rows[(day < 26) | (day > 28)]
    folds = {"last_start": "2024-02-01", "n_folds": 4, "n_validation_folds": 3}
    folds |= {"step_days": 3, "train_days": 3, "test_days": 2}
    values = settings(EVERY, folds=folds, label_delay_days=2, top_k=5, card="card", clusters=["card", "shop"])
    values["prepare"] |= {"columns": {name: name for name in rows}, "entities": ["card", "shop"]}
    windows = [
        {"entity": "card", "lengths": ["1d", "7d"], "lag": "0d", "aggregates": [{"aggregate": "count"}]},
        {
            "entity": "shop",
            "lengths": ["7d"],
            "lag": "2d",
            "aggregates": [{"aggregate": "rate", "column": "is_fraud"}],
        },
    ]
    values["features"] |= {"inputs": ["colour", "number"], "fill": None, "windows": windows}
    return rows, values


def nothing_to_find() -> tuple[pd.DataFrame, dict]:
    "Frauds in the training days of the baseline fold and in the newest days, and none in any test."
    rows = draw_rows(1500, 30, 60)
    day = (rows.timestamp - START).dt.days
    rows["is_fraud"] = rows.is_fraud.where((day < 10) | (day >= 27), 0)
    folds = {"last_start": "2024-01-09", "n_folds": 3, "n_validation_folds": 1}
    folds |= {"step_days": 4, "train_days": 4, "test_days": 3}
    models = {"tree": EVERY["tree"], "rule": EVERY["rule"]}
    values = settings(models, folds=folds, label_delay_days=2, top_k=3, card="card", clusters=["card"])
    folds["last_start"] = "2024-01-13"
    values["prepare"] |= {"columns": {name: name for name in rows}, "entities": ["card"]}
    values["features"]["inputs"] = ["number"]
    return rows, values


def hours() -> tuple[pd.DataFrame, dict]:
    "Two days in folds of six hours, which end at noon; cards, and windows of their known frauds."
    rows = draw_rows(4000, 2, 160)
    rows = rows[rows.timestamp < START + pd.Timedelta(hours=36)]
    folds = {"last_start": "2024-01-01T18:00", "n_folds": 2, "n_validation_folds": 1}
    folds |= {"step_days": 0.25, "train_days": 0.25, "test_days": 0.25}
    models = {"boosted": BOOSTED, "rule": EVERY["rule"]}
    values = settings(models, folds=folds, label_delay_days=0.25, top_k=3, card="card", clusters=["card"])
    values["prepare"] |= {"columns": {name: name for name in rows}, "entities": ["card"]}
    window = {"entity": "card", "lengths": ["6h"], "lag": "6h"}
    rate = {"aggregates": [{"aggregate": "rate", "column": "is_fraud"}]}
    values["features"] |= {"inputs": ["number"], "windows": [window | rate]}
    return rows, values


WORLDS = {"no cards": no_cards, "gaps": gaps, "nothing to find": nothing_to_find, "hours": hours}


@pytest.fixture(params=WORLDS, scope="module")
def finished_stages(request, tmp_path_factory) -> Iterator[tuple[str, Pipeline, list]]:
    "A world, and the warnings of Python while its stages ran."
    pipeline = Pipeline(tmp_path_factory.mktemp("odd"), *WORLDS[request.param]())
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        patch.chdir(pipeline.root)
        patch.setattr(builtins, "display", lambda *shown: None, raising=False)
        for stage in STAGES:
            pipeline.run(stage)
    yield request.param, pipeline, told


def strict(path: Path) -> dict:
    def refuse(word: str):
        raise AssertionError(f"{path.name} holds {word}")

    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.mark.slow
def test_every_stage_ends_on_odd_data(finished_stages):
    name, pipeline, told = finished_stages
    metrics = {path.stem: strict(path) for path in (pipeline.root / "metrics").rglob("*.json")}
    assert {"compare", "prequential", "savings", "champion", "alarms"} <= set(metrics)
    assert metrics["alarms"]["model"] == metrics["champion"]["champion"]
    said = " ".join(" ".join(texts) for texts in pipeline.said.values())
    assert not re.search(r"\bnan\b", said.lower())
    about_data = [str(one.message) for one in told if not issubclass(one.category, DeprecationWarning)]
    assert about_data == []
