"""One machine's service: database, witness, sequencer, worker and web, started and stopped together."""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvicorn
from obstore.store import LocalStore

from crypto import selftest
from crypto.beacon import LocalBeacon
from crypto.checkpoint import SigningKey, VerifyingKey
from crypto.encoding import decode, encode
from crypto.errors import MalformedError
from crypto.log import HttpWitness, Log, Sequencer
from crypto.relays import LocalRounds, Relays, find_network
from crypto.trust import Trust
from procurement import database
from procurement.authorities import Authorities, local_beacon, log_key, witness_key
from procurement.embedded import die_with_parent, exclusive
from procurement.procedure import Procedure
from procurement.registry import store as registry
from procurement.registry.invitation import Invitation
from procurement.registry.office import Office, invite_first
from procurement.registry.standings import Standings
from procurement.settings import PublicBeacon, Settings, Witnesses
from procurement.timekeeping import Clock
from procurement.web.app import create_app
from procurement.worker import Worker

Application = Any
"""An ASGI application."""

GRACE = 5  # seconds that requests under way are given at the end


class House(NamedTuple):
    """Where a one-machine set-up keeps its things, below the data folder."""

    keys: Path
    witness: Path
    objects: Path
    head: Path
    trust: Path
    invitation: Invitation

    @classmethod
    def below(cls, data_dir: Path) -> "House":
        """The folders, made where they are missing; keys are for the owner's eyes."""
        data_dir.mkdir(parents=True, exist_ok=True)
        for name in ("keys", "witness"):
            (data_dir / name).mkdir(mode=0o700, exist_ok=True)
        (data_dir / "log").mkdir(exist_ok=True)
        return cls(
            keys=data_dir / "keys",
            witness=data_dir / "witness",
            objects=data_dir / "log",
            head=data_dir / "log-head.json",
            trust=data_dir / "trust.json",
            invitation=Invitation(data_dir / "keys" / "invitation"),
        )


class Server(uvicorn.Server):
    """uvicorn, but a signal only ends `serve`: uvicorn's own way kills the process before anything that
    was started with it is stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.handle_exit, number, None)
        yield


def serve(port: int, data_dir: Path | None = None, host: str = "127.0.0.1") -> None:
    """Run until SIGINT or SIGTERM.

    Raises SettingsError, SelfTestFailed, EmbeddedPostgresError, MigrationError, OSError, and
    BeaconUnavailable where the set network is not known here yet and no relay describes it.
    """
    selftest.run()
    settings = Settings.load(os.environ, data_dir)
    with _listen(host, port) as listening, database.server(settings) as dsn:
        house = House.below(settings.data_dir)
        # A database from elsewhere does not keep two services, and two witnesses, off one folder.
        with exclusive(house.keys), _witnesses(settings, house) as witnesses:
            asyncio.run(_serve(settings, house, dsn, witnesses, listening))


@contextmanager
def _witnesses(settings: Settings, house: House) -> Iterator[Witnesses]:
    """Those that are set, or one of our own."""
    if settings.witnesses:
        yield settings.witnesses
    else:
        with witness_process(house, log_key(house.keys)) as url:
            yield embedded_witness(house, url)


def embedded_witness(house: House, url: str) -> Witnesses:
    """The one whose key is in the house, at its address."""
    return Witnesses(quorum=1, urls={witness_key(house.witness).verifier.encode(): url}, own=True)


async def _serve(
    settings: Settings, house: House, dsn: str, witnesses: Witnesses, listening: socket.socket
) -> None:
    await database.migrate(dsn)
    beacon = settings.beacon or local_beacon(house.keys, settings.beacon_period)
    origin = settings.origin or f"http://localhost:{listening.getsockname()[1]}"
    async with working(house, dsn, witnesses, beacon, Clock(), settings.roots, origin) as app:
        await _invite_first(dsn, house.invitation)
        config = uvicorn.Config(
            app,
            log_level="warning",
            timeout_graceful_shutdown=GRACE,
            server_header=False,
            proxy_headers=False,  # the peer's address is what the peer cannot choose
        )
        await Server(config).serve([listening])


async def _invite_first(dsn: str, invitation: Invitation) -> None:
    async with await database.connect(dsn, most=1) as pool:
        code = await invite_first(pool, invitation)
    if code:
        sys.stdout.write(f"The first registrar is let in once by this code, for openseal enrol: {code}\n")
        sys.stdout.flush()


@asynccontextmanager
async def working(
    house: House,
    dsn: str,
    witnesses: Witnesses,
    beacon: LocalBeacon | PublicBeacon,
    clock: Clock,
    roots: Path | None = None,
    origin: str = "http://localhost",
) -> AsyncIterator[Application]:
    """The application with its sequencer and worker at work behind it, on a migrated database.

    `roots` is the folder with those of authorities elsewhere, `origin` the service's address as browsers
    write it. Raises SettingsError.
    """
    signing = log_key(house.keys)
    authorities = Authorities(house.keys, roots)
    objects = LocalStore(house.objects)
    async with (
        await database.connect(dsn) as pool,
        await database.connect(dsn, most=4) as log_pool,
        httpx.AsyncClient() as client,
    ):
        rounds = await _rounds(house, beacon, client, clock.now)
        others = isinstance(beacon, PublicBeacon) and not witnesses.own
        trust = authorities.trust(signing.verifier, witnesses.policy, rounds.network, others)
        house.trust.write_bytes(encode(trust))
        key = authorities.service_key(house.keys, clock.now())
        await registry.add_certificate(pool, key.certificate)
        log = Log(log_pool)
        standings = Standings(authorities.roots)
        office = Office(
            pool,
            log,
            authorities=authorities,
            standings=standings,
            invitation=house.invitation,
            now=clock.now,
        )
        await office.refresh()
        sequencer = Sequencer(
            log,
            objects,
            key=signing,
            head_file=house.head,
            now=clock.now,
            witnesses=[
                HttpWitness(url, VerifyingKey.parse(vkey), client) for vkey, url in witnesses.urls.items()
            ],
            quorum=witnesses.quorum,
        )

        procedure = Procedure(
            pool,
            log,
            key=key,
            trust=trust,
            standings=standings,
            beacon=rounds,
            clock=clock,
            entropy=secrets.token_bytes,
        )
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sequencer.run(stop))
            tasks.create_task(Worker(procedure, office).run(stop))
            if isinstance(rounds, Relays):
                tasks.create_task(rounds.watch(stop))
            try:
                embedded = beacon if isinstance(beacon, LocalBeacon) else None
                yield create_app(procedure, office, embedded, objects, origin)
            finally:
                stop.set()
                log.appended.set()


async def _rounds(
    house: House, beacon: LocalBeacon | PublicBeacon, client: httpx.AsyncClient, now: Callable[[], datetime]
) -> LocalRounds | Relays:
    """A network that was in the last trust file needs no relay to be described again."""
    if isinstance(beacon, LocalBeacon):
        return LocalRounds(beacon, now)
    try:
        known = decode(house.trust.read_bytes(), Trust).networks
    except (FileNotFoundError, MalformedError):
        known = ()
    network = await find_network(beacon.chain, beacon.relays, client, known)
    return Relays(network, beacon.relays, client, now)


@contextmanager
def witness_process(house: House, log: SigningKey) -> Iterator[str]:
    """The embedded witness, a process of its own that ends with this one; gives its address."""
    with _listen("127.0.0.1", 0) as listening:
        command = [sys.executable, "-m", "procurement.web.witness"]
        process = subprocess.Popen(
            [*command, str(listening.fileno()), str(house.witness), log.verifier.encode()],
            pass_fds=[listening.fileno()],
            start_new_session=True,  # Ctrl-C is for the service, which stops the witness last
            preexec_fn=die_with_parent(),
        )
        port = listening.getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


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
