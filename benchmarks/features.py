"""Features of a whole table: against peers, on ten times the rows, and with a giant terminal."""

from pathlib import Path
from statistics import median

import duckdb
import pyarrow.parquet as pq

from benchmarks.handbook import DAYS, LAG
from benchmarks.process import measure

QUICK = {"ours": "mlproj on DuckDB", "duckdb_sql": "DuckDB, SQL by hand", "polars_rolling": "Polars, rolling"}
SLOW = {"pandas_rolling": "pandas, rolling by group", "pandas_per_entity": "pandas, in the Handbook's manner"}
DAY = 86_400_000_000 # microseconds


def run_contender(name: str, prepared: Path, features: Path) -> dict: # seconds, cpu_seconds, peak_mb
    "Run one contender in a process of its own."
    measured = measure(f"benchmarks.contenders.{name}:run", str(prepared), str(features))
    return {key: measured[key] for key in ("seconds", "cpu_seconds", "peak_mb")}


def medians(runs: list[dict]) -> dict:
    "Take the median of each figure."
    return {key: median(run[key] for run in runs) for key in runs[0]} | {"runs": len(runs)}


def compare(prepared: Path, scratch: Path, repeats: int) -> dict[str, dict]: # contender → figures
    "Run all contenders in turns, and compare their features with ours."
    runs = {name: [] for name in QUICK | SLOW}
    for turn in range(repeats):
        for name in QUICK | (SLOW if turn == 0 else {}):
            runs[name].append(run_contender(name, prepared, scratch / f"{name}.parquet"))
    results = {}
    for name in QUICK | SLOW:
        results[name] = medians(runs[name]) | differences(
            prepared, scratch / "ours.parquet", scratch / f"{name}.parquet"
        )
    for name in QUICK | SLOW:
        (scratch / f"{name}.parquet").unlink()
    return results


def differences(prepared: Path, ours: Path, other: Path) -> dict: # different rows, tied rows
    """Compare two files of features: counts exactly, the rest to 1e-9.

    Raises `AssertionError` if they differ in a row whose windows begin and end at no tie.
    """
    database = duckdb.connect()
    names = [row[0] for row in database.execute(f"DESCRIBE FROM '{ours}'").fetchall()]
    differ = [
        f"a.{name} IS DISTINCT FROM b.{name}"
        if "_count_" in name
        else f"NOT coalesce(abs(a.{name} - b.{name}) <= 1e-9, false)"
        for name in names[1:]
    ]
    database.execute(f"""
        CREATE TABLE different AS SELECT transaction_id
        FROM '{ours}' a FULL JOIN '{other}' b USING (transaction_id)
        WHERE {" OR ".join(differ)}""")
    database.execute(f"CREATE TABLE tied AS {tied_rows(prepared)}")
    (unexplained,) = database.execute("SELECT count(*) FROM (FROM different EXCEPT FROM tied)").fetchone()
    assert not unexplained, f"{other.stem} differs from ours in {unexplained} rows that no tie touches"
    counts = {
        name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("different", "tied")
    }
    return {f"rows_{name}": count for name, count in counts.items()}


def tied_rows(prepared: Path) -> str: # SQL, for transaction_id
    """Find the rows with a window that begins or ends at a tie.

    A tie is an instant at which the row's customer or terminal has several transactions.
    """
    edges = {"customer_id": [0, *DAYS], "terminal_id": [0, LAG, *(days + LAG for days in DAYS)]}
    queries = []
    for entity, days in edges.items():
        queries.append(f"""
            SELECT r.transaction_id FROM '{prepared}' r, unnest({days}) AS edge(days), (
                SELECT {entity}, epoch_us(timestamp) AS t FROM '{prepared}' GROUP BY ALL HAVING count(*) > 1
            ) tie WHERE r.{entity} = tie.{entity} AND epoch_us(r.timestamp) - edge.days * {DAY} = tie.t""")
    return " UNION ".join(queries)


def grown(prepared: Path, scratch: Path, repeats: int) -> dict:
    "Measure our features of a table of another size, under the memory limit of settings.ini."
    runs = [run_contender("ours", prepared, scratch / "grown.parquet") for _ in range(repeats)]
    (scratch / "grown.parquet").unlink()
    return {"rows": pq.ParquetFile(prepared).metadata.num_rows, **medians(runs)}


def skew(even: Path, skewed: Path, scratch: Path, repeats: int) -> dict[str, dict]:
    "Measure our features of rows spread evenly over terminals, and with half of the rows at one terminal."
    runs = {"even": [], "skewed": []}
    for _ in range(repeats):
        for name, prepared in (("even", even), ("skewed", skewed)):
            runs[name].append(run_contender("ours", prepared, scratch / "skew.parquet"))
    (scratch / "skew.parquet").unlink()
    return {name: medians(measured) for name, measured in runs.items()}
