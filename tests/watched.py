"""Logs as a watcher finds them, honest or not: lives of tenders on one log, kept as a copy in memory, or
answered for over HTTP."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import httpx
import msgspec

from bids.receipts import ZERO, CommittedCover, CoversEntry, RevealedCovers, commitment, commitment_entry
from crypto.checkpoint import Checkpoint, SigningKey, cosign, sign_checkpoint
from crypto.encoding import encode, moment, parse_moment, sha256, to_base64
from crypto.merkle import ENTRIES, TILE_WIDTH, Frontier, Tile, encode_bundle, leaf_hash, tiles_of
from crypto.statements import Statement, sign
from crypto.trust import Trust
from procurement.bulk.listing import DataFile, DataPublished, Kind, Period, listed
from procurement.watching.folder import Folder
from procurement.watching.line import Alarm, Line
from procurement.watching.mirror import Mirror
from procurement.watching.monitor import Finding, Monitor
from tests.builders import DEADLINE, Life, World, the_world

LATER = DEADLINE + timedelta(days=1)
"""When witnesses see what has come, unless a test says otherwise."""


class Kept:
    """A copy of a log in memory, as `monitor.Copy` asks for one."""

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self.log = list(entries)
        self.statements: dict[str, bytes] = {}
        self.records: dict[str, bytes] = {}
        self.data: dict[str, bytes] = {}
        """By path, what a service has beside the log."""
        self.missing: set[str] = set()
        """What it knows that it has not yet."""
        self.seen: list[tuple[int, str]] = []
        """Sizes at moments, as witnesses saw them."""

    def entries(self) -> Iterator[bytes]:
        return iter(self.log)

    def entry(self, index: int) -> bytes:
        return self.log[index]

    def lacks(self, id: str) -> bool:
        return id in self.missing

    def statement(self, id: str) -> bytes | None:
        return self.statements.get(id)

    def record(self, ocid: str) -> bytes | None:
        return self.records.get(ocid)

    def published(self, digest: str) -> bytes | None:
        return self.data.get(f"/api/v1/data/{digest}")

    def heads(self) -> Iterator[tuple[int, str]]:
        return iter(self.seen)


class Watched:
    """Tenders that live on one log, one step of one of them after another, among covers and whatever else a
    test puts there. `lives` share the list of entries, so each is played with the methods of `Life`."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or the_world()
        self.entries: list[bytes] = []
        self.lives: list[Life] = []
        self.covers: list[CommittedCover] = []
        self.said: dict[str, bytes] = {}
        """Statements that are no tender's, by id."""
        self.data: dict[str, bytes] = {}
        """Published files, and their lists, by where a service has them."""
        self.records: dict[str, bytes] = {}
        """By ocid, as they were when `kept` was first called after the award."""

    def life(self, make: Callable[[], Life]) -> Life:
        """The life that `make` begins, on this log from its first entry on."""
        life = make()
        assert not life.submitted, "it has only its notice so far"
        offset = len(self.entries)
        self.entries += life.entries
        life.entries, life.history = self.entries, [each + offset for each in life.history]
        self.lives.append(life)
        return life

    def cover(self, at: str) -> CommittedCover:
        """A commitment to nothing, made at that moment."""
        cover = CommittedCover(index=len(self.entries), time=at, salt=self.world.entropy(32).hex())
        self.entries.append(commitment_entry(commitment("cover", ZERO, at, cover.salt, ZERO)))
        self.covers.append(cover)
        return cover

    def reveal(self, day: str, covers: Iterable[CommittedCover] | None = None) -> str:
        """The statement about the covers of that day, by default all of them. Returns its id."""
        listed = self.covers if covers is None else covers
        said = RevealedCovers(
            signer=self.world.service.fingerprint,
            day=day,
            covers=tuple(each for each in listed if covers is not None or each.time[:10] == day),
            time=moment(parse_moment(f"{day}T00:00:00.000Z") + timedelta(days=1)),
        )
        statement = Statement(sign(said, self.world.service))
        self.said[statement.id] = statement.data
        self.entries.append(encode(CoversEntry(statement=statement.id)))
        return statement.id

    def publish(self, kind: Kind, day: date, content: bytes = b"") -> str:
        """The file of a day, month or all, its list, and the log's entry. Returns the list's SHA-256."""
        period = Period(kind, day, practice=False)
        name = period.file("jsonl")
        file = DataFile(name=name, kind="jsonl", rows=1, sha256=sha256(content).hex(), size=len(content))
        data = listed(period, len(self.entries), 0, [file], [])
        digest = sha256(data).hex()
        self.entries.append(encode(DataPublished(sha256=digest)))
        self.data |= {f"/api/v1/data/{digest}": data, f"/data/{period.path}/{name}": content}
        return digest

    def kept(self) -> Kept:
        """A whole and honest copy of all this: with the record of whoever is awarded."""
        kept = Kept(self.entries)
        kept.statements |= self.said
        for life in self.lives:
            kept.statements |= life.statements
            if hasattr(life, "intended") and life.notice.tender not in self.records:
                self.records[life.notice.tender] = life.record()
        kept.records |= self.records
        kept.data |= self.data
        return kept


def found(kept: Kept, now: str = "") -> list[Finding]:
    """What the monitor finds in a copy."""
    return list(Monitor(kept).watch(now))


def codes(kept: Kept, now: str = "") -> list[str]:
    """Codes of what the monitor finds, each once."""
    return sorted({each.code for each in found(kept, now)})


def files_of(entries: list[bytes]) -> dict[str, bytes]:
    """Tiles and bundles of a log of these entries, by path, full ones alone where there are full ones."""
    rows: dict[int, list[bytes]] = {0: [leaf_hash(each) for each in entries]}
    for risen in Frontier().extend(rows[0])[1]:
        rows.setdefault(risen.level, []).append(risen.hash)

    def content(tile: Tile) -> bytes:
        some = slice(tile.index * TILE_WIDTH, tile.index * TILE_WIDTH + tile.width)
        return encode_bundle(entries[some]) if tile.level == ENTRIES else b"".join(rows[tile.level][some])

    return {tile.path: content(tile) for tile in tiles_of(len(entries))}


def head_of(entries: list[bytes], key: SigningKey, witness: SigningKey | None, at: datetime = LATER) -> bytes:
    """The signed head of a log of these entries, co-signed where there is a witness."""
    frontier, _ = Frontier().extend(leaf_hash(each) for each in entries)
    head = Checkpoint(origin=key.verifier.name, size=frontier.size, root=frontier.root)
    note = sign_checkpoint(head, key)
    return (note + (cosign(note, witness, at) if witness else "")).encode()


class Served:
    """What a service answers, by path. `lies` come before the truth: other bytes, or a status; so do
    `problems`: codes, with status 404; `tags` are ETags of other bytes than those that it gives. After as
    many bytes as `breaks` says the line breaks, once."""

    def __init__(self, kept: Kept, world: World | None = None) -> None:
        self.world = world or the_world()
        self.lies: dict[str, bytes | int] = {}
        self.problems: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.breaks: dict[str, int] = {}
        self.asked: list[str] = []
        self.whole: list[str] = []
        """Of these, what was not asked for in part."""
        self.ranges: list[str] = []
        self.truth: dict[str, bytes] = {}
        self.publish(kept)

    def publish(self, kept: Kept) -> None:
        """All of a copy, as it is now."""
        self.truth |= {f"/log/{path}": data for path, data in files_of(kept.log).items()}
        self.truth["/log/checkpoint"] = head_of(kept.log, self.world.log, self.world.witness)
        said = {id: Statement(data) for id, data in kept.statements.items()}
        for id, statement in said.items():
            if b".covers." in statement.payload_type.encode():
                self._publish_covers(statement)
            else:
                self.truth[f"/statements/{id}"] = statement.data
        for ocid, data in kept.records.items():
            self.truth[f"/api/v1/tenders/{ocid}/record"] = data
        self.truth |= kept.data

    def _publish_covers(self, statement: Statement) -> None:
        day = statement.read(RevealedCovers).day
        answer = {"entry": "", "proof": "", "statement": to_base64(statement.data)}
        self.truth[f"/api/v1/covers/{day}"] = msgspec.json.encode(answer)
        listed = msgspec.json.decode(self.truth.get("/api/v1/covers", b"[]"))
        listed = [*listed, {"day": day, "statement": statement.id}]
        self.truth["/api/v1/covers"] = msgspec.json.encode(listed)

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and body. Statements are found by their ids, whatever they are about."""
        self.asked.append(path)
        parts = path.split("/")
        known = f"/statements/{parts[-1]}" if parts[-2] in ("statements", "registry-statements") else path
        if path in self.problems:
            return 404, msgspec.json.encode({"code": self.problems[path]})
        said = self.lies.get(path, self.truth.get(known, 404))
        return (said, b'{"code":"no"}') if isinstance(said, int) else (200, said)

    def tagged(self, path: str, body: bytes) -> dict[str, str]:
        """Headers that say which file this is, as a service has them with files."""
        return {"ETag": f'"{self.tags.get(path, sha256(body).hex())}"'}

    def _part(self, asked: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """As much of it as was asked for: "bytes=1-2", or from a place on."""
        if not asked:
            return 200, {}, body
        self.ranges.append(asked)
        first, last = asked.removeprefix("bytes=").split("-")
        part = body[int(first) : int(last) + 1 if last else None]
        return 206, {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}"}, part

    def connected(self) -> httpx.AsyncClient:
        """A line to it."""

        def handle(request: httpx.Request) -> httpx.Response:
            status, body = self.answer(request.url.path)
            if "Range" not in request.headers:
                self.whole.append(request.url.path)
            if not status:
                raise httpx.ConnectError("nobody is there")
            headers = self.tagged(request.url.path, body)
            if status == 200 and request.headers.get("If-Range", headers["ETag"]) == headers["ETag"]:
                status, more, body = self._part(request.headers.get("Range", ""), body)
                headers |= more
            breaks = self.breaks.pop(request.url.path, None)
            return httpx.Response(
                status, headers=headers, content=body if breaks is None else broken(body[:breaks])
            )

        return httpx.AsyncClient(transport=httpx.MockTransport(handle), base_url="http://service")


async def broken(body: bytes) -> AsyncIterator[bytes]:
    """A body after which the line breaks."""
    yield body
    raise httpx.ReadError("the line broke")


class Proxy(httpx.AsyncBaseTransport):
    """Between a watcher and a genuine service, to which it passes everything on but what it lies about: by
    path other bytes, or a status."""

    def __init__(self, genuine: httpx.AsyncClient) -> None:
        self.lies: dict[str, bytes | int] = {}
        self.asked: list[str] = []
        self._genuine = genuine

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        lie = self.lies.get(request.url.path)
        if isinstance(lie, int):
            return httpx.Response(lie, content=b'{"code":"no"}')
        if lie is not None:
            return httpx.Response(200, content=lie)
        asked = {name: request.headers[name] for name in ("Range", "If-Range") if name in request.headers}
        answer = await self._genuine.request(request.method, request.url, headers=asked)
        said = {name: answer.headers[name] for name in ("ETag", "Content-Range") if name in answer.headers}
        return httpx.Response(answer.status_code, headers=said, content=answer.content)

    def connected(self) -> httpx.AsyncClient:
        """A line through it."""
        return httpx.AsyncClient(transport=self, base_url="http://service")


@asynccontextmanager
async def mirroring(
    http: httpx.AsyncClient, folder: Path, trust: Trust, patience: float = 0.0, *, files: bool = False
) -> AsyncIterator[tuple[Mirror, list[Alarm]]]:
    """A mirror with so much patience, and its alarms as they come."""
    told: list[Alarm] = []
    folder.mkdir(exist_ok=True)
    async with http:
        line = Line(http, patience=patience)
        yield Mirror(Folder(folder), line, trust, lambda alarm, _: told.append(alarm), files=files), told


async def mirrored(served: Served, folder: Path, patience: float = 0.0, *, files: bool = False) -> list[str]:
    """One look at what is served: the codes of the alarms that are new. Raises AwayError."""
    line = served.connected()
    async with mirroring(line, folder, served.world.trust, patience, files=files) as (mirror, told):
        await mirror.follow()
    return [alarm.code for alarm in told]
