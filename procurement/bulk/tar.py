"""Award records as one tar (POSIX ustar), in the order of the log.

The file is nowhere: it follows from its members, so that any part of it can be read, and whoever was cut off
goes on from there.
"""

import tarfile
from collections.abc import AsyncIterator, Callable
from math import inf

from procurement.bulk.store import Kept

BLOCK = 512

Read = Callable[[Kept, int, int], AsyncIterator[bytes]]
"""The bytes of a record from one place on, before another."""


async def tarred(
    members: AsyncIterator[Kept], read: Read, start: int = 0, end: float = inf
) -> AsyncIterator[bytes]:
    """The bytes of the tar from `start` on, before `end`."""
    at = 0
    async for each in members:
        padding = bytes(-each.size % BLOCK)
        for fixed, size in ((header(each), BLOCK), (None, each.size), (padding, len(padding))):
            first, last = max(0, start - at), int(min(size, end - at))
            if first < last and fixed is not None:
                yield fixed[first:last]
            elif first < last:
                async for piece in read(each, first, last):
                    yield piece
            at += size
        if at >= end:
            return
    closing = bytes(2 * BLOCK)[max(0, start - at) : int(min(2 * BLOCK, end - at))]
    if closing:
        yield closing


def header(kept: Kept) -> bytes:
    """A record's file, ``<ocid>.zip``, dated like the award."""
    member = tarfile.TarInfo(f"{kept.ocid}.zip")
    member.size, member.mtime = kept.size, int(kept.awarded_at.timestamp())
    return member.tobuf(tarfile.USTAR_FORMAT, "ascii")
