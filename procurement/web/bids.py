"""Bids and withdrawals come in: a receipt, a promise, a signed refusal, or not now.

This is the way on which everybody comes at once, so it asks for nothing that it does not need.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Response, Router, get, post
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.exceptions import InternalServerException
from litestar.openapi.datastructures import ResponseSpec

from crypto.encoding import to_base64
from crypto.errors import StatusError, VerificationError
from procurement.reception import Accepted, Kept, Promised, Reception, Room
from procurement.web.api import (
    PROBLEMS,
    STATEMENT_LIMIT,
    Asked,
    Hash,
    Ocid,
    Received,
    Signed,
    problems,
    read_bids,
)
from procurement.web.gate import MEASURED, UNGATED, RequestTimeoutException
from procurement.web.problems import problem, status_of

READING = 60
"""Seconds that a body may take to come."""
POLL = 5
"""Seconds after which whoever holds a promise asks for the receipt."""

Door = NamedDependency[Reception]
Take = Callable[[str, bytes], Awaitable[Kept]]


class PromiseGiven(msgspec.Struct, frozen=True, kw_only=True):
    """A signed promise (DSSE, base64) of what is to be had at `Location` later."""

    promise: str


ANSWERS = {
    201: ResponseSpec(Received, description="Taken.", generate_examples=False),
    202: ResponseSpec(
        PromiseGiven, description="Taken; the log will have it. Ask at Location.", generate_examples=False
    ),
    **PROBLEMS,
    **problems(
        {408: "The body did not come in time.", 429: "Too much from one bidder: send the same again."}
    ),
}


@post(
    "/tenders/{ocid:str}/bids",
    tags=["bids"],
    request_max_body_size=STATEMENT_LIMIT,
    operation_class=Signed,
    responses=ANSWERS,
    status_code=201,
    opt={"uncompressed": True} | MEASURED,
)
async def submit_bid(ocid: Ocid, request: Asked, reception: Door) -> Response[Any]:
    """Submit a sealed bid: the body is the bidder's signed envelope. The same envelope again gets the
    same receipt; a refusal is signed too."""
    return await _take(ocid, request, reception, reception.submit_bid)


@post(
    "/tenders/{ocid:str}/withdrawals",
    tags=["bids"],
    request_max_body_size=STATEMENT_LIMIT,
    operation_class=Signed,
    responses=ANSWERS,
    status_code=201,
    opt={"uncompressed": True} | MEASURED,
)
async def withdraw_bid(ocid: Ocid, request: Asked, reception: Door) -> Response[Any]:
    """Take a bid back: the body is a withdrawal signed by the certificate that signed the bidder's latest
    envelope. Another envelope may follow. The same withdrawal again gets the same receipt."""
    return await _take(ocid, request, reception, reception.withdraw)


@get(
    "/tenders/{ocid:str}/receipts/{id:str}",
    tags=["bids"],
    responses={200: ResponseSpec(Received, description="The receipt.", generate_examples=False)}
    | {code: answer for code, answer in ANSWERS.items() if code != 201},
    cache_control=CacheControlHeader(no_store=True),  # until the closing it says who bids
    opt={"uncompressed": True} | UNGATED,
)
async def read_receipt(ocid: Ocid, id: Hash, reception: Door) -> Response[Any]:
    """The receipt for the envelope or withdrawal with that id, or the promise of it while the log is behind:
    for whoever knows the id."""
    return await _answer(reception, await reception.find(ocid, id), 200)


async def _take(ocid: str, request: Asked, reception: Reception, take: Take) -> Response[Any]:
    with reception.room() as room:
        body = await _read(request, room)
        try:
            kept = await take(ocid, body)
        except StatusError:
            raise  # nobody knows, which is no reason to refuse
        except VerificationError as error:
            refusal = to_base64(reception.refuse(ocid, body, error))
            return problem(status_of(error), error.code, str(error), refusal)
    return await _answer(reception, kept, 201)


async def _read(request: Asked, room: Room) -> bytes:
    chunks = []
    try:
        async with asyncio.timeout(READING):
            async for chunk in request.stream():
                room.take(len(chunk))
                chunks.append(chunk)
    except (TimeoutError, InternalServerException) as error:  # the latter where the client is gone
        raise RequestTimeoutException("the rest of it did not come") from error
    return b"".join(chunks)


async def _answer(reception: Reception, kept: Kept, status: int) -> Response[Any]:
    answer = await reception.answer(kept)
    match answer:
        case Accepted():
            body = Received(receipt=to_base64(answer.receipt), proof=answer.proof)
            return Response(body, status_code=status)
        case Promised():
            where = f"/api/v1/tenders/{kept.ocid}/receipts/{kept.stored.id}"
            headers = {"Location": where, "Retry-After": str(POLL)}
            promised = PromiseGiven(promise=to_base64(answer.promise))
            return Response(promised, status_code=202, headers=headers)


# One router for all that is answered at one address.
router = Router("/api/v1", route_handlers=[submit_bid, read_bids, withdraw_bid, read_receipt])
