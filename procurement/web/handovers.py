"""Sealed drafts between two machines of which one has the key to sign: nobody logs in for that."""

from typing import Annotated

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, RawBody

from crypto.encoding import Moment, moment
from procurement.handovers import LARGEST, Handovers
from procurement.web.api import PROBLEMS
from procurement.web.session import UNSEEN

Between = NamedDependency[Handovers]
Id = Annotated[
    str, PathParameter(pattern=r"^[0-9a-f]{32}(?!\n)$", description="What the first one was told.")
]


class HandedOver(msgspec.Struct, frozen=True, kw_only=True):
    """Where the ciphertext lies, and until when."""

    id: str
    expires: Moment


@post(
    "/handovers",
    tags=["hand-overs"],
    request_max_body_size=LARGEST,
    responses=PROBLEMS,
    status_code=201,
)
async def hand_over(body: RawBody, handovers: Between) -> HandedOver:
    """Leave a draft, encrypted, for another machine: the body is the ciphertext."""
    kept = await handovers.keep(body)
    return HandedOver(id=kept.id, expires=moment(kept.expires))


@get("/handovers/{id:str}", tags=["hand-overs"], responses=PROBLEMS, media_type="application/octet-stream")
async def take_over(id: Id, handovers: Between) -> Response[bytes]:
    """The ciphertext."""
    return Response(await handovers.read(id))


@delete("/handovers/{id:str}", tags=["hand-overs"], responses=PROBLEMS)
async def forget(id: Id, handovers: Between) -> None:
    """It has arrived: it need not lie here any longer."""
    await handovers.drop(id)


router = Router("/api/v1", cache_control=UNSEEN, route_handlers=[hand_over, take_over, forget])
