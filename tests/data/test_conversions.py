"Values written in some dialect come back exactly, or their rows are rejected with a reason."

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlproj.core.checks import UserError
from mlproj.data.common_types import unite
from mlproj.data.contract import check_rejected, read_transactions, split_rejected
from mlproj.data.conversions import to_contract
from mlproj.data.source import Source
from support import engine, forget_tables

EFFORTS = [pytest.param(2, id="some"), pytest.param(50, id="many", marks=pytest.mark.long)]
tried = pytest.mark.parametrize("n_cases", EFFORTS)


def rarely(*values: object) -> list: # of a parameter: tried by the long tests alone
    together = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*value, marks=pytest.mark.long) for value in together]


def try_each(n_cases: int, value: st.SearchStrategy, check: Callable[[list], None], n_rows: int = 20) -> None:
    "Check tables of values that are drawn; a table has `n_rows` rows at least, for a reading costs most."
    tables = st.lists(value, min_size=n_rows, max_size=2 * n_rows)
    options = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    settings(max_examples=n_cases, **options)(given(tables)(check))()
    forget_tables()


def read(source: Source, **columns: object) -> pa.Table:
    table = engine().create_table(ibis.util.gen_name("file"), pa.table(columns), temp=True)
    return to_contract(table, source).to_pyarrow()


@dataclass
class Became:
    "What was read of a value."
    value: object
    reason: str | None # why its row is rejected


def became(rows: pa.Table, column: str) -> list[Became]:
    return [Became(row[column], row["unreadable"]) for row in rows.to_pylist()]


# Amounts.

MARKS = [(".", ","), (",", " "), *rarely((".", ""), (",", "."), (".", "'"), (",", ""))]


@dataclass
class Amount:
    text: str
    cents: int | None # None: more than two digits after the point


@st.composite
def amounts(draw: st.DrawFn, decimal: str, thousands: str) -> Amount:
    "Write an amount as people write it; the truth is Python's decimal."
    value = Decimal(draw(st.integers(-(10**12), 10**12))).scaleb(-draw(st.integers(0, 3)))
    form = f"{abs(value):{',' if thousands else ''}f}"
    text = form.replace(",", "T").replace(".", decimal).replace("T", thousands)
    money = draw(st.sampled_from(["", "$", "€ ", "EUR ", "US$"]))
    text = f"{money}{text}" if draw(st.booleans()) else f"{text} {money}".strip()
    if value < 0:
        text = draw(st.sampled_from(["-{}", "({})", "{}-", "−{}"])).format(text)
    cents = value * 100
    text = draw(st.sampled_from(["{}", " {}", "{}\u00a0"])).format(text)
    return Amount(text, int(cents) if cents == int(cents) else None)


@tried
@pytest.mark.parametrize(("decimal", "thousands"), MARKS)
def test_amounts_come_back_to_the_cent(decimal, thousands, n_cases):
    source = Source({"amount": "a"}, decimals={"amount": 2}, decimal_mark=decimal, thousands_mark=thousands)

    def check(written: list[Amount]) -> None:
        rows = read(source, a=[amount.text for amount in written])
        for amount, made in zip(written, became(rows, "amount"), strict=True):
            reason = None if amount.cents is not None else "amount: more than 2 digits after the point"
            assert made == Became(amount.cents, reason), amount

    try_each(n_cases, amounts(decimal, thousands), check)


@tried
def test_floats_lose_no_digit(n_cases):
    def check(values: list[float]) -> None:
        rows = read(Source({"amount": "a"}, decimals={"amount": 2}), a=values)
        for value, made in zip(values, became(rows, "amount"), strict=True):
            exact = Decimal(repr(value)) * 100 if abs(value) < 2**46 else None
            right = exact is not None and exact % 1 == 0
            assert made.value == (int(exact) if right else None), value
            assert (made.reason is None) == right, value

    try_each(n_cases, st.floats(allow_nan=False) | st.integers(-(2**56), 2**56).map(float), check)


@tried
@pytest.mark.parametrize(("kind", "bits"), [("float32", 24), ("float64", 53)])
@pytest.mark.parametrize("digits", [0, 2, *rarely(1, 3)])
def test_an_amount_in_floats_is_itself_or_rejected(kind, bits, digits, n_cases):
    "Near the size where the neighbours of a float are a step apart, from half of it to twice."
    edge = 10**digits * 2 ** (bits - (10**digits - 1).bit_length())

    def check(steps: list[int]) -> None:
        values = pa.array([step / 10**digits for step in steps]).cast(kind)
        rows = read(Source({"amount": "a"}, decimals={"amount": digits}), a=values)
        for step, made in zip(steps, became(rows, "amount"), strict=True):
            assert made.value == (step if step < edge else None), step
            assert (made.reason is None) == (step < edge), step

    try_each(n_cases, st.integers(edge // 2, edge * 2) | st.integers(edge - 99, edge + 99), check)


# Ids.

NOTHING = ["", "nan", "NaT", "NULL", "null", "None", "none", "<NA>", "n/a", "#N/A", "\\N"]
WORDS = ["7", " 7", "007", "7.0", *NOTHING, None, "9" * 25, "M7", "7 ", "-0", "1e3", "NA", "Nan", "N"]


def without_blanks(text: str | None) -> str | None: # as ids that are text are kept
    return None if text is None or text.strip() in NOTHING else text.strip()


@tried
def test_ids_that_are_text_keep_their_characters_in_any_number_of_files(n_cases, tmp_path):
    columns = {"timestamp": "t", "amount": "a", "is_fraud": "f", "card": "c"}
    source = Source(columns, types={"card": "text"})

    def check(files: list[list[str | None]]) -> None:
        for old in tmp_path.iterdir():
            old.unlink()
        for number, texts in enumerate(files):
            lines = [f"2024-01-01,1,0,{text or ''}" for text in texts]
            (tmp_path / f"{number}.csv").write_text("t,a,f,c\n" + "".join(f"{line}\n" for line in lines))
        rows = read_transactions(engine(), tmp_path, source, ["card"])
        assert rows["card"].to_pylist() == [without_blanks(text) for texts in files for text in texts]
        assert rows["unreadable"].null_count == len(rows)

    texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)
    try_each(n_cases, texts, check, n_rows=2)


def test_rows_of_many_files_keep_their_file_row_and_reason(tmp_path):
    "Files of two schemas take turns, so that files of one schema are read together but lie apart."
    columns = {"timestamp": "t", "amount": "a", "is_fraud": "f", "card": "c"}
    truth = []
    for file in range(9):
        numbers = list(range(file % 4))
        amounts = [f"{file}.{n}" if file % 2 else file for n in numbers]
        rows = pd.DataFrame({"t": "2024-01-01", "a": amounts, "f": "0", "c": [f"c{n}" for n in numbers]})
        rows.loc[rows.index == 1, "f"] = "perhaps"
        name = f"{file}.{'csv' if file % 2 else 'parquet'}"
        rows.to_csv(tmp_path / name, index=False) if file % 2 else rows.to_parquet(tmp_path / name)
        truth += [(name, n + 1, file * 100 + n * 10 * (file % 2), f"c{n}", n == 1) for n in numbers]
    source = Source(columns, types={"card": "text"}, decimals={"amount": 2})
    rows = read_transactions(engine(), tmp_path, source, ["card"]).to_pandas()
    told = rows.unreadable.fillna("").str.contains("is_fraud: neither 0 nor 1, but perhaps", regex=False)
    assert list(zip(rows.file, rows.row, rows.amount, rows.card, told, strict=True)) == truth


def test_rows_of_large_files_keep_their_order(tmp_path):
    "Large enough for several threads, each of which takes a part of the rows."
    n, step = 400_000, 1_000
    for file in range(2):
        numbers = np.arange(file * n, (file + 1) * n)
        rows = pd.DataFrame({"t": "2024-01-01", "a": numbers, "f": "0", "c": numbers.astype(str)})
        rows.loc[::step, "f"] = "perhaps"
        rows.to_parquet(tmp_path / f"{file}.parquet")
    columns = {"timestamp": "t", "amount": "a", "is_fraud": "f", "card": "c"}
    rows = read_transactions(engine(), tmp_path, Source(columns, types={"card": "text"}), ["card"])
    assert (rows["amount"].to_numpy() == np.arange(2 * n)).all()
    assert (rows["row"].to_numpy() == np.arange(2 * n) % n + 1).all()
    assert (rows["unreadable"].is_valid().to_numpy() == (np.arange(2 * n) % step == 0)).all()


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("word", NOTHING)
def test_rows_without_a_customer_are_not_those_of_one_customer(word, share, tmp_path):
    texts = [word if n < 20 * share else f"c{n % 3}" for n in range(20)]
    (tmp_path / "1.csv").write_text("t,a,f,c\n" + "".join(f"2024-01-01,1,0,{text}\n" for text in texts))
    source = Source({"timestamp": "t", "amount": "a", "is_fraud": "f", "card": "c"})
    kept, rejected = split_rejected(read_transactions(engine(), tmp_path, source, ["card"]), ["card"])
    assert set(kept["card"].to_pylist()) == {"c0", "c1", "c2"}
    assert rejected["reason"].to_pylist() == ["card: missing"] * int(20 * share)


COLUMNS = { # of one column in one file
    "none": pa.nulls(2, "string"),
    "whole": pa.array([7, 12]),
    "gaps": pa.array([7.0, None]),
    "halves": pa.array([7.5, 1.25]),
    "decimals": pa.array([Decimal("7.50"), Decimal("12.00")]),
    "large": pa.array([2**53 + 1, 2**62]),
    "beyond": pa.array([Decimal(2**70), Decimal(7)]),
    "digits": pa.array(["7", "12"]),
    "zeros": pa.array(["007", "12"]),
    "words": pa.array(["x", None]),
    "days": pa.array([date(2024, 1, 5), None]),
    "truth": pa.array([True, False]),
}


def number_of(value: object) -> Decimal | None: # that must come back; None of text and times
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return Decimal(str(value)) if is_number else None


@pytest.mark.parametrize("is_id", [False, True])
@pytest.mark.parametrize("first", ["words", "gaps", *rarely(*sorted(COLUMNS.keys() - {"words", "gaps"}))])
def test_no_file_wipes_anothers_values(first, is_id):
    source = Source({name: name for name in COLUMNS})
    before = pa.table({name: COLUMNS[first] for name in COLUMNS})
    tables = [before, pa.table(COLUMNS)]
    made = []
    for number, table in enumerate(tables):
        raw = engine().create_table(ibis.util.gen_name("file"), table, temp=True)
        made.append(to_contract(raw, source, file=ibis.literal(number, "int64")))
    rows = unite(made, ["1", "2"], list(COLUMNS) if is_id else []).to_pylist()
    for second, row in product(COLUMNS, range(4)):
        value = (COLUMNS[first] if row < 2 else COLUMNS[second])[row % 2].as_py()
        after, reasons = rows[row][second], (rows[row]["unreadable"] or "").split("; ")
        said = any(reason.startswith(f"{second}: ") for reason in reasons)
        assert (after is None) == (value is None or said), (second, row, value)
        if after is not None and number_of(value) is not None:
            assert Decimal(str(after)) == number_of(value), (second, row)
        elif isinstance(value, str) and isinstance(after, str):
            assert after == value, (second, row)
    forget_tables()


# Times.

ZONES = ["Australia/Lord_Howe", *rarely("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata")]


def moments(clock: datetime, zone: str) -> set[datetime]: # that show this clock time
    candidates = {clock.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)}
    return {m for m in candidates if m.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == clock}


def year_of_2024(minutes: int) -> datetime:
    return datetime(2024, 1, 1) + timedelta(minutes=minutes)


CLOCKS = st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1))
HOURS = [datetime(2024, 3, 1, 1, 20) + timedelta(hours=hour) for hour in range(24 * 255)]
CHANGES = [hour for hour in HOURS if hour.month in (3, 4, 10, 11) and hour.hour in (1, 2)] # of clocks, too


@tried
@pytest.mark.parametrize("zone", ZONES)
def test_a_clock_time_is_one_moment_or_rejected(zone, n_cases):
    expected = {0: "skips this hour", 1: "", 2: "shows this hour twice"}

    def check(drawn: list[datetime]) -> None:
        clocks = [*drawn, *CHANGES]
        rows = read(Source({"timestamp": "t"}, timezone=zone), t=[str(clock) for clock in clocks])
        for clock, made in zip(clocks, became(rows, "timestamp"), strict=True):
            truth = moments(clock, zone)
            assert made.value == (min(truth) if len(truth) == 1 else None), (clock, truth)
            assert (made.reason is None) == (len(truth) == 1), clock
            assert expected[len(truth)] in (made.reason or ""), clock

    try_each(n_cases, CLOCKS | st.integers(0, 60 * 24 * 366).map(year_of_2024), check)


RARE_FORMATS = ("%m/%d/%y %I:%M:%S %p", "%d %b %Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z")
FORMATS = ["%d.%m.%Y %H:%M:%S", "%Y%m%d %H%M%S", *rarely(*RARE_FORMATS)]


@tried
@pytest.mark.parametrize("form", FORMATS)
def test_formats_are_those_of_strptime(form, n_cases):
    def check(clocks: list[datetime]) -> None:
        clocks = [clock.replace(microsecond=0, tzinfo=UTC) for clock in clocks]
        source = Source({"timestamp": "t"}, types={"timestamp": form})
        rows = read(source, t=[clock.strftime(form) for clock in clocks])
        assert rows["timestamp"].to_pylist() == clocks

    try_each(n_cases, st.datetimes(datetime(1970, 1, 1), datetime(2068, 1, 1)), check)


@tried
@pytest.mark.parametrize("form", ["%Y%m%d %H%M%S", "%Y%m%d%H%M%S", "%Y%m%dT%H:%M", "%y%m%d"])
def test_a_date_that_is_cut_is_no_other_day(form, n_cases):
    "One digit of the date is lost, somewhere."
    source = Source({"timestamp": "t"}, types={"timestamp": form})
    n_digits = 6 if "%y" in form else 8

    def check(drawn: list[tuple[datetime, int]]) -> None:
        texts = [clock.strftime(form) for clock, _ in drawn]
        cut = [text[:at] + text[at + 1 :] for text, (_, at) in zip(texts, drawn, strict=True)]
        rows = read(source, t=cut)
        assert rows["timestamp"].null_count == len(cut)

    clocks = st.datetimes(datetime(1970, 1, 1), datetime(2068, 1, 1))
    try_each(n_cases, st.tuples(clocks, st.integers(0, n_digits - 1)), check)


UNITS = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
UNITS |= {"milliseconds": "1e-3", "nanoseconds": "1e-9"}
RARE_UNITS = ("days", "minutes", "seconds", "milliseconds")


@tried
@pytest.mark.parametrize("unit", ["hours", "nanoseconds", *rarely(*RARE_UNITS)])
def test_numbers_count_from_the_start(unit, n_cases):
    source = Source({"timestamp": "t"}, types={"timestamp": unit}, start="2020-01-01")
    start, microsecond = datetime(2020, 1, 1, tzinfo=UTC), timedelta(microseconds=1)

    def check(numbers: list[Decimal]) -> None:
        rows = read(source, t=[str(number) for number in numbers])
        for number, time in zip(numbers, rows["timestamp"].to_pylist(), strict=True):
            passed = number * Decimal(UNITS[unit]) * 10**6
            assert abs((time - start) // microsecond - passed) < 1, number

    try_each(n_cases, st.decimals(0, 40_000, places=6), check)


OF_COMPUTERS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


@tried
@pytest.mark.parametrize("unit", ["milliseconds", *rarely("seconds", "microseconds", "nanoseconds")])
def test_a_number_of_another_unit_is_no_other_time(unit, n_cases):
    source = Source({"timestamp": "t"}, types={"timestamp": unit})
    first = int(datetime(1990, 1, 1, tzinfo=UTC).timestamp())

    def check(drawn: list[tuple[int, str]]) -> None:
        rows = read(source, t=[str(second * OF_COMPUTERS[written]) for second, written in drawn])
        found = zip(drawn, became(rows, "timestamp"), strict=True)
        for (second, written), one in found:
            if written == unit:
                assert one == Became(datetime.fromtimestamp(second, UTC), None)
            else:
                assert one.value is None and f"it looks like {written} since 1970" in one.reason

    seconds = st.integers(first, first + 100 * 365 * 86_400)
    try_each(n_cases, st.tuples(seconds, st.sampled_from(list(OF_COMPUTERS))), check)


def test_an_abbreviation_counts_where_its_region_uses_it():
    texts = ["2024-04-21 00:19:25 BST", "2024-01-21 00:19:25 BST", "2024-01-21 00:19:25 GMT"]
    at_home = read(Source({"timestamp": "t"}, timezone="Europe/London"), t=texts)["timestamp"].to_pylist()
    assert [time and time.hour for time in at_home] == [23, None, 0]
    abroad = read(Source({"timestamp": "t"}), t=texts)["unreadable"].to_pylist()
    assert abroad == ["timestamp: the time zone BST is ambiguous"] * 2 + [None]


def test_a_report_is_known_at_the_end_of_its_day():
    columns = {name: name for name in ("timestamp", "amount", "is_fraud", "label_time")}
    rows = read(
        Source(columns),
        timestamp=["2024-04-21 10:00"] * 3,
        amount=[1, 2, -3],
        is_fraud=[1, 1, 0],
        label_time=["2024-04-21", "2024-04-20", None],
    )
    rows = rows.append_column("file", pa.array(["f"] * 3)).append_column("row", pa.array([1, 2, 3]))
    kept, rejected = split_rejected(rows, [])
    assert kept["label_time"].to_pylist() == [datetime(2024, 4, 21, 23, 59, 59, 999_999, tzinfo=UTC)]
    refund = "amount: negative, set aside as a refund"
    assert rejected["reason"].to_pylist() == ["label_time: before timestamp", refund]
    check_rejected(3, rejected, 0.34) # the refund does not count


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_amounts_of_another_currency_are_set_aside_with_their_reason(share, tmp_path):
    signs = {"EUR": ["{} €", "EUR {}", "€{}"], "USD": ["${}", "{} USD", "US$ {}"]}
    said = ["USD" if number < 100 * share else "EUR" for number in range(100)]
    texts = [signs[currency][n % 3].format(f"{n}.50") for n, currency in enumerate(said)]
    for name, part in {"1.csv": slice(0, 50), "2.csv": slice(50, 100)}.items():
        lines = [f"2024-01-01,{text},0\n" for text in texts[part]]
        (tmp_path / name).write_text("t,a,f\n" + "".join(lines))
    source = Source({"timestamp": "t", "amount": "a", "is_fraud": "f"}, decimals={"amount": 2})
    rows = read_transactions(engine(), tmp_path, source, [])
    reason = "amount: in USD, where most are in EUR"
    assert rows["unreadable"].to_pylist() == [reason if currency == "USD" else None for currency in said]
    with pytest.raises(UserError, match=reason):
        check_rejected(100, split_rejected(rows, [])[1], 0.05)
