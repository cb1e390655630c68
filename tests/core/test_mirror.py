"""The mirror: it copies what is right, goes on where it was, and shouts about each thing that is wrong."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids.receipts import commitment_entry
from crypto.encoding import encode, moment, parse_moment, sha256
from crypto.errors import SignatureError
from procurement.__main__ import main
from procurement.bulk.listing import DataPublished
from procurement.errors import FolderError
from procurement.watching import mirror
from procurement.watching.folder import Folder
from procurement.watching.line import AwayError
from procurement.watching.mirror import alarms
from procurement.watching.monitor import Monitor
from tests.builders import START, Life, World, a_bidder, a_notice, the_world
from tests.watched import Kept, Served, Watched, files_of, head_of, mirrored, mirroring

NIGHT = moment(START + timedelta(days=7))[:10]
DAY = date(2026, 3, 1)
FILE = f"/data/{DAY}/openseal-{DAY}.jsonl.gz"
RECORD = "/api/v1/tenders/ocds-0s3al1-t1/record"
MIB = 1024 * 1024


@cache
def a_log() -> Watched:
    """An award, covers revealed, and enough entries for full tiles."""
    watched = Watched()
    watched.cover(moment(START + timedelta(days=7)))
    life = watched.life(lambda: Life(notice=a_notice(the_world())))
    life.submit(a_bidder(the_world(), 1))
    life.to_award()
    watched.reveal(NIGHT)
    watched.publish("day", DAY, b"the day")
    watched.publish("all", DAY, b"all")
    watched.entries += fillers(298)
    return watched


def fillers(count: int, of: str = "") -> list[bytes]:
    return [commitment_entry(sha256(f"{of}{i}".encode())) for i in range(count)]


def served() -> Served:
    return Served(a_log().kept())


def longer(service: Served, count: int = 300) -> Kept:
    """The same log, grown."""
    kept = a_log().kept()
    kept.log += fillers(count, "more")
    service.publish(kept)
    return kept


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a copy but for what it remembers of when."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("mirror.json", "heads.jsonl")
    }


# ── an honest service ────────────────────────────────────────────────────────────────────────────────────


async def test_a_copy_has_the_log_and_all_that_it_names_and_the_monitor_reads_it(tmp_path: Path) -> None:
    service, kept = served(), a_log().kept()
    assert await mirrored(service, tmp_path) == []
    there = content(tmp_path)
    assert {path: there[path] for path in files_of(kept.log)} == files_of(kept.log)
    assert there["checkpoint"] == service.truth["/log/checkpoint"]
    assert there["records/ocds-0s3al1-t1.zip"] == kept.records["ocds-0s3al1-t1"]
    assert f"covers/{NIGHT}.json" in there
    lists = {f"/api/v1/data/{Path(path).stem}": there[path] for path in there if path.startswith("data/")}
    assert lists.items() <= kept.data.items()
    assert len(lists) == 2
    folder = Folder(tmp_path)
    assert [folder.statement(id) for id in kept.statements] == list(kept.statements.values())
    folder.check_entries()
    assert list(Monitor(folder).watch()) == []
    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o044 == 0o044, f"a web server reads {path}"


async def test_a_copy_grows_with_the_log_and_partial_tiles_give_way_to_full_ones(tmp_path: Path) -> None:
    service = served()
    await mirrored(service, tmp_path)
    kept = longer(service)
    assert await mirrored(service, tmp_path) == []
    own = {path: data for path, data in content(tmp_path).items() if path.startswith("tile/")}
    full = {path for path in files_of(kept.log) if ".p/" not in path}
    assert full <= set(own)
    assert not [path for path in own if ".p/" in path and path.split(".p/")[0] in full]
    assert Folder(tmp_path).head.size == len(kept.log)


async def test_heads_are_remembered_from_now_and_then_by_the_witnesses_clocks(tmp_path: Path) -> None:
    service, entries = served(), a_log().entries
    times = [START + timedelta(minutes=3 * each) for each in range(4)]
    async with mirroring(service.connected(), tmp_path, service.world.trust) as (mirror, told):
        for at, size in zip(times, (290, 295, 300, 316), strict=True):
            service.truth |= {f"/log/{path}": data for path, data in files_of(entries[:size]).items()}
            head = head_of(entries[:size], service.world.log, service.world.witness, at)
            service.truth["/log/checkpoint"] = head
            await mirror.follow()
    with (tmp_path / "heads.jsonl").open("ab") as file:
        file.write(b'\n"torn')
    assert told == []
    heads = list(Folder(tmp_path, service.world.trust).heads())
    assert heads == [(290, moment(times[0])), (300, moment(times[2]))]
    assert list(Folder(tmp_path).heads()) == [], "nobody's clock, where nobody is trusted"


async def test_what_is_here_is_not_asked_for_again(tmp_path: Path) -> None:
    service = served()
    await mirrored(service, tmp_path)
    service.asked = []
    assert await mirrored(service, tmp_path) == []
    assert set(service.asked) == {"/log/checkpoint", RECORD}


async def test_a_partial_tile_that_is_gone_is_taken_from_the_full_one(tmp_path: Path) -> None:
    service = served()
    before = service.truth["/log/checkpoint"]
    longer(service)
    gone = [each for each in service.truth if "/001.p/60" in each]
    assert {each.split("/")[3] for each in gone} == {"0", "entries"}
    service.lies = {"/log/checkpoint": before, **dict.fromkeys(gone, 404)}
    assert await mirrored(service, tmp_path) == []
    assert set(gone) <= {f"/log/{path}" for path in content(tmp_path)}


def test_a_copy_is_a_log_that_is_copied_again(tmp_path: Path) -> None:
    asyncio.run(mirrored(served(), tmp_path / "one"))
    with web(lambda path: tmp_path / "one" / path.lstrip("/")) as url:
        nobody = "http://127.0.0.1:9"
        assert run(*mirror_of(tmp_path / "two", nobody, "--log", url, "--patience", "0.1", "--once")) == 75
    one, two = content(tmp_path / "one"), content(tmp_path / "two")
    assert {path: data for path, data in one.items() if path.startswith(("tile/", "checkpoint"))} == two


async def test_an_absent_service_is_nobody_s_misconduct(tmp_path: Path) -> None:
    service = served()
    await mirrored(service, tmp_path)
    service.answer = lambda path: (0, b"")  # type: ignore[method-assign]
    with pytest.raises(AwayError):
        await mirrored(service, tmp_path)
    assert alarms(Folder(tmp_path)) == []


class Leaving(Served):
    """A service that is there for the log, and then not any more."""

    def answer(self, path: str) -> tuple[int, bytes]:
        status, body = super().answer(path)
        return (status, body) if "/log/" in path and len(self.asked) < 9 else (0, b"")


async def test_a_service_that_goes_away_in_the_middle_is_no_alarm_and_is_made_up_for(tmp_path: Path) -> None:
    with pytest.raises(AwayError):
        await mirrored(Leaving(a_log().kept()), tmp_path)
    assert alarms(Folder(tmp_path)) == []
    assert (tmp_path / "checkpoint").exists()
    assert await mirrored(served(), tmp_path) == []
    assert (tmp_path / "records/ocds-0s3al1-t1.zip").exists()


async def test_a_head_that_no_quorum_has_signed_is_waited_for(tmp_path: Path) -> None:
    service = served()
    service.lies["/log/checkpoint"] = head_of(a_log().entries, service.world.log, None)
    with pytest.raises(AwayError, match="not co-signed by enough witnesses"):
        await mirrored(service, tmp_path)

    async def sign() -> None:
        await asyncio.sleep(0)
        service.lies.clear()

    async with mirroring(service.connected(), tmp_path, service.world.trust, 30) as (mirror, told):
        _, followed = await asyncio.gather(sign(), mirror.follow())
    assert (followed, told) == (True, [])


async def test_a_log_that_is_always_ahead_of_its_witnesses_is_copied_as_far_as_they_are(
    tmp_path: Path,
) -> None:
    service, entries = served(), a_log().entries
    service.lies["/log/checkpoint"] = head_of(entries, service.world.log, None)
    for size in (290, 300):
        service.truth |= {f"/log/{path}": data for path, data in files_of(entries[:size]).items()}
        service.truth["/log/witnessed"] = head_of(entries[:size], service.world.log, service.world.witness)
        assert await mirrored(service, tmp_path) == []
        assert Folder(tmp_path).head.size == size
    with pytest.raises(AwayError, match="not co-signed by enough witnesses"):
        await mirrored(service, tmp_path)


# ── misconduct ───────────────────────────────────────────────────────────────────────────────────────────


async def caught(service: Served, folder: Path, code: str, *, files: bool = False) -> None:
    """The lie is an alarm once, its evidence lies there, the copy is as it was, and the alarm stands."""
    before = {path: data for path, data in content(folder).items() if not path.startswith("alarms/")}
    assert await mirrored(service, folder, files=files) == [code]
    assert await mirrored(service, folder, files=files) == [], "it is told once"
    [(place, kept)] = alarms(Folder(folder))
    assert kept.code == code
    assert kept.sentence.endswith(".")
    assert before.items() <= content(folder).items()
    assert any(path.is_file() for path in (folder / place).iterdir())
    service.lies = {}
    assert await mirrored(service, folder, files=files) == []
    assert alarms(Folder(folder)) == [(place, kept)], "it stands although all is well again"


async def test_another_root_at_the_same_size_is_a_fork_with_both_heads_as_evidence(tmp_path: Path) -> None:
    service = served()
    await mirrored(service, tmp_path)
    other = [*a_log().entries[:-1], *fillers(1, "other")]
    lie = head_of(other, service.world.log, service.world.witness)
    service.lies["/log/checkpoint"] = lie
    await caught(service, tmp_path, "forked")
    [(place, _)] = alarms(Folder(tmp_path))
    assert (tmp_path / place / "checkpoint.now").read_bytes() == lie
    assert (tmp_path / place / "checkpoint.before").read_bytes() == service.truth["/log/checkpoint"]


@pytest.mark.parametrize("witnessed", [True, False])
async def test_a_longer_log_that_does_not_extend_the_copy_is_a_fork(tmp_path: Path, witnessed: bool) -> None:
    service = served()
    await mirrored(service, tmp_path)
    other = [*a_log().entries[:100], *fillers(700, "other")]
    service.lies = {f"/log/{path}": data for path, data in files_of(other).items()}
    witness = service.world.witness if witnessed else None
    service.lies["/log/checkpoint"] = head_of(other, service.world.log, witness)
    await caught(service, tmp_path, "forked")


async def test_an_older_head_of_another_past_is_a_fork(tmp_path: Path) -> None:
    service = served()
    await mirrored(service, tmp_path)
    other = [*a_log().entries[:100], *fillers(20, "other")]
    service.lies["/log/checkpoint"] = head_of(other, service.world.log, service.world.witness)
    await caught(service, tmp_path, "forked")


async def test_a_log_that_shrank_is_noticed_and_one_that_only_lagged_is_not(tmp_path: Path) -> None:
    service = served()
    await mirrored(service, tmp_path)
    old = head_of(a_log().entries[:290], service.world.log, service.world.witness)
    service.lies["/log/checkpoint"] = old

    async def catch_up() -> None:
        await asyncio.sleep(0)
        service.lies.clear()

    async with mirroring(service.connected(), tmp_path, service.world.trust, 30) as (mirror, told):
        await asyncio.gather(catch_up(), mirror.follow())
    assert told == []
    service.lies["/log/checkpoint"] = old
    await caught(service, tmp_path, "shrunk")


async def test_another_key_is_noticed(tmp_path: Path) -> None:
    service = served()
    await mirrored(service, tmp_path)
    stranger = World("stranger")
    service.lies["/log/checkpoint"] = head_of(a_log().entries, stranger.log, service.world.witness)
    await caught(service, tmp_path, "log-key-changed")


async def test_a_head_that_is_none_is_noticed(tmp_path: Path) -> None:
    service = served()
    await mirrored(service, tmp_path)
    service.lies["/log/checkpoint"] = b"<!doctype html>"
    await caught(service, tmp_path, "head-unreadable")


async def test_a_wrong_co_signature_is_noticed(tmp_path: Path) -> None:
    service = served()
    await mirrored(service, tmp_path)
    right = service.truth["/log/checkpoint"].decode().split("\n")
    elsewhere = head_of(a_log().entries[:5], service.world.log, service.world.witness).decode().split("\n")
    service.lies["/log/checkpoint"] = "\n".join([*right[:5], elsewhere[5], ""]).encode()
    await caught(service, tmp_path, "cosignature-wrong")


@pytest.mark.parametrize("path", ["tile/0/000", "tile/entries/000", "tile/entries/001.p/"])
@pytest.mark.parametrize("lie", [404, 500, b"", "garbled"])
async def test_a_tile_or_entries_that_are_withheld_or_wrong_are_noticed(
    tmp_path: Path, path: str, lie: Any
) -> None:
    service = served()
    path = next(each for each in service.truth if each.startswith(f"/log/{path}"))
    truth = service.truth[path]
    garbled = truth[:40] + bytes([truth[40] ^ 1]) + truth[41:]
    service.lies[path] = garbled if lie == "garbled" else lie
    wrong = "wrong-entries" if "entries" in path else "wrong-tile"
    [code] = await mirrored(service, tmp_path)
    assert code == ("withheld" if isinstance(lie, int) else wrong)
    assert not (tmp_path / "checkpoint").exists(), "the head comes last"
    service.lies = {}
    assert await mirrored(service, tmp_path) == []
    Folder(tmp_path).check_entries()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_gate_that_is_full_is_nobody_s_misconduct(tmp_path: Path, status: int) -> None:
    """Any stranger fills it: for a tile, for what the log names, and for a record that is looked at again."""
    service, [life] = served(), a_log().lives
    tile = next(each for each in service.truth if each.startswith("/log/tile/entries/"))
    notice = f"/api/v1/tenders/ocds-0s3al1-t1/statements/{life.notice_id}"
    for path in (tile, notice, RECORD):
        service.lies = {path: status}
        with pytest.raises(AwayError):
            await mirrored(service, tmp_path)
    service.lies = {}
    assert await mirrored(service, tmp_path) == []
    service.lies = {RECORD: status}
    with pytest.raises(AwayError):
        await mirrored(service, tmp_path)
    assert alarms(Folder(tmp_path)) == []


async def test_what_is_withheld_behind_a_gate_that_is_full_is_noticed(tmp_path: Path) -> None:
    service, [life] = served(), a_log().lives
    notice = f"/api/v1/tenders/ocds-0s3al1-t1/statements/{life.notice_id}"
    service.lies = {notice: 503, RECORD: 404}
    with pytest.raises(AwayError):
        await mirrored(service, tmp_path)
    assert [kept.code for _, kept in alarms(Folder(tmp_path))] == ["withheld"]


async def test_a_record_that_is_still_being_made_is_waited_for_until_it_is_overdue(tmp_path: Path) -> None:
    service, log = served(), a_log()
    service.problems[RECORD] = "not-yet"
    awarded = parse_moment(msgspec.json.decode(log.entries[log.lives[0].history[-1]])["time"])

    def seen(at: datetime) -> None:
        head = head_of(log.entries, service.world.log, service.world.witness, at)
        service.truth["/log/checkpoint"] = head

    for hours in (1, 5):
        seen(awarded + timedelta(hours=hours))
        assert await mirrored(service, tmp_path, 60) == [], "and nobody asks for it all the time"
    monitor = Monitor(Folder(tmp_path))
    assert (list(monitor.watch()), monitor.summary.lacking) == ([], ["ocds-0s3al1-t1"])
    seen(awarded + timedelta(hours=7))
    assert await mirrored(service, tmp_path) == ["withheld"]
    service.problems = {}
    assert await mirrored(service, tmp_path) == []
    assert (tmp_path / "records/ocds-0s3al1-t1.zip").exists()


@pytest.mark.parametrize("what", ["notice", "closing", "covers", "record"])
@pytest.mark.parametrize("lie", [404, b"{}"])
async def test_a_statement_or_record_that_the_log_names_and_nobody_gives_is_noticed(
    tmp_path: Path, what: str, lie: Any
) -> None:
    service, [life] = served(), a_log().lives
    path = {
        "notice": f"/api/v1/tenders/ocds-0s3al1-t1/statements/{life.notice_id}",
        "closing": f"/api/v1/tenders/ocds-0s3al1-t1/statements/{life.closing_id}",
        "covers": "/api/v1/covers",
        "record": RECORD,
    }[what]
    service.lies[path] = lie
    codes = {"covers": "wrong-bytes", "record": "record-refused"}
    [code] = await mirrored(service, tmp_path)
    assert code == ("withheld" if lie == 404 else codes.get(what, "statement-wrong"))
    service.lies = {}
    assert await mirrored(service, tmp_path) == []
    assert list(Monitor(Folder(tmp_path)).watch()) == [], "what was lacking has come"


@pytest.mark.parametrize("lie", [404, b"{}"])
async def test_a_list_that_the_log_names_and_nobody_gives_is_noticed(tmp_path: Path, lie: Any) -> None:
    service = served()
    path = next(each for each in service.truth if each.startswith("/api/v1/data/"))
    service.lies[path] = lie
    await caught(service, tmp_path, "withheld" if lie == 404 else "list-differs")
    assert len(list(tmp_path.glob("data/*.json"))) == 2, "what was lacking has come"


@pytest.mark.parametrize("lie", [404, 410, b"The day", b"the day "])
async def test_a_published_file_that_is_withheld_or_another_one_is_noticed(tmp_path: Path, lie: Any) -> None:
    service = served()
    service.lies[FILE] = lie
    await caught(service, tmp_path, "withheld" if isinstance(lie, int) else "file-differs")


async def test_a_list_that_is_none_is_noticed(tmp_path: Path) -> None:
    watched = Watched()
    watched.entries.append(encode(DataPublished(sha256=sha256(b"[]").hex())))
    service = Served(watched.kept())
    service.truth[f"/api/v1/data/{sha256(b'[]').hex()}"] = b"[]"
    assert await mirrored(service, tmp_path) == ["list-unreadable"]


async def test_published_files_are_kept_where_somebody_wants_them(tmp_path: Path) -> None:
    service, [day, all_] = served(), [Path(each).stem for each in a_log().data if "/api/" in each]
    assert await mirrored(service, tmp_path) == []
    assert not list(tmp_path.glob("data/*/*"))
    assert await mirrored(service, tmp_path, files=True) == [], "those of lists that are here already, too"
    assert (tmp_path / f"data/{day}/openseal-{DAY}.jsonl.gz").read_bytes() == b"the day"
    assert (tmp_path / f"data/{all_}/openseal-all-{DAY}.jsonl.gz").read_bytes() == b"all"
    service.asked = []
    assert await mirrored(service, tmp_path, files=True) == []
    assert FILE not in service.asked
    assert list(Monitor(Folder(tmp_path)).watch()) == []


@pytest.mark.parametrize("lie", [404, b"The day", b"the day ", b"the", b""])
async def test_a_file_that_is_withheld_or_has_other_bytes_under_its_etag_is_noticed_by_whoever_keeps_it(
    tmp_path: Path, lie: Any
) -> None:
    service = served()
    service.lies[FILE], service.tags[FILE] = lie, sha256(b"the day").hex()
    await caught(service, tmp_path, "withheld" if lie == 404 else "file-differs", files=True)
    [(place, _)] = alarms(Folder(tmp_path))
    assert lie == 404 or (tmp_path / place / "file").read_bytes() == lie
    assert len(list(tmp_path.glob("data/*/*"))) == 2, "what was lacking has come"
    assert not list(tmp_path.glob("data/*/.*"))


async def test_a_file_goes_on_where_the_line_broke(tmp_path: Path) -> None:
    service = served()
    service.breaks[FILE] = 3
    with pytest.raises(AwayError, match="is on its way: 3 of 7 bytes are here"):
        await mirrored(service, tmp_path, files=True)
    service.ranges = []
    assert await mirrored(service, tmp_path, files=True) == []
    assert service.ranges == ["bytes=0-0", "bytes=3-"], "the record's ETag, and the rest of it"
    service.breaks[FILE] = 3
    with TemporaryDirectory() as folder:
        assert await mirrored(service, Path(folder), patience=30, files=True) == []


async def test_what_was_here_of_another_file_is_put_away_and_accuses_nobody(tmp_path: Path) -> None:
    service = served()
    service.breaks[FILE] = 3
    with pytest.raises(AwayError):
        await mirrored(service, tmp_path, files=True)
    [part] = tmp_path.glob("data/*/.*.part")
    part.write_bytes(b"THE")
    with pytest.raises(AwayError, match="is another file than what was here of it"):
        await mirrored(service, tmp_path, files=True)
    part.write_bytes(b"another file, whole")
    assert await mirrored(service, tmp_path, files=True) == []
    part.write_bytes(b"the")
    (part.parent / f"openseal-{DAY}.jsonl.gz").unlink()
    service.tags[FILE], service.ranges = "another", []
    assert await mirrored(service, tmp_path, files=True) == [], "it came as a whole, by If-Range"


async def test_files_of_all_that_newer_ones_take_the_place_of_go_and_were_never_missed(
    tmp_path: Path,
) -> None:
    watched = Watched()
    for number in range(4):
        watched.publish("all", DAY + timedelta(days=number), b"all %d" % number)
        if number == 1:
            service = Served(watched.kept())
            assert await mirrored(service, tmp_path, files=True) == []
    service.publish(watched.kept())
    old, new = list(watched.data)[1:4:2], list(watched.data)[5:8:2]
    service.lies = dict.fromkeys(old, 410)
    assert await mirrored(service, tmp_path, files=True) == []
    kept = sorted(path.name for path in tmp_path.glob("data/*/*"))
    assert kept == sorted(Path(path).name for path in new)


@pytest.mark.parametrize("names", [[".."], [".hidden"], ["a/b"], ["twice", "twice"]])
async def test_a_list_whose_files_could_not_lie_side_by_side_is_none(
    tmp_path: Path, names: list[str]
) -> None:
    watched = Watched()
    files = [{"name": each, "sha256": "0" * 64, "size": 1} for each in names]
    data = encode({"format": "openseal/data/v1", "period": "2026-03-01", "files": files})
    watched.entries.append(encode(DataPublished(sha256=sha256(data).hex())))
    service = Served(watched.kept())
    service.truth[f"/api/v1/data/{sha256(data).hex()}"] = data
    assert await mirrored(service, tmp_path, files=True) == ["list-unreadable"]


async def test_superseded_files_of_all_may_be_gone(tmp_path: Path) -> None:
    watched, files = Watched(), []
    for number in range(4):
        watched.publish("all", DAY + timedelta(days=number), b"all")
        files.append(list(watched.data)[-1])
    service = Served(watched.kept())
    service.lies = dict.fromkeys(files[:2], 410)
    assert await mirrored(service, tmp_path) == []
    assert set(files) & set(service.asked) == set(files[2:])
    assert len(list(tmp_path.glob("data/*.json"))) == 4, "their lists stay"


async def test_the_newest_file_of_all_is_waited_for_where_it_is_said_to_be_superseded(tmp_path: Path) -> None:
    service = served()
    newest = f"/data/all-{DAY}/openseal-all-{DAY}.jsonl.gz"
    service.lies[newest] = 410
    with pytest.raises(AwayError, match="no newer one yet"):
        await mirrored(service, tmp_path)
    kept = a_log().kept()
    more = Watched()
    more.publish("day", DAY + timedelta(days=1))
    kept.log, kept.data = kept.log + more.entries, more.data
    service.publish(kept)
    with pytest.raises(AwayError, match="no newer one yet"):
        await mirrored(service, tmp_path)
    service.asked = []
    with pytest.raises(AwayError, match="no newer one yet"):
        await mirrored(service, tmp_path)
    assert list(more.data)[-1] in service.asked, "others have their turn"
    service.lies = {newest: 404}
    assert await mirrored(service, tmp_path) == ["withheld"]


async def test_a_record_that_is_refused_is_noticed(tmp_path: Path) -> None:
    service = served()
    watched = Watched()
    life = watched.life(lambda: Life(notice=a_notice(the_world())))
    life.submit(a_bidder(the_world(), 1))
    life.close()
    life.open("bid")
    life.evaluate()
    life.award(standstill=timedelta(0))
    service.lies[RECORD] = watched.kept().records["ocds-0s3al1-t1"]
    assert await mirrored(service, tmp_path) == ["record-refused"]
    [(_, kept)] = alarms(Folder(tmp_path))
    assert "step 12, award after standstill" in kept.sentence


async def test_a_record_that_changes_is_noticed(tmp_path: Path) -> None:
    service = served()
    await mirrored(service, tmp_path)
    service.lies[RECORD] = service.truth[RECORD] + b"\n"
    await caught(service, tmp_path, "record-changed")


async def test_records_pass_memory_by_on_their_way_and_as_evidence(tmp_path: Path) -> None:
    service = served()
    await mirrored(service, tmp_path)
    large = service.truth[RECORD] * (64 * MIB // len(service.truth[RECORD]))
    service.lies[RECORD] = large
    with web(service.answer) as url:
        tracemalloc.start()
        async with mirroring(httpx.AsyncClient(base_url=url), tmp_path, service.world.trust) as (
            mirror,
            told,
        ):
            await mirror.follow()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert [alarm.code for alarm in told] == ["record-changed"]
    assert peak < 16 * MIB
    [(place, _)] = alarms(Folder(tmp_path))
    assert (tmp_path / place / "record.now.zip").read_bytes() == large
    assert (tmp_path / place / "record.before.zip").read_bytes() == service.truth[RECORD]
    service.lies = {}
    assert await mirrored(service, tmp_path) == []
    assert list(tmp_path.glob("records/.*")) == []


async def test_records_are_looked_at_again_by_their_etags_and_one_as_a_whole(tmp_path: Path) -> None:
    watched = Watched()
    for number in (1, 2, 3):
        ocid = f"ocds-0s3al1-t{number}"
        life = watched.life(lambda ocid=ocid: Life(notice=a_notice(the_world(), tender=ocid)))  # type: ignore[misc]
        life.submit(a_bidder(the_world(), 1))
        life.to_award()
    service = Served(watched.kept())
    await mirrored(service, tmp_path)
    paths = {path for path in service.truth if path.endswith("/record")}
    service.asked, service.whole = [], []
    assert await mirrored(service, tmp_path) == []
    assert paths <= set(service.asked)
    assert len([each for each in service.whole if each in paths]) == 1
    for path in sorted(paths):
        service.lies, service.whole = {path: service.truth[path] + b"\n"}, []
        assert await mirrored(service, tmp_path) == ["record-changed"]
        assert [each for each in service.whole if each in paths] == [path]


@settings(max_examples=12)
@given(st.data())
def test_no_answer_stops_the_mirror_or_gets_into_the_copy(data: st.DataObject) -> None:
    service = served()
    path = data.draw(st.sampled_from(sorted(service.truth)))
    truth = service.truth[path]
    cut = data.draw(st.integers(0, len(truth)))
    changed = truth[:cut] + data.draw(st.binary(max_size=3)) + truth[cut + 1 :]
    answers: list[bytes | int] = [changed, truth[:cut], b"[]", b"\xff", 500, 302]
    service.lies[path] = data.draw(st.sampled_from(answers))
    with TemporaryDirectory() as folder:
        with suppress(AwayError):
            asyncio.run(mirrored(service, Path(folder)))
        service.lies = {}
        asyncio.run(mirrored(service, Path(folder)))
        assert list(Monitor(Folder(Path(folder))).watch()) == []


async def test_a_folder_of_another_log_is_not_taken_over(tmp_path: Path) -> None:
    await mirrored(served(), tmp_path)
    world = World("stranger")
    with pytest.raises(SignatureError, match="not signed by the log"):
        await mirrored(Served(Kept(fillers(3)), world), tmp_path)
    (tmp_path / "mirror.json").write_bytes(b"?")
    with pytest.raises(FolderError):
        await mirrored(served(), tmp_path)


# ── the commands ─────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def web(answer: Any) -> Iterator[str]:
    """A web server: `answer` gives a file, or status and body, for a path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answer(self.path)
            if isinstance(found, Path):
                found = (200, found.read_bytes()) if found.is_file() else (404, b"")
            self.send_response(found[0])
            self.send_header("Content-Length", str(len(found[1])))
            self.send_header("ETag", f'"{sha256(found[1]).hex()}"')
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked was killed
                self.wfile.write(found[1])

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def mirror_of(folder: Path, url: str, *more: str) -> list[str]:
    """A command line."""
    return ["mirror", str(folder), "--service", url, "--trust", str(trust_beside(folder)), *more]


def trust_beside(folder: Path) -> Path:
    path = folder.parent / "trust.json"
    path.write_bytes(encode(the_world().trust))
    return path


def run(*line: str) -> int:
    """The exit status of a command line."""
    with pytest.raises(SystemExit) as ended:
        main(line)
    return int(ended.value.code or 0)


def process(*line: str, said: Path) -> "subprocess.Popen[bytes]":
    """A command line in a process of its own, its standard error in a file."""
    with said.open("wb") as file:
        return subprocess.Popen([sys.executable, "-m", "procurement", *line], stderr=file)


class Ending(Served):
    """A service in the middle of whose answers the mirror dies: at that request."""

    def __init__(self, kept: Kept, at: int) -> None:
        super().__init__(kept)
        self.at = at

    def answer(self, path: str) -> tuple[int, bytes]:
        if len(self.asked) >= self.at:
            raise KeyError(path)
        return super().answer(path)


async def test_a_mirror_that_ends_at_any_request_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the monitor, at any moment, holds nothing against anybody that is only not fetched yet."""
    monkeypatch.setattr(mirror, "SOME", 16)
    looked = set()
    kept = a_log().kept()
    kept.log += fillers(2000, "more")
    service = Served(kept)
    await mirrored(service, tmp_path / "whole")
    for stop in range(len(service.asked)):
        with suppress(KeyError):  # where little was left to ask for, it comes to its end
            await mirrored(Ending(kept, stop), tmp_path / "copy")
        if (tmp_path / "copy/checkpoint").exists():
            monitor = Monitor(Folder(tmp_path / "copy"))
            assert list(monitor.watch()) == []
            looked.add(monitor.summary.entries)
    assert {0, len(kept.log)} < looked
    assert await mirrored(service, tmp_path / "copy") == []
    assert content(tmp_path / "copy") == content(tmp_path / "whole")


def test_a_mirror_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    kept = a_log().kept()
    kept.log += fillers(2000, "more")
    service, reached, went_on = Served(kept), threading.Event(), threading.Event()

    def answer(path: str) -> tuple[int, bytes]:
        if list((tmp_path / "copy").glob("tile/entries/*")):
            reached.set()
            went_on.wait()
        return service.answer(path)

    with web(answer) as url:
        mirror = process(*mirror_of(tmp_path / "copy", url), said=tmp_path / "said")
        assert reached.wait(60)
        mirror.send_signal(signal.SIGKILL)
        mirror.wait()
        went_on.set()
    assert not (tmp_path / "copy/checkpoint").exists()
    assert asyncio.run(mirrored(service, tmp_path / "copy")) == []
    assert asyncio.run(mirrored(service, tmp_path / "whole")) == []
    assert content(tmp_path / "copy") == content(tmp_path / "whole")


def test_an_alarm_is_an_exit_status_until_somebody_takes_it_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = served()
    with web(service.answer) as url:
        line = mirror_of(tmp_path / "copy", url, "--once", "--patience", "0.1")
        assert run(*line) == 0
        other = fillers(500)
        service.lies = {f"/log/{path}": data for path, data in files_of(other).items()}
        service.lies["/log/checkpoint"] = head_of(other, service.world.log, service.world.witness)
        assert run(*line) == 1
        assert "ALARM: The log forked" in capsys.readouterr().err
        service.lies = {}
        assert run(*line) == 1
        assert "ALARM since" in capsys.readouterr().err
        [(place, _)] = alarms(Folder(tmp_path / "copy"))
        (tmp_path / "copy" / place).rename(tmp_path / "evidence")
        assert run(*line) == 0
    assert capsys.readouterr().err == ""


def test_a_mirror_keeps_up_until_it_is_broken_off_and_survives_an_outage(tmp_path: Path) -> None:
    service = served()
    away, seen = threading.Event(), threading.Event()

    def answer(path: str) -> tuple[int, bytes]:
        if away.is_set():
            seen.set()
            return 503, b""
        return service.answer(path)

    with web(answer) as url:
        line = mirror_of(tmp_path / "copy", url, "--every", "0.05", "--patience", "0.1")
        mirror = process(*line, said=tmp_path / "said")
        until_size(tmp_path / "copy", len(a_log().entries))
        away.set()
        assert seen.wait(60)
        kept = longer(service)
        away.clear()
        until_size(tmp_path / "copy", len(kept.log))
        mirror.send_signal(signal.SIGINT)
        assert mirror.wait(60) == 130
    assert b"ALARM" not in (tmp_path / "said").read_bytes()


def until_size(folder: Path, size: int) -> None:
    """Wait until the copy is so long."""
    for _ in range(1200):
        note = Folder(folder).note()
        if note and int(note.split("\n")[1]) == size:
            return
        threading.Event().wait(0.05)
    raise AssertionError("the copy did not grow")


def test_commands_that_make_no_sense_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*mirror_of(tmp_path / "copy", "ftp://example.org", "--once")) == 2
    assert "no address" in capsys.readouterr().err
    assert run("monitor", str(tmp_path)) == 2
    assert "not a copy of a log" in capsys.readouterr().err


def test_the_monitor_command_tells_what_it_finds_and_refuses_what_is_no_copy(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    copy = tmp_path / "copy"
    asyncio.run(mirrored(served(), copy))
    assert run("monitor", str(copy), "--trust", str(trust_beside(copy)), "--json") == 0
    report = msgspec.json.decode(capsysbinary.readouterr().out)
    assert (report["findings"], report["summary"]["awarded"]) == ([], 1)
    assert report["copied"] == report["summary"]["entries"] == len(a_log().entries)
    memory = msgspec.json.decode((copy / "mirror.json").read_bytes())
    record = ["record", "ocds-0s3al1-t1", "ocds-0s3al1-t1", ""]
    (copy / "mirror.json").write_bytes(msgspec.json.encode(memory | {"named": 40, "lacking": [record]}))
    (copy / "records/ocds-0s3al1-t1.zip").rename(tmp_path / "record")
    assert run("monitor", str(copy), "--trust", str(trust_beside(copy))) == 0
    told = capsysbinary.readouterr().out.decode()
    assert f"looked at the first 40 of {len(a_log().entries)} entries" in told
    assert "1 lacking of what these name, such as ocds-0s3al1-t1" in told
    (copy / "mirror.json").write_bytes(msgspec.json.encode(memory))
    (tmp_path / "record").rename(copy / "records/ocds-0s3al1-t1.zip")
    (copy / "records/ocds-0s3al1-t1.zip").unlink()
    assert run("monitor", str(copy)) == 1
    told = capsysbinary.readouterr().out.decode()
    assert "record-missing" in told
    assert "1 findings" in told
    (tmp_path / "trust.json").write_bytes(encode(World("stranger").trust))
    assert run("monitor", str(copy), "--trust", str(tmp_path / "trust.json")) == 2
    os.truncate(copy / "tile/entries/000", 100)
    assert run("monitor", str(copy)) == 2
