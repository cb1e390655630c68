"""Open data by the file: periods and lists, tables that stay the same, text that is no formula, parts of a
tar."""

import asyncio
import csv
import gzip
import io
import json
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from flattentool import unflatten
from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import decode, moment
from procurement.bulk import tables
from procurement.bulk.export import _GZIP, _deflated, _Lines
from procurement.bulk.listing import (
    Absent,
    DataFile,
    DataList,
    Kind,
    Period,
    listed,
    next_due,
    today,
)
from procurement.bulk.maker import _unzipped
from procurement.bulk.records import LONGEST, Pause
from procurement.bulk.spool import spooled
from procurement.bulk.store import Kept
from procurement.bulk.tar import tarred
from procurement.web.bulk import FileSpan, spanned
from tests.core.test_ocds import LIVES, record

FIRST = date(2026, 1, 30)

HOSTILE = (
    *("=cmd|' /C calc'!A0", "+82 2 123", "-1", "@sum", "'x", "'", "#N/A", "=", "\x00=1", "1e400", "0012"),
    *("\t=1", "\r=1", "a\r\nb", 'say "x", y', "\u202e", "\x1b[2J", "\ufffe", "\ud800", "책상", "a" * 40_000),
)


# ── periods ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_day_is_koreas_and_is_over_some_minutes_after_its_end() -> None:
    day = Period("day", date(2026, 3, 2), False)
    assert (day.begins, day.ends) == (at("2026-03-01T15:00"), at("2026-03-02T15:00"))
    assert today(at("2026-03-02T15:04")) == date(2026, 3, 2)
    assert today(at("2026-03-02T15:05")) == date(2026, 3, 3)


@pytest.mark.parametrize(
    ("kind", "newest", "now", "due"),
    [
        ("day", None, "2026-01-30T16:00", "2026-01-30"),
        ("day", None, "2026-01-30T14:00", None),
        ("day", date(2026, 1, 30), "2026-01-31T16:00", "2026-01-31"),
        ("day", date(2026, 1, 30), "2026-03-31T16:00", "2026-01-31"),
        ("day", date(2026, 1, 31), "2026-01-31T16:00", None),
        ("month", None, "2026-01-31T14:00", None),
        ("month", None, "2026-01-31T16:00", "2026-01"),
        ("month", date(2026, 1, 31), "2026-02-28T16:00", "2026-02"),
        ("month", date(2026, 1, 31), "2026-02-28T14:00", None),
        ("month", date(2026, 11, 30), "2027-02-28T16:00", "2026-12"),
        ("all", None, "2026-01-30T14:00", None),
        ("all", date(2026, 1, 30), "2026-03-02T16:00", "all-2026-03-02"),
        ("all", date(2026, 3, 2), "2026-03-02T16:00", None),
    ],
)
def test_what_is_due_is_the_next_period_that_is_over(
    kind: Kind, newest: date | None, now: str, due: str | None
) -> None:
    found = next_due(kind, False, newest, FIRST, at(now))
    assert (found and found.name) == due


def test_practice_is_apart_in_every_name() -> None:
    names = set()
    for kind in ("day", "month", "all"):
        for practice in (False, True):
            period = Period(kind, FIRST, practice)
            assert period.path.startswith("practice/") is practice
            names |= {period.path, period.file("jsonl"), period.file("records")}
    assert len(names) == 18
    assert Period("all", FIRST, True).file("csv") == "openseal-practice-all-2026-01-30.csv.zip"


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(-40, 130)), max_size=40),
    st.lists(st.integers(0, 60), min_size=3, max_size=3),
)
def test_everything_belongs_to_one_day_however_late_it_comes(
    entries: list[tuple[int, int]], pauses: list[int]
) -> None:
    """Entries by log index and hour; days are published as of ever higher indexes, too early for some."""
    begun, position, found = at("2026-03-01T15:00"), 0, list[tuple[int, int]]()
    for day, pause in zip((2, 3, 4), pauses, strict=True):
        period, before = Period("day", date(2026, 3, day), False), position
        position += pause
        data = decode(listed(period, position, before, (), ()), DataList)
        for index, hour in entries:
            if data.holds(begun + timedelta(hours=hour), index):
                found.append((index, hour))
                assert hour < 24 * (day - 1)
    last = Period("day", date(2026, 3, 5), False)
    data = decode(listed(last, 1000, position, (), ()), DataList)
    found += [(index, hour) for index, hour in entries if data.holds(begun + timedelta(hours=hour), index)]
    for each in set(entries):
        assert found.count(each) == (entries.count(each) if each[1] < 96 else 0)


def test_a_list_says_what_is_there_and_what_is_not_and_why() -> None:
    file = DataFile(name="openseal-2026-01-30.jsonl.gz", kind="jsonl", rows=3, sha256="a" * 64, size=99)
    absent = Absent(kind="xlsx", reason="too-many-rows")
    data = listed(Period("day", FIRST, False), 7, 0, [file], [absent])
    assert data == (
        b'{"absent":[{"kind":"xlsx","reason":"too-many-rows"}],"begins":"2026-01-29T15:00:00.000Z",'
        b'"ends":"2026-01-30T15:00:00.000Z","files":[{"kind":"jsonl","name":"openseal-2026-01-30.jsonl.gz",'
        b'"rows":3,"sha256":"' + b"a" * 64 + b'","size":99}],"format":"openseal/data/v1",'
        b'"period":"2026-01-30","position":7}'
    )
    sums = decode(data, DataList).sums("b" * 64)
    assert sums == f"{'a' * 64}  openseal-2026-01-30.jsonl.gz\n{'b' * 64}  list.json\n"


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────


def lines_of(*releases: Any) -> list[bytes]:
    return [json.dumps(each, default=str).encode() for each in releases]


def released() -> list[bytes]:
    """What each of the lives that the mapping is tested with comes to."""
    return [json.dumps(record(life())["compiledRelease"], default=float).encode() for life in LIVES]


def read_csv(folder: Path) -> dict[str, list[dict[str, str]]]:
    found = {}
    with zipfile.ZipFile(folder / "tables.zip") as archive:
        for name in archive.namelist():
            text = io.StringIO(archive.read(name).decode(), newline="")
            found[name.removesuffix(".csv")] = list(csv.DictReader(text))
    return found


def test_every_field_that_our_releases_have_has_a_column(tmp_path: Path) -> None:
    written = tables.write(released(), tmp_path)
    assert sorted(written.surplus) == [], "procurement/bulk/tables.json lacks these: add them"
    assert written == tables.Written(len(LIVES), True, frozenset())


def test_there_are_always_the_same_tables_with_the_same_columns(tmp_path: Path) -> None:
    assert tables.write([], tmp_path) == tables.Written(0, True, frozenset())
    with zipfile.ZipFile(tmp_path / "tables.zip") as archive:
        headings = {each: archive.read(each).decode() for each in archive.namelist()}
    assert headings == {f"{name}.csv": ",".join(some) + "\r\n" for name, some in tables.columns().items()}
    book = openpyxl.load_workbook(tmp_path / "tables.xlsx", read_only=True)
    assert book.sheetnames == list(tables.sheet_names().values())
    book.close()


def test_sheets_are_told_apart_by_the_names_that_a_workbook_can_have() -> None:
    names = tables.sheet_names()
    assert len({each.casefold() for each in names.values()}) == len(names) == len(tables.columns())
    assert all(len(each) <= 31 and name.startswith(each[:29]) for name, each in names.items())


def test_the_same_releases_make_the_same_tables(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        tables.write(released(), tmp_path / name)
        found.append((tmp_path / name / "tables.zip").read_bytes())
    assert found[0] == found[1]


def test_flatten_tool_makes_releases_of_the_tables_again(tmp_path: Path) -> None:
    tables.write(released()[:1], tmp_path)
    with zipfile.ZipFile(tmp_path / "tables.zip") as archive:
        for name in archive.namelist():
            archive.extract(name, tmp_path / "csv")
    unflatten(
        str(tmp_path / "csv"),
        input_format="csv",
        output_name=str(tmp_path / "back.json"),
        root_id="ocid",
        root_list_path="releases",
        convert_titles=False,
        disable_local_refs=True,
    )
    [back] = json.loads((tmp_path / "back.json").read_text())["releases"]
    [line] = released()[:1]
    release = json.loads(line)
    assert back["ocid"] == release["ocid"]
    bids = {each["id"]: each for each in back["bids"]["details"]}
    for each in release["bids"]["details"]:
        assert {one["id"] for one in bids[each["id"]]["tenderers"]} == {
            one["id"] for one in each["tenderers"]
        }


def test_more_rows_than_a_sheet_has_make_no_workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 20)
    many = lines_of(*({"ocid": f"o{i}", "id": "1"} for i in range(20)))
    assert not tables.write(many, tmp_path).fits
    assert not (tmp_path / "tables.xlsx").exists()
    assert len(read_csv(tmp_path)["releases"]) == 20
    (tmp_path / "fits").mkdir()
    assert tables.write(many[:19], tmp_path / "fits").fits


def test_no_text_is_a_formula_or_lost_whatever_it_is(tmp_path: Path) -> None:
    titles = [{"ocid": f"o{i}", "id": "1", "tender": {"title": each}} for i, each in enumerate(HOSTILE)]
    tables.write(lines_of(*titles), tmp_path)
    shown = [row["tender/title"] for row in read_csv(tmp_path)["releases"]]
    for text, cell in zip(HOSTILE, shown, strict=True):
        plain = text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd" * 3)
        assert cell == ("'" + plain if plain[0] in "=+-@'\t\r" else plain)
    book = openpyxl.load_workbook(tmp_path / "tables.xlsx", read_only=True)
    [heading, *rows] = book["releases"].iter_rows()
    place = [cell.value for cell in heading].index("tender/title")
    for text, row in zip(HOSTILE, rows, strict=True):
        assert row[place].data_type == "s"
        assert row[place].value == tables.sheet_value(text)
    book.close()


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_a_cell_takes_any_text_and_shows_no_formula(text: str) -> None:
    """Lone surrogates, too, which JSON can have."""
    cell = tables.csv_text(text)
    cell.encode()
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    shown = tables.sheet_value(text)
    assert isinstance(shown, str)
    shown.encode()
    assert len(shown) == min(len(text), tables.LONGEST_TEXT)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (Decimal("1000.50"), Decimal("1000.50")),
        (Decimal("999999999999.99"), Decimal("999999999999.99")),
        (Decimal("1234567890123456.78"), "1234567890123456.78"),
        (Decimal("1E+400"), "1E+400"),
        (Decimal("1e-400"), "1E-400"),
        (10**40, str(10**40)),
        (0, 0),
        (True, True),
        (None, None),
    ],
)
def test_a_workbook_has_a_number_with_every_digit_or_as_text(number: Any, shown: Any) -> None:
    found = tables.sheet_value(number)
    assert (found, type(found)) == (shown, type(shown))


def test_a_number_that_looks_like_anything_stays_as_it_is(tmp_path: Path) -> None:
    line = b'{"ocid":"o","id":"1","tender":{"value":{"amount":-12345678901234567890.125,"currency":"=1+1"}}}'
    tables.write([line], tmp_path)
    [row] = read_csv(tmp_path)["releases"]
    assert row["tender/value/amount"] == "-12345678901234567890.125"
    assert row["tender/value/currency"] == "'=1+1"


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.binary(max_size=40).filter(lambda each: b"\n" not in each)), st.data())
def test_a_copy_becomes_lines_however_it_is_cut(bodies: list[bytes], data: st.DataObject) -> None:
    copy = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
    copy += b"".join(b"\x00\x01" + len(each).to_bytes(4, "big") + each for each in bodies) + b"\xff\xff"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(copy)))))
    lines = _Lines()
    pieces = [lines.read(copy[a:b]) for a, b in zip([0, *cuts], [*cuts, len(copy)], strict=True)]
    whole = b"".join([_GZIP, *map(_deflated, pieces), lines.end()])
    assert lines.rows == len(bodies)
    assert zlib.decompress(whole, 31) == b"".join(each + b"\n" for each in bodies)


@given(st.binary(max_size=60))
def test_a_copy_that_is_none_or_breaks_off_is_not_taken_for_one(data: bytes) -> None:
    with pytest.raises(ValueError, match="copy"):
        read_copy(data)


def read_copy(data: bytes) -> bytes:
    lines = _Lines()
    return lines.read(data) + lines.end()


@given(st.lists(st.binary(max_size=40).filter(lambda each: b"\n" not in each), min_size=1), st.data())
def test_lines_that_were_cut_off_are_not_taken_for_all(lines: list[bytes], data: st.DataObject) -> None:
    whole = gzip.compress(b"".join(each + b"\n" for each in lines))
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        path.write_bytes(whole)
        assert list(_unzipped(path)) == lines
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(ValueError, match="end in the middle"):
            list(_unzipped(path))


# ── makers side by side ──────────────────────────────────────────────────────────────────────────────


def test_each_maker_has_a_folder_of_its_own_and_clears_away_what_dead_ones_left(tmp_path: Path) -> None:
    spool, dead = tmp_path / "spool", tmp_path / "spool" / "maker-dead"
    with spooled(spool) as one:
        dead.mkdir()
        for folder in (one, dead):
            (folder / "lines").touch()
        with spooled(spool) as another:
            assert {*spool.iterdir()} == {one, another}
            assert (one / "lines").exists()
    assert [*spool.iterdir()] == []


def test_what_fails_is_tried_ever_more_rarely_but_always_again() -> None:
    pause, lengths = None, []
    for _ in range(12):
        pause = Pause.after(pause, 1000.0)
        assert pause.until == 1000.0 + pause.length
        lengths.append(pause.length)
    assert lengths[:4] == [1, 2, 4, 8]
    assert lengths[-2:] == [LONGEST, LONGEST]


# ── award records as a tar ───────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(1, 2000), max_size=5), st.integers(0, 12_000), st.integers(0, 12_000))
def test_any_part_of_a_tar_is_that_part_of_it(sizes: list[int], start: int, length: int) -> None:
    members = [a_record(index, size) for index, size in enumerate(sizes)]
    whole = asyncio.run(tar_of(members, 0, 1 << 40))
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        assert [(each.name, each.size) for each in archive] == [(f"{m.ocid}.zip", m.size) for m in members]
        for each in members:
            file = archive.extractfile(f"{each.ocid}.zip")
            assert file is not None
            assert file.read() == content(each)
    assert asyncio.run(tar_of(members, start, start + length)) == whole[start : start + length]


async def tar_of(members: list[Kept], start: int, end: int) -> bytes:
    async def given_() -> AsyncIterator[Kept]:
        for each in members:
            yield each

    async def read(kept: Kept, first: int, last: int) -> AsyncIterator[bytes]:
        yield content(kept)[first:last]

    return b"".join([piece async for piece in tarred(given_(), read, start, end)])


def content(kept: Kept) -> bytes:
    return bytes([kept.position % 256]) * kept.size


def a_record(index: int, size: int) -> Kept:
    return Kept(
        tender_id=UUID(int=index),
        ocid=f"ocds-0s3al1-{index}",
        position=index + 1,
        awarded_at=at("2026-03-02T09:00"),
        practice=False,
        sha256="0" * 64,
        manifest="0" * 64,
        size=size,
    )


# ── parts of a file ──────────────────────────────────────────────────────────────────────────────────


@given(
    st.text(max_size=30) | st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True), st.integers(0, 2000)
)
def test_a_part_of_a_file_is_in_it_whatever_is_asked_for(header: str, size: int) -> None:
    span = spanned(header, size)
    assert span is None or 0 <= span.start <= span.end <= size
    assert spanned(None, size) == FileSpan(0, size)


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=-", (0, 100)),
        ("bytes=100-", None),
        ("bytes=-0", None),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", (0, 100)),
    ],
)
def test_a_range_is_read_as_http_says(header: str, span: tuple[int, int] | None) -> None:
    assert spanned(header, 100) == span


def at(text: str) -> datetime:
    found = datetime.fromisoformat(text).replace(tzinfo=UTC)
    assert moment(found).startswith(text)
    return found
