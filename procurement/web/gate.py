"""How much of the site is read, and written, at a time: none of it keeps a bid from coming in."""

import asyncio

from litestar.exceptions import ClientException
from litestar.middleware import ASGIMiddleware
from litestar.status_codes import HTTP_408_REQUEST_TIMEOUT
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)

from procurement.reception import Pushback

READERS, QUEUE = 2, 128
"""Of one process: answers that are made at a time, and requests that wait for their turn. While one waits for
the database another is made; with more, a bid waits for all of them at each of its steps."""
UNGATED = {"ungated": True}
"""For the `opt` of a route that bidders, witnesses or verifiers need in a rush, or that costs nothing."""
MEASURED = {"measured": True}
"""For the `opt` of a route that sees to it itself how much it takes in at a time."""
MOST_BYTES = 64 * 1024 * 1024  # of all other bodies that are under way in one process
WITHIN = 60.0  # seconds that such a body may take to come


class RequestTimeoutException(ClientException):
    """The client was gone, or too slow."""

    status_code = HTTP_408_REQUEST_TIMEOUT


class Turnstile:
    """Lets so many in at a time, lets so many wait, and turns the others away."""

    def __init__(self, inside: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(inside)
        self._most, self._waiting = waiting, 0

    async def enter(self) -> None:
        """Raises Pushback; to be followed by one `leave` else."""
        if self._waiting >= self._most:
            raise Pushback("busy", "too many read at once: send the same again", 2)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        self._free.release()


class Gate(ASGIMiddleware):
    """In front of whatever is only read. Whoever has an answer made is out once it begins to be sent: how
    slowly somebody takes it is nobody else's loss."""

    def __init__(self, readers: int = READERS, queue: int = QUEUE) -> None:
        self._reading = Turnstile(readers, queue)
        self._bytes = 0
        """Of bodies under way."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        opt = scope["route_handler"].opt
        if scope.get("method") not in ("GET", "HEAD") and not opt.get("measured"):
            await self._taking(scope, receive, send, next_app)
        elif scope.get("method") not in ("GET", "HEAD") or opt.get("ungated"):
            await next_app(scope, receive, send)
        else:
            await self._through(scope, receive, send, next_app)

    async def _taking(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        taken, more, until = 0, True, asyncio.get_running_loop().time() + WITHIN

        async def take() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            nonlocal taken, more
            try:
                async with asyncio.timeout_at(until if more else None):
                    message = await receive()
            except TimeoutError as error:
                raise RequestTimeoutException("the rest of it did not come") from error
            if message["type"] == "http.request":
                more, size = message["more_body"], len(message["body"])
                taken += size
                self._bytes += size
            if self._bytes > MOST_BYTES:
                raise Pushback("busy", "too much is under way: send the same again", 2)
            return message

        try:
            await next_app(scope, take, send)
        finally:
            self._bytes -= taken

    async def _through(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        inside = True

        def leave() -> None:
            nonlocal inside
            if inside:
                self._reading.leave()
            inside = False

        async def leave_and_send(message: Message) -> None:
            leave()
            await send(message)

        await self._reading.enter()
        try:
            await next_app(scope, receive, leave_and_send)
        finally:
            leave()
