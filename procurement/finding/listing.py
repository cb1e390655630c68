"""A tender's line in the index: facts that follow from its notice, its history and its award, nothing else.

Where a tender stands follows from these and the time at which somebody asks, so no clock has to turn a page.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from crypto.encoding import parse_moment
from procurement import ocds
from procurement.awards import Evaluated, LotAward, Termination
from procurement.finding.lexemes import lexemes
from procurement.history import Entry, EventType
from procurement.money import parse
from procurement.notices import Classification
from procurement.tenders import Contact, Notice

VERSION = 1
"""Of what is derived, and how: raised with every change of it. Lines of another version are made anew."""

Phase = Literal["bidding", "opening", "evaluation", "recused", "standstill", "complete", "terminated"]
"""Where a tender is by its history alone; `bidding` until something of it is opened."""
Status = Literal[
    "active", "closed", "opening", "evaluation", "recused", "standstill", "complete", "terminated"
]
Outcome = Literal["awarded", "unsuccessful", "cancelled"]


class Supplier(msgspec.Struct, frozen=True, kw_only=True):
    """Who is behind a bid: registration number and name."""

    registration: str
    name: str


class Won(msgspec.Struct, frozen=True, kw_only=True):
    """What one supplier is awarded of a lot, or, while it is not `made`, is to be: `amount` is the whole
    bid's, and `place` its rank among the lot's winners. Of a joint bid each business has one; the signer
    `leads`."""

    lot: str
    place: int
    supplier: str
    name: str
    leads: bool
    amount: Decimal
    made: bool
    at: datetime
    """Of the award's entry in the log, or of the intention's."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A tender's line."""

    tender_id: UUID
    ocid: str
    number: str
    language: str
    title: str
    translations: dict[str, str]
    """Titles by language."""
    entity: str
    entity_name: str
    buyer: str
    buyer_name: str
    contact: Contact
    category: str | None
    jurisdiction: str | None
    procedure: str | None
    method: str | None
    rule_sets: tuple[str, ...]
    classifications: tuple[str, ...]
    """``SCHEME:code``."""
    regions: tuple[str, ...]
    reserved_for: tuple[str, ...]
    currency: str
    value: Decimal | None
    """Estimated, or the sum of all lots' ceilings."""
    practice: bool
    published: datetime
    deadline: datetime
    opens: datetime
    phase: Phase
    outcome: Outcome | None
    over: datetime | None
    """When the outcome came about."""
    lexemes: tuple[str, ...]
    won: tuple[Won, ...]


def status_at(phase: Phase, deadline: datetime, now: datetime) -> Status:
    """Where the tender is at that time."""
    if phase != "bidding":
        return phase
    return "active" if now < deadline else "closed"


def listed(
    tender_id: UUID,
    notice: Notice,
    phase: Phase,
    entries: Iterable[Entry],
    termination: Termination | None,
    won: tuple[Won, ...],
) -> Listing:
    """The line of a tender whose notice reads so now, and whose history these entries are."""
    legal, eligibility, buyer = notice.legal, notice.eligibility, notice.buyer or notice.procuring_entity
    end = next((each for each in entries if each.t in (EventType.AWARDED, EventType.TERMINATED)), None)
    value = ocds.whole_value(notice)
    codes = [each for lot in notice.lots for item in lot.items if (each := item.classification)]
    return Listing(
        tender_id=tender_id,
        ocid=notice.tender,
        number=notice.number,
        language=notice.language,
        title=notice.title,
        translations={each.language: each.title for each in notice.translations},
        entity=notice.procuring_entity.id,
        entity_name=notice.procuring_entity.name,
        buyer=buyer.id,
        buyer_name=buyer.name,
        contact=notice.contact,
        category=notice.category,
        jurisdiction=legal.jurisdiction if legal else None,
        procedure=legal.procedure if legal else None,
        method=ocds.method(legal) if legal else None,
        rule_sets=tuple(dict.fromkeys(ocds.rule_set(lot.rules) for lot in notice.lots)),
        classifications=tuple(dict.fromkeys(f"{code.scheme}:{code.id}" for code in codes)),
        regions=eligibility.regions if eligibility else (),
        reserved_for=eligibility.reserved_for if eligibility else (),
        currency=notice.currency,
        value=value,
        practice=notice.practice,
        published=parse_moment(notice.published),
        deadline=notice.closes,
        opens=notice.opens,
        phase=phase,
        outcome=_outcome(end, termination, won),
        over=parse_moment(end.time) if end else None,
        lexemes=(*_facets(notice, codes), *lexemes(_words(notice, codes))),
        won=won,
    )


def winners(
    awards: Sequence[LotAward],
    evaluated: Evaluated,
    behind: Mapping[str, Sequence[Supplier]],
    entry: Entry,
) -> tuple[Won, ...]:
    """Everybody whom the statement of `entry` awards something, or means to; `behind` has by envelope id the
    businesses whose bid it is, the signer first."""
    amounts = {
        (lot.lot, ranked.bid): ranked.amount for lot in evaluated.lots for ranked in lot.evaluation.ranking
    }
    found, places = [], dict[str, int]()
    for award in (each for each in awards if each.bid is not None):
        places[award.lot] = places.get(award.lot, 0) + 1
        for supplier in behind[award.bid or ""]:
            amount = amounts[award.lot, award.bid or ""]
            found.append(
                Won(
                    lot=award.lot,
                    place=places[award.lot],
                    supplier=supplier.registration,
                    name=supplier.name,
                    leads=supplier == behind[award.bid or ""][0],
                    amount=parse(amount or "0", places=2),
                    made=entry.t is EventType.AWARDED,
                    at=parse_moment(entry.time),
                )
            )
    return tuple(found)


def of_classification(code: str, scheme: str = "") -> str:
    """The lexeme of an item's code; no text has one with a slash."""
    return f"c/{scheme}/{code}".lower() if scheme else f"c/{code}".lower()


def of_set_aside(whom: str) -> str:
    """The lexeme of whom a tender is reserved for."""
    return f"r/{whom}"


def _outcome(end: Entry | None, termination: Termination | None, won: Sequence[Won]) -> Outcome | None:
    if termination is not None:
        return termination.outcome
    if end is None:
        return None
    return "awarded" if won else "unsuccessful"


def _facets(notice: Notice, codes: Sequence[Classification]) -> list[str]:
    reserved = notice.eligibility.reserved_for if notice.eligibility else ()
    found = [of_set_aside(each) for each in reserved]
    for code in codes:
        found += [of_classification(code.id), of_classification(code.id, code.scheme)]
    return list(dict.fromkeys(found))


def _words(notice: Notice, codes: Sequence[Classification]) -> Iterable[str]:
    """All that a tender is found by; its description is for reading."""
    buyer = notice.buyer or notice.procuring_entity
    yield from (notice.title, notice.number, notice.tender, notice.procuring_entity.name, buyer.name)
    yield from (each.title for each in notice.translations)
    yield from notice.eligibility.regions if notice.eligibility else ()
    yield from (each.description for each in codes if each.description)
    for lot in notice.lots:
        yield lot.title
        yield from (item.description for item in lot.items)
    for translation in notice.translations:
        for translated in translation.lots:
            yield translated.title
            yield from (each.description for each in translated.items)
