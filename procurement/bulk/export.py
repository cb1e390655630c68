"""Compiled releases out of the database as JSON Lines, gzip: by COPY, in memory that does not grow with them.

PostgreSQL sends while we compress: in a thread, since zlib lets others work meanwhile.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from procurement.bulk import store
from procurement.bulk.store import Span

LEVEL = 3
"""Of compression: a third more bytes than at the usual 6, in less than half of the time."""
PIECE = 1 << 20  # bytes that are compressed together, at least
AHEAD = 4  # such pieces that PostgreSQL has sent and that are not compressed yet

_BEGINNING = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_ONE_FIELD, _END = b"\x00\x01", b"\xff\xff"

Sink = Callable[[bytes], Awaitable[None]]


class Exported(NamedTuple):
    """What was written: lines, bytes, and their SHA-256 (hex)."""

    rows: int
    size: int
    sha256: str


async def export(connection: Any, span: Span, sink: Sink) -> Exported:
    """The compiled releases of the period, a line each in the order of the log, to `sink`, a piece at a time.

    They are as of the connection's transaction: `store.load_position` says which log index that is.
    """
    pieces: asyncio.Queue[list[bytes]] = asyncio.Queue(AHEAD)
    lines, some = _Lines(), list[bytes]()

    async def take(data: bytes) -> None:
        nonlocal some
        some.append(data)
        if sum(map(len, some)) >= PIECE:
            await pieces.put(some)
            some = []

    async def send() -> None:
        await store.copy_compiled(connection, span, take)
        await pieces.put(some)
        await pieces.put([])

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        while piece := await pieces.get():
            if written := await asyncio.to_thread(lines.add, b"".join(piece)):
                await sink(written)
        await sink(lines.end())
    return lines.exported


class _Lines:
    """PostgreSQL's binary COPY of one column, as compressed lines. Never in two threads at once."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._rows = self._size = 0
        self._gzip = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
        self._sha256 = hashlib.sha256()

    @property
    def exported(self) -> Exported:
        return Exported(self._rows, self._size, self._sha256.hexdigest())

    def add(self, piece: bytes) -> bytes:
        """What can be written now."""
        return self._counted(self._gzip.compress(b"".join(self._read(piece))))

    def end(self) -> bytes:
        """The rest. Raises ValueError where PostgreSQL did not come to an end."""
        if not self._begun or self._rest != _END:
            raise ValueError("the copy ends in the middle")
        return self._counted(self._gzip.flush())

    def _read(self, piece: bytes) -> list[bytes]:
        data, at, found = self._rest + piece, 0, list[bytes]()
        if not self._begun and len(data) >= len(_BEGINNING):
            if not data.startswith(_BEGINNING):
                raise ValueError("not a binary copy")
            self._begun, at = True, len(_BEGINNING)
        while self._begun and data[at : at + 2] == _ONE_FIELD and at + 6 <= len(data):
            end = at + 6 + int.from_bytes(data[at + 2 : at + 6], "big")
            if end > len(data):
                break
            found += [data[at + 6 : end], b"\n"]
            at = end
        self._rest = data[at:]
        self._rows += len(found) // 2
        return found

    def _counted(self, written: bytes) -> bytes:
        self._size += len(written)
        self._sha256.update(written)
        return written
