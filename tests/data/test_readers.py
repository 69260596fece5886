"""Files as people have them are read value by value as they were written, or refused in one sentence."""

import csv
import datetime as clock
import gzip
import io
import json
import random
import re
import tempfile
import time
import zipfile
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlproj.core.checks import UserError
from mlproj.data.contract import read_transactions, split_rejected
from mlproj.data.file_places import choose_places
from mlproj.data.ingest import add_files
from mlproj.data.readers import KINDS, read_file, read_together, read_with_remarks
from mlproj.data.source import Source
from mlproj.data.text_files import Dialect
from mlproj.pipeline.proposal import survey_files
from support import engine

SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


def rows_of(table) -> list[dict]:
    rows = table.to_pyarrow().to_pylist()
    return [{name: None if value == "" else value for name, value in row.items()} for row in rows]


def read(content: bytes, name: str, **dialect) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(gzip.compress(content) if name.lower().endswith(".gz") else content)
        return rows_of(read_file(engine(), path, Dialect(**dialect)))


# CSV.

NAMES = st.lists(
    st.text("abcdefghXYZ _-1234567890äß", min_size=1, max_size=8).filter(str.strip),
    min_size=2,
    max_size=6,
    unique_by=str.lower,
).filter(lambda names: not all(re.fullmatch(r"[\d e-]*", name) for name in names)) # these are values
VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["", "007", "12,50", "1.234,5", "it's", 'so "said"', "a\nb", "a\r\nb", "a;b|c\td", " x ", "#7", "NULL"]
)


@st.composite
def messy_csv(draw: st.DrawFn) -> tuple[bytes, str, dict, list[dict]]: # content, name, dialect, rows
    names = draw(NAMES)
    rows = draw(st.lists(st.lists(VALUE, min_size=len(names), max_size=len(names)), min_size=1, max_size=6))
    truth = [dict(zip(names, [value or None for value in row], strict=True)) for row in rows]
    delimiter, dialect = draw(st.sampled_from(",;\t|")), {}
    if draw(st.booleans()): # an index without a name
        names, rows = ["", *names], [[str(n), *row] for n, row in enumerate(rows)]
    if draw(st.booleans()): # a delimiter too many at the end
        names, rows = [*names, ""], [[*row, ""] for row in rows]
    quote = draw(st.sampled_from("\"\"\"'%"))
    if quote != '"':
        dialect["quote"] = quote
    text = io.StringIO()
    signs = {"delimiter": delimiter, "quotechar": quote, "lineterminator": "\0"}
    csv.writer(text, quoting=csv.QUOTE_ALL, **signs).writerows([names, *rows])
    lines = text.getvalue().split("\0")[:-1]
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n"], ["\r", "\n"]]))
    body = "".join(line + ends[n % len(ends)] for n, line in enumerate(lines))
    before = draw(st.sampled_from(["", f"sep={delimiter}{ends[0]}", "made today\nby hand\n"]))
    if before.startswith("made"):
        dialect["skip"] = 2
    if draw(st.booleans()) and len(rows) > 1:
        body, dialect["footer"] = body + "total\nend of file\n", 2
    if draw(st.booleans()):
        dialect["delimiter"] = delimiter
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
    name = draw(st.sampled_from(["a.csv", "A.CSV", "a.csv.gz", "k=v [*].csv", "a.Csv.GZ"]))
    return (before + body).encode(encoding), name, dialect, truth


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(messy_csv())
def test_a_csv_file_is_read_as_it_was_written(case):
    content, name, dialect, truth = case
    assert read(content, name, **dialect) == truth


BYTES = st.binary(min_size=200, max_size=2_000).map(lambda content: b"\x93id,amount\n" + content)


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(BYTES.filter(lambda content: len({*content} & {*range(1, 9)}) > 4))
def test_bytes_that_are_no_text_are_no_table(content):
    with pytest.raises(UserError, match="^a.csv (is no text|is an? |cannot be read: it is no text)"):
        read(content, "a.csv")


@pytest.mark.parametrize(("field", "value"), [
    ("'''q'''", "'q'"), ("'it''s'", "it's"), ("'tis", "'tis"), ("'q'", "'q'"), ("''", "''"),
])
def test_one_field_in_single_quotes_tells_them_where_it_doubles_one(field, value):
    rows = read(f"id|shop\n1|a\n2|b\n3|c\n4|{field}\n5|d\n".encode(), "a.csv")
    assert rows[3]["shop"] == value


@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "shift_jis", "utf-16-le"])
def test_an_encoding_without_a_mark_is_asked_for(encoding):
    word = {"cp1252": "Käse", "cp1251": "сыр", "shift_jis": "チーズ", "utf-16-le": "Käse"}[encoding]
    content = f"id,shop\n1,{word}\n".encode(encoding)
    with pytest.raises(UserError, match="prepare.csv"):
        read(content, "a.csv")
    assert read(content, "a.csv", encoding=encoding) == [{"id": "1", "shop": word}]
    with pytest.raises(UserError, match="line 2 is not ascii, which prepare.csv.encoding|NUL"):
        read(content, "a.csv", encoding="ascii")


@pytest.mark.parametrize("name", ["a.jsonl", "a.log"])
def test_the_encoding_of_tables_is_not_that_of_json_and_logs_beside_them(name):
    line = '{"id": "1", "shop": "Käse"}\n' if name == "a.jsonl" else "id=1 shop=Käse\n"
    truth = [{"id": "1", "shop": "Käse"}]
    assert read(line.encode(), name, encoding="cp1252") == truth # as both are by their standard
    assert read(line.encode("cp1252"), name, encoding="cp1252") == truth
    with pytest.raises(UserError, match="line 1 is not UTF-8"):
        read(line.encode("cp1252"), name)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a,b\n1,2\n3\n", 3, "fewer fields than the 2 columns"),
        ("a,b\r\n1,2\n1,2,3\n", 3, "more fields than the 2 columns"),
        ('a,b\n"1\n\n",2\n3\n', 5, "fewer fields"),
        ("sep=;\na;b\n1;2\n1\n", 4, "fewer fields"),
        ("a,b,\n1,2,\n1,2\n", 3, "fewer fields"),
        ('a,b\n1,"x" y\n', 2, "text after a quote that ends"),
        ('a,b\n1,2\n1,"x\n', 3, "begins a quote that does not end"),
        ("a,b\n1,\0\n", 2, "has a NUL character"),
        ("a,b\n1," + "x" * 2**21, 2, "is longer than"),
    ],
)
def test_a_fault_of_a_csv_file_is_named_with_its_line(text, line, reason):
    with pytest.raises(UserError, match=f"^a.csv cannot be read: line {line} .*{reason}"):
        read(text.encode(), "a.csv")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.log", "a.parquet"])
def test_names_that_differ_in_case_alone_are_refused(name):
    sink = io.BytesIO()
    pq.write_table(pa.table({"Card": [1], "card": [2]}), sink)
    content = {
        "a.csv": b"Card,card\n1,2\n",
        "a.jsonl": b'{"Card": 1, "card": 2}\n',
        "a.log": b"Card=1 card=2\n",
        "a.parquet": sink.getvalue(),
    }[name]
    with pytest.raises(UserError, match="'Card' and 'card', which differ in case alone"):
        read(content, name)


def test_what_is_left_out_is_said(tmp_path):
    (tmp_path / "a.csv").write_text(",id;x,'shop',\n0,1,'a',\n1,2,'b',\n")
    found = read_with_remarks(engine(), tmp_path / "a.csv")
    assert found.table.columns == ("id;x", "shop")
    assert found.remarks == ["columns 1, 4 of a.csv have no name and are left out", "the quote in a.csv is '"]


FIRST_LINES = [
    ("0.0,-1.36,149.62,0\n", "0.0"),
    ("2024-01-31 10:00:00;12,50;7\n", "2024-01-31 10:00:00"),
    ("31/01/2024\t10:00\t5\t0\n", "31/01/2024"),
    ("17,5,5,\n", "17"),
]


@pytest.mark.parametrize(("line", "value"), FIRST_LINES)
def test_a_file_without_names_is_refused(line, value):
    with pytest.raises(UserError, match=f"first line names no columns, but holds values such as '{value}'"):
        read(line.encode() * 3, "a.csv")


@pytest.mark.parametrize("names", ["0,1,2", "1,2,3", ",0,1", "2019,2020,2021", "7,shop,12.5"])
def test_numbers_can_be_names(names):
    assert list(read(f"{names}\na,b,c\n".encode(), "a.csv")[0]) == [name for name in names.split(",") if name]


# JSON.

SCALAR = (
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
    | st.integers(-(10**30), 10**30)
    | st.booleans()
)
KEY = st.text("abcdefgh_é~/\"' $*", min_size=1, max_size=5)
OBJECT = st.recursive(
    SCALAR | st.none() | st.lists(st.integers(0, 9), max_size=2),
    lambda inner: st.dictionaries(KEY, inner, min_size=1, max_size=3),
    max_leaves=8,
)


def flat(value: dict, above: str = "") -> dict[str, object]:
    columns = {}
    for key, inner in value.items():
        columns |= flat(inner, f"{above}{key}.") if isinstance(inner, dict) else {above + key: inner}
    return columns


def as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return json.dumps(value, separators=(",", ":"))


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(st.lists(st.dictionaries(KEY, OBJECT, min_size=1, max_size=4), min_size=1, max_size=5), st.data())
def test_json_objects_are_read_by_their_exact_names(objects, data):
    "A name that is an object in one line and a plain value in another stays one text: not asked here."
    columns = {name for one in objects for name in flat(one)}
    parts = [name.split(".") for name in columns]
    inner = {".".join(names[:n]) for names in parts for n in range(1, len(names))}
    clear = len({name.lower() for name in columns}) == len(columns) and not inner & columns
    form = data.draw(st.sampled_from(["lines", "list", "marked", "wide"]))
    lines = [json.dumps(one, ensure_ascii=form == "wide") for one in objects]
    content = {
        "lines": "\n".join(lines).encode(),
        "list": ("[" + ",\n".join(lines) + "]").encode(),
        "marked": ("\ufeff" + "\r\n".join(lines)).encode(),
        "wide": "\n".join(lines).encode("utf-16"),
    }[form]
    try:
        rows = read(content, "a.json" if form == "list" else "a.jsonl")
    except UserError as error:
        assert "differ in case alone" in str(error) and not clear
        return
    if clear:
        truth = [{name: as_text(flat(one).get(name)) for name in columns} for one in objects]
        assert rows == truth


@st.composite
def large_numbers(draw: st.DrawFn) -> tuple[str, int]: # as a file writes it; exactly
    number = draw(st.integers(2**53 - 9, 2**53 + 9) | st.integers(2**53, 2**63 - 1))
    number *= draw(st.sampled_from([1, -1]))
    return draw(st.sampled_from(["{}", "{}.0", "{}e0", "{}.000"])).format(number), number


@settings(max_examples=15, deadline=None, suppress_health_check=SLOW)
@given(st.lists(large_numbers(), min_size=1, max_size=9), st.sampled_from(["integer", "text"]), st.data())
def test_no_two_large_ids_become_one(numbers, kind, data):
    "A float cannot tell whole numbers from 2**53 on: such an id is rejected, and never another one."
    name = data.draw(st.sampled_from(["a.jsonl", "a.json", "a.log", "a.xlsx"]))
    rows = [*numbers, ("1.5", 1.5)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        if name.endswith("xlsx"):
            cells = [[number, "2024-01-01", 1, 0] for _, number in rows]
            write_workbook(path, {"a": [["id", "t", "a", "f"], *cells]})
        else:
            lines = [f'{{"id": {text}, "t": "2024-01-01", "a": 1, "f": 0}}' for text, _ in rows]
            path.write_text("[" + ",".join(lines) + "]" if name == "a.json" else "\n".join(lines))
        columns = {"timestamp": "t", "amount": "a", "is_fraud": "f", "card": "id"}
        found = read_transactions(engine(), Path(folder), Source(columns, {"card": kind}), ["card"])
    made = found.slice(0, len(numbers)).to_pylist()
    for (text, number), row in zip(numbers, made, strict=True):
        exact = abs(number) < 2**53 or name == "a.log" or (text == str(number) and name != "a.xlsx")
        reason = None if exact else "card: too large for a float to hold exactly"
        assert row["unreadable"] == reason, (name, text)
        assert row["card"] in ((number, text, str(number), f"{number}.0") if exact else (None,)), (name, text)


def test_names_that_differ_in_case_lose_no_value():
    draw = random.Random(0)
    lines = [{"id": n, draw.choice(["category", "Category", "CATEGORY"]): f"k{n}"} for n in range(2_000)]
    rows = read("\n".join(map(json.dumps, lines)).encode(), "a.jsonl")
    name = next(key for key in rows[0] if key != "id")
    assert [row[name] for row in rows] == [f"k{n}" for n in range(2_000)]


def test_a_list_that_is_cut_is_refused():
    text = json.dumps([{"a": n} for n in range(20)])
    for end in range(1, len(text)):
        with pytest.raises(UserError, match="cannot be read"):
            read(text[:end].encode(), "a.json")


@pytest.mark.parametrize("place", range(0, 40, 13))
@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.jsonl"])
def test_a_name_that_stands_twice_in_an_object_is_named(name, place):
    objects = [json.dumps({"id": n, "card": {"no": n}}) for n in range(40)]
    objects[place] = '{"id": 7, "card": {"no": 1, "no": 2}}'
    text = "\n".join(objects) if name.endswith("l") else f"[{', '.join(objects)}]"
    with pytest.raises(UserError, match="names 'no' twice in one object"):
        read(text.encode(), name)


# Parquet.

MOMENT = clock.datetime(2024, 1, 1, 0, 11, 29, 123456)
COLUMNS = { # what a file holds → the type, and the values, that are read
    "decimal": (pa.array([2**100, 1], pa.decimal128(38, 0)), "decimal(38, 0)", None),
    "nanoseconds": (pa.array([MOMENT] * 2, pa.timestamp("ns")), "timestamp(6)", [MOMENT] * 2),
    "zoned": (
        pa.array([MOMENT, None], pa.timestamp("ns", "Europe/Paris")),
        "timestamp('UTC', 6)",
        [MOMENT.replace(tzinfo=clock.UTC), None],
    ),
    "milliseconds": (pa.array([MOMENT.replace(microsecond=0)] * 2, pa.timestamp("ms")), "timestamp(6)", None),
    "text": (pa.array(["Käse".encode(), None]), "string", ["Käse", None]),
    "large": (pa.array([b"a", b""], pa.large_binary()), "string", ["a", ""]),
    "fixed": (pa.array([b"ab", b"cd"], pa.binary(2)), "string", ["ab", "cd"]),
    "categories": (pa.array(["a", "b"]).dictionary_encode(), "string", ["a", "b"]),
    "nothing": (pa.nulls(2), "string", [None, None]),
    "list": (pa.array([[1, 2], None]), "string", ["[1, 2]", None]),
    "clock": (pa.array([clock.time(14, 32, 7)] * 2), "time", None),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_a_parquet_file(tmp_path, name):
    values, kind, expected = COLUMNS[name]
    nested = pa.StructArray.from_arrays([values], [name])
    pq.write_table(pa.table({name: values, "in": nested}), tmp_path / "a.parquet")
    table = read_file(engine(), tmp_path / "a.parquet")
    assert {str(table[column].type()) for column in (name, f"in.{name}")} == {kind}
    for column in (name, f"in.{name}"):
        assert table.to_pyarrow()[column].to_pylist() == (expected or values.to_pylist())


def test_binary_values_that_are_no_text_are_said_and_refused(tmp_path):
    cents = pa.array([5, 6])
    hashes = pa.array([b"\xff\xfe", b"a"])
    table = pa.table({"t": ["2024-01-01", "2024-01-02"], "c": cents, "f": [0, 1], "h": hashes})
    pq.write_table(table, tmp_path / "a.parquet")
    remarks = read_with_remarks(engine(), tmp_path / "a.parquet").remarks
    assert remarks == ["the column 'h' of a.parquet holds binary values, no text"]
    source = Source({"timestamp": "t", "amount": "c", "is_fraud": "f", "card": "h"})
    with pytest.raises(UserError, match="a.parquet: card holds binary values"):
        read_transactions(engine(), tmp_path, source, ["card"])


# Workbooks.

XML = "http://schemas.openxmlformats.org"
MAIN, LINKS = f"{XML}/spreadsheetml/2006/main", f"{XML}/officeDocument/2006/relationships"
FORMATS = '<cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="22"/><xf numFmtId="14"/></cellXfs>'


def cell(value: object) -> str:
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, clock.datetime):
        return f'<c s="1"><v>{(value - clock.datetime(1899, 12, 30)) / clock.timedelta(days=1)!r}</v></c>'
    if isinstance(value, clock.date):
        return f'<c s="2"><v>{(value - clock.date(1899, 12, 30)).days}</v></c>'
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'
    return "<c/>" if value is None else f"<c><v>{value!r}</v></c>"


def relations(kinds: dict[str, str]) -> str:
    links = [
        f'<Relationship Id="r{n}" Type="{LINKS}/{kind}" Target="{target}"/>'
        for n, (target, kind) in enumerate(kinds.items())
    ]
    return f'<Relationships xmlns="{XML}/package/2006/relationships">{"".join(links)}</Relationships>'


def write_workbook(path: Path, sheets: dict[str, list[list]], hidden: str = "") -> None:
    targets = {f"sheet{n}.xml": "worksheet" for n in range(len(sheets))} | {"styles.xml": "styles"}
    listed = []
    for n, name in enumerate(sheets):
        state = 'state="hidden"' if name == hidden else ""
        listed.append(f'<sheet name="{name}" sheetId="{n + 1}" r:id="r{n}" {state}/>')
    book = f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets>{"".join(listed)}</sheets></workbook>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{XML}/package/2006/content-types"/>',
        "_rels/.rels": relations({"xl/workbook.xml": "officeDocument"}),
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": relations(targets),
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}">{FORMATS}</styleSheet>',
    }
    for n, rows in enumerate(sheets.values()):
        body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
        parts[f"xl/sheet{n}.xml"] = f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


def test_a_workbook_is_read_as_its_cells_show_it(tmp_path):
    moments = [MOMENT.replace(microsecond=0) + clock.timedelta(seconds=977 * n) for n in range(500)]
    rows = [[f"00{n}", when, when.date(), n / 100, n % 2 == 0, n, "x"] for n, when in enumerate(moments)]
    names = ["id", "when", "day", "amount", "ok", "n", None]
    other = [["a"], [1]]
    sheets = {"empty": [], "note": [["about"]], "old": other, "payments": [[], names, *rows], "shops": other}
    write_workbook(tmp_path / "Book.XLSX", sheets, hidden="old")
    found = read_with_remarks(engine(), tmp_path / "Book.XLSX")
    assert found.remarks == [
        "of the 2 sheets of Book.XLSX, 'payments' is read alone",
        "columns without a name are left out of Book.XLSX: 7",
    ]
    for n, (row, moment) in enumerate(zip(rows_of(found.table), moments, strict=True)):
        amount = str(n // 100) if n % 100 == 0 else repr(n / 100)
        ok = "true" if n % 2 == 0 else "false"
        assert [*row.values()] == [f"00{n}", str(moment), str(moment.date()), amount, ok, str(n)]


# Logs.

PREFIXES = [
    "",
    "{time} INFO pay: ",
    "<14>1 {time} host pay 7 - ",
    "[{time}] ",
    "Jan  1 00:11:29 host pay[7]: ",
    "{time} stdout F ",
]
LOGS = ["a.log", "a.log.gz", "a.log.3.gz", "A.LOG-20240101", "a.log.2024-01-01"]
FIELD = st.sampled_from(["card", "amount", "shop.name", "@ok"])
WORD = st.text("abcXYZ0123456789.,:+/-_=", min_size=1, max_size=8)
PRINTED = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"])
TEXT = st.text(PRINTED, min_size=1, max_size=10)


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(
    st.lists(st.dictionaries(FIELD, WORD | TEXT, min_size=1), min_size=3, max_size=6),
    st.sampled_from(PREFIXES),
    st.sampled_from([" ", ", ", "; ", "  "]),
    st.data(),
)
def test_a_log_is_read_line_by_line(values, prefix, separator, data):
    lines, time = [], "2024-01-01T00:11:29.5+01:00"
    for one in values:
        if data.draw(st.booleans()):
            lines.append(prefix + json.dumps(one))
        else:
            pairs = []
            for name, value in one.items():
                plain = re.fullmatch(r"[\w.:+/=-]+", value) and value.isascii()
                quoted = value.replace("\\", "\\\\").replace('"', '\\"')
                pairs.append(f"{name}={value}" if plain else f'{name}="{quoted}"')
            lines.append(prefix + separator.join(pairs))
    at = data.draw(st.integers(0, len(lines)))
    lines.insert(at, "the server has started")
    content = "\n".join(lines).replace("{time}", time).encode()
    rows = read(content, data.draw(st.sampled_from(LOGS)))
    columns = dict.fromkeys(name for one in values for name in one)
    truth = [{name: one.get(name) for name in columns} for one in values]
    truth.insert(at, dict.fromkeys(columns))
    if "{time}" in prefix:
        assert [row.pop("log_time") for row in rows] == [time] * at + [None] + [time] * (len(values) - at)
    assert rows == truth


@pytest.mark.parametrize("line", ["the server has started", "id=1 id=2", '{"id": 1, "id": 2}', '{"id": '])
def test_a_line_of_a_log_that_cannot_be_read_is_said_to_be_empty(line, tmp_path):
    lines = [f"2024-01-01T00:11:29Z id=c{n} amount=5 fraud=0" for n in range(3)]
    (tmp_path / "a.log").write_text("\n".join([*lines, line]))
    source = Source({"timestamp": "log_time", "amount": "amount", "is_fraud": "fraud", "card": "id"})
    kept, rejected = split_rejected(read_transactions(engine(), tmp_path, source, ["card"]), ["card"])
    assert len(kept) == 3
    assert rejected["reason"].to_pylist() == ["the row holds no values"]


# Folders, and several files.

def test_the_names_of_folders_give_columns(tmp_path):
    place = tmp_path / "x=0/sales"
    for day, shop in (("2024-01-01", "a%2Fb"), ("2024-01-02", "__HIVE_DEFAULT_PARTITION__")):
        (place / f"dt={day}/shop={shop}").mkdir(parents=True)
        (place / f"dt={day}/shop={shop}/part-0.csv").write_text("t,c,f\n2024-01-01 10:00:00,5,0\n")
    (place / "_SUCCESS").touch()
    (place / "dt=2024-01-01/.part-0.csv.crc").touch()
    source = Source({"timestamp": "t", "amount": "c", "is_fraud": "f", "day": "dt", "shop": "shop"})
    rows = read_transactions(engine(), place, source, ["shop"])
    assert rows["day"].to_pylist() == ["2024-01-01", "2024-01-02"]
    assert rows["shop"].to_pylist() == ["a/b", None]


def test_files_are_put_together_by_the_names_of_their_columns(tmp_path):
    (tmp_path / "a.csv").write_text("id,shop\n007,x\n")
    (tmp_path / "b.jsonl").write_text('{"card": 1, "id": "8"}\n')
    pq.write_table(pa.table({"id": [9], "shop": pa.nulls(1)}), tmp_path / "c.parquet")
    found = read_together(engine(), {tmp_path / name: None for name in ("a.csv", "b.jsonl", "c.parquet")})
    assert rows_of(found.table) == [
        {"id": "007", "shop": "x", "card": None},
        {"id": "8", "shop": None, "card": "1"},
        {"id": "9", "shop": None, "card": None},
    ]
    assert found.remarks == [
        "a.csv lacks card, which other files have",
        "b.jsonl lacks shop, which other files have",
        "c.parquet lacks card, which other files have",
    ]
    (tmp_path / "d.csv").write_text("ID\n7\n")
    with pytest.raises(UserError, match="'id' and 'ID', which differ in case alone"):
        read_together(engine(), {tmp_path / "a.csv": None, tmp_path / "d.csv": None})


# Whatever a file holds.

GOOD = {
    ".csv": b'id,shop\n1,"Fish, fresh"\n2,\n',
    ".jsonl": b'{"id": 1, "card": {"nr": "007"}}\n{"id": 2}\n',
    ".json": b'[{"id": 1, "card": {"nr": "007"}}, {"id": 2}]',
    ".log": b'2024-01-01T00:11:29Z id=1 shop="Fish, fresh"\n{"id": 2}\n',
}
ENGINE = r"DuckDB|Error|strict|ignore_errors|auto_detect|sample_size|Try |[aA]rrow|calamine|panick|0x"


@cache
def good(kind: str) -> bytes:
    ending = kind.removesuffix(".gz").replace("ndjson", "jsonl")
    if ending in GOOD:
        return GOOD[ending]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{ending}"
        if ending == ".xlsx":
            write_workbook(path, {"a": [["id", "shop"], [1, "Fish"], [2, None]]})
        else:
            pq.write_table(pa.table({"id": [1, 2], "s": [b"a", b"\xff"], "in": [{"x": 1}, None]}), path)
        return path.read_bytes()


@st.composite
def damaged_files(draw: st.DrawFn) -> tuple[str, bytes]: # ending, content
    kind = draw(st.sampled_from(KINDS))
    content = bytearray(good(kind if draw(st.integers(0, 5)) else draw(st.sampled_from(KINDS))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        match draw(st.integers(0, 3)):
            case 0:
                del content[at:]
            case 1:
                signs = st.sampled_from([b'"', b"\r", b"{", b"\xef\xbb\xbf"])
                content[at:at] = draw(st.binary(min_size=1, max_size=12) | signs)
            case 2:
                del content[at : at + draw(st.integers(1, 40))]
            case 3 if content:
                content[at] ^= 1 << draw(st.integers(0, 7))
    content = draw(st.binary(max_size=200)) if draw(st.integers(0, 9)) == 0 else bytes(content)
    if kind.endswith(".gz") and draw(st.integers(0, 4)):
        content = gzip.compress(content)[: draw(st.sampled_from([None, None, None, -1, 9]))]
    return kind, content


def check_damaged(case: tuple[str, bytes]) -> None:
    kind, content = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{kind}"
        path.write_bytes(content)
        try:
            assert read_file(engine(), path).columns
        except UserError as error:
            assert str(error).startswith(f"a{kind} ") and not re.search(ENGINE, str(error)), str(error)
            assert folder not in str(error)
    assert engine().raw_sql("SELECT 1").fetchall() == [(1,)] # no fault ended the engine


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
@given(damaged_files())
def test_a_damaged_file_is_read_or_refused_in_one_sentence(case):
    check_damaged(case)


@pytest.mark.long
@settings(max_examples=10_000, deadline=None, suppress_health_check=SLOW)
@given(damaged_files())
def test_ten_thousand_damaged_files(case):
    check_damaged(case)


def test_wide_files_take_time_by_their_columns(tmp_path):
    "A reading that looked at each pair of columns would take 16 times as long for four times the columns."
    taken = {}
    for width in (200, 800):
        names = [f"c{n}" for n in range(width)]
        rows = [",".join(str(n) for n in range(width))] * 60
        (tmp_path / "a.csv").write_text("\n".join([",".join(names), *rows]))
        (tmp_path / "a.jsonl").write_text("\n".join([json.dumps(dict.fromkeys(names, 1.5))] * 60))
        (tmp_path / "a.log").write_text("\n".join([" ".join(f"{name}=1.5" for name in names)] * 60))
        before = time.process_time()
        for name in ("a.csv", "a.jsonl", "a.log"):
            assert len(read_file(engine(), tmp_path / name).columns) == width
        taken[width] = time.process_time() - before
    assert taken[800] < 10 * taken[200]


SIGNS = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"%PDF-1.7\n", b"GIF89a"]
SIGNS += [b"PK\3\4", b"SQLite format 3\0", b""]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "log", "csv.gz"])
@pytest.mark.parametrize("sign", SIGNS)
def test_bytes_that_are_no_text_are_refused_before_they_are_added(sign, ending, tmp_path):
    "The file holds a sign of some kind of files, and bytes by chance. Nothing is left behind."
    content, path = sign + random.Random(len(sign)).randbytes(3_000), tmp_path / f"sales.{ending}"
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    root = tmp_path / "project"
    root.mkdir()
    with pytest.raises(UserError) as refused:
        add_files(root, [path])
    assert re.search(r"is an? \w|no text", str(refused.value)) and not list(root.iterdir())
    with pytest.raises(UserError) as again:
        read_file(engine(), path)
    assert str(again.value) == str(refused.value)


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
ENCODINGS += ["cp1251", "cp932", "gb18030", "cp037"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_text_of_any_encoding_can_be_added(encoding, tmp_path):
    own = {"cp1251": "Счёт", "cp932": "カード", "gb18030": "银行卡", "cp037": "café"}
    words = own.get(encoding, "Счёт 银行卡")
    path = tmp_path / "sales.csv"
    path.write_bytes(f"time,amount,card\n2024-01-01,12.50,{words}\n".encode(encoding))
    assert list(choose_places([path]).values()) == [path]


def test_a_file_below_a_folder_of_a_value_has_its_column_as_the_folder_has(tmp_path):
    path = tmp_path / "sales" / "dt=2024-01-01" / "shop=7" / "x.csv"
    path.parent.mkdir(parents=True)
    path.write_text("amount\n5\n")
    for named in (path, path.parent, path.parent.parent, tmp_path / "sales"):
        assert survey_files([named]).survey.raw.columns == ("amount", "dt", "shop")
        (place,) = choose_places([named])
        assert place.endswith("dt=2024-01-01/shop=7/x.csv")


def test_a_column_of_many_folders_is_named_once(tmp_path):
    for day in range(1, 29):
        path = tmp_path / f"dt=2024-01-{day:02}" / "x.csv"
        path.parent.mkdir()
        path.write_text("amount\n5\n")
    assert survey_files([tmp_path]).remarks == ["the column dt comes from the names of folders"]


def test_an_empty_folder_is_answered_with_what_to_name(tmp_path):
    with pytest.raises(UserError, match="name a folder that holds files, or the files"):
        survey_files([tmp_path])
