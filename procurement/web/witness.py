"""A witness of logs over HTTP, after C2SP tlog-witness: `add-checkpoint`, for one log or several.

The service's own (a process beside it, which is not independent) and `openseal witness run` are this one.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import uvicorn
from litestar import Litestar, Request, Response, post
from litestar.datastructures import State
from litestar.logging import LoggingConfig

from crypto.checkpoint import VerifyingKey
from crypto.witness import REQUEST_LIMIT, Answer, add_checkpoint
from procurement.folders import locked
from procurement.web.connection import Connection
from procurement.witness import Memory

MOST_AT_ONCE = 64  # connections; each may hold a request of REQUEST_LIMIT bytes

_LOGGING = LoggingConfig(  # what we did not expect; the others are answers, not events
    log_exceptions="always", disable_stack_trace={400, 404, 405, 413}, configure_root_logger=False
)


def _now() -> datetime:
    return datetime.now(UTC)


def create_witness(
    logs: Sequence[VerifyingKey], memory: Memory, now: Callable[[], datetime] = _now
) -> Litestar:
    """The application; what it has seen is durable in `memory` before any answer leaves."""
    one_at_a_time = Lock()  # held by the thread that writes, whatever becomes of who waits for it

    def decide(body: bytes) -> Answer:
        with one_at_a_time:
            answer, after = add_checkpoint(memory.state, body, logs, memory.key, now())
            if after != memory.state:
                memory.keep(after)
            if answer.conflict and (kept := memory.keep_conflict(answer.conflict)):
                kind = "CONFLICT" if answer.conflict.proves else "note"
                _tell(f"{kind}: {answer.conflict}; kept as {kept}")
        return answer

    @post("/add-checkpoint", request_max_body_size=REQUEST_LIMIT, status_code=200)
    async def add(request: Request[None, None, State]) -> Response[bytes]:
        try:
            answer = await asyncio.to_thread(decide, await request.body())
        except OSError as error:
            _tell(f"nothing is co-signed that cannot be kept: {error}")
            answer = Answer(status=503)
        # The specification has no charset there, which a media type of ours would be given.
        return Response(answer.body, status_code=answer.status, headers={"content-type": answer.content_type})

    return Litestar([add], openapi_config=None, logging_config=_LOGGING)


def _tell(line: str) -> None:
    sys.stderr.write(f"witness: {line}\n")
    sys.stderr.flush()


def serve(listening: socket.socket, folder: Path, logs: Sequence[VerifyingKey]) -> None:
    """Until told to stop. Raises FolderError where another one is at work in `folder`, or it is not a
    witness's; OSError."""
    with locked(folder):
        app = create_witness(logs, Memory(folder))
        config = uvicorn.Config(
            app,
            log_level="warning",
            timeout_graceful_shutdown=2,
            server_header=False,
            limit_concurrency=MOST_AT_ONCE,
            http=Connection,
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    descriptor, where, vkey = sys.argv[1:]
    with socket.socket(fileno=int(descriptor)) as inherited:
        serve(inherited, Path(where), [VerifyingKey.parse(vkey)])
