"""Files that hold rows of `messy_tables`: CSV in any dialect, JSON lines, Parquet and workbooks."""

import csv
import gzip
import io
import json
import re
import zipfile
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from messy_tables import OPEN, RIGHT, Cell, Form, Native

Rows = list[dict[str, Cell]]


class File(NamedTuple):
    name: str
    content: bytes


def text_table(
    forms: list[Form], rows: Rows
) -> tuple[list[str], list[list[str]]]: # headers; the texts of each row
    headers = [header for form in forms for header in form.headers]
    return headers, [[text for form in forms for text in row[form.name].texts] for row in rows]


# CSV.

ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "cp1250", "cp1252", "latin-1", "utf-16", "gb18030", "cp437")


@st.composite
def dialects(draw: st.DrawFn) -> dict[str, object]: # of all CSV files of a folder: how they are written
    return {
        "delimiter": draw(st.sampled_from([",", ",", ";", "\t", "|"])),
        "quote": draw(st.sampled_from(['"', '"', '"', "'"])),
        "always": draw(st.booleans()), # quotes
        "comment": draw(st.sampled_from(["", "", "", "#", "//"])),
        "skip": draw(st.sampled_from([0, 0, 0, 1, 3])),
        "footer": draw(st.sampled_from([0, 0, 0, 1, 2])),
        "encoding": draw(st.sampled_from(ENCODINGS)),
        "told": draw(st.booleans()), # whether the settings say what a reader could find by itself
    }


def csv_settings(dialect: dict[str, object]) -> dict[str, object]: # prepare.csv in params.yaml
    must = {key: dialect[key] for key in ("comment", "skip", "footer") if dialect[key]}
    if not dialect["encoding"].startswith("utf-8"):
        must["encoding"] = dialect["encoding"]
    return must | ({key: dialect[key] for key in ("delimiter", "quote")} if dialect["told"] else {})


@st.composite
def csv_files(draw: st.DrawFn, forms: list[Form], rows: Rows, dialect: dict[str, object]) -> File:
    headers, table = text_table(forms, rows)
    if draw(st.integers(0, 4)) == 0: # an index without a name, or a last column without one
        at = draw(st.sampled_from([0, len(headers)]))
        for number, row in enumerate([headers, *table]):
            row.insert(at, str(number - 1) if number and at == 0 else "")
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    lines = [_csv_line(row, dialect) for row in [headers, *table]]
    if dialect["comment"]:
        lines.insert(draw(st.integers(0, len(lines))), f"{dialect['comment']} made, by; hand")
    lines = ["Report of 2024", "from; 1, to 9", ""][: dialect["skip"]] + lines
    if not dialect["skip"] and draw(st.integers(0, 5)) == 0:
        lines.insert(0, f"sep={dialect['delimiter']}")
    lines += ["Total 9", "(end)"][: dialect["footer"]]
    text = _joined(draw, lines, end)
    kind = draw(st.sampled_from([".csv", ".csv", ".CSV", ".csv.gz", ".Csv.GZ"]))
    content = text.encode(dialect["encoding"])
    return File("a" + kind, gzip.compress(content, mtime=0) if kind.lower().endswith(".gz") else content)


def _csv_line(row: list[str], dialect: dict[str, object]) -> str:
    buffer = io.StringIO(newline="")
    first = row[0].startswith(dialect["comment"]) if dialect["comment"] else False
    rule = csv.QUOTE_ALL if dialect["always"] or first else csv.QUOTE_MINIMAL
    csv.writer(buffer, delimiter=dialect["delimiter"], quotechar=dialect["quote"], quoting=rule).writerow(row)
    return buffer.getvalue().removesuffix("\r\n")


def _joined(draw: st.DrawFn, lines: list[str], end: str) -> str:
    ends = [end] * len(lines)
    if len(lines) > 2 and draw(st.integers(0, 5)) == 0: # another end from some line on
        at = draw(st.integers(1, len(lines) - 1))
        ends[at:] = ["\n" if end != "\n" else "\r\n"] * (len(lines) - at)
    if draw(st.integers(0, 3)) == 0:
        ends[-1] = ""
    return "".join(line + own for line, own in zip(lines, ends, strict=True))


def can_encode(forms: list[Form], files: list[Rows], encoding: str) -> bool:
    try:
        for rows in files:
            str(text_table(forms, rows)).encode(encoding)
            "".join(header for form in forms for header in form.headers).encode(encoding)
            "".join(text for row in rows for cell in row.values() for text in cell.texts).encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


# JSON lines.

PATH = re.compile(r"\w+(\.\w+)+") # a name that nested objects can give


@st.composite
def json_files(draw: st.DrawFn, forms: list[Form], rows: Rows, typed: bool = False) -> File:
    headers, table = text_table(forms, rows)
    nested, blank = draw(st.booleans()), draw(st.sampled_from(["", None, "absent"]))
    records = []
    for row in table:
        records.append({})
        for key, text in draw(st.permutations(list(zip(headers, row, strict=True)))):
            if text == "" and blank == "absent":
                continue
            value = blank if text == "" else _typed(text) if typed else text
            _put(records[-1], key.split(".") if nested and PATH.fullmatch(key) else [key], value)
    kind = draw(st.sampled_from([".jsonl", ".ndjson", ".JSONL", ".jsonl.gz", ".json"]))
    encoding, plain = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig"])), draw(st.booleans())
    if kind == ".json":
        text = json.dumps(records, indent=draw(st.sampled_from([None, 2])), ensure_ascii=plain)
    else:
        end = draw(st.sampled_from(["\n", "\r\n"]))
        text = end.join(json.dumps(record, ensure_ascii=plain) for record in records) + draw(
            st.sampled_from([end, ""])
        )
    content = text.encode(encoding)
    return File("b" + kind, gzip.compress(content, mtime=0) if kind.endswith(".gz") else content)


def _typed(text: str) -> object: # the number or truth value that JSON writes with this text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) and json.dumps(value) == text else text


def perhaps_inexact(row: dict[str, Cell]) -> dict[str, Cell]:
    "A large number with a point may be rejected: beside others nobody sees whether it was a float."
    large = {
        name: cell._replace(state=OPEN)
        for name, cell in row.items()
        if cell.state == RIGHT and isinstance(cell.value, int)
        and abs(cell.value) > 2**53 and cell.texts[0].endswith(".0")
    }
    return row | large


def with_numbers(forms: list[Form], rows: Rows) -> Rows:
    """Write amounts as numbers, which have a point whatever the marks of texts are.

    With a decimal comma such a number may be rejected, because a point may also stand between thousands.
    """
    amount = next(form for form in forms if form.name == "amount")
    digits, comma = amount.settings["decimals"]["amount"], amount.settings["decimal_mark"] == ","
    changed = []
    for row in rows:
        cell = row["amount"]
        if cell.value is None:
            changed.append(row | {"amount": cell._replace(texts=("no amount",))})
            continue
        text = json.dumps(cell.value if digits == 0 else cell.value / 10**digits)
        state = OPEN if comma and cell.state == RIGHT and digits else cell.state
        changed.append(row | {"amount": cell._replace(texts=(text,), state=state)})
    return changed


def _put(record: dict, path: list[str], value: object) -> None:
    for key in path[:-1]:
        record = record.setdefault(key, {})
    record[path[-1]] = value


# Logs.


@st.composite
def log_files(draw: st.DrawFn, forms: list[Form], rows: Rows, typed: bool) -> File:
    "Draw lines of key=value pairs after a time, or JSON where a name or a text does not fit."
    headers, table = text_table(forms, rows)
    fits = all(re.fullmatch(r"[A-Za-z_][\w.]*", name) for name in headers)
    if not fits or any("\n" in text for row in table for text in row):
        return draw(json_files(forms, rows))
    lines = []
    for row in table:
        pairs = " ".join(f"{name}={_logged(text)}" for name, text in zip(headers, row, strict=True))
        lines.append(f"2024-05-01T10:00:00.123Z INFO payments - {pairs}\n")
    kind, content = draw(st.sampled_from([".log", ".log.1", ".log.gz", ".log.2.gz"])), "".join(lines).encode()
    return File("e" + kind, gzip.compress(content, mtime=0) if kind.endswith(".gz") else content)


def _logged(text: str) -> str:
    if re.fullmatch(r"[\w.:+-]+", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Parquet.


@st.composite
def parquet_files(draw: st.DrawFn, forms: list[Form], rows: Rows, typed: bool) -> File:
    arrays, names = [], []
    for form in forms:
        cells = [row[form.name] for row in rows]
        texts = any(cell.value is None and any(text.strip() for text in cell.texts) for cell in cells)
        native = draw(st.sampled_from(form.natives)) if form.natives and draw(st.integers(0, 5)) else None
        arrays += _native(cells, native, texts, draw(st.booleans()))
        names += form.headers
    if draw(st.integers(0, 4)) == 0:
        arrays.append(draw(st.sampled_from([pa.nulls(len(rows)), pa.array([[1, 2]] * len(rows))])))
        names.append("further")
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, names=names), sink)
    return File("c" + draw(st.sampled_from([".parquet", ".PARQUET"])), sink.getvalue())


def _native(cells: list[Cell], native: Native | None, unclear: bool, empty: bool) -> list[pa.Array]:
    texts = [
        [text or ("" if empty else None) for text in part]
        for part in zip(*(cell.texts for cell in cells), strict=True)
    ]
    as_text = [pa.nulls(len(part)) if set(part) == {None} else pa.array(part, pa.string()) for part in texts]
    if native is None:
        return as_text
    kind = native.kind
    if isinstance(kind, tuple):
        held = [(None,) * len(kind) if cell.value is None else native.hold(cell.value) for cell in cells]
        return (
            as_text
            if unclear
            else [pa.array(part, one) for part, one in zip(zip(*held, strict=True), kind, strict=True)]
        )
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return [pa.array(texts[0], pa.string()).cast(kind)]
    if pa.types.is_binary(kind):
        return [pa.array([text if text is None else text.encode() for text in texts[0]], kind)]
    try:
        held = [None if cell.value is None else native.hold(cell.value) for cell in cells]
        return as_text if unclear else [pa.array(held, kind)]
    except (ValueError, OverflowError, pa.ArrowInvalid): # the type cannot hold one of the values
        return as_text


# Workbooks.

_PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
    '<Override PartName="/xl/styles.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>',
    "xl/styles.xml": '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    "<fonts><font/></fonts><fills><fill/></fills><borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs>"
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Target="xl/workbook.xml" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
    '<sheets><sheet name="Transactions" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Target="worksheets/sheet1.xml" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"/>'
    '<Relationship Id="r2" Target="styles.xml" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles"/></Relationships>',
}


def make_workbook(forms: list[Form], rows: Rows, typed: bool, around: tuple[int, int]) -> File:
    "Make a workbook, with some rows above the names and below the table."
    headers, table = text_table(forms, rows)
    above, below = ([["Report"], ["of 2024"], ["by; hand"]][:number] for number in around)
    lines = [
        "<row>" + "".join(_sheet_cell(text, False) for text in row) + "</row>" for row in [*above, headers]
    ]
    lines += [
        "<row>" + "".join(_sheet_cell(text, typed) for text in row) + "</row>" for row in [*table, *below]
    ]
    sheet = f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{"".join(lines)}</sheetData></worksheet>'
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in (_PARTS | {"xl/worksheets/sheet1.xml": sheet}).items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return File("d.xlsx", sink.getvalue())


DAY = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?") # a text that a workbook holds as a number of days


def _sheet_cell(text: str, typed: bool) -> str:
    value = _typed(text) if typed else text
    if text == "":
        return "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float) and len(text.strip("-")) <= 15 and not text.endswith(".0"):
        return f"<c><v>{text}</v></c>"
    if typed and DAY.fullmatch(text):
        with suppress(ValueError): # there is no such day
            days = (datetime.fromisoformat(text) - datetime(1899, 12, 30)) / timedelta(days=1)
            return f'<c s="1"><v>{days!r}</v></c>'
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


# Folders.


class Folder(NamedTuple):
    "Files, and the rows that each of them holds."

    files: list[File]
    tables: list[Rows]
    csv: dict[str, object] # prepare.csv in params.yaml


@st.composite
def folders(draw: st.DrawFn, forms: list[Form], tables: list[Rows], kinds: tuple[str, ...]) -> Folder:
    dialect = draw(dialects())
    if not can_encode(forms, tables, dialect["encoding"]):
        dialect["encoding"] = "utf-8"
    files, written, told = [], [], {}
    for number, rows in enumerate(tables):
        order = draw(st.permutations(forms)) if draw(st.booleans()) else forms
        kind, typed = draw(st.sampled_from(kinds)), draw(st.booleans())
        if typed and kind in ("json", "xlsx"):
            rows = with_numbers(forms, [perhaps_inexact(row) for row in rows])
        if kind == "csv":
            file, told = draw(csv_files(order, rows, dialect)), csv_settings(dialect)
        elif kind == "xlsx":
            around = (dialect["skip"], dialect["footer"])
            file, told = make_workbook(order, rows, typed, around), csv_settings(dialect)
        else:
            file = draw(
                {"json": json_files, "log": log_files, "parquet": parquet_files}[kind](order, rows, typed)
            )
        files.append(file._replace(name=f"{number}{file.name}"))
        written.append(rows)
    return Folder(files, written, told)
