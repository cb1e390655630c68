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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvicorn
from obstore.store import LocalStore

from crypto import selftest
from crypto.beacon import LocalBeacon
from crypto.checkpoint import SigningKey
from crypto.encoding import encode
from crypto.log import HttpWitness, Log, Sequencer
from procurement import database, store
from procurement.authorities import Authorities, local_beacon, log_key, witness_key
from procurement.embedded import die_with_parent, exclusive
from procurement.procedure import Procedure
from procurement.settings import Settings
from procurement.web.app import create_app
from procurement.worker import Worker

Clock = Callable[[], datetime]
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
    """Run until SIGINT or SIGTERM. Raises SelfTestFailed, EmbeddedPostgresError, MigrationError, OSError."""
    selftest.run()
    settings = Settings.load(os.environ, data_dir)
    with _listen(host, port) as listening, database.server(settings) as dsn:
        house = House.below(settings.data_dir)
        # A database from elsewhere does not keep two services, and two witnesses, off one folder.
        with exclusive(house.keys), witness_process(house, log_key(house.keys)) as url:
            asyncio.run(_serve(settings, house, dsn, url, listening))


async def _serve(settings: Settings, house: House, dsn: str, witness: str, listening: socket.socket) -> None:
    await database.migrate(dsn)
    beacon = local_beacon(house.keys, settings.beacon_period)
    async with working(house, dsn, witness, beacon, _now) as app:
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=GRACE, server_header=False
        )
        await Server(config).serve([listening])


@asynccontextmanager
async def working(
    house: House, dsn: str, witness_url: str, beacon: LocalBeacon, now: Clock
) -> AsyncIterator[Application]:
    """The application with its sequencer and worker at work behind it, on a migrated database."""
    signing, witness = log_key(house.keys), witness_key(house.witness).verifier
    authorities = Authorities(house.keys)
    trust = authorities.trust(signing.verifier, witness, beacon.network)
    house.trust.write_bytes(encode(trust))
    objects = LocalStore(house.objects)
    async with (
        await database.connect(dsn) as pool,
        await database.connect(dsn, most=4) as log_pool,
        httpx.AsyncClient() as client,
    ):
        key = authorities.service_key(house.keys)
        await store.add_certificate(pool, key.certificate)
        log = Log(log_pool)
        sequencer = Sequencer(
            log,
            objects,
            key=signing,
            head_file=house.head,
            now=now,
            witnesses=[HttpWitness(witness_url, witness, client)],
            quorum=trust.witnesses.quorum,
        )

        async def sign_round(round: int) -> bytes:
            return beacon.sign(round, now()).signature

        procedure = Procedure(
            pool,
            log,
            key=key,
            trust=trust,
            beacon=sign_round,
            now=now,
            entropy=secrets.token_bytes,
        )
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sequencer.run(stop))
            tasks.create_task(Worker(procedure).run(stop))
            try:
                yield create_app(procedure, authorities, beacon, objects)
            finally:
                stop.set()
                log.appended.set()


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
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
        yield listening


def _now() -> datetime:
    return datetime.now(UTC)
