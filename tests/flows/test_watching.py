"""A running service is mirrored and monitored, and what it might do to its watchers is noticed.

The lies are told by a proxy in front of the genuine service, with its genuine keys where they need them."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from crypto.checkpoint import Checkpoint, sign_checkpoint
from crypto.encoding import sha256
from procurement.authorities import log_key
from procurement.watching.folder import Folder
from procurement.watching.line import Line
from procurement.watching.mirror import alarms
from procurement.watching.monitor import Monitor
from procurement.watching.site import compare
from procurement.web.look import MANIFEST, NAMES, RELEASED
from tests.builders import a_lot
from tests.flows.people import Town
from tests.watched import Proxy, files_of, head_of, mirroring


class Copied(NamedTuple):
    """A copy that was kept up while a tender lived, from its notice to its award."""

    town: Town
    folder: Path
    ocid: str
    record: bytes


@pytest.fixture(scope="module")
async def copied(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Copied:
    folder = tmp_path_factory.mktemp("mirror") / "copy"
    async with kept_up(town, folder):
        tender = await town.publish(a_lot())
        bidder = await town.bidder("Bidder One")
        first = await tender.bid(bidder, "950000")
        await tender.bid(bidder, "940000", previous=first)
        await tender.deadline()
        await tender.close()
        record = await tender.awarded()
    assert await look(Proxy(town.http), town, folder) == []
    return Copied(town, folder, tender.ocid, record)


@asynccontextmanager
async def kept_up(town: Town, folder: Path) -> AsyncIterator[None]:
    """A mirror at work all the time."""

    async def follow() -> None:
        async with mirroring(Proxy(town.http).connected(), folder, town.trust, 60) as (mirror, told):
            while not told:
                await mirror.follow()
                await asyncio.sleep(0.1)
        raise AssertionError(told)

    task = asyncio.create_task(follow())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def look(proxy: Proxy, town: Town, folder: Path, patience: float = 60) -> list[str]:
    """The alarms of one look through that proxy."""
    async with mirroring(proxy.connected(), folder, town.trust, patience) as (mirror, told):
        await mirror.follow()
    return [alarm.code for alarm in told]


@pytest.fixture
def folder(copied: Copied, tmp_path: Path) -> Path:
    """A copy of the copy, to be lied to."""
    return Path(shutil.copytree(copied.folder, tmp_path / "copy"))


async def test_a_copy_that_was_kept_up_is_whole_and_the_monitor_finds_nothing(copied: Copied) -> None:
    folder = Folder(copied.folder)
    folder.check_entries()
    entries = await copied.town.verify_log()
    assert list(folder.entries()) == entries[: folder.head.size]
    assert folder.record(copied.ocid) == copied.record
    monitor = Monitor(Folder(copied.folder, copied.town.trust))
    assert list(monitor.watch()) == []
    told = monitor.summary
    assert (told.awarded, told.revealed, told.unknown) == (1, 2, {})
    assert [each.manifest for each in monitor.released] == [RELEASED.manifest]
    assert monitor.newest == copied.ocid


async def test_the_newest_witnessed_head_is_one_that_the_quorum_has_signed(copied: Copied) -> None:
    answer = await copied.town.http.get("/log/witnessed")
    assert copied.town.trust.verify_head(answer.text).size >= Folder(copied.folder).head.size
    assert (await copied.town.http.get("/api/v1/covers")).json() == []


async def test_a_fork_that_the_log_s_own_key_signed_is_noticed(copied: Copied, folder: Path) -> None:
    proxy, key = Proxy(copied.town.http), log_key(copied.town.house.keys)
    own = list(Folder(folder).entries())
    other = [*own[:-1], b"other"]
    proxy.lies["/log/checkpoint"] = head_of(other, key, None)
    assert await look(proxy, copied.town, folder) == ["forked"]
    longer = [*own[:-1], *(b"other%d" % i for i in range(40))]
    proxy.lies = {f"/log/{path}": data for path, data in files_of(longer).items()}
    proxy.lies["/log/checkpoint"] = head_of(longer, key, None)
    assert await look(proxy, copied.town, folder) == ["forked"]
    assert [each.code for _, each in alarms(Folder(folder))] == ["forked", "forked"]
    assert list(Folder(folder).entries()) == own
    assert await look(Proxy(copied.town.http), copied.town, folder) == []


async def test_a_log_that_shrank_is_noticed(copied: Copied, folder: Path) -> None:
    copy, key = Folder(folder), log_key(copied.town.house.keys)
    size = copy.head.size - 1
    older = Checkpoint(origin=copy.head.origin, size=size, root=copy.root_at(size))
    proxy = Proxy(copied.town.http)
    proxy.lies["/log/checkpoint"] = sign_checkpoint(older, key).encode()
    assert await look(proxy, copied.town, folder, 0) == ["shrunk"]


@pytest.mark.parametrize("what", ["tile", "entries", "statement", "record"])
async def test_what_is_withheld_from_one_watcher_is_noticed_and_made_up_for(
    copied: Copied, tmp_path: Path, what: str
) -> None:
    proxy, folder = Proxy(copied.town.http), Folder(copied.folder)
    head = folder.note() or ""
    newest = next(path for path in files_of(list(folder.entries())) if path.startswith("tile/0/"))
    statement = next(copied.folder.glob("statements/*.json")).stem
    path = {
        "tile": f"/log/{newest}",
        "entries": f"/log/{newest.replace('/0/', '/entries/')}",
        "statement": f"/api/v1/tenders/{copied.ocid}/statements/{statement}",
        "record": f"/api/v1/tenders/{copied.ocid}/record",
    }[what]
    proxy.lies = {"/log/checkpoint": head.encode(), path: 404}
    if what in ("tile", "entries"):
        proxy.lies[path.split(".p/")[0]] = 404
    assert await look(proxy, copied.town, tmp_path / "copy", 0) == ["withheld"]
    assert await look(Proxy(copied.town.http), copied.town, tmp_path / "copy") == []
    assert list(Monitor(Folder(tmp_path / "copy")).watch()) == []


async def test_a_record_that_is_another_one_later_is_noticed(copied: Copied, folder: Path) -> None:
    proxy = Proxy(copied.town.http)
    proxy.lies[f"/api/v1/tenders/{copied.ocid}/record"] = copied.record[:-1] + b"?"
    assert await look(proxy, copied.town, folder, 0) == ["record-changed"]
    [(place, _)] = alarms(Folder(folder))
    assert (folder / place / "record.before.zip").read_bytes() == copied.record


# ── what the pages load ──────────────────────────────────────────────────────────────────────────────────


async def pages(copied: Copied, proxy: Proxy) -> list[str]:
    monitor = Monitor(Folder(copied.folder))
    assert list(monitor.watch()) == []
    async with proxy.connected() as http:
        return [each.code for each in await compare(Line(http), monitor.released, monitor.newest)]


async def test_pages_load_what_the_log_says(copied: Copied) -> None:
    assert await pages(copied, Proxy(copied.town.http)) == []


async def test_scripts_for_one_visitor_are_noticed(copied: Copied) -> None:
    proxy = Proxy(copied.town.http)
    proxy.lies[f"/assets/{NAMES['bid.js']}"] = b"steal()"
    assert await pages(copied, proxy) == ["client-differs"]
    proxy.lies["/assets/manifest.json"] = MANIFEST.replace(
        sha256((await copied.town.http.get(f"/assets/{NAMES['bid.js']}")).content).hex().encode(),
        sha256(b"steal()").hex().encode(),
    )
    assert await pages(copied, proxy) == ["client-unlogged"]


@pytest.mark.parametrize("more", ['<script src="/assets/other.js"></script>', "<script>steal()</script>"])
async def test_a_page_that_runs_what_is_on_no_list_is_noticed(copied: Copied, more: str) -> None:
    proxy, path = Proxy(copied.town.http), f"/tenders/{copied.ocid}/bid"
    page: httpx.Response = await copied.town.http.get(path)
    proxy.lies[path] = page.text.replace("</head>", f"{more}</head>").encode()
    assert await pages(copied, proxy) == ["client-foreign"]
