"""Open data: whoever follows the feed has everything that the log completes, each once and in its order."""

import asyncio
import gzip
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from ocdsmerge import Merger

from procurement import publication, store
from procurement.finding.search import Shown
from procurement.history import Head
from procurement.ocds import Release
from procurement.opendata import publisher
from procurement.opendata import store as feed
from procurement.opendata.publisher import BATCH, Publisher, StoppedError
from procurement.opendata.store import Progress, Released
from procurement.procedure import Procedure
from procurement.service import House
from procurement.store import TenderRow
from procurement.tenders import Organisation
from procurement.web import app
from procurement.web.opendata import MOST, Page, Pages
from tests.builders import a_lot
from tests.flows.doomed import doomed_service
from tests.flows.people import PracticeTender, Town, until
from tests.flows.test_kills import DoomedTender, client, points

FEED = "/api/v1/releases?practice=shown"
POLICY = Path(__file__).parents[2] / "docs/publication-policy.md"
RELEASING = points("INSERT ON compiled_release", "UPDATE ON released!")
WAITING = """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Json = dict[str, Any]


class Mirror:
    """Follows the feed from its beginning, by what each answer says is the next page."""

    def __init__(self, http: httpx.AsyncClient, limit: int) -> None:
        self.http = http
        self.address = f"{FEED}&offset=0&limit={limit}"
        self.releases: list[Json] = []

    async def follow(self) -> None:
        """To where the feed ends at the moment."""
        more = True
        while more:
            page = (await self.http.get(self.address)).json()
            self.releases += page["releases"]
            self.address = page["next_page"]["path"]
            more = bool(page["releases"])

    async def keep_following(self) -> None:
        """For as long as nobody stops it, also while nobody answers."""
        while True:
            with suppress(httpx.TransportError):
                await self.follow()
            await asyncio.sleep(0.05)

    def of(self, ocid: str) -> list[Json]:
        return [each for each in self.releases if each["ocid"] == ocid]

    def place(self, release: Json) -> int:
        return self.releases.index(release)


@asynccontextmanager
async def following(town: Town) -> AsyncIterator[Mirror]:
    """A mirror at work during the block; afterwards it goes to the end once more, and has everything."""
    mirror = Mirror(town.http, limit=3)
    task = asyncio.create_task(mirror.keep_following())
    try:
        yield mirror
    finally:
        task.cancel()
        await asyncio.wait([task])
    await released(town)
    await mirror.follow()
    await check_complete(town, mirror)


async def released(town: Town) -> None:
    """Returns once all that was said is in the log, and released."""
    connection = await asyncpg.connect(town.dsn)
    query = "SELECT position = size AND NOT EXISTS (SELECT FROM log_queue) FROM released, log_head"
    try:
        await until(partial(connection.fetchval, query), bool)
    finally:
        await connection.close()


async def check_complete(town: Town, mirror: Mirror) -> None:
    """The mirror has each release that there is once, each at its event's place in the log; and a tender's
    releases merge to the record that is served."""
    entries = [msgspec.json.decode(each) for each in await town.verify_log()]
    there = (await rows(town))["release"]
    assert mirror.releases == [msgspec.json.decode(each["body"]) for each in there]
    assert len({each["id"] for each in mirror.releases}) == len(there)
    for row, body in zip(there, mirror.releases, strict=True):
        entry = entries[row["position"]]
        assert (entry["tender"], entry["seq"], entry["time"]) == (body["ocid"], row["seq"], body["date"])
    for ocid in {each["ocid"] for each in mirror.releases}:
        package = (await town.http.get(f"/api/v1/tenders/{ocid}/ocds")).json()
        [record] = package["records"]
        assert record["ocid"] == ocid
        assert record["releases"] == mirror.of(ocid)
        merged = Merger({"properties": {}}).create_compiled_release(mirror.of(ocid))
        assert record["compiledRelease"] | {"id": ""} == merged | {"id": ""}


async def rows(town: Town) -> dict[str, list[asyncpg.Record]]:
    """What is released, in the order of the log."""
    connection = await asyncpg.connect(town.dsn)
    try:
        return {
            table: await connection.fetch(f"SELECT * FROM {table} ORDER BY position")  # noqa: S608  # ours
            for table in ("release", "compiled_release")
        }
    finally:
        await connection.close()


async def live(tender: PracticeTender) -> None:
    """From the first bid to the award."""
    bidders = [await tender.town.bidder(each) for each in ("Hanbit", "Dasom", "Narae")]
    await asyncio.gather(*(tender.bid(each, "900") for each in bidders))
    await tender.close()
    await tender.awarded()


# ── followed for ever ────────────────────────────────────────────────────────────────────────────────────


async def test_a_mirror_has_everything_once_while_tenders_live_and_several_publish(town: Town) -> None:
    procedure = town.procedure
    stop, leading = asyncio.Event(), asyncio.Event()
    leading.set()
    others = [asyncio.create_task(Publisher(procedure).run(stop, leading)) for _ in range(2)]
    async with following(town) as mirror:
        lives = await town.publish(a_lot(), lead=4, margin=3)
        living = asyncio.create_task(live(lives))
        tenders = await asyncio.gather(*(town.publish(a_lot(), lead=600) for _ in range(4)))
        await tenders[0].amend(description="Of oak.")
        await tenders[1].terminate()
        await living
    stop.set()
    await asyncio.gather(*others)
    for each in (lives, *tenders):
        made = await publication.releases(procedure, each.ocid)
        assert [msgspec.json.decode(one.body) for one in made] == mirror.of(each.ocid)
    assert ["awardUpdate"] in [each["tag"] for each in mirror.of(lives.ocid)]
    assert ["tenderCancellation"] in [each["tag"] for each in mirror.of(tenders[1].ocid)]


async def test_who_is_killed_while_releasing_has_released_nothing_twice(dsn: str, house: House) -> None:
    async with doomed_service(house, dsn) as service, client(service.url) as http:
        town = await Town.settle(http, house, dsn)
        async with following(town) as mirror:
            life = DoomedTender(service, town)
            life.doomed = True
            for point in RELEASING:
                await life.survive(partial(town.publish, a_lot(), lead=600), point)
        assert len({each["ocid"] for each in mirror.releases}) >= len(RELEASING)


async def test_a_step_that_commits_late_comes_late_in_the_feed(town: Town) -> None:
    """Its entry was queued before another's, and waits for a lock while the other is released."""
    slow = Organisation(id=f"KR-{secrets.token_hex(4)}", name="Slow")
    await town.publish(a_lot(), lead=600, procuring_entity=slow)
    fast = await town.publish(a_lot(), lead=600)
    connection = await asyncpg.connect(town.dsn)
    async with following(town) as mirror:
        async with connection.transaction():
            await connection.execute("SELECT FROM listed_entity WHERE id = $1 FOR UPDATE", slow.id)
            publishing = asyncio.create_task(town.publish(a_lot(), lead=600, procuring_entity=slow))
            other = await asyncpg.connect(town.dsn)
            await until(partial(other.fetchval, WAITING), bool)
            await other.close()
            await fast.amend(description="Of oak.")
            await until(partial(as_seen, mirror, fast), lambda found: len(found) == 2)
        late = await publishing
    await connection.close()
    assert mirror.place(mirror.of(fast.ocid)[1]) < mirror.place(mirror.of(late.ocid)[0])


async def as_seen(mirror: Mirror, tender: PracticeTender) -> list[Json]:
    return mirror.of(tender.ocid)


@pytest.mark.parametrize("batch", [BATCH, 1, 2])
async def test_from_the_beginning_the_same_is_released_again(
    town: Town, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the first start on a log from before there was a feed, wherever batches cut what belongs
    together: an opening's outcomes, of which nothing is released, or even made, before the last one's."""
    await released(town)
    before = await rows(town)
    opened = next(each["tender_id"] for each in before["release"] if b'"bids"' in each["body"])
    told, releases = Counter[UUID](), publication.releases

    async def counted(procedure: Procedure, ocid: str) -> list[Release]:
        told[store.id_of(ocid)] += 1
        return await releases(procedure, ocid)

    monkeypatch.setattr(publication, "releases", counted)
    monkeypatch.setattr(publisher, "BATCH", batch)
    connection = await asyncpg.connect(town.dsn)
    async with connection.transaction():
        await connection.execute("SELECT FROM released FOR UPDATE")
        await connection.execute("DELETE FROM release")
        await connection.execute("DELETE FROM compiled_release")
        await connection.execute("UPDATE released SET position = 0")
    await released(town)
    assert await rows(town) == before
    entries = await store.load_entries(connection, opened)
    await connection.close()
    outcomes = [each for each in entries if b'"t":"bid:opened"' in each]
    assert len(outcomes) == 3
    assert 0 < told[opened] <= len(entries) - (len(outcomes) - 1)


async def test_what_cannot_be_released_stops_the_feed_there_and_health_says_so(town: Town) -> None:
    broken = await town.publish(a_lot(), lead=600)
    await released(town)
    connection = await asyncpg.connect(town.dsn)
    of_the_notice = store.id_of(broken.ocid), bytes.fromhex(broken.notice_id)
    taken = "DELETE FROM statement WHERE tender_id = $1 AND id = $2 RETURNING body"
    body = await connection.fetchval(taken, *of_the_notice)
    async with following(town) as mirror:
        before = await town.publish(a_lot(), lead=600)
        await broken.terminate()
        after = await town.publish(a_lot(), lead=600)
        await until(partial(troubles, town), lambda found: found == ["released"])
        with pytest.raises(StoppedError, match=broken.ocid):
            await Publisher(town.procedure).advance()
        await until(partial(as_seen, mirror, before), bool)
        assert len(mirror.of(broken.ocid)) == 1
        assert (await town.http.get(f"/api/v1/tenders/{after.ocid}/ocds")).json()["code"] == "not-yet"
        put_back = "INSERT INTO statement (tender_id, id, body) VALUES ($1, $2, $3)"
        await connection.execute(put_back, *of_the_notice, body)
    await connection.close()
    assert await troubles(town) == []
    assert mirror.place(mirror.of(broken.ocid)[1]) < mirror.place(mirror.of(after.ocid)[0])


async def test_a_feed_that_stands_still_for_any_reason_is_a_trouble(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await released(town)
    connection = await asyncpg.connect(town.dsn)
    async with connection.transaction():
        await connection.execute("SELECT FROM released FOR UPDATE")
        await town.publish(a_lot(), lead=600)
        assert await troubles(town) == []
        monkeypatch.setattr(app, "LATE", timedelta(0))
        await until(partial(troubles, town), lambda found: found == ["released"])
    await connection.close()
    await until(partial(troubles, town), lambda found: found == [])


async def troubles(town: Town) -> list[str]:
    health = (await town.http.get("/health")).json()
    assert health["status"] == ("troubled" if "troubles" in health else "ok")
    return [*health.get("troubles", {})]


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def seeded(pool: "asyncpg.Pool[Any]") -> "asyncpg.Pool[Any]":
    """Thirty releases, each third one of a practice tender, at every second position; they get larger."""
    releases = []
    for number in range(30):
        ocid = f"ocds-0s3al1-{number}"
        row = TenderRow(
            tender_id=store.id_of(ocid),
            ocid=ocid,
            notice_id=f"{number:064}",
            deadline=EPOCH,
            terms="0" * 64,
            shut_at=None,
            terminated_at=None,
            concluded_at=None,
            head=Head(tender=ocid, notice=f"{number:064}"),
        )
        await store.add_tender(pool, row)
        releases.append(
            Released(
                tender_id=row.tender_id,
                seq=1,
                position=2 * number,
                released_at=EPOCH + timedelta(minutes=number),
                practice=number % 3 == 0,
                body=b"x" * 100 * number,
            )
        )
    async with pool.acquire() as connection, connection.transaction():
        await feed.claim(connection)
        await feed.add_releases(connection, releases)
        await feed.move(connection, Progress(position=58, stopped_by=None, stopped_at=None))
    return pool


@pytest.mark.parametrize(
    ("practice", "most", "size", "expected"),
    [
        ("shown", 4, 10**6, [20, 22, 24, 26]),
        ("hidden", 4, 10**6, [20, 22, 26, 28]),
        ("only", 4, 10**6, [24, 30, 36, 42]),
        ("shown", 4, 1, [20]),
        ("shown", 4, 1000, [20]),
        ("shown", 4, 1001, [20, 22]),
        ("hidden", 100, 3500, [20, 22, 26, 28]),
        ("shown", 100, 10**6, [*range(20, 58, 2)]),
    ],
)
async def test_a_page_ends_with_its_count_its_size_or_what_is_released(
    seeded: "asyncpg.Pool[Any]", practice: Shown, most: int, size: int, expected: list[int]
) -> None:
    page = await feed.load_page(seeded, 19, practice, most, size)
    assert [each.position for each in page] == expected


@pytest.mark.parametrize(
    ("at_once", "size", "expected"),
    [
        (100, 10**6, [[0, 100, 200, 300, 400]]),
        (2, 10**6, [[0, 100], [200, 300], [400]]),
        (100, 300, [[0, 100, 200], [300], [400]]),
        (100, 1, [[0, 100], [200], [300], [400]]),
    ],
)
async def test_a_tenders_releases_are_read_some_at_a_time(
    seeded: "asyncpg.Pool[Any]",
    at_once: int,
    size: int,
    expected: list[list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tender_id = store.id_of("ocds-0s3al1-0")
    async with seeded.acquire() as connection, connection.transaction():
        await feed.add_releases(
            connection,
            [
                Released(
                    tender_id=tender_id,
                    seq=1 + number,
                    position=100 + number,
                    released_at=EPOCH,
                    practice=True,
                    body=b"x" * 100 * number,
                )
                for number in range(1, 6)
            ],
        )
    monkeypatch.setattr(feed, "AT_ONCE", at_once)
    found = [each async for each in feed.read_bodies(seeded, tender_id, 104, size)]
    assert [[len(body) for body in some] for some in found] == expected


async def test_the_service_changes_no_release(seeded: "asyncpg.Pool[Any]") -> None:
    for statement in ("DELETE FROM release", "UPDATE release SET body = ''", "DELETE FROM compiled_release"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await seeded.execute(statement)


async def test_who_has_a_page_already_is_told_so_and_a_full_page_stays_as_it_is(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    await released(town)
    for address, kept in (
        (f"{FEED}&limit=1", "immutable"),
        (f"{FEED}&limit={MOST}", "max-age=1"),
        (f"{tender.path}/ocds", "max-age=1"),
    ):
        answer = await town.http.get(address)
        assert kept in answer.headers["Cache-Control"]
        for tags in (answer.headers["ETag"], answer.headers["ETag"].removeprefix("W/"), '"a", *', "*"):
            again = await town.http.get(address, headers={"If-None-Match": tags})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == answer.headers["ETag"]
        other = await town.http.get(address, headers={"If-None-Match": 'W/"0", ""'})
        assert other.json() == answer.json()


@pytest.mark.parametrize("of_a_tender", [False, True])
async def test_an_answer_is_compressed_for_whoever_can_read_it(town: Town, of_a_tender: bool) -> None:
    tender = await town.publish(a_lot(), lead=600)
    await released(town)
    address = f"{tender.path}/ocds" if of_a_tender else FEED
    async with town.http.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
        packed = b"".join([each async for each in answer.aiter_raw()])
    plain = await town.http.get(address, headers={"Accept-Encoding": "identity"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed) == plain.content
    assert len(packed) < len(plain.content) / 2
    assert answer.headers["ETag"] == plain.headers["ETag"]
    assert "Accept-Encoding" in answer.headers["Vary"]


def test_pages_that_nobody_asked_for_the_longest_make_room() -> None:
    pages = Pages(room=25)
    for name in ("/a", "/b"):
        pages.keep(name, Page(tag=name, packed=bytes(10)))
    assert pages.find("/a") == Page(tag="/a", packed=bytes(10))
    pages.keep("/c", Page(tag="/c", packed=bytes(10)))
    assert [bool(pages.find(each)) for each in ("/a", "/b", "/c")] == [True, False, True]
    pages.keep("/large", Page(tag="/large", packed=bytes(26)))
    assert not any(map(pages.find, ("/a", "/b", "/c", "/large")))


async def test_the_end_of_the_feed_is_where_one_asks_again(town: Town) -> None:
    await town.publish(a_lot(), lead=600)
    await released(town)
    mirror = Mirror(town.http, limit=MOST)
    await mirror.follow()
    answer = (await town.http.get(mirror.address)).json()
    assert answer["releases"] == []
    assert answer["next_page"]["path"] == mirror.address
    assert answer["next_page"]["uri"] == f"http://localhost{mirror.address}"
    assert answer["uri"] == answer["next_page"]["uri"]
    assert answer["publishedDate"] == mirror.releases[-1]["date"]
    assert answer["license"] == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert answer["publicationPolicy"] == "http://localhost/data/policy"
    beyond = await town.http.get(f"{FEED}&offset={2**52}")
    assert (beyond.status_code, beyond.json()["code"]) == (404, "offset-beyond-end")


async def test_practice_tenders_are_hidden_unless_asked_for(town: Town) -> None:
    await town.publish(a_lot(), lead=600)
    await released(town)
    found = {
        practice: (await town.http.get(f"/api/v1/releases?practice={practice}&limit={MOST}")).json()
        for practice in ("hidden", "shown", "only")
    }
    plain = (await town.http.get(f"/api/v1/releases?limit={MOST}")).json()
    assert plain == found["hidden"]
    assert plain["releases"] == []
    assert found["only"]["releases"] == found["shown"]["releases"] != []


@pytest.mark.parametrize(
    "given",
    [
        *("offset=-1", "offset=x", "offset=9007199254740992", "offset=", "offset=0&offset=%00"),
        *("limit=0", f"limit={MOST + 1}", "limit=", "practice=yes", "practice="),
    ],
)
async def test_garbage_in_the_feeds_address_is_a_problem_that_says_so(town: Town, given: str) -> None:
    answer = await town.http.get(f"/api/v1/releases?{given}")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_of_a_tender_that_is_not_there_there_is_no_record(town: Town) -> None:
    answer = await town.http.get("/api/v1/tenders/ocds-0s3al1-nothing/ocds")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-tender")


async def test_the_extensions_that_answers_name_are_published(town: Town) -> None:
    named = (await town.http.get(FEED)).json()["extensions"]
    ours = [each for each in named if each.startswith("http://localhost/ocds/extensions/")]
    assert len(ours) == 2
    for address in [urlsplit(each).path for each in ours]:
        files = [
            address,
            *(address.replace("extension.json", each) for each in ("release-schema.json", "README.md")),
        ]
        found = [await town.http.get(each) for each in files]
        assert [each.headers["Access-Control-Allow-Origin"] for each in found] == ["*"] * 3
        assert found[0].json()["compatibility"] == ["1.1"]
        assert found[1].json()["definitions"]
        assert found[2].headers["Content-Type"].startswith("text/markdown")
    for name in (
        "nothing/extension.json",
        "sealing/nothing.json",
        "nothing/README.md",
        "sealing/__init__.py",
    ):
        assert (await town.http.get(f"/ocds/extensions/{name}")).status_code in (400, 404), name


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_policys_page_says_what_the_document_says(town: Town) -> None:
    page = (await town.http.get("/data/policy")).text
    main = page[page.index("<h1>") : page.index('<p><a href="/data">')]
    shown = [unescape(each) for each in re.findall(r"<(?:h1|h2|p|li)>(.*?)</", main)]
    blocks = re.split(r"\n\n|\n(?=- )", POLICY.read_text().strip())
    assert shown == [re.sub(r"\n +|\n", " ", re.sub(r"^(#+|-) ", "", each)) for each in blocks]


async def test_the_page_of_open_data_leads_to_all_of_it(town: Town) -> None:
    page = (await town.http.get("/data")).text
    for address in ("/api/v1/releases?offset=0", "/data/policy", "/api/v1/tenders?stage=open"):
        assert f'href="{address}"' in page
    assert "curl --compressed 'http://localhost/api/v1/releases?offset=0'" in page
    assert 'href="/data"' in (await town.http.get("/")).text
