"""The timeline while it is looked at: what happens is told at once, from where the line was cut on, and
nothing of bids."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn
from litestar import Litestar

from crypto.encoding import moment, parse_moment
from procurement import store
from procurement.service import Server
from procurement.web import live
from procurement.web.connection import Connection
from procurement.web.gate import READERS
from procurement.web.live import PAUSE, RETRY, Live
from tests.builders import a_lot
from tests.flows.people import Town, until

A_WHILE = 3 * PAUSE
"""Seconds in which it would be told if something had happened."""


class Told(NamedTuple):
    """An event as a browser gets it."""

    name: str
    data: str
    id: str


class Watcher:
    """Somebody's open line."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status, self.headers = answer.status_code, answer.headers
        self._lines = answer.aiter_lines()
        self.retry = 0

    async def told(self, name: str = "timeline", within: float = 60) -> Told:
        """The next event of that name."""
        async with asyncio.timeout(within):
            while True:
                event = await self._next()
                if event.name == name:
                    return event

    async def _next(self) -> Told:
        name, id, data = "", "", []
        async for line in self._lines:
            field, _, value = line.partition(": ")
            if field == "retry":
                self.retry = int(value)
            elif field == "data":
                data.append(value)
            elif field == "event":
                name = value
            elif field == "id":
                id = value
            elif name:
                return Told(name, "\n".join(data), id)
        raise EOFError

    async def rest(self, seconds: float) -> list[Told]:
        """Whatever else is told in that time."""
        found: list[Told] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    found.append(await self._next())
        return found


class Site(NamedTuple):
    """The service's application behind a real server, on one process, and its lines."""

    url: str
    server: Server
    live: Live
    http: httpx.AsyncClient

    @asynccontextmanager
    async def watch(self, ocid: str, after: str = "", **headers: str) -> AsyncIterator[Watcher]:
        address = f"{self.url}/tenders/{ocid}/events?after={after}"
        async with self.http.stream("GET", address, headers=headers) as answer:
            yield Watcher(answer)


class Unsignalled(Server):
    """The service's, in a process whose signals are not for it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def on(app: Litestar) -> AsyncIterator[Site]:
    """A real server in this loop, as the service has it."""
    watching: Live = app.dependencies["live"].dependency()  # type: ignore[union-attr]  # it is provided
    config = uvicorn.Config(
        app, port=0, http=Connection, lifespan="off", log_level="error", timeout_graceful_shutdown=30
    )
    server = Unsignalled(config, watching.end)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(60):
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None)) as http:
        yield Site(url, server, watching, http)
        server.should_exit = True
        await serving
    watching.ended = False


@pytest.fixture(scope="module")
async def site(town: Town) -> AsyncIterator[Site]:
    async with on(application(town)) as site:
        yield site


def application(town: Town) -> Litestar:
    """That behind the town's line."""
    app: Any = town.http._transport.app  # type: ignore[attr-defined]  # httpx keeps it there
    assert isinstance(app, Litestar)
    return app


def still(event: Told) -> Told:
    """Without how long it is till the deadline."""
    return event._replace(data=re.sub(r"(data-until=[^>]*>)[^<]*", r"\1", event.data))


async def test_what_happens_is_told_to_whoever_watches_with_who_signed_it(town: Town, site: Site) -> None:
    tender = await town.publish(a_lot(), lead=600)
    async with site.watch(tender.ocid) as watcher:
        assert watcher.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "no-store" in watcher.headers["cache-control"]
        first = await watcher.told()
        assert watcher.retry == RETRY
        assert "Tender published" in first.data
        assert "Terms amended" not in first.data
        await tender.amend(description="Of oak.")
        second = await watcher.told()
        while "Terms amended" not in second.data:  # the countersignature may be seen before
            second = await watcher.told()
        assert "Officer Kim" in second.data
        assert second.id.split(".")[0] == str(len(await tender.happened()) - 1)
        assert second.id != first.id


async def test_a_line_that_was_cut_goes_on_where_it_was(town: Town, site: Site) -> None:
    tender = await town.publish(a_lot(), lead=600)
    async with site.watch(tender.ocid) as watcher:
        seen = (await watcher.told()).id
    async with site.watch(tender.ocid, after=seen) as watcher:
        assert {each.name for each in await watcher.rest(A_WHILE)} == {"clock"}
    await tender.amend(description="Of oak.")
    headers = {"Last-Event-ID": seen}
    async with site.watch(tender.ocid, after="99.99", **headers) as watcher:
        assert "Terms amended" in (await watcher.told()).data


@pytest.mark.parametrize("seen", ["", "x", "1e9", "-1.-1", "0" * 5000, "1.1\u00e9"], ids=len)
async def test_whoever_says_nonsense_of_what_was_seen_is_shown_all(town: Town, site: Site, seen: str) -> None:
    tender = await town.publish(a_lot(), lead=600)
    async with site.watch(tender.ocid, after=seen) as watcher:
        assert "Tender published" in (await watcher.told()).data


async def test_the_time_is_the_services_and_is_told_first(town: Town, site: Site) -> None:
    tender = await town.publish(a_lot(), lead=600)
    before = moment(site.live.now())
    async with site.watch(tender.ocid) as watcher:
        event = await watcher._next()
    assert event.name == "clock"
    assert before <= event.data <= moment(site.live.now())
    assert not event.id


async def test_a_bid_wakes_nobody(town: Town, site: Site) -> None:
    tender = await town.publish(a_lot(), lead=600)
    bidder = await town.bidder("Hanbit & Sons")
    async with site.watch(tender.ocid) as watcher:
        seen = await watcher.told()
        envelope = await tender.bid(bidder, "1000")
        assert await watcher.rest(A_WHILE) == []
    async with site.watch(tender.ocid) as watcher:
        again = await watcher.told()
        assert still(again) == still(seen), "nothing at all is other than before the bid"
        telling = ("Hanbit", bidder.fingerprint, envelope, bidder.certificate.registration)
        assert not [each for each in telling if each in again.data]
        await tender.amend(description="Of oak.")
        assert await watcher.told(), "the line was not dead"


async def test_a_deadline_is_told_although_nothing_is_logged_then(town: Town, site: Site) -> None:
    tender = await town.publish(
        a_lot(), lead=4, margin=40, document_limit=1, document_size=1000, upload_grace=30
    )
    async with site.watch(tender.ocid) as watcher:
        before = await watcher.told()
        assert "Open for bids" in before.data
        after = await watcher.told()
        while "Closed, not opened yet" not in after.data:
            after = await watcher.told()
        assert site.live.now() >= parse_moment(tender.notice.deadline)
        assert before.id.split(".")[0] == after.id.split(".")[0]
        assert before.id != after.id
        assert f'href="/tenders/{tender.ocid}/bid"' in before.data
        assert f'href="/tenders/{tender.ocid}/bid"' not in after.data


async def test_everybody_reads_their_own_language_and_it_is_made_once(town: Town, site: Site) -> None:
    tender = await town.publish(a_lot(), lead=600)
    korean = {"Accept-Language": "ko"}
    async with site.watch(tender.ocid, **korean) as one, site.watch(tender.ocid) as other:
        assert "입찰공고 게시" in (await one.told()).data
        assert "Tender published" in (await other.told()).data
    async with site.watch(tender.ocid, after="&lang=es", **korean) as one:
        assert "Licitación publicada" in (await one.told()).data


async def test_there_is_no_more_than_so_many_and_the_page_goes_on_without(
    town: Town, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    tender = await town.publish(a_lot(), lead=600)
    monkeypatch.setattr(site.live, "_most", 2)
    async with site.watch(tender.ocid) as one:
        await one.told()
        async with site.watch(tender.ocid) as two, site.watch(tender.ocid) as three:
            await two.told()
            assert three.status == 503
            assert int(three.headers["retry-after"]) > 0
            page = await site.http.get(f"{site.url}/tenders/{tender.ocid}")
            assert page.status_code == 200
            assert "Tender published" in page.text

        async def place() -> bool:
            async with site.watch(tender.ocid) as again:
                return again.status == 200

        await until(place, bool)


async def test_who_watches_takes_no_readers_place(town: Town, site: Site) -> None:
    tender = await town.publish(a_lot(), lead=600)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        leave = asyncio.Event()
        told: list[asyncio.Event] = [asyncio.Event() for _ in range(2 * READERS)]

        async def watch(heard: asyncio.Event) -> None:
            async with site.watch(tender.ocid) as watcher:
                await watcher.told()
                heard.set()
                await leave.wait()

        for each in told:
            tasks.create_task(watch(each))
        for each in told:
            await each.wait()
        assert (await site.http.get(f"{site.url}/tenders/{tender.ocid}")).status_code == 200
        leave.set()


async def test_all_who_watch_cost_one_query_at_a_time(
    town: Town, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenders = [await town.publish(a_lot(), lead=600) for _ in range(2)]
    asked: list[int] = []
    load = store.load_seqs

    async def counted(connection: Any, tender_ids: Any) -> Any:
        asked.append(len(list(tender_ids)))
        return await load(connection, tender_ids)

    monkeypatch.setattr(store, "load_seqs", counted)
    async with (
        site.watch(tenders[0].ocid) as one,
        site.watch(tenders[0].ocid) as two,
        site.watch(tenders[1].ocid) as three,
    ):
        for each in (one, two, three):
            await each.told()
        asked.clear()
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(A_WHILE)
        looks = (asyncio.get_running_loop().time() - began) / PAUSE + 1
        assert 0 < len(asked) <= looks
        assert max(asked) == 2

    async def idle() -> bool:
        asked.clear()
        await asyncio.sleep(1.5 * PAUSE)
        return not asked

    await until(idle, bool)


async def test_a_tender_that_is_not_there_is_not_watched(site: Site) -> None:
    seated = site.live._seated
    async with site.watch("ocds-0s3al1-none") as watcher:
        assert watcher.status == 404
    assert site.live._seated == seated


async def test_who_takes_nothing_loses_the_line_and_is_in_nobodys_way(
    town: Town, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    tender = await town.publish(a_lot(), lead=600)
    seated = site.live._seated
    monkeypatch.setattr(live, "HEARTBEAT", 0.0)
    monkeypatch.setattr(live, "WITHIN", 1.0)
    host, _, port = site.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of a socket has it
    writer.write(f"GET /tenders/{tender.ocid}/events HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    async def seats() -> int:
        return site.live._seated

    await until(seats, lambda count: count > seated)
    await until(seats, lambda count: count == seated)
    monkeypatch.undo()
    async with site.watch(tender.ocid) as watcher:
        assert await watcher.told()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    del reader


async def test_lines_end_by_themselves_when_the_server_does(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    async with on(application(town)) as ending, ending.watch(tender.ocid) as watcher:
        await watcher.told()
        ending.server.should_exit = True
        with pytest.raises(EOFError):  # which is no line that was cut: httpx would say so
            await watcher.told("never")
        assert (await town.http.get(f"/tenders/{tender.ocid}/events")).status_code == 503
