"""Folders of daily files, and how long it takes to read them."""

import shutil
from pathlib import Path

from benchmarks.process import measure
from mlproj.core.engine import connect
from mlproj.data.contract import read_transactions
from mlproj.data.source import Source

ROWS = 200 # of a file


def write_days(n_files: int, folder: str) -> None:
    "Write a CSV file of transactions for each day."
    Path(folder).mkdir()
    for day in range(n_files):
        numbers = range(day * ROWS, (day + 1) * ROWS)
        lines = [f"{n},2024-01-01 00:00:{n % 60:02},{n % 31},{n % 70}.{n % 90 + 10},0" for n in numbers]
        (Path(folder) / f"{day:04}.csv").write_text("\n".join(["id,time,card,paid,fraud", *lines]) + "\n")


def read(folder: str) -> int: # rows
    "Read a folder of transactions, as `prepare` does."
    columns = {"transaction_id": "id", "timestamp": "time", "amount": "paid", "is_fraud": "fraud"}
    source = Source(columns | {"card": "card"}, types={"card": "integer"}, decimals={"amount": 2})
    return len(read_transactions(connect(), Path(folder), source, ["card"]))


def folder_read(n_files: int, scratch: Path) -> dict:
    "Measure the reading of a folder of files."
    folder = scratch / "days"
    write_days(n_files, str(folder))
    measured = measure("benchmarks.folders:read", str(folder))
    shutil.rmtree(folder)
    assert measured["result"] == n_files * ROWS
    return {"files": n_files, **measured}
