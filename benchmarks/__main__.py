"""Run all benchmarks, and write their results: `make bench`."""

import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks import features, report
from benchmarks.folders import folder_read
from benchmarks.process import ROOT, measure
from benchmarks.tables import make_wide_world
from benchmarks.training import large
from benchmarks.wide import inspected
from mlproj.core.files import write_json
from mlproj.data.simulator import World
from mlproj.lifecycle.latency import time_models


@dataclass(frozen=True)
class Scale:
    "The sizes of the tables and the numbers of runs."
    world: World = World()
    repeats: int = 3 # runs of the contenders that take seconds
    maps: int = 10 # of the wide world, side by side
    skewed_rows: int = 2_000_000
    inspected: tuple[tuple[int, int], ...] = ((50, 20_000), (200, 20_000), (434, 300_000)) # columns, rows
    files: tuple[int, ...] = (1, 10, 60)
    training_rows: int = 20_000_000
    trees: int = 20
    served_days: int = 37 # 30 days of the longest window and 7 days of lag
    stored_days: int = 10
    stored_events: int = 5_000


def run(scale: Scale, scratch: Path) -> dict: # what goes into results.json
    "Measure everything. `scratch` is an empty folder for temporary files."
    os.environ |= {
        "MLPROJ_PATHS_SPILL": str(scratch / "spill"),
        "MLPROJ_ENGINE_MEMORY_LIMIT": "4GB",
        "MLPROJ_ENGINE_BACKEND": "duckdb",
    }
    say("Simulating the world")
    table = scratch / "table.parquet"
    n_rows = measure("benchmarks.tables:write_world", asdict(scale.world), str(table))["result"]
    return rounded({
        "machine": describe_machine(),
        "rows": n_rows,
        "features": compare_features(scale, table, scratch),
        "online": serve_online(scale, table, scratch),
        "skew": skew_terminals(scale, scratch),
        "growth": grow_table(scale, table, scratch),
        "wide": inspect_wide(scale, scratch),
        "folders": read_folders(scale, scratch),
        "training": train_xgboost(scale, scratch),
    })


def compare_features(scale: Scale, table: Path, scratch: Path) -> dict:
    say("Features of the whole table, by five contenders")
    return features.compare(table, scratch, scale.repeats)


def serve_online(scale: Scale, table: Path, scratch: Path) -> dict:
    say("Online: events a second, in memory and with the store on disk")
    results = {}
    for name, days in (("memory", scale.served_days), ("store", scale.stored_days)):
        measure("benchmarks.online:split", str(table), days, str(scratch))
        measured = measure(
            "benchmarks.online:serve",
            str(scratch),
            str(scratch / "events.sqlite") if name == "store" else None,
        )
        results[name] = measured["result"] | {"days": days, "peak_mb": measured["peak_mb"]}
    results["stores"] = measure("benchmarks.online:stores", str(scratch), scale.stored_events)["result"]
    return results


def skew_terminals(scale: Scale, scratch: Path) -> dict:
    say(f"Two tables of {scale.skewed_rows:,} rows: one even, one with a giant")
    even, skewed = scratch / "even.parquet", scratch / "skewed.parquet"
    for path, giant in ((even, False), (skewed, True)):
        measure("benchmarks.tables:write_skewed", scale.skewed_rows, giant, str(path))
    return {"rows": scale.skewed_rows, **features.skew(even, skewed, scratch, min(3, scale.repeats))}


def grow_table(scale: Scale, table: Path, scratch: Path) -> list[dict]:
    say(f"A world of {scale.maps} maps: simulating it, and its features")
    wide = scratch / "wide.parquet"
    make_wide_world(scale.world, scale.maps, wide, scratch)
    results = [features.grown(table, scratch, min(3, scale.repeats)), features.grown(wide, scratch, 1)]
    wide.unlink()
    return results


def inspect_wide(scale: Scale, scratch: Path) -> dict:
    say("Proposals for tables of many columns")
    machine = describe_machine()
    tables = [inspected(n_columns, n_rows, scratch) for n_columns, n_rows in scale.inspected]
    return {"processor": machine["processor"], "cores": machine["cores"], "tables": tables}


def read_folders(scale: Scale, scratch: Path) -> list[dict]:
    say("Folders of many files")
    return [folder_read(n_files, scratch) for n_files in scale.files]


def train_xgboost(scale: Scale, scratch: Path) -> dict:
    say(f"XGBoost on {scale.training_rows:,} rows; this takes some minutes")
    return large(scale.training_rows, scale.trees, scratch)


def describe_machine() -> dict: # its kind; nothing that identifies it
    "Describe the processor, its cores and load, and the versions of the compared packages."
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    versions = {name: version(name) for name in ("duckdb", "ibis-framework", "pandas", "polars", "xgboost")}
    return {"processor": processor, "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0],
            "python": platform.python_version(), "versions": versions}


def rounded(value: object) -> object:
    "Round all figures to three digits; whole numbers stay as they are."
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return float(f"{value:.3g}") if isinstance(value, float) else value


def say(what: str) -> None:
    print(f"[{time.perf_counter() - STARTED:4.0f} s] {what} …", file=sys.stderr, flush=True)


STARTED = time.perf_counter()

if __name__ == "__main__":
    say("Scoring one transaction, and many, by each trained model")
    times = time_models(ROOT)
    write_json(ROOT / "records" / "latency.json", times)
    with tempfile.TemporaryDirectory(prefix="mlproj-bench-") as folder:
        results = run(Scale(), Path(folder))
    write_json(ROOT / "benchmarks" / "results.json", results)
    report.write(results, times, ROOT / "benchmarks")
    say("Written: benchmarks/README.md, results.json and two pictures; records/latency.json")
