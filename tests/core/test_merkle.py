import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.checkpoint import Checkpoint, Note
from crypto.errors import LogError, MalformedError
from crypto.merkle import (
    EMPTY_ROOT,
    ENTRIES,
    Frontier,
    Plan,
    Tile,
    encode_bundle,
    leaf_hash,
    parse_bundle,
    plan_consistency,
    plan_inclusion,
    plan_root,
    tiles_of,
    verify_consistency,
    verify_inclusion,
)
from tests.logcheck import tree_hash

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "vectors" / "tlog.json").read_text())
SIZE = 70_007
HEADS = {head.size: head for head in (Checkpoint.parse(Note.parse(note).text) for note in VECTORS["notes"])}


def entry(number: int) -> bytes:
    """Entry `number` of the vectors' log."""
    id_, event = sha256(str(number).encode()).hexdigest(), VECTORS["events"][number % 5]
    return f'{{"i":{number},"ev":"{event}","id":"{id_}"}}'.encode()


LEAVES = [leaf_hash(entry(number)) for number in range(SIZE)]


class Tree:
    """All rows of the tree over some leaves, read tile by tile as a log's reader would."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.rows = {0: leaves}
        self.frontier, risen = Frontier().extend(leaves)
        for node in risen:
            assert node.index == len(self.rows.setdefault(node.level, []))
            self.rows[node.level].append(node.hash)

    def tiles(self, plan: Plan) -> Mapping[Tile, bytes]:
        return {tile: self.tile(tile) for tile in plan.tiles}

    def tile(self, tile: Tile) -> bytes:
        return b"".join(self.rows[tile.level][tile.index * 256 : tile.index * 256 + tile.width])

    def prove(self, plan: Plan) -> list[bytes]:
        return plan.hashes(self.tiles(plan))


TREE = Tree(LEAVES)
sizes = st.integers(1, 1500)


def unhex(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(each) for each in hashes]


@pytest.mark.parametrize("size", HEADS)
def test_the_root_at_each_size_is_the_published_one(size: int) -> None:
    assert Frontier().extend(LEAVES[:size])[0].root == HEADS[size].root
    assert TREE.prove(plan_root(size)) == [HEADS[size].root]


@pytest.mark.parametrize("index", VECTORS["inclusion"]["proofs"])
def test_an_inclusion_proof_is_the_published_one_and_verifies(index: str) -> None:
    proof = unhex(VECTORS["inclusion"]["proofs"][index])
    assert TREE.prove(plan_inclusion(int(index), SIZE)) == proof
    leaf = LEAVES[int(index)]
    assert verify_inclusion(leaf, int(index), SIZE, proof, HEADS[SIZE].root) == leaf


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: f"{case['old']}-{case['new']}")
def test_a_consistency_proof_is_the_published_one_and_verifies(case: dict[str, Any]) -> None:
    old, new, proof = HEADS[case["old"]], HEADS[case["new"]], unhex(case["proof"])
    assert TREE.prove(plan_consistency(old.size, new.size)) == proof
    assert verify_consistency(old.size, old.root, new.size, new.root, proof) == new.root


def test_a_proof_of_one_in_seventy_thousand_needs_four_tiles() -> None:
    plan = plan_inclusion(35_003, SIZE)
    assert len(plan.tiles) == 4  # its own of leaves, its own of level 1, the last of level 1, level 2
    assert len(plan_inclusion(SIZE - 1, SIZE).tiles) == 3


@given(sizes, st.data())
def test_every_leaf_of_every_tree_can_be_proven_and_no_proof_survives_a_flip(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = tree_hash(LEAVES[:size])
    proof = TREE.prove(plan_inclusion(index, size))
    verify_inclusion(LEAVES[index], index, size, proof, root)
    verify_fails(lambda bad: verify_inclusion(LEAVES[index], index, size, bad, root), proof, data)
    with pytest.raises(LogError):
        verify_inclusion(LEAVES[index + 1], index, size, proof, root)
    with pytest.raises(LogError):
        verify_inclusion(LEAVES[index], index, size, proof, flipped(root, data))


@given(sizes, sizes, st.data())
def test_every_growth_can_be_proven_and_no_proof_survives_a_flip(
    one: int, other: int, data: st.DataObject
) -> None:
    old, new = sorted((one, other))
    old_root, new_root = tree_hash(LEAVES[:old]), tree_hash(LEAVES[:new])
    proof = TREE.prove(plan_consistency(old, new))
    verify_consistency(old, old_root, new, new_root, proof)
    verify_fails(lambda bad: verify_consistency(old, old_root, new, new_root, bad), proof, data)
    with pytest.raises(LogError):
        verify_consistency(old, flipped(old_root, data), new, new_root, proof)
    with pytest.raises(LogError):
        verify_consistency(old, old_root, new, flipped(new_root, data), proof)


def verify_fails(verify: Any, proof: list[bytes], data: st.DataObject) -> None:
    with pytest.raises(LogError):
        verify([*proof, bytes(32)])
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        for bad in (proof[:-1], [*proof[:at], flipped(proof[at], data), *proof[at + 1 :]]):
            with pytest.raises(LogError):
                verify(bad)


def flipped(value: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, 8 * len(value) - 1))
    return bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(value))


@given(st.lists(st.integers(0, 600), max_size=5))
def test_a_tree_grown_in_batches_is_the_tree_grown_at_once(batches: list[int]) -> None:
    frontier, levels = Frontier(), []
    for batch in batches:
        frontier, risen = frontier.extend(LEAVES[frontier.size : frontier.size + batch])
        frontier = Frontier.parse(frontier.size, frontier.encode())
        levels += risen
    assert (frontier, levels) == Frontier().extend(LEAVES[: sum(batches)])
    assert frontier.root == tree_hash(LEAVES[: sum(batches)])


def test_the_empty_tree_has_the_hash_of_nothing_and_only_itself_as_past() -> None:
    assert Frontier().root == EMPTY_ROOT == sha256().digest()
    assert plan_consistency(0, 5).hashes({}) == []
    verify_consistency(0, EMPTY_ROOT, 5, LEAVES[0], [])
    for old, new in ((bytes(32), LEAVES[0]), (EMPTY_ROOT, EMPTY_ROOT)):
        with pytest.raises(LogError):
            verify_consistency(0, old, 0, new if new != old else bytes(32), [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5), (6, 5)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(LogError):
        plan_inclusion(index, size)
    with pytest.raises(LogError):
        verify_inclusion(bytes(32), index, size, [], bytes(32))


def test_a_smaller_tree_does_not_extend_a_larger_one() -> None:
    with pytest.raises(LogError):
        plan_consistency(6, 5)
    with pytest.raises(LogError):
        verify_consistency(6, bytes(32), 5, bytes(32), [])


def test_a_proof_from_missing_or_short_tiles_is_refused() -> None:
    plan = plan_inclusion(300, 1000)
    tiles = dict(TREE.tiles(plan))
    for bad in ({}, tiles | {next(iter(tiles)): b"\x00" * 31}):
        with pytest.raises(LogError):
            plan.hashes(bad)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(level=0, index=0, width=256), "tile/0/000"),
        (Tile(level=0, index=1_234_067, width=256), "tile/0/x001/x234/067"),
        (Tile(level=1, index=999, width=17), "tile/1/999.p/17"),
        (Tile(level=63, index=1000, width=1), "tile/63/x001/000.p/1"),
        (Tile(level=ENTRIES, index=273, width=112), "tile/entries/273.p/112"),
    ],
)
def test_a_tile_has_one_path(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.parse(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/../000",
        "tile/٣/000",
        "checkpoint",
        "",
    ],
)
def test_anything_else_is_not_a_path_of_a_tile(path: str) -> None:
    with pytest.raises(MalformedError):
        Tile.parse(path)


@given(st.text() | st.from_regex(r"tile/[0-9]{1,3}/(x[0-9]{3}/)*[0-9]{3}(\.p/[0-9]{1,3})?", fullmatch=True))
def test_a_path_is_refused_or_is_the_tile_s_own(path: str) -> None:
    try:
        tile = Tile.parse(path)
    except MalformedError:
        return
    assert tile.path == path


def test_a_tree_of_seventy_thousand_has_the_tiles_of_the_specification_s_example() -> None:
    tiles = list(tiles_of(70_000))
    count = {level: [tile.width for tile in tiles if tile.level == level] for level in (ENTRIES, 0, 1, 2, 3)}
    assert count[ENTRIES] == count[0] == [256] * 273 + [112]
    assert (count[1], count[2], count[3]) == ([256, 17], [1], [])
    assert [tile.path for tile in tiles_of(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]


@given(sizes, sizes)
def test_new_tiles_are_the_tiles_that_the_smaller_tree_lacks(one: int, other: int) -> None:
    old, new = sorted((one, other))
    assert set(tiles_of(new, old)) == set(tiles_of(new)) - set(tiles_of(old))
    assert all(old < tile.leaves <= new for tile in tiles_of(new, old))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    assert parse_bundle(encode_bundle(entries)) == entries


def test_an_entry_above_the_length_field_is_refused() -> None:
    assert parse_bundle(encode_bundle([bytes(65_535)])) == [bytes(65_535)]
    with pytest.raises(LogError):
        encode_bundle([bytes(65_536)])


@given(st.binary(max_size=600))
def test_a_garbage_bundle_is_refused_or_reencodes(data: bytes) -> None:
    try:
        entries = parse_bundle(data)
    except MalformedError:
        return
    assert encode_bundle(entries) == data


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x02a", bytes(2 * 257)])
def test_a_bundle_of_none_too_many_or_cut_entries_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_bundle(data)


@pytest.mark.parametrize(("size", "data"), [(3, bytes(32)), (-1, b""), (1, bytes(33)), (0, bytes(32))])
def test_a_frontier_that_does_not_fit_its_size_is_refused(size: int, data: bytes) -> None:
    with pytest.raises(MalformedError):
        Frontier.parse(size, data)
