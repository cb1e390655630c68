"""A tender as its notice states it: what is bought, by which rules, under which locks, until when.

Tenders differ by this data and by the rule set that each lot names, never by code of their own.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec

from bids.envelope import (
    MOST_DOCUMENTS,
    MOST_LOTS,
    MOST_PARTNERS,
    Part,
    Section,
    SubmissionTerms,
    section,
    sections,
)
from bids.errors import Unopenable
from crypto.beacon import Network
from crypto.ceremony import Transcript, check_seats, digest
from crypto.certificates import Certificate, Role
from crypto.committee import Committee, JointKey, verify_committee
from crypto.encoding import (
    Base64,
    Hex32,
    Identifier,
    Moment,
    RoundNumber,
    Small,
    Text,
    Value,
    decode,
    encode,
    from_base64,
    parse_moment,
    sha256,
)
from crypto.errors import CommitteeError, MalformedError
from crypto.statements import Payload, Statement
from crypto.trust import WitnessPolicy
from procurement import evaluation, money, periods
from procurement.duties import Officials
from procurement.errors import OfferError, TenderError
from procurement.evaluation import KrPriceFloor, Offer, Rules
from procurement.evaluation.kr_price_floor import commits_prices
from procurement.money import Amount
from procurement.notices import (
    MOST_FILES,
    BidSecurity,
    Budget,
    Category,
    Classification,
    Eligibility,
    Language,
    LegalBasis,
    Line,
    MediaType,
    TenderDocument,
    Translation,
    VariantPolicy,
    check_amounts,
    check_classification,
    check_eligibility,
    check_security,
    check_translations,
)
from procurement.owners import Ownership, check_owners
from procurement.periods import Purchase

CONTENT_LIMIT = 64 * 1024
LARGEST_CONTENT = 1024 * 1024
PADDED_TO = 256  # bytes
LARGEST_DOCUMENT = 4 * 1024 * 1024 * 1024
LONGEST_GRACE = 7 * 24 * 3600  # seconds
LONGEST_WINDOW = 7 * 24 * 3600  # seconds
LONGEST_STANDSTILL = 366 * 24 * 3600  # seconds
PROMPT = timedelta(minutes=5)
"""How far from its stated time a notice is published at most."""

C = TypeVar("C", "Proposal", "Bid", "Restricted")


class Organisation(Value, frozen=True, kw_only=True):
    """OCDS organization: a stable id and a name."""

    id: Identifier
    name: Line


class Contact(Value, frozen=True, kw_only=True):
    """OCDS contactPoint: the officer in charge, whom anyone may ask."""

    name: Line
    email: Line | None = None
    telephone: Line | None = None


class Item(Value, frozen=True, kw_only=True):
    """OCDS item: what is bought, and how much of it."""

    id: Identifier
    description: Line
    quantity: Amount | None = None
    unit: Line | None = None
    classification: Classification | None = None


class Lot(Value, frozen=True, kw_only=True):
    """A lot, with the rule set and parameters by which its offers are evaluated."""

    id: Identifier
    title: Line
    items: Annotated[tuple[Item, ...], msgspec.Meta(min_length=1)]
    rules: Rules


class Declaration(Value, frozen=True, kw_only=True):
    """Something every bidder must declare."""

    id: Identifier
    text: Text


class OutageRule(Value, frozen=True, kw_only=True):
    """How the deadline moves after the service took no bids for a while before it. All in seconds.

    KONEPS's rule: down for up to 2 h in the last hours, the deadline moves by 2 h; for longer, by 24 h.
    """

    window: Annotated[int, msgspec.Meta(ge=60, le=LONGEST_WINDOW)]
    """How long before the deadline outages count."""
    least: Annotated[int, msgspec.Meta(ge=60, le=LONGEST_WINDOW)]
    """From how long on, in all, they move the deadline."""
    short: Annotated[int, msgspec.Meta(ge=60, le=LONGEST_WINDOW)]
    """Up to this long in all, by `short_extension`; for longer, by `long_extension`."""
    short_extension: Annotated[int, msgspec.Meta(ge=60, le=LONGEST_WINDOW)]
    long_extension: Annotated[int, msgspec.Meta(ge=60, le=LONGEST_WINDOW)]


class Previous(Value, frozen=True, kw_only=True):
    """An earlier tender that came to nothing, and whose place this one takes: its ocid and its notice."""

    tender: Identifier
    notice: Hex32


class Notice(Payload, frozen=True, kw_only=True, tag_field="protocol", tag="openseal/v1"):
    """The officer's statement that starts a tender. Its id names the tender in every lock."""

    PURPOSE: ClassVar[str] = "notice"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    """The ocid."""
    number: Identifier
    """The procuring entity's own number of the tender (OCDS tender.id)."""
    language: Language = "en"
    """Of title, description and the like."""
    title: Line
    description: Text = ""
    practice: bool = False
    """Exempt from the legal periods, and marked so everywhere."""
    procuring_entity: Organisation
    contact: Contact
    currency: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]
    lots: Annotated[tuple[Lot, ...], msgspec.Meta(min_length=1, max_length=MOST_LOTS)]
    declarations: tuple[Declaration, ...] = ()
    owners_asked: bool = False
    """Whether who bids names the persons who in the end own or control it, for everybody to read after the
    opening."""
    published: Moment
    deadline: Moment
    standstill: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_STANDSTILL)]
    """Seconds between the intended award and the award."""
    network: Network
    round: RoundNumber
    committee: Committee
    transcript: tuple[Base64, ...]
    """Every member's signed Transcript, in the order of the members: without them an officer could deal all
    shares alone and name whomever they like."""
    witnesses: WitnessPolicy
    evaluators: tuple[Hex32, ...] = ()
    """Certificates of the panel that scores quality criteria; with `seats`, of the pool it is drawn from."""
    seats: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    """How many of the evaluators a draw calls to the panel. Absent: all are on it."""
    content_limit: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_CONTENT)] = CONTENT_LIMIT
    document_limit: Annotated[int, msgspec.Meta(ge=0, le=MOST_DOCUMENTS)] = 0
    """How many documents a bid may have."""
    document_size: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_DOCUMENT)] = 0
    """Bytes of the largest sealed document."""
    upload_grace: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_GRACE)] = 0
    """Seconds after the deadline in which documents of bids that came in time may still follow."""
    partner_limit: Annotated[int, msgspec.Meta(ge=0, le=MOST_PARTNERS)] = MOST_PARTNERS
    """How many partners a joint bid may have beside its lead; none where nobody may bid jointly."""
    variant_policy: VariantPolicy | None = None
    """Whether a bidder may offer alternatives."""
    buyer: Organisation | None = None
    """Who pays; by default the procuring entity."""
    category: Category | None = None
    estimated_value: Amount | None = None
    """Of all lots, by which the law's thresholds go."""
    legal: LegalBasis | None = None
    """Absent where the notice does not say under which law it is held, so that nobody can say what periods it
    has to keep."""
    budget: Budget | None = None
    eligibility: Eligibility | None = None
    bid_security: BidSecurity | None = None
    documents: Annotated[tuple[TenderDocument, ...], msgspec.Meta(max_length=MOST_FILES)] = ()
    translations: Annotated[tuple[Translation, ...], msgspec.Meta(max_length=20)] = ()
    enquiries_until: Moment | None = None
    """Until when businesses may ask; absent where no questions are taken."""
    on_extension: Literal["stand", "reseal"] = "stand"
    """What becomes of bids where the deadline moves past the round that they are sealed for: they stay, and
    until then the mandate lock alone holds them, or they do not count and have to be sealed anew."""
    extension_margin: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_WINDOW)] = 1800
    """Seconds from the end of the grace to a round that has to move."""
    outage: OutageRule | None = None
    """Absent where outages move nothing."""
    previous: Previous | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts every envelope has: technical and price apart where a panel scores any lot, else one."""
        scored = any(evaluation.criteria(lot.rules) for lot in self.lots)
        return ("technical", "price") if scored else ("bid",)

    @property
    def priced_apart(self) -> tuple[str, ...]:
        """Ids of the lots with a price part each: of several lots all, where the rules of one keep prices
        closed. Else one price part holds all of them."""
        closed = any(evaluation.keeps_prices_closed(lot.rules) for lot in self.lots)
        return tuple(lot.id for lot in self.lots) if closed and len(self.lots) > 1 else ()

    @property
    def sections(self) -> tuple[Section, ...]:
        """Everything that an envelope may seal apart, in its order."""
        return sections(self.parts, self.priced_apart)

    @property
    def closes(self) -> datetime:
        """The deadline: the first moment at which no bid is taken any more."""
        return parse_moment(self.deadline)

    @property
    def complete(self) -> datetime:
        """The end of the upload grace: the first moment at which no document is taken any more, and the
        earliest of the closing statement."""
        return self.closes + timedelta(seconds=self.upload_grace)

    @property
    def opens(self) -> datetime:
        """When the beacon's round comes that the time lock waits for."""
        return self.network.time_of(int(self.round))

    @property
    def named(self) -> tuple[str, ...]:
        """Certificates of everybody whom the notice gives a duty: the committee's members and the panel."""
        return (*(member.certificate for member in self.committee.members), *self.evaluators)

    def draw_lot(self, lot: Lot) -> str:
        """The lot's name in draws: empty where the tender has no other lot."""
        return lot.id if len(self.lots) > 1 else ""


class StatedCost(Value, frozen=True, kw_only=True):
    """A cost beside the price, by the id that the rules give it."""

    id: Identifier
    amount: Amount


class LotOffer(Value, frozen=True, kw_only=True):
    """What is offered for one lot; `picks` are the two numbers of 1..15 where the rules draw a price, `costs`
    those that the rules ask for."""

    lot: Identifier
    amount: Amount
    picks: tuple[int, int] | None = None
    costs: Annotated[tuple[StatedCost, ...], msgspec.Meta(max_length=100)] = ()


Padding = Annotated[str, msgspec.Meta(pattern=r"\A *\Z")]
"""Spaces that hide how long the rest is."""
Owners = Annotated[tuple[Ownership, ...], msgspec.Meta(max_length=1 + MOST_PARTNERS)]
"""Of each business that bids by whom it is owned, where the notice asks."""


class Document(Value, frozen=True, kw_only=True):
    """OCDS document: a sealed file of the envelope, by its number there, with what opens and proves it: the
    key, and SHA-256 and size (bytes) of what was sealed."""

    number: Annotated[int, msgspec.Meta(ge=1, le=MOST_DOCUMENTS)]
    title: Line
    format: MediaType
    key: Hex32
    sha256: Hex32
    size: Small


class Proposal(Value, frozen=True, kw_only=True):
    """Content of a technical part."""

    proposal: Text
    declarations: tuple[Identifier, ...] = ()
    owners: Owners = ()
    documents: Annotated[tuple[Document, ...], msgspec.Meta(max_length=MOST_DOCUMENTS)] = ()
    """Those that are public after the opening."""
    padding: Padding | None = None


class Bid(Value, frozen=True, kw_only=True):
    """Content of a bid or price part."""

    offers: Annotated[tuple[LotOffer, ...], msgspec.Meta(min_length=1, max_length=100)]
    declarations: tuple[Identifier, ...] = ()
    owners: Owners = ()
    documents: Annotated[tuple[Document, ...], msgspec.Meta(max_length=MOST_DOCUMENTS)] = ()
    padding: Padding | None = None


class Restricted(Value, frozen=True, kw_only=True):
    """Restricted content of a part, for officials alone: what is personal, documents that are not public."""

    text: Text = ""
    documents: Annotated[tuple[Document, ...], msgspec.Meta(max_length=MOST_DOCUMENTS)] = ()
    padding: Padding | None = None


def padded(content: C) -> bytes:
    """`content` as it is sealed: filled up to a multiple of 256 bytes, since the length of a ciphertext
    would otherwise tell how many digits a price has."""
    bare = len(encode(msgspec.structs.replace(content, padding="")))
    return encode(msgspec.structs.replace(content, padding=" " * (-bare % PADDED_TO)))


def by_section(offers: Sequence[LotOffer], notice: Notice) -> dict[Section, tuple[LotOffer, ...]]:
    """Offers by what they are sealed in: of lots that are priced apart each by itself."""
    if notice.priced_apart:
        return {section("price", each.lot): (each,) for each in offers}
    return {notice.parts[-1]: tuple(offers)}


def terms(notice: Notice, notice_id: str, *amendments: str) -> SubmissionTerms:
    """What the bid box is handed of a tender, whose notice reads so after these amendments (ids)."""
    return SubmissionTerms(
        tender=notice.tender,
        notice=notice_id,
        terms=terms_digest([notice_id, *amendments]),
        parts=notice.parts,
        network=notice.network,
        round=notice.round,
        committee=notice.committee.public_key,
        content_limit=notice.content_limit,
        document_limit=notice.document_limit,
        document_size=notice.document_size,
        partner_limit=notice.partner_limit,
        lots=notice.priced_apart,
    )


def terms_digest(statements: Sequence[str]) -> str:
    """``SHA256("openseal/v1/terms\\n" ‖ ids of the notice and of what amends it, in order)``, hex."""
    return sha256(b"openseal/v1/terms\n", *map(bytes.fromhex, statements)).hex()


def check_notice(notice: Notice) -> JointKey:
    """Everything a notice must fulfil whoever publishes it, and whenever. Raises TenderError.

    Returns the committee's verified key. Bidders' clients and the verifier check the same. A committee
    that fails raises CommitteeError, rules that contradict themselves RulesError.
    """
    _check_ids("lots-repeat", [lot.id for lot in notice.lots])
    _check_ids("declarations-repeat", [each.id for each in notice.declarations])
    for lot in notice.lots:
        _check_ids("items-repeat", [item.id for item in lot.items])
    money.places_of(notice.currency)
    _check_described(notice)
    _require(
        bool(notice.evaluators) == (notice.parts != ("bid",)),
        "panel-missing",
        "a panel is named exactly where the rules need score sheets",
    )
    _require(len(set(notice.evaluators)) == len(notice.evaluators), "panel-repeats", "an evaluator repeats")
    _require(
        notice.seats is None or notice.seats <= len(notice.evaluators),
        "pool-too-small",
        "a panel has more seats than there are people in its pool",
    )
    _check_times(notice)
    _require(
        notice.practice or not any(map(_commits_prices, notice.lots)),
        "prices-known",
        "whoever commits to preliminary prices knows them before the bids: for practice only",
    )
    for lot in notice.lots:
        evaluation.check(lot.rules, published=parse_moment(notice.published))
    return verify_committee(notice.committee)


def appointed(notice: Notice, second: str, person: Callable[[str], str]) -> Officials:
    """Who holds which duty. `second` is the second officer's registration number; `person` gives that of
    whoever holds a certificate.
    """
    return Officials(
        practice=notice.practice,
        officer=person(notice.signer),
        second=second,
        evaluators=tuple(map(person, notice.evaluators)),
        seats=notice.seats,
        members=tuple(person(member.certificate) for member in notice.committee.members),
    )


def check_transcript(notice: Notice, members: Sequence[Certificate]) -> None:
    """The committee's `members`, whose certificates these are, all signed that this came of one ceremony.

    Raises CommitteeError, or what `Statement.verify` raises.
    """
    if not len(notice.transcript) == len(members) == len(notice.committee.members):
        raise CommitteeError("every member signs the ceremony's transcript")
    check_seats(members)
    said = [
        Statement(from_base64(data)).verify(Transcript, certificate)
        for data, certificate in zip(notice.transcript, members, strict=True)
    ]
    if {each.committee for each in said} != {digest(notice.committee)}:
        raise CommitteeError("a member signed for another committee")
    if len({each.transcript for each in said}) != 1:
        raise CommitteeError("the members signed different transcripts")


def purchase(notice: Notice) -> Purchase | None:
    """What the notice's legal periods depend on; None where it names no law."""
    if notice.legal is None:
        return None
    return Purchase(
        legal=notice.legal,
        published=parse_moment(notice.published),
        category=notice.category,
        estimated_value=notice.estimated_value,
        documents=bool(notice.documents),
    )


def check_law_stated(notice: Notice) -> None:
    """Whether the legal periods are kept can be told. Raises TenderError.

    Asked of notices that are to be published: those of before there was the field are read as they are.
    """
    _require(
        notice.practice or notice.legal is not None,
        "periods-unstated",
        "a notice that is not for practice names the law whose periods it keeps",
    )


def check_publication(notice: Notice, now: datetime) -> None:
    """What holds at publication only: the deadline lies ahead, `published` is about now, the legal periods of
    that day are kept. Practice tenders are exempt from these.

    `now` is the time of the notice's entry where it is looked at later: dated tables go by `published`.
    """
    _require(notice.closes > now, "deadline-passed", "the deadline has passed")
    _require(
        abs(parse_moment(notice.published) - now) < PROMPT,
        "publication-time-wrong",
        "the notice's time of publication is not now",
    )
    check_periods(notice)


def check_periods(notice: Notice) -> None:
    """The legal periods are kept; practice tenders are exempt. Raises TenderError."""
    asked = purchase(notice)
    if asked and not notice.practice:
        periods.check(asked, notice.closes, notice.standstill)


def read_proposal(content: bytes, notice: Notice, partners: Sequence[str]) -> Proposal:
    """A technical part of an envelope with these `partners` (certificates). Raises Unopenable with the first
    reason in a fixed order of checks."""
    proposal = _content(content, Proposal)
    _check_stated(proposal, notice, partners)
    _check_documents(proposal.documents)
    return proposal


def read_bid(content: bytes, notice: Notice, lot: str | None = None, partners: Sequence[str] = ()) -> Bid:
    """A bid or price part, or that of one `lot`, which offers for no other; `partners` are the envelope's
    (certificates). Raises Unopenable with the first reason in a fixed order of checks.

    Declarations and owners stand in the first part, and in no other.
    """
    bid = _content(content, Bid)
    if notice.parts == ("bid",):
        _check_stated(bid, notice, partners)
    elif bid.declarations:
        raise Unopenable("declarations-wrong")
    elif bid.owners:
        raise Unopenable("owners-unasked")
    lots = {each.id: each for each in notice.lots if lot in (None, each.id)}
    offered = [offer.lot for offer in bid.offers]
    if len(set(offered)) != len(offered) or not set(offered) <= set(lots):
        raise Unopenable("lots-wrong")
    for offer in bid.offers:
        _check_offer(offer, lots[offer.lot], notice.currency)
    _check_documents(bid.documents)
    return bid


def read_restricted(content: bytes) -> Restricted:
    """Restricted content of a part. Raises Unopenable with the first reason in a fixed order of checks."""
    restricted = _content(content, Restricted)
    _check_documents(restricted.documents)
    return restricted


def offers(lot: Lot, bids: Sequence[tuple[str, str, Bid]]) -> tuple[Offer, ...]:
    """What is evaluated for `lot`, out of (envelope id, registration, opened bid)."""
    return tuple(
        _offer(envelope, registration, offer)
        for envelope, registration, bid in bids
        for offer in bid.offers
        if offer.lot == lot.id
    )


def _content(content: bytes, type_: type[C]) -> C:
    try:
        return decode(content, type_, limit=LARGEST_CONTENT)
    except MalformedError as error:
        raise Unopenable("content-malformed") from error


def _check_stated(first: Proposal | Bid, notice: Notice, partners: Sequence[str]) -> None:
    """What the first part states of whoever bids."""
    if sorted(first.declarations) != sorted(each.id for each in notice.declarations):
        raise Unopenable("declarations-wrong")
    check_owners(first.owners, partners, asked=notice.owners_asked)


def _check_documents(documents: Sequence[Document]) -> None:
    """What a number names is not asked here: a file that is missing costs its bidder that file, no more."""
    if len({each.number for each in documents}) != len(documents):
        raise Unopenable("documents-wrong")


def _check_ids(code: str, ids: Sequence[str]) -> None:
    _require(len(set(ids)) == len(ids), code, "an id stands twice")


def _check_described(notice: Notice) -> None:
    """What is said of the purchase agrees with itself."""
    for item in (item for lot in notice.lots for item in lot.items):
        if item.classification:
            check_classification(item.classification)
    items = [(lot.id, [item.id for item in lot.items]) for lot in notice.lots]
    check_translations(notice.language, items, notice.translations)
    _check_ids("tender-documents-repeat", [each.id for each in notice.documents])
    amounts = [notice.estimated_value]
    if notice.budget:
        amounts.append(notice.budget.amount)
    if notice.eligibility:
        check_eligibility(notice.eligibility)
    if notice.bid_security:
        check_security(notice.bid_security)
        amounts.append(notice.bid_security.amount)
    check_amounts(amounts, notice.currency)


def _check_times(notice: Notice) -> None:
    _require(
        notice.opens > notice.complete,
        "opening-too-early",
        "the round comes before the deadline or the end of the grace",
    )
    _require(
        bool(notice.document_limit) == bool(notice.document_size),
        "documents-unclear",
        "a notice that takes documents says how many and how large",
    )
    _require(parse_moment(notice.published) < notice.closes, "deadline-passed", "the deadline has passed")
    if notice.enquiries_until is not None:
        _require(
            parse_moment(notice.published) < parse_moment(notice.enquiries_until) <= notice.closes,
            "enquiries-wrong",
            "questions are taken from publication on, until the deadline at most",
        )
    if notice.outage is not None:
        rule = notice.outage
        _require(
            rule.least <= min(rule.short, rule.window) and rule.short_extension <= rule.long_extension,
            "outage-rule-wrong",
            "an outage rule's least outage is no longer than its short one or its window, and the longer"
            " extension is the longer one",
        )


def _commits_prices(lot: Lot) -> bool:
    rules = evaluation.single(lot.rules)
    return isinstance(rules, KrPriceFloor) and commits_prices(rules)


def _require(holds: bool, code: str, message: str) -> None:
    if not holds:
        raise TenderError(code, message)


def _offer(envelope: str, registration: str, offer: LotOffer) -> Offer:
    return Offer(
        envelope_id=envelope,
        bidder=registration,
        amount=money.parse(offer.amount, places=2),
        picks=offer.picks or (),
        costs=tuple((each.id, money.parse(each.amount, places=2)) for each in offer.costs),
    )


def _check_offer(offer: LotOffer, lot: Lot, currency: str) -> None:
    try:
        if not isinstance(evaluation.single(lot.rules), KrPriceFloor):  # a unit price has hundredths of a won
            for amount in (offer.amount, *(each.amount for each in offer.costs)):
                money.parse(amount, places=money.places_of(currency))
        evaluation.check_offer(lot.rules, _offer("", "", offer))
    except (OfferError, MalformedError) as error:
        raise Unopenable("offer-wrong") from error
