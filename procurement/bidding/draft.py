"""The draft of a bid, as its bidder edits it: what is missing or wrong in it, in words, and what is sealed.

Whether it would open as a bid is asked of the functions that the opening asks.
"""

import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

import msgspec

from bids.envelope import LARGEST_RESTRICTED, MOST_DOCUMENTS, Part, Section, place, section
from bids.errors import Unopenable
from crypto.encoding import encode
from crypto.errors import MalformedError, VerificationError
from crypto.stream import TAG, sealed_size
from procurement import evaluation
from procurement.evaluation import KrPriceFloor, LifeCycleCost
from procurement.evaluation.explain import Facts
from procurement.money import grouped
from procurement.owners import COUNTRIES, Ownership, Unnamed
from procurement.scoring import read_part
from procurement.tenders import (
    Bid,
    Document,
    LotOffer,
    Notice,
    Proposal,
    Restricted,
    StatedCost,
    by_section,
    padded,
    read_bid,
    read_restricted,
)

WORDS = {
    "content-malformed": "something is too long, empty, or holds a sign that cannot be sealed",
    "declarations-wrong": "not exactly the declarations of the notice are made",
    "owners-unasked": "owners are named, and the notice does not ask for them",
    "owners-wrong": "of each business of the bid it is said once who owns it, or why nobody is named",
    "lots-wrong": "a lot is offered twice, or is none of the notice's",
    "offer-wrong": "a price, its picks or its costs cannot be read under the lot's rules",
    "documents-wrong": "two documents have one number",
}
"""Why a bid would not open (docs/formats.md), for its bidder."""
UNNAMED: dict[Unnamed, str] = {
    "listed": "listed on a regulated market",
    "public": "it belongs to a public body",
    "dispersed": "no person owns or controls enough of it",
}
"""Why a business has no owners to name."""
_NOT_PLAIN = "is no plain number: digits, no separators, a point before decimals"


class _Edited(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Base of what people edit."""


class DraftCost(_Edited, frozen=True, kw_only=True):
    """A cost that a lot's rules ask for; `title` is theirs, for whoever edits."""

    id: str
    title: str = ""
    amount: str = ""


class DraftOffer(_Edited, frozen=True, kw_only=True):
    """A price for a lot; `title` is the lot's, for whoever edits."""

    lot: str
    title: str = ""
    amount: str = ""
    picks: tuple[int, int] | None = None
    costs: tuple[DraftCost, ...] = ()


class DraftDeclaration(_Edited, frozen=True, kw_only=True):
    """A declaration that the notice asks for, to be made by `declared`."""

    id: str
    text: str = ""
    declared: bool = False


class DraftOwner(_Edited, frozen=True, kw_only=True):
    """A natural person who in the end owns or controls a business; `nationalities` like ["KR", "US"]."""

    name: str = ""
    nationalities: tuple[str, ...] = ()


class DraftOwnership(_Edited, frozen=True, kw_only=True):
    """Who owns a business of the bid: your own, or that of the `partner` with this certificate (fingerprint).
    Where nobody is named, `unnamed` says why: "listed", "public" or "dispersed" (docs/formats.md)."""

    partner: str = ""
    persons: tuple[DraftOwner, ...] = ()
    unnamed: str = ""


class DraftDocument(_Edited, frozen=True, kw_only=True):
    """A file beside the draft, or anywhere. `restricted`: never published, for officials alone. `part` is the
    one with which it opens, by default the first; `lot` whose price part it is, where each lot has one."""

    file: str
    title: str = ""
    format: str = ""
    restricted: bool = False
    part: Part | None = None
    lot: str | None = None


class Draft(_Edited, frozen=True, kw_only=True):
    """A whole bid. `restricted` is text for officials alone."""

    offers: tuple[DraftOffer, ...] = ()
    proposal: str = ""
    declarations: tuple[DraftDeclaration, ...] = ()
    owners: tuple[DraftOwnership, ...] = ()
    documents: tuple[DraftDocument, ...] = ()
    restricted: str = ""


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed of each part, and what is restricted."""

    open: dict[Section, bytes]
    restricted: dict[Section, bytes]

    def __repr__(self) -> str:
        return "Contents()"


def template(notice: Notice) -> Draft:
    """A draft with everything that is to be filled in."""
    return Draft(
        offers=tuple(DraftOffer(lot=lot.id, title=lot.title, costs=_asked(lot.rules)) for lot in notice.lots),
        declarations=tuple(DraftDeclaration(id=each.id, text=each.text) for each in notice.declarations),
        owners=(DraftOwnership(persons=(DraftOwner(),)),) if notice.owners_asked else (),
    )


def write(draft: Draft) -> bytes:
    """JSON to edit."""
    return msgspec.json.format(msgspec.json.encode(draft), indent=2) + b"\n"


def read(data: bytes) -> Draft:
    """Raises MalformedError, which says where."""
    try:
        return msgspec.json.decode(data, type=Draft)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"the draft cannot be read: {error}") from error


def faults(
    draft: Draft, notice: Notice, sizes: Mapping[str, int | None], partners: Sequence[str] = ()
) -> list[str]:
    """Everything because of which the bid would not open, or not be taken; nothing where it is in order.

    `sizes` are the documents' in bytes, none where there is no such file; `partners` the certificates
    (fingerprints) of those who bid jointly with whoever signs.
    """
    found = [
        *_offer_faults(draft, notice),
        *_declaration_faults(draft, notice),
        *_owner_faults(draft, notice, partners),
        *_document_faults(draft, notice, sizes),
        *_proposal_faults(draft, notice),
    ]
    return found or list(_content_faults(draft, notice, partners))


def contents(draft: Draft, notice: Notice, documents: Sequence[Document]) -> Contents:
    """The draft as it is sealed, with a document for each of the draft's, in its order.

    Raises MalformedError for what has no canonical form.
    """
    first = notice.parts[0]
    declared = tuple(each.id for each in draft.declarations if each.declared)
    owners = tuple(map(ownership, draft.owners))
    given = list(zip(draft.documents, documents, strict=True))

    def of(name: Section, restricted: bool) -> tuple[Document, ...]:
        return tuple(
            document
            for each, document in given
            if (_section(each, notice), each.restricted) == (name, restricted)
        )

    found: dict[Section, bytes] = {}
    if first == "technical":
        found[first] = padded(
            Proposal(
                proposal=draft.proposal, declarations=declared, owners=owners, documents=of(first, False)
            )
        )
    for name, offers in by_section([_offer(each) for each in draft.offers], notice).items():
        bid = Bid(offers=offers, documents=of(name, False))
        if name == first:
            bid = msgspec.structs.replace(bid, declarations=declared, owners=owners)
        found[name] = padded(bid)
    withheld = {
        name: Restricted(text=draft.restricted if name == first else "", documents=of(name, True))
        for name in found
    }
    return Contents(
        open=found,
        restricted={name: padded(each) for name, each in withheld.items() if each.text or each.documents},
    )


def restricted_parts(draft: Draft, notice: Notice) -> set[Section]:
    """What has restricted content."""
    names = {_section(each, notice) for each in draft.documents if each.restricted}
    return names | ({notice.parts[0]} if draft.restricted else set())


def title(document: DraftDocument) -> str:
    """As it is stated, or the file's name."""
    return document.title or document.file.replace("\\", "/").rpartition("/")[2]


def declaration_text(notice: Notice, id: str) -> str:
    """What is declared: the notice's words, whatever a draft makes of them. Empty for no such declaration."""
    return next((each.text for each in notice.declarations if each.id == id), "")


def media_type(document: DraftDocument) -> str:
    """As it is stated, or by the file's name."""
    return document.format or mimetypes.guess_type(document.file)[0] or "application/octet-stream"


def ownership(owned: DraftOwnership) -> Ownership:
    """Who owns a business, as it is sealed. Raises MalformedError for what no content can say."""
    said = {"partner": owned.partner or None, "unnamed": owned.unnamed or None}
    persons = [{"name": each.name, "nationalities": each.nationalities} for each in owned.persons]
    try:
        return msgspec.convert({**said, "persons": persons}, Ownership)
    except ValueError as error:
        raise MalformedError(f"owners: {error}") from error


def price(offer: DraftOffer | LotOffer, notice: Notice) -> str:
    """What is asked for a lot, in words."""
    picks = f", picks {offer.picks[0]} and {offer.picks[1]}" if offer.picks else ""
    costs = "".join(f"; {each.id} {grouped(each.amount)} {notice.currency}" for each in offer.costs)
    return f"{grouped(offer.amount)} {notice.currency}{picks}{costs}"


def owners_in_words(owned: Ownership) -> tuple[str, str]:
    """Of which business, and the persons with their nationalities, or why there are none."""
    label = f"Owners of {_business(owned.partner or '')}"
    if owned.unnamed:
        return label, f"nobody is named: {UNNAMED[owned.unnamed]}"
    return label, "; ".join(f"{each.name} ({', '.join(each.nationalities)})" for each in owned.persons)


def in_words(content: Bid | Proposal | Restricted, notice: Notice) -> Facts:
    """What a content says."""
    facts: Facts = []
    if isinstance(content, Bid):
        facts += [(f"Lot {each.lot}", price(each, notice)) for each in content.offers]
    if isinstance(content, Proposal):
        facts.append(("Proposal", content.proposal))
    if isinstance(content, Restricted):
        facts.append(("For officials alone", content.text or "documents"))
    else:
        facts += [("Declares", f"{each}: {declaration_text(notice, each)}") for each in content.declarations]
        facts += map(owners_in_words, content.owners)
    for each in content.documents:
        facts.append((f"Document {each.number}", f"{each.title}, {each.format}, {each.size:,} bytes"))
    return facts


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────────


def _offer_faults(draft: Draft, notice: Notice) -> Iterator[str]:
    """Each offer by itself, as the opening would read it if there were no other."""
    if not draft.offers:
        yield "no lot is offered for"
    lots = {lot.id: lot for lot in notice.lots}
    seen: set[str] = set()
    for offer in draft.offers:
        if offer.lot not in lots:
            yield f"lot {offer.lot}: the notice has no such lot"
        elif offer.lot in seen:
            yield f"lot {offer.lot}: offered twice"
        elif not offer.amount:
            yield f"lot {offer.lot}: no amount; who does not bid for a lot removes its offer"
        elif missing := [each.id for each in offer.costs if not each.amount]:
            yield f"lot {offer.lot}: no amount of {', '.join(missing)}; what costs nothing is 0"
        elif offer.picks is None and isinstance(evaluation.single(lots[offer.lot].rules), KrPriceFloor):
            yield f"lot {offer.lot}: no picks; two different numbers of 1 to 15, like [3, 12]"
        else:
            yield from _fault(offer, notice)
        seen.add(offer.lot)


def _fault(offer: DraftOffer, notice: Notice) -> Iterator[str]:
    bid = Bid(offers=(_offer(offer),))
    if notice.parts == ("bid",):
        declared = tuple(each.id for each in notice.declarations)
        owners = (Ownership(unnamed="dispersed"),) if notice.owners_asked else ()
        bid = msgspec.structs.replace(bid, declarations=declared, owners=owners)
    try:
        read_bid(encode(bid), notice)
    except Unopenable as error:
        because = error.__cause__ if error.code == "offer-wrong" else None
        malformed = error.code == "content-malformed"
        yield f"lot {offer.lot}: {'the amount ' + _NOT_PLAIN if malformed else because or WORDS[error.code]}"
    except MalformedError as error:
        yield f"lot {offer.lot}: {error}"


def _declaration_faults(draft: Draft, notice: Notice) -> Iterator[str]:
    asked, made = {each.id for each in notice.declarations}, [each.id for each in draft.declarations]
    for each in draft.declarations:
        if each.id not in asked:
            yield f"declaration {each.id}: the notice asks for no such declaration"
        elif not each.declared:
            yield f"declaration {each.id} is not made: “{declaration_text(notice, each.id)}”"
    for missing in sorted(asked - set(made)):
        yield f"declaration {missing} is missing"
    for twice in sorted({each for each in made if made.count(each) > 1}):
        yield f"declaration {twice} stands twice"


def _owner_faults(draft: Draft, notice: Notice, partners: Sequence[str]) -> Iterator[str]:
    """Each business by itself; what cannot be read is found with the whole content."""
    if not notice.owners_asked:
        if draft.owners:
            yield WORDS["owners-unasked"]
        return
    stated = [each.partner for each in draft.owners]
    for business in ("", *partners):
        if stated.count(business) != 1:
            said = "stand twice" if business in stated else "are missing"
            yield f"owners of {_business(business)} {said}"
    for each in draft.owners:
        whose = f"owners of {_business(each.partner)}"
        if each.partner not in ("", *partners):
            yield f"{whose}: that is no partner in this bid (--partner names them)"
        elif bool(each.persons) == bool(each.unnamed):
            yield f"{whose}: either persons, or why nobody is named ({', '.join(get_args(Unnamed))})"
        elif each.unnamed and each.unnamed not in get_args(Unnamed):
            yield f"{whose}: unnamed is one of {', '.join(get_args(Unnamed))}"
        for person in each.persons:
            yield from (f"{whose}: {fault}" for fault in _person_faults(person))


def _person_faults(person: DraftOwner) -> Iterator[str]:
    if not person.name:
        yield "a person has no name"
    elif not person.nationalities:
        yield f'{person.name} has no nationality; two letters for each, like ["KR"]'
    for each in sorted(set(person.nationalities) - set(COUNTRIES)):
        yield f"{person.name}: {each} is no country's two letters of ISO 3166-1"
    if len(set(person.nationalities)) < len(person.nationalities):
        yield f"{person.name}: a nationality stands twice"


def _document_faults(draft: Draft, notice: Notice, sizes: Mapping[str, int | None]) -> Iterator[str]:
    restricted = restricted_parts(draft, notice)
    count = len(draft.documents) + len(restricted)
    if count > notice.document_limit:
        counted = f" (restricted content counts as {len(restricted)})" if restricted else ""
        yield f"{count} documents{counted}, and the tender takes {notice.document_limit or 'none'}"
    for each in draft.documents:
        yield from _place_faults(each, draft, notice)
        size = sizes.get(each.file)
        if size is None:
            yield f"{each.file}: there is no such file"
        elif sealed_size(size) > notice.document_size:
            most = f"at most {notice.document_size:,} are taken"
            yield f"{each.file}: sealed it has {sealed_size(size):,} bytes, and {most}"


def _place_faults(document: DraftDocument, draft: Draft, notice: Notice) -> Iterator[str]:
    """With what the document opens has to be there."""
    file, part, apart = document.file, document.part or notice.parts[0], notice.priced_apart
    if part not in notice.parts:
        yield f"{file}: the tender has no part {part}, only {' and '.join(notice.parts)}"
    elif document.lot is None and part == "price" and apart:
        yield f"{file}: each lot has a price part of its own, and no lot is named"
    elif document.lot is not None and not (part == "price" and apart):
        yield f"{file}: the {part} part holds all lots, and lot {document.lot} is named"
    elif document.lot is not None and document.lot not in {each.lot for each in draft.offers}:
        yield f"{file}: lot {document.lot} is not offered for"


def _proposal_faults(draft: Draft, notice: Notice) -> Iterator[str]:
    if draft.proposal and "technical" not in notice.parts:
        yield "a proposal is given, and the tender has no technical part"
    if not draft.proposal and "technical" in notice.parts:
        yield "the proposal is empty"


def _content_faults(draft: Draft, notice: Notice, partners: Sequence[str]) -> Iterator[str]:
    """The contents as a whole, as the opening reads them, with stand-ins for documents not yet sealed."""
    stand_ins = [
        Document(
            number=min(i, MOST_DOCUMENTS),
            title=title(each),
            format=media_type(each),
            key="0" * 64,
            sha256="0" * 64,
            size=0,
        )
        for i, each in enumerate(draft.documents, start=1)
    ]
    try:
        found = contents(draft, notice, stand_ins)
        for part in notice.parts:
            size = sum(len(content) for name, content in found.open.items() if place(name)[0] == part)
            yield from _too_long(part, size, notice.content_limit)
        for name, content in found.open.items():
            read_part(name, content, notice, partners)
        for name, content in found.restricted.items():
            most = min(LARGEST_RESTRICTED, notice.document_size - TAG)
            yield from _too_long(f"restricted {name}", len(content), most)
            read_restricted(content)
    except VerificationError as error:
        yield WORDS.get(error.code, str(error)) if isinstance(error, Unopenable) else str(error)


def _too_long(what: str, size: int, most: int) -> Iterator[str]:
    if size > most:
        yield f"part {what}: {size:,} bytes of content, and at most {most:,} are taken"


def _asked(rules: evaluation.Rules) -> tuple[DraftCost, ...]:
    """The costs that the rules ask for, to be filled in."""
    single = evaluation.single(rules)
    costs = single.costs if isinstance(single, LifeCycleCost) else ()
    return tuple(DraftCost(id=each.id, title=each.title) for each in costs)


def _section(document: DraftDocument, notice: Notice) -> Section:
    """With what the document opens."""
    return section(document.part or notice.parts[0], document.lot)


def _business(partner: str) -> str:
    return f"partner {partner}" if partner else "the business that signs"


def _offer(offer: DraftOffer) -> LotOffer:
    costs = tuple(StatedCost(id=each.id, amount=each.amount) for each in offer.costs)
    return LotOffer(lot=offer.lot, amount=offer.amount, picks=offer.picks, costs=costs)
