"""The notebooks of nbs/explore run on another world, and leave the same bytes when they run twice."""

import shutil

import pandas as pd
import pytest

from mlproj.pipeline.explorations import Scope
from support import ROOT, Project

pytestmark = pytest.mark.long


def test_explorations_are_those_of_the_results(tmp_path):
    "The test runs in a clone with the outputs that dvc.lock names; the pipeline must have run."
    project = Project(tmp_path / "clone")
    project.root.mkdir()
    project.run(
        f"git clone --quiet {ROOT} . && dvc cache dir --local {ROOT}/.dvc/cache && dvc checkout --quiet"
    )
    project.run("mlproj explore")
    assert project.run("git diff --no-ext-diff --stat").stdout == ""


ANYWHERE = [
    "10_brief",
    "20_data",
    "30_fraud",
    "40_hypotheses",
    "50_segments",
    "60_drift",
    "70_errors",
    "80_experiments",
]


@pytest.mark.parametrize("name", ANYWHERE)
def test_an_exploration_runs_on_another_world(project, name):
    path = project.root / f"nbs/explore/{name}.ipynb"
    committed = path.read_bytes()
    project.run(f"mlproj explore {name}")
    executed = path.read_bytes()
    assert executed != committed
    project.run(f"mlproj explore {name}")
    assert path.read_bytes() == executed


def test_an_exploration_with_a_world_of_its_own_leaves_what_is_committed(project):
    shutil.copy(ROOT / "params.yaml", project.root)  # the notebook's world is its own, its parameters are not
    project.run("git commit --quiet --all --message 'parameters as committed'")
    path = project.root / "nbs/explore/90_own_data.ipynb"
    committed = path.read_bytes()
    project.run("mlproj explore 90_own_data")
    assert path.read_bytes() == committed


@pytest.mark.parametrize(("card", "place", "owners"), [
    ("konto", "laden", {"konto": "card", "laden": "place"}),
    ("konto", None, {"konto": "card"}),
    ("transaction_id", None, {}),
])
def test_a_scope_names_only_what_the_data_name(card, place, owners):
    scope = Scope(card, place, [card], pd.Timestamp("2024-01-01", tz="UTC"), capacity=5, unit=100)
    assert scope.owners == owners
