"""One machine's service, started and stopped together.

    supervisor ─┬─ PostgreSQL, witness   (those of our own)
                ├─ openseal-back × 2     (one leads: it signs the log and does what is due; the other waits)
                └─ openseal-web × N      (all on one socket)

`working` is the same in one process, without the supervisor.
"""

import asyncio
import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvicorn
import uvloop
from obstore.store import LocalStore, ObjectStore

from bids.covers import Covers
from bids.uploads import Depot
from crypto import selftest
from crypto.beacon import LocalBeacon, Network
from crypto.certificates import SigningKey
from crypto.checkpoint import SigningKey as CheckpointKey
from crypto.checkpoint import VerifyingKey
from crypto.encoding import decode, encode
from crypto.errors import MalformedError
from crypto.log import HttpWitness, Log, Sequencer
from crypto.relays import LocalRounds, Relays, find_network
from crypto.trust import Trust
from procurement import database
from procurement.authorities import Authorities, local_beacon, log_key, witness_key
from procurement.bulk.maker import Setting
from procurement.bulk.maker import opened as documents_of
from procurement.bulk.published import Publications
from procurement.bulk.publisher import DataPublisher
from procurement.bulk.records import Records
from procurement.clocks import USUAL_SPREAD, Spread
from procurement.downloads import Downloads
from procurement.embedded import EmbeddedPostgres, die_with_parent, exclusive
from procurement.files import Files
from procurement.opendata.publisher import Publisher
from procurement.outages import Heartbeat
from procurement.procedure import Procedure
from procurement.reception import Reception
from procurement.registry import store as registry
from procurement.registry.invitation import Invitation
from procurement.registry.office import Office, invite_first
from procurement.registry.practice import PracticeRegistrar
from procurement.registry.standings import Standings
from procurement.sandbox.ground import Ground
from procurement.sandbox.keeper import Keeper
from procurement.sandbox.offer import Pace
from procurement.sandbox.people import ROLES, Casts, settle
from procurement.settings import PublicBeacon, Settings, Witnesses
from procurement.supervision import Forked, Supervisor, run, until_told
from procurement.timekeeping import Clock, Sight, Watch, sights
from procurement.uploads import Uploads
from procurement.web.app import create_app
from procurement.web.connection import Connection
from procurement.web.live import Live
from procurement.web.look import RELEASED
from procurement.worker import Worker

Application = Any
"""An ASGI application."""

GRACE = 5  # seconds that requests under way are given at the end


class House(NamedTuple):
    """Where a one-machine set-up keeps its things, below the data folder."""

    keys: Path
    witness: Path
    objects: Path
    documents: str
    """Sealed files: a folder's path, or the address of a bucket (`s3://`)."""
    head: Path
    spool: Path
    """Where files of open data are put together."""
    trust: Path
    invitation: Invitation

    @classmethod
    def below(cls, data_dir: Path, documents: str = "") -> "House":
        """The folders, made where they are missing; keys are for the owner's eyes. `documents` is the address
        of the bucket, where sealed files are kept in one."""
        data_dir.mkdir(parents=True, exist_ok=True)
        for name in ("keys", "witness", *([] if documents else ["documents"])):
            (data_dir / name).mkdir(mode=0o700, exist_ok=True)
        (data_dir / "log").mkdir(exist_ok=True)
        return cls(
            keys=data_dir / "keys",
            witness=data_dir / "witness",
            objects=data_dir / "log",
            documents=documents or str(data_dir / "documents"),
            head=data_dir / "log-head.json",
            spool=data_dir / "spool",
            trust=data_dir / "trust.json",
            invitation=Invitation(data_dir / "keys" / "invitation"),
        )


class Server(uvicorn.Server):
    """uvicorn, but a signal only ends `serve`: uvicorn's own way kills the process before anything that
    was started with it is stopped. `let_go` ends the answers that have no end of their own."""

    def __init__(self, config: uvicorn.Config, let_go: Callable[[], None]) -> None:
        super().__init__(config)
        self._let_go = let_go

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._let_go()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.handle_exit, number, None)
        yield


class Practice(NamedTuple):
    """Who holds the practice ground, and how fast its tenders live."""

    casts: Casts
    pace: Pace


class Charter(NamedTuple):
    """What every process of the service is given: made once, before the first of them starts."""

    house: House
    dsn: str
    witnesses: Witnesses
    beacon: LocalBeacon | PublicBeacon
    clock: Clock
    origin: str
    authorities: Authorities
    trust: Trust
    key: SigningKey
    since: tuple[Sight, ...]
    """The clocks at the start, by which every process watches them."""
    covers: int
    """Commitments to nothing per hour."""
    spread: Spread
    """How many deadlines may fall together."""
    practice: Practice | None
    """None where there is no practice ground."""


class Staff(NamedTuple):
    """What one process works with."""

    client: httpx.AsyncClient
    log: Log
    objects: ObjectStore
    office: Office
    procedure: Procedure
    reception: Reception
    uploads: Uploads
    downloads: Downloads
    records: Records
    publications: Publications
    data: DataPublisher
    live: Live
    ground: Ground | None


def serve(port: int, data_dir: Path | None = None, host: str = "127.0.0.1", workers: int = 2) -> None:
    """Run until SIGINT or SIGTERM, with `workers` processes that answer requests.

    Raises SettingsError, SelfTestFailed, EmbeddedPostgresError, MigrationError, FailedError, OSError, and
    BeaconUnavailable where the set network is not known here yet and no relay describes it.
    """
    selftest.run()
    settings = Settings.load(os.environ, data_dir)
    _open_many_files()
    supervisor = Supervisor()

    def look_after(postgres: EmbeddedPostgres) -> None:
        supervisor.keep("PostgreSQL", postgres.restart, running=postgres)

    with (
        until_told() as told,
        _listen(host, port) as listening,
        database.server(settings, look_after) as dsn,
        supervisor,
    ):
        house = House.below(settings.data_dir, settings.documents)
        # A database from elsewhere does not keep two services, and two witnesses, off one folder.
        with exclusive(house.keys), _witnesses(settings, house, supervisor) as witnesses:
            charter = run(partial(_begin, settings, house, dsn, witnesses, listening))
            for name, live, number in (("openseal-back", _lead, 2), ("openseal-web", _answer, workers)):
                supervisor.keep(name, partial(Forked, name, partial(live, charter, listening)), number=number)
            supervisor.watch(told)


def _open_many_files() -> None:
    """As many as the system lets us: each connection is one, and 1024 is the usual number."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _witnesses(settings: Settings, house: House, supervisor: Supervisor) -> Iterator[Witnesses]:
    """Those that are set, or one of our own."""
    if settings.witnesses:
        yield settings.witnesses
        return
    with _listen("127.0.0.1", 0) as listening:
        log = log_key(house.keys).verifier
        supervisor.keep("witness", partial(_start_witness, house, log, listening))
        yield embedded_witness(house, _url(listening))


def embedded_witness(house: House, url: str) -> Witnesses:
    """The one whose key is in the house, at its address."""
    return Witnesses(quorum=1, urls={witness_key(house.witness).verifier.encode(): url}, own=True)


async def _begin(
    settings: Settings, house: House, dsn: str, witnesses: Witnesses, listening: socket.socket
) -> Charter:
    await database.migrate(dsn)
    beacon = settings.beacon or local_beacon(house.keys, settings.beacon_period)
    origin = settings.origin or f"http://localhost:{listening.getsockname()[1]}"
    charter = await prepare(
        house,
        dsn,
        witnesses,
        beacon,
        Clock(),
        settings.roots,
        origin,
        settings.covers,
        settings.spread,
        Pace() if settings.practice else None,
    )
    await _invite_first(dsn, house.invitation)
    return charter


async def _invite_first(dsn: str, invitation: Invitation) -> None:
    async with await database.connect(dsn, most=1) as pool:
        code = await invite_first(pool, invitation)
    if code:
        sys.stdout.write(f"The first registrar is let in once by this code, for openseal enrol: {code}\n")
        sys.stdout.flush()


def _answer(charter: Charter, listening: socket.socket) -> None:
    """A web worker's whole life."""

    async def answer() -> None:
        async with _staff(charter) as staff, _at_the_door(staff):
            config = uvicorn.Config(
                _application(charter, staff),
                log_level="warning",
                timeout_graceful_shutdown=GRACE,
                server_header=False,
                proxy_headers=False,  # the peer's address is what the peer cannot choose
                http=Connection,
            )
            await Server(config, staff.live.end).serve([listening])

    uvloop.run(answer())


def _lead(charter: Charter, listening: socket.socket) -> None:
    """The whole life of a process that sequences and does what is due, or waits to do so."""
    listening.close()

    async def lead() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with _staff(charter) as staff, _at_work(charter, staff):
            await stop.wait()

    uvloop.run(lead())


@asynccontextmanager
async def working(
    house: House,
    dsn: str,
    witnesses: Witnesses,
    beacon: LocalBeacon | PublicBeacon,
    clock: Clock,
    roots: Path | None = None,
    origin: str = "http://localhost",
    covers: int = 0,
    spread: Spread = USUAL_SPREAD,
    pace: Pace | None = None,
) -> AsyncIterator[Application]:
    """The application with its sequencer and worker behind it in the same process, on a migrated database.

    `roots` is the folder with those of authorities elsewhere, `origin` the service's address as browsers
    write it, `covers` how many commitments to nothing there are per hour, `spread` how many deadlines may
    fall together, `pace` how fast practice tenders live, if there are any.
    Raises SettingsError and BeaconUnavailable.
    """
    charter = await prepare(house, dsn, witnesses, beacon, clock, roots, origin, covers, spread, pace)
    async with _staff(charter) as staff, _at_the_door(staff), _at_work(charter, staff):
        yield _application(charter, staff)


async def prepare(
    house: House,
    dsn: str,
    witnesses: Witnesses,
    beacon: LocalBeacon | PublicBeacon,
    clock: Clock,
    roots: Path | None,
    origin: str,
    covers: int,
    spread: Spread,
    pace: Pace | None,
) -> Charter:
    """What is done once, on a migrated database: keys, certificate, certificate status, the trust file, and
    lines of tenders that lists lack.

    Raises SettingsError and BeaconUnavailable.
    """
    authorities = Authorities(house.keys, roots)
    others = isinstance(beacon, PublicBeacon) and not witnesses.own
    network = await _network(house, beacon)
    trust = authorities.trust(log_key(house.keys).verifier, witnesses.policy, network, others)
    house.trust.write_bytes(encode(trust))
    key = authorities.service_key(house.keys, clock.now())
    async with await database.connect(dsn, most=1) as pool:
        since = await sights(clock, pool)
    charter = Charter(
        house, dsn, witnesses, beacon, clock, origin, authorities, trust, key, since, covers, spread, None
    )
    async with _staff(charter) as staff:
        await registry.add_certificate(staff.procedure.pool, key.certificate)
        await staff.office.refresh()
        await staff.procedure.relist()
        if pace is None or not authorities.embeds(*ROLES):
            return charter
        casts = await settle(staff.office, house.keys / "practice", clock.now(), secrets.token_bytes)
    return charter._replace(practice=Practice(casts, pace))


async def _network(house: House, beacon: LocalBeacon | PublicBeacon) -> Network:
    """One that was in the last trust file needs no relay to be described again."""
    if isinstance(beacon, LocalBeacon):
        return beacon.network
    try:
        known = decode(house.trust.read_bytes(), Trust).networks
    except (FileNotFoundError, MalformedError):
        known = ()
    async with httpx.AsyncClient() as client:
        return await find_network(beacon.chain, beacon.relays, client, known)


@asynccontextmanager
async def _staff(charter: Charter) -> AsyncIterator[Staff]:
    house, clock, practice = charter.house, charter.clock, charter.practice
    async with (
        await database.connect(charter.dsn) as pool,
        await database.connect(charter.dsn, most=4, settings=database.BY_KEY) as log_pool,
        await database.connect(charter.dsn, most=6, settings=database.BY_KEY) as intake_pool,
        httpx.AsyncClient() as client,
        asyncio.TaskGroup() as tasks,
    ):
        log = Log(log_pool)
        standings = Standings(charter.authorities.roots)
        office = Office(
            pool,
            log,
            authorities=charter.authorities,
            standings=standings,
            invitation=house.invitation,
            now=clock.now,
            practice=practice and _registrar(practice),
        )
        rounds = _rounds(charter, client)
        others = [] if charter.witnesses.own else charter.trust.witnesses.witnesses
        watch = Watch(clock, charter.since, beacon=rounds, witnesses=others)
        await database.answers(pool)  # it may have died before this process, or with it
        await watch.look(pool)
        depot = Depot(pool, documents_of(house.documents), secrets.token_bytes)
        procedure = Procedure(
            pool,
            log,
            key=charter.key,
            trust=charter.trust,
            standings=standings,
            beacon=rounds,
            clock=clock,
            watch=watch,
            spread=charter.spread,
            files=Files(depot, secrets.token_bytes),
        )
        reception = Reception(procedure, intake_pool, watch=watch, entropy=secrets.token_bytes)
        downloads = Downloads(procedure, depot)
        ground = practice and Ground(procedure, *practice, secrets.token_bytes)
        uploads = Uploads(procedure, depot, watch.check, secrets.token_bytes)
        stop = asyncio.Event()
        tasks.create_task(watch.run(pool, stop))
        if isinstance(rounds, Relays):
            tasks.create_task(rounds.watch(stop))
        try:
            objects = LocalStore(house.objects)
            yield Staff(
                client,
                log,
                objects,
                office,
                procedure,
                reception,
                uploads,
                downloads,
                Records(procedure, depot),
                Publications(pool, depot, log),
                DataPublisher(procedure, depot, _making(charter)),
                Live(procedure),
                ground,
            )
        finally:
            stop.set()


def _registrar(practice: Practice) -> PracticeRegistrar:
    return PracticeRegistrar(practice.casts.now.registrar.key, practice.pace.newcomers)


def _making(charter: Charter) -> Setting:
    """What the process is told that makes files of open data."""
    house = charter.house
    return Setting(dsn=charter.dsn, documents=house.documents, spool=str(house.spool))


def _rounds(charter: Charter, client: httpx.AsyncClient) -> LocalRounds | Relays:
    beacon, now = charter.beacon, charter.clock.now
    if isinstance(beacon, LocalBeacon):
        return LocalRounds(beacon, now)
    [network] = charter.trust.networks
    return Relays(network, beacon.relays, client, now)


def _application(charter: Charter, staff: Staff) -> Application:
    embedded = charter.beacon if isinstance(charter.beacon, LocalBeacon) else None
    return create_app(
        staff.procedure,
        staff.office,
        embedded,
        staff.objects,
        charter.origin,
        reception=staff.reception,
        files=staff.uploads,
        downloads=staff.downloads,
        records=staff.records,
        publications=staff.publications,
        live=staff.live,
        ground=staff.ground,
    )


@asynccontextmanager
async def _at_the_door(staff: Staff) -> AsyncIterator[None]:
    """Bids are taken, it is kept in the ledger that they are, and who watches is told what happens."""
    stop = asyncio.Event()
    heartbeat = Heartbeat(staff.reception)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(heartbeat.run(stop))
        tasks.create_task(staff.live.run(stop))
        try:
            yield
        finally:
            stop.set()


@asynccontextmanager
async def _at_work(charter: Charter, staff: Staff) -> AsyncIterator[None]:
    """The sequencer, the worker and the publisher of open data, while no other process leads."""
    witnesses = [
        HttpWitness(url, VerifyingKey.parse(vkey), staff.client)
        for vkey, url in charter.witnesses.urls.items()
    ]
    sequencer = Sequencer(
        staff.log,
        staff.objects,
        key=log_key(charter.house.keys),
        head_file=charter.house.head,
        now=staff.procedure.watch.steady,
        witnesses=witnesses,
        quorum=charter.witnesses.quorum,
    )
    procedure = staff.procedure
    covers = Covers(
        procedure.pool,
        staff.log,
        key=charter.key,
        at=charter.clock.at,
        settled=procedure.settled,
        per_hour=charter.covers,
        entropy=secrets.token_bytes,
    )
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(covers.run(stop, sequencer.leading))
        tasks.create_task(sequencer.run(stop))
        worker = Worker(procedure, staff.office, staff.uploads, sequencer.leading, encode(RELEASED))
        tasks.create_task(worker.run(stop))
        tasks.create_task(staff.records.run(stop, sequencer.leading))
        tasks.create_task(staff.data.run(stop, sequencer.leading))
        tasks.create_task(Publisher(procedure).run(stop, sequencer.leading))
        if staff.ground:
            tasks.create_task(_keep(charter, staff, staff.ground, sequencer.leading, stop))
        try:
            yield
        finally:
            stop.set()
            staff.log.appended.set()


async def _keep(
    charter: Charter, staff: Staff, ground: Ground, leading: asyncio.Event, stop: asyncio.Event
) -> None:
    """The practice ground's people have no way into the service but everybody's."""
    relays = charter.beacon.relays if isinstance(charter.beacon, PublicBeacon) else ()
    transport = httpx.ASGITransport(_application(charter, staff))
    async with httpx.AsyncClient(transport=transport, base_url="http://practice", timeout=30) as http:
        await Keeper(ground, http, relays, leading).run(stop)


@contextmanager
def witness_process(house: House, log: CheckpointKey) -> Iterator[str]:
    """The embedded witness, a process of its own that ends with this one; gives its address."""
    with _listen("127.0.0.1", 0) as listening:
        process = _start_witness(house, log.verifier, listening)
        url = _url(listening)
    try:
        yield url
    finally:
        process.terminate()
        process.wait()


def _start_witness(house: House, log: VerifyingKey, listening: socket.socket) -> "subprocess.Popen[bytes]":
    witness_key(house.witness)  # made before its process could make another one at the same time
    command = [sys.executable, "-m", "procurement.web.witness"]
    return subprocess.Popen(
        [*command, str(listening.fileno()), str(house.witness), log.encode()],
        pass_fds=[listening.fileno()],
        start_new_session=True,  # Ctrl-C is for the service, which stops the witness late
        preexec_fn=die_with_parent(),
    )


def _url(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once (TCP_NODELAY) only where the socket says that it is TCP.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise OSError(f"cannot listen on {host} port {port}: {error.strerror}") from error
        listening.listen(1024)
        yield listening
