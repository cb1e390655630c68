"""Lies about which records there are, told by a service over HTTP and caught by `openseal verify --all`."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from crypto.encoding import encode
from procurement import archive
from tests.builders import Life, a_bidder, a_notice, packed, the_world
from tests.commands import Ended, Run
from tests.lies.catalogue import Catcher, Entry, Who, entry
from tests.shelf import Shelf, served

ONE, TWO = "ocds-0s3al1-1", "ocds-0s3al1-2"


def listed(name: str, words: str, done: str) -> Entry:
    return entry(name, Who.SERVICE, done, Catcher.VERIFY, words)


WITHHELD = listed(
    "withheld record",
    "listed, but not served",
    "An award is in the public list, but its record cannot be had.",
)
EXCHANGED = listed(
    "record made anew",
    "the service listed another record of this tender before",
    "Weeks after an award its record is exchanged for another one, which holds by itself.",
)
UNLISTED = listed(
    "award that vanishes from the list",
    "the service listed this tender's record before, and does not any more",
    "An award that somebody asks about is taken out of the list.",
)
OTHER_FILE = listed(
    "another record for you",
    "what is served as this tender's record is not the file that the list names",
    "Who downloads a record gets another one than was announced to everybody.",
)
OTHER_TENDER = listed(
    "another tender's record in its place",
    "the list names the record of another tender",
    "In the place of a record that does not hold stands one of another tender, which does.",
)
BROKEN = listed(
    "bad record among good ones",
    "the open data differ from the signed statements",
    "One record out of many does not hold, and the others are to hide it.",
)


@cache
def a_record(tender: str, amount: str = "900000") -> bytes:
    life = Life(the_world(), a_notice(the_world(), tender=tender))
    life.submit(a_bidder(the_world(), 1), amount)
    return life.to_award().record()


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with served(Shelf({each: a_record(each) for each in (ONE, TWO)})) as shelf:
        yield shelf


@pytest.fixture
def verify_all(run: Run, tmp_path: Path, shelf: Shelf) -> Any:
    trust = tmp_path / "trust.json"
    trust.write_bytes(encode(the_world().trust))
    return lambda: run("verify", "--all", shelf.url, "--into", tmp_path / "kept", "--trust", trust)


def check_caught(ended: Ended, told: Entry, verified: int = 1) -> None:
    """It is named, the command fails, and the other record was checked all the same."""
    assert ended.status == 1
    told.check_named(ended.out)
    assert f"{verified} verified" in " ".join(ended.out.split())


def test_records_without_a_lie_hold(verify_all: Any) -> None:
    ended = verify_all()
    assert (ended.status, ended.out.splitlines()[-1].split(":")[0]) == (0, "all hold")


def test_a_record_that_is_withheld_is_named(verify_all: Any, shelf: Shelf) -> None:
    shelf.twist = lambda path, answer: (404, b"{}") if TWO in path else answer
    check_caught(verify_all(), WITHHELD)


def test_a_record_that_was_made_anew_is_named_ever_after_and_both_are_kept(
    verify_all: Any, shelf: Shelf, tmp_path: Path
) -> None:
    assert verify_all().status == 0
    before = shelf.records[TWO]
    shelf.records[TWO] = a_record(TWO, "910000")
    for _ in range(2):
        check_caught(verify_all(), EXCHANGED, verified=2)
    kept = {path.read_bytes() for path in (tmp_path / "kept" / "records").glob(f"{TWO}.*zip")}
    assert kept == {before, shelf.records[TWO]}


def test_a_record_that_is_listed_no_more_is_named(verify_all: Any, shelf: Shelf) -> None:
    assert verify_all().status == 0
    del shelf.records[ONE]
    check_caught(verify_all(), UNLISTED, verified=2)


def test_another_file_than_the_list_names_is_named(verify_all: Any, shelf: Shelf) -> None:
    shelf.twist = lambda path, answer: (200, a_record(TWO, "910000")) if TWO in path else answer
    check_caught(verify_all(), OTHER_FILE)


def test_another_tenders_record_is_named(verify_all: Any, shelf: Shelf) -> None:
    shelf.records[TWO] = shelf.records[ONE]
    check_caught(verify_all(), OTHER_TENDER)


def test_a_bad_record_among_good_ones_is_named_with_its_step_and_what_it_means(
    verify_all: Any, shelf: Shelf
) -> None:

    files = archive.unpack(shelf.records[TWO])
    del files["manifest.json"]
    shelf.records[TWO] = packed(files | {"ocds.json": files["ocds.json"].replace(b"900000", b"100000")})
    ended = verify_all()
    check_caught(ended, BROKEN)
    assert f"{TWO} refused at step 13, open data" in ended.out
    assert "what this means: the data files say something else" in ended.out
