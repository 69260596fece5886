"""The whole pipeline on a small world, run by DVC: cached, changed, and given two versions of the data."""

import json
import re

import pytest

from mlproj.data.versions import hash_folder, read_record
from support import MODELS


def test_a_second_run_runs_nothing(finished):
    first_run = (finished.root.parent / "finished.log").read_text()
    assert len(re.findall(r"^\[.*\] .* \d+ s, \d+ left$", first_run, re.M)) == 10 + 2 * len(MODELS)
    again = finished.run("dvc repro")
    assert "Running stage" not in again.stdout
    assert "Data and pipelines are up to date." in again.stdout
    assert finished.run("git status --porcelain").stdout == ""


@pytest.mark.long
def test_the_same_inputs_give_the_same_bytes(finished, project):
    project.run(
        "dvc repro --force --single-item prepare features train@tree_depth_2 backtest@tree_depth_2 compare"
    )
    assert (project.root / "dvc.lock").read_text() == (finished.root / "dvc.lock").read_text()


def test_metrics_have_their_shape(finished):
    names = ("prepare", "compare", "prequential", "differences")
    read = {name: json.loads((finished.root / f"metrics/{name}.json").read_text()) for name in names}
    assert (
        read["differences"]["leader"] in MODELS
        and len(read["differences"]["average_precision"]) == len(MODELS) - 1
    )
    assert read["prepare"]["rows"] == read["prepare"]["kept"] + read["prepare"]["rejected"]
    assert list(read["compare"]) == list(read["prequential"]) == MODELS
    for model in MODELS:
        assert set(read["compare"][model]) == {"auc", "average_precision", "card_precision_10"}
        figure = read["prequential"][model]["auc"]
        assert (
            set(figure) == {"mean", "std", "low", "high"}
            and figure["low"] <= figure["mean"] <= figure["high"]
        )
    assert "logistic" in finished.run("dvc metrics show").stdout


@pytest.mark.slow
def test_threads_and_memory_change_no_byte(finished, project):
    project.run(
        "MLPROJ_ENGINE_THREADS=1 MLPROJ_ENGINE_MEMORY_LIMIT=300MB dvc repro --force --single-item features"
    )
    assert (project.root / "dvc.lock").read_text() == (finished.root / "dvc.lock").read_text()


@pytest.mark.slow
def test_a_package_of_another_version_concerns_the_stages_that_use_it(project):
    recorded = (project.root / "versions.json").read_text()
    version = json.loads(recorded)["jinja2"]
    (project.root / "versions.json").write_text(recorded.replace(f'"jinja2": "{version}"', '"jinja2": "2.0"'))
    status = json.loads(project.run("dvc status --json dvc.yaml").stdout)
    assert status == {"explain": [{"changed deps": {"versions.json": {"jinja2": "modified"}}}]}
    assert "jinja2" in project.run("dvc params diff").stdout
    refused = project.run("mlproj run explain", fails=True).stderr
    advice = f"jinja2 {version} is installed, and versions.json names 2.0: install what the lock names"
    assert f"mlproj: {advice}" in refused
    assert f"jinja2 2.0 → {version}" in project.run("mlproj environment").stdout
    assert (project.root / "versions.json").read_text() == recorded
    assert "up to date" in project.run("dvc status dvc.yaml").stdout


def test_the_comparison_is_printed(finished):
    assert "logistic" in finished.here("mlproj report").stdout


def test_plots_are_drawn(project):
    assert "index.html" in project.run("dvc plots show").stdout
    assert (project.root / "dvc_plots/index.html").stat().st_size > 10_000


@pytest.mark.long
def test_an_experiment_with_one_model_reruns_that_model_alone(project):
    ran = project.run("dvc exp run -S models.tree_depth_2.parameters.max_depth=3").stdout
    stages = (
        "guard",
        "train@tree_depth_2",
        "backtest@tree_depth_2",
        "compare",
        "judge",
        "audit",
        "finalize",
        "explain",
        "model_card",
    )
    assert all(f"Running stage '{stage}'" in ran for stage in stages)
    assert ran.count("Running stage") == len(stages)
    assert project.run("git status --porcelain data.dvc").stdout == ""
    assert "tree_depth_2" in project.run("dvc metrics diff").stdout


@pytest.mark.slow
def test_two_versions_of_the_data(project):
    first = hash_folder(project.root / "data")
    project.here("mlproj data add --days 30")
    second = hash_folder(project.root / "data")
    assert second != first
    project.run("dvc repro prepare")
    project.run("git commit --all --quiet --message 'a month more'")
    difference = json.loads(project.run("dvc metrics diff HEAD~1 --json").stdout)["metrics/prepare.json"]
    assert difference["rows"]["new"] > difference["rows"]["old"]

    project.run("git checkout --quiet HEAD~1")
    assert "from the cache" in project.here("mlproj data").stdout
    assert hash_folder(project.root / "data") == first == read_record(project.root).version

    project.run("git checkout --quiet -")
    project.run("rm -rf data .dvc/cache")
    assert "from the simulator" in project.here("mlproj data").stdout
    assert hash_folder(project.root / "data") == second


def test_data_comes_from_a_remote(project, tmp_path):
    version = hash_folder(project.root / "data")
    project.run(f"dvc remote add --default shared {tmp_path / 'shared'} && dvc push data.dvc")
    project.run("rm -rf data .dvc/cache")
    assert "from the remote" in project.here("mlproj data").stdout
    assert hash_folder(project.root / "data") == version


def test_a_remote_without_the_version_leaves_it_to_the_simulator(project, tmp_path):
    version = hash_folder(project.root / "data")
    project.run(f"dvc remote add --default shared {tmp_path / 'empty'}")
    project.run("rm -rf data .dvc/cache")
    assert "from the simulator" in project.here("mlproj data").stdout
    assert hash_folder(project.root / "data") == version
