"""A whole service in the test's own loop, on a database and a data folder of its own, over real HTTP
messages; its witness is a process of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from obstore.store import LocalStore

from procurement.authorities import WITNESS_NAME, local_beacon, log_key
from procurement.clocks import USUAL_SPREAD, Spread
from procurement.sandbox.offer import Pace
from procurement.service import House, embedded_witness, witness_process, working
from procurement.settings import Stamping, Witnesses
from procurement.timekeeping import Clock
from procurement.web.witness import create_witness
from procurement.witness import Memory, settle
from tests.conftest import fresh_database
from tests.flows.people import SkippingClock, Town
from tests.logcheck import verify_from_tiles
from tests.relays import serving

ORIGIN = "http://localhost"


@pytest.fixture
async def house(open_folder: Path) -> House:
    """The service's folders."""
    return House.below(open_folder)


@pytest.fixture
async def http(dsn: str, house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running service. Afterwards the whole log is verified from its tiles alone."""
    async with running(dsn, house) as client:
        yield client


@pytest.fixture(scope="module")
async def town(
    postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Town]:
    """The people around one running service, which all tests of a module share. Where the module says that it
    `SKIPS`, nobody waits there for deadlines and rounds."""
    clock = SkippingClock() if getattr(request.module, "SKIPS", False) else None
    async with a_town(postgres, migrated, tmp_path_factory.mktemp("town"), clock=clock) as town:
        yield town


@asynccontextmanager
async def a_town(
    postgres: str, migrated: str, folder: Path, pace: Pace | None = None, clock: Clock | None = None
) -> AsyncIterator[Town]:
    """The people around a service on a database of its own, with a practice ground where it has a pace."""
    house = House.below(folder)
    async with (
        fresh_database(postgres, f"town_{uuid4().hex}", migrated) as dsn,
        running(dsn, house, pace=pace, clock=clock) as client,
    ):
        yield await Town.settle(client, house, dsn, clock)


@asynccontextmanager
async def running(
    dsn: str,
    house: House,
    origin: str = ORIGIN,
    spread: Spread = USUAL_SPREAD,
    pace: Pace | None = None,
    clock: Clock | None = None,
    stamping: Stamping | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A service with its witness, and a practice ground where it has a pace. By another clock than this
    machine's the witness goes, too."""
    async with AsyncExitStack() as stack:
        if clock:
            settle(house.witness, WITNESS_NAME)
            witness = create_witness([log_key(house.keys).verifier], Memory(house.witness), clock.now)
            url = await stack.enter_async_context(serving(witness))
        else:
            url = stack.enter_context(witness_process(house, log_key(house.keys)))
        own = embedded_witness(house, url)
        yield await stack.enter_async_context(
            running_under(own, dsn, house, origin, spread, pace, clock, stamping)
        )


@asynccontextmanager
async def running_with(witness: str, dsn: str, house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A service that asks the witness at that address, whether there is one or not."""
    async with running_under(embedded_witness(house, witness), dsn, house) as client:
        yield client


@asynccontextmanager
async def running_under(
    witnesses: Witnesses,
    dsn: str,
    house: House,
    origin: str = ORIGIN,
    spread: Spread = USUAL_SPREAD,
    pace: Pace | None = None,
    clock: Clock | None = None,
    stamping: Stamping | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A service under the eyes of these witnesses, at that address for browsers."""
    beacon = local_beacon(house.keys, 1)
    async with (
        working(
            house,
            dsn,
            witnesses,
            beacon,
            clock or Clock(),
            origin=origin,
            spread=spread,
            pace=pace,
            stamping=stamping,
        ) as app,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://service", timeout=30
        ) as client,
    ):
        yield client
    await verify_from_tiles(LocalStore(house.objects), log_key(house.keys).verifier)
