"""Lies that no single record shows, told in a log of many tenders and caught by `openseal monitor`, which
looks through a mirror's copy."""

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest

from bids.receipts import CommittedCover
from crypto.encoding import encode, moment, sha256
from procurement.history import Event, EventType, Head
from procurement.registry.statements import CertificateRevoked
from procurement.watching.site import PAGES
from procurement.web.look import ClientReleased
from tests.builders import DEADLINE, Life, a_bidder, a_notice, the_world
from tests.commands import Run
from tests.lies.catalogue import Catcher, Entry, Who, entry
from tests.shelf import answering
from tests.watched import Served, Watched, mirrored

NIGHT = moment(DEADLINE)[:10]
Tell = Callable[[Watched], None]


class Told(NamedTuple):
    """A lie in a log: what it is, and how the log comes to have it."""

    entry: Entry
    tell: Tell


LIES: list[Told] = []


def lie(name: str, words: str, done: str, who: Who = Who.SERVICE) -> Callable[[Tell], Tell]:
    def register(tell: Tell) -> Tell:
        LIES.append(Told(entry(name, who, done, Catcher.MONITOR, words), tell))
        return tell

    return register


def closed(watched: Watched, ocid: str = "ocds-0s3al1-t1") -> Life:
    """Two bids, and the closing statement."""
    life = watched.life(lambda: Life(notice=a_notice(the_world(), tender=ocid)))
    for number in (1, 2):
        life.submit(a_bidder(the_world(), number))
    life.close()
    return life


@lie(
    "second closing",
    "The closing statement of tender … is the second one: the box was closed before",
    "Two lists of bids are made, and each is shown to those whom it suits.",
)
def closes_twice(watched: Watched) -> None:
    closed(watched).close()


@lie(
    "two histories of a tender",
    "Tender … has two histories: entries … and … are both its step number …",
    "A tender is told in two ways, which part at one step.",
)
def forks_a_history(watched: Watched) -> None:
    life = closed(watched)
    other = Event(t=EventType.EXTENDED, time=moment(life.now), statement="0" * 64, status="0" * 64)
    head = Head(tender=life.notice.tender, notice=life.notice_id, seq=2)
    watched.entries += head.append([other])[1]


@lie(
    "bid that vanished",
    "… commitments of … or before were never revealed, although every tender of that time is closed: bids may"
    " have been made to vanish",
    "A bid is taken in, and no list ever says what became of it.",
)
def makes_a_bid_vanish(watched: Watched) -> None:
    life = watched.life(lambda: Life(notice=a_notice(the_world())))
    for number in (1, 2):
        life.submit(a_bidder(the_world(), number))
    lost = life.submitted.pop()
    del life.bids[lost.statement]
    life.close()
    watched.reveal(NIGHT)


@lie(
    "bid passed off as made up",
    "… lists … bids, files or made-up commitments that the log does not have",
    "A bid that was taken in is said to be one of the empty ones that hide how many there are.",
)
def calls_a_bid_a_cover(watched: Watched) -> None:
    life = watched.life(lambda: Life(notice=a_notice(the_world())))
    for number in (1, 2):
        life.submit(a_bidder(the_world(), number))
    lost = life.submitted.pop()
    del life.bids[lost.statement]
    life.close()
    watched.reveal(NIGHT, [CommittedCover(index=lost.index, time=f"{NIGHT}T00:00:00.000Z", salt=lost.salt)])


@lie(
    "accounted for twice",
    "… accounts for … commitments that another statement accounted for before",
    "What was one tender's bid is counted in another tender, too.",
)
def accounts_twice(watched: Watched) -> None:
    cover = watched.cover(f"{NIGHT}T01:00:00.000Z")
    watched.reveal(NIGHT)
    watched.reveal("2026-03-20", [cover])


@lie(
    "number of bids told early",
    "… came while a tender of that time still took bids: it tells how many came",
    "While bids still come, somebody tells which of them are made up, and so how many there are.",
)
def tells_covers_early(watched: Watched) -> None:
    life = watched.life(lambda: Life(notice=a_notice(the_world())))
    watched.reveal(NIGHT)
    life.close()


@lie(
    "signed after revocation",
    "Tender …: … was signed with a certificate that had been revoked before",
    "An officer whose certificate was revoked goes on signing, under an older list that does not say so.",
    Who.OFFICER,
)
def signs_after_revocation(watched: Watched) -> None:
    officer = the_world().officer.fingerprint
    watched.entries.append(encode(CertificateRevoked(certificate=officer, statement="1" * 64)))
    closed(watched)


@lie(
    "step after the end",
    "Tender … was over (entry …), and yet entry … adds a step to it",
    "A tender is over, and something is still added to its history.",
)
def goes_on_after_the_end(watched: Watched) -> None:
    life = watched.life(lambda: Life(notice=a_notice(the_world())))
    life.submit(a_bidder(the_world(), 1))
    life.to_award()
    watched.kept()
    life.say(EventType.CONFLICT_DECLARED, life.closing, the_world().service)


@lie(
    "record of another history",
    "The award record of tender … tells another history of it than the log",
    "A record is made that holds by itself, of a history that the log does not have.",
)
def makes_a_record_of_another_history(watched: Watched) -> None:
    life = watched.life(lambda: Life(notice=a_notice(the_world())))
    life.submit(a_bidder(the_world(), 1))
    life.to_award()
    other = Life(notice=a_notice(the_world()))
    other.submit(a_bidder(the_world(), 2))
    watched.records[life.notice.tender] = other.to_award().record()


@lie(
    "same bid taken in twice",
    "The same envelope or document, …, was taken in twice",
    "One bid is taken in for two tenders, or twice for one.",
)
def takes_a_bid_twice(watched: Watched) -> None:
    lives = [
        watched.life(lambda ocid=ocid: Life(notice=a_notice(the_world(), tender=ocid)))  # type: ignore[misc]
        for ocid in ("ocds-0s3al1-t1", "ocds-0s3al1-t2")
    ]
    bidder = a_bidder(the_world(), 1)
    id = lives[0].submit(bidder)
    lives[1].now = lives[0].now
    lives[1].accept(bidder, lives[0].bids[id])
    for life in lives:
        life.close()


@lie(
    "two lists for one day",
    "Two lists say which files were published at …",
    "The open data of a day are published twice, and each version is shown to those whom it suits.",
)
def publishes_a_day_twice(watched: Watched) -> None:
    for content in (b"all tenders", b"all but one"):
        watched.publish("day", date(2026, 3, 1), content)


def findings(run: Run, watched: Watched, folder: Path) -> tuple[int, str]:
    """What the command finds in a copy that was really made of the log."""
    asyncio.run(mirrored(Served(watched.kept()), folder))
    ended = run("monitor", folder)
    return ended.status, ended.out


@pytest.mark.parametrize("told", LIES, ids=[each.entry.name for each in LIES])
def test_a_lie_in_the_log_is_found_and_named(run: Run, tmp_path: Path, told: Told) -> None:
    watched = Watched()
    told.tell(watched)
    status, out = findings(run, watched, tmp_path / "copy")
    assert status == 1
    told.entry.check_named(out)


def test_a_log_without_a_lie_says_nothing(run: Run, tmp_path: Path) -> None:
    watched = Watched()
    watched.cover(f"{NIGHT}T01:00:00.000Z")
    life = closed(watched)
    for part in life.notice.parts:
        life.open(part)
    life.evaluate()
    life.award()
    closed(watched, "ocds-0s3al1-t2")
    watched.reveal(NIGHT)
    status, out = findings(run, watched, tmp_path / "copy")
    assert (status, out.splitlines()[-1]) == (0, "nothing found")


# ── what the pages of a service load ─────────────────────────────────────────────────────────────────────

SCRIPT, OTHERS = b"seal()", b"steal()"
PATH = "/assets/seal.js"
PAGE = f'<html><script src="{PATH}"></script></html>'.encode()
SCRIPTS: dict[str, tuple[Entry, dict[str, bytes | int]]] = {}


def listed(script: bytes) -> bytes:
    return encode([{"file": "seal.js", "sha256": sha256(script).hex()}])


def script(name: str, words: str, done: str, lies: dict[str, bytes | int]) -> None:
    SCRIPTS[name] = entry(name, Who.OPERATOR, done, Catcher.MONITOR, words), lies


script(
    "other script for one visitor",
    "The service gives another file than its own list names",
    "The program that seals bids in the browser is exchanged for one that also sends the price elsewhere.",
    {PATH: OTHERS},
)
script(
    "scripts that nobody was told of",
    "The service's list of scripts (…) is not in the log, as far as this copy goes",
    "All programs of the pages are exchanged, with the list that names them.",
    {
        PATH: OTHERS,
        "/assets/manifest.json": listed(OTHERS),
    },
)
script(
    "script slipped into a page",
    "The page … runs what is on no list",
    "A line is slipped into a page, which runs a program from nowhere.",
    {"/bidder": PAGE.replace(b"</html>", b"<script>steal()</script></html>")},
)


@pytest.fixture
def service(tmp_path: Path) -> Served:
    """A service whose log names what its pages load, and a copy of that log."""
    watched = Watched()
    watched.entries.append(encode(ClientReleased(manifest=sha256(listed(SCRIPT)).hex())))
    served = Served(watched.kept())
    asyncio.run(mirrored(served, tmp_path / "copy"))
    served.truth |= {"/assets/manifest.json": listed(SCRIPT), PATH: SCRIPT, **dict.fromkeys(PAGES, PAGE)}
    return served


@pytest.mark.parametrize("name", [None, *SCRIPTS])
def test_scripts_that_the_log_does_not_name_are_found(
    run: Run, tmp_path: Path, service: Served, name: str | None
) -> None:
    told, service.lies = SCRIPTS[name] if name else (None, {})
    with answering(service.answer) as url:
        ended = run("monitor", tmp_path / "copy", "--service", url)
    assert ended.status == (1 if told else 0), ended
    if told:
        told.check_named(ended.out)
