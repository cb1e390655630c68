"""A notice in words: everything that it says, for whoever is about to sign it or to bid, in the reader's
language. The words are in `words_en`, `words_ko` and `words_es`; a language is one more file."""

from collections.abc import Iterable
from typing import NamedTuple

from procurement import words_en, words_es, words_ko
from procurement.evaluation.explain import Facts, Language, duration, rules_in_words
from procurement.money import grouped
from procurement.notices import BidSecurity, Budget, Eligibility, LegalBasis, TenderDocument, Translation
from procurement.tenders import Item, Lot, Notice

FACTS: dict[Language, dict[str, tuple[str, str]]] = {
    "en": words_en.FACTS,
    "ko": words_ko.FACTS,
    "es": words_es.FACTS,
}
PHRASES: dict[Language, dict[str, str]] = {
    "en": words_en.PHRASES,
    "ko": words_ko.PHRASES,
    "es": words_es.PHRASES,
}


def notice_in_words(notice: Notice, language: Language = "en") -> Facts:
    """Labels with what the notice says under each, lot by lot and rule by rule."""
    return [
        *_what(notice, language),
        *_when(notice, language),
        *_how(notice, language),
        *(fact for lot in notice.lots for fact in _lot(lot, notice.currency, language)),
        *(fact for each in notice.translations for fact in _translation(each, language)),
    ]


class Differences(NamedTuple):
    """What one notice says and the other does not: before a change, and after it."""

    gone: Facts
    come: Facts


def differences(before: Notice, after: Notice, language: Language = "en") -> Differences:
    """How two editions of a notice differ, as they read in words."""
    old, new = notice_in_words(before, language), notice_in_words(after, language)
    return Differences([each for each in old if each not in new], [each for each in new if each not in old])


def eligibility_in_words(eligibility: Eligibility, language: Language = "en") -> list[str]:
    """Each condition as a line."""
    phrases = PHRASES[language]
    lists: tuple[tuple[str, Iterable[str]], ...] = (
        ("reserved-for", [phrases[f"set-aside-{each}"] for each in eligibility.reserved_for]),
        ("sizes", [phrases[f"size-{each}"] for each in eligibility.sizes]),
        ("regions", eligibility.regions),
        ("licences", eligibility.licences),
    )
    conditions = [phrases[code].format(these=phrases["or"].join(these)) for code, these in lists if these]
    return [*conditions, *eligibility.other]


def security_in_words(security: BidSecurity, currency: str, language: Language = "en") -> str:
    """What is asked, or why nothing is."""
    phrases = PHRASES[language]
    if security.waived:
        return phrases["waived"].format(why=security.waived)
    if security.percent is not None:
        said = [phrases["percent"].format(percent=security.percent)]
    else:
        said = [f"{grouped(security.amount or '0')} {currency}"]
    if security.forms:
        forms = phrases["or"].join(phrases[f"form-{each}"] for each in security.forms)
        said.append(phrases["forms"].format(these=forms))
    if security.valid_days:
        said.append(phrases["valid"].format(days=security.valid_days))
    return ", ".join(said)


def legal_in_words(legal: LegalBasis | None, practice: bool, language: Language = "en") -> str:
    """Under which law, by which procedure, and what is special."""
    phrases = PHRASES[language]
    if legal is None:
        return phrases["practice" if practice else "unstated"]
    special = {"international": legal.international, "retender": legal.retender}
    words = [legal.jurisdiction, phrases[legal.procedure]]
    words += [phrases[code] for code, holds in special.items() if holds]
    words += [phrases["urgent"].format(why=legal.urgency)] if legal.urgency else []
    return ", ".join([*words, *([phrases["practice"]] if practice else [])])


def joint_in_words(notice: Notice, language: Language = "en") -> str:
    """Who may bid together, and whether alternatives may be offered."""
    phrases = PHRASES[language]
    joint = phrases["joint" if notice.partner_limit else "no-joint"].format(most=notice.partner_limit + 1)
    return "; ".join([joint, *([phrases["no-variants"]] if notice.variant_policy == "notAllowed" else [])])


def document_in_words(document: TenderDocument, language: Language = "en") -> str:
    """Its title, kind, form and hash."""
    return PHRASES[language]["document"].format(
        title=document.title,
        type=PHRASES[language][document.document_type],
        format=document.format,
        language=document.language,
        size=f"{document.size:,}",
        sha256=document.sha256,
    )


def budget_in_words(budget: Budget, currency: str) -> str:
    """Out of which money, as the notice has it."""
    amount = f"{grouped(budget.amount)} {currency}" if budget.amount else None
    return ", ".join(filter(None, (budget.id, budget.description, budget.project, amount)))


def item_in_words(item: Item, description: str | None = None) -> str:
    """What it is, by default as the notice describes it, how much of it, and its classification."""
    quantity = grouped(item.quantity) if item.quantity else None
    found = item.classification
    code = f"{found.scheme} {found.id}" if found else None
    if found and found.description:
        code = f"{code} ({found.description})"
    measure = " ".join(filter(None, (quantity, item.unit)))
    return ", ".join(filter(None, (description or item.description, measure, code)))


def _fact(language: Language, code: str, /, **figures: object) -> tuple[str, str]:
    label, text = FACTS[language][code]
    return label.format_map(figures), text.format_map(figures)


def _what(notice: Notice, language: Language) -> Facts:
    facts = [_fact(language, "tender", tender=notice.tender, number=notice.number, title=notice.title)]
    if notice.description:
        facts.append(_fact(language, "description", description=notice.description))
    entity, buyer, contact = notice.procuring_entity, notice.buyer, notice.contact
    facts.append(_fact(language, "procuring-entity", name=entity.name, id=entity.id))
    if buyer:
        facts.append(_fact(language, "buyer", name=buyer.name, id=buyer.id))
    who = ", ".join(filter(None, (contact.name, contact.email, contact.telephone)))
    facts.append(_fact(language, "contact", contact=who))
    facts.append(_fact(language, "legal", legal=legal_in_words(notice.legal, notice.practice, language)))
    if notice.category:
        facts.append(_fact(language, notice.category))
    if notice.estimated_value:
        amount = grouped(notice.estimated_value)
        facts.append(_fact(language, "estimated-value", amount=amount, currency=notice.currency))
    if notice.budget:
        facts.append(_fact(language, "budget", budget=budget_in_words(notice.budget, notice.currency)))
    return facts


def _when(notice: Notice, language: Language) -> Facts:
    until, committee = notice.enquiries_until, notice.committee
    openers = {"threshold": committee.threshold, "members": len(committee.members)}
    return [
        _fact(language, "published", published=notice.published),
        *([_fact(language, "enquiries", until=until)] if until else []),
        _fact(language, "deadline", deadline=notice.deadline),
        _fact(language, "opening", opens=f"{notice.opens:%Y-%m-%dT%H:%M:%SZ}", **openers),
        *_moves(notice, language),
        _fact(language, "standstill", standstill=duration(notice.standstill, language)),
    ]


def _moves(notice: Notice, language: Language) -> Facts:
    """What moves the deadline, and what becomes of bids where it moves."""
    margin = duration(notice.extension_margin, language)
    facts = [_fact(language, notice.on_extension, margin=margin)]
    if rule := notice.outage:
        spans = {
            "least": rule.least,
            "window": rule.window,
            "short": rule.short,
            "shortExtension": rule.short_extension,
            "longExtension": rule.long_extension,
        }
        said = {name: duration(seconds, language) for name, seconds in spans.items()}
        facts.append(_fact(language, "outage", **said))
    if before := notice.previous:
        facts.append(_fact(language, "previous", tender=before.tender, notice=before.notice))
    return facts


def _parts(notice: Notice) -> str:
    if notice.priced_apart:
        return "lots-apart"
    return "one-part" if notice.parts == ("bid",) else "two-parts"


def _how(notice: Notice, language: Language) -> Facts:
    facts = [
        _fact(language, _parts(notice)),
        _documents(notice, language),
        _fact(language, "joint", joint=joint_in_words(notice, language)),
    ]
    if notice.seats:
        facts.append(_fact(language, "panel", seats=notice.seats, pool=len(notice.evaluators)))
    if notice.eligibility:
        lines = eligibility_in_words(notice.eligibility, language)
        facts += [_fact(language, "eligible", condition=each) for each in lines]
    if notice.bid_security:
        security = security_in_words(notice.bid_security, notice.currency, language)
        facts.append(_fact(language, "security", security=security))
    for document in notice.documents:
        said = document_in_words(document, language)
        facts.append(_fact(language, "document", id=document.id, document=said))
    facts += [_fact(language, "declaration", id=each.id, text=each.text) for each in notice.declarations]
    if notice.owners_asked:
        facts.append(_fact(language, "owners", owners=PHRASES[language]["owners"]))
    return facts


def _documents(notice: Notice, language: Language) -> tuple[str, str]:
    if not notice.document_limit:
        return _fact(language, "no-documents")
    figures = {"most": notice.document_limit, "size": f"{notice.document_size:,}"}
    if not notice.upload_grace:
        return _fact(language, "documents", **figures)
    return _fact(language, "documents-follow", grace=duration(notice.upload_grace, language), **figures)


def _lot(lot: Lot, currency: str, language: Language) -> Facts:
    return [
        _fact(language, "lot", id=lot.id, title=lot.title),
        *(_fact(language, "item", id=item.id, item=item_in_words(item)) for item in lot.items),
        *((f"  {label.lower()}", text) for label, text in rules_in_words(lot.rules, currency, language)),
    ]


def _translation(translation: Translation, language: Language) -> Facts:
    said = ": ".join(filter(None, (translation.title, translation.description)))
    facts = [_fact(language, "translation", language=translation.language, said=said)]
    for lot in translation.lots:
        facts.append(_fact(language, "translated-lot", id=lot.id, title=lot.title))
        for item in lot.items:
            facts.append(_fact(language, "translated-item", id=item.id, item=item.description))
    return facts
