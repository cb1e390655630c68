"""The Merkle tree of a transparency log: RFC 6962 hashing, proofs, and C2SP tlog-tiles. Pure.

A tile is 256 consecutive hashes of one row of the tree, every eighth row being kept, so that any proof
is computed from a handful of tiles however large the log. `Plan` says which tiles a proof needs and
turns them into its hashes; the caller does the reading in between.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from crypto.encoding import sha256
from crypto.errors import LogError, MalformedError

HASH_SIZE = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
LARGEST_ENTRY = 65_535  # bytes: a bundle writes the length as uint16
ENTRIES = -1
"""The level of an entry bundle, which lies below the leaf hashes of level 0."""

EMPTY_ROOT = sha256(b"")

_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?")


def leaf_hash(entry: bytes) -> bytes:
    """``SHA-256(00 ‖ entry)`` (RFC 6962 section 2.1): the identity of an entry in the log."""
    return sha256(b"\x00", entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    """``SHA-256(01 ‖ left ‖ right)`` (RFC 6962 section 2.1)."""
    return sha256(b"\x01", left, right)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bytes:
    """The `leaf` hash, once `proof` shows it at `index` of the tree of `size` leaves with `root`.

    RFC 6962 section 2.1.1; the proof runs from the leaf's sibling up. Raises LogError.
    """
    ranges = _inclusion_ranges(index, size)
    if len(ranges) != len(proof):
        raise LogError("inclusion proof of the wrong length")
    above = leaf
    for (start, _), sibling in zip(ranges, proof, strict=True):
        above = node_hash(sibling, above) if start <= index else node_hash(above, sibling)
    if above != root:
        raise LogError("inclusion proof does not lead to the root")
    return leaf


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bytes:
    """The new root, once `proof` shows that the new tree only appends to the old one.

    RFC 6962 section 2.1.2. From the empty tree the proof is empty. Raises LogError.
    """
    ranges = _consistency_ranges(old_size, new_size)
    if len(ranges) != len(proof):
        raise LogError("consistency proof of the wrong length")
    if old_size == 0:
        old, new = EMPTY_ROOT, new_root if new_size else EMPTY_ROOT
    else:
        old, new = _climb(old_size, old_root, list(zip(ranges, proof, strict=True)))
    if old != old_root or new != new_root:
        raise LogError("consistency proof does not lead to both roots")
    return new_root


def _climb(old_size: int, old_root: bytes, steps: list[tuple[tuple[int, int], bytes]]) -> tuple[bytes, bytes]:
    """The two roots that a consistency proof, range by range, leads to."""
    old = new = old_root
    if steps and steps[0][0][1] == old_size:
        old = new = steps.pop(0)[1]
    for (start, _), sibling in steps:
        if start < old_size:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    return old, new


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """`width` hashes (1..256) from hash number ``index · 256`` of row `level` (0..63, or ENTRIES)."""

    level: int
    index: int
    width: int

    @property
    def path(self) -> str:
        """``tile/<L>/<N>[.p/<W>]``, as in C2SP tlog-tiles."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return f"tile/{level}/{_grouped(self.index)}{partial}"

    @property
    def leaves(self) -> int:
        """The size of the smallest tree that has this tile."""
        return (self.index * TILE_WIDTH + self.width) << TILE_HEIGHT * max(self.level, 0)

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """The tile at `path`. Raises MalformedError unless it is a tile's one and only path."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise MalformedError("not the path of a tile")
        level = ENTRIES if match[1] == "entries" else int(match[1])
        width = TILE_WIDTH if match[3] is None else int(match[3])
        tile = cls(level=level, index=int(match[2].replace("x", "").replace("/", "")), width=width)
        if level > 63 or not 1 <= width <= TILE_WIDTH or tile.path != path:
            raise MalformedError("not the path of a tile")
        return tile


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """Every tile and entry bundle of the tree of `size` leaves that the tree of `since` leaves has not."""
    for level in range(ENTRIES, 64):
        height = TILE_HEIGHT * max(level, 0)
        hashes = size >> height
        if hashes == 0:
            return
        if hashes > since >> height:
            for index in range((since >> height) // TILE_WIDTH, -(-hashes // TILE_WIDTH)):
                yield Tile(level=level, index=index, width=min(TILE_WIDTH, hashes - index * TILE_WIDTH))


class _Node(msgspec.Struct, frozen=True, kw_only=True):
    """The root of a full subtree: leaves ``index · 2^height`` up to ``(index + 1) · 2^height``."""

    height: int
    index: int

    def tile(self, size: int) -> Tile:
        level, below = divmod(self.height, TILE_HEIGHT)
        index = (self.index << below) // TILE_WIDTH
        hashes = (size >> TILE_HEIGHT * level) - index * TILE_WIDTH
        return Tile(level=level, index=index, width=min(TILE_WIDTH, hashes))

    def hash(self, row: bytes) -> bytes:
        below = self.height % TILE_HEIGHT
        first = (self.index << below) % TILE_WIDTH
        return _full_root(row[first * HASH_SIZE : (first + (1 << below)) * HASH_SIZE])


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A proof about a tree of `size` leaves before its tiles are read: each hash is that of a range of
    leaves, from the first to before the second."""

    size: int
    ranges: tuple[tuple[int, int], ...]

    @property
    def tiles(self) -> frozenset[Tile]:
        """The tiles to read."""
        return frozenset(node.tile(self.size) for each in self.ranges for node in _subtrees(*each))

    def hashes(self, tiles: Mapping[Tile, bytes]) -> list[bytes]:
        """The proof, from the contents of `tiles`. Raises LogError where one is missing or cut short."""
        return [
            _fold([node.hash(_whole(tiles, node.tile(self.size))) for node in _subtrees(*each)])
            for each in self.ranges
        ]


def plan_inclusion(index: int, size: int) -> Plan:
    """The proof that leaf `index` is in the tree of `size` leaves. Raises LogError if it cannot be."""
    return Plan(size=size, ranges=tuple(_inclusion_ranges(index, size)))


def plan_consistency(old_size: int, new_size: int) -> Plan:
    """The proof that the tree of `new_size` leaves extends that of `old_size`. Raises LogError."""
    return Plan(size=new_size, ranges=tuple(_consistency_ranges(old_size, new_size)))


def plan_root(size: int) -> Plan:
    """A plan whose only hash is the root of the tree of `size` ≥ 1 leaves."""
    return Plan(size=size, ranges=((0, size),))


class TileHash(msgspec.Struct, frozen=True, kw_only=True):
    """Hash number `index` of row `level` ≥ 1: the root of the full tile `index` of the level below."""

    level: int
    index: int
    hash: bytes


class Frontier(msgspec.Struct, frozen=True, kw_only=True):
    """The right edge of a tree: all that is needed to append to it.

    `peaks` are the roots of the full subtrees that `size` splits into, largest first: one for each
    one-bit of `size`.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """RFC 6962's Merkle tree hash."""
        return _fold(self.peaks) if self.peaks else EMPTY_ROOT

    def extend(self, leaves: Iterable[bytes]) -> tuple["Frontier", list[TileHash]]:
        """The tree with `leaves` (hashes) appended, and the hashes that entered rows above the leaves."""
        peaks, size, risen = list(self.peaks), self.size, []
        for leaf in leaves:
            above, height = leaf, 0
            while size >> height & 1:
                above, height = node_hash(peaks.pop(), above), height + 1
                if height % TILE_HEIGHT == 0:
                    level = height // TILE_HEIGHT
                    risen.append(TileHash(level=level, index=size >> height, hash=above))
            peaks.append(above)
            size += 1
        return Frontier(size=size, peaks=tuple(peaks)), risen

    def encode(self) -> bytes:
        """The peaks one after another, 32 bytes each."""
        return b"".join(self.peaks)

    @classmethod
    def parse(cls, size: int, data: bytes) -> "Frontier":
        """The frontier of `size` leaves encoded as `data`. Raises MalformedError."""
        if size < 0 or len(data) != size.bit_count() * HASH_SIZE:
            raise MalformedError("a frontier has one hash for each one-bit of its size")
        return cls(size=size, peaks=tuple(_split(data)))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """``uint16_be(length) ‖ entry`` for each entry. Raises LogError where one is over 65,535 bytes."""
    if any(len(entry) > LARGEST_ENTRY for entry in entries):
        raise LogError(f"a log entry has at most {LARGEST_ENTRY} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle, 1 to 256 of them. Raises MalformedError."""
    entries, at = [], 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    if at != len(data) or not 1 <= len(entries) <= TILE_WIDTH:
        raise MalformedError("not an entry bundle")
    return entries


def _inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The leaf ranges of RFC 6962's PATH(index, D[size]), in the order of the proof."""
    if not 0 <= index < size:
        raise LogError(f"no leaf {index} in a tree of {size}")
    start, end, ranges = 0, size, []
    while end - start > 1:
        middle = start + _split_point(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def _consistency_ranges(old_size: int, new_size: int) -> list[tuple[int, int]]:
    """The leaf ranges of RFC 6962's PROOF(old_size, D[new_size]), in the order of the proof."""
    if not 0 <= old_size <= new_size:
        raise LogError(f"a tree of {new_size} does not extend one of {old_size}")
    start, end, ranges = 0, new_size, []
    while 0 < old_size < end:
        middle = start + _split_point(end - start)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:  # else the verifier holds this hash: it is the old root
        ranges.append((start, end))
    return ranges[::-1]


def _subtrees(start: int, end: int) -> Iterator[_Node]:
    """The full subtrees that tile a range, largest first; `start` is aligned as RFC 6962's ranges are."""
    while start < end:
        height = (end - start).bit_length() - 1
        yield _Node(height=height, index=start >> height)
        start += 1 << height


def _split_point(size: int) -> int:
    """The largest power of two below `size` ≥ 2."""
    return 1 << (size - 1).bit_length() - 1


def _whole(tiles: Mapping[Tile, bytes], tile: Tile) -> bytes:
    row = tiles.get(tile, b"")
    if len(row) != tile.width * HASH_SIZE:
        raise LogError(f"{tile.path} is missing or cut short")
    return row


def _fold(peaks: Sequence[bytes]) -> bytes:
    above = peaks[-1]
    for peak in reversed(peaks[:-1]):
        above = node_hash(peak, above)
    return above


def _full_root(row: bytes) -> bytes:
    return row if len(row) == HASH_SIZE else _above(row)


@lru_cache(maxsize=1 << 13)  # some dozens of tiles: proofs of neighbouring leaves share most of their hashes
def _above(row: bytes) -> bytes:
    half = len(row) // 2
    return node_hash(_full_root(row[:half]), _full_root(row[half:]))


def _split(data: bytes) -> list[bytes]:
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def _grouped(number: int) -> str:
    text = f"{number % 1000:03}"
    while number := number // 1000:
        text = f"x{number % 1000:03}/{text}"
    return text
