"""Resumable uploads of sealed files over HTTP: tus 1.0.0 with creation, checksum, expiration, termination.

An upload is made by a signed request; from then on whoever shows its token may go on with it.
"""

import re
from collections.abc import AsyncIterator
from email.utils import format_datetime
from typing import Any

from litestar import Response, Router, delete, get, head, patch, post, route
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.handlers import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from bids.errors import UploadError
from bids.uploads import Broken, Checksum
from crypto.encoding import from_base64, to_base64
from crypto.errors import MalformedError
from procurement.tenders import LARGEST_DOCUMENT
from procurement.uploads import Upload, Uploads
from procurement.web.api import PROBLEMS, Asked, Hash, Ocid, Received, problems
from procurement.web.gate import MEASURED, UNGATED
from procurement.web.problems import UNSEEN, Problem, problem

VERSION = "1.0.0"
OFFERED = {
    "Tus-Version": VERSION,
    "Tus-Extension": "creation,checksum,expiration,termination",
    "Tus-Checksum-Algorithm": "sha1,sha256",
    "Tus-Max-Size": str(LARGEST_DOCUMENT),
}
BYTES = "application/offset+octet-stream"
LONGEST_HEADER = 16 * 1024  # characters
DIGESTS: dict[str, int] = {"sha1": 20, "sha256": 32}
"""Bytes of each checksum that is understood."""
STATUS = {
    "no-such-upload": 404,
    "no-such-envelope": 404,
    "not-listed": 404,
    "token-missing": 401,
    "wrong-version": 412,
    "wrong-media-type": 415,
    "wrong-size": 422,
    "too-large": 413,
    "too-much": 413,
    "request-timeout": 408,
    "after-grace": 410,
    "checksum-differs": 460,
    "document-differs": 460,
    "too-many-requests": 429,
    "busy": 503,
    "store-away": 503,
}
"""Of an UploadError's code; any other means that the upload is not where that would be due: 409."""
ANSWERS: dict[str, dict[str, str]] = {
    "token-missing": {"WWW-Authenticate": 'Bearer realm="Openseal"'},
    "request-timeout": {"Connection": "close"},
    "wrong-version": {"Tus-Version": VERSION},
    "too-many-requests": {"Retry-After": "2"},
    "busy": {"Retry-After": "2"},
    "store-away": {"Retry-After": "2"},
}
"""Headers that come with it."""

Files = NamedDependency[Uploads]

UPLOAD_PROBLEMS = PROBLEMS | problems(
    {
        401: "No token, or none of the form that a token has.",
        408: "The rest of a piece did not come.",
        410: "The time for documents is over.",
        412: "Another version of tus.",
        415: "Another media type.",
        429: "Too many at a time.",
        460: "The bytes are not those that they are said to be.",
    }
)
PATH = "/tenders/{ocid:str}/uploads"
ONE = f"{PATH}/{{id:str}}"


class Tus:
    """Every answer says which version it is of."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)["Tus-Resumable"] = VERSION
            await send(message)

        await self.app(scope, receive, marked)


def in_our_version(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Raises UploadError for a request that is not one of tus 1.0.0."""
    if connection.headers.getall("Tus-Resumable", []) != [VERSION]:
        raise UploadError("wrong-version", f"this is tus {VERSION}, and the request does not say so")


def parse_number(text: str | None, name: str) -> int:
    """A number of bytes. Raises MalformedError."""
    if text is None or not re.fullmatch("0|[1-9][0-9]{0,15}", text):
        raise MalformedError(f"{name} is not a number of bytes")
    return int(text)


def parse_metadata(text: str | None) -> bytes:
    """The one thing that is asked for, `request`. What else a client might say of a sealed file is nobody's
    to know. Raises MalformedError."""
    name, _, value = (text or "").partition(" ")
    if name != "request" or not value or len(value) > LONGEST_HEADER:
        raise MalformedError(
            "Upload-Metadata is `request` with the signed request in base64, and nothing else"
        )
    return from_base64(value)


def parse_token(text: str | None) -> bytes:
    """The 32 bytes of a bearer token. Raises UploadError."""
    found = re.fullmatch("(?i:bearer) +([0-9a-f]{64})", text or "")
    if found is None:
        raise UploadError("token-missing", "an upload is its token's bearer's: 64 hexadecimal digits")
    return bytes.fromhex(found[1])


def parse_checksum(text: str | None) -> Checksum | None:
    """Raises MalformedError."""
    if text is None:
        return None
    algorithm, _, value = text.partition(" ")
    if algorithm not in DIGESTS or len(value) > LONGEST_HEADER:
        raise MalformedError(f"Upload-Checksum has one of {', '.join(DIGESTS)}, and the checksum in base64")
    digest = from_base64(value)
    if len(digest) != DIGESTS[algorithm]:
        raise MalformedError("Upload-Checksum is not as long as that checksum is")
    return Checksum(algorithm, digest)


@post(
    PATH,
    tags=["uploads"],
    guards=[in_our_version],
    responses={201: ResponseSpec(None, description="Made."), **UPLOAD_PROBLEMS},
    status_code=201,
)
async def create_upload(ocid: Ocid, request: Asked, uploads: Files) -> Response[None]:
    """Begin to upload a sealed file of an accepted bid (tus creation). `Upload-Length` is its size;
    `Upload-Metadata` has the bidder's signed upload request as `request`."""
    if _one(request, "Content-Length") not in (None, "0"):
        raise MalformedError("the file comes by PATCH")
    size = parse_number(_one(request, "Upload-Length"), "Upload-Length")
    if size > LARGEST_DOCUMENT:
        raise UploadError("too-large", "no file is that long")
    upload = await uploads.create(ocid, size, parse_metadata(_one(request, "Upload-Metadata")))
    location = {"Location": f"/api/v1/tenders/{ocid}/uploads/{upload.stored.id}"}
    return Response(None, headers=_progress(upload) | location)


@head(ONE, tags=["uploads"], guards=[in_our_version], responses=UPLOAD_PROBLEMS, opt=UNGATED)
async def look_at_upload(ocid: Ocid, id: Hash, request: Asked, uploads: Files) -> Response[None]:
    """How much of the file is there."""
    upload = await _found(ocid, id, request, uploads)
    await uploads.check_open(upload)
    return Response(None, headers=_progress(upload) | {"Upload-Length": str(upload.stored.size)} | UNSEEN)


@patch(
    ONE,
    tags=["uploads"],
    guards=[in_our_version],
    responses={204: ResponseSpec(None, description="Taken."), **UPLOAD_PROBLEMS},
    status_code=204,
    request_max_body_size=None,
    opt=MEASURED,
)
async def continue_upload(ocid: Ocid, id: Hash, request: Asked, uploads: Files) -> Response[None]:
    """Send more of the file, from `Upload-Offset` on. What came counts even where the line breaks; with an
    `Upload-Checksum`, all of it counts or nothing."""
    if _one(request, "Content-Type") != BYTES:
        raise UploadError("wrong-media-type", f"pieces of files are of type {BYTES}")
    offset = parse_number(_one(request, "Upload-Offset"), "Upload-Offset")
    checksum = parse_checksum(_one(request, "Upload-Checksum"))
    length = _one(request, "Content-Length")
    upload = await _found(ocid, id, request, uploads)
    if length is not None and offset + parse_number(length, "Content-Length") > upload.stored.size:
        raise UploadError("too-large", "the file is not as long as that")
    try:
        upload = await uploads.receive(upload, offset, chunks(request), checksum)
    except Broken as error:
        raise UploadError("request-timeout", "the rest of the piece did not come") from error
    return Response(None, headers=_progress(upload))


@delete(
    ONE,
    tags=["uploads"],
    guards=[in_our_version],
    responses={204: ResponseSpec(None, description="Gone."), **UPLOAD_PROBLEMS},
    status_code=204,
)
async def end_upload(ocid: Ocid, id: Hash, request: Asked, uploads: Files) -> None:
    """Break off an upload (tus termination). A file that is there already stays."""
    await uploads.remove(await _found(ocid, id, request, uploads))


@get(
    ONE,
    tags=["uploads"],
    opt=UNGATED,
    responses={202: ResponseSpec(None, description="There, but the log is behind."), **UPLOAD_PROBLEMS},
)
async def read_receipt(ocid: Ocid, id: Hash, request: Asked, uploads: Files) -> Response[Received | None]:
    """The service's signed receipt for the file, once all of it is there and its commitment in the log."""
    found = await uploads.receipt(await _found(ocid, id, request, uploads))
    if found is None:
        return Response(None, status_code=202, headers={"Retry-After": "1"} | UNSEEN)
    receipt, proof = found
    return Response(Received(receipt=to_base64(receipt), proof=proof), headers=UNSEEN)


@route([PATH, ONE], http_method=HttpMethod.OPTIONS, status_code=204, include_in_schema=False)
async def say_what_is_offered() -> Response[None]:
    """What of tus is served here."""
    return Response(None, headers=OFFERED)


def on_upload_error(_: Asked, error: UploadError) -> Response[Problem]:
    """The status that tus has for it."""
    headers = ANSWERS.get(error.code, {}) | UNSEEN
    return problem(STATUS.get(error.code, 409), error.code, str(error), headers=headers)


router = Router(
    "/api/v1",
    route_handlers=[
        say_what_is_offered,  # first, before the framework gives each path an OPTIONS of its own
        create_upload,
        look_at_upload,
        continue_upload,
        end_upload,
        read_receipt,
    ],
    middleware=[Tus],
    exception_handlers={UploadError: on_upload_error},
)


async def _found(ocid: str, id: str, request: Asked, uploads: Uploads) -> Upload:
    return await uploads.find(ocid, id, parse_token(_one(request, "Authorization")))


def _one(request: Asked, name: str) -> str | None:
    """The header, if it is there. Raises MalformedError where it is there twice."""
    found = request.headers.getall(name, [])
    if len(found) > 1:
        raise MalformedError(f"{name} stands there twice")
    return found[0] if found else None


def _progress(upload: Upload) -> dict[str, str]:
    """How far it is, and until when it has time."""
    headers = {"Upload-Offset": str(upload.offset)}
    if upload.document is None:
        headers["Upload-Expires"] = format_datetime(upload.tender.notice.complete, usegmt=True)
    return headers


async def chunks(request: Asked) -> AsyncIterator[bytes]:
    """The body as it comes. Raises Broken where the client is gone before its end."""
    while True:
        event = await request.receive()
        if event["type"] == "http.disconnect":
            raise Broken
        yield event["body"]  # type: ignore[typeddict-item]  # no web socket gets here
        if not event.get("more_body", False):
            return
