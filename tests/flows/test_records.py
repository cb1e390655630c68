"""Award records as files: made once, listed in the order of the log, read whole or in part."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from crypto.encoding import encode, moment, sha256
from procurement.bulk import store
from procurement.bulk.records import AT_ONCE
from procurement.bulk.store import Kept, Made
from procurement.record import verify
from procurement.watching.checking import Checkers
from procurement.watching.store import Journal
from procurement.watching.verifying import Walk
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town, until


async def a_life(town: Town) -> PracticeTender:
    """A tender from its notice to its award."""
    tender = await town.publish(a_lot())
    await tender.bid(await town.bidder("Bidder"), "1000")
    await tender.close()
    await tender.awarded()
    return tender


@pytest.fixture(scope="module")
async def lives(town: Town) -> list[PracticeTender]:
    """Two that are awarded; both for practice, since laws let none in earnest end within seconds."""
    return list(await asyncio.gather(a_life(town), a_life(town)))


async def records(town: Town, **asked: Any) -> dict[str, Any]:
    answer = await town.http.get("/api/v1/records", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_records_are_listed_in_the_order_of_the_log_practice_apart(
    town: Town, lives: list[PracticeTender]
) -> None:
    assert (await records(town))["records"] == []
    found = (await records(town, practice="only"))["records"]
    assert (await records(town, practice="shown"))["records"] == found
    assert [each["position"] for each in found] == sorted({each["position"] for each in found})
    tenders = {each.ocid: each for each in lives}
    assert len(found) == len(tenders)
    entries = await town.verify_log()
    for each in found:
        tender, entry = tenders[each["tender"]], entries[each["position"]]
        assert b'"t":"award:made"' in entry
        assert f'"tender":"{tender.ocid}"'.encode() in entry
        assert each["awarded"].encode() in entry
        data = (await town.http.get(each["path"])).content
        assert (sha256(data).hex(), len(data)) == (each["sha256"], each["size"])
        assert verify(data, town.trust).record == each["record"]


async def test_whoever_follows_the_pages_gets_each_record_once_and_waits_at_the_end(
    town: Town, lives: list[PracticeTender]
) -> None:
    page, seen = await records(town, limit=1, practice="shown"), list[str]()
    while page["records"]:
        seen += [each["tender"] for each in page["records"]]
        assert page["next_page"]["uri"].endswith(page["next_page"]["path"])
        page = (await town.http.get(page["next_page"]["path"])).json()
    assert sorted(seen) == sorted(each.ocid for each in lives)
    assert (await town.http.get(page["next_page"]["path"])).json() == page, "nothing new: the same place"
    for wrong in ({"offset": -1}, {"offset": 2**53}, {"limit": 0}, {"limit": 1001}, {"practice": "yes"}):
        assert (await town.http.get("/api/v1/records", params=wrong)).status_code == 400


async def test_a_record_comes_whole_or_in_part_or_not_again(town: Town, lives: list[PracticeTender]) -> None:
    listed = (await records(town, practice="only"))["records"][0]
    whole = await town.http.get(listed["path"])
    data, tag = whole.content, whole.headers["etag"]
    assert (tag, whole.headers["content-length"]) == (f'"{sha256(data).hex()}"', str(len(data)))
    half = len(data) // 2
    for asked, part in (
        (f"bytes={half}-", data[half:]),
        (f"bytes=10-{half}", data[10 : half + 1]),
        ("bytes=-100", data[-100:]),
        (f"bytes={half}-{len(data) * 2}", data[half:]),
    ):
        answer = await town.http.get(listed["path"], headers={"Range": asked, "If-Range": tag})
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-range"].endswith(f"/{len(data)}")
    several, unknown = {"Range": "bytes=1-2,4-5"}, {"Range": "lines=1-2"}
    for headers in (several, unknown, {"Range": "bytes=5-", "If-Range": '"another"'}):
        answer = await town.http.get(listed["path"], headers=headers)
        assert (answer.status_code, answer.content) == (200, data)
    beyond = await town.http.get(listed["path"], headers={"Range": f"bytes={len(data)}-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range-invalid")
    assert beyond.headers["content-range"] == f"bytes */{len(data)}"
    again = await town.http.get(listed["path"], headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


async def test_all_of_them_are_verified_by_whoever_knows_no_more_than_the_address(
    town: Town, lives: list[PracticeTender], tmp_path: Path
) -> None:
    """As `openseal verify --all` does."""
    told: list[tuple[str, str, bool]] = []
    with closing(Journal(tmp_path / "journal", "town")) as journal:
        for _ in range(2):
            async with Checkers(town.trust) as checkers:
                walk = Walk(town.http, checkers, "1", tmp_path, journal)
                await walk.all(lambda found, known: told.append((found.tender, found.outcome, known)))
    tenders = sorted(each.ocid for each in lives)
    assert sorted(told) == sorted((each, "verified", known) for each in tenders for known in (False, True))
    assert sorted(path.name for path in (tmp_path / "records").iterdir()) == [
        f"{each}.zip" for each in tenders
    ]


async def test_records_of_awards_from_before_are_caught_up_the_same(
    town: Town, lives: list[PracticeTender]
) -> None:
    before = await records(town, practice="shown")
    owner = await asyncpg.connect(town.dsn)
    try:
        async with owner.transaction():
            await owner.execute("DELETE FROM award_record")
            await owner.execute("UPDATE awards_seen SET position = 0")
    finally:
        await owner.close()
    await until(lambda: records(town, practice="shown"), lambda found: len(found["records"]) == len(lives))
    assert await records(town, practice="shown") == before


async def test_records_that_cannot_be_made_hold_up_the_list_but_no_other_record_and_health_says_so(
    town: Town, lives: list[PracticeTender]
) -> None:
    """As many as are looked at together, before the others."""
    before, since = await records(town, practice="shown"), datetime.now(UTC) - timedelta(hours=1)
    owner = await asyncpg.connect(town.dsn)
    broken = [await an_award(owner, 0) for _ in range(AT_ONCE)]
    try:
        async with owner.transaction():
            await owner.execute("UPDATE award_record SET sha256 = NULL, manifest = NULL, size = NULL")
            await store.add_awards(
                owner, [msgspec.structs.replace(each, awarded_at=since) for each in broken]
            )
        asked = "SELECT count(sha256) FROM award_record"
        await until(lambda: owner.fetchval(asked), lambda found: found == len(lives))
        assert (await records(town, practice="shown"))["records"] == []
        assert (await health(town))["troubles"] == {"records": moment(since)}
    finally:
        of_them = [each.tender_id for each in broken]
        await owner.execute("DELETE FROM award_record WHERE tender_id = ANY($1)", of_them)
        await owner.execute("DELETE FROM tender WHERE tender_id = ANY($1)", of_them)
        await owner.close()
    assert await records(town, practice="shown") == before
    assert "troubles" not in await health(town)


async def health(town: Town) -> dict[str, Any]:
    found: dict[str, Any] = (await town.http.get("/health")).json()
    return found


async def test_an_award_whose_record_is_not_kept_yet_holds_up_those_behind_it(dsn: str) -> None:
    owner = await asyncpg.connect(dsn)
    try:
        awards = [await an_award(owner, position) for position in (3, 5, 9)]
        for_practice = await an_award(owner, 1, practice=True)
        await store.add_awards(owner, [*awards, for_practice])
        await store.keep_record(owner, as_kept(for_practice))
        assert await store.list_to_make(owner, 2) == awards[:2]
        for each in awards[1:]:
            await store.keep_record(owner, as_kept(each))
        await store.move_awards(owner, 9)
        assert await store.list_records(owner, 0, "hidden", 10) == []
        await store.keep_record(owner, as_kept(awards[0]))
        assert await store.list_records(owner, 0, "hidden", 10) == [as_kept(each) for each in awards[:2]]
        await store.move_awards(owner, 10)
        assert await store.list_records(owner, 5, "hidden", 10) == [as_kept(each) for each in awards[1:]]
        assert await store.list_records(owner, 0, "only", 10) == [as_kept(for_practice)]
        assert await store.list_records(owner, 0, "shown", 2) == [as_kept(for_practice), as_kept(awards[0])]
    finally:
        await owner.close()


async def an_award(connection: Any, position: int, *, practice: bool = False) -> Made:
    tender_id = uuid4()
    ocid = f"ocds-0s3al1-{tender_id}"
    await connection.execute(
        "INSERT INTO tender (tender_id, ocid, notice_id, deadline, terms, seq, prev)"
        " VALUES ($1, $2, $3, now(), $3, 1, $3)",
        tender_id,
        ocid,
        bytes(32),
    )
    return Made(
        tender_id=tender_id,
        ocid=ocid,
        position=position,
        awarded_at=datetime(2026, 3, 2, tzinfo=UTC),
        practice=practice,
    )


def as_kept(award: Made) -> Kept:
    digest = sha256(encode(award.position)).hex()
    return Kept(
        tender_id=award.tender_id,
        ocid=award.ocid,
        position=award.position,
        awarded_at=award.awarded_at,
        practice=award.practice,
        sha256=digest,
        manifest=digest,
        size=award.position,
    )
