"""Committees' ceremonies over HTTP: every write is a signed statement, every read is for everybody."""

from litestar import Router, get, post
from litestar.params import RawBody

from procurement.committee import board
from procurement.committee.board import CeremonyView
from procurement.web.api import PROBLEMS, REQUEST_LIMIT, Hash, Said, Signed, Steps


@post(
    "/ceremonies",
    tags=["ceremonies"],
    request_max_body_size=REQUEST_LIMIT,
    operation_class=Signed,
    responses=PROBLEMS,
)
async def convene(body: RawBody, procedure: Steps) -> Said:
    """Convene a committee: the body is an officer's signed convening, whose id names the ceremony."""
    return Said(statement=await board.convene(procedure, body))


@post(
    "/ceremonies/{id:str}/words",
    tags=["ceremonies"],
    request_max_body_size=REQUEST_LIMIT,
    operation_class=Signed,
    responses=PROBLEMS,
    summary="Say a word in a ceremony",
)
async def say(id: Hash, body: RawBody, procedure: Steps) -> Said:
    """A member's signed commitment, dealing, proof, complaint or transcript. The same again is no second
    one; another in its place is refused."""
    return Said(statement=await board.hear(procedure, id, body))


@get("/ceremonies/{id:str}", tags=["ceremonies"], responses=PROBLEMS)
async def read_ceremony(id: Hash, procedure: Steps) -> CeremonyView:
    """A ceremony: who is awaited, who complained, and all that was said, to be verified by the reader."""
    return await board.view(procedure, id)


router = Router("/api/v1", route_handlers=[convene, say, read_ceremony])
