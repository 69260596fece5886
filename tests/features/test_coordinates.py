"""Places that stand in each transaction: from degrees in a file to distances and speeds, by all engines."""

import csv
import math

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlproj.core.engine import connect, query_batches
from mlproj.core.tables import write_parquet
from mlproj.data.contract import finish_transactions, number_transactions, read_transactions, split_rejected
from mlproj.data.source import Source
from mlproj.features.batch import batch_features
from mlproj.features.definition import parse_definition
from mlproj.features.online import OnlineFeatures
from mlproj.features.recompute import make_features, read_seen

RADIUS = 6_371_008.8 # metres
HOUR = 3600 # seconds
ROUNDED = 2 # metres: each of two places is rounded to whole metres along three axes

# The merchant is a column with windows of its own, and a place; the home is a place alone.
SOURCE = Source(
    columns={name: name for name in ("transaction_id", "timestamp", "amount", "is_fraud", "card", "merchant",
                                     "lat", "long", "home_lat", "home_long")},
    types={"timestamp": "seconds"},
    coordinates={"merchant": ["lat", "long"], "home": ["home_lat", "home_long"]},
)
COUNT = {"lengths": ["1d"], "lag": "0d", "aggregates": [{"aggregate": "count"}]}
DEFINITION = parse_definition(
    units={}, timezone="UTC", calendar=[], attributes=[], inputs=["lat"], fill=None,
    windows=[COUNT | {"entity": "merchant"}],
    distances=[["home", "merchant"]],
    speeds=[{"entity": "card", "place": "merchant", "within": "1d"}],
)
DISTANCE, SPEED = "home_merchant_distance", "card_merchant_speed_1d"

PLACES = [(48.8566, 2.3522), (52.52, 13.405), (-33.86, 151.21), (90.0, 0.0), (0.0, 180.0), (0.0, -180.0),
          (None, 2.0), (48.0, None), (None, None)]
TRANSACTION = st.fixed_dictionaries({
    "step": st.sampled_from([0, 0, 1, HOUR, 24 * HOUR - 1, 24 * HOUR, 30 * HOUR]),
    "card": st.sampled_from(["a", "a", "b"]),
    "merchant": st.sampled_from(["m", "n"]),
    "place": st.sampled_from(PLACES),
    "home": st.sampled_from(PLACES),
})


def in_degrees(drawn: list[dict]) -> list[dict]:
    "Make the rows of a file."
    rows, clock = [], 1_522_540_800
    for number, event in enumerate(drawn):
        clock += event["step"]
        (lat, long), (home_lat, home_long) = event["place"], event["home"]
        rows.append({
            "transaction_id": number, "timestamp": clock, "amount": 100, "is_fraud": 0,
            "card": event["card"], "merchant": event["merchant"],
            "lat": lat, "long": long, "home_lat": home_lat, "home_long": home_long,
        })
    return rows


def prepare(rows: list[dict], folder) -> tuple: # transactions, rejected
    (folder / "in").mkdir(exist_ok=True)
    with (folder / "in" / "day.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    entities = ["card", "merchant"]
    rows = read_transactions(connect(), folder / "in", SOURCE, entities)
    kept, rejected = split_rejected(rows, entities)
    numbered, _ = number_transactions(kept)
    return finish_transactions(numbered, 7), rejected


def straight_line(one: tuple, other: tuple) -> float | None: # metres, by the angle between two places
    if None in one or None in other:
        return None
    (a, b), (c, d) = (map(math.radians, place) for place in (one, other))
    half = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * RADIUS * math.sqrt(half)


def travelled(rows: list[dict], row: dict) -> tuple: # metres since the card's previous transaction, seconds
    before = [other for other in rows[: row["transaction_id"]] if other["card"] == row["card"]]
    if not before:
        return None, None
    elapsed = row["timestamp"] - before[-1]["timestamp"]
    if not 0 < elapsed < 24 * HOUR:
        return None, None
    way = straight_line((before[-1]["lat"], before[-1]["long"]), (row["lat"], row["long"]))
    return way, elapsed


def assert_near(value: float | None, expected: float | None) -> None:
    assert (value is None) == (expected is None)
    assert value is None or abs(value - expected) <= ROUNDED


def by_batch(path) -> list[dict]:
    engine = connect()
    features = batch_features(engine, engine.read_parquet(path), DEFINITION, {})
    return query_batches(engine, features).read_all().to_pylist()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(TRANSACTION, min_size=1, max_size=25))
def test_distances_and_speeds_are_those_of_the_places_in_degrees(tmp_path, drawn):
    rows = in_degrees(drawn)
    transactions, _ = prepare(rows, tmp_path)
    path = tmp_path / "transactions.parquet"
    write_parquet(transactions, path, {})
    batch = by_batch(path)
    for row, features in zip(rows, batch, strict=True):
        home, merchant = (row["home_lat"], row["home_long"]), (row["lat"], row["long"])
        assert_near(features[DISTANCE], straight_line(home, merchant))
        way, elapsed = travelled(rows, row)
        speed = features[SPEED]
        assert_near(speed and speed * elapsed, way) if speed else assert_near(speed, way)

    online = OnlineFeatures(DEFINITION)
    for row, features in zip(transactions.to_pylist(), batch, strict=True):
        served = online.add(row)
        assert repr({name: served[name] for name in features}) == repr(features)

    start, end = (pd.Timestamp(row["timestamp"], unit="s", tz="UTC") for row in (rows[-1], rows[-1]))
    seen = read_seen(path, DEFINITION, start, end + pd.Timedelta(seconds=1))
    again = make_features(seen, DEFINITION, {})
    last = again[again.transaction_id == rows[-1]["transaction_id"]]
    assert last.astype(object).where(last.notna(), None).to_dict("records") == batch[-1:]


@pytest.mark.parametrize(
    ("degrees", "reason"),
    [
        ({"lat": 90.5}, "lat: beyond 90 degrees"),
        ({"home_long": -181}, "home_long: beyond 180 degrees"),
        ({"lat": "inf"}, "lat: unreadable"),
        ({"lat": "north"}, "lat: unreadable"),
    ],
)
def test_a_row_at_no_place_of_the_earth_is_rejected_with_its_reason(tmp_path, degrees, reason):
    here = {"step": 1, "card": "a", "merchant": "m", "place": (1.0, 2.0), "home": (1.0, 2.0)}
    rows = in_degrees([here] * 3)
    rows[1] |= degrees
    transactions, rejected = prepare(rows, tmp_path)
    assert rejected.select(["row", "reason"]).to_pylist() == [{"row": 2, "reason": reason}]
    assert transactions["merchant_x"].null_count == 0
    assert [name for name in transactions.column_names if name.endswith(("_x", "_y", "_z"))] == [
        "merchant_x", "merchant_y", "merchant_z", "home_x", "home_y", "home_z"
    ]
