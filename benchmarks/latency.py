"""How long each model takes to score one transaction, and many.

The figures go to records/latency.json. The judge stage reads them when it names the champion.
"""

import sys
import time

import numpy as np
import pyarrow.parquet as pq

from benchmarks.process import ROOT, measure
from mlproj.core.tables import read_lineage
from mlproj.models.encoding import encode_inputs
from mlproj.models.export import export_model
from mlproj.models.model import Model, load_model

ONE, MANY = 5_000, 50_000 # numbers of transactions: scored one by one, and in a batch


def time_model(name: str) -> dict[str, dict]: # {kind of file: figures}
    "Time a trained model, and its export to ONNX if the model is a booster."
    features = ROOT / "features" / "features.parquet"
    model = load_model(ROOT / "models" / name, read_lineage(features)["definition"])
    table = pq.ParquetFile(features).read_row_group(0, columns=[item["name"] for item in model.features])
    rows = table.to_pandas()[:MANY]
    inputs = encode_inputs(rows, model.features, model.recipe)
    ways = filter(None, [model, export_model(model, rows, None).model])
    return {way.format.suffix: time_scores(way, inputs) for way in ways}


def time_scores(model: Model, inputs: np.ndarray) -> dict[str, float]:
    "Time a model on prepared rows: one row a call, and then all rows in one call."
    for row in inputs[:100]:
        model._score(row[None])
    times = []
    for row in inputs[:ONE]:
        start = time.perf_counter()
        model._score(row[None])
        times.append(time.perf_counter() - start)
    start = time.perf_counter()
    model._score(inputs)
    seconds = time.perf_counter() - start
    p50, p99 = np.quantile(times, [0.5, 0.99]) * 1e6
    return {"one_p50_us": p50, "one_p99_us": p99, "rows_per_second": len(inputs) / seconds}


def time_models() -> dict[str, dict]: # {model: the figures of the file that serves it, and of `others`}
    "Time each trained model in a process of its own. A booster is served by its export."
    results, trained = {}, sorted(path.parent.name for path in (ROOT / "models").glob("*/meta.json"))
    if not trained:
        sys.exit("There are no trained models to time: make repro trains them")
    for name in trained:
        if name != "champion": # it has the recipe of another model, trained on other days
            ways = measure("benchmarks.latency:time_model", name)["result"]
            served = min(ways, key=lambda way: way == "ubj")
            results[name] = {"file": served, **ways.pop(served), "others": ways}
    return results
