"""The ZIP that has one form for its files: whatever else a ZIP can be is refused."""

import contextlib
import io
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procurement.archive import pack, unpack
from procurement.errors import RecordError

FILES = {"a.json": b"{}", "b/c-1.der": b"\x30\x00", "b/empty": b""}
PATHS = st.from_regex(r"[a-z0-9][a-z0-9_/-]{0,12}", fullmatch=True)


@given(st.dictionaries(PATHS, st.binary(max_size=50), max_size=5))
def test_what_is_packed_is_unpacked_and_has_one_form(files: dict[str, bytes]) -> None:
    data = pack(files)
    assert unpack(data) == files
    assert pack(dict(reversed(files.items()))) == data


def test_an_ordinary_tool_reads_it() -> None:
    with zipfile.ZipFile(io.BytesIO(pack(FILES))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        assert [entry.date_time for entry in archive.infolist()] == [(1980, 1, 1, 0, 0, 0)] * 3


@pytest.mark.parametrize(
    "path", ["", "/a", "../a", "a/../b", "A", "a b", ".a", "-a", "a\\b", "가", "a\n", "a..b"]
)
def test_a_path_of_another_form_is_refused(path: str) -> None:
    with pytest.raises(RecordError, match="path"):
        pack({path: b""})


def zipped(
    method: int = zipfile.ZIP_STORED, path: str = "a.json", comment: bytes = b"", extra: bytes = b""
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
        entry.create_system, entry.extra, entry.compress_type = 3, extra, method
        archive.writestr(entry, b"{}")
        archive.comment = comment
    return buffer.getvalue()


def test_the_helper_below_makes_the_one_form_when_it_adds_nothing() -> None:
    assert zipped() == pack({"a.json": b"{}"})


@pytest.mark.parametrize(
    "data",
    [
        zipped(comment=b"hello"),
        zipped(extra=b"\x99\x99\x01\x00x"),
        zipped(path="../evil"),
        zipped(path="/etc/passwd"),
        zipped(path="B.json"),
        zipped() + b"\x00",
        b"\x00" + zipped(),
        zipped()[:-1],
        zipped() + zipped(),
    ],
)
def test_another_form_of_the_same_files_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        unpack(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_files_are_refused(method: int) -> None:
    with pytest.raises(RecordError):
        unpack(zipped(method))


def test_a_directory_that_calls_stored_bytes_compressed_is_refused_and_not_a_crash() -> None:
    data = bytearray(pack({"a.json": zlib.compress(b"x" * 10_000)[5:]}))
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + offset] = zipfile.ZIP_DEFLATED
    with pytest.raises(RecordError):
        unpack(bytes(data))


def test_files_out_of_order_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in ("b", "a"):
            archive.writestr(zipfile.ZipInfo(path), b"")
    with pytest.raises(RecordError):
        unpack(buffer.getvalue())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_path_that_stands_twice_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for content in (b"1", b"2"):
            archive.writestr(zipfile.ZipInfo("a"), content)
    with pytest.raises(RecordError):
        unpack(buffer.getvalue())


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_garbage_raises_nothing_but_a_record_error(garbage: bytes, at: int) -> None:
    data = bytearray(pack(FILES))
    start = at % len(data)
    data[start : start + len(garbage)] = garbage
    with contextlib.suppress(RecordError):
        assert pack(unpack(bytes(data))) == bytes(data)
