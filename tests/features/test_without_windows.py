"""A definition without windows, as is proposed for a table without entities, by all engines."""

import pandas as pd
import pytest
from test_parity import START, as_table

from mlproj.core.engine import connect, query_batches
from mlproj.core.tables import write_parquet
from mlproj.features.batch import batch_features
from mlproj.features.definition import parse_definition
from mlproj.features.online import OnlineFeatures
from mlproj.features.warming import warm

NOTHING = {
    "units": {"amount": 100}, "timezone": "UTC", "calendar": [], "windows": [], "attributes": [],
    "distances": [], "speeds": [], "inputs": [], "fill": None,
}
TRANSACTIONS = [
    {
        "transaction_id": number, "timestamp": START + step, "arrival_time": START + step,
        "label_time": START + 2 * step + 1, "customer_id": 7, "terminal_id": "a", "amount": 100 * number,
        "points": None, "category": "x", "is_fraud": number % 2,
        "home_x": 0, "home_y": 0, "home_z": 0, "shop_x": number, "shop_y": None, "shop_z": 0,
    }
    for number, step in enumerate([0, 0, 1, 86_400_000_000])
]
SECTIONS = {
    "the amount alone": {},
    "a calendar": {"calendar": ["hour", "is_weekend"]},
    "inputs": {"inputs": ["points", "category"]},
    "a distance": {"distances": [["home", "shop"]]},
    "a speed": {"speeds": [{"entity": "customer_id", "place": "home", "within": "1h"}]},
}


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_a_definition_without_windows_is_served_as_batch_has_it(section, tmp_path):
    definition, engine = parse_definition(**NOTHING | section), connect()
    prepared, features = tmp_path / "transactions.parquet", tmp_path / "features.parquet"
    write_parquet(as_table(TRANSACTIONS), prepared, {})
    query = batch_features(engine, engine.read_parquet(prepared), definition, {})
    write_parquet(query_batches(engine, query), features, {"definition": definition.hash})
    batch = [repr(row) for row in engine.read_parquet(features).to_pyarrow().to_pylist()]

    online, served = OnlineFeatures(definition, tmp_path / "events"), []
    for row in TRANSACTIONS:
        answer = online.add(row)
        known = pd.Timestamp(row["label_time"], unit="us", tz="UTC")
        online.label(row["transaction_id"], row["is_fraud"], known)
        served.append(repr({name: answer[name] for name in ["transaction_id", *online.names]}))
    assert served == batch
    online.close()

    again, warmed = OnlineFeatures(definition, tmp_path / "events"), OnlineFeatures(definition)
    warm(warmed, prepared, features)
    for state in (again, warmed): # the newest transaction gets the same answer
        answer = state.add(TRANSACTIONS[-1])
        assert repr({name: answer[name] for name in ["transaction_id", *state.names]}) == batch[-1]
