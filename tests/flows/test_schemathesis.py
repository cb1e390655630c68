"""What the service answers, against what it says of its own interface."""

import asyncio
import re
import secrets
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from crypto.ceremony import Convening
from crypto.encoding import moment
from crypto.statements import sign
from tests.builders import a_lot
from tests.flows.people import Town
from tests.flows.test_ceremony import listening
from tests.flows.test_life import conclude
from tests.flows.test_openapi import app_of, described

AS_DESCRIBED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
TO_STRANGERS = [*AS_DESCRIBED, negative_data_rejection, unsupported_method]
Operation = APIOperation[Any, Any, Any, Any]
TILE = "/log/tile/{path}"
BRIEFLY = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@pytest.mark.parametrize("mode", list(GenerationMode))
async def test_whatever_a_stranger_sends_is_answered_as_described(town: Town, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(await described(town))
    async with listening(app_of(town)) as url:
        await asyncio.to_thread(send, schema, mode, url)


async def test_every_answer_of_a_tenders_life_is_as_described(town: Town) -> None:
    schema = schemathesis.openapi.from_dict(await described(town))
    read: set[str] = set()
    for answer in await life(town):
        if case := case_of(schema, answer.request):
            case.validate_response(answer, AS_DESCRIBED)
            if answer.is_success:
                read.add(case.operation.label)
    assert {each.label for each in operations(schema) if each.method == "get"} <= read


def send(schema: BaseSchema, mode: GenerationMode, url: str) -> None:
    """To every operation requests that are as described, or that are not where they can be wrong."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Connection"] = "close"
        for operation in operations(schema):
            breakable = (operation.path_parameters or operation.body) and operation.path != TILE
            if mode is GenerationMode.NEGATIVE and not breakable:
                continue

            @BRIEFLY
            @given(operation.as_strategy(generation_mode=mode))
            def answered(case: Case[Any]) -> None:
                case.call_and_validate(url, session, checks=TO_STRANGERS)

            answered()


async def life(town: Town) -> list[httpx.Response]:
    """Every answer on a tender's way to its award, and one of all that can be read."""
    answers: list[httpx.Response] = []

    async def keep(answer: httpx.Response) -> None:
        await answer.aread()
        answers.append(answer)

    hooks = town.http.event_hooks["response"]
    hooks.append(keep)
    tender = await town.publish(a_lot(), lead=1)
    await tender.bid(await town.bidder("Hanbit"), "100")
    await tender.close()
    assert "refusal" in (await tender.post("bids", tender.statement)).json()
    await tender.order("bid")
    await tender.opened("bid")
    await conclude(tender)
    for path in (
        f"/api/v1/ceremonies/{await convened(town)}",
        f"/api/v1/tenders/{tender.ocid}",
        *("/api/v1/tenders", "/api/v1/trust", "/health"),
        *("/log/checkpoint", "/log/vkey", "/log/tile/0/000.p/1"),
        *("/beacon/chains", "/beacon/info", "/beacon/public/latest", "/beacon/public/1"),
    ):
        await town.http.get(path)
    hooks.remove(keep)
    return answers


async def convened(town: Town) -> str:
    """The id of a ceremony that has just begun."""
    convening = Convening(
        signer=town.officer.fingerprint,
        threshold=2,
        members=tuple(key.fingerprint for key, _ in town.members),
        nonce=secrets.token_hex(32),
        time=moment(datetime.now(UTC)),
    )
    answer = await town.http.post("/api/v1/ceremonies", content=sign(convening, town.officer))
    id: str = answer.json()["statement"]
    return id


def operations(schema: BaseSchema) -> list[Operation]:
    """All that the interface describes."""
    found: list[Operation] = []
    for each in schema.get_all_operations():
        assert isinstance(each, Ok), each
        found.append(each.ok())
    return found


def case_of(schema: BaseSchema, request: httpx.Request) -> Case[Any] | None:
    """The request as one of an operation, where it is described."""
    for operation in operations(schema):
        value = ".+" if operation.path == TILE else "[^/]+"
        path = re.fullmatch(re.sub(r"{(\w+)}", rf"(?P<\1>{value})", operation.path), request.url.path)
        if path and operation.method.upper() == request.method:
            return operation.Case(path_parameters=path.groupdict())
    return None
