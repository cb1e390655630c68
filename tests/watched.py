"""Logs as a watcher finds them, honest or not: lives of tenders on one log, kept as a copy in memory, in a
folder, or answered for over HTTP."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from bids.receipts import ZERO, CommittedCover, CoversEntry, RevealedCovers, commitment, commitment_entry
from crypto.encoding import encode, moment, parse_moment
from crypto.statements import Statement, sign
from procurement.watching.monitor import Finding, Monitor
from tests.builders import Life, World, the_world


class Kept:
    """A copy of a log in memory, as `monitor.Copy` asks for one."""

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self.log = list(entries)
        self.statements: dict[str, bytes] = {}
        self.records: dict[str, bytes] = {}

    def entries(self) -> Iterator[bytes]:
        return iter(self.log)

    def entry(self, index: int) -> bytes:
        return self.log[index]

    def statement(self, id: str) -> bytes | None:
        return self.statements.get(id)

    def record(self, ocid: str) -> bytes | None:
        return self.records.get(ocid)


class Watched:
    """Tenders that live on one log, one step of one of them after another, among covers and whatever else a
    test puts there. `lives` share the list of entries, so each is played with the methods of `Life`."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or the_world()
        self.entries: list[bytes] = []
        self.lives: list[Life] = []
        self.covers: list[CommittedCover] = []
        self.said: dict[str, bytes] = {}
        """Statements that are no tender's, by id."""
        self.records: dict[str, bytes] = {}
        """By ocid, as they were when `kept` was first called after the award."""

    def life(self, make: Callable[[], Life]) -> Life:
        """The life that `make` begins, on this log from its first entry on."""
        life = make()
        assert not life.submitted, "it has only its notice so far"
        offset = len(self.entries)
        self.entries += life.entries
        life.entries, life.history = self.entries, [each + offset for each in life.history]
        self.lives.append(life)
        return life

    def cover(self, at: str) -> CommittedCover:
        """A commitment to nothing, made at that moment."""
        cover = CommittedCover(index=len(self.entries), time=at, salt=self.world.entropy(32).hex())
        self.entries.append(commitment_entry(commitment("cover", ZERO, at, cover.salt, ZERO)))
        self.covers.append(cover)
        return cover

    def reveal(self, day: str, covers: Iterable[CommittedCover] | None = None) -> str:
        """The statement about the covers of that day, by default all of them. Returns its id."""
        listed = self.covers if covers is None else covers
        said = RevealedCovers(
            signer=self.world.service.fingerprint,
            day=day,
            covers=tuple(each for each in listed if covers is not None or each.time[:10] == day),
            time=moment(parse_moment(f"{day}T00:00:00.000Z") + timedelta(days=1)),
        )
        statement = Statement(sign(said, self.world.service))
        self.said[statement.id] = statement.data
        self.entries.append(encode(CoversEntry(statement=statement.id)))
        return statement.id

    def kept(self) -> Kept:
        """A whole and honest copy of all this: with the record of whoever is awarded."""
        kept = Kept(self.entries)
        kept.statements |= self.said
        for life in self.lives:
            kept.statements |= life.statements
            if hasattr(life, "intended") and life.notice.tender not in self.records:
                self.records[life.notice.tender] = life.record()
        kept.records |= self.records
        return kept


def found(kept: Kept, now: str = "") -> list[Finding]:
    """What the monitor finds in a copy."""
    return list(Monitor(kept).watch(now))


def codes(kept: Kept, now: str = "") -> list[str]:
    """Codes of what the monitor finds, each once."""
    return sorted({each.code for each in found(kept, now)})
