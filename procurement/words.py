"""A notice in words, in English: everything that it says, for whoever is about to sign it or to bid."""

from typing import NamedTuple

from procurement.evaluation.explain import Facts, duration, rules_in_words
from procurement.money import grouped
from procurement.notices import BidSecurity, Budget, Eligibility, LegalBasis, TenderDocument, Translation
from procurement.tenders import Item, Lot, Notice

PROCEDURES = {
    "open": "open tender",
    "small-value": "price quotation for small value",
    "negotiation": "contract by negotiation",
    "two-envelope": "technical and price envelope apart",
    "framework": "framework agreement",
}
SET_ASIDES = {
    "small": "small businesses",
    "local": "businesses of the region",
    "village": "enterprises of villages",
}
PRACTICE = "this tender is for practice, exempt from the legal periods"
UNSTATED = "not stated: nobody can say which legal periods it has to keep"


def notice_in_words(notice: Notice) -> Facts:
    """Labels with what the notice says under each, lot by lot and rule by rule."""
    return [*_what(notice), *_when(notice), *_how(notice), *_lots(notice), *_translations(notice)]


class Differences(NamedTuple):
    """What one notice says and the other does not: before a change, and after it."""

    gone: Facts
    come: Facts


def differences(before: Notice, after: Notice) -> Differences:
    """How two editions of a notice differ, as they read in words."""
    old, new = notice_in_words(before), notice_in_words(after)
    return Differences([each for each in old if each not in new], [each for each in new if each not in old])


def eligibility_in_words(eligibility: Eligibility) -> list[str]:
    """Each condition as a line."""
    reserved = [SET_ASIDES[each] for each in eligibility.reserved_for]
    lists = (
        ("reserved for", reserved),
        ("of the size", eligibility.sizes),
        ("seated in", eligibility.regions),
        ("licensed as", eligibility.licences),
    )
    return [*(f"{label} {' or '.join(each)}" for label, each in lists if each), *eligibility.other]


def security_in_words(security: BidSecurity, currency: str) -> str:
    """What is asked, or why nothing is."""
    if security.waived:
        return f"waived: {security.waived}"
    if security.percent is not None:
        asked = f"{security.percent} % of the bid"
    else:
        asked = f"{grouped(security.amount or '0')} {currency}"
    forms = f", as {' or '.join(security.forms)}" if security.forms else ""
    valid = f", valid for {security.valid_days} days after the deadline" if security.valid_days else ""
    return asked + forms + valid


def legal_in_words(legal: LegalBasis | None, practice: bool) -> str:
    """Under which law, by which procedure, and what is special."""
    if legal is None:
        return PRACTICE if practice else UNSTATED
    words = [legal.jurisdiction, PROCEDURES[legal.procedure]]
    words += ["under an international agreement"] if legal.international else []
    words += ["once more after a tender that came to nothing"] if legal.retender else []
    words += [f"urgent: {legal.urgency}"] if legal.urgency else []
    return ", ".join([*words, *([PRACTICE] if practice else [])])


def joint_in_words(notice: Notice) -> str:
    """Who may bid together, and whether alternatives may be offered."""
    joint = f"by at most {notice.partner_limit + 1} businesses" if notice.partner_limit else "none are taken"
    variants = "; alternatives are not taken" if notice.variant_policy == "notAllowed" else ""
    return f"joint bids: {joint}{variants}"


def document_in_words(document: TenderDocument) -> str:
    """Its title, kind, form and hash."""
    kind = f"{document.document_type}, {document.format}, {document.language}"
    return f"{document.title} ({kind}, {document.size:,} bytes, SHA-256 {document.sha256})"


def _what(notice: Notice) -> Facts:
    facts = [("Tender", f"{notice.tender}, number {notice.number}: {notice.title}")]
    if notice.description:
        facts.append(("Description", notice.description))
    facts.append(
        ("Procuring entity", f"{notice.procuring_entity.name} ({notice.procuring_entity.id})"),
    )
    if notice.buyer:
        facts.append(("Buyer", f"{notice.buyer.name} ({notice.buyer.id})"))
    contact = notice.contact
    facts.append(("Contact", ", ".join(filter(None, (contact.name, contact.email, contact.telephone)))))
    facts.append(("Legal basis", legal_in_words(notice.legal, notice.practice)))
    if notice.category:
        facts.append(("Category", notice.category))
    if notice.estimated_value:
        facts.append(("Estimated value", f"{grouped(notice.estimated_value)} {notice.currency}"))
    if notice.budget:
        facts.append(("Budget", _budget(notice.budget, notice.currency)))
    return facts


def _when(notice: Notice) -> Facts:
    asked = [("Questions", f"until {notice.enquiries_until}")] if notice.enquiries_until else []
    return [
        ("Published", notice.published),
        *asked,
        ("Deadline", f"{notice.deadline}: a bid has to be there before"),
        ("Opening", f"not before {notice.opens:%Y-%m-%dT%H:%M:%SZ}, by {_openers(notice)}"),
        *_moves(notice),
        ("Standstill", duration(notice.standstill)),
    ]


def _moves(notice: Notice) -> Facts:
    """What moves the deadline, and what becomes of bids where it moves."""
    stand = {"stand": "bids stay, under the mandate lock alone", "reseal": "bids have to be sealed anew"}
    margin = duration(notice.extension_margin)
    facts = [("Where the round has to move", f"{stand[notice.on_extension]}; margin {margin}")]
    if rule := notice.outage:
        facts.append(
            (
                "After an outage",
                f"of {duration(rule.least)} or more in the last {duration(rule.window)} the deadline moves by"
                f" {duration(rule.short_extension)}, of more than {duration(rule.short)} by"
                f" {duration(rule.long_extension)}",
            )
        )
    if notice.previous:
        facts.append(("In place of", f"{notice.previous.tender}, notice {notice.previous.notice}"))
    return facts


def _how(notice: Notice) -> Facts:
    facts = [
        ("Parts", " and ".join(notice.parts) + (" of each lot" if notice.priced_apart else "")),
        ("Documents", _documents(notice)),
        ("Consortium", joint_in_words(notice)),
    ]
    if notice.seats:
        facts.append(("Panel", f"{notice.seats} drawn from a pool of {len(notice.evaluators)}"))
    if notice.eligibility:
        facts += [("Who may bid", each) for each in eligibility_in_words(notice.eligibility)]
    if notice.bid_security:
        facts.append(("Bid security", security_in_words(notice.bid_security, notice.currency)))
    facts += [(f"Tender document {each.id}", document_in_words(each)) for each in notice.documents]
    facts += [(f"Declaration {each.id}", each.text) for each in notice.declarations]
    return facts


def _lots(notice: Notice) -> Facts:
    return [fact for lot in notice.lots for fact in _lot(lot, notice.currency)]


def _lot(lot: Lot, currency: str) -> Facts:
    items = [(f"  item {item.id}", _item(item)) for item in lot.items]
    rules = [(f"  {label.lower()}", text) for label, text in rules_in_words(lot.rules, currency)]
    return [(f"Lot {lot.id}", lot.title), *items, *rules]


def _translations(notice: Notice) -> Facts:
    return [fact for each in notice.translations for fact in _translation(each)]


def _translation(translation: Translation) -> Facts:
    said = ": ".join(filter(None, (translation.title, translation.description)))
    facts = [(f"In {translation.language}", said)]
    for lot in translation.lots:
        facts.append((f"  lot {lot.id}", lot.title))
        facts += [(f"  item {item.id}", item.description) for item in lot.items]
    return facts


def _budget(budget: Budget, currency: str) -> str:
    amount = f"{grouped(budget.amount)} {currency}" if budget.amount else None
    return ", ".join(filter(None, (budget.id, budget.description, budget.project, amount)))


def _openers(notice: Notice) -> str:
    return f"{notice.committee.threshold} of {len(notice.committee.members)} committee members"


def _documents(notice: Notice) -> str:
    if not notice.document_limit:
        return "none are taken"
    most = f"at most {notice.document_limit}, each at most {notice.document_size:,} bytes sealed"
    if not notice.upload_grace:
        return f"{most}, all before the deadline"
    return f"{most}; they may follow for {duration(notice.upload_grace)} after the deadline"


def _item(item: Item) -> str:
    quantity = grouped(item.quantity) if item.quantity else None
    found = item.classification
    code = f"{found.scheme} {found.id}" if found else None
    if found and found.description:
        code = f"{code} ({found.description})"
    return ", ".join(filter(None, (item.description, " ".join(filter(None, (quantity, item.unit))), code)))
