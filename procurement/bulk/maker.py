"""The process that makes files of open data: beside the service, and with whatever time it leaves.

    the service ── setting, jobs ──► maker ──► files in the store
                ◄── what was made ──

A line of JSON each, through pipes. Whoever started it publishes what was made; a maker that is killed leaves
files that nothing names.
"""

import asyncio
import hashlib
import os
import secrets
import sys
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from obstore.store import LocalStore, ObjectStore, from_url

from bids.uploads import Depot
from procurement import database
from procurement.bulk import store, tables
from procurement.bulk.export import export
from procurement.bulk.listing import Absent, DataFile, Format, Kind, Period
from procurement.bulk.shelf import Shelf
from procurement.bulk.store import Span
from procurement.bulk.tar import tarred

LOOK = 0.2  # seconds between looks whether records are made
PATIENCE = 600.0  # seconds
PIECE = 1 << 20  # bytes


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are: the database, the store of documents (a folder or ``s3://``), a folder to work in,
    which no other process uses."""

    dsn: str
    documents: str
    spool: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A period to make the files of; `after` is the log index that the period before is as of, `workbook`
    whether one is worth trying."""

    kind: Kind
    last: date
    practice: bool
    after: int
    workbook: bool

    @property
    def period(self) -> Period:
        return Period(self.kind, self.last, self.practice)


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a period, in that `room` of its folder, as of that log index; `surplus` are fields that
    no table has a column for."""

    position: int
    room: str
    files: tuple[DataFile, ...]
    absent: tuple[Absent, ...]
    surplus: tuple[str, ...]


def folder_of(path: str, room: str) -> str:
    """Where the files of the publication at that path are in the store."""
    return f"data/{path}/{room}"


class Maker:
    """Makes files out of one database, into one store."""

    def __init__(self, pool: Any, depot: Depot, spool: Path) -> None:
        self._pool = pool
        self._depot = depot
        self._spool = spool

    async def make(self, job: Job) -> Made:
        """All files of a period. Raises UploadError, TimeoutError, OSError, and what the database does."""
        with tempfile.TemporaryDirectory(dir=self._spool) as folder:
            return await self._make(job, Path(folder))

    async def _make(self, job: Job, folder: Path) -> Made:
        """Nothing is in the store before nothing has to be waited for any more."""
        room = secrets.token_hex(8)
        span, rows = await self._lines(job, folder / "lines")
        written = await asyncio.to_thread(
            tables.write, _unzipped(folder / "lines"), folder, workbook=job.workbook
        )
        absent = [] if written.fits else [Absent(kind="xlsx", reason="too-many-rows")]
        records = list[DataFile]()
        if job.kind == "all":
            absent.append(Absent(kind="records", reason="no-parts-of-all"))
        else:
            records.append(await self._records(job, span))
        files = [await self._store(job, room, "jsonl", rows, folder / "lines")]
        files.append(await self._store(job, room, "csv", written.releases, folder / "tables.zip"))
        if written.fits:
            files.append(await self._store(job, room, "xlsx", written.releases, folder / "tables.xlsx"))
        files += records
        return Made(
            position=span.position,
            room=room,
            files=tuple(files),
            absent=tuple(absent),
            surplus=tuple(sorted(written.surplus)),
        )

    async def _lines(self, job: Job, path: Path) -> tuple[Span, int]:
        """The compiled releases, all as of one moment; how many."""
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            span = Span(
                practice=job.practice,
                begins=job.period.begins,
                ends=job.period.ends,
                position=await store.load_position(connection),
                after=job.after,
            )
            with path.open("wb") as file:

                async def sink(piece: bytes) -> None:
                    await asyncio.to_thread(file.write, piece)

                exported = await export(connection, span, sink)
        return span, exported.rows

    async def _store(self, job: Job, room: str, kind: Format, rows: int, path: Path) -> DataFile:
        """The file in the store; what is said of it is said of the bytes that went there."""
        size, digest, name = 0, hashlib.sha256(), job.period.file(kind)

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            async for piece in _chunks(path):
                size += len(piece)
                digest.update(piece)
                yield piece

        await self._depot.write(f"{folder_of(job.period.path, room)}/{name}", counted())
        return DataFile(name=name, kind=kind, rows=rows, sha256=digest.hexdigest(), size=size)

    async def _records(self, job: Job, span: Span) -> DataFile:
        """The award records' tar, which is put together whenever it is read."""
        async with asyncio.timeout(PATIENCE):
            while await store.complete_until(self._pool) < span.position:  # noqa: ASYNC110  # it is another's
                await asyncio.sleep(LOOK)
        shelf, rows, size, digest = Shelf(self._pool, self._depot), 0, 0, hashlib.sha256()
        async for piece in tarred(shelf.belonging(span), shelf.read):
            size += len(piece)
            digest.update(piece)
        async for _ in shelf.belonging(span):
            rows += 1
        name = job.period.file("records")
        return DataFile(name=name, kind="records", rows=rows, sha256=digest.hexdigest(), size=size)


def _unzipped(path: Path) -> Iterator[bytes]:
    """The lines of a gzip file. Raises ValueError where it ends before its end."""
    inflate, rest = zlib.decompressobj(31), b""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            *lines, rest = (rest + inflate.decompress(piece)).split(b"\n")
            yield from lines
    if not inflate.eof or rest:
        raise ValueError("the lines end in the middle")


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece


def opened(documents: str) -> ObjectStore:
    """The store of documents: a folder, or a bucket by its address (``s3://``)."""
    return from_url(documents) if "://" in documents else LocalStore(documents)


async def _work() -> None:
    def say(value: object) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
        sys.stdout.buffer.flush()

    setting = msgspec.json.decode(await asyncio.to_thread(sys.stdin.buffer.readline), type=Setting)
    tempfile.tempdir = setting.spool  # openpyxl writes aside
    async with await database.connect(setting.dsn, most=2) as pool:
        maker = Maker(pool, Depot(pool, opened(setting.documents), secrets.token_bytes), Path(setting.spool))
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            say(await maker.make(msgspec.json.decode(line, type=Job)))


if __name__ == "__main__":
    os.nice(19)
    asyncio.run(_work())
