"""A tender's history: one chain of log entries from the notice to the award.

Every step of a tender is an entry that names the one before it, so a copy of the chain is complete from
its start to wherever it ends, and a second entry at the same place is misconduct that anyone can show.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

import msgspec

from bids.envelope import Section, section
from crypto.encoding import Hex32, Identifier, Moment, Small, Value, decode, encode, parse_moment, sha256
from crypto.errors import LogError, MalformedError
from crypto.statements import Payload

BEGINNING = "0" * 64
LONGEST_ENTRY = 65_535


class EventType(StrEnum):
    """Everything that can happen to a tender, in the order in which it can."""

    PUBLISHED = "tender:published"
    COUNTERSIGNED = "tender:countersigned"
    ENQUIRED = "enquiry:asked"
    ANSWERED = "enquiry:answered"
    AMENDMENT_COUNTERSIGNED = "amendment:countersigned"
    AMENDED = "tender:amended"
    EXTENDED = "tender:extended"
    TERMINATION_COUNTERSIGNED = "termination:countersigned"
    TERMINATED = "tender:terminated"
    CLOSED = "tender:closed"
    LATE = "closing:late"
    DRAW_REQUESTED = "draw:requested"
    PANEL_DRAWN = "panel:drawn"
    REFUSED = "order:refused"
    PARTIAL = "order:partial"
    OPENED = "tender:opened"
    BID_OPENED = "bid:opened"
    BID_UNOPENABLE = "bid:unopenable"
    CONFLICT_DECLARED = "conflict:declared"
    PRICES_REVEALED = "prices:revealed"
    SHEET_SIGNED = "sheet:signed"
    SCORED = "evaluation:scored"
    EXAMINATION_REQUESTED = "examination:requested"
    SUPPLEMENT_REQUESTED = "supplement:requested"
    EXAMINATION_DOCUMENTED = "examination:documented"
    EXAMINED = "examination:scored"
    NEGOTIATED = "negotiation:concluded"
    INTENDED = "award:intended"
    AWARD_COUNTERSIGNED = "award:countersigned"
    AWARDED = "award:made"


_WORDS = {
    EventType.PUBLISHED: "the notice",
    EventType.COUNTERSIGNED: "the second officer's signature under the notice",
    EventType.ENQUIRED: "a question",
    EventType.ANSWERED: "an answer",
    EventType.AMENDMENT_COUNTERSIGNED: "the second officer's signature under an amendment",
    EventType.AMENDED: "an amendment",
    EventType.EXTENDED: "an extension after an outage",
    EventType.TERMINATION_COUNTERSIGNED: "the second officer's signature under the tender's end",
    EventType.TERMINATED: "the tender's end without an award",
    EventType.CLOSED: "the closing statement",
    EventType.LATE: "an officer's word on a late closing",
    EventType.DRAW_REQUESTED: "the request to draw the panel",
    EventType.PANEL_DRAWN: "the panel's draw",
    EventType.REFUSED: "a committee member's refusal to open",
    EventType.PARTIAL: "a committee member's order to open",
    EventType.OPENED: "the opening",
    EventType.BID_OPENED: "the content of a bid",
    EventType.BID_UNOPENABLE: "the word that a bid does not open",
    EventType.CONFLICT_DECLARED: "an official's word on conflicts of interest",
    EventType.PRICES_REVEALED: "the preliminary prices",
    EventType.SHEET_SIGNED: "an evaluator's score sheet",
    EventType.SCORED: "the evaluation",
    EventType.EXAMINATION_REQUESTED: "the request to examine a candidate",
    EventType.SUPPLEMENT_REQUESTED: "the request for a supplement",
    EventType.EXAMINATION_DOCUMENTED: "what a candidate handed in",
    EventType.EXAMINED: "the result of an examination",
    EventType.NEGOTIATED: "the result of a negotiation",
    EventType.INTENDED: "the intended award",
    EventType.AWARD_COUNTERSIGNED: "the second officer's signature under the award",
    EventType.AWARDED: "the award",
}

BID_EVENTS = (EventType.BID_OPENED, EventType.BID_UNOPENABLE)
SELECTION_EVENTS = (
    EventType.EXAMINATION_REQUESTED,
    EventType.SUPPLEMENT_REQUESTED,
    EventType.EXAMINATION_DOCUMENTED,
    EventType.EXAMINED,
    EventType.NEGOTIATED,
)
"""What is done about those in line between evaluation and intended award."""
EDITIONS = (EventType.PUBLISHED, EventType.AMENDED, EventType.EXTENDED)
"""What makes a tender's terms what they are."""
PRIVATE = (EventType.ENQUIRED,)
"""Whose statements nobody reads but officials: the entry shows that there is one."""

_AFTER = {
    EventType.COUNTERSIGNED: EventType.PUBLISHED,
    EventType.ENQUIRED: EventType.COUNTERSIGNED,
    EventType.ANSWERED: EventType.ENQUIRED,
    EventType.AMENDMENT_COUNTERSIGNED: EventType.COUNTERSIGNED,
    EventType.AMENDED: EventType.AMENDMENT_COUNTERSIGNED,
    EventType.EXTENDED: EventType.COUNTERSIGNED,
    EventType.TERMINATION_COUNTERSIGNED: EventType.COUNTERSIGNED,
    EventType.TERMINATED: EventType.TERMINATION_COUNTERSIGNED,
    EventType.CLOSED: EventType.COUNTERSIGNED,
    EventType.LATE: EventType.CLOSED,
    EventType.DRAW_REQUESTED: EventType.CLOSED,
    EventType.PANEL_DRAWN: EventType.DRAW_REQUESTED,
    EventType.REFUSED: EventType.COUNTERSIGNED,
    EventType.PARTIAL: EventType.CLOSED,
    EventType.OPENED: EventType.PARTIAL,
    EventType.BID_OPENED: EventType.OPENED,
    EventType.BID_UNOPENABLE: EventType.OPENED,
    EventType.CONFLICT_DECLARED: EventType.OPENED,
    EventType.PRICES_REVEALED: EventType.OPENED,
    EventType.SHEET_SIGNED: EventType.OPENED,
    EventType.SCORED: EventType.OPENED,
    EventType.EXAMINATION_REQUESTED: EventType.SCORED,
    EventType.SUPPLEMENT_REQUESTED: EventType.EXAMINATION_DOCUMENTED,
    EventType.EXAMINATION_DOCUMENTED: EventType.EXAMINATION_REQUESTED,
    EventType.EXAMINED: EventType.EXAMINATION_REQUESTED,
    EventType.NEGOTIATED: EventType.SCORED,
    EventType.INTENDED: EventType.SCORED,
    EventType.AWARD_COUNTERSIGNED: EventType.INTENDED,
    EventType.AWARDED: EventType.AWARD_COUNTERSIGNED,
}
PAIRS = {
    EventType.AMENDMENT_COUNTERSIGNED: EventType.AMENDED,
    EventType.TERMINATION_COUNTERSIGNED: EventType.TERMINATED,
    EventType.AWARD_COUNTERSIGNED: EventType.AWARDED,
}
"""What comes right after a countersignature, and after nothing else."""
_BEFORE_CLOSING = {
    EventType.ENQUIRED,
    EventType.ANSWERED,
    EventType.AMENDMENT_COUNTERSIGNED,
    EventType.AMENDED,
    EventType.EXTENDED,
}
_STILL = {
    EventType.PUBLISHED: set(EventType) - {EventType.PUBLISHED},
    EventType.CLOSED: set(EventType) - _BEFORE_CLOSING,
    EventType.SCORED: {
        EventType.CONFLICT_DECLARED,
        *SELECTION_EVENTS,
        EventType.INTENDED,
        EventType.AWARD_COUNTERSIGNED,
        EventType.AWARDED,
        EventType.TERMINATION_COUNTERSIGNED,
        EventType.TERMINATED,
    },
    EventType.AWARD_COUNTERSIGNED: {EventType.AWARDED},
    EventType.TERMINATED: {EventType.CLOSED},
    EventType.AWARDED: set[EventType](),
}
"""What can happen once something has."""
_UNTIL = {
    EventType.LATE: EventType.PARTIAL,
    **dict.fromkeys(SELECTION_EVENTS, EventType.INTENDED),
}
"""What cannot happen any more once something else has."""
_ORDERS = (EventType.REFUSED, EventType.PARTIAL)
_OF_A_PART = (*_ORDERS, EventType.OPENED, *BID_EVENTS)
_OFTEN = (
    *_ORDERS,
    *_BEFORE_CLOSING,
    EventType.CONFLICT_DECLARED,
    EventType.PRICES_REVEALED,
    EventType.SHEET_SIGNED,
    *BID_EVENTS,
    *SELECTION_EVENTS,
)


class Event(Value, frozen=True, kw_only=True):
    """What happened. `statement` is the id of the statement that says so (or, for a bid, of its envelope);
    for a bid `part`, `lot` where that is one lot's, and either the SHA-256 of its `content` or the `reason`
    why it does not open. `status` is the id of the certificate status under which the statement's signer was
    looked at."""

    t: EventType
    time: Moment
    statement: Hex32
    part: str | None = None
    lot: Identifier | None = None
    content: Hex32 | None = None
    reason: str | None = None
    status: Hex32 | None = None

    def __post_init__(self) -> None:
        # Without this a bid could be called opened for the reason that it did not open.
        optional = self.part, self.content, self.reason, self.status
        opened, unopenable = self.t is EventType.BID_OPENED, self.t is EventType.BID_UNOPENABLE
        called_for = self.t in _OF_A_PART, opened, unopenable, self.t not in BID_EVENTS
        if tuple(each is not None for each in optional) != called_for:
            raise MalformedError(f"{self.t} with other fields than such an event has")
        if self.lot is not None and (self.t not in BID_EVENTS or self.part != "price"):
            raise MalformedError(f"{self.t} of a lot, where no lot has a part of its own")

    @property
    def section(self) -> Section:
        """Of a bid's outcome, what of the envelope it is about."""
        return section(self.part or "", self.lot)


class Entry(Event, frozen=True, kw_only=True):
    """An event as it stands in the log, `seq` from 0, `prev` the SHA-256 of the tender's last entry."""

    tender: Identifier
    notice: Hex32
    seq: Small
    prev: Hex32


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tender's chain stands: the next `seq` and the last entry's hash."""

    tender: str
    notice: str
    seq: int = 0
    prev: str = BEGINNING

    def append(self, events: Sequence[Event]) -> tuple["Head", list[bytes]]:
        """The chain with `events` at its end: the new head and the entries' bytes."""
        head, entries = self, []
        for event in events:
            entry = Entry(
                **msgspec.structs.asdict(event),
                tender=head.tender,
                notice=head.notice,
                seq=head.seq,
                prev=head.prev,
            )
            entries.append(encode(entry))
            head = msgspec.structs.replace(head, seq=head.seq + 1, prev=sha256(entries[-1]).hex())
        return head, entries


def read(entries: Sequence[bytes]) -> list[Entry]:
    """The chain that `entries` are, complete from its start. Raises LogError or MalformedError."""
    chain: list[Entry] = []
    prev = BEGINNING
    for seq, data in enumerate(entries):
        entry = decode(data, Entry, limit=LONGEST_ENTRY)
        parse_moment(entry.time)
        if (entry.seq, entry.prev) != (seq, prev):
            raise LogError(f"the tender's chain is broken at entry {seq}: a step is missing, or was changed")
        if chain and (entry.tender, entry.notice) != (chain[0].tender, chain[0].notice):
            raise LogError(f"entry {seq} is another tender's")
        prev = sha256(data).hex()
        chain.append(entry)
    if not chain or chain[0].t is not EventType.PUBLISHED or chain[0].statement != chain[0].notice:
        raise LogError("the chain does not start with the tender's notice")
    return chain


def called(type_: EventType) -> str:
    """What such a step is called where it is told to anybody."""
    return _WORDS[type_]


def check_about(entry: Entry, said: Payload) -> None:
    """What the statement behind `entry` says is about the entry's tender; of what names no notice, the notice
    itself, its id is. Raises LogError.
    """
    about = getattr(said, "tender", None), getattr(said, "notice", entry.notice)
    if about != (entry.tender, entry.notice):
        raise LogError(f"the statement behind entry {entry.seq} is about another tender")


def check_order(chain: Sequence[Entry]) -> None:
    """Every step comes after the one it needs, what is final is final, and no clock runs backwards.

    Raises LogError.
    """
    order = Order()
    for entry in chain:
        order.hear(entry)


class Order:
    """What has happened to a tender so far, heard entry by entry."""

    def __init__(self) -> None:
        self.before: Entry | None = None
        """The last one that was heard."""
        self._seen: dict[EventType, set[str | None]] = {}

    def has(self, *types: EventType) -> bool:
        """Whether any of these has happened."""
        return any(each in self._seen for each in types)

    def hear(self, entry: Entry) -> None:
        """The next entry. Raises LogError where it cannot come now; it is heard all the same."""
        before, self.before = self.before, entry
        try:
            _check_place(entry, self._seen)
            _check_pair(before, entry)
            if before and before.time > entry.time:
                raise LogError(
                    f"entry {entry.seq} is out of time: {_WORDS[entry.t]} is dated before the step before it"
                )
        finally:
            self._seen.setdefault(entry.t, set()).add(entry.part)


def check_still(type_: EventType, seen: Collection[EventType]) -> None:
    """Nothing that has happened, of types `seen`, is the last of such events. Raises LogError."""
    for past, still in reversed(_STILL.items()):
        if past in seen and type_ not in still:
            raise LogError(_misplaced(type_, "after", past))


def _check_pair(before: Entry | None, entry: Entry) -> None:
    """A countersignature and what takes effect by it stand together. Raises LogError."""
    awaited = PAIRS.get(before.t) if before else None
    if entry.t is not awaited and (awaited or entry.t in PAIRS.values()):
        after = _misplaced(entry.t, "after", before.t) if before else f"{_WORDS[entry.t]} after nothing"
        raise LogError(f"entry {entry.seq}: {after}")


def _check_place(entry: Entry, seen: Mapping[EventType, set[str | None]]) -> None:
    """`seen`: the types of the entries before, each with the parts they were about."""
    opened = seen.get(EventType.OPENED, set())
    try:
        check_still(entry.t, seen)
    except LogError as error:
        raise LogError(f"entry {entry.seq}: {error}") from error
    if entry.t in _AFTER and _AFTER[entry.t] not in seen:
        raise LogError(f"entry {entry.seq}: {_misplaced(entry.t, 'before', _AFTER[entry.t])}")
    if entry.t in BID_EVENTS and entry.part not in opened:
        early = f"{_WORDS[entry.t]} comes before anybody could open it"
        raise LogError(f"entry {entry.seq}: {early} ({entry.t} before the {entry.part} parts were opened)")
    if entry.t in _ORDERS and entry.part in opened:
        late = f"{_WORDS[entry.t]} comes after the opening"
        raise LogError(f"entry {entry.seq}: {late} ({entry.t} after the {entry.part} parts were opened)")
    if entry.t in _UNTIL and _UNTIL[entry.t] in seen:
        raise LogError(f"entry {entry.seq}: {_misplaced(entry.t, 'after', _UNTIL[entry.t])}")
    if entry.t not in _OFTEN and entry.part in seen.get(entry.t, ()):
        raise LogError(f"entry {entry.seq}: {_WORDS[entry.t]} comes again ({entry.t} for the second time)")


def _misplaced(type_: EventType, how: str, other: EventType) -> str:
    return f"{_WORDS[type_]} comes {how} {_WORDS[other]} ({type_} {how} {other})"
