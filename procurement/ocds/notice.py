"""What a notice says in the words of OCDS: buyer, planning, the tender with its lots and items."""

from collections.abc import Sequence
from decimal import Decimal

from bids.envelope import MOST_PARTNERS
from crypto.encoding import moment
from procurement import evaluation, money
from procurement.editions import Edition
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
from procurement.notices import Budget, LegalBasis, TenderDocument, Translation
from procurement.ocds.merging import Json
from procurement.tenders import Item, Lot, Notice, Organisation
from procurement.words import PHRASES, eligibility_in_words, joint_in_words, legal_in_words, security_in_words

PRACTICE = "practice tender, exempt from the legal periods"
METHODS = {"small-value": "limited"}
"""OCDS procurementMethod of a procedure; all others are open."""
OPENED_BY = (
    "Opened electronically, in no place: with round {round} of the beacon {chain}, signed at this time, and"
    " by {threshold} of the {members} members of the committee. Every step is in a public log."
)
GONE = "no longer part of the notice; "


def announced(editions: Sequence[Edition]) -> Json:
    """Parties, planning and tender as the latest of these editions has them."""
    notice = editions[-1].notice
    return {
        "buyer": organisation(notice.buyer or notice.procuring_entity),
        "parties": _parties(notice),
        **_planning(notice),
        "tender": _tender(notice) | present(documents=_documents(editions)),
    }


def roles(notice: Notice) -> dict[str, list[str]]:
    """By organisation id what those do whom the notice names."""
    found = {notice.procuring_entity.id: ["procuringEntity"]}
    found.setdefault((notice.buyer or notice.procuring_entity).id, []).append("buyer")
    return found


def organisation(organisation: Organisation) -> Json:
    return {"id": organisation.id, "name": organisation.name}


def value(amount: str, currency: str) -> Json:
    return {"amount": money.parse(amount, places=2), "currency": currency}


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


def present(**fields: object) -> Json:
    """The fields that have a value. What is empty has to be left out too: merging releases drops it."""
    return {name: value for name, value in fields.items() if value not in (None, [], {}, "")}


def _parties(notice: Notice) -> list[Json]:
    entity, buyer = notice.procuring_entity, notice.buyer or notice.procuring_entity
    does, contact = roles(notice), notice.contact
    asked = present(name=contact.name, email=contact.email, telephone=contact.telephone)
    first = {**organisation(entity), "contactPoint": asked, "roles": does[entity.id]}
    other = [] if buyer.id == entity.id else [{**organisation(buyer), "roles": does[buyer.id]}]
    return [first, *other]


def _planning(notice: Notice) -> Json:
    budget = notice.budget
    return {"planning": {"budget": _budget(budget, notice.currency)}} if budget else {}


def _budget(budget: Budget, currency: str) -> Json:
    return present(
        id=budget.id,
        description=budget.description,
        project=budget.project,
        amount=value(budget.amount, currency) if budget.amount else None,
    )


def _tender(notice: Notice) -> Json:
    said: Json = {}
    for each in notice.translations:
        said |= _translated(each)
    return present(
        id=notice.number,
        title=notice.title,
        description=notice.description,
        status="active",
        procuringEntity=organisation(notice.procuring_entity),
        **_method(notice),
        mainProcurementCategory=notice.category,
        value=_estimate(notice),
        submissionMethod=["electronicSubmission"],
        submissionMethodDetails=_submission(notice),
        submissionTerms=_submission_terms(notice),
        awardCriteria=_criteria(notice),
        awardCriteriaDetails="; ".join(f"lot {lot.id}: {rule_set(lot.rules)}" for lot in notice.lots),
        eligibilityCriteria=_eligibility(notice),
        tenderPeriod={"startDate": notice.published, "endDate": notice.deadline},
        enquiryPeriod=_enquiry_period(notice),
        bidOpening=_bid_opening(notice),
        lots=[_lot(lot, notice.currency) for lot in notice.lots],
        items=[_item(lot, item, notice) for lot in notice.lots for item in lot.items],
        **said,
    )


def _estimate(notice: Notice) -> Json | None:
    amount = whole_value(notice)
    return None if amount is None else {"amount": amount, "currency": notice.currency}


def _method(notice: Notice) -> Json:
    if notice.legal is None:
        return present(procurementMethodDetails=PRACTICE if notice.practice else None)
    return present(
        procurementMethod=method(notice.legal),
        procurementMethodDetails=legal_in_words(notice.legal, notice.practice),
        procurementMethodRationale=notice.legal.urgency,
    )


def _eligibility(notice: Notice) -> str | None:
    return "; ".join(eligibility_in_words(notice.eligibility)) if notice.eligibility else None


def _submission(notice: Notice) -> str:
    """What no field says: who may bid together, where the notice does not leave that to the default, and that
    owners are to be named."""
    joint = [joint_in_words(notice)] if notice.partner_limit != MOST_PARTNERS else []
    return "; ".join([*joint, *([PHRASES["en"]["owners"]] if notice.owners_asked else [])])


def _submission_terms(notice: Notice) -> Json:
    security = notice.bid_security
    return present(
        electronicSubmissionPolicy="required",
        variantPolicy=notice.variant_policy,
        depositsGuarantees=security_in_words(security, notice.currency) if security else None,
        multipleBidsAllowed=False,
    )


def _enquiry_period(notice: Notice) -> Json | None:
    until = notice.enquiries_until
    return {"startDate": notice.published, "endDate": until} if until else None


def _bid_opening(notice: Notice) -> Json:
    committee = notice.committee
    how = OPENED_BY.format(
        round=notice.round,
        chain=notice.network.chain_hash,
        threshold=committee.threshold,
        members=len(committee.members),
    )
    return {"date": moment(notice.opens), "description": how}


def _documents(editions: Sequence[Edition]) -> list[Json]:
    """Those of all editions, since merging cannot take one out; as the latest says that has it."""
    latest = {each.id for each in editions[-1].notice.documents}
    named = {each.id: each for edition in editions for each in edition.notice.documents}
    return [_document(each, gone=id not in latest) for id, each in named.items()]


def _document(document: TenderDocument, *, gone: bool) -> Json:
    return {
        "id": document.id,
        "documentType": document.document_type,
        "title": document.title,
        "description": f"{GONE * gone}SHA-256 {document.sha256}, {document.size} bytes",
        "format": document.format,
        "language": document.language,
    }


def _translated(translation: Translation) -> Json:
    """OCDS writes the language behind the field's name."""
    said = {"title": translation.title, "description": translation.description}
    return {f"{field}_{translation.language}": text for field, text in said.items() if text}


def _lot(lot: Lot, currency: str) -> Json:
    ceiling = _ceiling(lot.rules)
    return present(
        id=lot.id, title=lot.title, status="active", value=value(ceiling, currency) if ceiling else None
    )


def _item(lot: Lot, item: Item, notice: Notice) -> Json:
    said = {
        f"description_{translation.language}": each.description
        for translation in notice.translations
        for translated in translation.lots
        for each in translated.items
        if (translated.id, each.id) == (lot.id, item.id)
    }
    return present(
        id=f"{lot.id}/{item.id}",
        description=item.description,
        **said,
        classification=_classification(item),
        quantity=money.parse(item.quantity, places=2) if item.quantity else None,
        unit=present(name=item.unit),
        relatedLot=lot.id,
    )


def _classification(item: Item) -> Json | None:
    code = item.classification
    return present(scheme=code.scheme, id=code.id, description=code.description) if code else None


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
