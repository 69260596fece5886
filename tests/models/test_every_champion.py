"""Every estimator of params.yaml can be champion, and every estimator can be compared with."""

import json
import re

import nbformat
import pytest

from mlproj.core.files import read_json
from mlproj.models.formats import FORMATS
from mlproj.models.recipe import ESTIMATORS
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


def test_no_estimator_is_left_out():
    estimators = [estimator for estimator, _ in RECIPES.values()]
    assert len(estimators) == len(set(estimators))
    assert set(estimators) == set(ESTIMATORS) == set(FORMATS)
    able = {name for name, (estimator, _) in RECIPES.items() if FORMATS[estimator].contributions}
    assert able == WITH_CONTRIBUTIONS


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
    champion_alone, other_alone = alerts_of_one_model(project, other)
    assert champion_alone == other_alone, "the other model raises as many alerts"
    assert read_json(project.root / "models/champion/meta.json")["model"] == champion
    assert f"Spot check of {champion}" in (project.root / "spot_check/transactions.html").read_text()


def alerts_of_one_model(project: Project, other: str) -> tuple[int, int]: # of the champion, of the other
    "Read in the executed notebook of explain how many alerts only one of the two models raises."
    cells = nbformat.read(project.root / "reports/explain.ipynb", as_version=4).cells
    (output,) = cells[-1].outputs
    answer = output.data["text/markdown"]
    assert re.search(rf"`{other}` raises [\d,]+ of them too", answer), answer
    alone = re.findall(r"of the ([\d,]+) alerts of `\w+` alone", answer)
    of_champion, of_other = (int(count.replace(",", "")) for count in alone)
    return of_champion, of_other


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
