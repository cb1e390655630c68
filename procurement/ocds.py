"""OCDS 1.1: the tender's statements in the words that open-contracting tools read.

A record has one release per stage, each saying all that was public by then, so the last one is also what
they compile to. Amounts are JSON numbers here and nowhere else; they have the digits of the statements.

What this mapping decides where OCDS leaves it open:

- A bid is one envelope's offer for one lot, ``<envelope id>/<lot>``, because value and status differ by lot.
  An envelope that does not open is one disqualified bid: what it offers, and for which lots, nobody knows.
- An item is ``<lot>/<item>``: item ids are the lot's own, and "/" is in neither.
- A bid whose price stays closed, because it failed before, is disqualified like one that does not open.
- A bid is pending until it is evaluated, then valid where it is ranked. A withdrawn one has the withdrawal's
  id; what it offered, and for which lots, nobody knows.
- Documents of a bid are ``<envelope id>/<number>``, those that came in time and are public.
- Businesses that bid jointly are all tenderers of their bid, and all suppliers of their award.
- An examination of a candidate, or a negotiation with one, is a milestone, ``<lot>/<envelope id>``; who fails
  is disqualified from then on. The files that candidates hand in are not public.
- A lot's value is its ceiling, its budget, or the base amount that its preliminary prices lie around.
- A tender document's SHA-256 and size are its description, since OCDS has no field for them.
- Bid security, joint bids and alternatives are details of the submission method, in English. Translations of
  lots' titles stay in the notice: the schema of lots has no place for them.
- A lot that several win has one award for each, ``<lot>/<place>``; others' awards have the lot's id.
- A bid's value is its price, without the running costs by which it may have been compared.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from bids.envelope import MOST_PARTNERS
from crypto.encoding import moment, sha256
from procurement import evaluation, money
from procurement.awards import Award, Evaluated, LotAward
from procurement.editions import Amendment, Extension
from procurement.evaluation import (
    KrNegotiation,
    KrPriceFloor,
    LifeCycleCost,
    LowestPrice,
    LowestPrice2,
    QualityPrice,
    Rules,
    TwoEnvelope,
)
from procurement.history import BID_EVENTS, EDITIONS, Entry, EventType
from procurement.notices import Budget, LegalBasis, TenderDocument, Translation
from procurement.scoring import OpenedBid
from procurement.selection import Candidacy
from procurement.tenders import Item, Lot, Notice, Organisation
from procurement.words import eligibility_in_words, joint_in_words, legal_in_words, security_in_words

EXTENSIONS = (
    "https://raw.githubusercontent.com/open-contracting-extensions/ocds_bid_extension/v1.1.5/extension.json",
    "https://raw.githubusercontent.com/open-contracting-extensions/ocds_lots_extension/v1.1.5/extension.json",
)
LICENSE = "https://creativecommons.org/publicdomain/zero/1.0/"
PRACTICE = "practice tender, exempt from the legal periods"
METHODS = {"small-value": "limited"}
"""OCDS procurementMethod of a procedure; all others are open."""

Json = dict[str, Any]

_JSON = msgspec.json.Encoder(decimal_format="number")


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """The published facts that the OCDS record is made of."""

    announced: Notice
    notice: Notice
    """As it reads after all amendments."""
    amendments: tuple[Amendment | Extension, ...]
    history: tuple[Entry, ...]
    counted: tuple[OpenedBid, ...]
    withdrawn: tuple[str, ...]
    """Ids of the withdrawals that end bidders' chains."""
    received: frozenset[tuple[str, int]]
    """Envelope id and number of each document that came in time."""
    names: Mapping[str, str]
    """Registration number → name, of everybody who bids."""
    consortia: Mapping[str, Sequence[str]]
    """Envelope or withdrawal id → registration numbers of everybody whose bid it is, the signer's first."""
    submitted: Mapping[str, str]
    """Envelope or withdrawal id → when it was accepted."""
    evaluated: Evaluated
    candidacies: tuple[Candidacy, ...] = ()
    """Who was examined or negotiated with, and what came of it."""
    award: Award


def record_package(published: Published) -> bytes:
    """The tender as an OCDS record package, JSON. The same facts give the same bytes.

    The facts have to fit together as those of a verified record do. The package is named by the SHA-256 of
    its record's bytes (RFC 6920) and dated like its last release, so it depends on no host and no clock.
    """
    releases = _releases(published)
    last, ocid = releases[-1], published.notice.tender
    compiled = {**last, "id": f"{ocid}-{last['date']}", "tag": ["compiled"]}
    record = _JSON.encode({"ocid": ocid, "releases": releases, "compiledRelease": compiled})
    entity = published.notice.procuring_entity
    package = {
        "uri": "ni:///sha-256;" + base64.urlsafe_b64encode(sha256(record)).decode().rstrip("="),
        "version": "1.1",
        "extensions": EXTENSIONS,
        "publishedDate": last["date"],
        "publisher": {"name": entity.name, "uid": entity.id},
        "license": LICENSE,
        "records": [msgspec.Raw(record)],
    }
    return _JSON.encode(package)


def _releases(published: Published) -> list[Json]:
    """Oldest first; each stage is the one before it with what it made public."""
    bidders = _bidders(published)
    awards = published.award.awards
    suppliers = [each for award in awards if award.bid for each in published.consortia[award.bid]]
    announced: Json = {
        "parties": _parties(published, [], []),
        **_planning(published.announced),
        "tender": _tender(published.announced),
    }
    amended = announced | {
        **_planning(published.notice),
        "tender": _tender(published.notice) | _amendments(published),
    }
    opened = amended | {
        "parties": _parties(published, bidders, []),
        "tender": amended["tender"] | _tenderers(published, bidders),
        "bids": _bids(published, {}),
    }
    statuses = _statuses(published.evaluated)
    evaluated = opened | {"bids": _bids(published, statuses)}
    awarded = opened | {
        "parties": _parties(published, bidders, suppliers),
        "tender": _concluded(opened["tender"], awards) | _milestones(published),
        "bids": _bids(published, statuses | _failed(published)),
        "awards": _awards(published, awards),
    }
    changed = [_release(published, "tenderAmendment", amended, *EDITIONS[1:])] if published.amendments else []
    return [
        _release(published, "tender", announced, EventType.PUBLISHED),
        *changed,
        _release(published, "tenderUpdate", opened, EventType.OPENED, *BID_EVENTS),
        _release(published, "tenderUpdate", evaluated, EventType.SCORED),
        _release(published, "award", awarded, EventType.AWARDED),
    ]


def _release(published: Published, tag: str, stage: Json, *types: EventType) -> Json:
    """A stage as a release, named and dated by the last entry of `types`, which completed it."""
    entry = _last(published, *types)
    return {
        "ocid": entry.tender,
        "id": f"{entry.tender}-{entry.seq}",
        "date": entry.time,
        "tag": [tag],
        "initiationType": "tender",
        "language": published.notice.language,
        "buyer": _buyer(published.notice),
        **stage,
    }


def _parties(published: Published, bidders: Iterable[str], suppliers: Iterable[str]) -> list[Json]:
    """Every organisation once, whatever it does; it bids or supplies once, however many lots."""
    entity, buyer = _entity(published.notice), _buyer(published.notice)
    known = {entity["id"]: entity, buyer["id"]: buyer}
    roles = {entity["id"]: ["procuringEntity"]}
    roles.setdefault(buyer["id"], []).append("buyer")
    for role, ids in (("tenderer", bidders), ("supplier", suppliers)):
        for id in dict.fromkeys(ids):
            roles.setdefault(id, []).append(role)
    contact = {"contactPoint": msgspec.to_builtins(published.notice.contact)}
    return [
        {
            **(known.get(id) or _bidder(published, id)),
            **(contact if id == entity["id"] else {}),
            "roles": its,
        }
        for id, its in roles.items()
    ]


def _planning(notice: Notice) -> Json:
    budget = notice.budget
    return {"planning": {"budget": _budget(budget, notice.currency)}} if budget else {}


def _budget(budget: Budget, currency: str) -> Json:
    return _present(
        id=budget.id,
        description=budget.description,
        project=budget.project,
        amount=_value(budget.amount, currency) if budget.amount else None,
    )


def _tender(notice: Notice) -> Json:
    documents = [_tender_document(each) for each in notice.documents]
    said: Json = {}
    for each in notice.translations:
        said |= _translated(each)
    return _present(
        id=notice.number,
        title=notice.title,
        description=notice.description or None,
        status="active",
        procuringEntity=_entity(notice),
        **_method(notice),
        mainProcurementCategory=notice.category,
        value=_estimate(notice),
        submissionMethod=["electronicSubmission"],
        submissionMethodDetails=_submission(notice),
        awardCriteria=_criteria(notice),
        awardCriteriaDetails="; ".join(f"lot {lot.id}: {rule_set(lot.rules)}" for lot in notice.lots),
        eligibilityCriteria=_eligibility(notice),
        tenderPeriod={"startDate": notice.published, "endDate": notice.deadline},
        lots=[_lot(lot, notice.currency) for lot in notice.lots],
        items=[_item(lot, item, notice) for lot in notice.lots for item in lot.items],
        documents=documents or None,
        **said,
    )


def whole_value(notice: Notice) -> Decimal | None:
    """The estimated value, or the sum of the lots' where each states one."""
    if notice.estimated_value:
        return money.parse(notice.estimated_value, places=2)
    ceilings = [_ceiling(lot.rules) for lot in notice.lots]
    stated = [money.parse(each, places=2) for each in ceilings if each]
    return sum(stated, Decimal()) if len(stated) == len(ceilings) else None


def method(legal: LegalBasis) -> str:
    """OCDS procurementMethod of its procedure."""
    return METHODS.get(legal.procedure, "open")


def rule_set(rules: Rules) -> str:
    """Its name, and that of the one by which several are compared."""
    names = dict.fromkeys(str(each.__struct_config__.tag) for each in (rules, evaluation.single(rules)))
    return " by ".join(names)


def _estimate(notice: Notice) -> Json | None:
    value = whole_value(notice)
    return None if value is None else {"amount": value, "currency": notice.currency}


def _method(notice: Notice) -> Json:
    if notice.legal is None:
        return _present(procurementMethodDetails=PRACTICE if notice.practice else None)
    return _present(
        procurementMethod=method(notice.legal),
        procurementMethodDetails=legal_in_words(notice.legal, notice.practice),
        procurementMethodRationale=notice.legal.urgency,
    )


def _eligibility(notice: Notice) -> str | None:
    return "; ".join(eligibility_in_words(notice.eligibility)) or None if notice.eligibility else None


def _submission(notice: Notice) -> str | None:
    """What the submission method does not say; nothing where the notice leaves all that to the defaults."""
    joint = notice.partner_limit != MOST_PARTNERS or notice.variant_policy
    security = notice.bid_security
    said = [
        *([joint_in_words(notice)] if joint else []),
        *([f"bid security: {security_in_words(security, notice.currency)}"] if security else []),
    ]
    return "; ".join(said) or None


def _tender_document(document: TenderDocument) -> Json:
    return {
        "id": document.id,
        "documentType": document.document_type,
        "title": document.title,
        "description": f"SHA-256 {document.sha256}, {document.size} bytes",
        "format": document.format,
        "language": document.language,
    }


def _translated(translation: Translation) -> Json:
    """OCDS writes the language behind the field's name."""
    said = {"title": translation.title, "description": translation.description}
    return {f"{field}_{translation.language}": text for field, text in said.items() if text}


def _amendments(published: Published) -> Json:
    """Each change of the terms; the releases are one for all of them, since each edition is whole."""
    entries = [entry for entry in published.history if entry.t in EDITIONS[1:]]
    return _present(
        amendments=[
            {"id": entry.statement, "date": entry.time, "rationale": _rationale(said)}
            for entry, said in zip(entries, published.amendments, strict=True)
        ]
        or None
    )


def _rationale(said: Amendment | Extension) -> str:
    if isinstance(said, Amendment):
        return said.reason
    pauses = ", ".join(f"{gap.start} to {gap.end}" for gap in said.gaps)
    return f"bids could not be taken from {pauses}"


def _lot(lot: Lot, currency: str) -> Json:
    ceiling = _ceiling(lot.rules)
    value = _value(ceiling, currency) if ceiling else None
    return _present(id=lot.id, title=lot.title, status="active", value=value)


def _item(lot: Lot, item: Item, notice: Notice) -> Json:
    code = item.classification
    said = {
        f"description_{translation.language}": each.description
        for translation in notice.translations
        for translated in translation.lots
        for each in translated.items
        if (translated.id, each.id) == (lot.id, item.id)
    }
    return _present(
        id=f"{lot.id}/{item.id}",
        description=item.description,
        **said,
        classification=_present(scheme=code.scheme, id=code.id, description=code.description)
        if code
        else None,
        quantity=money.parse(item.quantity, places=2) if item.quantity else None,
        unit={"name": item.unit} if item.unit else None,
        relatedLot=lot.id,
    )


def _tenderers(published: Published, bidders: Iterable[str]) -> Json:
    """Who tenders, for the tender section; secret until the opening."""
    tenderers = [_bidder(published, id) for id in bidders]
    return _present(numberOfTenderers=len(tenderers), tenderers=tenderers or None)


def _concluded(tender: Json, awards: Iterable[LotAward]) -> Json:
    """The tender section after the award: complete if any lot is."""
    outcome = {each.lot: "complete" if each.bid else "unsuccessful" for each in awards}
    return tender | {
        "status": "complete" if "complete" in outcome.values() else "unsuccessful",
        "lots": [lot | {"status": outcome[lot["id"]]} for lot in tender["lots"]],
    }


def _milestones(published: Published) -> Json:
    """Who was examined or negotiated with, for the tender section."""
    return _present(milestones=[_milestone(published, each) for each in published.candidacies] or None)


def _milestone(published: Published, candidacy: Candidacy) -> Json:
    at, result = moment(candidacy.at) if candidacy.at else None, candidacy.result
    examined = bool(candidacy.requests)
    bidder = published.names[candidacy.ranked.bidder]
    return _present(
        id=f"{candidacy.lot}/{candidacy.ranked.bid}",
        title="Qualification examination" if examined else "Negotiation",
        type="assessment" if examined else None,
        code="qualification" if examined else "negotiation",
        description=f"{bidder}: {result.outcome}" if result else bidder,
        dueDate=moment(candidacy.due) if examined else None,
        dateMet=at if candidacy.passed else None,
        dateModified=at,
        status="met" if candidacy.passed else "notMet",
        relatedLots=[candidacy.lot],
    )


def _bids(published: Published, statuses: Mapping[tuple[str, str], str]) -> Json:
    """The bids section; `statuses` by (envelope id, lot), none before the evaluation."""
    details = [each for bid in published.counted for each in _offers(published, bid, statuses)]
    details += [{"id": id, "status": "withdrawn", **_received(published, id)} for id in published.withdrawn]
    return _present(
        statistics=[
            {"id": "bids", "measure": "bids", "value": len(details)},
            {"id": "bidders", "measure": "bidders", "value": len(_bidders(published))},
        ],
        details=details or None,
    )


def _offers(published: Published, bid: OpenedBid, statuses: Mapping[tuple[str, str], str]) -> list[Json]:
    received = _received(published, bid.id) | _present(documents=_documents(published, bid) or None)
    if bid.bid is None:
        return [{"id": bid.id, "status": "disqualified", **received}]
    return [
        {
            "id": f"{bid.id}/{offer.lot}",
            "status": statuses.get((bid.id, offer.lot), "pending"),
            **received,
            "value": _value(offer.amount, published.notice.currency),
            "relatedLots": [offer.lot],
        }
        for offer in bid.bid.offers
    ]


def _received(published: Published, id: str) -> Json:
    return {"date": published.submitted[id], "tenderers": _consortium(published, id)}


def _documents(published: Published, bid: OpenedBid) -> list[Json]:
    """Each once, whichever of the parts names it."""
    public = {each.number: each for part in (bid.bid, bid.proposal) if part for each in part.documents}
    return [
        {"id": f"{bid.id}/{number}", "title": each.title, "format": each.format}
        for number, each in sorted(public.items())
        if (bid.id, number) in published.received
    ]


def _statuses(evaluated: Evaluated) -> dict[tuple[str, str], str]:
    """(envelope id, lot) → OCDS bid status."""
    return {
        (ranked.bid, each.lot): "disqualified" if ranked.rank is None else "valid"
        for each in evaluated.lots
        for ranked in each.evaluation.ranking
    }


def _failed(published: Published) -> dict[tuple[str, str], str]:
    """The same of those who were ranked and then did not pass."""
    failed = [each for each in published.candidacies if not each.passed]
    return {(each.ranked.bid, each.lot): "disqualified" for each in failed}


def _awards(published: Published, awards: Sequence[LotAward]) -> list[Json]:
    """Each with the lot's id, and its place behind it where a lot is awarded several times."""
    of_lot: dict[str, list[LotAward]] = {}
    for each in awards:
        of_lot.setdefault(each.lot, []).append(each)
    return [
        _award(published, lot if len(several) == 1 else f"{lot}/{place}", each)
        for lot, several in of_lot.items()
        for place, each in enumerate(several, start=1)
    ]


def _award(published: Published, id: str, award: LotAward) -> Json:
    made = {"id": id, "date": _last(published, EventType.AWARDED).time, "relatedLots": [award.lot]}
    if award.bid is None:
        return made | {"status": "unsuccessful"}
    return made | {
        "status": "active",
        "value": _value(_offered(published, award), published.notice.currency),
        "suppliers": _consortium(published, award.bid),
        "relatedBid": f"{award.bid}/{award.lot}",
    }


def _offered(published: Published, award: LotAward) -> str:
    [winner] = [bid for bid in published.counted if bid.id == award.bid]
    offers = winner.bid.offers if winner.bid else ()
    [amount] = [offer.amount for offer in offers if offer.lot == award.lot]
    return amount


def _ceiling(rules: Rules) -> str | None:
    match evaluation.single(rules):
        case KrPriceFloor() as floor:
            return floor.base
        case KrNegotiation() as negotiation:
            return negotiation.budget
        case LowestPrice() | LowestPrice2() | QualityPrice() | TwoEnvelope() | LifeCycleCost() as bounded:
            return bounded.ceiling


def _criteria(notice: Notice) -> str:
    """OCDS awardCriteria, of all lots together: rated where a panel scores any, else by cost where costs
    count in any."""
    rules = [evaluation.single(lot.rules) for lot in notice.lots]
    if any(map(evaluation.criteria, rules)):
        return "ratedCriteria"
    return "costOnly" if any(isinstance(each, LifeCycleCost) for each in rules) else "priceOnly"


def _entity(notice: Notice) -> Json:
    return _organisation(notice.procuring_entity)


def _buyer(notice: Notice) -> Json:
    return _organisation(notice.buyer or notice.procuring_entity)


def _organisation(organisation: Organisation) -> Json:
    return {"id": organisation.id, "name": organisation.name}


def _bidders(published: Published) -> list[str]:
    """Registration numbers of everybody who bids, each once."""
    bids = [*(bid.id for bid in published.counted), *published.withdrawn]
    return list(dict.fromkeys(each for id in bids for each in published.consortia[id]))


def _consortium(published: Published, bid: str) -> list[Json]:
    return [_bidder(published, each) for each in published.consortia[bid]]


def _bidder(published: Published, registration: str) -> Json:
    return {"id": registration, "name": published.names[registration]}


def _value(amount: str, currency: str) -> Json:
    return {"amount": money.parse(amount, places=2), "currency": currency}


def _last(published: Published, *types: EventType) -> Entry:
    return [entry for entry in published.history if entry.t in types][-1]


def _present(**fields: object) -> Json:
    """The fields that have a value. Empty lists have to be left out too: merging releases drops them."""
    return {name: value for name, value in fields.items() if value is not None}
