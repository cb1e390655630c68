"""Practice tenders over HTTP: anybody may ask for one, and has nothing to sign for it."""

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from procurement.errors import TenderError
from procurement.sandbox.ground import Ground
from procurement.web.api import PROBLEMS, TenderList, TenderSummary, summary

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
    return Response(summary(found, there.procedure.now()), status_code=201 if new else 200)


@get("/practice-tenders", tags=["practice"], responses=PROBLEMS)
async def list_practice_tenders(ground: Practice) -> TenderList:
    """The practice ground's tenders of the last day, latest deadline first."""
    there = at_hand(ground)
    now = there.procedure.now()
    return TenderList(tenders=[summary(each, now) for each in await there.recent()])


def at_hand(ground: Ground | None) -> Ground:
    """Raises TenderError where there is none."""
    if ground is None:
        raise TenderError(
            "no-practice-ground",
            "nobody can practise here: it is switched off, or people are certified elsewhere",
        )
    return ground


router = Router("/api/v1", route_handlers=[ask, list_practice_tenders])
