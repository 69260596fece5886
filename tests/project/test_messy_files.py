"""Messy files whose truth is known: each row is read exactly or rejected with a reason, or a file is refused.

A case is a folder of one to three files that a generator wrote from rows that it knows, with the settings
that fit them. Nothing may be silently wrong: no value differs, no row is lost or read twice, no right row is
rejected, no broken row is kept, and the only exception is one sentence for the user.
"""

import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from messy_files import Folder, folders
from messy_tables import BROKEN, OPEN, RIGHT, Cell, table_forms, table_rows
from mlproj.core.checks import UserError
from mlproj.core.columns import TIMES
from mlproj.data.contract import read_transactions, split_rejected
from mlproj.data.source import Source
from support import engine, forget_tables

KINDS = ("csv", "csv", "csv", "json", "json", "parquet", "parquet", "log", "xlsx")


ENTITIES = ["customer_id"]
IDS = {"transaction_id", *ENTITIES}
WHOLE_ID = re.compile(r"([1-9]\d*|0)(\.0)?")
Row = dict[str, Cell]
Place = tuple[str, int] # file, row


class Case(NamedTuple):
    settings: dict[str, object] # of prepare in params.yaml
    folder: Folder


@st.composite
def cases(draw: st.DrawFn) -> Case:
    forms, settings = draw(table_forms())
    seen = set()
    tables = [draw(table_rows(forms, seen)) for _ in range(draw(st.sampled_from([1, 1, 2, 3])))]
    folder = draw(folders(forms, tables, KINDS))
    return Case(settings | {"csv": folder.csv}, folder)


def read(case: Case) -> tuple[pa.Table, pa.Table]: # kept and rejected
    with tempfile.TemporaryDirectory() as folder:
        for file in case.folder.files:
            (Path(folder) / file.name).write_bytes(file.content)
        try:
            rows = read_transactions(engine(), Path(folder), Source(**case.settings), ENTITIES)
            return split_rejected(rows, ENTITIES)
        finally:
            forget_tables()


def value_of(name: str, value: object) -> object: # as the truth has it
    if name in TIMES:
        return pa.scalar(value, pa.timestamp("us", "UTC")).value if value is not None else None
    return value or None if name == "place" else value


def differences(row: dict[str, object], truth: Row, refunds: str, pointless: set[str]) -> list[str]:
    found = []
    for name, cell in truth.items():
        expected = cell.value
        if name in pointless and row[name] == str(expected).removesuffix(".0"):
            continue
        if name == "amount" and expected is not None and expected < 0 and refunds == "column":
            expected = -expected
            if row.get("is_negative") != 1:
                found.append("is_negative is not 1")
        if value_of(name, row[name]) != expected:
            found.append(f"{name} is {row[name]!r} where the file says {cell.texts!r}, which is {expected!r}")
    return found


def without_points(truths: dict[Place, Row]) -> set[tuple[str, str]]: # file, column
    "Find where all ids of a file are whole numbers: a point says nothing there, and may be left out."
    texts = {}
    for (file, _), row in truths.items():
        for name in IDS & row.keys():
            texts.setdefault((file, name), []).append(row[name].value)
    return {
        column
        for column, values in texts.items()
        if all(WHOLE_ID.fullmatch(str(text)) for text in values if text is not None)
    }


def faults(case: Case, kept: pa.Table, rejected: pa.Table, counts: Counter) -> list[str]:
    "Say what is wrong of a case that was read."
    found, refunds = [], case.settings["negative_amounts"]
    truths = {
        (file.name, number): row
        for file, rows in zip(*case.folder[:2], strict=True)
        for number, row in enumerate(rows, 1)
    }
    pointless = without_points(truths)
    places = [
        (row["file"], row["row"])
        for table in (kept, rejected)
        for row in table.select(["file", "row"]).to_pylist()
    ]
    if sorted(places) != sorted(truths):
        return [f"the rows are {sorted(places)}, not {sorted(truths)}"]
    for row in kept.to_pylist():
        truth = truths[row["file"], row["row"]]
        names = {name for file, name in pointless if file == row["file"]}
        found += differences(row, truth, refunds, names)
        found += [f"kept {name} {cell.texts!r}" for name, cell in truth.items() if cell.state == BROKEN]
        counts["kept"] += 1
    for row in rejected.to_pylist():
        truth = truths[row["file"], row["row"]]
        if not row["reason"] or all(cell.state == RIGHT for cell in truth.values()):
            found.append(f"rejected: {row['reason']}: {[cell.texts for cell in truth.values()]}")
        counts["open" if any(cell.state == OPEN for cell in truth.values()) else "rejected"] += 1
    return found


def try_case(case: Case, counts: Counter) -> None:
    counts["files"] += len(case.folder.files)
    try:
        kept, rejected = read(case)
    except UserError as error:
        assert str(error) and str(error).isprintable() and len(str(error)) < 3_000
        counts["refused"] += 1
        return
    counts["read"] += 1
    assert not (found := faults(case, kept, rejected, counts)), "\n".join(found)


def try_cases(n_cases: int, part: int = 0) -> Counter:
    counts = Counter()

    @seed(part)
    @settings(
        max_examples=n_cases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(cases())
    def one(case: Case) -> None:
        try_case(case, counts)

    one()
    return counts


def test_some_messy_files():
    assert try_cases(12)["read"] > 0 # each takes about a second


@pytest.mark.long
@pytest.mark.parametrize("part", range(1, 9)) # side by side; together over 10,000 files
def test_ten_thousand_messy_files(part: int):
    counts = try_cases(860, part)
    print(dict(counts))
    assert counts["files"] > 1_250 and counts["refused"] < 0.1 * counts["read"]
    assert counts["kept"] > counts["rejected"] / 2
