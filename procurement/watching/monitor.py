"""What only shows to who follows the whole log: the rules of `openseal monitor`. Pure.

A monitor hears every entry of a log once, in order, and says in plain words what should not be there. It
holds a byte for each entry, eight for each id that was revealed, a line for each tender that is over and the
steps of those that are not; everything else is read again from the copy where it is needed.
"""

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from bids.envelope import SealedFile
from bids.receipts import (
    ZERO,
    Closing,
    CommitmentEntry,
    CoversEntry,
    RevealedCovers,
    commitment,
    commitment_entry,
)
from crypto.ceremony import CeremonyEntry
from crypto.encoding import Hex32, Value, decode, from_base64, moment, parse_moment, sha256
from crypto.errors import LogError, MalformedError, VerificationError
from crypto.statements import Payload, Statement
from procurement import archive
from procurement.bundle import Record
from procurement.history import (
    BEGINNING,
    BID_EVENTS,
    LONGEST_ENTRY,
    PAIRS,
    PRIVATE,
    Entry,
    EventType,
    Order,
    check_about,
)
from procurement.registry.statements import CertificateIssued, CertificateRevoked
from procurement.watching.published import PUBLISHED, DataList, DataPublished, is_list

MOST_SHOWN = 100
"""Log indexes that one finding names; it says how many there are."""
COVERS_DUE = timedelta(days=1)
"""After this time, once nothing holds a day's covers up any more, they are overdue."""
SLOW = timedelta(minutes=1)
"""How much later than its time an entry may have come to its place in the log, others having overtaken it."""

CLOCKS = timedelta(minutes=2)
"""How far an entry's time may be from when witnesses saw it come: their clocks differ, and the log may be
behind for as long as a promise lasts."""

_NOTHING, _SEALED, _REVEALED = range(3)

P = TypeVar("P", bound=Payload)


class Copy(Protocol):
    """A copy of a log and of what the log names."""

    def entries(self) -> Iterator[bytes]:
        """Every entry, in order, as far as the copy has what they name."""
        ...

    def lacks(self, id: str) -> bool:
        """Whether the copy itself knows that it has not yet what they name so: a statement by its id, an
        award record by its tender, a list of published files by its SHA-256 (hex)."""
        ...

    def entry(self, index: int) -> bytes:
        """One of those that `entries` has given."""
        ...

    def statement(self, id: str) -> bytes | None:
        """What the copy has as the statement with that id."""
        ...

    def record(self, ocid: str) -> bytes | None:
        """What the copy has as the award record of that tender."""
        ...

    def published(self, digest: str) -> bytes | None:
        """What the copy has as the list of published files with that SHA-256 (hex)."""
        ...

    def heads(self) -> Iterator[tuple[int, str]]:
        """Sizes of the log and moments at which witnesses saw them, oldest first."""
        ...


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that should not be there: a stable `code`, a sentence for people, and the log indexes of the
    entries that prove it, the first `MOST_SHOWN` of them."""

    code: str
    sentence: str
    indexes: tuple[int, ...]
    tender: str | None = None


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """From this index on the pages load what the list with that SHA-256 names."""

    index: int
    manifest: str


class Summary(msgspec.Struct, kw_only=True, rename="camel"):
    """What the log has, in numbers. `sealed` are commitments that nothing has revealed yet."""

    entries: int = 0
    tenders: int = 0
    closed: int = 0
    awarded: int = 0
    terminated: int = 0
    revealed: int = 0
    sealed: int = 0
    published: int = 0
    """Lists of open data."""
    unknown: dict[str, int] = {}
    """By type, entries that this program knows nothing of."""
    lacking: list[str] = []
    """What the copy itself says that it has not yet: statements, tenders' records, lists of open data."""


class _ClientReleased(Value, frozen=True, kw_only=True, tag_field="t", tag="client:released"):
    """As `procurement.web.look` writes it, which no auditor's machine needs."""

    manifest: Hex32


class _Kind(msgspec.Struct):
    t: str


class _Claim(NamedTuple):
    """Somebody says that index `at` holds the commitment `digest`, to the statement or file `id` unless it is
    a cover."""

    at: int
    digest: bytes
    id: str = ""


class _Over(NamedTuple):
    """A tender of which nothing more is to come."""

    ended: int
    closed: int
    published: int


class _Tender:
    """A tender that is not over: what its next entry has to follow."""

    def __init__(self, index: int, entry: Entry) -> None:
        self.published, self.day = index, entry.time[:10]
        self.notice = entry.notice
        self.next, self.prev = 0, BEGINNING
        self.at: dict[int, int] = {}
        """Log index by `seq`."""
        self.order = Order()
        self.closed: int | None = None
        self.ended: int | None = None
        self.sheets: list[tuple[int, Entry]] = []


class _Ids:
    """Ids that occurred, by their first eight bytes; which ones twice, is told at the end."""

    def __init__(self) -> None:
        self._apart = [array("Q") for _ in range(256)]

    def add(self, id: str) -> None:
        self._apart[int(id[:2], 16)].append(int(id[:16], 16))

    def twice(self) -> set[int]:
        found = set[int]()
        for several in self._apart:
            ordered = sorted(several)
            found |= {one for one, other in pairwise(ordered) if one == other}
        return found


class _Days:
    """On which day an entry was made at the latest: that of the next one that states a time."""

    def __init__(self) -> None:
        self._last: list[int] = []
        self._days: list[str] = []

    def hear(self, index: int, day: str) -> None:
        if self._days and self._days[-1] == day:
            self._last[-1] = index
        else:
            self._last.append(index)
            self._days.append(day)

    def of(self, index: int) -> str | None:
        at = bisect_right(self._last, index)
        return self._days[at] if at < len(self._days) else None


class _Clock:
    """Between which moments an entry came into the log, by the heads that witnesses saw."""

    def __init__(self, heads: Iterator[tuple[int, str]]) -> None:
        self._heads = heads
        self._before: str | None = None
        self._next = next(heads, None)

    def around(self, index: int) -> tuple[str | None, str | None]:
        """When the log did not have the entry yet, and when it had; asked for in order."""
        while self._next is not None and self._next[0] <= index:
            self._before, self._next = self._next[1], next(self._heads, None)
        return self._before, self._next[1] if self._next else None


class Monitor:
    """Hears a log. `watch` gives the findings as they come; the rest is complete once it has ended."""

    def __init__(self, copy: Copy) -> None:
        self.summary = Summary()
        self.released: list[Released] = []
        self.newest: str | None = None
        """The tender that was published last."""
        self._copy = copy
        self._state = bytearray()
        self._tenders: dict[str, _Tender] = {}
        self._over: dict[str, _Over] = {}
        self._revoked: dict[str, int] = {}
        self._closings = array("Q")
        self._covered: dict[str, int] = {}
        self._published: dict[str, int] = {}
        self._settled: dict[str, str] = {}
        """By the day on which tenders were published, when the last of them was closed."""
        self._unread = False
        """Whether a statement is lacking that may account for commitments."""
        self._ids = _Ids()
        self._days = _Days()
        self._clock = _Clock(copy.heads())
        self._latest = ""
        self._hearers: dict[str, Callable[[int, bytes], Iterable[Finding]]] = {
            "commitment": self._commitment,
            "covers:revealed": self._covers,
            "certificate:issued": _only_read(CertificateIssued),
            "certificate:revoked": self._revocation,
            "ceremony:word": _only_read(CeremonyEntry),
            "client:released": self._release,
            PUBLISHED: self._publication,
            **{str(type_): self._step for type_ in EventType},
        }

    def watch(self, now: str = "") -> Iterator[Finding]:
        """Everything that should not be there. `now` is a moment at which the log was looked at, by a clock
        that is not the service's; without one, the last that the log itself states."""
        for index, data in enumerate(self._copy.entries()):
            self._state.append(_NOTHING)
            self.summary.entries += 1
            try:
                yield from self._hear(index, data)
            except VerificationError as error:
                said = f"Entry {index} of the log is not what it says it is: {error}."
                yield Finding(code="unreadable-entry", sentence=said, indexes=(index,))
        yield from self._same_ids()
        yield from self._never_revealed(now or self._latest)
        self.summary.sealed = self._state.count(_SEALED)
        self.summary.revealed = self._state.count(_REVEALED)

    def _hear(self, index: int, data: bytes) -> Iterable[Finding]:
        try:
            kind = msgspec.json.decode(data, type=_Kind).t
        except (ValueError, RecursionError) as error:
            raise MalformedError("nothing that can be read") from error
        hearer = self._hearers.get(kind)
        return hearer(index, data) if hearer else self._unknown(index, kind)

    def _unknown(self, index: int, kind: str) -> Iterator[Finding]:
        """Told once of each type: a later version of the service may have it."""
        kind = kind[:64]
        known = self.summary.unknown
        if kind not in known and len(known) < MOST_SHOWN:
            said = (
                f"Entry {index} of the log is of a type, “{kind}”, that this program does not know: a newer"
                " version of it may, or somebody writes to the log what does not belong there."
            )
            yield Finding(code="unknown-entry", sentence=said, indexes=(index,))
            known[kind] = 0
        if kind in known:
            known[kind] += 1

    # ── what is not a tender's ───────────────────────────────────────────────────────────────────────

    def _commitment(self, index: int, data: bytes) -> Iterable[Finding]:
        decode(data, CommitmentEntry)
        self._state[index] = _SEALED
        return ()

    def _revocation(self, index: int, data: bytes) -> Iterable[Finding]:
        self._revoked.setdefault(decode(data, CertificateRevoked).certificate, index)
        return ()

    def _release(self, index: int, data: bytes) -> Iterable[Finding]:
        self.released.append(Released(index=index, manifest=decode(data, _ClientReleased).manifest))
        return ()

    def _publication(self, index: int, data: bytes) -> Iterator[Finding]:
        """The list is here, and is the only one of its period."""
        self.summary.published += 1
        digest = decode(data, DataPublished).sha256
        found = self._copy.published(digest)
        if found is None and self._lacks(digest):
            return
        if found is None or not is_list(found, digest):
            said = f"This copy does not have the list of published files that entry {index} names, {digest}."
            yield _found("list-missing", said, index)
            return
        try:
            listed = msgspec.json.decode(found, type=DataList)
        except (ValueError, RecursionError):
            said = f"What entry {index} names as a list of published files is none."
            yield _found("list-unreadable", said, index)
            return
        before = self._published.setdefault(listed.folder, index)
        if before != index and self._copy.entry(before) != data:
            said = (
                f"Two lists say which files were published at {listed.folder} (entries {before} and {index})."
            )
            yield _found("published-twice", said, before, index)

    def _covers(self, index: int, data: bytes) -> Iterator[Finding]:
        id = decode(data, CoversEntry).statement
        said = yield from self._read(index, id, RevealedCovers)
        if said is None:
            self._unread |= self._copy.lacks(id)
            return
        what = f"The statement about the made-up commitments of {said.day} (entry {index})"
        if (before := self._covered.setdefault(said.day, index)) != index:
            yield _found("covers-twice", f"{what} is the second one about that day.", before, index)
        if any(each.time[:10] != said.day for each in said.covers):
            yield _found("covers-wrong", f"{what} is about other days, too.", index)
        early = [each.published for each in self._tenders.values() if _open(each) and each.day <= said.day]
        if early:
            told = f"{what} came while a tender of that time still took bids: it tells how many came."
            yield _found("covers-early", told, *early, index)
        claims = [
            _Claim(each.index, commitment("cover", ZERO, each.time, each.salt, ZERO)) for each in said.covers
        ]
        yield from self._claim(what, index, claims)

    # ── a tender's steps ─────────────────────────────────────────────────────────────────────────────

    def _step(self, index: int, data: bytes) -> Iterator[Finding]:
        entry = decode(data, Entry, limit=LONGEST_ENTRY)
        self._days.hear(index, moment(parse_moment(entry.time) + SLOW)[:10])
        self._latest = entry.time
        yield from self._in_time(index, entry)
        if entry.tender in self._over:
            yield from self._after_the_end(index, entry, self._over[entry.tender])
            return
        tender = self._tenders.get(entry.tender) or self._begun(index, entry)
        if entry.seq in tender.at:
            first = tender.at[entry.seq]
            said = f"Tender {entry.tender} has two histories: entries {first} and {index} are both its step"
            yield _found("forked-history", f"{said} number {entry.seq}.", first, index, tender=entry.tender)
            if entry.t is EventType.CLOSED:
                yield from self._closed(index, entry, tender.closed, tender.published)
            return
        yield from self._follows(index, entry, tender)
        tender.next, tender.prev = entry.seq + 1, sha256(data).hex()
        tender.at[entry.seq] = index
        yield from self._in_order(index, entry, tender)
        yield from self._stated(index, entry, tender)
        yield from self._reached(index, entry, tender)

    def _in_time(self, index: int, entry: Entry) -> Iterator[Finding]:
        """What an entry says of its time, the witnesses' clocks bear out."""
        at = parse_moment(entry.time)
        before, after = self._clock.around(index)
        what = f"Tender {entry.tender}: {entry.t} (entry {index}) states the time {entry.time}, and"
        if before is not None and at < parse_moment(before) - CLOCKS:
            said = f"{what} was not in the log at {before}: it was dated back, or the log was far behind."
            yield _found("dated-back", said, index, tender=entry.tender)
        if after is not None and at > parse_moment(after) + CLOCKS:
            said = f"{what} was in the log at {after} already: it was dated ahead, or a clock was wrong."
            yield _found("dated-ahead", said, index, tender=entry.tender)

    def _begun(self, index: int, entry: Entry) -> _Tender:
        self.summary.tenders += 1
        self.newest = entry.tender
        self._tenders[entry.tender] = _Tender(index, entry)
        return self._tenders[entry.tender]

    def _follows(self, index: int, entry: Entry, tender: _Tender) -> Iterator[Finding]:
        """Every step names the one before it."""
        last = max(tender.at.values(), default=index)
        if (entry.seq, entry.prev) != (tender.next, tender.prev):
            said = (
                f"The history of tender {entry.tender} is broken: entry {index} does not follow entry {last}."
            )
            yield _found("broken-history", said, last, index, tender=entry.tender)
        elif entry.notice != tender.notice or (entry.seq == 0 and entry.statement != entry.notice):
            said = f"Entry {index} puts a step of another tender into the history of tender {entry.tender}."
            yield _found("broken-history", said, last, index, tender=entry.tender)

    def _in_order(self, index: int, entry: Entry, tender: _Tender) -> Iterator[Finding]:
        """By the same rules as an award record's history."""
        before = tender.order.before
        again = entry.t is EventType.CLOSED and tender.closed is not None
        try:
            tender.order.hear(entry)
        except LogError as error:
            if again:  # told with what the second one reveals
                return
            paired = entry.t in PAIRS.values() and (before is None or PAIRS.get(before.t) is not entry.t)
            said = f"Tender {entry.tender}, entry {index}: {error}."
            code = "out-of-order"
            if tender.ended is not None:
                yield _after_the_end(index, entry, tender.ended)
                return
            if paired:
                code = "not-countersigned"
                said = (
                    f"Tender {entry.tender}: {entry.t} (entry {index}) without a second official's signature."
                )
            yield _found(code, said, *_last(tender), index, tender=entry.tender)

    def _stated(self, index: int, entry: Entry, tender: _Tender) -> Iterator[Finding]:
        """The statement behind a step is there, and its signer's certificate had not been revoked before.

        Score sheets are given out together, once every evaluator has signed.
        """
        if entry.t is EventType.SHEET_SIGNED:
            tender.sheets.append((index, entry))
        elif entry.t not in (*PRIVATE, *BID_EVENTS):
            yield from self._signed(index, entry)
        if entry.t is EventType.SCORED:
            for at, sheet in tender.sheets:
                yield from self._signed(at, sheet)
            tender.sheets = []

    def _signed(self, index: int, entry: Entry) -> Iterator[Finding]:
        statement = yield from self._statement(index, entry.statement, entry.tender)
        revoked = self._revoked.get(statement.signer) if statement else None
        if revoked is not None and revoked < index:
            said = (
                f"Tender {entry.tender}: {entry.t} (entry {index}) was signed with a certificate that had"
                f" been revoked before (entry {revoked})."
            )
            yield _found("revoked-signer", said, revoked, index, tender=entry.tender)

    def _reached(self, index: int, entry: Entry, tender: _Tender) -> Iterator[Finding]:
        """What ends something: bids are revealed, the tender is over."""
        if entry.t is EventType.CLOSED:
            yield from self._closed(index, entry, tender.closed, tender.published)
            if tender.closed is None:
                tender.closed = index
                self.summary.closed += 1
                self._settled[tender.day] = max(self._settled.get(tender.day, ""), entry.time)
        elif entry.t is EventType.TERMINATED and tender.ended is None:
            tender.ended = index
            self.summary.terminated += 1
        elif entry.t is EventType.AWARDED and tender.ended is None:
            tender.ended = index
            self.summary.awarded += 1
            yield from self._awarded(index, entry.tender, tender)
        if tender.ended is not None and tender.closed is not None:
            self._over[entry.tender] = _Over(tender.ended, tender.closed, tender.published)
            del self._tenders[entry.tender]

    def _after_the_end(self, index: int, entry: Entry, over: _Over) -> Iterator[Finding]:
        if entry.t is EventType.CLOSED:
            yield from self._closed(index, entry, over.closed, over.published)
        else:
            yield _after_the_end(index, entry, over.ended)

    # ── what was in the box ──────────────────────────────────────────────────────────────────────────

    def _closed(self, index: int, entry: Entry, before: int | None, since: int) -> Iterator[Finding]:
        """A closing statement; `before` is where there was one already, `since` where the notice is."""
        what = f"The closing statement of tender {entry.tender} (entry {index})"
        if before is not None:
            said = f"{what} is the second one: the box was closed before (entry {before})."
            yield _found("second-closing", said, before, index, tender=entry.tender)
        data = self._copy.statement(entry.statement)
        try:
            closing = _genuine(data, entry.statement).read(Closing) if data is not None else None
            if closing is None:
                self._unread |= self._copy.lacks(entry.statement)
                return  # told with all statements that are missing
            check_about(entry, closing)
            claims = _claims(closing)
            closing.check()
        except VerificationError as error:
            said = f"{what} contradicts itself: {error}."
            yield _found("closing-wrong", said, index, tender=entry.tender)
            return
        self._closings.append(index)
        yield from self._claim(what, index, claims, since, entry.tender)

    def _claim(
        self, what: str, by: int, claims: Sequence[_Claim], since: int = -1, tender: str | None = None
    ) -> Iterator[Finding]:
        """Each commitment was logged between `since` and `by`, just so, and nothing revealed it before."""
        wrong: dict[str, list[int]] = defaultdict(list)
        for claim in claims:
            if (code := self._reveal(claim, by, since)) is not None:
                wrong[code].append(claim.at)
        for code, indexes in wrong.items():
            said = f"{what} {_CLAIMS[code].format(count=len(indexes))}"
            yield _found(code, said, by, *indexes, tender=tender)

    def _reveal(self, claim: _Claim, by: int, since: int) -> str | None:
        """The code of what is wrong with a claim. Marks what it reveals."""
        if claim.at >= by:
            return "reveals-later"
        if self._state[claim.at] == _NOTHING:
            return "reveals-nothing"
        if self._copy.entry(claim.at) != commitment_entry(claim.digest):
            return "reveals-nothing"
        if self._state[claim.at] == _REVEALED:
            return "revealed-twice"
        self._state[claim.at] = _REVEALED
        if claim.id:
            self._ids.add(claim.id)
        return "reveals-earlier" if claim.at < since else None

    def _same_ids(self) -> Iterator[Finding]:
        """Each id occurs once. Closings are read again only where one does not."""
        twice = self._ids.twice()
        places: dict[str, list[int]] = defaultdict(list)
        for index in self._closings if twice else ():
            entry = decode(self._copy.entry(index), Entry, limit=LONGEST_ENTRY)
            data = self._copy.statement(entry.statement)
            for claim in _claims(_genuine(data or b"", entry.statement).read(Closing)):
                if int(claim.id[:16], 16) in twice:
                    places[claim.id] += [claim.at, index]
        for id, indexes in places.items():
            if len(indexes) > 2:
                said = f"The same envelope or document, {id}, was taken in twice."
                yield _found("same-id-twice", said, *sorted(set(indexes)))

    def _never_revealed(self, now: str) -> Iterator[Finding]:
        """Commitments that nothing accounts for, although all tenders are closed that were open then, and
        nothing holds up the statement about the made-up ones of their day."""
        if self._unread:
            return
        live = [each for each in self._tenders.values() if _open(each)]
        first_open = min((each.published for each in live), default=len(self._state))
        overdue: dict[str, list[int]] = defaultdict(list)
        index = self._state.find(_SEALED)
        while 0 <= index < first_open:
            day = self._days.of(index)
            if day is not None and self._accounted(day, live, now):
                overdue[day].append(index)
            index = self._state.find(_SEALED, index + 1)
        for day, indexes in sorted(overdue.items()):
            said = (
                f"{len(indexes)} commitments of {day} or before were never revealed, although every tender of"
                " that time is closed: bids may have been made to vanish."
            )
            yield _found("never-revealed", said, *indexes)

    def _accounted(self, day: str, live: Sequence[_Tender], now: str) -> bool:
        """Whether everything that was committed to by the end of that day ought to be revealed `now`."""
        if any(each >= day for each in self._covered):
            return True
        if any(each.day <= day for each in live) or not now:
            return False
        closed = [time for published, time in self._settled.items() if published <= day]
        since = max([f"{day}T23:59:59.999Z", *closed])
        return parse_moment(now) > parse_moment(since) + COVERS_DUE

    # ── the award record ─────────────────────────────────────────────────────────────────────────────

    def _awarded(self, index: int, ocid: str, tender: _Tender) -> Iterator[Finding]:
        data = self._copy.record(ocid)
        if data is None and self._lacks(ocid):
            return
        if data is None:
            said = f"Tender {ocid} was awarded (entry {index}), and this copy has no award record of it."
            yield _found("record-missing", said, index, tender=ocid)
            return
        try:
            record = Record(archive.unpack(data))
            said_there = [(each.index, from_base64(each.entry)) for each in record.proofs.history]
            bidders = _bidders(record) if self._revoked else []
        except VerificationError as error:
            said = f"The award record of tender {ocid} is none: {error}."
            yield _found("record-differs", said, index, tender=ocid)
            return
        own = [tender.at[seq] for seq in sorted(tender.at)]
        if said_there != [(each, self._copy.entry(each)) for each in own]:
            said = f"The award record of tender {ocid} tells another history of it than the log."
            yield _found("record-differs", said, *own, tender=ocid)
        for fingerprint, at in bidders:
            revoked = self._revoked.get(fingerprint)
            if revoked is not None and revoked < at:
                said = (
                    f"Tender {ocid}: a bid (entry {at}) was signed with a certificate that had been revoked"
                    f" before (entry {revoked})."
                )
                yield _found("revoked-bidder", said, revoked, at, tender=ocid)

    # ── statements ───────────────────────────────────────────────────────────────────────────────────

    def _statement(
        self, index: int, id: str, tender: str | None = None
    ) -> Generator[Finding, None, Statement | None]:
        """The statement that entry `index` names; a finding where the copy has none, or another one."""
        data = self._copy.statement(id)
        about = f"Tender {tender}: " if tender else ""
        if data is None and self._lacks(id):
            return None
        if data is None:
            said = f"{about}this copy does not have the statement that entry {index} names, {id}."
            yield _found("statement-missing", said, index, tender=tender)
            return None
        try:
            return _genuine(data, id)
        except VerificationError as error:
            said = f"{about}what this copy has as the statement that entry {index} names is not it: {error}."
            yield _found("statement-wrong", said, index, tender=tender)
            return None

    def _lacks(self, id: str) -> bool:
        """Whether the copy says so itself, whose mirror asks for it again; then it is in the summary."""
        lacks = self._copy.lacks(id)
        if lacks and id not in self.summary.lacking:
            self.summary.lacking.append(id)
        return lacks

    def _read(self, index: int, id: str, type_: type[P]) -> Generator[Finding, None, P | None]:
        statement = yield from self._statement(index, id)
        try:
            return statement.read(type_) if statement else None
        except VerificationError as error:
            said = f"The statement that entry {index} names is of another kind: {error}."
            yield _found("statement-wrong", said, index)
            return None


_CLAIMS = {
    "reveals-later": "lists {count} bids or files that the log has only after it, or not at all.",
    "reveals-earlier": "lists {count} bids or files that the log had before the tender was published.",
    "reveals-nothing": "lists {count} bids, files or made-up commitments that the log does not have.",
    "revealed-twice": "accounts for {count} commitments that another statement accounted for before.",
}


def _found(code: str, sentence: str, *indexes: int, tender: str | None = None) -> Finding:
    return Finding(code=code, sentence=sentence, indexes=indexes[:MOST_SHOWN], tender=tender)


def _only_read(type_: type[Value]) -> Callable[[int, bytes], Iterable[Finding]]:
    """Hears entries that only have to be what they say they are."""

    def hear(_: int, data: bytes) -> Iterable[Finding]:
        decode(data, type_)
        return ()

    return hear


def _after_the_end(index: int, entry: Entry, ended: int) -> Finding:
    said = (
        f"Tender {entry.tender} was over (entry {ended}), and yet entry {index} adds a step to it: {entry.t}."
    )
    return _found("after-the-end", said, ended, index, tender=entry.tender)


def _open(tender: _Tender) -> bool:
    """Whether it may still hold bids that nobody has accounted for."""
    return tender.closed is None


def _last(tender: _Tender) -> list[int]:
    """Where the step before the one at hand is."""
    return sorted(tender.at.values())[-2:-1]


def _genuine(data: bytes, id: str) -> Statement:
    """Raises MalformedError."""
    statement = Statement(data)
    if statement.id != id:
        raise MalformedError("it is another statement")
    return statement


def _claims(closing: Closing) -> list[_Claim]:
    """What a closing statement reveals. Raises MalformedError."""
    notice = closing.notice
    claims = [
        _Claim(
            each.index,
            commitment(each.kind, notice, each.time, each.salt, each.statement),
            each.statement,
        )
        for each in closing.commitments
    ]
    for each in closing.documents:
        id = SealedFile(number=each.number, sha256=each.sha256, size=0).id(each.envelope)
        digest = commitment("document", notice, each.time, each.salt, id)
        claims.append(_Claim(each.index, digest, id))
    return claims


def _bidders(record: Record) -> list[tuple[str, int]]:
    """Fingerprints of everybody who bid or withdrew, each with the index of the commitment."""
    at = {each.statement: each.index for each in record.closing.commitments}
    bids = record.envelopes.items()
    found = [(one, at[id]) for id, bid in bids for one in (bid.signer, *bid.consortium)]
    return found + [(withdrawal.signer, at[id]) for id, withdrawal in record.withdrawals.items()]
