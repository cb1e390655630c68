"""Compiled releases as tables, by flattentool: always the same tables with the same columns.

The columns are those of OCDS with the extensions that our releases use, deprecated ones left out, named as
flatten-tool names them, which turns such tables into releases again. They stand in ``tables.json``; a field
that has none is in the JSON alone.

flattentool keeps whatever it reads, so it is given a few releases at a time. It writes what begins with "="
as a formula, so the writing is done here:

- In a workbook every text is a text, whatever it looks like. Characters that a workbook cannot hold become
  U+FFFD, a longer text than a cell takes ends with "…", and a number of which a workbook would lose digits
  is a text.
- Programs that open a CSV file take a text for a formula by its beginning. One that begins with ``= + - @``,
  a tab, a carriage return or an apostrophe has an apostrophe before it, and whoever reads the files takes one
  away there. Numbers are as in the JSON.
"""

import csv
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from flattentool.json_input import JSONParser
from flattentool.sheet import Sheet
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

MAIN = "releases"
"""The table that has a row for each tender."""
MOST_ROWS = 1_048_576
"""Of a workbook's sheet, the heading among them."""
LONGEST_TEXT = 32_767
"""Characters of a workbook's cell."""
AT_ONCE = 250
"""Releases that are in memory together."""

_TRUNCATION = 9  # characters of each part of a table's name but the last, as is usual with OCDS
_DIGITS = 15  # that a workbook keeps of a number
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_FORMULA = re.compile(r"[=+\-@'\t\r]")
_NO_TIME = (1980, 1, 1, 0, 0, 0)

Cell = str | int | Decimal | bool | None
Row = dict[str, Cell]


class Written(NamedTuple):
    """What came of it: how many releases, whether a workbook can hold them, and columns that no table has."""

    releases: int
    fits: bool
    surplus: frozenset[str]


@cache
def columns() -> dict[str, list[str]]:
    """The columns of each table, by its name."""
    found: dict[str, list[str]] = json.loads((Path(__file__).parent / "tables.json").read_bytes())
    return found


def sheet_names() -> dict[str, str]:
    """What the workbook's sheet for each table is called: a name has 31 characters at most there."""
    found = dict[str, str]()
    for name in columns():
        alike = sum(each[:29] == name[:29] for each in found)
        found[name] = f"{name[:29]}~{alike + 1}" if alike and len(name) > 31 else name[:31]
    return found


def write(lines: Iterable[bytes], folder: Path, *, workbook: bool = True) -> Written:
    """The compiled releases (JSON, each a line) as ``tables.zip`` and ``tables.xlsx`` in an empty folder; a
    workbook only where it can hold them, and none where it is known that it cannot."""
    releases, surplus, sheets = 0, set[str](), _Sheets(folder / "tables.xlsx", fits=workbook)
    with ExitStack() as files:
        tables = {name: files.enter_context(_Table(folder, name)) for name in columns()}
        for some in _batches(lines):
            releases += len(some)
            for name, rows in flattened(some):
                if name in tables:
                    tables[name].add(rows)
                    sheets.add(name, rows)
                surplus |= _beyond(name, rows)
    _zip(folder / "tables.zip", tables.values())
    return Written(releases, sheets.save(), frozenset(surplus))


def flattened(lines: Sequence[bytes]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each table, by its name."""
    parser = JSONParser(
        root_json_dict=[json.loads(each, parse_float=Decimal) for each in lines],
        root_id="ocid",
        truncation_length=_TRUNCATION,
        schema_parser=_Known(),
    )
    yield MAIN, list(parser.main_sheet.lines)
    for name, sheet in parser.sub_sheets.items():
        yield name, list(sheet.lines)
    parser.connection.close()
    parser.db.close()


def csv_text(value: Cell) -> str:
    """A cell of a CSV file."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            plain = value.replace("\x00", "\ufffd").encode(errors="surrogatepass").decode(errors="replace")
            return "'" + plain if _FORMULA.match(plain) else plain
        case _:
            return str(value)


def sheet_value(value: Cell) -> Cell:
    """A cell of a workbook: a text, or a number that it does not change."""
    match value:
        case None | bool():
            return value
        case str():
            plain = _UNWRITABLE.sub("\ufffd", value)
            return plain if len(plain) <= LONGEST_TEXT else plain[: LONGEST_TEXT - 1] + "…"
        case _:
            digits = Decimal(value).normalize().as_tuple()
            exponent = digits.exponent if isinstance(digits.exponent, int) else 0
            exact = len(digits.digits) <= _DIGITS and -_DIGITS <= exponent <= _DIGITS
            return value if exact else str(value)[:LONGEST_TEXT]


class _Known:
    """What flattentool asks of a schema: the tables that there are."""

    def __init__(self) -> None:
        self.main_sheet = Sheet(name="")
        self.sub_sheets = {name: Sheet(name=name) for name in columns() if name != MAIN}
        self.rollup: set[str] = set()


class _Table:
    """A CSV file on its way."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.csv"
        self._columns = columns()[name]

    def __enter__(self) -> "_Table":
        self._file = self.path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\r\n")
        self._writer.writerow(self._columns)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, rows: Iterable[Row]) -> None:
        self._writer.writerows([csv_text(row.get(each)) for each in self._columns] for row in rows)


class _Sheets:
    """A workbook on its way, until there is too much for one."""

    def __init__(self, path: Path, *, fits: bool) -> None:
        self._path = path
        self._fits = fits
        self._book = Workbook(write_only=True)
        self._rows = dict.fromkeys(columns(), 1)
        self._sheets = {name: self._book.create_sheet(title) for name, title in sheet_names().items()}
        for name, titles in columns().items():
            self._sheets[name].append(titles)

    def add(self, name: str, rows: Sequence[Row]) -> None:
        self._rows[name] += len(rows)
        self._fits = self._fits and self._rows[name] <= MOST_ROWS
        if self._fits:
            for row in rows:
                self._sheets[name].append([self._cell(name, row.get(each)) for each in columns()[name]])

    def save(self) -> bool:
        """Whether there is a workbook."""
        if self._fits:
            self._book.save(self._path)
        else:
            for sheet in self._sheets.values():
                sheet.close()
        return self._fits

    def _cell(self, name: str, value: Cell) -> Any:
        shown = sheet_value(value)
        if not isinstance(shown, str) or not shown.startswith(("=", "#")):
            return shown
        cell = WriteOnlyCell(self._sheets[name], shown)
        cell.data_type = "s"  # or else "=…" is a formula, and "#N/A" an error
        return cell


def _beyond(name: str, rows: Iterable[Row]) -> set[str]:
    """Columns of these rows that the table has not."""
    known = columns().get(name, [])
    return {f"{name}: {each}" for row in rows for each in row if each not in known}


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    there = iter(lines)
    while some := list(islice(there, AT_ONCE)):
        yield some


def _zip(path: Path, tables: Iterable[_Table]) -> None:
    """The files as one, the same whenever it is made; they are gone then."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for each in tables:
            entry = zipfile.ZipInfo(each.path.name, _NO_TIME)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            with each.path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while piece := source.read(1 << 20):
                    target.write(piece)
            each.path.unlink()
