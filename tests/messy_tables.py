"""Columns of transactions as people write them, each value with what the contract must hold of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
from hypothesis import strategies as st

RIGHT, BROKEN, OPEN = "right", "broken", "open" # must be kept as it is; must be rejected; one of the two
ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata")
FIRST, LAST = datetime(1980, 1, 1), datetime(2039, 12, 31)


class Cell(NamedTuple):
    "A value in a file."

    value: object # of the contract; None where it is missing
    texts: tuple[str, ...] # how the file writes it, one for each of the columns that hold it
    state: str = RIGHT


class Native(NamedTuple):
    "A type of Parquet files that can hold a column, and what it holds for a value."

    kind: pa.DataType | tuple[pa.DataType, ...] # several, of as many columns
    hold: Callable[[object], object]


@dataclass(frozen=True)
class Form:
    "How a column of the contract is written."

    name: str # in the contract
    headers: tuple[str, ...] # in the files
    cells: st.SearchStrategy # of Cell
    settings: dict[str, object] = field(default_factory=dict) # of prepare in params.yaml
    natives: tuple[Native, ...] = ()


def mostly(
    right: st.SearchStrategy, broken: st.SearchStrategy
) -> st.SearchStrategy: # a broken one in twelve
    return st.integers(0, 11).flatmap(lambda number: right if number else broken)


def same(value: object) -> object:
    return value


TEXT = (
    Native(pa.string(), str),
    Native(pa.large_string(), str),
    Native(pa.dictionary(pa.int32(), pa.string()), str),
)


NOTHING = ("null", "NULL", "None", "<NA>", "n/a", "\\N", "nan") # how files write that there is no value


def nothing(text: str) -> Cell:
    return Cell(None, (text,))


# Names of columns.

HEADERS = {
    "transaction_id": ("transaction_id", "Txn ID", "id", "#", "TRANSACTION ID (UUID)", "event.id"),
    "timestamp": ("timestamp", "Date/Time", "tx_datetime", "Zeit, lokal", "event.time", "when"),
    "customer_id": ("customer_id", "card;number", 'Kunde "Nr."', "card.token", "cc_num", "1"),
    "amount": ("amount", "Betrag, EUR", "Amount (USD)", "amt|net", "payload.amount.value", "select"),
    "label_time": ("label_time", "reported at", "payload.report.time"),
    "is_fraud": ("is_fraud", "Is Fraud?", "label", "Class", "payload.fraud", "betrügerisch"),
    "place": ("place", "Ort", "merchant name", "it's", "payload.merchant.name", "größe"),
    "points": ("points", "Points", "n", "score 1", "payload.points", "x'y"),
}


def header(draw: st.DrawFn, name: str) -> str:
    return draw(st.sampled_from(HEADERS[name]))


# Times.

ISO = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)
FORMATS = (
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y %I:%M %p",
    "%d/%m/%Y %H:%M",
    "%Y%m%d%H%M%S",
    "%d-%b-%y %H:%M",
    "%Y/%m/%d %H:%M",
    "%d %B %Y %H:%M:%S",
)
PARTS = (
    ("%Y-%m-%d", "%H:%M:%S", None),
    ("%d.%m.%Y", "%H:%M", "%d.%m.%Y %H:%M"),
    ("%Y%m%d", "%H%M%S", "%Y%m%d %H%M%S"),
)
NO_TIMES = (
    "yesterday",
    "2024-13-01 10:00:00",
    "2023-02-29",
    "24:61",
    "0000-00-00 00:00:00",
    "31.02.2024 10:00:00",
    "n/a",
)
UNITS = {
    "days": 86_400_000_000,
    "hours": 3_600_000_000,
    "minutes": 60_000_000,
    "seconds": 1_000_000,
    "milliseconds": 1_000,
    "microseconds": 1,
}


def micros(moment: datetime) -> int: # of a time with a zone
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def located(local: datetime, zone: str) -> tuple[int | None, str]: # microseconds in UTC; its state
    "Find the moment of a local time. An hour that the zone has twice, or skips, must be rejected."
    early, late = (local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    return (micros(early), RIGHT) if early == late else (None, BROKEN)


def local_time(value: int, zone: str) -> datetime:
    return (
        (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value))
        .astimezone(ZoneInfo(zone))
        .replace(tzinfo=None)
    )


def clipped(local: datetime, form: str) -> datetime: # what a text in this format still says
    return datetime.strptime(local.strftime(form), form)


@st.composite
def moments(draw: st.DrawFn) -> datetime: # local; every third near the hours that a zone skips or repeats
    if draw(st.integers(0, 2)):
        return draw(st.datetimes(FIRST, LAST))
    day = draw(st.sampled_from([(2024, 3, 31), (2024, 10, 27), (2024, 3, 10), (2024, 11, 3), (2023, 12, 31)]))
    return datetime(*day, draw(st.integers(0, 3)), draw(st.integers(0, 59)), draw(st.integers(0, 59)))


def broken_time(n_parts: int) -> st.SearchStrategy:
    return st.sampled_from((*NO_TIMES, "")).map(
        lambda text: Cell(None, (text, *[""] * (n_parts - 1)), BROKEN)
    )


def local_times(form: str, zone: str) -> st.SearchStrategy:
    def cell(local: datetime) -> Cell:
        local = clipped(local, form)
        return Cell(*_value_first(located(local, zone), (local.strftime(form),)))

    return moments().map(cell)


def _value_first(found: tuple[int, str], texts: tuple[str, ...]) -> tuple[int, tuple[str, ...], str]:
    return found[0], texts, found[1]


def zoned_times(
    form: str, offset: int, sign: str
) -> st.SearchStrategy: # minutes from UTC; how the offset is written
    def cell(local: datetime) -> Cell:
        local = clipped(local, form)
        moment = local.replace(tzinfo=timezone(timedelta(minutes=offset)))
        return Cell(micros(moment), (local.strftime(form) + sign,))

    return moments().map(cell)


def part_times(
    parts: tuple[str, str, str | None], zone: str, bare: bool
) -> st.SearchStrategy: # bare: clocks as numbers
    def cell(local: datetime) -> Cell:
        local = clipped(local, f"{parts[0]} {parts[1]}")
        value, state = located(local, zone)
        clock = local.strftime(parts[1])
        if bare and clock.startswith("0"):
            clock, state = str(int(clock)), BROKEN if state == BROKEN else OPEN # read, or rejected
        return Cell(value, (local.strftime(parts[0]), clock), state)

    return moments().map(cell)


def counted_times(unit: str, start: datetime) -> st.SearchStrategy:
    def cell(drawn: tuple[datetime, str]) -> Cell:
        number = (drawn[0] - start) // timedelta(microseconds=UNITS[unit])
        return Cell(micros(start.replace(tzinfo=UTC)) + number * UNITS[unit], (str(number) + drawn[1],))

    return st.tuples(st.datetimes(FIRST, LAST), st.sampled_from(["", "", ".0"])).map(cell)


@st.composite
def time_forms(draw: st.DrawFn, zone: str) -> Form:
    kind = draw(st.sampled_from(["iso", "iso", "zoned", "format", "parts", "count"]))
    name, headers, types = "timestamp", (header(draw, "timestamp"),), {}
    natives = TEXT
    if kind == "iso":
        cells, natives = local_times(draw(st.sampled_from(ISO)), zone), (*TEXT, *_moments_natively(zone))
    elif kind == "zoned":
        offset, sign = draw(
            st.sampled_from([(0, "Z"), (0, "+00:00"), (120, "+02:00"), (-330, "-05:30"), (0, " UTC")])
        )
        cells = zoned_times(draw(st.sampled_from(ISO[:4])), offset, sign)
    elif kind == "format":
        form = draw(st.sampled_from(FORMATS))
        cells, types = local_times(form, zone), {name: form}
    elif kind == "parts":
        parts = draw(st.sampled_from(PARTS))
        bare = parts[1] == "%H%M%S" and draw(st.booleans())
        cells, headers = part_times(parts, zone, bare), (*headers, "clock")
        types, natives = {name: parts[2]} if parts[2] else {}, () if parts[2] else _parts_natively(zone)
    else:
        unit, start = draw(st.sampled_from([*UNITS])), draw(st.sampled_from(["1970-01-01", "2013-09-01"]))
        cells = counted_times(unit, datetime.fromisoformat(start))
        origin = micros(datetime.fromisoformat(start).replace(tzinfo=UTC))

        def count(value: int) -> int:
            return (value - origin) // UNITS[unit]

        natives = (
            Native(pa.int64(), count),
            Native(pa.float64(), lambda value: float(count(value))),
            *TEXT[:1],
        )
        return Form(
            name, headers, mostly(cells, broken_time(1)), {"types": {name: unit}, "start": start}, natives
        )
    columns = {name: list(headers) if len(headers) > 1 else headers[0]}
    return Form(
        name, headers, mostly(cells, broken_time(len(headers))), {"types": types, "columns": columns}, natives
    )


def _moments_natively(zone: str) -> tuple[Native, ...]:
    "Times of Parquet files: with any zone, or without one, where the zone of the settings counts."
    steps = {"s": Decimal(1_000_000), "ms": Decimal(1_000), "us": Decimal(1), "ns": Decimal("0.001")}
    with_zone = [
        Native(pa.timestamp(unit, named), lambda value, step=step: _whole(value / step))
        for unit, step in steps.items()
        for named in ("UTC", "Europe/Paris")
    ]
    without = [
        Native(
            pa.timestamp(unit),
            lambda value, step=step: _whole(micros(local_time(value, zone).replace(tzinfo=UTC)) / step),
        )
        for unit, step in steps.items()
    ]
    return (*with_zone, *without)


def _parts_natively(zone: str) -> tuple[Native, ...]: # a date and a clock
    return tuple(
        Native(
            (pa.date32(), clock),
            lambda value: (local_time(value, zone).date(), local_time(value, zone).time()),
        )
        for clock in (pa.time32("s"), pa.time64("us"), pa.time64("ns"))
    )


def _whole(number: Decimal) -> int:
    if number != int(number):
        raise ValueError("a part of a step")
    return int(number)


DAYS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%y")


@st.composite
def label_time_forms(draw: st.DrawFn, zone: str) -> Form:
    "Draw how the times of labels are written. A date without a clock is the end of that day."
    form = draw(st.sampled_from([*ISO[:2], *DAYS]))

    def cell(local: datetime) -> Cell:
        local = clipped(local, form)
        end = local + timedelta(days=1) - timedelta(microseconds=1) if form in DAYS else local
        return Cell(*_value_first(located(end, zone), (local.strftime(form),)))

    cells = mostly(st.datetimes(datetime(2040, 1, 1), datetime(2060, 1, 1)), moments()).map(cell)
    natives = (
        (*TEXT, Native(pa.date32(), lambda value: local_time(value, zone).date()))
        if form in DAYS[:1]
        else TEXT
    )
    types = {} if form in (*ISO, *DAYS[:1]) else {"label_time": form}
    absent = st.just(Cell(None, ("",)))
    return Form("label_time", (header(draw, "label_time"),), mostly(cells, absent), {"types": types}, natives)


# Amounts.

MARKS = ((".", ""), (".", ","), (",", ""), (",", "."), (",", " "), (".", "'"), (".", " "))
SIGNS = ( # before and behind an amount, of one currency
    (("", ""),),
    (("", ""), ("$", ""), ("USD ", "")),
    (("", ""), ("€ ", ""), ("", " €")),
    (("", " zł"),),
    (("£", ""),),
)
NO_NUMBERS = (
    "abc",
    "--5",
    "",
    "NaN",
    "1e400",
    "∞",
    "12.3.4",
    "1,2,3",
    "12..5",
    "(5",
    "5)",
    "1 23",
    "$",
    "0x10",
)


def written(
    amount: int, digits: int, marks: tuple[str, str], grouped: bool
) -> str: # of an amount that is not negative
    whole, fraction = divmod(amount, 10**digits)
    text = f"{whole:,}".replace(",", marks[1]) if grouped else str(whole)
    return text + (f"{marks[0]}{fraction:0{digits}d}" if digits else "")


@st.composite
def amounts(
    draw: st.DrawFn, digits: int, marks: tuple[str, str], refunds: str, signs: tuple[tuple[str, str], ...]
) -> Cell:
    amount = draw(
        st.integers(-1_000, 10_000)
        | st.integers(0, 10**7)
        | st.sampled_from([0, 1, 99, 100, 123_456, 10**12])
    )
    before, after = draw(st.sampled_from(signs))
    text = before + written(abs(amount), digits, marks, draw(st.booleans())) + after
    if amount < 0:
        text = draw(st.sampled_from([f"-{text}", f"({text})"]))
    return Cell(amount, (text,), BROKEN if amount < 0 and refunds == "set_aside" else RIGHT)


def broken_amounts(digits: int, marks: tuple[str, str]) -> st.SearchStrategy:
    wrong = [*NO_NUMBERS, f"5{marks[0]}{'1' * (digits + 1)}"]
    if marks[1]:
        wrong += [f"12{marks[1]}34", f"1{marks[1]}2345", f"{marks[1]}123", f"1{marks[1]}{marks[1]}234"]
    other = "," if marks[0] == "." else "."
    wrong += [f"1{other}5"] if marks[1] != other else []
    return st.sampled_from(wrong).map(lambda text: Cell(None, (text,), BROKEN))


@st.composite
def amount_forms(draw: st.DrawFn) -> Form:
    digits, marks = draw(st.sampled_from([0, 2, 2, 3])), draw(st.sampled_from(MARKS))
    refunds = draw(st.sampled_from(["set_aside", "column"]))
    settings = {
        "decimals": {"amount": digits},
        "decimal_mark": marks[0],
        "thousands_mark": marks[1],
        "negative_amounts": refunds,
    }
    natives = [Native(pa.decimal128(24, digits), lambda value: Decimal(value).scaleb(-digits))]
    if digits == 0:
        natives += [Native(pa.int64(), same), Native(pa.int32(), same)]
    natives += [Native(pa.float64(), lambda value: value / 10**digits)]
    signs = draw(st.sampled_from(SIGNS))
    cells = mostly(amounts(digits, marks, refunds, signs), broken_amounts(digits, marks))
    return Form("amount", (header(draw, "amount"),), cells, settings, tuple(natives))


# Ids.

WHOLE = st.integers(0, 10**6) | st.sampled_from([0, 7, 2**31, 2**53 + 1, 2**63 - 1])
CODES = st.sampled_from(
    [
        "0007",
        "7",
        "TX-1",
        "ä-1",
        "9" * 40,
        "1e5",
        "12.0",
        "C 1",
        "a,b",
        "x;y",
        "'q'",
        "0x1F",
        "TRUE",
        "1.10",
        "007 ",
        " 007",
    ]
)


@st.composite
def whole_ids(draw: st.DrawFn, point: bool) -> Cell: # point: whether numbers in text have a decimal point
    value = draw(WHOLE)
    forms = ["{}", "{}", " {}", "{} ", *["{}.0"] * point]
    return Cell(value, (draw(st.sampled_from(forms)).format(value),))


def _exact_float(number: int) -> float:
    if int(float(number)) != number:
        raise ValueError("more digits than a float holds")
    return float(number)


def broken_ids() -> st.SearchStrategy:
    broken = st.sampled_from(["", "x7", "7.5", "9" * 20, "  ", *NOTHING])
    return broken.map(lambda text: Cell(None, (text,), BROKEN))


@st.composite
def id_forms(draw: st.DrawFn, name: str, point: bool) -> Form:
    headers = (header(draw, name),)
    if draw(st.booleans()):
        natives = (
            Native(pa.int64(), same),
            Native(pa.decimal128(38, 0), Decimal),
            Native(pa.uint64(), same),
            Native(pa.float64(), _exact_float),
            *TEXT[:1],
        )
        cells = mostly(whole_ids(point), broken_ids())
        return Form(name, headers, cells, {"types": {name: "integer"}}, natives)
    blank = st.sampled_from(["", " ", *NOTHING]).map(lambda text: Cell(None, (text,), BROKEN))
    cells = mostly(CODES.map(lambda text: Cell(text.strip(), (text,))), blank)
    return Form(name, headers, cells, {"types": {name: "text"}}, (*TEXT, Native(pa.binary(), str.encode)))


# Labels and further columns.

WORDS = (
    {"0": 0, "1": 1},
    {"false": 0, "true": 1},
    {"False": 0, "True": 1},
    {"N": 0, "Y": 1},
    {"legit": 0, "fraud": 1},
    {"Non-Fraud": 0, "Fraud": 1},
    {"normal": 0, "suspected": 1, "open": None},
    {"0.0": 0, "1.0": 1},
    {"2": 0, "-1": 1},
)
PLACES = st.sampled_from(
    [
        "Lisbon",
        "São Paulo",
        "Łódź",
        "a, b",
        "x;y",
        "p|q",
        "t\tt",
        'say "so"',
        "it's",
        "#1",
        "=1+1",
        "two\nlines",
        "NA",
        *NOTHING,
        "007",
        "1e5",
        "True",
        "",
    ]
)


@st.composite
def label_forms(draw: st.DrawFn) -> Form:
    words = draw(st.sampled_from(WORDS))
    told = set(words) <= {"0", "1", "false", "true", "False", "True", "0.0", "1.0"}
    right = st.sampled_from(sorted(words)).map(lambda word: Cell(words[word], (word,)))
    cells = mostly(mostly(right, st.just(Cell(None, ("",)))), st.just(Cell(None, ("maybe",), BROKEN)))
    natives = (
        (Native(pa.int8(), same), Native(pa.bool_(), bool), Native(pa.float64(), float), *TEXT[:1])
        if told
        else TEXT
    )
    settings = {} if told and draw(st.booleans()) else {"labels": words}
    if "labels" in settings and told:
        natives = TEXT[:1] # with words, a type of numbers may write a label in another way
    return Form("is_fraud", (header(draw, "is_fraud"),), cells, settings, natives)


@st.composite
def further_forms(draw: st.DrawFn) -> list[Form]:
    place = PLACES.map(lambda text: Cell(None if text in ("", *NOTHING) else text, (text,)))
    points = st.integers(-9, 10**6).map(lambda number: Cell(number, (str(number),)))
    unclear = st.sampled_from(["NA", "1.5", "many"]).map(lambda text: Cell(None, (text,), BROKEN))
    points = mostly(mostly(points, st.sampled_from(["", *NOTHING]).map(nothing)), unclear)
    forms = [
        Form(
            "place",
            (header(draw, "place"),),
            place,
            {"types": {"place": "text"}},
            (*TEXT, Native(pa.binary(), str.encode)),
        ),
        Form(
            "points",
            (header(draw, "points"),),
            points,
            {"types": {"points": "integer"}},
            (Native(pa.int64(), same), Native(pa.float64(), float)),
        ),
    ]
    return draw(st.lists(st.sampled_from(forms), max_size=2, unique_by=lambda form: form.name))


# Whole tables.


@st.composite
def table_forms(
    draw: st.DrawFn,
) -> tuple[list[Form], dict[str, object]]: # in the order of the files; the settings
    zone = draw(st.sampled_from(ZONES))
    amount = draw(amount_forms())
    point = amount.settings["decimal_mark"] == "."
    forms = [draw(time_forms(zone)), draw(id_forms("customer_id", point)), amount, draw(label_forms())]
    forms += [draw(id_forms("transaction_id", point))] if draw(st.booleans()) else []
    forms += [draw(label_time_forms(zone))] if draw(st.integers(0, 3)) == 0 else []
    forms += draw(further_forms())
    settings = {"columns": {}, "types": {}, "decimals": {}, "timezone": zone}
    for form in forms:
        settings["columns"][form.name] = form.headers[0]
        for key, value in form.settings.items():
            settings[key] = {**settings[key], **value} if key in ("columns", "types", "decimals") else value
    return draw(st.permutations(forms)), settings


@st.composite
def table_rows(draw: st.DrawFn, forms: list[Form], seen: set[str]) -> list[dict[str, Cell]]:
    """Draw rows of cells by contract names.

    An id that was seen before must be rejected, and a label that was known before its transaction; without
    a label, its time means nothing.
    """
    rows = [{form.name: draw(form.cells) for form in forms} for _ in range(draw(st.integers(1, 5)))]
    for row in rows:
        cell = row.get("transaction_id")
        if cell and cell.state == RIGHT:
            row["transaction_id"] = cell._replace(state=BROKEN) if cell.value in seen else cell
            seen.add(cell.value)
        moment, known = row["timestamp"].value, row.get("label_time")
        given = known and None not in (moment, known.value, row["is_fraud"].value)
        if given and known.value < moment:
            row["label_time"] = known._replace(state=BROKEN)
    return rows
