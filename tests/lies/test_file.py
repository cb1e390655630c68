"""Award records that were tampered with on their way, caught by the command line in a process's own words."""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from crypto.encoding import encode
from procurement import archive
from tests.builders import packed, the_world
from tests.commands import Run
from tests.lies.catalogue import Catcher, Entry, Who, entry
from tests.lies.test_life import a_life, all_of

Tamper = Callable[[bytes], bytes]
TAMPERED: list[tuple[Entry, Tamper]] = []


def lie(name: str, words: str, done: str) -> Callable[[Tamper], Tamper]:
    def register(tamper: Tamper) -> Tamper:
        TAMPERED.append((entry(name, Who.BETWEEN, done, Catcher.VERIFY, words), tamper))
        return tamper

    return register


@cache
def a_record() -> bytes:
    return packed(all_of(a_life()))


@lie("record cut off", "the file is cut off or damaged", "A record is passed on without its end.")
def cut(record: bytes) -> bytes:
    return record[: len(record) // 2]


@lie(
    "record with something added",
    "something was added to the file, or it was packed anew",
    "A remark that all is well is put into a record, where nobody looks.",
)
def extended(record: bytes) -> bytes:
    buffer = BytesIO(record)
    with ZipFile(buffer, "a") as zipped:
        zipped.comment = b"Checked by us, all is well."
    return buffer.getvalue()


@lie(
    "record packed anew",
    "something was added to the file, or it was packed anew",
    "A record is unpacked and packed again, so that it is no longer the file that others have.",
)
def packed_anew(record: bytes) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as zipped:
        for path, data in archive.unpack(record).items():
            zipped.writestr(path, data)
    return buffer.getvalue()


@lie(
    "file of a record changed",
    "a file was changed, added or left out",
    "One figure is changed in a record that is passed on.",
)
def changed(record: bytes) -> bytes:
    files = archive.unpack(record)
    return archive.pack(files | {"ocds.json": files["ocds.json"].replace(b"910000", b"990000")})


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    path.write_bytes(encode(the_world().trust))
    return path


@pytest.mark.parametrize(("told", "tamper"), TAMPERED, ids=[each.name for each, _ in TAMPERED])
def test_a_record_that_was_tampered_with_is_refused_at_its_first_step_in_words(
    run: Run, tmp_path: Path, trust: Path, told: Entry, tamper: Tamper
) -> None:
    (tmp_path / "record.zip").write_bytes(tamper(a_record()))
    ended = run("verify", tmp_path / "record.zip", "--trust", trust)
    assert ended.status == 1
    assert ended.out.splitlines()[-1].startswith("refused at step 1, file, manifest, trust")
    assert "what this means: this file is not as the service made it" in ended.out
    told.check_named(ended.out)


def test_the_same_record_as_the_service_made_it_is_verified(run: Run, tmp_path: Path, trust: Path) -> None:
    (tmp_path / "record.zip").write_bytes(a_record())
    ended = run("verify", tmp_path / "record.zip", "--trust", trust)
    assert (ended.status, "what this means" in ended.out) == (0, False)
