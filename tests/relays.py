"""Real HTTP relays on loopback that speak drand's API for a local beacon, honestly or not."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import uvicorn

from crypto.beacon import LocalBeacon, info_of, public_round_of
from tests.ports import free_port

Twist = Callable[[str, bytes], Awaitable[bytes | None]]
"""What becomes of an honest answer to a path; None is a 404."""


async def honest(_: str, body: bytes) -> bytes | None:
    return body


class Relay:
    """An ASGI application; `twist` may be changed while it runs, `asked` are the paths so far."""

    def __init__(self, beacon: LocalBeacon, twist: Twist = honest) -> None:
        self.beacon = beacon
        self.twist = twist
        self.asked: list[str] = []
        self.url = ""

    def answer(self, path: str) -> bytes | None:
        match path.strip("/").split("/"):
            case [chain, "info"] if chain == self.beacon.network.chain_hash:
                return msgspec.json.encode(info_of(self.beacon.network))
            case [chain, "public", "latest"] if chain == self.beacon.network.chain_hash:
                now = datetime.now(UTC)
                newest = self.beacon.network.round_at(now) - 1
                return msgspec.json.encode(public_round_of(self.beacon.sign(newest, now)))
            case [chain, "public", number] if chain == self.beacon.network.chain_hash:
                signed = self.beacon.sign(int(number), datetime.now(UTC))
                return msgspec.json.encode(public_round_of(signed))
        return None

    async def __call__(self, scope: Any, _: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        body = self.answer(scope["path"])
        body = body and await self.twist(scope["path"], body)
        await send({"type": "http.response.start", "status": 200 if body else 404, "headers": []})
        await send({"type": "http.response.body", "body": body or b""})


@asynccontextmanager
async def serving(app: Any, port: int = 0) -> AsyncIterator[str]:
    """The address, on loopback, of an ASGI application; at a free port by default."""
    config = uvicorn.Config(
        app, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1, timeout_keep_alive=60
    )
    server = uvicorn.Server(config)
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        bound.listen()
        running = asyncio.create_task(server.serve([bound]))
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@asynccontextmanager
async def listening(relay: Relay) -> AsyncIterator[Relay]:
    """The relay at an address of its own."""
    async with serving(relay) as relay.url:
        yield relay


def dead_address() -> str:
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"
