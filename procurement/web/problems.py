"""Every error as a problem (RFC 9457), with a stable code and no word about how we are built."""

import logging
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR, HTTP_503_SERVICE_UNAVAILABLE

from bids.errors import EnvelopeError
from crypto.errors import CertificateError, MalformedError, SignatureError, VerificationError
from procurement.errors import TenderError

MEDIA_TYPE = "application/problem+json"

_LOGGER = logging.getLogger(__name__)
_NOT_THERE = {"no-such-tender", "no-such-statement", "not-yet"}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457, with our `code` and, for a bid that was turned away, the signed refusal (base64)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    refusal: str | None = None


def problem(status: int, code: str, detail: str, refusal: str | None = None) -> Response[Problem]:
    """The answer that says what is wrong."""
    body = Problem(
        type=f"urn:openseal:problem:{code}",
        title=code.replace("-", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        refusal=refusal,
    )
    headers = {"Retry-After": "2"} if status == HTTP_503_SERVICE_UNAVAILABLE else None
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def status_of(error: VerificationError) -> int:
    """400 for bytes of no form, 403 for a signer who may not, 404 for what is not there (yet), 409 for a
    step that is not due, 422 for what is well-formed and wrong."""
    match error:
        case MalformedError():
            return 400
        case SignatureError() | CertificateError():
            return 403
        case EnvelopeError():
            return 422
        case TenderError():
            return 404 if error.code in _NOT_THERE else 409
        case _:
            return 422


def on_verification_error(_: Request[Any, Any, Any], error: VerificationError) -> Response[Problem]:
    return problem(status_of(error), error.code, str(error))


def on_http_exception(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    code = type(error).__name__.removesuffix("Exception").lower() or "error"
    return problem(error.status_code, f"http-{code}", error.detail)


def on_timeout(_: Request[Any, Any, Any], __: TimeoutError) -> Response[Problem]:
    return problem(
        HTTP_503_SERVICE_UNAVAILABLE, "log-behind", "stored, but the log is behind: send the same again"
    )


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    _LOGGER.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(HTTP_500_INTERNAL_SERVER_ERROR, "internal", "something went wrong here; it was noted")


HANDLERS: dict[int | type[Exception], Any] = {
    VerificationError: on_verification_error,
    HTTPException: on_http_exception,
    TimeoutError: on_timeout,
    Exception: on_unexpected,
}
