"""Every error as a problem (RFC 9457), with a stable code and no word about how we are built."""

import logging
import re
from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.status_codes import (
    HTTP_400_BAD_REQUEST,
    HTTP_401_UNAUTHORIZED,
    HTTP_429_TOO_MANY_REQUESTS,
    HTTP_500_INTERNAL_SERVER_ERROR,
    HTTP_503_SERVICE_UNAVAILABLE,
)

from bids.errors import EnvelopeError
from bids.intake import Raced
from crypto.errors import (
    CertificateError,
    LogError,
    MalformedError,
    SignatureError,
    StatusError,
    VerificationError,
)
from procurement import database
from procurement.errors import ClockError, TenderError
from procurement.handovers import HandoverError
from procurement.login.errors import LogInError, NotLoggedIn
from procurement.reception import LONGEST_DETAIL, Pushback
from procurement.registry.errors import PracticeFullError, RegistryError, RegistryFullError

MEDIA_TYPE = "application/problem+json"

_LOGGER = logging.getLogger(__name__)
_NOT_THERE = {
    "no-such-tender",
    "no-such-statement",
    "no-such-document",
    "no-such-file",
    "no-such-ceremony",
    "no-such-handover",
    "no-such-passkey",
    "no-practice-ground",
    "offset-beyond-end",
    "not-yet",
}
_GONE = {"superseded"}
_NOT_ADMITTED = {"invitation-invalid", "invitation-used", "document-restricted", "practice-only"}
_WRONG = {"document-differs", "practice-number"}
CROWDED = (Raced, asyncpg.TransactionRollbackError, asyncpg.InsufficientResourcesError)
"""What may come of many who want the same, or of a machine that is full."""
UNSEEN = {"Cache-Control": "no-store"}
"""Headers of what is for one pair of eyes, a refusal to show it among them."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457, with our `code` and, for a bid that was turned away, the signed refusal (base64)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    refusal: str | None = None


def problem(
    status: int,
    code: str,
    detail: str,
    refusal: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response[Problem]:
    """The answer that says what is wrong."""
    body = Problem(
        type=f"urn:openseal:problem:{code}",
        title=code.replace("-", " ").capitalize(),
        status=status,
        detail=detail[:LONGEST_DETAIL],
        code=code,
        refusal=refusal,
    )
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def come_back(
    code: str, detail: str, seconds: int = 2, status: int = HTTP_503_SERVICE_UNAVAILABLE
) -> Response[Problem]:
    """Nothing is wrong with the request: whoever sends it again loses nothing."""
    return problem(status, code, detail, headers={"Retry-After": str(seconds)})


def status_of(error: VerificationError) -> int:
    """400 for bytes of no form, 403 for a signer who may not, 404 for what is not there (yet), 409 for a
    step that is not due, 422 for what is well-formed and wrong."""
    match error:
        case MalformedError():
            return 400
        case SignatureError() | CertificateError():
            return 403
        case LogInError():
            return 404 if error.code in _NOT_THERE else 403
        case EnvelopeError():
            return 422
        case HandoverError():
            return 404 if error.code in _NOT_THERE else 400
        case TenderError() | RegistryError() if error.code in _NOT_ADMITTED:
            return 403
        case TenderError() | RegistryError() if error.code in _WRONG:
            return 422
        case TenderError() if error.code in _GONE:
            return 410
        case TenderError() | RegistryError():
            return 404 if error.code in _NOT_THERE else 409
        case ClockError():
            return 409
        case _:
            return 422


def on_verification_error(_: Request[Any, Any, Any], error: VerificationError) -> Response[Problem]:
    return problem(status_of(error), error.code, str(error))


def on_log_in_error(_: Request[Any, Any, Any], error: LogInError) -> Response[Problem]:
    return problem(status_of(error), error.code, str(error), headers=UNSEEN)


def on_no_session(_: Request[Any, Any, Any], error: NotLoggedIn) -> Response[Problem]:
    headers = {"WWW-Authenticate": 'Session realm="Openseal"'} | UNSEEN
    return problem(HTTP_401_UNAUTHORIZED, error.code, str(error), headers=headers)


def on_unknown_status(_: Request[Any, Any, Any], error: StatusError) -> Response[Problem]:
    """Our own lists are out of time, or the moment fell between two of them."""
    return come_back(error.code, str(error))


def on_full_registry(_: Request[Any, Any, Any], error: RegistryFullError) -> Response[Problem]:
    """Registrars decide at the pace of people."""
    return come_back(error.code, str(error), seconds=600)


def on_full_practice(_: Request[Any, Any, Any], error: PracticeFullError) -> Response[Problem]:
    return come_back(error.code, str(error), error.seconds, HTTP_429_TOO_MANY_REQUESTS)


def on_pushback(_: Request[Any, Any, Any], error: Pushback) -> Response[Problem]:
    """Too much from one is 429, too much from all 503."""
    own = error.code == "too-many-requests"
    status = HTTP_429_TOO_MANY_REQUESTS if own else HTTP_503_SERVICE_UNAVAILABLE
    return come_back(error.code, str(error), error.seconds, status)


def on_log_error(request: Request[Any, Any, Any], error: LogError) -> Response[Problem]:
    """Our own log is meant: nobody sends us proofs."""
    _LOGGER.error("%s %s: %s", request.method, request.url.path, error)
    return come_back(error.code, "the log is in trouble: send the same again")


def on_http_exception(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    code = re.sub("(?<=[a-z])(?=[A-Z])", "-", type(error).__name__.removesuffix("Exception")).lower()
    return problem(error.status_code, code, error.detail, headers=error.headers)


def on_too_deep(_: Request[Any, Any, Any], __: RecursionError) -> Response[Problem]:
    """Only what is sent to us nests without end, and the framework's decoder does not call that bad JSON."""
    return problem(HTTP_400_BAD_REQUEST, MalformedError.code, "nested too deep")


def on_timeout(_: Request[Any, Any, Any], __: TimeoutError) -> Response[Problem]:
    return come_back("log-behind", "the log is behind: send the same again")


def on_absent_database(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    _LOGGER.error("%s %s: %s", request.method, request.url.path, error)
    return come_back("database-away", "the database does not answer: send the same again")


def on_crowd(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Undone as a whole, and nobody's fault."""
    _LOGGER.error("%s %s: %s", request.method, request.url.path, type(error).__name__)
    return come_back("busy", "too much happens at once: send the same again")


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    _LOGGER.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(HTTP_500_INTERNAL_SERVER_ERROR, "internal", "something went wrong here; it was noted")


HANDLERS: dict[int | type[Exception], Any] = {
    VerificationError: on_verification_error,
    LogError: on_log_error,
    LogInError: on_log_in_error,
    NotLoggedIn: on_no_session,
    StatusError: on_unknown_status,
    RegistryFullError: on_full_registry,
    PracticeFullError: on_full_practice,
    Pushback: on_pushback,
    HTTPException: on_http_exception,
    RecursionError: on_too_deep,
    TimeoutError: on_timeout,
    **dict.fromkeys(database.AWAY, on_absent_database),
    **dict.fromkeys(CROWDED, on_crowd),
    Exception: on_unexpected,
}
