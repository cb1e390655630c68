"""Compiled releases out of the database as JSON Lines, gzip: by COPY, in memory that does not grow with them.

PostgreSQL sends while we compress, in as many threads as there are processors for it: zlib lets others work
meanwhile. Pieces are compressed each by itself and stand one after the other in one stream, as pigz has it.
"""

import asyncio
import hashlib
import os
import struct
import zlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from procurement.bulk import store
from procurement.bulk.store import Span

LEVEL = 3
"""Of compression: a third more bytes than at the usual 6, in less than half of the time."""
PIECE = 1 << 20  # bytes that are compressed together, at least
AHEAD = 2  # such pieces that PostgreSQL has sent and that nobody has looked at yet
AT_ONCE = min(4, os.cpu_count() or 1)  # that are compressed

_BEGINNING = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_ONE_FIELD, _END = b"\x00\x01", b"\xff\xff"
_GZIP = b"\x1f\x8b\x08" + bytes(6) + b"\xff"  # RFC 1952: deflated, nothing said of name, time or system
_LAST = b"\x03\x00"  # RFC 1951: a last block with nothing in it

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
    lines, file, some = _Lines(), _File(sink), list[bytes]()

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
        await file.write(_GZIP)
        compressed = deque[asyncio.Task[bytes]]()
        while piece := await pieces.get():
            read = await asyncio.to_thread(lines.read, b"".join(piece))
            compressed.append(tasks.create_task(asyncio.to_thread(_deflated, read)))
            if len(compressed) == AT_ONCE:
                await file.write(await compressed.popleft())
        for each in compressed:
            await file.write(await each)
        await file.write(lines.end())
    return Exported(lines.rows, file.size, file.sha256.hexdigest())


class _File:
    """What has been written."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.size = 0
        self.sha256 = hashlib.sha256()

    async def write(self, data: bytes) -> None:
        self.size += len(data)
        self.sha256.update(data)
        await self._sink(data)


class _Lines:
    """PostgreSQL's binary COPY of one column, as lines. Never in two threads at once."""

    def __init__(self) -> None:
        self.rows = 0
        self._rest = b""
        self._begun = False
        self._size = self._crc32 = 0

    def read(self, piece: bytes) -> bytes:
        """The lines that are whole now. Raises ValueError."""
        lines = b"".join(self._read(piece))
        self._size += len(lines)
        self._crc32 = zlib.crc32(lines, self._crc32)
        return lines

    def end(self) -> bytes:
        """The end of the stream. Raises ValueError where PostgreSQL did not come to an end."""
        if not self._begun or self._rest != _END:
            raise ValueError("the copy ends in the middle")
        return _LAST + struct.pack("<II", self._crc32, self._size & 0xFFFFFFFF)

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
        self.rows += len(found) // 2
        return found


def _deflated(lines: bytes) -> bytes:
    """Blocks that need nothing of what stands before them, and end with a byte."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(lines) + packer.flush(zlib.Z_SYNC_FLUSH)
