"""The page on which a business composes its bid: what the notice asks, and nothing else. The bid is sealed in
the browser (`browser/bid.ts`); unsealed, nothing of it gets here.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from litestar import Request, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.response import Template

from procurement import evaluation, money, publication
from procurement.awards import Evaluated
from procurement.evaluation import CostItem, KrNegotiation, KrPriceFloor, LifeCycleCost, explain
from procurement.evaluation.explain import Facts, Language
from procurement.evaluation.reserve_prices import PLACES
from procurement.history import EventType
from procurement.notices import Translation
from procurement.publication import status
from procurement.tenders import Item, Lot, Notice
from procurement.web.api import Hash, Ocid, Steps
from procurement.web.look import N_, language_of
from procurement.web.wording import UNNAMED

CHANGED: dict[str, str] = {
    "title": N_("the title"),
    "description": N_("the description"),
    "contact": N_("whom to ask"),
    "lots": N_("how lots or items are described"),
    "declarations": N_("the declarations that are asked for"),
    "ownersAsked": N_("whether owners are to be named"),
    "deadline": N_("the deadline"),
    "standstill": N_("the standstill"),
    "round": N_("the time of the opening"),
    "enquiriesUntil": N_("until when questions are taken"),
    "contentLimit": N_("how long a bid may be"),
    "documentLimit": N_("how many documents are taken"),
    "documentSize": N_("how large documents may be"),
    "uploadGrace": N_("how long documents may follow after the deadline"),
    "budget": N_("the budget"),
    "eligibility": N_("who may bid"),
    "bidSecurity": N_("the bid security"),
    "translations": N_("the translations"),
    "documents": N_("the tender documents"),
}
"""What an amendment can change (`editions.AMENDABLE`, named as on the wire), in words."""

REFUSALS: dict[str, str] = {
    "after-deadline": N_("It came after the deadline."),
    "terminated": N_("The tender has ended without an award."),
    "wrong-terms": N_("The terms have changed since it was sealed: look at them, then seal the bid again."),
    "not-latest": N_(
        "Another bid of your business is in the box, sent from elsewhere: this does not follow."
    ),
    "nothing-to-withdraw": N_("There is nothing left to withdraw."),
    "another-certificate": N_("Only the key that signed a bid withdraws it."),
    "co-signature-missing": N_(
        "Not all partners of the joint bid have signed it: have them sign, then send it again."
    ),
    "elsewhere": N_(
        "Your business or a partner is, or was, in another bid of this tender and stays bound to it."
    ),
    "partner-twice": N_("One business is named twice in the joint bid."),
    "certificate-revoked": N_("The certificate has been revoked."),
    "certificate-invalid": N_("The certificate does not count any more, or is not one of a business."),
    "signature-invalid": N_("The signature does not belong to it."),
}
"""Why the service turns a bid or withdrawal away, by code; other reasons it says in words of its own."""


class AskedItem(NamedTuple):
    """An item of a lot in the reader's words."""

    item: Item
    description: str


class AskedLot(NamedTuple):
    """What a lot asks of its bidder: a price with so many decimals, perhaps picks and costs."""

    lot: Lot
    title: str
    items: Sequence[AskedItem]
    rules: Facts
    places: int
    picks: bool
    costs: Sequence[CostItem]


@get("/tenders/{ocid:str}/bid", include_in_schema=False, cache_control=CacheControlHeader(no_cache=True))
async def compose(ocid: Ocid, procedure: Steps, request: Request[Any, Any, Any]) -> Template:
    """Compose, seal and send a bid; afterwards see what became of it."""
    situation, language = await procedure.situation(ocid), language_of(request)
    notice = situation.tender.notice
    words = translation(notice, language)
    return Template(
        "bid.html",
        context={
            "notice": notice,
            "terms": situation.tender.terms.terms,
            "status": status(situation, procedure.now()),
            "title": words.title if words else notice.title,
            "translated": words is not None,
            "description": words.description if words else notice.description,
            "lots": asked(notice, language),
            "independent": procedure.trust.independent,
            "changed": CHANGED,
            "refusals": REFUSALS,
            "unnamed": UNNAMED,
        },
    )


@get("/tenders/{ocid:str}/bid/results/{envelope:str}", include_in_schema=False)
async def result(ocid: Ocid, envelope: Hash, procedure: Steps, request: Request[Any, Any, Any]) -> Template:
    """What the evaluation says of one envelope, lot by lot: a piece of the page. Raises TenderError while
    there is none."""
    situation, language = await procedure.situation(ocid), language_of(request)
    _, evaluated = await publication.evaluation(procedure, ocid)
    notice = situation.tender.notice
    lots = asked(notice, language)
    context = {
        "results": results(evaluated, envelope, lots, language),
        "notice": notice,
        "several": len(lots) > 1,
        "awarded": situation.has(EventType.AWARDED),
    }
    return Template("bid_result.html", context=context)


def translation(notice: Notice, language: Language) -> Translation | None:
    """The notice's words in the reader's language, where they are not its own and it has them."""
    return next((each for each in notice.translations if each.language == language), None)


def asked(notice: Notice, language: Language) -> list[AskedLot]:
    """What each lot asks, in the reader's language as far as the notice has it."""
    words = translation(notice, language)
    titles = {lot.id: lot.title for lot in words.lots} if words else {}
    items = {(lot.id, item.id): item.description for lot in words.lots for item in lot.items} if words else {}
    return [
        AskedLot(
            lot=lot,
            title=titles.get(lot.id, lot.title),
            items=[AskedItem(each, items.get((lot.id, each.id), each.description)) for each in lot.items],
            rules=explain.rules_in_words(lot.rules, notice.currency, language),
            places=_places(lot, notice.currency),
            picks=isinstance(evaluation.single(lot.rules), KrPriceFloor),
            costs=_costs(lot),
        )
        for lot in notice.lots
    ]


def results(
    evaluated: Evaluated, envelope: str, lots: Sequence[AskedLot], language: Language
) -> list[dict[str, Any]]:
    """Rank, reason and explanation lines of the envelope in each lot that it was offered for."""
    titles = {each.lot.id: each.title for each in lots}
    return [
        {
            "lot": each.lot,
            "title": titles[each.lot],
            "ranked": ranked,
            "of": len(each.evaluation.ranking),
            "reason": explain.reason(ranked.reason, language),
            "lines": [explain.sentence(line, language) for line in ranked.lines],
            "rules": [explain.sentence(line, language) for line in each.evaluation.lines],
        }
        for each in evaluated.lots
        for ranked in each.evaluation.ranking
        if ranked.bid == envelope
    ]


def _places(lot: Lot, currency: str) -> int:
    """Decimals that a price for the lot may have: the same that `tenders.read_bid` asks for."""
    match evaluation.single(lot.rules):
        case KrPriceFloor() as floor:
            return PLACES[floor.unit]
        case KrNegotiation():
            return 0
        case _:
            return money.places_of(currency)


def _costs(lot: Lot) -> Sequence[CostItem]:
    rules = evaluation.single(lot.rules)
    return rules.costs if isinstance(rules, LifeCycleCost) else ()


router = Router("/", route_handlers=[compose, result])
