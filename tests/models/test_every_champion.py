"""Every estimator of params.yaml can be champion, and every estimator can be compared with."""

import json

import pytest

from mlproj.core.files import read_json
from support import Project

INPUTS = [
    "amount",
    "customer_id_count_1d",
    "customer_id_amount_mean_7d",
    "terminal_id_is_fraud_rate_7d_lag7d",
]
RECIPES = {
    "rule": ("Rule", {"limits": {"amount": 100, "terminal_id_is_fraud_rate_7d_lag7d": 0.1}}),
    "logistic": ("LogisticRegression", {"random_state": 0}),
    "neighbours": ("KNeighborsClassifier", {"n_neighbors": 10}),
    "tree": ("DecisionTreeClassifier", {"max_depth": 3, "random_state": 0}),
    "forest": ("RandomForestClassifier", {"n_estimators": 5, "random_state": 0}),
    "isolation": ("IsolationForest", {"n_estimators": 5, "random_state": 0}),
    "booster": ("XGBClassifier", {"n_estimators": 5, "random_state": 0}),
}
WITH_CONTRIBUTIONS = {"logistic", "booster"}


def train_and_judge(project: Project, names: list[str]) -> None:
    "Run the pipeline up to the verdict, with these models alone."

    def choose(params: dict) -> None:
        params["inputs"]["small"] = INPUTS
        params["explain"]["compared_with"] = names[0]
        params["models"] = {}
        for name in names:
            estimator, parameters = RECIPES[name]
            params["models"][name] = {"estimator": estimator, "inputs": "small", "parameters": parameters}

    project.params(choose)
    for stage in ("train", "backtest"):
        project.run(" && ".join(f"mlproj run {stage} --model {name}" for name in names))
    project.run("mlproj run compare && mlproj run judge")


def serve(project: Project, champion: str, other: str) -> None:
    "Run the stages after the verdict, as if it had named this champion, and look at what they leave."
    verdict = project.root / "metrics/champion.json"
    savings = read_json(project.root / "metrics/savings.json")["models"][champion]
    decision = {
        "champion": champion,
        "threshold": savings["threshold"],
        "calibration": {"method": "none"},
    }
    verdict.write_text(json.dumps(read_json(verdict) | decision))
    project.params(lambda params: params["explain"].update(compared_with=other))
    for stage in ("finalize", "explain", "score", "model_card"):
        project.run(f"mlproj run {stage}")

    explained = read_json(project.root / "metrics/explain.json")
    assert explained["model"] == champion
    assert explained["measure"].startswith("mean size") == (champion in WITH_CONTRIBUTIONS)
    assert read_json(project.root / "models/champion/meta.json")["model"] == champion
    assert f"Spot check of {champion}" in (project.root / "spot_check/transactions.html").read_text()


@pytest.mark.slow(120)
def test_a_rule_is_champion_and_compared_with(project):
    train_and_judge(project, ["rule", "logistic"])
    serve(project, "rule", "logistic")
    serve(project, "logistic", "rule")


@pytest.mark.long
def test_every_estimator_is_champion_and_compared_with(project):
    train_and_judge(project, list(RECIPES))
    names = list(RECIPES)
    for champion, other in zip(names, names[1:] + names[:1], strict=True):
        serve(project, champion, other)
