"""Online features survive a kill at any moment, and hold no more than their windows."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest

from mlproj.core.checks import UserError
from mlproj.features.definition import Definition, parse_definition
from mlproj.features.online import OnlineFeatures
from mlproj.pipeline.parameters import read_parameters
from support import ROOT

HOUR = 3_600_000_000  # microseconds


def definition() -> Definition:
    "Read the definition of params.yaml."
    return parse_definition(**read_parameters(ROOT)["features"])


def transaction(number: int) -> dict:
    "Make a transaction of a stream: an hour apart, five customers, three terminals."
    return {
        "transaction_id": number, "timestamp": number * HOUR, "amount": number * 37 % 10_000,
        "customer_id": number * 7 % 5, "terminal_id": number * 11 % 3,
    }


def serve(online: OnlineFeatures, number: int) -> list:
    "Send one transaction, and the label of the one a week before; returns its features."
    if number >= 168:
        online.label(number - 168, int(number % 9 == 0), number * HOUR)
    row = online.add(transaction(number))
    return [row[name] for name in online.names]


def endless(store: str) -> None:
    "Serve until the process is killed, and read which rows it acknowledged."
    online, number = OnlineFeatures(definition(), store=store), 0
    while True:
        print(json.dumps([number, serve(online, number)]), flush=True)
        number += 1


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path, seed):
    store = tmp_path / "events.sqlite"
    killed_after = random.Random(seed).randint(200, 1500)
    here = [str(ROOT / "tests"), str(ROOT / "tests/features")]
    code = f"import sys; sys.path[:0] = {here!r}; from test_online import endless; endless({str(store)!r})"
    acknowledged = []
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            acknowledged.append(json.loads(line))
            if len(acknowledged) == killed_after:
                os.kill(process.pid, signal.SIGKILL)
                break
        # A whole line that was written before the kill counts as acknowledged; half a line does not.
        acknowledged += [json.loads(line) for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL

    again, never_killed = OnlineFeatures(definition(), store=store), OnlineFeatures(definition())
    stored = max(again.history.served) + 1
    assert len(acknowledged) <= stored <= len(acknowledged) + 1 # the last row may not be acknowledged yet
    expected = [serve(never_killed, number) for number in range(stored)]
    assert acknowledged == [[number, row] for number, row in enumerate(expected[:len(acknowledged)])]
    for number in range(stored, stored + 200):
        assert serve(again, number) == serve(never_killed, number)
    for number in range(stored):
        if number in never_killed.history.served: # not yet forgotten: a duplicate gets its row again
            assert [again.add({"transaction_id": number})[name] for name in again.names] == expected[number]
    assert again.history.served.keys() == never_killed.history.served.keys()
    again.close()


def test_the_second_of_two_at_one_instant_is_still_there_when_the_first_has_left():
    online, month = OnlineFeatures(definition()), 30 * 24 * HOUR
    for number, hours in enumerate([0, 0, month // HOUR]):
        row = online.add(transaction(0) | {"transaction_id": number, "timestamp": hours * HOUR})
    assert row["customer_id_count_30d"] == 2  # the row itself, and the row of rank 2: the window ends by rank


def test_the_state_holds_no_more_than_its_windows(tmp_path):
    online = OnlineFeatures(definition(), store=tmp_path / "events.sqlite")
    hours = definition().horizon // HOUR
    for number in range(3 * hours):
        serve(online, number)
    assert len(online.history.served) == len(online.history.recent) == hours
    held = [
        len(window.events)
        for windows in online.history.state.sets
        for track in windows.tracks.values()
        for window in track.windows
    ]
    assert max(held) <= hours
    stored = sum(1 for _ in online.history.store.events())
    assert stored <= 2 * hours + 256 # a transaction and a label for each, and rows to delete
    online.add(transaction(10 * hours))
    assert len(online.history.served) == len(online.history.recent) == 1
    sets = online.history.state.sets
    assert sum(len(windows.tracks) for windows in sets) == len(sets)
    online.close()


def test_a_disk_that_cannot_be_written_is_said_and_loses_nothing(tmp_path):
    store = tmp_path / "events.sqlite"
    online = OnlineFeatures(definition(), store=store)
    before = serve(online, 0)
    database = online.history.store.database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UserError, match="cannot be written: database or disk is full"):
        for number in range(1, 1000):
            serve(online, number)
    again = OnlineFeatures(definition(), store=store)
    assert [again.add({"transaction_id": 0})[name] for name in again.names] == before
    assert serve(again, number) == serve_all(number)
    again.close()


def serve_all(last: int) -> list:
    "Compute the features of a transaction after all transactions before it."
    online = OnlineFeatures(definition())
    return [serve(online, number) for number in range(last + 1)][-1]


def test_a_store_of_another_definition_is_refused(tmp_path):
    OnlineFeatures(definition(), store=tmp_path / "events.sqlite").close()
    other = parse_definition(**read_parameters(ROOT)["features"] | {"fill": None})
    with pytest.raises(UserError, match="holds events of definition"):
        OnlineFeatures(other, store=tmp_path / "events.sqlite")
    (tmp_path / "no.sqlite").write_text(
        "this is no database, but a text that is long enough to be looked at" * 20
    )
    with pytest.raises(UserError, match="cannot be opened"):
        OnlineFeatures(other, store=tmp_path / "no.sqlite")
