"""The embedded witness over HTTP: a process, a key and a memory of its own. It is not independent."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from litestar import Litestar, Request, Response, post
from litestar.datastructures import State

from crypto import durable
from crypto.checkpoint import SigningKey, VerifyingKey
from crypto.witness import REQUEST_LIMIT, WitnessState, add_checkpoint
from procurement.authorities import witness_key


def _now() -> datetime:
    return datetime.now(UTC)


def create_witness(
    log: VerifyingKey, key: SigningKey, folder: Path, now: Callable[[], datetime] = _now
) -> Litestar:
    """The application; what it has seen is in `folder`, durable before any answer leaves."""
    memory = folder / "state.json"
    state = WitnessState.parse(memory.read_bytes()) if memory.exists() else WitnessState()
    one_at_a_time = asyncio.Lock()

    @post("/add-checkpoint", request_max_body_size=REQUEST_LIMIT, status_code=200)
    async def add(request: Request[None, None, State]) -> Response[bytes]:
        nonlocal state
        body = await request.body()
        async with one_at_a_time:
            answer, after = add_checkpoint(state, body, [log], key, now())
            if after != state:
                await asyncio.to_thread(durable.replace, memory, after.encode())
                state = after
        return Response(answer.body, status_code=answer.status, media_type=answer.content_type)

    return Litestar([add], openapi_config=None)


def main(descriptor: int, folder: Path, log: VerifyingKey) -> None:
    """Serve on an inherited socket until told to stop."""
    app = create_witness(log, witness_key(folder), folder)
    config = uvicorn.Config(app, fd=descriptor, log_level="warning", timeout_graceful_shutdown=2)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), VerifyingKey.parse(sys.argv[3]))
