"""The log's public files (C2SP tlog-tiles) and the embedded beacon (drand's HTTP API)."""

from datetime import date
from typing import Annotated, Any

from litestar import Router, get
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, PathParameter, SkipValidation
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from crypto.beacon import Info, LocalBeacon, PublicRound, info_of, public_round_of
from crypto.errors import MalformedError
from crypto.merkle import ENTRIES, HASH_SIZE, TILE_WIDTH, Tile, encode_bundle, parse_bundle
from procurement import publication
from procurement.errors import TenderError
from procurement.publication import ProvenEntry, RevealedDay
from procurement.web.api import PROBLEMS, Steps
from procurement.web.gate import UNGATED

OCTETS = "application/octet-stream"
TEXT = "text/plain"
FOR_EVER = CacheControlHeader(public=True, immutable=True, max_age=31_536_000)
SHORTLY = CacheControlHeader(public=True, max_age=1)

Embedded = NamedDependency[LocalBeacon]

Day = Annotated[date, PathParameter(description="YYYY-MM-DD, UTC.")]
Round = Annotated[int, PathParameter(ge=1, lt=2**53, description="A round's number, from 1.")]


@get("/checkpoint", tags=["log"], cache_control=SHORTLY, media_type=TEXT, responses=PROBLEMS)
async def read_checkpoint(procedure: Steps) -> str:
    """The newest signed head of the log."""
    return (await procedure.log.head())[1]


@get("/witnessed", tags=["log"], cache_control=SHORTLY, media_type=TEXT, responses=PROBLEMS)
async def read_witnessed(procedure: Steps) -> str:
    """The newest head that the quorum of witnesses has co-signed: while much is written, there is often a
    newer one before they answer."""
    return await publication.witnessed_head(procedure)


@get("/vkey", tags=["log"], cache_control=SHORTLY, media_type=TEXT)
async def read_vkey(procedure: Steps) -> str:
    """The log's verifying key, as the service says."""
    return procedure.trust.log + "\n"


@get("/tile/{path:path}", tags=["log"], cache_control=FOR_EVER, media_type=OCTETS, responses=PROBLEMS)
async def read_tile(path: FromPath[str], objects: NamedDependency[SkipValidation[ObjectStore]]) -> bytes:
    """A tile or an entry bundle; where a partial one was superseded, the beginning of the full one."""
    try:
        tile = Tile.parse(f"tile{path}")
    except MalformedError as error:
        raise NotFoundException("no tile has this path") from error
    for candidate in (tile, Tile(level=tile.level, index=tile.index, width=TILE_WIDTH)):
        try:
            data = bytes(await (await objects.get_async(candidate.path)).bytes_async())
        except (BaseError, FileNotFoundError):
            continue
        return _beginning(data, tile)
    raise NotFoundException("the log has no such tile yet")


def _beginning(data: bytes, tile: Tile) -> bytes:
    """Of a tile's or bundle's bytes as much as `tile` is wide."""
    if tile.level == ENTRIES:
        return encode_bundle(parse_bundle(data)[: tile.width])
    return data[: tile.width * HASH_SIZE]


@get("/covers", tags=["log"])
async def list_covers(procedure: Steps) -> list[RevealedDay]:
    """The days whose commitments to nothing are revealed, oldest first, and by which statements."""
    return await publication.revealed_days(procedure)


@get("/covers/{day:date}", tags=["log"], responses=PROBLEMS)
async def read_covers(day: Day, procedure: Steps) -> ProvenEntry:
    """Which commitments of a day (UTC) were to nothing, with the proof that the log has the statement."""
    return await publication.covers(procedure, day)


@get("/info", tags=["beacon"])
async def read_info(beacon: Embedded) -> Info:
    """The embedded network, as drand describes one. It is not independent of this service."""
    return info_of(beacon.network)


@get("/public/latest", tags=["beacon"])
async def read_latest(beacon: Embedded, procedure: Steps) -> PublicRound:
    """The newest round's signature."""
    now = procedure.now()
    coming = beacon.network.round_at(now)
    latest = coming if beacon.network.time_of(coming) <= now else coming - 1
    return public_round_of(beacon.sign(latest, now))


@get("/public/{number:int}", tags=["beacon"], responses=PROBLEMS)
async def read_round(number: Round, beacon: Embedded, procedure: Steps) -> PublicRound:
    """A round's signature, once its time has come."""
    now = procedure.now()
    if beacon.network.time_of(number) > now:
        raise TenderError("not-yet", "the time of this round has not come")
    return public_round_of(beacon.sign(number, now))


@get("/chains", tags=["beacon"])
async def list_chains(beacon: Embedded) -> list[str]:
    """The chain hashes served here."""
    return [beacon.network.chain_hash]


def chain_router(beacon: LocalBeacon) -> Router:
    """The beacon under its chain hash, as drand's relays serve several."""
    path = f"/beacon/{beacon.network.chain_hash}"
    return Router(path, route_handlers=_ROUNDS, include_in_schema=False, opt=UNGATED)


_ROUNDS: list[Any] = [read_info, read_latest, read_round]

covers_router = Router("/api/v1", route_handlers=[list_covers, read_covers])
log_router = Router(
    "/log", route_handlers=[read_checkpoint, read_witnessed, read_vkey, read_tile], opt=UNGATED
)
beacon_router = Router("/beacon", route_handlers=[list_chains, *_ROUNDS], opt=UNGATED)
