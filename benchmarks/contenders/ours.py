"""The same features by the code that the features stage runs."""

from pathlib import Path

import ibis.backends.duckdb  # noqa: F401 -- Ibis would import it on first use, within the measured time

from benchmarks.handbook import HANDBOOK
from mlproj.core.engine import connect_backend, query_batches
from mlproj.core.tables import write_parquet
from mlproj.features.batch import batch_features
from mlproj.features.definition import parse_definition


def run(prepared: str, features: str) -> None:
    "Compute the features of a Parquet file into another."
    definition = parse_definition(**HANDBOOK)
    engine = connect_backend()
    rows = batch_features(engine, engine.read_parquet(prepared), definition, {})
    write_parquet(query_batches(engine, rows), Path(features), {"definition": definition.hash})
    engine.disconnect()
