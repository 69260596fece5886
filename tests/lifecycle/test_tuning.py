"""The search for parameters: killed and taken up again, stopped by hand, and its result taken over."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlproj.core.checks import UserError
from mlproj.evaluation.splits import make_folds
from mlproj.lifecycle.tuning import Search, describe_search
from mlproj.pipeline.parameters import read_parameters
from support import ROOT, Project

# One fold and small models: a trial takes a second or two.
SEARCH = """
import sys
from pathlib import Path
from mlproj.evaluation.splits import make_folds
from mlproj.features.table import read_features
from mlproj.lifecycle.tuning import describe_search, tune
from mlproj.pipeline.parameters import read_parameters

root = Path.cwd()
given = read_parameters(root)
section = given["tune"] | {"stopping": {"days": 7, "patience": 5, "most_trees": 20}}
folds = make_folds(given["folds"] | {"n_validation_folds": 1}, given["label_delay_days"]).validation
recipe = read_parameters(Path(sys.argv[2]))["models"]["xgboost"] # the small world has no model xgboost
search = describe_search(root, section, recipe, given["inputs"], folds, given["card"])
(fold,) = search.folds
files = root / "prepared/transactions.parquet", root / "features/features.parquet"
rows = read_features(*files, fold.train_end.replace(month=1), fold.test_end, search.inputs)
for trial in tune(search, rows, 4, Path(sys.argv[1])).trials:
    print(trial.number, trial.value, trial.params)
"""


def start(command: list, root: Path, **settings: str) -> subprocess.Popen:
    "Start a command in its own group of processes, as a shell does."
    environment = (
        os.environ
        | settings
        | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=root, env=environment, text=True, start_new_session=True, **pipes)


def count_trials(store: Path) -> int:
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
            return database.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()[0]
    except sqlite3.OperationalError: # the table is not made yet
        return 0


def wait_for_trials(process: subprocess.Popen, store: Path, n: int) -> None:
    while count_trials(store) < n:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)


@pytest.mark.slow
def test_a_killed_search_goes_on_where_it_was(finished, tmp_path):
    def search(store: Path, **settings: str) -> subprocess.Popen:
        return start([sys.executable, "-c", SEARCH, store, ROOT], finished.root, **settings)

    whole = search(tmp_path / "whole.db", MLPROJ_ENGINE_THREADS="1").communicate()[0]
    killed = search(tmp_path / "killed.db")
    wait_for_trials(killed, tmp_path / "killed.db", 2)
    time.sleep(0.2) # into the next trial
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert 2 <= count_trials(tmp_path / "killed.db") < 4
    resumed = search(tmp_path / "killed.db").communicate()[0]
    trials = [[line for line in text.splitlines() if "max_depth" in line] for text in (whole, resumed)]
    assert len(trials[0]) == 4 and trials[0] == trials[1]
    assert "trial 0" in whole and "best so far" in whole and "trial 0" not in resumed # progress, on stderr


def search_of(root: Path) -> Search:
    "Read the search that params.yaml describes."
    given = read_parameters(root)
    folds = make_folds(given["folds"], given["label_delay_days"]).validation
    recipe = given["models"][given["tune"]["model"]]
    return describe_search(root, given["tune"], recipe, given["inputs"], folds, given["card"])


def add_xgboost(params: dict) -> None:
    "Give the small world the model that is tuned."
    params["models"]["xgboost"] = read_parameters(ROOT)["models"]["xgboost"]


def write_result(project: Project, difference: float = 0.01) -> None:
    "Write a result of the current search."
    key = search_of(project.root).key
    best = {"average_precision": 0.7, "parameters": {"max_depth": 7, "learning_rate": 0.0512, "gamma": 1.5}}
    present = {"average_precision": best["average_precision"] - difference}
    result = {
        "study": key,
        "model": "xgboost",
        "best": best,
        "present": present,
        "difference": {"difference": difference},
    }
    (project.root / "metrics/tuning.json").write_text(json.dumps(result))


def test_the_result_is_taken_over_and_nothing_else_changes(project):
    # The small world has fewer features.
    text = (ROOT / "params.yaml").read_text().replace("inputs: strongest", "inputs: handbook")
    (project.root / "params.yaml").write_text(text)
    before = text.splitlines()
    write_result(project)
    printed = project.here("mlproj tune --accept").stdout
    assert (
        printed.startswith("models.xgboost in params.yaml: ")
        and "gamma unset → 1.5" in printed
        and printed.count("\n") == 1
    )
    after = (project.root / "params.yaml").read_text().splitlines()
    assert set(after) - set(before) == {
        f"      {line}" for line in ("max_depth: 7", "learning_rate: 0.0512", "gamma: 1.5")
    }
    assert len(after) == len(before) + 1
    recipe = read_parameters(project.root)["models"]["xgboost"]
    assert (recipe["parameters"]["max_depth"], recipe["parameters"]["gamma"]) == (7, 1.5)
    # The search space is no part of the question, so the answer still holds.
    assert "already" in project.here("mlproj tune --accept").stdout


def test_a_full_disk_leaves_the_parameters_as_they_were(project):
    path = project.root / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text().replace("inputs: strongest", "inputs: handbook"))
    before = path.read_bytes()
    write_result(project)
    project.run("ulimit -f 8; mlproj tune --accept", fails=True) # a limit of 8 kB stands for the disk
    assert path.read_bytes() == before


def test_a_result_that_is_no_better_changes_nothing(project):
    project.params(add_xgboost)
    before = (project.root / "params.yaml").read_text()
    write_result(project, difference=-0.01)
    assert (
        "reaches 0.7000 on validation, no more than the present recipe (0.7100)"
        in project.here("mlproj tune --accept").stdout
    )
    assert (project.root / "params.yaml").read_text() == before


@pytest.mark.long
def test_a_result_of_another_search_is_refused(project):
    def refusal() -> str:
        done = project.here("mlproj tune --accept", fails=True)
        assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
        return done.stderr

    project.params(add_xgboost)
    assert "there is no result of a search yet" in refusal()
    for section, change in {"folds": {"last_start": "2018-08-08"}, "tune": {"seed": 1}}.items():
        write_result(project)
        project.params(lambda params, section=section, change=change: params[section].update(change))
        assert "metrics/tuning.json was made from another version of the data" in refusal()
    write_result(project)
    project.params(lambda params: params["models"]["xgboost"].update(history_days=30))
    assert "run `mlproj tune` again" in refusal()
    project.params(lambda params: params["tune"].update(model="logistic"))
    assert "takes a model of XGBClassifier" in refusal()


@pytest.mark.long
def test_a_search_begins_anew_with_other_features(project):
    project.params(add_xgboost)
    key = search_of(project.root).key
    project.params(lambda params: params["features"].update(calendar=["is_night"]))
    project.params(lambda params: params["inputs"].update(handbook=None, strongest=None))
    project.run("dvc repro features")
    assert search_of(project.root).key != key
    shutil.rmtree(project.root / "features")
    with pytest.raises(UserError, match="there are no features yet"):
        search_of(project.root)


@pytest.mark.long
def test_the_pipeline_of_its_own(project):
    def shrink(params: dict) -> None:
        add_xgboost(params)
        params["models"]["rule"] = read_parameters(ROOT)["models"]["rule"]
        params["folds"].update(n_validation_folds=1)
        stopping = {"days": 7, "patience": 5, "most_trees": 20}
        windows = read_parameters(ROOT)["features"]["windows"]
        params["features"]["windows"] = windows # its monotone constraints name some of these features
        params["tune"].update(n_trials=10, stopping=stopping, fraud_weights=[5], histories=[14], n_draws=5)

    project.params(shrink)
    assert "Running stage" in project.run("dvc repro").stdout # the folds changed
    assert not (project.root / "metrics/tuning.json").exists() and not (project.root / ".tuning").exists()

    store = project.root / ".tuning/studies.db"
    stopped = start(["mlproj", "tune"], project.root)
    wait_for_trials(stopped, store, 1)
    os.killpg(stopped.pid, signal.SIGINT) # Ctrl-C
    assert stopped.wait(30) != 0 and 1 <= count_trials(store) < 10
    assert "Running stage 'pipelines/tuning/dvc.yaml:tune'" in project.run("mlproj tune").stdout
    assert count_trials(store) == 10
    result = json.loads((project.root / "metrics/tuning.json").read_text())
    searched = read_parameters(project.root)["tune"]["space"]
    assert result["n_trials"] == 10 and set(result["best"]["parameters"]) == {*searched, "n_estimators"}

    # The same search from nothing, in one go.
    project.run("rm -r .tuning && dvc repro --force --single-item pipelines/tuning/dvc.yaml")
    assert json.loads((project.root / "metrics/tuning.json").read_text()) == result
    assert "didn't change, skipping" in project.run("mlproj tune").stdout
    better = result["difference"]["difference"] > 0
    assert ("max_depth" if better else "stays as it is") in project.here("mlproj tune --accept").stdout
