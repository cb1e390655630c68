"""Draws that nobody chose: public random numbers out of a round's signature and an opening order.

Both signatures are unique for their key and message and neither existed before the bids were sealed, so
whoever holds the published record recomputes every figure, and nobody could have steered it.
"""

import hashlib
import struct
from typing import Literal, NamedTuple

import msgspec

from crypto.encoding import framed, sha256
from crypto.errors import MalformedError

Purpose = Literal["reserve-prices", "tie-break", "panel"]

_SPAN = 2**64


class Taken(NamedTuple):
    """A number that was drawn: `x`, the first eight bytes of that block, modulo `n`."""

    block: int
    x: int
    n: int

    @property
    def number(self) -> int:
        return self.x % self.n


class Draw:
    """A stream of numbers from one seed (32 bytes): ``block_i = SHA256(seed ‖ uint64_be(i))``, i from 0."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._next_block = 0
        self.taken: list[Taken] = []
        """What was drawn so far; blocks that are missing were skipped."""

    def uniform(self, n: int) -> int:
        """A number 0..n-1, each equally likely, 1 ≤ n ≤ 2^64. Raises MalformedError for another n.

        Takes the first eight bytes of the next block and skips values of the incomplete last stretch
        of 2^64, which would favour small results.
        """
        if not 1 <= n <= _SPAN:
            raise MalformedError("a draw is among 1 to 2^64 numbers")
        while (x := self._eight_bytes()) >= _SPAN - _SPAN % n:
            pass
        self.taken.append(Taken(self._next_block - 1, x, n))
        return self.taken[-1].number

    def _eight_bytes(self) -> int:
        block = hashlib.sha256(self._seed + struct.pack(">Q", self._next_block)).digest()
        self._next_block += 1
        return int.from_bytes(block[:8], "big")


class PublicRandomness(msgspec.Struct, frozen=True, kw_only=True):
    """What the draws of one tender, or of one of its lots, are made from.

    `mandate` is the signature on the tender-level opening order (part `bid` or `technical`); a panel is
    drawn before any order exists and has the empty string there.
    """

    tender: str
    """The ocid."""
    lot: str = ""
    """Only where lots close separately."""
    notice: bytes
    """Id of the tender's first notice, 32 bytes."""
    beacon: bytes
    """The round's signature sig_t, 48 bytes."""
    mandate: bytes = b""
    """The committee's signature sig_c, 48 bytes or none."""

    def __post_init__(self) -> None:
        if len(self.notice) != 32 or len(self.beacon) != 48 or len(self.mandate) not in (0, 48):
            raise MalformedError("public randomness is a 32-byte notice id and 48-byte signatures")

    def seed(self, purpose: Purpose) -> bytes:
        """The 32-byte seed of one purpose; no other purpose, tender or lot has the same."""
        fields = (purpose.encode(), self.tender.encode(), self.lot.encode(), self.notice)
        return sha256(b"openseal/v1/draw\n", *map(framed, (*fields, self.beacon, self.mandate)))

    def draw(self, purpose: Purpose) -> Draw:
        """The number stream of one purpose, from its start."""
        return Draw(self.seed(purpose))


def ticket(seed: bytes, id: bytes) -> bytes:
    """The lot a participant draws, 32 bytes; the lowest comes first.

    It depends on nobody else, so it stays the same when another participant is disqualified.
    """
    return sha256(seed, id)
