"""A log checked from what it publishes alone, by other code than the log's own."""

from hashlib import sha256

from obstore.store import ObjectStore

from crypto.checkpoint import Checkpoint, VerifyingKey, verify_checkpoint
from crypto.merkle import Tile, parse_bundle


async def verify_from_tiles(store: ObjectStore, log: VerifyingKey) -> list[bytes]:
    """All entries, once every published tile and bundle agrees with the signed checkpoint's root."""
    checkpoint = await read_checkpoint(store, log)
    entries = await _read_bundles(store, checkpoint.size)
    row = [sha256(b"\x00" + entry).digest() for entry in entries]
    assert len(set(row)) == len(row) == checkpoint.size, "each entry has one index"
    assert tree_hash(row) == checkpoint.root, "the entries have the signed root"
    level = 0
    while row:
        published = b"".join(
            [(await _read_tile(store, tile))[: tile.width * 32] for tile in _tiles(level, len(row))]
        )
        assert published == b"".join(row), f"the tiles of level {level} are those of the entries"
        row = [tree_hash(row[at : at + 256]) for at in range(0, len(row) - 255, 256)]
        level += 1
    return entries


async def read_checkpoint(store: ObjectStore, log: VerifyingKey) -> Checkpoint:
    """The published checkpoint, its signature verified."""
    return verify_checkpoint((await read_object(store, "checkpoint")).decode(), log)


async def read_object(store: ObjectStore, path: str) -> bytes:
    """The bytes of one object."""
    return bytes(await (await store.get_async(path)).bytes_async())


def tree_hash(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + tree_hash(leaves[:k]) + tree_hash(leaves[k:])).digest()


async def _read_bundles(store: ObjectStore, size: int) -> list[bytes]:
    entries: list[bytes] = []
    for tile in _tiles(-1, size):
        bundle = parse_bundle(await _read_tile(store, tile))
        assert len(bundle) in (tile.width, 256), "a bundle has as many entries as its path says"
        entries += bundle[: tile.width]
    return entries


async def _read_tile(store: ObjectStore, tile: Tile) -> bytes:
    """The tile, or, where it grew while we read, the full one: a partial tile is then gone (tlog-tiles)."""
    try:
        return await read_object(store, tile.path)
    except FileNotFoundError:
        return await read_object(store, Tile(level=tile.level, index=tile.index, width=256).path)


def _tiles(level: int, hashes: int) -> list[Tile]:
    return [
        Tile(level=level, index=first // 256, width=min(256, hashes - first))
        for first in range(0, hashes, 256)
    ]
