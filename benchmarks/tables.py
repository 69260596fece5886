"""The tables that the benchmarks read: simulated worlds as `prepare` writes them."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.process import measure
from mlproj.core.engine import connect, query_batches
from mlproj.core.tables import write_parquet
from mlproj.data.simulator import World, simulate


def write_world(world: dict, path: str) -> int: # rows
    "Simulate a world, and write its transactions with the times of their labels."
    table = simulate(World(**world), progress=False)["transactions"].drop(columns="scenario")
    table["label_time"] = table.timestamp + pd.Timedelta(days=7)
    write_parquet(pa.Table.from_pandas(table, preserve_index=False), Path(path), {})
    return len(table)


def make_wide_world(world: World, n_maps: int, path: Path, scratch: Path) -> int: # rows
    """Simulate a world of `n_maps` maps side by side.

    A customer reaches as many terminals as in a world of one map. Each map has seeds and a process of its
    own, so memory holds a few maps at a time.
    """
    def make_map(number: int) -> None:
        seeds = {name: getattr(world, name) + 1_000_003 * number
                 for name in ("customer_seed", "terminal_seed", "transaction_seed", "scenario_seed")}
        measure(
            "benchmarks.tables:write_world",
            asdict(replace(world, **seeds)),
            str(scratch / f"map-{number:02}.parquet"),
        )

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(make_map, range(n_maps)))
    n_rows = measure("benchmarks.tables:join_maps", asdict(world), n_maps, str(path), str(scratch))["result"]
    for number in range(n_maps):
        (scratch / f"map-{number:02}.parquet").unlink()
    return n_rows


def join_maps(world: dict, n_maps: int, path: str, scratch: str) -> int: # rows
    "Join maps: each map gets ids of its own, and the transactions are in order of time."
    world, engine, tables = World(**world), connect(), []
    for number in range(n_maps):
        table = engine.read_parquet(f"{scratch}/map-{number:02}.parquet")
        tables.append(table.mutate(
            customer_id=table.customer_id + number * world.n_customers,
            terminal_id=table.terminal_id + number * world.n_terminals,
            transaction_id=table.transaction_id * n_maps + number, # unique; numbered again below
        ))
    rows = tables[0].union(*tables[1:]).order_by("timestamp", "transaction_id")
    reader, done = query_batches(engine, rows), 0

    def numbered():
        nonlocal done
        for batch in reader:
            yield batch.set_column(0, "transaction_id", pa.array(np.arange(done, done + len(batch))))
            done += len(batch)

    write_parquet(pa.RecordBatchReader.from_batches(reader.schema, numbered()), Path(path), {})
    return done


def write_skewed(n_rows: int, giant: bool, path: str) -> None:
    "Write random transactions of half a year. With `giant`, one terminal has half of the transactions."
    draw = np.random.default_rng(0)
    seconds = np.sort(draw.integers(0, 183 * 86_400, n_rows))
    terminal, half = draw.integers(0, 10_000, n_rows), draw.permutation(n_rows)[: n_rows // 2]
    if giant:
        terminal[half] = 0
    moments = pd.Timestamp("2018-04-01", tz="UTC").as_unit("us") + pd.to_timedelta(seconds, unit="s").astype(
        "timedelta64[us]"
    )
    table = pd.DataFrame({
        "transaction_id": np.arange(n_rows),
        "timestamp": moments,
        "customer_id": draw.integers(0, 5_000, n_rows),
        "terminal_id": terminal,
        "amount": draw.integers(0, 20_000, n_rows),
        "is_fraud": (draw.random(n_rows) < 0.01).astype("int8"),
        "label_time": moments + pd.Timedelta(days=7),
    })
    write_parquet(pa.Table.from_pandas(table, preserve_index=False), Path(path), {})
