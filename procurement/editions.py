"""A tender's terms as they change: editions, each of them whole, each in the place of the one before it.

An officer's amendment carries the notice as it reads from then on; an outage of the service moves the
deadline by the rule that the notice published, and nothing else. What bids are locked and judged by never
changes. Every envelope names the edition that it was sealed under (`terms`), so everybody can tell which bids
stand.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

import msgspec

from bids.envelope import SubmissionTerms
from crypto.certificates import Role
from crypto.encoding import Hex32, Identifier, Moment, RoundNumber, Value, moment, parse_moment
from crypto.statements import PAYLOAD_TYPE, Payload, Statement
from procurement.errors import TenderError
from procurement.history import Entry, EventType
from procurement.periods import on_working_day
from procurement.tenders import Lot, Notice, OutageRule, check_periods, terms

MOST = 100
"""Editions of one tender."""
MOST_AMENDED = 80
"""Of them, as many as officers may make: who amends again and again leaves outages their extensions."""
MOST_GAPS = 1000
"""Outages that one extension may name."""
MISSED = timedelta(seconds=30)
"""Without a word that bids are taken for so long, they are not: a busy machine may be late by some of it."""
RESEALING = timedelta(days=1)
"""From an amendment's entry to the deadline, at least: whoever has not bid yet, or whose bid does not stand,
seals anew. Practice tenders have no such time."""

FIXED = (
    "signer",
    "tender",
    "number",
    "language",
    "practice",
    "procuring_entity",
    "currency",
    "published",
    "network",
    "committee",
    "transcript",
    "witnesses",
    "evaluators",
    "seats",
    "on_extension",
    "extension_margin",
    "outage",
    "previous",
    "partner_limit",
    "variant_policy",
    "buyer",
    "category",
    "estimated_value",
    "legal",
)
"""What no amendment changes: whose tender it is, who opens and scores it, and the rules of its changes. Which
lots there are, and their rules, do not change either."""
AMENDABLE = (
    "title",
    "description",
    "contact",
    "lots",
    "declarations",
    "owners_asked",
    "deadline",
    "standstill",
    "round",
    "enquiries_until",
    "content_limit",
    "document_limit",
    "document_size",
    "upload_grace",
    "budget",
    "eligibility",
    "bid_security",
    "translations",
    "documents",
)


class Amendment(Payload, frozen=True, kw_only=True):
    """An officer's change of a tender's terms, in force once another officer has countersigned it."""

    PURPOSE: ClassVar[str] = "amendment"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    previous: Hex32
    """Id of what it amends: the notice, or the latest amendment or extension."""
    amended: Notice
    """The whole notice as it reads from now on."""
    bids_stand: bool
    """Whether bids that came before still count. Those that do not are listed at the closing, not opened."""
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    time: Moment


class Gap(Value, frozen=True, kw_only=True):
    """A time in which the service took no bids."""

    start: Moment
    end: Moment


class Extension(Payload, frozen=True, kw_only=True):
    """The service moves the deadline after an outage, by the rule of the notice."""

    PURPOSE: ClassVar[str] = "outage-extension"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.SERVICE,)

    tender: Identifier
    notice: Hex32
    previous: Hex32
    gaps: Annotated[tuple[Gap, ...], msgspec.Meta(min_length=1, max_length=MOST_GAPS)]
    """Oldest first: each ends after the window before the deadline begins, and begins before the deadline."""
    deadline: Moment
    round: RoundNumber
    time: Moment


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of a tender at one time."""

    statement: str
    """Id of the notice, amendment or extension that made them so."""
    seq: int
    """Its entry's place in the tender's history."""
    notice: Notice
    """As it reads in this edition."""
    terms: SubmissionTerms
    stands: bool = True
    """Whether bids that came under it count."""
    settled: str = ""
    """Moment up to which outages have been made good for; empty while none has."""


def published(notice: Notice, notice_id: str) -> tuple[Edition, ...]:
    """The first edition."""
    return (Edition(statement=notice_id, seq=0, notice=notice, terms=terms(notice, notice_id)),)


def followed_by(
    editions: Sequence[Edition], said: Amendment | Extension, id: str, seq: int
) -> tuple[Edition, ...]:
    """`editions` with one more, made by the statement with that id, whose entry stands at `seq`.

    Raises TenderError where it may not follow, and what `check_notice` raises is for the caller to ask.
    """
    latest = editions[-1]
    if said.previous != latest.statement:
        raise TenderError("not-latest", "the terms have changed since: this follows an earlier edition")
    most = MOST_AMENDED if isinstance(said, Amendment) else MOST
    if len(editions) >= most:
        raise TenderError("too-many-amendments", f"the tender has {most} editions already")
    notice, stand = _amended(latest, said) if isinstance(said, Amendment) else _extended(latest, said)
    ids = [*(each.statement for each in editions), id]
    settled = said.gaps[-1].end if isinstance(said, Extension) else latest.settled
    following = Edition(statement=id, seq=seq, notice=notice, terms=terms(notice, *ids), settled=settled)
    before = [msgspec.structs.replace(each, stands=each.stands and stand) for each in editions]
    return (*before, following)


def after(editions: Sequence[Edition], entry: Entry, statement: Statement) -> tuple[Edition, ...]:
    """`editions` with the one that an entry of the history makes, whose statement this is, not verified.

    Raises TenderError, or MalformedError for a statement of another purpose.
    """
    if entry.t is EventType.PUBLISHED:
        return published(statement.read(Notice), statement.id)
    amends = entry.t is EventType.AMENDED
    said = statement.read(Amendment) if amends else statement.read(Extension)
    return followed_by(editions, said, statement.id, entry.seq)


def reread(notice: Statement, amendments: Sequence[Statement]) -> tuple[Edition, ...]:
    """The editions that statements make, which somebody has verified and kept; their places in the history
    were not kept, and are their numbers here. Raises TenderError, MalformedError."""
    editions = published(notice.read(Notice), notice.id)
    for number, statement in enumerate(amendments, start=1):
        extends = statement.payload_type == PAYLOAD_TYPE.format(purpose=Extension.PURPOSE)
        said = statement.read(Extension) if extends else statement.read(Amendment)
        editions = followed_by(editions, said, statement.id, number)
    return editions


def check_in_time(latest: Edition, amended: Notice, now: datetime) -> None:
    """Terms are amended before the deadline that they state, never after, and leave everybody time to seal
    under them. `now` is the time of the amendment's entry. Raises TenderError."""
    if now >= latest.notice.closes:
        raise TenderError("deadline-passed", "the deadline has passed: nothing can be amended any more")
    if not latest.notice.practice and amended.closes < now + RESEALING:
        raise TenderError(
            "no-time-to-reseal",
            "bids are sealed anew under amended terms: the deadline is a day after the amendment or later",
        )


def check_told_afterwards(extension: Extension, now: datetime) -> None:
    """`now`, the time of the extension's entry, is not before the outages were over. Raises TenderError."""
    if parse_moment(extension.gaps[-1].end) > now:
        raise TenderError("wrong-gaps", "an outage is told of before it is over")


def in_force(editions: Sequence[Edition], index: int, indexes: Sequence[int]) -> Edition:
    """The edition under which something came whose commitment has that `index` in the log; `indexes` are
    those of the editions' entries."""
    return [each for each, since in zip(editions, indexes, strict=True) if since < index][-1]


def edition_of(editions: Sequence[Edition], digest: str) -> Edition:
    """The edition whose terms have that digest. Raises TenderError."""
    for each in editions:
        if each.terms.terms == digest:
            return each
    raise TenderError("other-terms", "sealed under terms that this tender never had")


def rounds(editions: Sequence[Edition], digests: Iterable[str]) -> list[str]:
    """The rounds whose keys open bids under the terms with these digests: first that of the latest edition,
    whose keys draws are made from, even where nobody bid under it; then the others, latest first."""
    wanted = {edition_of(editions, each).terms.round for each in digests}
    own = editions[-1].terms.round
    return [own, *sorted(wanted - {own}, key=int, reverse=True)]


def under(editions: Sequence[Edition], round: str) -> SubmissionTerms:
    """Terms under which orders for that round are made: orders of one round are the same in each edition.

    Raises TenderError for a round that no edition has.
    """
    for each in reversed(editions):
        if each.terms.round == round:
            return each.terms
    raise TenderError("no-such-round", "no edition of the tender has that round")


def changes(before: Notice, after: Notice) -> list[str]:
    """Names of the fields that differ."""
    return [name for name in AMENDABLE if getattr(before, name) != getattr(after, name)]


def next_round(notice: Notice, deadline: datetime) -> str:
    """The round of the time lock where the deadline moves: as it is while it comes after the end of the
    grace, else the margin after that (PROTOCOL section 6)."""
    complete = deadline + timedelta(seconds=notice.upload_grace)
    if notice.opens > complete:
        return notice.round
    return str(notice.network.round_at(complete + timedelta(seconds=notice.extension_margin)))


def moved(rule: OutageRule, deadline: datetime, gaps: Sequence[Gap]) -> datetime | None:
    """Where the rule moves the deadline after these outages, oldest first; None where they are too short.

    Time before the window does not count; an outage that goes on past the deadline counts whole, and the
    extension then begins with its end.
    """
    opens = deadline - timedelta(seconds=rule.window)
    times = [(parse_moment(each.start), parse_moment(each.end)) for each in gaps]
    down = sum(((end - max(start, opens)) for start, end in times), timedelta()).total_seconds()
    if down < rule.least:
        return None
    extension = rule.short_extension if down <= rule.short else rule.long_extension
    return max(deadline, *(end for _, end in times)) + timedelta(seconds=extension)


def extended(notice: Notice, gaps: Sequence[Gap]) -> datetime | None:
    """Where these outages move the deadline of `notice` by its rule: never to a day off under its law."""
    deadline = moved(notice.outage, notice.closes, gaps) if notice.outage and gaps else None
    if deadline is None or notice.legal is None:
        return deadline
    return on_working_day(notice.legal, parse_moment(notice.published), deadline)


def counting(latest: Edition, gaps: Iterable[Gap]) -> list[Gap]:
    """Of all gaps, oldest first, those that count for the deadline of `latest`: they reach into the window
    before it, and have not been made good for; of too many the last ones, which tell where it moves."""
    rule, notice = latest.notice.outage, latest.notice
    if rule is None:
        return []
    opens = moment(notice.closes - timedelta(seconds=rule.window))
    counted = [
        each
        for each in gaps
        if each.end > opens and each.start < notice.deadline and each.start >= latest.settled
    ]
    return counted[-MOST_GAPS:]


def _amended(latest: Edition, amendment: Amendment) -> tuple[Notice, bool]:
    before, after = latest.notice, amendment.amended
    for name in FIXED:
        if getattr(before, name) != getattr(after, name):
            raise TenderError("fixed", f"an amendment cannot change {name}")
    if [_judged(each) for each in before.lots] != [_judged(each) for each in after.lots]:
        raise TenderError("fixed", "an amendment cannot change which lots there are, nor their rules")
    if not changes(before, after):
        raise TenderError("nothing-amended", "the amendment changes nothing")
    if after.closes < before.closes or after.complete < before.complete:
        raise TenderError("deadline-earlier", "neither the deadline nor the end of the grace moves earlier")
    if after.round != next_round(msgspec.structs.replace(after, round=before.round), after.closes):
        raise TenderError("wrong-round", "the round follows from the deadline, the grace and the margin")
    check_periods(after)
    if after.round != before.round and after.on_extension == "reseal" and amendment.bids_stand:
        raise TenderError("reseal", "the notice says that bids are sealed anew where the round moves")
    return after, amendment.bids_stand


def _extended(latest: Edition, extension: Extension) -> tuple[Notice, bool]:
    notice = latest.notice
    if notice.outage is None:
        raise TenderError("no-outage-rule", "the notice has no rule for outages")
    if list(extension.gaps) != counting(latest, extension.gaps) or not _ascending(extension.gaps):
        raise TenderError("wrong-gaps", "these outages do not count for the deadline")
    deadline = extended(notice, extension.gaps)
    if deadline is None or extension.deadline != moment(deadline):
        raise TenderError("wrong-extension", "the rule of the notice moves the deadline otherwise")
    if extension.round != next_round(notice, deadline):
        raise TenderError("wrong-round", "the round follows from the deadline, the grace and the margin")
    after = msgspec.structs.replace(notice, deadline=extension.deadline, round=extension.round)
    return after, after.round == notice.round or notice.on_extension == "stand"


def _ascending(gaps: Sequence[Gap]) -> bool:
    times = [time for each in gaps for time in (each.start, each.end)]
    return times == sorted(times) and all(each.start < each.end for each in gaps)


def _judged(lot: Lot) -> object:
    """What a lot's bids are about and judged by."""
    return lot.id, lot.rules, tuple(item.id for item in lot.items)
