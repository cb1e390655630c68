"""Lies to who keeps a copy of a log, told by a service over HTTP and caught by `openseal mirror`."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bids.receipts import commitment_entry
from crypto.encoding import encode, sha256
from procurement.watching.folder import Folder
from procurement.watching.mirror import alarms
from tests.builders import Life, a_bidder, a_notice, the_world
from tests.commands import Ended, Run
from tests.lies.catalogue import Catcher, Entry, Who, entry
from tests.shelf import answering
from tests.watched import Served, Watched, files_of, head_of

DAY = date(2026, 3, 1)
RECORD = "/api/v1/tenders/ocds-0s3al1-t1/record"
Tell = Callable[[Served], None]


class Told(NamedTuple):
    """A lie to a mirror: what it is, what of the service's answers it changes, which option catches it."""

    entry: Entry
    tell: Tell
    more: tuple[str, ...]


LIES: list[Told] = []


def lie(name: str, words: str, done: str, who: Who = Who.SERVICE, *more: str) -> Callable[[Tell], Tell]:
    def register(tell: Tell) -> Tell:
        LIES.append(Told(entry(name, who, done, Catcher.MIRROR, words), tell, more))
        return tell

    return register


@cache
def a_log() -> Watched:
    """An award, and enough entries for a full tile."""
    watched = Watched()
    life = watched.life(lambda: Life(notice=a_notice(the_world())))
    life.submit(a_bidder(the_world(), 1))
    life.to_award()
    watched.publish("day", DAY, b"the day")
    watched.entries += fillers(299)
    return watched


def fillers(count: int, of: str = "") -> list[bytes]:
    return [commitment_entry(sha256(f"{of}{i}".encode())) for i in range(count)]


def grown(service: Served, entries: list[bytes]) -> dict[str, bytes | int]:
    """What a log of these entries answers."""
    world = service.world
    files: dict[str, bytes | int] = {f"/log/{path}": data for path, data in files_of(entries).items()}
    return files | {"/log/checkpoint": head_of(entries, world.log, world.witness)}


@lie(
    "forked log",
    "The log forked: the service signed two heads, …, that cannot both be of one log",
    "Different people are shown different pasts of the log.",
)
def forks(service: Served) -> None:
    service.lies = grown(service, [*a_log().entries[:100], *fillers(700, "other")])


@lie(
    "shrunk log",
    "The log shrank: its head shows … entries, and … were shown before",
    "The end of the log, with what somebody regrets, is cut off.",
)
def shrinks(service: Served) -> None:
    service.lies = grown(service, a_log().entries[:290])


@lie(
    "withheld part of the log",
    "The service answers, and does not give …, which its log names",
    "The log goes on, but a part of it cannot be had by anybody.",
)
def withholds_a_tile(service: Served) -> None:
    service.lies = grown(service, [*a_log().entries, *fillers(300, "more")])
    service.lies["/log/tile/entries/001"] = 404


@lie(
    "log under another key",
    "The log's key changed: its head is not signed with the key that you trust",
    "The log is taken over by somebody with another key.",
    Who.OPERATOR,
)
def signs_with_another_key(service: Served) -> None:
    world = service.world
    service.lies["/log/checkpoint"] = head_of(a_log().entries, world.witness, None)


@lie(
    "award record exchanged",
    "The award record of tender … changed after it was published",
    "The record of an award is quietly exchanged.",
)
def exchanges_a_record(service: Served) -> None:
    service.lies[RECORD] = service.truth[RECORD] + b"\n"


@lie(
    "changed entry of the log",
    "The service gives entries that the head which it signed is not about",
    "An entry in the middle of the log is changed on its way to the reader.",
    Who.BETWEEN,
)
def changes_an_entry(service: Served) -> None:
    service.lies = grown(service, [*a_log().entries, *fillers(300, "more")])
    data = service.lies["/log/tile/entries/001"]
    assert isinstance(data, bytes)
    service.lies["/log/tile/entries/001"] = data[:40] + bytes([data[40] ^ 1]) + data[41:]


def publishes_the_next_day(service: Served) -> tuple[str, str]:
    """Where its list and its file are; the log has it now."""
    more = Watched()
    digest = more.publish("day", DAY + timedelta(days=1), b"the next day")
    service.lies = {**grown(service, [*a_log().entries, *more.entries]), **more.data}
    path, file = more.data
    assert digest in path
    return path, file


@lie(
    "list of published files exchanged",
    "The service gives another list of published files than its log names",
    "The list that says what the open data of a day are is exchanged, so that other files fit it.",
)
def exchanges_a_list(service: Served) -> None:
    path, _ = publishes_the_next_day(service)
    other = Watched()
    other.publish("day", DAY + timedelta(days=1), b"another day")
    service.lies[path] = next(iter(other.data.values()))


@lie(
    "published file exchanged",
    "The service gives another published file than the list in its log says",
    "After its list went into the log, a file of open data is made anew, without a certain tender.",
)
def exchanges_a_file(service: Served) -> None:
    _, file = publishes_the_next_day(service)
    service.lies[file] = b"the next"


@lie(
    "published file withheld",
    "The service answers, and does not give the published file …, which its log names",
    "The open data of a day are said to be published, and nobody can have them.",
)
def withholds_a_file(service: Served) -> None:
    _, file = publishes_the_next_day(service)
    service.lies[file] = 404


@lie(
    "published file exchanged under its name and ETag",
    "The service gives another published file than the list in its log says",
    "Who only asks is told of the file that the log's list names; who downloads it gets another one"
    " (`--files`).",
    Who.SERVICE,
    "--files",
)
def exchanges_a_file_under_its_tag(service: Served) -> None:
    _, file = publishes_the_next_day(service)
    genuine = service.lies[file]
    assert isinstance(genuine, bytes)
    service.lies[file], service.tags[file] = genuine.upper(), sha256(genuine).hex()


@pytest.fixture
def service() -> Iterator[tuple[Served, str]]:
    served = Served(a_log().kept())
    with answering(served.answer, served.tagged) as url:
        yield served, url


@pytest.fixture
def mirror(run: Run, tmp_path: Path, service: tuple[Served, str]) -> Any:
    (tmp_path / "trust.json").write_bytes(encode(the_world().trust))

    def mirror(*more: str) -> Ended:
        own = ("--trust", tmp_path / "trust.json", "--once", "--patience", "0.1")
        return run("mirror", tmp_path / "copy", "--service", service[1], *own, *more)

    return mirror


@pytest.mark.parametrize("told", LIES, ids=[each.entry.name for each in LIES])
def test_a_lie_to_who_keeps_a_copy_is_an_alarm_in_words(
    mirror: Any, service: tuple[Served, str], tmp_path: Path, told: Told
) -> None:
    assert mirror(*told.more).status == 0
    told.tell(service[0])
    if told.more:
        assert mirror().status == 0, "without it nobody is the wiser"
    ended = mirror(*told.more)
    assert ended.status == 1
    told.entry.check_named(ended.err.replace("openseal: ALARM: ", ""))
    assert len(alarms(Folder(tmp_path / "copy"))) == 1
