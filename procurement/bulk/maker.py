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
import shutil
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
    """Where things are: the database, the store of documents (a folder or ``s3://``), a folder to work in."""

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
        shutil.rmtree(self._spool, ignore_errors=True)
        self._spool.mkdir(parents=True)
        try:
            return await self._make(job)
        finally:
            shutil.rmtree(self._spool)

    async def _make(self, job: Job) -> Made:
        room = secrets.token_hex(8)
        span, lines = await self._lines(job)
        written = await asyncio.to_thread(
            tables.write, _unzipped(self._spool / lines.name), self._spool, workbook=job.workbook
        )
        absent = [] if written.fits else [Absent(kind="xlsx", reason="too-many-rows")]
        files = [lines, self._file(job, "csv", written.releases)]
        files += [self._file(job, "xlsx", written.releases)] if written.fits else []
        for each in files:
            name = f"{folder_of(job.period.path, room)}/{each.name}"
            await self._depot.write(name, _chunks(self._spool / each.name))
        if job.kind == "all":
            absent.append(Absent(kind="records", reason="no-parts-of-all"))
        else:
            files.append(await self._records(job, span))
        return Made(
            position=span.position,
            room=room,
            files=tuple(files),
            absent=tuple(absent),
            surplus=tuple(sorted(written.surplus)),
        )

    async def _lines(self, job: Job) -> tuple[Span, DataFile]:
        """The compiled releases, all as of one moment."""
        name = job.period.file("jsonl")
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
            with (self._spool / name).open("wb") as file:

                async def sink(piece: bytes) -> None:
                    await asyncio.to_thread(file.write, piece)

                rows, size, sha256 = await export(connection, span, sink)
        return span, DataFile(name=name, kind="jsonl", rows=rows, sha256=sha256, size=size)

    def _file(self, job: Job, kind: Format, rows: int) -> DataFile:
        """What the tables were written to, under its name."""
        made = {"csv": "tables.zip", "xlsx": "tables.xlsx"}[kind]
        path = (self._spool / made).rename(self._spool / job.period.file(kind))
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return DataFile(name=path.name, kind=kind, rows=rows, sha256=sha256, size=path.stat().st_size)

    async def _records(self, job: Job, span: Span) -> DataFile:
        """The award records' tar, which is put together whenever it is read."""
        async with asyncio.timeout(PATIENCE):
            while await store.complete_until(self._pool) < span.position:  # noqa: ASYNC110  # it is another's
                await asyncio.sleep(LOOK)
        shelf, size, digest = Shelf(self._pool, self._depot), 0, hashlib.sha256()
        async for piece in tarred(shelf.belonging(span), shelf.read):
            size += len(piece)
            digest.update(piece)
        rows = sum([1 async for _ in shelf.belonging(span)])
        name = job.period.file("records")
        return DataFile(name=name, kind="records", rows=rows, sha256=digest.hexdigest(), size=size)


def _unzipped(path: Path) -> Iterator[bytes]:
    """The lines of a gzip file."""
    inflate, rest = zlib.decompressobj(31), b""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            *lines, rest = (rest + inflate.decompress(piece)).split(b"\n")
            yield from lines


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
