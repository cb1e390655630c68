"""Documents of opened bids: sealed for everybody who wants to check, opened for the tender's officials."""

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from litestar import Request, Response, Router, get, put
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, PathParameter, SkipValidation
from litestar.response import Stream, Template

from bids.envelope import MOST_DOCUMENTS, place
from bids.errors import UploadError
from bids.uploads import Broken
from crypto.certificates import Role
from crypto.encoding import from_base64
from procurement.downloads import Download, Downloads, ShownBid, ShownDocument
from procurement.web.api import PROBLEMS, Hash, Ocid, Steps, problems
from procurement.web.gate import MEASURED, RequestTimeoutException
from procurement.web.look import N_
from procurement.web.problems import Problem, come_back
from procurement.web.session import PRIVATE, SCHEME, UNSEEN, Who, requires
from procurement.web.uploads import LONGEST_HEADER, chunks, parse_number

OCTETS = "application/octet-stream"
AS_IT_IS = {"uncompressed": True}
"""What is sealed gets no smaller, and how much of it comes is to be said beforehand."""
OF_DOCUMENTS = (Role.OFFICER, Role.EVALUATOR)
FAULTS = {
    "not-enclosed": N_("The contents name a document that the envelope does not list."),
    "named-twice": N_("Two parts name the same document."),
    "size-differs": N_("The sealed file has another size than the document that it is said to be."),
    "unnamed": N_("No part says what the file is, or how it opens."),
}
"""What may be odd about a document, by code."""
PARTS = {
    "bid": N_("Restricted content of the bid"),
    "technical": N_("Restricted content of the technical part"),
    "price": N_("Restricted content of the price part"),
}

Number = Annotated[
    int, PathParameter(ge=1, le=MOST_DOCUMENTS, description="The document's number in the envelope.")
]
DocumentId = Annotated[
    str,
    PathParameter(pattern=r"^[A-Za-z0-9._-]{1,64}(?!\n)$", description="The id in the notice."),
]
Offered = Annotated[
    str,
    HeaderParameter(
        name="Openseal-Statement",
        max_length=LONGEST_HEADER,
        description="The officer's signed offer of the file, in base64.",
    ),
]
Given = NamedDependency[SkipValidation[Downloads]]


class ShownDocuments(msgspec.Struct, frozen=True, kw_only=True):
    """The documents of a bid, by number."""

    documents: list[ShownDocument]


def on_absent_store(_: Request[Any, Any, Any], error: UploadError) -> Response[Problem]:
    """Nothing is wrong with the request."""
    return come_back(error.code, str(error))


LATER: dict[int | type[Exception], Any] = {UploadError: on_absent_store}


@get("/tenders/{ocid:str}/bids/{envelope:str}/documents", tags=["results"], responses=PROBLEMS)
async def list_documents(ocid: Ocid, envelope: Hash, downloads: Given) -> ShownDocuments:
    """The documents of an opened bid: what everybody may know of them."""
    return ShownDocuments(documents=await downloads.listed(ocid, envelope))


@get(
    "/tenders/{ocid:str}/bids/{envelope:str}/documents/{number:int}",
    tags=["results"],
    responses=PROBLEMS,
    media_type=OCTETS,
    exception_handlers=LATER,
    opt=AS_IT_IS,
)
async def read_document(ocid: Ocid, envelope: Hash, number: Number, downloads: Given) -> Stream:
    """A sealed file as it was uploaded. `openseal document` opens it by the key in the bid's content."""
    return _stream(await downloads.sealed(ocid, envelope, number))


@get(
    "/tenders/{ocid:str}/bids/{envelope:str}/all-documents",
    tags=["private"],
    guards=[requires(*OF_DOCUMENTS)],
    security=SCHEME,
    responses=PRIVATE,
    exception_handlers=LATER,
)
async def list_all_documents(ocid: Ocid, envelope: Hash, downloads: Given, visitor: Who) -> ShownBid:
    """The documents of an opened bid for the tender's officials: what is restricted, too."""
    return await downloads.shown(ocid, envelope, visitor)


@get(
    "/desk/tenders/{ocid:str}/bids/{envelope:str}/documents/{number:int}",
    guards=[requires(*OF_DOCUMENTS)],
    include_in_schema=False,
    exception_handlers=LATER,
    opt=AS_IT_IS,
)
async def read_opened_document(
    ocid: Ocid, envelope: Hash, number: Number, downloads: Given, visitor: Who
) -> Stream:
    """A document for the tender's officials, opened on its way out."""
    return _stream(await downloads.opened(ocid, envelope, number, visitor))


@get(
    "/desk/tenders/{ocid:str}/bids/{envelope:str}/documents",
    guards=[requires(*OF_DOCUMENTS)],
    include_in_schema=False,
    exception_handlers=LATER,
)
async def documents_page(ocid: Ocid, envelope: Hash, downloads: Given, visitor: Who) -> Template:
    """The documents of an opened bid for the tender's officials, with what is restricted."""
    bid = await downloads.shown(ocid, envelope, visitor)
    texts = [(*place(section), text) for section, text in bid.texts.items()]
    context = {"ocid": ocid, "envelope": envelope, "bid": bid, "faults": FAULTS}
    return Template("documents.html", context=context | {"parts": PARTS, "texts": texts})


@get(
    "/tenders/{ocid:str}/documents/{id:str}",
    tags=["tenders"],
    responses={
        200: ResponseSpec(bytes, description="The file.", media_type="*/*", generate_examples=False),
        **PROBLEMS,
    },
    exception_handlers=LATER,
    opt=AS_IT_IS,
)
async def read_tender_document(ocid: Ocid, id: DocumentId, downloads: Given) -> Stream:
    """A document of a published notice: a file of the media type that the notice states."""
    document, download = await downloads.of_tender(ocid, id)
    return _stream(download, document.format)


@put(
    "/tenders/{ocid:str}/files/{digest:str}",
    tags=["tenders"],
    responses={
        201: ResponseSpec(None, description="Taken."),
        200: ResponseSpec(None, description="It was there before."),
        **PROBLEMS,
        **problems({408: "The rest of it did not come.", 429: "Too much at once."}),
    },
    status_code=201,
    request_max_body_size=None,
    exception_handlers=LATER,
    opt=MEASURED,
)
async def hand_in(
    ocid: Ocid, digest: Hash, offer: Offered, request: Request[Any, Any, Any], procedure: Steps
) -> Response[None]:
    """An officer hands in a file for a notice or an amendment that is still to name it."""
    length = request.headers.get("Content-Length")
    said = parse_number(length, "Content-Length") if length else None
    try:
        new = await procedure.take_file(ocid, digest, from_base64(offer), chunks(request), said)
    except Broken as error:
        raise RequestTimeoutException("the rest of it did not come") from error
    return Response(None, status_code=201 if new else 200)


router = Router("/api/v1", route_handlers=[list_documents, read_document, read_tender_document, hand_in])
readings = Router("/api/v1", cache_control=UNSEEN, route_handlers=[list_all_documents])


def _stream(download: Download, media_type: str = OCTETS) -> Stream:
    """To be kept as a file, whatever it says it is: others write it."""
    headers: dict[str, Any] = {
        "Content-Length": str(download.size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(download.name, safe='')}",
    }
    return Stream(download.chunks, media_type=media_type, headers=headers)
