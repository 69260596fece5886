"""The benchmarks run, their contenders agree, and the committed results are those that were asked for."""

import json
from dataclasses import asdict

import pandas as pd
import pytest

from benchmarks import report
from benchmarks.features import QUICK, SLOW, differences, run_contender
from benchmarks.handbook import HANDBOOK
from benchmarks.process import measure
from mlproj.data.simulator import World
from mlproj.pipeline.parameters import read_parameters
from support import ROOT

RESULTS, LATENCY = (
    json.loads((ROOT / name).read_text()) for name in ("benchmarks/results.json", "records/latency.json")
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    "A small world's prepared transactions."
    path = tmp_path_factory.mktemp("bench") / "table.parquet"
    world = World(n_customers=40, n_terminals=40, n_days=60, radius=30)
    assert measure("benchmarks.tables:write_world", asdict(world), str(path))["result"] > 1000
    return path


def test_the_features_are_among_those_of_params():
    section = read_parameters(ROOT)["features"]
    assert all(windows in section["windows"] for windows in HANDBOOK["windows"])
    assert {**section, "windows": HANDBOOK["windows"]} == HANDBOOK


@pytest.mark.long
def test_contenders_agree(prepared, tmp_path):
    files = {name: tmp_path / f"{name}.parquet" for name in QUICK | SLOW}
    for name, path in files.items():
        figures = run_contender(name, prepared, path)
        assert figures["seconds"] > 0 and figures["peak_mb"] > 10
        assert differences(prepared, files["ours"], path)["rows_different"] <= 10


@pytest.mark.parametrize("column", ["customer_id_count_7d", "terminal_id_is_fraud_rate_30d_lag7d"])
def test_a_wrong_contender_is_caught(prepared, tmp_path, column):
    ours, wrong = tmp_path / "ours.parquet", tmp_path / "wrong.parquet"
    run_contender("ours", prepared, ours)
    table = pd.read_parquet(ours)
    table.loc[500, column] += 1
    table.to_parquet(wrong)
    with pytest.raises(AssertionError, match="wrong differs from ours in 1 rows"):
        differences(prepared, ours, wrong)


@pytest.mark.slow
def test_online_serves_every_event(prepared, tmp_path):
    n_transactions = measure("benchmarks.online:split", str(prepared), 10, str(tmp_path))["result"]
    served = measure("benchmarks.online:serve", str(tmp_path), str(tmp_path / "store"))["result"]
    assert served["transactions"] == n_transactions and served["events"] > n_transactions > 0


@pytest.mark.parametrize(("what", "measured", "sign", "limit"), [
    pytest.param(*line, id=line[0]) for line in report.must_be_seen(RESULTS, LATENCY)
])
def test_committed_results_are_those_asked_for(what, measured, sign, limit):
    assert report.holds(measured, sign, limit), f"{what}: {measured}, asked for {sign} {limit}"


def test_the_page_is_made_from_the_results(tmp_path):
    report.write(RESULTS, LATENCY, tmp_path)
    assert (tmp_path / "README.md").read_text() == (ROOT / "benchmarks" / "README.md").read_text()
