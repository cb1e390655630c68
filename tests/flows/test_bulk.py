"""Files of open data: a service goes to bed on one day and wakes up when it is over, and so is the month.

What it publishes then is checked as a stranger does: file by file against the list, the list against the log,
the lines against the releases, the award records against those that are read one by one.
"""

import asyncio
import csv
import hashlib
import io
import json
import re
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import openpyxl
import pytest
from obstore.store import LocalStore

from crypto.checkpoint import TlogProof, VerifyingKey
from crypto.encoding import encode, moment, sha256
from procurement import ocds
from procurement.authorities import local_beacon, log_key
from procurement.bulk import publisher, store
from procurement.bulk.export import export
from procurement.bulk.listing import DataList, DataPublished, Period, day_of, listed, next_due
from procurement.bulk.maker import Job, Setting
from procurement.bulk.publisher import MakerError, _a_maker
from procurement.bulk.store import Span
from procurement.ocds import Release
from procurement.opendata.store import load_releases
from procurement.service import House, embedded_witness, witness_process, working
from procurement.timekeeping import Clock
from tests.builders import a_lot
from tests.conftest import fresh_database
from tests.flows.people import PracticeTender, Town, until
from tests.flows.test_find import in_earnest
from tests.logcheck import verify_from_tiles
from tests.watched import Proxy, mirroring

A_DAY = timedelta(days=1)


class Published(NamedTuple):
    """A service on the day after: the tenders of the day before, and what it has published."""

    town: Town
    awarded: PracticeTender
    earnest: PracticeTender
    over: date
    """The last day of the month, which is over."""
    listed: dict[str, Any]
    """By path below ``/data``."""


@asynccontextmanager
async def service(dsn: str, house: House, ahead: timedelta) -> AsyncIterator[httpx.AsyncClient]:
    with witness_process(house, log_key(house.keys)) as witness:
        clock, beacon = Clock(lambda: ahead), local_beacon(house.keys, 1)
        async with (
            working(house, dsn, embedded_witness(house, witness), beacon, clock) as app,
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://service", timeout=30
            ) as client,
        ):
            yield client
    await verify_from_tiles(LocalStore(house.objects), log_key(house.keys).verifier)


async def publications(http: httpx.AsyncClient) -> dict[str, Any]:
    """All of both kinds."""
    found, path = dict[str, Any](), "/api/v1/data?practice=shown"
    while path:
        answer = (await http.get(path)).json()
        found |= {each["list"].removeprefix("/data/"): each for each in answer["publications"]}
        path = answer.get("next")
    return {path.removesuffix("/list.json"): each for path, each in found.items()}


def ends(now: datetime) -> date:
    """The last day of the month in Korea."""
    period = next_due("month", False, None, day_of(now), now + timedelta(days=40))
    assert period is not None
    return period.last


@pytest.fixture(scope="module")
async def published(
    postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Published]:
    house = House.below(tmp_path_factory.mktemp("bulk"))
    async with fresh_database(postgres, f"bulk_{uuid4().hex}", migrated) as dsn:
        async with service(dsn, house, timedelta()) as http:
            town = await Town.settle(http, house, dsn)
            awarded, earnest = await asyncio.gather(town.publish(a_lot()), in_earnest(town))
            await awarded.bid(await town.bidder("=1+1"), "1000")
            await awarded.close()
            await awarded.awarded()
            today = day_of(datetime.now(UTC))
            assert await publications(http) == {}
        over = ends(datetime.now(UTC))
        await pass_days(dsn, over - A_DAY)
        async with service(dsn, house, over - today + A_DAY) as http:
            town = Town(http, house, dsn, town.trust)
            last = f"practice/all-{over}"
            await until(lambda: publications(http), lambda found: last in found)
            found = await publications(http)
            for each in found.values():
                await town.line().wait_for(each["proof"])  # whoever follows the log sees all of them by now
            yield Published(town, awarded, earnest, over, found)


async def pass_days(dsn: str, last: date) -> None:
    """As if the days before had been published when there was nothing yet: all that is dated on them is late.
    It would take a month of files else."""
    owner = await asyncpg.connect(dsn)
    try:
        for practice in (False, True):
            await store.add_publication(owner, superseded(Period("day", last, practice)))
    finally:
        await owner.close()


def superseded(period: Period) -> store.Published:
    """Of nothing."""
    data = listed(period, 0, 0, (), ())
    return store.Published(
        path=period.path,
        kind=period.kind,
        practice=period.practice,
        last_day=period.last,
        position=0,
        list=data,
        sha256=sha256(data),
        room="",
        published_at=datetime.now(UTC),
        superseded_at=datetime.now(UTC),
    )


async def read(published: Published, path: str) -> bytes:
    answer = await published.town.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.content


async def lines(published: Published, path: str) -> list[Any]:
    [file] = [each for each in published.listed[path]["files"] if each["kind"] == "jsonl"]
    data = zlib.decompress(await read(published, file["path"]), 31)
    assert data.count(b"\n") == file["rows"]
    return [json.loads(each) for each in data.splitlines()]


async def test_every_day_that_is_over_the_month_and_all_are_published_practice_apart(
    published: Published,
) -> None:
    over = published.over
    names = (f"{over}", f"{over}"[:7], f"all-{over}")
    assert set(published.listed) == {*names, *(f"practice/{each}" for each in names)}
    for path in names:
        assert [each["ocid"] for each in await lines(published, path)] == [published.earnest.ocid]
        practice = await lines(published, f"practice/{path}")
        assert [each["ocid"] for each in practice] == [published.awarded.ocid]
    hidden = (await published.town.http.get("/api/v1/data")).json()["publications"]
    assert not [each for each in hidden if each["practice"]]


async def test_files_match_their_list_and_the_sums_that_others_software_checks(
    published: Published, tmp_path: Path
) -> None:
    for path in (f"{published.over}", f"practice/{published.over}"):
        found = published.listed[path]
        folder = tmp_path / path.replace("/", "-")
        folder.mkdir()
        for each in found["files"]:
            data = await read(published, each["path"])
            assert (sha256(data).hex(), len(data)) == (each["sha256"], each["size"])
            (folder / each["name"]).write_bytes(data)
        (folder / "list.json").write_bytes(await read(published, found["list"]))
        (folder / "SHA256SUMS").write_bytes(await read(published, found["sums"]))
        assert checked(folder) == len(found["files"]) + 1
        said = msgspec.json.decode((folder / "list.json").read_bytes(), type=DataList)
        assert [msgspec.structs.asdict(each) for each in said.files] == [
            {name: value for name, value in each.items() if name != "path"} for each in found["files"]
        ]


def checked(folder: Path) -> int:
    """How many files coreutils finds to be what the sums say: all, or it complains."""
    asked = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    return subprocess.run(asked, cwd=folder, capture_output=True, check=True).stdout.count(b": OK\n")


async def test_the_log_has_every_list_under_a_witnessed_checkpoint(published: Published) -> None:
    policy, key = published.town.trust.witnesses, VerifyingKey.parse(published.town.trust.log)
    for each in published.listed.values():
        data = await read(published, each["list"])
        entry = encode(DataPublished(sha256=sha256(data).hex()))
        assert entry == b'{"sha256":"%s","t":"data:published"}' % sha256(data).hex().encode()
        proof = TlogProof.parse((await published.town.line().wait_for(each["proof"])).decode())
        proof.verify(entry, key)
        policy.verify(proof.checkpoint)
        assert proof.index >= each["position"]


async def test_whoever_has_the_releases_makes_the_same_lines_of_them(published: Published) -> None:
    connection = await asyncpg.connect(published.town.dsn)
    try:
        for each in published.listed.values():
            said = msgspec.json.decode(await read(published, each["list"]), type=DataList)
            rows = await connection.fetch(
                "SELECT tender_id, position, released_at FROM release WHERE practice = $1 ORDER BY position",
                said.practice,
            )
            last: dict[UUID, int] = {}
            for row in rows:
                if row["position"] < said.position:
                    last[row["tender_id"]] = row["position"]
            changed = {row["tender_id"] for row in rows if said.holds(row["released_at"], row["position"])}
            expected = b""
            for tender_id in sorted(changed, key=lambda one: last[one]):
                releases = [
                    Release(seq=one.seq, date=moment(one.released_at), body=one.body)
                    for one in await load_releases(connection, tender_id)
                    if one.position < said.position
                ]
                expected += ocds.compiled(releases) + b"\n"
            path = each["list"].removeprefix("/data/").removesuffix("/list.json")
            [file] = [one for one in published.listed[path]["files"] if one["kind"] == "jsonl"]
            assert zlib.decompress(await read(published, file["path"]), 31) == expected
    finally:
        await connection.close()


async def test_tables_and_workbook_say_what_the_lines_say(published: Published) -> None:
    path = f"practice/{published.over}"
    files = {each["kind"]: each["path"] for each in published.listed[path]["files"]}
    [release] = await lines(published, path)
    with zipfile.ZipFile(io.BytesIO(await read(published, files["csv"]))) as archive:
        text = archive.read("parties.csv").decode()
    parties = {each["parties/0/id"]: each for each in csv.DictReader(io.StringIO(text, newline=""))}
    assert set(parties) == {each["id"] for each in release["parties"]}
    assert "'=1+1" in {each["parties/0/name"] for each in parties.values()}
    book = openpyxl.load_workbook(io.BytesIO(await read(published, files["xlsx"])), read_only=True)
    cells = [cell for row in book["parties"].iter_rows() for cell in row if cell.value == "=1+1"]
    assert [cell.data_type for cell in cells] == ["s"]
    book.close()


async def test_award_records_come_as_a_tar_whole_or_from_where_one_was_cut_off(published: Published) -> None:
    http = published.town.http
    single = (await http.get(f"/api/v1/tenders/{published.awarded.ocid}/record")).content
    for path in (f"practice/{published.over}", f"practice/{published.over:%Y-%m}"):
        [file] = [each for each in published.listed[path]["files"] if each["kind"] == "records"]
        assert file["rows"] == 1
        data = await read(published, file["path"])
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            [member] = archive.getmembers()
            assert member.name == f"{published.awarded.ocid}.zip"
            assert archive.extractfile(member).read() == single  # type: ignore[union-attr]
        for start in (0, 100, 512, 5000, len(data) - 1):
            asked = {"Range": f"bytes={start}-", "If-Range": f'"{file["sha256"]}"'}
            part = await http.get(file["path"], headers=asked)
            assert (part.status_code in (200, 206), part.content) == (True, data[start:])
        assert part.headers["cache-control"].endswith("immutable")
    [everything] = [each for each in published.listed if each.startswith("practice/all")]
    said = published.listed[everything]
    assert said["absent"] == [{"kind": "records", "reason": "no-parts-of-all"}]
    assert "records" not in {each["kind"] for each in said["files"]}


async def test_the_page_links_every_file_of_the_newest_in_every_language(published: Published) -> None:
    earnest = [each for each in published.listed.values() if not each["practice"]]
    links = {each["path"] for found in earnest for each in found["files"]}
    links |= {found[name] for found in earnest for name in ("list", "proof", "sums")}
    for language, said in (
        ("en", "award records"),
        ("ko", "낙찰 기록"),
        ("es", "expedientes de adjudicación"),
    ):
        page = (await published.town.http.get(f"/data?lang={language}")).text
        assert said in page
        assert links == set(re.findall(r'href="(/data/(?:all-)?2[^"]+)"', page))


async def test_what_was_not_published_is_not_there(published: Published) -> None:
    day = published.over
    wrong = (f"{day}/openseal-2026-01-01.xlsx", "2020-01-01/list.json", "practice/2020-01/list.json")
    for path in (*wrong, f"{day}/..%2Flist.json", f"{day}/openseal-{day}.jsonl"):
        answer = await published.town.http.get(f"/data/{path}")
        assert answer.status_code in (400, 404), path
    assert (await published.town.http.get("/data/2020-01-01/list.json")).json()["code"] == "no-such-file"
    assert (await published.town.http.get("/api/v1/data?before=yesterday")).status_code == 400
    assert (await published.town.http.get(f"/api/v1/data/{'0' * 64}")).json()["code"] == "no-such-file"
    early = await published.town.http.get(f"/api/v1/data?before={day}&practice=shown")
    assert early.json()["publications"] == []


async def test_of_all_the_newest_stay_and_the_others_say_that_they_are_gone(published: Published) -> None:
    """In the table: days pass faster there. All that are superseded are swept, not only the last one."""
    connection = await asyncpg.connect(published.town.dsn)
    transaction = connection.transaction()
    await transaction.start()
    try:
        before = await store.newest(connection, "all", False)
        assert before is not None
        for days in (1, 2):
            newer = Period("all", published.over + days * A_DAY, False)
            more = {"path": newer.path, "last_day": newer.last, "sha256": bytes([days]) * 32}
            assert await store.add_publication(connection, msgspec.structs.replace(before, **more))
        assert not await store.add_publication(connection, before)
        for _ in range(2):
            await store.supersede(connection, "all", False, 2, datetime.now(UTC))
            assert await store.list_superseded(connection, "all", False, 9) == [before.path]
            assert await store.list_superseded(connection, "day", False, 9) == [f"{published.over - A_DAY}"]
        there = await store.list_publications(connection, "hidden", None, 31)
        assert before.path not in {each.path for each in there}
        [newest] = await store.list_publications(connection, "hidden", None, 1)
        assert newest.last_day == published.over + 2 * A_DAY, "the newest day is a page"
        [next_one] = await store.list_publications(connection, "hidden", newest.last_day, 1)
        assert next_one.last_day == published.over + A_DAY
    finally:
        await transaction.rollback()
        await connection.close()


async def test_a_mirror_holds_the_service_to_every_list_and_file(
    published: Published, tmp_path: Path
) -> None:
    proxy = Proxy(published.town.http)
    async with mirroring(proxy.connected(), tmp_path / "copy", published.town.trust, 60) as (mirror, told):
        await mirror.follow()
    assert told == []
    copy = tmp_path / "copy" / "data"
    for each in published.listed.values():
        assert (copy / f"{each['sha256']}.json").read_bytes() == await read(published, each["list"])
    asked = {each["path"] for found in published.listed.values() for each in found["files"]}
    assert asked <= set(proxy.asked)


async def test_a_mirror_keeps_every_file_and_goes_on_where_it_was_broken_off(
    published: Published, tmp_path: Path
) -> None:
    copy, line = tmp_path / "copy", Proxy(published.town.http).connected
    async with mirroring(line(), copy, published.town.trust, 60, files=True) as (mirror, told):
        await mirror.follow()
    there = {
        copy / f"data/{found['sha256']}/{each['name']}": each
        for found in published.listed.values()
        for each in found["files"]
    }
    assert (told, set(copy.glob("data/*/*"))) == ([], set(there))
    assert {path: sha256(path.read_bytes()).hex() for path in there} == {
        path: each["sha256"] for path, each in there.items()
    }
    largest = max(there, key=lambda path: path.stat().st_size)
    whole = largest.read_bytes()
    largest.unlink()
    largest.with_name(f".{largest.name}.part").write_bytes(whole[:-9])
    async with mirroring(line(), copy, published.town.trust, 60, files=True) as (mirror, told):
        await mirror.follow()
        assert (told, mirror.copied, largest.read_bytes()) == ([], 1, whole)


# ── makers that die ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_maker_that_is_killed_in_the_middle_leaves_nothing_that_is_found(
    dsn: str, open_folder: Path
) -> None:
    """It waits for award records, which nobody makes here, until the lead is lost."""
    owner = await asyncpg.connect(dsn)
    try:
        await add_release(owner, 1, datetime(2026, 3, 2, tzinfo=UTC))
        await owner.execute("UPDATE released SET position = 2")
        setting = Setting(dsn=dsn, documents=str(open_folder / "documents"), spool=str(open_folder / "spool"))
        (open_folder / "documents").mkdir()
        job = Job(kind="day", last=date(2026, 3, 2), practice=False, after=0, workbook=True)
        written, leading = open_folder / "documents" / "data" / "2026-03-02", asyncio.Event()
        leading.set()
        async with _a_maker(setting) as maker:
            making = asyncio.create_task(maker.make(job, leading))
            await until(lambda: spooled_files(open_folder / "spool"), lambda found: "tables.xlsx" in found)
            leading.clear()
            with pytest.raises(MakerError, match="-9"):
                await making
        assert await names(written) == await spooled_files(open_folder / "spool") == []
        await owner.execute("UPDATE awards_seen SET position = 2")
        leading.set()
        async with _a_maker(setting) as maker:
            made = await maker.make(job, leading)
        assert [each.kind for each in made.files] == ["jsonl", "csv", "xlsx", "records"]
        assert (made.position, made.files[0].rows) == (2, 1)
        assert len(await names(written)) == 3
        for each in made.files[:3]:
            data = (written / made.room / each.name).read_bytes()
            assert hashlib.sha256(data).hexdigest() == each.sha256
    finally:
        await owner.close()


async def test_who_publishes_is_alone_until_the_connection_ends(dsn: str) -> None:
    one, another = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    try:
        assert await store.claim_publishing(one)
        assert not await store.claim_publishing(another)
        one.terminate()
        await until(lambda: store.claim_publishing(another), bool)
    finally:
        await another.close()


async def names(folder: Path) -> list[str]:
    return [each.name for each in folder.glob("*/*") if "#" not in each.name]


async def spooled_files(spool: Path) -> list[str]:
    return [each.name for each in spool.rglob("*") if each.is_file()]


async def test_files_without_a_row_are_made_anew_and_swept_away(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a while the service fails between the files and the row; once it died before it swept the files of
    an earlier day."""
    monkeypatch.setattr(publisher, "RETRY", 0.2)
    town, path = published.town, f"all-{published.over}"
    folder = Path(town.house.documents) / "data" / path
    earlier = folder.with_name(f"all-{published.over - A_DAY}")
    owner = await asyncpg.connect(town.dsn)
    try:
        never = f"CONSTRAINT never CHECK (path <> '{path}') NOT VALID"
        await owner.execute(f"ALTER TABLE publication ADD {never}")
        await owner.execute("DELETE FROM publication WHERE path = $1", path)
        await store.add_publication(owner, superseded(Period("all", published.over - A_DAY, False)))
        (earlier / "room").mkdir(parents=True)
        (earlier / "room" / "lines").touch()
        [before] = await rooms(folder)
        await until(lambda: rooms(folder), lambda found: [before] != found != [])
        assert len(await rooms(folder)) <= 1, "what was left is gone before more is made"
        assert path not in await publications(town.http)
        assert (await town.http.get(f"/data/{path}/list.json")).json()["code"] == "no-such-file"
        await owner.execute("ALTER TABLE publication DROP CONSTRAINT never")
        await until(lambda: publications(town.http), lambda found: path in found)
        await until(lambda: rooms(folder), lambda found: len(found) == 1 and found != [before])
        await until(lambda: rooms(earlier), lambda found: found == [])
        again = (await publications(town.http))[path]
        for each in again["files"]:
            assert sha256(await read(published, each["path"])).hex() == each["sha256"]
        await owner.execute("DELETE FROM publication WHERE path = $1", earlier.name)
    finally:
        await owner.close()


async def rooms(folder: Path) -> list[Path]:
    """Those that have anything in them."""
    return sorted({each.parent for each in folder.glob("*/*")})


# ── what is written ──────────────────────────────────────────────────────────────────────────────────────


async def test_late_releases_are_in_the_next_days_file_once(dsn: str) -> None:
    owner = await asyncpg.connect(dsn)
    try:
        noon = datetime(2026, 3, 2, 3, tzinfo=UTC)
        for position, at in ((1, noon), (2, noon + A_DAY), (3, noon - A_DAY), (4, noon + 2 * A_DAY)):
            await add_release(owner, position, at)
        await add_release(owner, 5, noon, practice=True)
        day, next_day = Period("day", date(2026, 3, 2), False), Period("day", date(2026, 3, 3), False)
        assert await exported(owner, day, after=0) == [1, 3], "there is none before: all from before is in it"
        assert await exported(owner, day, after=3) == [1, 3]
        assert await exported(owner, day, after=4) == [1]
        assert await exported(owner, next_day, after=2) == [2, 3]
        assert await exported(owner, Period("all", date(2026, 3, 2), False), after=0) == [1, 2, 3, 4]
        assert await exported(owner, Period("all", date(2026, 3, 2), True), after=0) == [5]
    finally:
        await owner.close()


async def test_whoever_writes_slowly_is_waited_for_longer_than_for_other_statements(dsn: str) -> None:
    connection, came = await asyncpg.connect(dsn, command_timeout=0.2), list[bytes]()

    async def slowly(piece: bytes) -> None:
        await asyncio.sleep(0.3)
        came.append(piece)

    try:
        noon = datetime(2026, 3, 2, 3, tzinfo=UTC)
        await add_release(connection, 1, noon)
        span = Span(practice=False, begins=None, ends=noon + A_DAY, position=2, after=0)
        await store.copy_compiled(connection, span, slowly)
        assert b'"position": 1' in b"".join(came)
    finally:
        await connection.close()


async def exported(connection: Any, period: Period, after: int) -> list[int]:
    """The log indexes of what is in the file."""
    written = bytearray()

    async def sink(piece: bytes) -> None:
        written.extend(piece)

    span = Span(practice=period.practice, begins=period.begins, ends=period.ends, position=99, after=after)
    done = await export(connection, span, sink)
    assert (done.size, done.sha256) == (len(written), hashlib.sha256(written).hexdigest())
    found = [json.loads(each)["position"] for each in zlib.decompress(bytes(written), 31).splitlines()]
    assert len(found) == done.rows
    return found


async def add_release(connection: Any, position: int, at: datetime, *, practice: bool = False) -> None:
    """A tender whose only release stands at that log index, dated then."""
    tender_id, ocid = uuid4(), f"ocds-0s3al1-{position}"
    body = json.dumps({"ocid": ocid, "id": "1", "position": position}).encode()
    await connection.execute(
        "INSERT INTO tender (tender_id, ocid, notice_id, deadline, terms, seq, prev)"
        " VALUES ($1, $2, $3, now(), $3, 1, $3)",
        tender_id,
        ocid,
        bytes(32),
    )
    await connection.execute(
        "INSERT INTO release (tender_id, seq, position, released_at, practice, body)"
        " VALUES ($1, 0, $2, $3, $4, $5)",
        *(tender_id, position, at, practice, body),
    )
    await connection.execute(
        "INSERT INTO compiled_release (tender_id, ocid, position, practice, changed_at, body)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        *(tender_id, ocid, position, practice, at, body),
    )
