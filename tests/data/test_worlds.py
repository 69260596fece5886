"""The worlds of other shapes hold what their docstrings say."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score
from xgboost import XGBClassifier

import worlds
from mlproj.data.proposal import propose_roles
from mlproj.pipeline.proposal import survey_files
from worlds import WORLDS, anonymous_world, awkward_world, shop_world


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_is_the_same_each_time(name, tmp_path):
    first, second = WORLDS[name](n_rows=1500), WORLDS[name](n_rows=1500)
    pd.testing.assert_frame_equal(first.rows, second.rows)
    assert not first.rows.equals(WORLDS[name](n_rows=1500, seed=1).rows)
    assert first.write(tmp_path).stat().st_size > 10_000
    assert len(first.rows) == len(first.truth) and first.truth.timestamp.is_monotonic_increasing


def test_frauds_of_stolen_cards_are_far_from_home_and_in_bursts():
    world = shop_world(n_rows=12_000)
    rows, stolen = world.rows, world.truth.cause == "stolen card"
    distance = 111 * np.hypot(rows.HomeLat - rows.ShopLat, (rows.HomeLon - rows.ShopLon) / 2)
    assert distance[stolen].median() > 3 * distance[~stolen].median()
    assert set(rows.ShopKind[stolen]) <= {"travel", "electronics", "jewellery"}
    assert world.truth.amount[stolen].median() > 4 * world.truth.amount[~stolen].median()


def test_reports_come_after_transactions_and_some_labels_are_open():
    truth = shop_world(n_rows=6_000).truth
    assert 0.02 < truth.is_fraud.isna().mean() < 0.1
    known = truth.dropna(subset="is_fraud")
    assert (known.label_time > known.timestamp).all() and known.label_time.notna().all()


def test_trees_find_frauds_among_anonymous_numbers_and_nobody_finds_all():
    world = anonymous_world(n_rows=20_000)
    inputs, labels, half = world.rows.drop(columns="Class"), world.truth.is_fraud, 10_000
    model = XGBClassifier(n_estimators=50, max_depth=4, random_state=0).fit(inputs[:half], labels[:half])
    found = average_precision_score(labels[half:], model.predict_proba(inputs[half:])[:, 1])
    best = average_precision_score(labels[half:], world.truth.odds[half:])
    assert 0.1 < found < best < 0.95
    assert labels.sum() == 120


def test_german_amounts_and_clocks_are_as_germans_write_them():
    world = awkward_world()
    assert world.rows.Betrag.str.fullmatch(r"(\d{1,3}\.)*\d{1,3},\d\d").all()
    moments = pd.to_datetime(world.rows.Buchungstag + " " + world.rows.Uhrzeit, format="%d.%m.%Y %H:%M:%S")
    assert (moments.dt.tz_localize("Europe/Berlin").to_numpy() == world.truth.timestamp.to_numpy()).all()
    assert 10 < world.truth.is_fraud.sum() < 40


def test_the_command_of_the_guide_writes_the_file_that_it_names(tmp_path):
    file = tmp_path / "bookings.csv"
    subprocess.run([sys.executable, worlds.__file__, "awkward", file], check=True)
    assert file.read_bytes() == awkward_world().write(tmp_path).read_bytes()


ROLES = {
    "shop": {"timestamp": "BookedAt", "amount": "AmountSEK", "is_fraud": "Fraud"},
    "anonymous": {"timestamp": "Time", "amount": "Amount", "is_fraud": "Class"},
    "awkward": {"timestamp": ["Buchungstag", "Uhrzeit"], "amount": "Betrag", "is_fraud": "Betrug"},
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_roles_of_each_world_are_proposed(name, tmp_path):
    file = WORLDS[name](n_rows=6_000).write(tmp_path)
    files = survey_files([file])
    columns = propose_roles(files.survey, files.name).columns
    assert {role: columns[role] for role in ROLES[name]} == ROLES[name]
