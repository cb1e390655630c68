"""The application: interface, log, beacon and pages over one procedure."""

from pathlib import Path

from litestar import Litestar, get
from litestar.config.compression import CompressionConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.di import NamedDependency, Provide
from litestar.logging import LoggingConfig
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.static_files import create_static_files_router
from litestar.template.config import TemplateConfig
from litestar.types import Message, Scope
from obstore.store import ObjectStore

from crypto.beacon import LocalBeacon
from procurement.authorities import Authorities
from procurement.procedure import Procedure
from procurement.web import api, log, pages
from procurement.web.problems import HANDLERS

HERE = Path(__file__).parent
CONTENT_SECURITY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'"


def create_app(
    procedure: Procedure, authorities: Authorities, beacon: LocalBeacon, objects: ObjectStore
) -> Litestar:
    """Everything that the service answers over HTTP."""
    given = {
        "procedure": procedure,
        "authorities": authorities,
        "beacon": beacon,
        "objects": objects,
    }
    return Litestar(
        route_handlers=[
            health,
            api.router,
            log.log_router,
            log.beacon_router,
            log.chain_router(beacon),
            pages.router,
            create_static_files_router(path="/static", directories=[HERE / "static"]),
        ],
        dependencies={name: _always(value) for name, value in given.items()},
        template_config=TemplateConfig(directory=HERE / "templates", engine=JinjaTemplateEngine),
        before_send=[_headers],
        exception_handlers=HANDLERS,
        openapi_config=_openapi(),
        logging_config=_logging(),
        compression_config=CompressionConfig(backend="gzip", minimum_size=1000),
    )


@get("/health", tags=["service"])
async def health(procedure: NamedDependency[Procedure]) -> dict[str, str]:
    """Whether the service and its database answer."""
    await procedure.pool.fetchval("SELECT 1")
    return {"status": "ok"}


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
        path="/api",
        description="Sealed bids, kept and checkable. Every write is a signed DSSE statement.",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
    )


async def _headers(message: Message, _: Scope) -> None:
    """Nothing of ours is ever loaded from elsewhere, framed, or sniffed; errors included."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        headers.setdefault("Content-Security-Policy", CONTENT_SECURITY)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "no-referrer")
