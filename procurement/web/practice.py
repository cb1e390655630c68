"""Practice tenders: anybody may ask for one, on the page or elsewhere, and has nothing to sign for it."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Redirect, Template
from litestar.status_codes import HTTP_303_SEE_OTHER

from procurement.chronicle import Situation
from procurement.errors import TenderError
from procurement.evaluation.explain import Language
from procurement.finding.store import load_lines
from procurement.sandbox.ground import Ground
from procurement.tenders import Notice
from procurement.web.api import PROBLEMS, TenderList, TenderSummary, summary
from procurement.web.look import language_of
from procurement.web.session import not_foreign

Practice = NamedDependency[Ground | None]


@post(
    "/practice-tenders",
    tags=["practice"],
    responses={
        200: ResponseSpec(TenderSummary, description="The one that is there.", generate_examples=False),
        **PROBLEMS,
    },
    status_code=201,
)
async def ask(ground: Practice) -> Response[TenderSummary]:
    """Ask for a tender to practise on: the one that is there while enough of its time is left, else a new
    one, which lives through its whole life within minutes. It takes bids at once, from everybody."""
    there = at_hand(ground)
    found, new = await there.offer()
    [shown] = await _shown(there, [found])
    return Response(shown, status_code=201 if new else 200)


@get("/practice-tenders", tags=["practice"], responses=PROBLEMS)
async def list_practice_tenders(ground: Practice) -> TenderList:
    """The practice ground's tenders of the last day, latest deadline first."""
    there = at_hand(ground)
    return TenderList(tenders=await _shown(there, await there.recent()))


@get("/practice", include_in_schema=False)
async def practice_page(request: Request[Any, Any, Any], ground: Practice) -> Template:
    """How to learn to bid, and the tender to do it on."""
    context: dict[str, Any] = {"ground": ground, "current": None, "recent": [], "titles": {}}
    if ground is not None:
        current, recent = await ground.current(), await ground.recent()
        titles = {each.row.ocid: _title(each.tender.notice, language_of(request)) for each in recent}
        context |= {"current": current, "recent": recent, "titles": titles}
    return Template("practice.html", context=context)


@post("/practice", include_in_schema=False, guards=[not_foreign])
async def begin(ground: Practice) -> Redirect:
    """To a tender to practise on."""
    found, _ = await at_hand(ground).offer()
    return Redirect(f"/tenders/{found.row.ocid}/bid", status_code=HTTP_303_SEE_OTHER)


def _title(notice: Notice, language: Language) -> str:
    said = {each.language: each.title for each in notice.translations}
    return said.get(language, notice.title)


async def _shown(ground: Ground, found: Sequence[Situation]) -> list[TenderSummary]:
    """As lists show them, in that order."""
    ids, now = [each.row.tender_id for each in found], ground.procedure.now()
    lines = await load_lines(ground.procedure.pool, ids)
    return [summary(lines[each], now) for each in ids]


def at_hand(ground: Ground | None) -> Ground:
    """Raises TenderError where there is none."""
    if ground is None:
        raise TenderError(
            "no-practice-ground",
            "nobody can practise here: it is switched off, or people are certified elsewhere",
        )
    return ground


router = Router("/api/v1", route_handlers=[ask, list_practice_tenders])
pages = Router("/", route_handlers=[practice_page, begin])
