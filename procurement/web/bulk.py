"""Open data by the file: award records one by one in their order, and what was published of a day, a month,
ever."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter, SkipValidation
from litestar.response import Stream
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_206_PARTIAL_CONTENT,
    HTTP_304_NOT_MODIFIED,
    HTTP_416_REQUESTED_RANGE_NOT_SATISFIABLE,
)

from crypto.encoding import Moment, moment, sha256
from procurement.bulk.listing import LIST, PROOF, SUMS, Absent, Format, Kind
from procurement.bulk.published import A_PAGE, Publications
from procurement.bulk.records import Records
from procurement.bulk.store import Kept, Published
from procurement.downloads import begun
from procurement.web.api import PROBLEMS, Asked, Ocid, problems
from procurement.web.documents import AS_IT_IS, LATER, OCTETS
from procurement.web.log import FOR_EVER
from procurement.web.opendata import ANYBODYS, Files, Here, NextPage, Practice
from procurement.web.problems import problem

BESIDE = (LIST, PROOF, SUMS)
TYPES: dict[Format, str] = {
    "jsonl": "application/gzip",
    "csv": "application/zip",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "records": "application/x-tar",
}
MOST_LISTED = 1000
"""Award records of one answer."""
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")

Given = NamedDependency[SkipValidation[Records]]
Offset = Annotated[int, QueryParameter(ge=0, lt=2**53, description="A log index: from there on.")]
Limit = Annotated[int, QueryParameter(ge=1, le=MOST_LISTED, description="As many at most.")]
PeriodName = Annotated[
    str,
    PathParameter(pattern=r"^(all-)?[0-9]{4}-[0-9]{2}(-[0-9]{2})?(?!\n)$", description="As it is listed."),
]
FileName = Annotated[
    str, PathParameter(pattern=r"^[A-Za-z0-9.-]{1,64}(?!\n)$", description="As it is listed.")
]
Digest = Annotated[
    str, PathParameter(pattern=r"^[0-9a-f]{64}(?!\n)$", description="SHA-256, as the log names it.")
]
Before = Annotated[date | None, QueryParameter(description="Days before this one, as `next` has it.")]


def file_of(media_type: str) -> dict[int, ResponseSpec]:
    """Answers of a route that gives a file, for its description."""
    texts = {200: "The file.", 206: "The part of it that was asked for."}
    given = {
        code: ResponseSpec(bytes, description=text, media_type=media_type, generate_examples=False)
        for code, text in texts.items()
    }
    given[304] = ResponseSpec(None, description="Nothing new: it has the SHA-256 that was named.")
    return given | problems({416: "The file has no such part."})


class ListedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An award record: its tender, the award's log index and time, the SHA-256 of the ZIP, that of its
    manifest, which names the record, its size (bytes), and where it is."""

    tender: str
    position: int
    awarded: Moment
    sha256: str
    record: str
    size: int
    path: str


class RecordList(msgspec.Struct, frozen=True, kw_only=True):
    """Award records in the order of the log."""

    records: list[ListedRecord]
    next_page: NextPage


class FileSpan(NamedTuple):
    """The bytes from `start` on, before `end`."""

    start: int
    end: int


@get("/records", tags=["checking"], responses=PROBLEMS)
async def list_records(
    records: Given, sessions: Here, offset: Offset = 0, limit: Limit = 100, practice: Practice = "hidden"
) -> RecordList:
    """Award records in the order in which the log has the awards. Whoever follows `next_page` gets each one
    once, for ever; at the end it stays the same until there is another. Beyond the end there is nothing to
    ask for: who comes to be there follows another log."""
    found = await records.shelf.listed(offset, practice, limit)
    more = found[-1].position + 1 if found else offset
    path = "/api/v1/records?" + urlencode({"offset": more, "limit": limit, "practice": practice})
    return RecordList(
        records=[_listed(each) for each in found],
        next_page=NextPage(offset=more, path=path, uri=sessions.origin + path),
    )


@get(
    "/tenders/{ocid:str}/record",
    tags=["checking"],
    responses={**file_of("application/zip"), **PROBLEMS},
    media_type="application/zip",
    exception_handlers=LATER,
    opt=AS_IT_IS,
)
async def read_record(ocid: Ocid, records: Given, request: Asked) -> Response[Any]:
    """The award record, for `openseal verify`; its ETag is its SHA-256, and parts of it can be asked for."""
    kept = await records.of(ocid)

    def read(span: FileSpan) -> AsyncIterator[bytes]:
        return records.shelf.read(kept, *span)

    return await served(request, read, kept.size, kept.sha256, f"{ocid}.zip", "application/zip")


class PublishedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file: `rows` are the tenders in it, or the award records."""

    name: str
    kind: Format
    rows: int
    sha256: str
    size: int
    path: str


class Publication(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was published of a period, as of the log index `position`: its files, and where its list, the
    proof that the log has the list's SHA-256, and the sums of all are."""

    period: str
    kind: Kind
    practice: bool
    begins: Moment | None = None
    ends: Moment
    position: int
    published: Moment
    sha256: str
    list: str
    proof: str
    sums: str
    files: tuple[PublishedFile, ...]
    absent: tuple[Absent, ...] = ()


class PublicationList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Publications, the latest first, and the address of those before them, if there are any."""

    publications: list[Publication]
    next: str | None = None


@get("/data", tags=["open data"], responses=PROBLEMS)
async def list_data(
    publications: Files, practice: Practice = "hidden", before: Before = None
) -> PublicationList:
    """The published files of 31 days: of each day, each month, and the newest of all tenders."""
    found = await publications.latest(practice, before)
    days = {each.last_day for each in found}
    more = urlencode({"practice": practice, "before": min(days)}) if len(days) == A_PAGE else None
    return PublicationList(
        publications=[shown(each) for each in found], next=f"/api/v1/data?{more}" if more else None
    )


@get(
    "/data/{digest:str}",
    tags=["open data"],
    responses={**file_of("application/json"), **PROBLEMS},
    exception_handlers=LATER,
    opt=AS_IT_IS,
)
async def read_list(digest: Digest, publications: Files, request: Asked) -> Response[Any]:
    """The list that an entry `data:published` of the log names by its SHA-256. It stays for ever, also where
    the files are superseded."""
    data = await publications.list_named(digest)
    return await _given(request, data, LIST, "application/json")


@get(
    "/{period:str}/{name:str}",
    tags=["open data"],
    responses={**file_of(OCTETS), **PROBLEMS, **problems({410: "There is a newer one of all."})},
    exception_handlers=LATER,
    opt=AS_IT_IS,
)
async def read_file(period: PeriodName, name: FileName, publications: Files, request: Asked) -> Response[Any]:
    """A published file, `list.json`, `list.proof` (c2sp.org/tlog-proof@v1), or `SHA256SUMS`."""
    return await _published(publications, period, name, request)


@get(
    "/practice/{period:str}/{name:str}",
    tags=["open data"],
    responses={**file_of(OCTETS), **PROBLEMS, **problems({410: "There is a newer one of all."})},
    exception_handlers=LATER,
    opt=AS_IT_IS,
)
async def read_practice_file(
    period: PeriodName, name: FileName, publications: Files, request: Asked
) -> Response[Any]:
    """The same of practice tenders, which are in no other file."""
    return await _published(publications, f"practice/{period}", name, request)


async def _published(publications: Publications, path: str, name: str, request: Asked) -> Response[Any]:
    published = await publications.of(path)
    if name in BESIDE:
        return await _beside(publications, published, name, request)
    file = publications.file(published, name)

    def read(span: FileSpan) -> AsyncIterator[bytes]:
        return publications.read(published, file, *span)

    return await served(request, read, file.size, file.sha256, name, TYPES[file.kind])


async def _beside(
    publications: Publications, published: Published, name: str, request: Asked
) -> Response[Any]:
    """The list, or what is said of it."""
    data, media_type = published.list, "application/json"
    if name == SUMS:
        data, media_type = published.contents.sums(published.sha256.hex()).encode(), "text/plain"
    if name == PROOF:
        data, media_type = (await publications.proof(published)).encode(), "text/plain"
    return await _given(request, data, name, media_type)


async def _given(request: Asked, data: bytes, name: str, media_type: str) -> Response[Any]:
    """What is short enough to be held."""

    async def read(span: FileSpan) -> AsyncIterator[bytes]:
        yield data[span.start : span.end]

    return await served(request, read, len(data), sha256(data).hex(), name, media_type)


async def served(
    request: Asked,
    read: Callable[[FileSpan], AsyncIterator[bytes]],
    size: int,
    digest: str,
    name: str,
    media_type: str,
) -> Response[Any]:
    """A file that never changes, or the part of it that the request is for (RFC 9110)."""
    tag = f'"{digest}"'
    headers: dict[str, Any] = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": FOR_EVER.to_header(),
        **ANYBODYS,
    }
    if tag in request.headers.get("If-None-Match", ""):
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    part = request.headers.get("Range") if request.headers.get("If-Range", tag) == tag else None
    span = spanned(part, size)
    if span is None:
        headers["Content-Range"] = f"bytes */{size}"
        status = HTTP_416_REQUESTED_RANGE_NOT_SATISFIABLE
        return problem(status, "range-invalid", f"the file has {size} bytes", headers=headers)
    whole = span == (0, size)
    headers |= {} if whole else {"Content-Range": f"bytes {span.start}-{span.end - 1}/{size}"}
    headers |= {
        "Content-Length": str(span.end - span.start),
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    status = HTTP_200_OK if whole else HTTP_206_PARTIAL_CONTENT
    return Stream(await begun(read(span)), media_type=media_type, headers=headers, status_code=status)


def spanned(header: str | None, size: int) -> FileSpan | None:
    """The one range that a Range header asks for: all of the file where there is none, or several, or
    something else; None where the file has no such bytes."""
    match = _RANGE.fullmatch(header or "")
    if match is None or not any(match.groups()):
        return FileSpan(0, size)
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    return FileSpan(start, end) if start < end else None


def shown(published: Published) -> Publication:
    """A publication as the interface and pages show it."""
    said, folder = published.contents, f"/data/{published.path}"
    return Publication(
        period=said.period,
        kind=published.kind,
        practice=said.practice,
        begins=said.begins,
        ends=said.ends,
        position=said.position,
        published=moment(published.published_at),
        sha256=published.sha256.hex(),
        list=f"{folder}/{LIST}",
        proof=f"{folder}/{PROOF}",
        sums=f"{folder}/{SUMS}",
        files=tuple(
            PublishedFile(**msgspec.structs.asdict(each), path=f"{folder}/{each.name}") for each in said.files
        ),
        absent=said.absent,
    )


def _listed(kept: Kept) -> ListedRecord:
    return ListedRecord(
        tender=kept.ocid,
        position=kept.position,
        awarded=moment(kept.awarded_at),
        sha256=kept.sha256,
        record=kept.manifest,
        size=kept.size,
        path=f"/api/v1/tenders/{kept.ocid}/record",
    )


router = Router("/api/v1", route_handlers=[list_records, read_record, list_data, read_list])
files = Router("/data", route_handlers=[read_file, read_practice_file])
