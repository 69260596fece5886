"""Features event by event: how many events a second, and how long a transaction waits.

It also measures how long each store takes to acknowledge an event.
"""

import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.contenders.ours import run
from benchmarks.handbook import HANDBOOK
from mlproj.core.tables import write_parquet
from mlproj.features.definition import parse_definition
from mlproj.features.online import OnlineFeatures
from mlproj.features.warming import warm

DAY = 86_400_000_000 # microseconds
COLUMNS = ["transaction_id", "timestamp", "customer_id", "terminal_id", "amount", "is_fraud", "label_time"]


def split(prepared: str, days: int, folder: str) -> int: # rows after the cut
    """Cut a table some days before its end.

    The rows before the cut and their features fill the windows. The rows after the cut are served.
    """
    table = pq.read_table(prepared)
    cut = pc.subtract(pc.max(table["timestamp"]), pa.scalar(days * DAY, pa.duration("us")))
    before = pc.less(table["timestamp"], cut)
    write_parquet(table.filter(before), Path(folder) / "before.parquet", {})
    write_parquet(table.filter(pc.invert(before)), Path(folder) / "after.parquet", {})
    run(f"{folder}/before.parquet", f"{folder}/features.parquet")
    return table.num_rows - pc.sum(before).as_py()


def events(path: Path) -> list[tuple[int, dict]]: # 0: a transaction, 1: a label
    "List transactions and labels in the order in which they become known."
    table = pq.read_table(path, columns=COLUMNS)
    for name in ("timestamp", "label_time"):
        table = table.set_column(table.column_names.index(name), name, table[name].cast("int64"))
    rows = table.to_pylist()
    last = rows[-1]["timestamp"]
    timeline = [(row["timestamp"], 0, row) for row in rows] + [
        (row["label_time"], 1, row) for row in rows if row["label_time"] <= last
    ]
    return [(kind, row) for _, kind, row in sorted(timeline, key=lambda event: event[:2])]


def serve(folder: str, store: str | None) -> dict:
    "Fill the windows, send all events, and time each transaction."
    online = OnlineFeatures(parse_definition(**HANDBOOK), store=Path(store) if store else None)
    warm(online, Path(folder) / "before.parquet", Path(folder) / "features.parquet")
    waiting = events(Path(folder) / "after.parquet")
    nanoseconds, n_transactions, clock = np.zeros(len(waiting), dtype="int64"), 0, time.perf_counter_ns
    start = clock()
    for kind, row in waiting:
        begun = clock()
        if kind == 0:
            online.add(row)
            nanoseconds[n_transactions] = clock() - begun
            n_transactions += 1
        else:
            online.label(row["transaction_id"], row["is_fraud"], row["label_time"])
    seconds = (clock() - start) / 1e9
    online.close()
    p50, p99 = np.percentile(nanoseconds[:n_transactions] / 1000, [50, 99])
    return {
        "events": len(waiting),
        "transactions": n_transactions,
        "events_per_second": len(waiting) / seconds,
        "p50_us": p50,
        "p99_us": p99,
    }


def sqlite_store(path: Path, journal: str, synchronous: str) -> Iterator[Callable]:
    "Open a store like the project's, in a given mode."
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("locking_mode = EXCLUSIVE", f"journal_mode = {journal}", f"synchronous = {synchronous}"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE events (number INTEGER PRIMARY KEY, until INTEGER, event TEXT)")
    database.execute("CREATE INDEX by_until ON events (until)")
    yield lambda event: database.execute("INSERT INTO events (until, event) VALUES (?, ?)", event)
    database.close()


def duckdb_store(path: Path) -> Iterator[Callable]:
    "Open a store with the same columns in a DuckDB file."
    database = duckdb.connect(str(path))
    database.execute("CREATE TABLE events (until BIGINT, event VARCHAR)")
    yield lambda event: database.execute("INSERT INTO events VALUES (?, ?)", event)
    database.close()


STORES = { # name → function that opens the store
    "SQLite, write-ahead log, NORMAL": lambda path: sqlite_store(path, "WAL", "NORMAL"),
    "SQLite, write-ahead log, FULL": lambda path: sqlite_store(path, "WAL", "FULL"),
    "SQLite, rollback journal, FULL": lambda path: sqlite_store(path, "DELETE", "FULL"),
    "DuckDB": duckdb_store,
}


def stores(folder: str, n_events: int) -> dict[str, dict]: # store → p50_us, p99_us
    "Time single events, each committed before the next, in several stores."
    draw, results = random.Random(0), {}
    event = (
        0,
        json.dumps(
            ["transaction", 1_000_000, 0, 0, [12_345, 4_999, 9_999], [draw.random() for _ in range(15)]]
        ),
    )
    for number, (name, opened) in enumerate(STORES.items()):
        writing = opened(Path(folder) / f"store-{number}")
        append, nanoseconds = next(writing), []
        for _ in range(n_events):
            begun = time.perf_counter_ns()
            append(event)
            nanoseconds.append(time.perf_counter_ns() - begun)
        next(writing, None) # closes the store
        p50, p99 = np.percentile(np.array(nanoseconds) / 1000, [50, 99])
        results[name] = {"events": n_events, "p50_us": p50, "p99_us": p99}
    return results
