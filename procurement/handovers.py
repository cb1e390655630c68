"""A draft goes from the machine of somebody who helps to the bidder's own phone, which seals and signs it.

What lies here meanwhile is ciphertext: its key goes from screen to camera, in the part of an address that no
browser sends. The service learns that something was handed over, and how long it is.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from crypto.errors import VerificationError
from procurement.reception import Pushback

LARGEST = 256 * 1024
"""Bytes of ciphertext."""
KEPT = timedelta(hours=1)
MOST = 1000
"""Of them at a time: whoever fills the place keeps nobody from bidding, only others from being helped."""

Entropy = Callable[[int], bytes]


class HandoverError(VerificationError):
    """Nothing, too much, or something that is gone. `code` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Handover(NamedTuple):
    """Where a draft is to be had, and until when."""

    id: str
    expires: datetime


class Handovers:
    """What is on its way."""

    def __init__(self, pool: Any, now: Callable[[], datetime], entropy: Entropy) -> None:
        self._pool, self._now, self._entropy = pool, now, entropy

    async def keep(self, content: bytes) -> Handover:
        """For an hour. Raises HandoverError for no content or too much, Pushback where the place is full."""
        if not 0 < len(content) <= LARGEST:
            raise HandoverError("handover-size", f"a hand-over has 1 to {LARGEST} bytes")
        now, id = self._now(), self._entropy(16)
        async with self._pool.acquire() as connection:
            await connection.execute("DELETE FROM handover WHERE expires_at <= $1", now)
            kept = await connection.execute(
                "INSERT INTO handover (id, content, expires_at)"
                " SELECT $1, $2, $3 WHERE (SELECT count(*) FROM handover) < $4",
                id,
                content,
                now + KEPT,
                MOST,
            )
        if kept != "INSERT 0 1":
            raise Pushback("busy", "too many drafts are being handed over: send the same again", 60)
        return Handover(id.hex(), now + KEPT)

    async def read(self, id: str) -> bytes:
        """As often as it is asked for: a line may drop. Raises HandoverError where it is gone."""
        found: Any = await self._pool.fetchval(
            "SELECT content FROM handover WHERE id = $1 AND expires_at > $2", bytes.fromhex(id), self._now()
        )
        if found is None:
            raise HandoverError("no-such-handover", "nothing is handed over there, or not any more")
        return bytes(found)

    async def drop(self, id: str) -> None:
        """It is where it was meant for; who comes second finds it done."""
        await self._pool.execute("DELETE FROM handover WHERE id = $1", bytes.fromhex(id))
