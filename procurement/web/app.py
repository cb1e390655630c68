"""The application: interface, log, beacon and pages over one procedure."""

import secrets
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Litestar, Response, Router, get
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException
from litestar.logging import LoggingConfig
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.status_codes import HTTP_404_NOT_FOUND
from litestar.template.config import TemplateConfig
from litestar.types import Message, Scope
from obstore.store import ObjectStore

from crypto.beacon import LocalBeacon
from crypto.encoding import Moment, moment
from procurement.bulk.published import Publications
from procurement.bulk.records import Records
from procurement.bulk.store import held_up_since
from procurement.downloads import Downloads
from procurement.handovers import Handovers
from procurement.login.client import COOKIE
from procurement.login.passkeys import Passkeys
from procurement.login.sessions import Sessions
from procurement.opendata.store import standing_since
from procurement.procedure import Procedure
from procurement.reception import Reception
from procurement.registry.office import Office
from procurement.sandbox.ground import Ground
from procurement.uploads import Uploads
from procurement.web import (
    api,
    bidder,
    bidding,
    bids,
    bulk,
    ceremonies,
    desk,
    documents,
    enquiries,
    finding,
    handovers,
    log,
    look,
    opendata,
    practice,
    receipts,
    registry,
    session,
    tender,
    uploads,
)
from procurement.web import live as live_pages
from procurement.web.error_pages import HANDLERS
from procurement.web.gate import UNGATED, Gate
from procurement.web.live import Live

HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; worker-src 'self';"
        b" connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    # Under no-referrer a form's Origin is null, and older browsers say no more than that.
    (b"referrer-policy", b"same-origin"),
]
"""Of every answer that has none of its own."""


def create_app(
    procedure: Procedure,
    office: Office,
    beacon: LocalBeacon | None,
    objects: ObjectStore,
    origin: str,
    *,
    reception: Reception,
    files: Uploads,
    downloads: Downloads,
    records: Records,
    publications: Publications,
    live: Live,
    ground: Ground | None,
) -> Litestar:
    """Everything that the service answers over HTTP; `beacon` is the embedded one and `ground` the practice
    ground, where there is one.

    `origin` is the service's address as browsers write it: log-in is bound to it.
    """
    sessions = Sessions(procedure.pool, procedure.standings, origin, procedure.now, secrets.token_bytes)
    given = {
        "procedure": procedure,
        "office": office,
        "beacon": beacon,
        "objects": objects,
        "reception": reception,
        "uploads": files,
        "downloads": downloads,
        "records": records,
        "publications": publications,
        "pages": opendata.Pages(),
        "live": live,
        "ground": ground,
        "handovers": Handovers(procedure.pool, procedure.now, secrets.token_bytes),
        "sessions": sessions,
        "passkeys": Passkeys(sessions),
        "printer": receipts.Printer(),
    }
    return Litestar(
        middleware=[Gate()],
        route_handlers=[
            health,
            api.router,
            bids.router,
            uploads.router,
            documents.router,
            documents.readings,
            bulk.router,
            bulk.files,
            ceremonies.router,
            practice.router,
            practice.pages,
            registry.router,
            session.router,
            enquiries.router,
            enquiries.readings,
            handovers.router,
            opendata.router,
            opendata.pages,
            desk.readings,
            desk.router,
            log.log_router,
            log.covers_router,
            *([log.beacon_router, log.chain_router(beacon)] if beacon else []),
            finding.router,
            receipts.router,
            tender.router,
            live_pages.router,
            bidder.router,
            bidding.router,
            look.router,
        ],
        dependencies={name: _always(value) for name, value in given.items()}
        | {"visitor": Provide(session.who)},
        state=State({"sessions": sessions}),
        template_config=TemplateConfig(instance=JinjaTemplateEngine.from_environment(look.environment())),
        before_send=[_headers, look.remember_language],
        exception_handlers=HANDLERS,
        openapi_config=_openapi(),
        logging_config=_logging(),
        compression_config=CompressionConfig(
            backend="gzip", minimum_size=1000, exclude_opt_key="uncompressed"
        ),
    )


LATE = timedelta(minutes=5)
"""Behind the log, after which releases and award records are in trouble, whatever holds them up: usual are
seconds."""


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The state of the service. `troubles`, each with the time since when: the log is not `sequenced`, not
    `witnessed`, or `behind`, or its `clock` went back; open data is not `released` any further, since a
    tender's releases cannot be made, or is minutes behind the log; the list of award `records` has waited
    for the record of an award of that time for over five minutes. `clock_in_doubt` says why nothing is
    closed or refused as late."""

    status: str
    beacon_silent_since: Moment | None = None
    clock_in_doubt: str | None = None
    troubles: dict[str, Moment] = {}


@get("/health", tags=["service"], responses=api.PROBLEMS, opt=UNGATED)
async def health(procedure: NamedDependency[Procedure]) -> Health:
    """Whether the service and its database answer, since when the beacon does not (openings wait), and what
    is wrong meanwhile."""
    found = await procedure.log.troubles()
    now = procedure.now()
    if stands := await standing_since(procedure.pool, now - LATE):
        found["released"] = stands
    award = await held_up_since(procedure.pool)
    if award and award < now - LATE:
        found["records"] = award
    troubles = {what: moment(since) for what, since in found.items()}
    silent, doubt = procedure.beacon.silent_since, procedure.watch.trouble
    return Health(
        status="troubled" if troubles or doubt else "ok",
        beacon_silent_since=moment(silent) if silent else None,
        clock_in_doubt=doubt,
        troubles=troubles,
    )


def _always(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


def _logging() -> LoggingConfig:
    """Errors we did not expect are logged by their handler; the others are answers, not events."""
    quiet = {name: {"level": "WARNING"} for name in ("httpx", "httpcore")}
    return LoggingConfig(log_exceptions="never", loggers=quiet)


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Openseal",
        version="1",
        openapi_router=Router("/api", route_handlers=[], include_in_schema=False, after_request=_no_page),
        description="Sealed bids, kept and checkable. Every write is a signed DSSE statement.",
        components=Components(
            security_schemes={
                "session": SecurityScheme(type="apiKey", name=COOKIE, security_scheme_in="cookie")
            }
        ),
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
    )


async def _no_page(response: Response[Any]) -> Response[Any]:
    """Litestar answers with a page of its own where the interface's folder has nothing."""
    if response.status_code == HTTP_404_NOT_FOUND:
        raise NotFoundException("nothing is here")
    return response


async def _headers(message: Message, _: Scope) -> None:
    """Nothing of ours is ever loaded from elsewhere, framed, or sniffed; errors included."""
    if message["type"] == "http.response.start":
        there = {name for name, _ in message["headers"]}
        message["headers"] = [*message["headers"], *(each for each in HEADERS if each[0] not in there)]
