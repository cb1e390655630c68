"""The tree of a log's head: its tiles and entries, each verified from the root down before it is kept."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Iterable, Mapping
from itertools import islice

import msgspec

from bids.client import ServiceError
from crypto.checkpoint import Checkpoint
from crypto.errors import MalformedError
from crypto.merkle import (
    ENTRIES,
    HASH_SIZE,
    LARGEST_ENTRY,
    TILE_HEIGHT,
    TILE_WIDTH,
    Frontier,
    Tile,
    leaf_hash,
    parse_bundle,
    plan_root,
    tiles_of,
)
from procurement.watching.folder import Folder, beginning
from procurement.watching.line import Alarm, DoubtError, Line

WINDOW = 8
"""Entry bundles under way at a time."""
LONGEST_BUNDLE = TILE_WIDTH * (2 + LARGEST_ENTRY)
_ROWS = 64
"""Tiles of a tree that are held."""


class Tree:
    """The tree of a head: its tiles from the folder or the service, each verified from the root down."""

    def __init__(self, head: Checkpoint, folder: Folder, line: Line) -> None:
        self._head = head
        self._folder = folder
        self._line = line
        self._rows: OrderedDict[Tile, bytes] = OrderedDict()
        self._edge: dict[Tile, bytes] | None = None

    async def copy(self, since: int) -> None:
        """Puts into the folder what the tree of `since` leaves has not."""
        bundles = (each for each in tiles_of(self._head.size, since) if each.level == ENTRIES)
        while window := list(islice(bundles, WINDOW)):
            for each in window:  # what they have in common is asked for once
                if each.width == TILE_WIDTH:
                    await self.row(self._above(_leaves(each)))
                else:
                    await self._verified_edge()
            await together(self._copy_bundle(each) for each in window)
        for tile in tiles_of(self._head.size, since):
            if tile.level > 0:
                self._keep(tile, await self.row(tile))

    async def row(self, tile: Tile) -> bytes:
        """The hashes of `tile`. Raises Alarm, AwayError."""
        if tile.width < TILE_WIDTH:
            return (await self._verified_edge())[tile]
        if tile not in self._rows:
            above = await self.row(self._above(tile))
            at = tile.index % TILE_WIDTH * HASH_SIZE
            self._rows[tile] = await self._verified(tile, above[at : at + HASH_SIZE])
        self._rows.move_to_end(tile)
        if len(self._rows) > _ROWS:
            self._rows.popitem(last=False)
        return self._rows[tile]

    async def _verified(self, tile: Tile, root: bytes) -> bytes:
        kept = self._folder.tile(tile)
        if kept is not None and _is_row(kept, tile, root):
            return kept
        got: dict[str, bytes] = {}

        async def attempt() -> bytes:
            data = got["tile"] = await self._line.get(self._line.in_log(tile.path), TILE_WIDTH * HASH_SIZE)
            if not _is_row(data, tile, root):
                raise _wrong(tile, got)
            return data

        return await self._line.persist(tile.path, attempt)

    async def _verified_edge(self) -> dict[Tile, bytes]:
        """The partial tiles, which are what the root is made of."""
        if self._edge is None:
            self._edge = await self._line.persist("the newest tiles", self._read_edge)
        return self._edge

    async def _read_edge(self) -> dict[Tile, bytes]:
        plan = plan_root(self._head.size)
        rows = {tile: await self._partial(tile) for tile in plan.tiles}
        if plan.hashes(rows) != [self._head.root]:
            rows = {tile: await self._partial(tile, fresh=True) for tile in plan.tiles}
        if plan.hashes(rows) != [self._head.root]:
            said = "The log's newest tiles do not lead to the root that its key has signed."
            raise DoubtError(Alarm("wrong-tile", said, flat({each.path: row for each, row in rows.items()})))
        return rows

    async def _partial(self, tile: Tile, *, fresh: bool = False) -> bytes:
        """A partial tile may be gone when the full one is there (C2SP tlog-tiles)."""
        kept = None if fresh else self._folder.tile(tile)
        if kept is not None and len(kept) == tile.width * HASH_SIZE:
            return kept
        return await self._get(tile, TILE_WIDTH * HASH_SIZE)

    async def _get(self, tile: Tile, limit: int) -> bytes:
        try:
            return await self._line.get(self._line.in_log(tile.path), limit)
        except ServiceError as error:
            if error.status != 404 or tile.width == TILE_WIDTH:
                raise
            full = msgspec.structs.replace(tile, width=TILE_WIDTH)
            return beginning(await self._line.get(self._line.in_log(full.path), limit), tile)

    async def _copy_bundle(self, tile: Tile) -> None:
        row = await self.row(_leaves(tile))
        kept = self._folder.tile(tile)
        if kept is None or not _is_bundle(kept, row):
            got: dict[str, bytes] = {}

            async def attempt() -> bytes:
                data = got["entries"] = await self._get(tile, LONGEST_BUNDLE)
                if not _is_bundle(data, row):
                    raise _wrong(tile, got)
                return data

            self._folder.put(tile.path, await self._line.persist(tile.path, attempt))
        self._keep(_leaves(tile), row)

    def _keep(self, tile: Tile, row: bytes) -> None:
        if self._folder.read(tile.path) != row:
            self._folder.put(tile.path, row)

    def _above(self, tile: Tile) -> Tile:
        """The tile that has the root of `tile`, a full one, among its hashes."""
        level, index = tile.level + 1, tile.index // TILE_WIDTH
        hashes = (self._head.size >> TILE_HEIGHT * level) - index * TILE_WIDTH
        return Tile(level=level, index=index, width=min(TILE_WIDTH, hashes))


def _leaves(bundle: Tile) -> Tile:
    """The tile with the hashes of a bundle's entries."""
    return msgspec.structs.replace(bundle, level=0)


def _is_row(data: bytes, tile: Tile, root: bytes) -> bool:
    """Whether these are the hashes of a full tile with that root."""
    if len(data) != tile.width * HASH_SIZE:
        return False
    hashes = (data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE))
    return Frontier().extend(hashes)[0].root == root


def _is_bundle(data: bytes, row: bytes) -> bool:
    """Whether these are the entries whose leaf hashes are `row`."""
    try:
        return b"".join(map(leaf_hash, parse_bundle(data))) == row
    except MalformedError:
        return False


def _wrong(tile: Tile, got: Mapping[str, bytes]) -> DoubtError:
    what = "entries" if tile.level == ENTRIES else "a part of the tree"
    said = f"The service gives {what} that the head which it signed is not about: {tile.path}."
    return DoubtError(Alarm("wrong-entries" if tile.level == ENTRIES else "wrong-tile", said, got))


def flat(tiles: Mapping[str, bytes]) -> dict[str, bytes]:
    """By names that are no paths."""
    return {path.replace("/", "_"): data for path, data in tiles.items()}


async def together(several: Iterable[Awaitable[object]]) -> None:
    """All of them to their ends; then the first one's error, if any."""
    for done in await asyncio.gather(*several, return_exceptions=True):
        if isinstance(done, BaseException):
            raise done
