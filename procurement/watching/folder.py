"""A folder with a copy of a log: laid out so that any static web server on it is a log again (C2SP
tlog-tiles), with what the log names beside it. Nothing here is verified but where it says so.

`checkpoint`, `tile/…`, `statements/<id>.json`, `covers/<day>.json`, `records/<ocid>.zip`,
`data/<sha256>.json`, which are lists of published files, and these in `data/<sha256>/`; `heads.jsonl` are
heads that there were, `alarms/` is what a mirror shouted about, `mirror.json` what it has to remember: how
far all is here that entries name. A file on its way is `.<name>.part`.
"""

import os
import shutil
from collections import OrderedDict
from collections.abc import Container, Iterator
from contextlib import suppress
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

from crypto import durable
from crypto.checkpoint import Checkpoint, Note
from crypto.encoding import moment
from crypto.errors import LogError, VerificationError
from crypto.merkle import (
    ENTRIES,
    HASH_SIZE,
    TILE_HEIGHT,
    TILE_WIDTH,
    Frontier,
    Tile,
    encode_bundle,
    leaf_hash,
    parse_bundle,
    plan_root,
    tiles_of,
)
from crypto.statements import Statement
from crypto.trust import Trust
from procurement.errors import FolderError

HEADS = "heads.jsonl"
"""Signed heads that there were, from now and then: who keeps them can tell what was dated back."""
READABLE = 0o644
"""A web server may be somebody else on the machine."""

_BUNDLES = 64
"""Entry bundles that are held parsed."""
_MEMORY = "mirror.json"

Kind = Literal["statement", "registry", "covers", "record", "data"]


class Named(msgspec.Struct, frozen=True, array_like=True):
    """Something that the log names: by the id of a statement, an award record by its tender and the award's
    `time`, or a list of published files by its SHA-256."""

    kind: Kind
    id: str
    tender: str = ""
    time: str = ""

    def __str__(self) -> str:
        if self.kind == "data":
            return f"the list of published files {self.id}"
        about = f" of tender {self.tender}" if self.tender else ""
        return f"the award record{about}" if self.kind == "record" else f"the statement {self.id}{about}"


class State(msgspec.Struct, kw_only=True):
    """What a mirror remembers beside its copy. `seen` is the newest head that it took for genuine; what the
    entries before `named` name is here or in `lacking`; `sheets` are not given out yet, and of the lists
    `unseen` no file was looked at yet."""

    seen: str | None = None
    named: int = 0
    lacking: list[Named] = []
    sheets: dict[str, list[str]] = {}
    unseen: list[str] = []


class Folder:
    """The folder at `path`. All methods raise OSError for what cannot be read or written."""

    def __init__(self, path: Path, trust: Trust | None = None) -> None:
        """`trust` is whose co-signatures say when something was in the log; without it nobody's do."""
        self.path = path
        self._trust = trust
        self._bundles: OrderedDict[Tile, list[bytes]] = OrderedDict()
        self._unsettled: set[Path] = set()

    # ── the log ──────────────────────────────────────────────────────────────────────────────────────

    def note(self) -> str | None:
        """The signed head of what is complete here; None before there is one."""
        data = self.read("checkpoint")
        try:
            return data.decode() if data is not None else None
        except UnicodeDecodeError as error:
            raise FolderError(f"{self.path}/checkpoint is not text") from error

    @cached_property
    def head(self) -> Checkpoint:
        """The head, its signatures not looked at. Raises FolderError where this is no copy of a log."""
        note = self.note()
        if note is None:
            raise FolderError(f"{self.path} is not a copy of a log: it has no checkpoint")
        try:
            return Checkpoint.parse(Note.parse(note).text)
        except VerificationError as error:
            raise FolderError(f"{self.path}/checkpoint: {error}") from error

    def tile(self, tile: Tile) -> bytes | None:
        """What is there of the tile or bundle; of the full one as much as it is wide."""
        data = self.read(tile.path)
        if data is None and tile.width < TILE_WIDTH:
            full = self.read(Tile(level=tile.level, index=tile.index, width=TILE_WIDTH).path)
            data = beginning(full, tile) if full is not None else None
        return data

    def entries(self) -> Iterator[bytes]:
        """The entries below the head, in order: where a mirror fills the folder, as far as it has asked for
        what they name. Raises LogError where one is missing, FolderError."""
        reach = self._gathered.named if self._gathered else None
        return islice(self.entries_from(0, self.head.size), reach)

    def entries_from(self, first: int, size: int) -> Iterator[bytes]:
        """The entries from index `first` on of the tree of `size` leaves."""
        start = first // TILE_WIDTH
        for index in range(start, -(-size // TILE_WIDTH)):
            tile = _bundle(index, size)
            yield from islice(self._parsed(tile), first - start * TILE_WIDTH if index == start else 0, None)

    def entry(self, index: int) -> bytes:
        """One entry. Raises LogError."""
        tile = _bundle(index // TILE_WIDTH, self.head.size)
        if tile not in self._bundles:
            self._bundles[tile] = self._parsed(tile)
        self._bundles.move_to_end(tile)
        if len(self._bundles) > _BUNDLES:
            self._bundles.popitem(last=False)
        return self._bundles[tile][index % TILE_WIDTH]

    def root_at(self, size: int) -> bytes:
        """The root of the first `size` ≥ 1 leaves, from the tiles of the head. Raises LogError."""
        plan = plan_root(size)
        return plan.hashes({tile: self._row(tile) for tile in plan.tiles})[0]

    def heads(self) -> Iterator[tuple[int, str]]:
        """How many entries the log had at which moments, by the witnesses' clocks, oldest first."""
        if self._trust is None or not self.has(HEADS):
            return
        with (self.path / HEADS).open("rb") as lines:
            for line in lines:
                with suppress(VerificationError, ValueError):  # one that was torn, or is not genuine
                    note = msgspec.json.decode(line, type=str)
                    yield self._trust.verify_head(note).size, moment(self._trust.witnesses.reached(note))

    def check_entries(self) -> None:
        """Raises LogError unless the entries lead to the head's root."""
        frontier = Frontier()
        leaves = map(leaf_hash, self.entries_from(0, self.head.size))
        while some := list(islice(leaves, TILE_WIDTH)):
            frontier, _ = frontier.extend(some)
        if (frontier.size, frontier.root) != (self.head.size, self.head.root):
            raise LogError("the entries are not those that the signed head is about")

    def _row(self, tile: Tile) -> bytes:
        """As much of a tile as there was of it at an earlier size."""
        hashes = (self.head.size >> TILE_HEIGHT * tile.level) - tile.index * TILE_WIDTH
        now = Tile(level=tile.level, index=tile.index, width=min(TILE_WIDTH, hashes))
        return beginning(self.tile(now) or b"", tile)

    def _parsed(self, tile: Tile) -> list[bytes]:
        data = self.tile(tile)
        if data is None:
            raise LogError(f"{tile.path} is missing")
        entries = parse_bundle(data)
        if len(entries) != tile.width:
            raise LogError(f"{tile.path} has {len(entries)} entries")
        return entries

    # ── what the log names ───────────────────────────────────────────────────────────────────────────

    def statement(self, id: str) -> bytes | None:
        """The statement with that id, a tender's or about covers."""
        return self.read(f"statements/{id}.json") or self._covers.get(id)

    def record(self, ocid: str) -> bytes | None:
        """The tender's award record."""
        return self.read(f"records/{ocid}.zip")

    def published(self, digest: str) -> bytes | None:
        """The list of published files with that SHA-256 (hex)."""
        return self.read(f"data/{digest}.json")

    @property
    def is_gathered(self) -> bool:
        """Whether `entries` are all that there are."""
        return self._gathered is None or self._gathered.named >= self.head.size

    def lacks(self, id: str) -> bool:
        """Whether the mirror that fills the folder knows that this, as `entries` name it, is not here: a
        statement's id, a tender whose record it is, or a list's SHA-256."""
        return id in self._lacking

    @cached_property
    def _lacking(self) -> frozenset[str]:
        return frozenset(each.id for each in self._gathered.lacking) if self._gathered else frozenset()

    @cached_property
    def _gathered(self) -> State | None:
        """What the mirror remembered when this was first asked for: both of the above are of one moment."""
        return self.memory()

    def memory(self) -> State | None:
        """What the mirror remembers that fills the folder; None where none does. Raises FolderError."""
        data = self.read(_MEMORY)
        try:
            return msgspec.json.decode(data, type=State) if data is not None else None
        except (ValueError, RecursionError) as error:
            raise FolderError(f"{self.path}/{_MEMORY} is not what a mirror remembers: {error}") from error

    def remember(self, state: State) -> None:
        """Durable when this returns."""
        self.write(_MEMORY, msgspec.json.encode(state))

    @cached_property
    def _covers(self) -> dict[str, bytes]:
        found = {}
        for path in sorted(self.path.glob("covers/*.json")):
            data = path.read_bytes()
            try:
                found[Statement(data).id] = data
            except VerificationError:
                continue  # told as a statement that is missing
        return found

    # ── files ────────────────────────────────────────────────────────────────────────────────────────

    def read(self, path: str) -> bytes | None:
        """The file's content; None where there is none."""
        try:
            return (self.path / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def has(self, path: str) -> bool:
        """Whether the file is there."""
        return (self.path / path).exists()

    def write(self, path: str, data: bytes) -> None:
        """Puts a file there, whole; durable when this returns."""
        target = self._place(path)
        durable.replace(target, data, READABLE)
        durable.sync_upwards(target.parent, self.path)

    def put(self, path: str, data: bytes) -> None:
        """Puts a file there that nobody relies on before `settle`; until then a power cut may tear it."""
        target = self._place(path)
        aside = target.with_name(target.name + ".new")
        aside.write_bytes(data)
        aside.chmod(READABLE)
        aside.replace(target)
        self._unsettled.add(target)

    def part(self, path: str) -> Path:
        """Where what is to be a file there lies until all of it has come and is right."""
        target = self._place(path)
        return target.with_name(f".{target.name}.part")

    def adopt(self, path: str) -> None:
        """Puts the file there that its part has become; durable when this returns."""
        part, target = self.part(path), self.path / path
        part.chmod(READABLE)
        durable.sync(part)
        part.replace(target)
        durable.sync_upwards(target.parent, self.path)

    def copy(self, path: str, source: Path) -> None:
        """Puts a copy of a file there, however large it is; durable when this returns."""
        shutil.copyfile(source, self.part(path))
        self.adopt(path)

    def settle(self) -> None:
        """Makes durable what was put."""
        put, self._unsettled = self._unsettled, set()
        folders = {above for each in put for above in each.parents if above.is_relative_to(self.path)}
        for each in (*put, *folders):
            durable.sync(each)

    def _place(self, path: str) -> Path:
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def publish(self, note: str) -> None:
        """Puts the head there whose tiles and entries are."""
        self.write("checkpoint", note.encode())
        vars(self).pop("head", None)

    def keep_head(self, note: str) -> None:
        """Remembers for ever that the log had this head."""
        with (self.path / HEADS).open("ab") as file:
            file.write(b"\n" * (file.tell() > 0) + msgspec.json.encode(note))
            file.flush()
            os.fsync(file.fileno())

    def drop_files(self, standing: Container[str]) -> None:
        """Removes published files that no list has which stands."""
        for path in self.path.glob("data/*.json"):
            if path.stem not in standing:
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)

    def drop_partial_tiles(self, size: int, since: int) -> None:
        """Removes those that full ones have taken the place of since the tree of `since` leaves."""
        for tile in tiles_of(size, since):
            if tile.width == TILE_WIDTH:
                shutil.rmtree(self.path / f"{tile.path}.p", ignore_errors=True)


def beginning(data: bytes, tile: Tile) -> bytes:
    """Of a full tile's or bundle's bytes as much as `tile` is wide. Raises MalformedError."""
    if tile.level == ENTRIES:
        return encode_bundle(parse_bundle(data)[: tile.width])
    return data[: tile.width * HASH_SIZE]


def _bundle(index: int, size: int) -> Tile:
    return Tile(level=ENTRIES, index=index, width=min(TILE_WIDTH, size - index * TILE_WIDTH))
