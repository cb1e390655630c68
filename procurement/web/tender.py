"""The pages of one tender: what is bought and by which rules, where it stands, and what came of it. Plain,
light, readable without JavaScript; what can be long has a page of its own, and is shown in pages."""

import re
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

from litestar import Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter, QueryParameter
from litestar.response import Template
from markupsafe import Markup, escape

from bids.receipts import Closing
from procurement import publication
from procurement.chronicle import Situation, one
from procurement.errors import TenderError
from procurement.evaluation.explain import Language, duration, rules_in_words
from procurement.history import EventType
from procurement.notices import TenderDocument
from procurement.procedure import Procedure
from procurement.publication import PublishedEdition
from procurement.tenders import Item, Lot, Notice
from procurement.web import charts
from procurement.web.api import Asked, Ocid, Steps
from procurement.web.look import N_, WORDS, language_of, number, when
from procurement.web.results import (
    EXCERPT,
    Result,
    candidates,
    offered,
    page_of,
    partners_of,
    results,
    said,
)
from procurement.web.timeline import shown
from procurement.web.wording import ENDS, UNNAMED, UNOPENABLE
from procurement.words import (
    PHRASES,
    Differences,
    budget_in_words,
    differences,
    eligibility_in_words,
    item_in_words,
    joint_in_words,
    legal_in_words,
    notice_in_words,
    security_in_words,
)

LOTS, ITEMS, ENQUIRIES = 3, 8, 5
"""How many of each the tender's own page shows in full; the others are a page further."""
FACTS = 150
"""Lines of a notice in words on a page."""
TICKETS = 100
"""Of a draw, as many as a page shows; the interface has them all."""

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)")

Number = Annotated[int, QueryParameter(description="From 1.", ge=1, le=10**6)]
LotId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9._-]{1,64}(?!\n)$", description="The lot's id.")]
Scheme = Annotated[str, QueryParameter(description="`dark`, or else light.")]


class Reading(NamedTuple):
    """A notice's words in the reader's language, as far as it is translated, else in its own."""

    notice: Notice
    language: Language

    @property
    def translated(self) -> bool:
        """Whether what is read is not what binds."""
        return self._translation is not None

    @property
    def _translation(self) -> Any:
        found = [each for each in self.notice.translations if each.language == self.language]
        return found[0] if found and self.notice.language != self.language else None

    @property
    def said_in(self) -> str:
        """The language of title and description."""
        return self.language if self.translated else self.notice.language

    @property
    def title(self) -> str:
        return str((self._translation or self.notice).title)

    @property
    def description(self) -> str:
        return str((self._translation or self.notice).description)

    def lot(self, lot: Lot) -> str:
        """The lot's title."""
        lots = self._translation.lots if self._translation else ()
        return next((str(each.title) for each in lots if each.id == lot.id), lot.title)

    def item(self, lot: Lot, item: Item) -> str:
        """The item, how much of it, and its classification."""
        lots = self._translation.lots if self._translation else ()
        found = [each for other in lots if other.id == lot.id for each in other.items if each.id == item.id]
        return item_in_words(item, found[0].description if found else None)


class Change(NamedTuple):
    """An edition of the terms, and how it differs in words from the one before."""

    edition: PublishedEdition
    differences: Differences


@get("/tenders/{ocid:str}", include_in_schema=False)
async def tender(ocid: Ocid, procedure: Steps, request: Asked) -> Template:
    """What is bought, by which rules and locks, what happened, and what came out."""
    language, situation = language_of(request), await procedure.situation(ocid)
    notice = situation.tender.notice
    found = await results(procedure, situation)
    enquiries = await publication.enquiries(procedure, ocid)
    return Template(
        "tender/tender.html",
        context=await _of(procedure, situation, language)
        | {
            "members": await _members(procedure, notice),
            "results": found[:ITEMS],
            "lots": LOTS,
            "items": ITEMS,
            "enquiries": enquiries[-ENQUIRIES:],
            "asked": len(enquiries),
            "changes": await _changes(procedure, situation, language),
            "pending": await publication.pending_draw(procedure, ocid),
            "conditions": _conditions(notice, language),
            "document_type": partial(_document_type, language),
            "legal": legal_in_words(notice.legal, notice.practice, language),
            "budget": budget_in_words(notice.budget, notice.currency) if notice.budget else "",
            "independent": procedure.trust.independent,
            "drawn": situation.has(EventType.PANEL_DRAWN) or situation.has(EventType.OPENED),
        },
    )


@get("/tenders/{ocid:str}/notice", include_in_schema=False)
async def notice_page(ocid: Ocid, procedure: Steps, request: Asked, page: Number = 1) -> Template:
    """Everything that the notice says, in words."""
    language, situation = language_of(request), await procedure.situation(ocid)
    facts = notice_in_words(situation.tender.notice, language)
    context = {"facts": page_of(facts, page, FACTS), "dated": partial(dated, language)}
    return Template("tender/notice.html", context=await _of(procedure, situation, language) | context)


@get("/tenders/{ocid:str}/enquiries", include_in_schema=False)
async def enquiries_page(ocid: Ocid, procedure: Steps, request: Asked, page: Number = 1) -> Template:
    """Everything that was asked and answered."""
    situation = await procedure.situation(ocid)
    context = {"enquiries": page_of(await publication.enquiries(procedure, ocid), page, 15)}
    return Template(
        "tender/enquiries.html", context=await _of(procedure, situation, language_of(request)) | context
    )


@get("/tenders/{ocid:str}/bids", include_in_schema=False)
async def bids_page(ocid: Ocid, procedure: Steps, request: Asked, page: Number = 1) -> Template:
    """How many bids there are and who withdrew; from the opening on who bid what. Raises TenderError before
    the closing."""
    situation = await procedure.situation(ocid)
    closing = await procedure.said(procedure.pool, situation, one(situation, EventType.CLOSED), Closing)
    opened = await publication.opened_bids(procedure, ocid) if situation.has(EventType.OPENED) else []
    bids, ends = page_of(opened, page), set(closing.withdrawn())
    offers = offered(bids.items, closing)
    found = await results(procedure, situation)
    context = {
        "bids": bids.with_items(offers),
        "names": await partners_of(procedure, [owned for each in offers for owned in each.owners]),
        "count": len(closing.counted()),
        "placed": {(each.lot.id, ranked.bid): ranked for each in found for ranked in each.evaluation.ranking},
        "withdrawn": [each for each in closing.commitments if each.statement in ends],
        "lots": {lot.id: lot for lot in situation.tender.notice.lots},
        "unopenable": UNOPENABLE,
        "unnamed": UNNAMED,
        "excerpt": EXCERPT,
    }
    return Template(
        "tender/bids.html", context=await _of(procedure, situation, language_of(request)) | context
    )


@get("/tenders/{ocid:str}/lots/{lot:str}", include_in_schema=False)
async def lot_page(ocid: Ocid, lot: LotId, procedure: Steps, request: Asked, page: Number = 1) -> Template:
    """A lot: its items and rules; once there is one, its ranking, and how every figure came about."""
    language, situation = language_of(request), await procedure.situation(ocid)
    found = _lot(situation.tender.notice, lot)
    context: dict[str, Any] = {"lot": found, "result": None, "items": len(found.items)}
    if result := await _result(procedure, situation, lot):
        some = page_of(result.numbered, page)
        sensitivity, notice = result.evaluation.sensitivity, situation.tender.notice
        names = {bid.registration: bid.bidder for bid in result.bids.values()}
        names |= await publication.names_of(procedure, notice.evaluators)
        context |= {
            "result": result,
            "ranking": some.with_items(result.rows(some.items, language)),
            "lines": said(result.evaluation.lines, language),
            "limits": result.limits(notice),
            "respects": result.respects(),
            "sensitivity": said(sensitivity.lines, language, names) if sensitivity else [],
            "candidates": [
                each
                for each in await candidates(procedure, situation, language)
                if each["candidacy"].lot == lot
            ],
        }
    return Template("tender/lot.html", context=await _of(procedure, situation, language) | context)


@get("/tenders/{ocid:str}/lots/{lot:str}/prices.svg", include_in_schema=False)
async def prices(
    ocid: Ocid, lot: LotId, procedure: Steps, request: Asked, scheme: Scheme = ""
) -> Response[str]:
    """The prices of a lot, beside what they are compared with."""
    language, situation = language_of(request), await procedure.situation(ocid)
    result = await _result(procedure, situation, lot)
    if result is None or not result.priced():
        raise TenderError("not-yet", "no prices of this lot are evaluated")

    def say(message: str) -> str:
        return WORDS.say(language, message)

    limits = [
        each._replace(label=say(each.label)) for each in result.near(result.limits(situation.tender.notice))
    ]
    labels = say(N_("In line")), say(N_("Out"))
    return _picture(
        charts.prices(result.priced(), limits, labels, partial(_written, language), _colours(scheme))
    )


@get("/tenders/{ocid:str}/lots/{lot:str}/scores.svg", include_in_schema=False)
async def scores(
    ocid: Ocid, lot: LotId, procedure: Steps, request: Asked, scheme: Scheme = ""
) -> Response[str]:
    """The scores of the first in line, criterion by criterion."""
    language, situation = language_of(request), await procedure.situation(ocid)
    result = await _result(procedure, situation, lot)
    if result is None or not result.scored():
        raise TenderError("not-yet", "no scores of this lot are evaluated")
    series = [each._replace(label=WORDS.say(language, each.label)) for each in result.scored()]
    return _picture(charts.scores(series, _colours(scheme)))


@get("/tenders/{ocid:str}/draws", include_in_schema=False)
async def draws_page(ocid: Ocid, procedure: Steps, request: Asked) -> Template:
    """Every draw with the numbers that it is recomputed from by hand."""
    situation = await procedure.situation(ocid)
    context = {
        "draws": await publication.draws(procedure, ocid),
        "pending": await publication.pending_draw(procedure, ocid),
        "tickets": TICKETS,
    }
    return Template(
        "tender/draws.html", context=await _of(procedure, situation, language_of(request)) | context
    )


def dated(language: Language, text: str) -> Markup:
    """The text with its moments as people read them."""
    return Markup().join(_dated(language, each) for each in _MOMENT.split(text))


def _dated(language: Language, piece: str) -> Markup:
    if _MOMENT.fullmatch(piece):
        with suppress(ValueError, OverflowError):  # what somebody wrote may look like a moment and be none
            return when(language, datetime.fromisoformat(piece))
    return escape(piece)


async def _of(procedure: Procedure, situation: Situation, language: Language) -> dict[str, Any]:
    """What all pages of a tender are given."""
    notice = situation.tender.notice
    signers = await publication.signers(procedure, situation.row.ocid)
    closed = situation.has(EventType.CLOSED)
    return shown(situation, signers, procedure.now(), language) | {
        "reading": Reading(notice, language),
        "notice_id": situation.tender.notice_id,
        "rules": lambda lot: rules_in_words(lot.rules, notice.currency, language),
        "termination": await publication.termination(procedure, situation),
        "ends": ENDS,
        "silent": publication.beacon_silent_since(procedure, situation),
        "doubt": None if closed else procedure.watch.trouble,
    }


async def _members(procedure: Procedure, notice: Notice) -> list[str]:
    """The names of the opening committee."""
    certificates = [each.certificate for each in notice.committee.members]
    names = await publication.names_of(procedure, certificates)
    return [names[each] for each in certificates]


async def _changes(procedure: Procedure, situation: Situation, language: Language) -> list[Change]:
    editions = await publication.amendments(procedure, situation)
    pairs = pairwise(each.notice for each in situation.tender.editions)
    return [
        Change(edition, differences(*pair, language)) for edition, pair in zip(editions, pairs, strict=True)
    ]


def _conditions(notice: Notice, language: Language) -> dict[str, Any]:
    """Who may bid, and what is asked of them."""
    security = notice.bid_security
    return {
        "eligibility": eligibility_in_words(notice.eligibility, language) if notice.eligibility else [],
        "joint": joint_in_words(notice, language),
        "security": security_in_words(security, notice.currency, language) if security else "",
        "outage": {
            name: duration(getattr(notice.outage, name), language)
            for name in (notice.outage.__struct_fields__ if notice.outage else ())
        },
        "standstill": duration(notice.standstill, language),
        "owners": PHRASES[language]["owners"] if notice.owners_asked else "",
    }


def _document_type(language: Language, document: TenderDocument) -> str:
    return PHRASES[language][document.document_type]


def _lot(notice: Notice, id: str) -> Lot:
    for lot in notice.lots:
        if lot.id == id:
            return lot
    raise NotFoundException("the tender has no such lot")


async def _result(procedure: Procedure, situation: Situation, lot: str) -> Result | None:
    _lot(situation.tender.notice, lot)
    return next((each for each in await results(procedure, situation) if each.lot.id == lot), None)


def _written(language: Language, amount: Decimal) -> str:
    return number(language, amount.normalize() if amount % 1 else amount.to_integral())


def _colours(scheme: str) -> charts.Colours:
    return charts.DARK if scheme == "dark" else charts.LIGHT


def _picture(svg: str) -> Response[str]:
    return Response(svg, media_type="image/svg+xml", headers={"Vary": "Accept-Language, Cookie"})


router = Router(
    "/",
    route_handlers=[
        tender,
        notice_page,
        enquiries_page,
        bids_page,
        lot_page,
        prices,
        scores,
        draws_page,
    ],
)
