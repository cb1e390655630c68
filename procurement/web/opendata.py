"""Open data: the feed of releases, a tender's record, what their fields mean, and the pages that say so."""

import asyncio
import gzip
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from litestar import Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter, SkipValidation
from litestar.response import Stream, Template
from litestar.status_codes import HTTP_304_NOT_MODIFIED

from crypto.encoding import Moment, moment, sha256
from procurement import ocds
from procurement.bulk.listing import SUMS, Format, Kind
from procurement.bulk.published import Publications
from procurement.bulk.store import Published
from procurement.errors import TenderError
from procurement.finding.search import Shown
from procurement.login.sessions import Sessions
from procurement.ocds.packages import PUBLISHED
from procurement.opendata import store
from procurement.opendata.store import Compiled
from procurement.store import id_of, load_tender
from procurement.web.api import PROBLEMS, Asked, Ocid, Steps
from procurement.web.log import FOR_EVER, SHORTLY
from procurement.web.look import N_

MOST, USUAL = 1000, 100
"""Releases of a page, and how many where nobody says."""
PAGE_SIZE = 1 << 20
"""Bytes of releases after which a page ends."""
LEVEL = 5
"""Of compression: more of it makes a page of numbers hardly smaller, and takes twice the time."""
KEPT = 32 << 20
"""Bytes of full pages that a process keeps."""
BEGINNING = "1970-01-01T00:00:00.000Z"
"""When a feed was published that has nothing yet."""
ANYBODYS = {"Access-Control-Allow-Origin": "*"}
"""Headers of what pages of others may read, too: nobody is asked who they are."""
AS_IT_IS = {"uncompressed": True}
"""For the `opt` of a route that compresses its answer itself, beside the loop that bids come in by."""

SHOWN: dict[Kind, int] = {"all": 1, "month": 3, "day": 7}
"""Of the published files, how many the page shows."""
KINDS: dict[Format, str] = {
    "jsonl": "JSON Lines",
    "csv": "CSV",
    "xlsx": "XLSX",
    "records": N_("award records"),
}

Here = NamedDependency[Sessions]
Files = NamedDependency[SkipValidation[Publications]]
Offset = Annotated[
    int,
    QueryParameter(ge=0, lt=2**53, description="The log index from which on releases are wanted."),
]
Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="Of releases: at most so many.")]
Name = Annotated[str, PathParameter(pattern="^[A-Za-z]{1,64}(?!\n)$", description="The extension's name.")]
File = Annotated[
    str,
    PathParameter(
        pattern="^[A-Za-z-]{1,64}[.]json(?!\\n)$", description="extension.json or release-schema.json."
    ),
]
Practice = Annotated[Shown, QueryParameter(description="Practice tenders: none, among the others, alone.")]


class Publisher(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves the package."""

    name: str
    uri: str


class NextPage(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go on: `offset` is the log index after the last release, or the same again where there was
    none; `path` the address on this service, `uri` the whole one."""

    offset: int
    path: str
    uri: str


class Package(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What OCDS packages have in common."""

    uri: str
    version: str
    extensions: tuple[str, ...]
    published_date: Moment
    publisher: Publisher
    license: str
    publication_policy: str


class ReleasePackage(Package, frozen=True, kw_only=True, rename={"next_page": "next_page"}):
    """An OCDS release package: `releases` in the order of the log, none at its end."""

    releases: list[dict[str, Any]]
    next_page: NextPage


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A tender's releases, the oldest first, and what they merge to."""

    ocid: str
    releases: list[dict[str, Any]]
    compiled_release: dict[str, Any]


class RecordPackage(Package, frozen=True, kw_only=True, rename="camel"):
    """An OCDS record package of one tender."""

    records: list[Record]


class Page(NamedTuple):
    """A page of the feed as it is sent: its ETag and its bytes, gzip."""

    tag: str
    packed: bytes


class Pages:
    """Full pages, which never change: whoever copies the feed walks the same ones. Those that nobody has
    asked for the longest make room for others."""

    def __init__(self, room: int = KEPT) -> None:
        self._room = room
        self._pages = OrderedDict[str, Page]()

    def find(self, path: str) -> Page | None:
        """The page at that address, if it is kept."""
        if path in self._pages:
            self._pages.move_to_end(path)
        return self._pages.get(path)

    def keep(self, path: str, page: Page) -> None:
        """It has to be full."""
        self._pages[path] = page
        while sum(len(each.packed) for each in self._pages.values()) > self._room:
            self._pages.popitem(last=False)


Known = NamedDependency[SkipValidation[Pages]]


def _given(container: type[Any], text: str) -> dict[int, ResponseSpec]:
    """How a route answers that serves a package."""
    unchanged = ResponseSpec(None, description="Nothing has changed.", generate_examples=False)
    return {
        200: ResponseSpec(container, description=text, generate_examples=False),
        304: unchanged,
        **PROBLEMS,
    }


_A_SCHEMA = {200: ResponseSpec(dict[str, Any], description="The file.", generate_examples=False)} | PROBLEMS


@get(
    "/releases",
    tags=["open data"],
    responses=_given(ReleasePackage, "A page of the feed."),
    opt=AS_IT_IS,
)
async def list_releases(
    request: Asked,
    procedure: Steps,
    sessions: Here,
    pages: Known,
    offset: Offset = 0,
    limit: Limit = USUAL,
    practice: Practice = "hidden",
) -> Response[bytes]:
    """OCDS releases of all tenders, one for each event, in the order of the log: from `offset` on, as many as
    `limit` says or as a page holds. Whoever goes on at `next_page` misses none and gets none twice, for ever;
    at the end it is where one asks again. Beyond the end there is nothing to ask for: who comes to be there
    follows another log."""
    path = _feed(offset, limit, practice)
    if page := pages.find(path):
        return await _answer(request, page, FOR_EVER)
    progress = await store.load_progress(procedure.pool)
    if offset > progress.position:
        raise TenderError("offset-beyond-end", f"the log is released up to {progress.position}")
    found = await store.load_page(procedure.pool, offset, practice, limit, PAGE_SIZE)
    dated = found[-1].released_at if found else await store.last_before(procedure.pool, offset)
    page = await asyncio.to_thread(
        _packed,
        [each.body for each in found],
        base=sessions.origin,
        uri=sessions.origin + path,
        published=moment(dated) if dated else BEGINNING,
        publisher=sessions.host,
        next_page=_next(sessions.origin, found[-1].position + 1 if found else offset, limit, practice),
    )
    full = len(found) == limit or sum(len(each.body) for each in found) >= PAGE_SIZE
    if full:
        pages.keep(path, page)
    return await _answer(request, page, FOR_EVER if full else SHORTLY)


@get(
    "/tenders/{ocid:str}/ocds",
    tags=["open data"],
    responses=_given(RecordPackage, "The record so far."),
    opt=AS_IT_IS,
)
async def read_ocds(ocid: Ocid, request: Asked, procedure: Steps, sessions: Here) -> Response[Any]:
    """The tender's OCDS record: every release so far, and what they merge to."""
    position = await store.newest(procedure.pool, id_of(ocid))
    if position is None:
        await load_tender(procedure.pool, ocid)
        raise TenderError("not-yet", "nothing of the tender is released yet")
    if _has(request.headers.get("If-None-Match", ""), _tag(position)):
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=_headers(_tag(position), SHORTLY))
    compiled = await store.load_compiled(procedure.pool, id_of(ocid))
    headers = _headers(_tag(compiled.position), SHORTLY)
    pieces = _record_package(procedure.pool, compiled, sessions)
    if _takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
        pieces = _compressed(pieces)
    return Stream(pieces, media_type="application/json", headers=headers)


def _tag(position: int) -> str:
    """Of a tender's record as of its newest release, which says all: releases stay as they are."""
    return f'W/"{position}"'


async def _record_package(pool: Any, compiled: Compiled, sessions: Sessions) -> AsyncIterator[bytes]:
    """Piece by piece: a large tender read slowly is not held whole."""
    start, end = await asyncio.to_thread(
        ocds.record_package,
        compiled.ocid,
        compiled.body,
        base=sessions.origin,
        uri=f"{sessions.origin}/api/v1/tenders/{compiled.ocid}/ocds",
        published=moment(compiled.changed_at),
        publisher=sessions.host,
    )
    yield start
    comma = b""
    async for bodies in store.read_bodies(pool, compiled.tender_id, compiled.position, PAGE_SIZE):
        yield comma + b",".join(bodies)
        comma = b","
    yield end


async def _compressed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(LEVEL, wbits=zlib.MAX_WBITS | 16)  # as gzip has it
    async for each in pieces:
        if packed := await asyncio.to_thread(packer.compress, each):
            yield packed
    yield packer.flush()


@get("/ocds/extensions/{name:str}/{file:str}", tags=["open data"], responses=_A_SCHEMA)
async def read_extension(name: Name, file: File) -> Response[bytes]:
    """An extension of OCDS that the service publishes: what it is, and the schema of its fields."""
    return Response(_of_extension(name, file), media_type="application/json", headers=ANYBODYS)


@get(
    "/ocds/extensions/{name:str}/README.md",
    tags=["open data"],
    responses=PROBLEMS,
    media_type="text/markdown",
)
async def read_extension_in_words(name: Name) -> Response[str]:
    """What the fields of such an extension mean, in words."""
    return Response(_of_extension(name, "README.md").decode(), headers=ANYBODYS)


@get("/data", include_in_schema=False)
async def data_page(sessions: Here, publications: Files) -> Template:
    """What there is to copy, and how."""
    context = {
        "origin": sessions.origin,
        "license": ocds.LICENSE,
        "ours": PUBLISHED,
        "theirs": ocds.EXTENSIONS,
        "published": _newest(await publications.latest()),
        "kinds": KINDS,
        "sums": SUMS,
    }
    return Template("data.html", context=context)


@get("/data/policy", include_in_schema=False)
async def policy_page() -> Template:
    """What is published, when, and what never is."""
    return Template("data_policy.html")


def _newest(published: Sequence[Published]) -> list[Published]:
    """Of each kind as many as the page shows, the widest first."""
    by_kind = {kind: [each for each in published if each.kind == kind] for kind in SHOWN}
    return [each for kind, most in SHOWN.items() for each in by_kind[kind][:most]]


def _of_extension(name: str, file: str) -> bytes:
    try:
        return ocds.extension_file(name, file)
    except LookupError as error:
        raise NotFoundException(str(error)) from error


def _feed(offset: int, limit: int, practice: Shown) -> str:
    """The address of a page of the feed, with all that it depends on."""
    return "/api/v1/releases?" + urlencode({"offset": offset, "limit": limit, "practice": practice})


def _next(origin: str, offset: int, limit: int, practice: Shown) -> NextPage:
    path = _feed(offset, limit, practice)
    return NextPage(offset=offset, path=path, uri=origin + path)


def _packed(releases: Sequence[bytes], **said: Any) -> Page:
    body = ocds.release_package(releases, **said)
    return Page(f'W/"{sha256(body).hex()[:32]}"', gzip.compress(body, LEVEL, mtime=0))


async def _answer(request: Asked, page: Page, kept: CacheControlHeader) -> Response[bytes]:
    """The page, or that it is as whoever asks has it, for so long."""
    headers = _headers(page.tag, kept)
    if _has(request.headers.get("If-None-Match", ""), page.tag):
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    body = page.packed
    if _takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
    else:
        body = await asyncio.to_thread(gzip.decompress, body)
    return Response(body, media_type="application/json", headers=headers)


def _headers(tag: str, kept: CacheControlHeader) -> dict[str, str]:
    """`tag` is a weak one: with and without compression it is the same."""
    return {"ETag": tag, "Cache-Control": kept.to_header(), "Vary": "Accept-Encoding", **ANYBODYS}


def _takes_gzip(request: Asked) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "")


def _has(known: str, tag: str) -> bool:
    """Whether `tag` is among those of an If-None-Match, weak or not."""
    tags = {each.strip().removeprefix("W/") for each in known.split(",")}
    return bool(tags & {"*", tag.removeprefix("W/")})


router = Router("/api/v1", route_handlers=[list_releases, read_ocds])
pages = Router("/", route_handlers=[data_page, policy_page, read_extension, read_extension_in_words])
