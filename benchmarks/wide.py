"""Tables of many columns, and how long it takes to propose settings for them."""

from pathlib import Path

from benchmarks.process import measure
from mlproj.core.engine import connect
from mlproj.pipeline.proposal import propose


def write_wide(n_columns: int, n_rows: int, path: str) -> None:
    "Write transactions with numbers, flags, categories and gaps, of which no column says anything."
    kinds = (
        "round(hash(i, {n}) % 1000000 / 1e6 - 0.5, 6)",
        "hash(i, {n}) % 2",
        "'k' || hash(i, {n}) % 7",
        "CASE WHEN hash(i, {n}) % 3 = 0 THEN hash(i, -{n}) % 40 END",
    )
    columns = [
        "i AS transaction_id",
        "TIMESTAMP '2024-01-01' + to_seconds(i * 30) AS time",
        f"hash(i, 'card') % {n_rows // 10} AS card",
        "(hash(i, 'amount') % 100000 + 1) / 100 AS amount",
        "CAST(hash(i, 'fraud') % 30 = 0 AS INTEGER) AS is_fraud",
    ]
    columns += [f"{kinds[n % 4].format(n=n)} AS v{n}" for n in range(1, n_columns - len(columns) + 1)]
    connect().raw_sql(f"COPY (SELECT {', '.join(columns)} FROM range({n_rows}) AS t(i)) TO '{path}' (HEADER)")


def inspect(path: str) -> int: # lines of the proposal
    "Propose settings for a file, as `mlproj data inspect` does."
    return len(propose([Path(path)]).splitlines())


def inspected(n_columns: int, n_rows: int, scratch: Path) -> dict:
    "Measure a proposal for a table of many columns."
    path = scratch / "wide.csv"
    measure("benchmarks.wide:write_wide", n_columns, n_rows, str(path))
    measured = measure("benchmarks.wide:inspect", str(path))
    path.unlink()
    return {"columns": n_columns, "rows": n_rows, **measured}
