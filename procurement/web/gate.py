"""How much of the site is read at a time: so much reading never keeps a bid from coming in."""

import asyncio

from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from procurement.reception import Pushback

READERS, QUEUE = 8, 128
"""Of one process: answers that are made at a time, and requests that wait for their turn."""
UNGATED = {"ungated": True}
"""For the `opt` of a route that bidders, witnesses or verifiers need in a rush, or that costs nothing."""
ALONE = {"alone": True}
"""For the `opt` of a route whose answer takes so much that they are made one after the other."""


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
        self._alone = Turnstile(1, queue)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        opt = scope["route_handler"].opt
        if scope.get("method") not in ("GET", "HEAD") or opt.get("ungated"):
            await next_app(scope, receive, send)
        elif opt.get("alone"):
            await self._through([self._alone, self._reading], scope, receive, send, next_app)
        else:
            await self._through([self._reading], scope, receive, send, next_app)

    async def _through(
        self, turnstiles: list[Turnstile], scope: Scope, receive: Receive, send: Send, next_app: ASGIApp
    ) -> None:
        passed: list[Turnstile] = []

        def leave() -> None:
            while passed:
                passed.pop().leave()

        async def leave_and_send(message: Message) -> None:
            leave()
            await send(message)

        try:
            for each in turnstiles:
                await each.enter()
                passed.append(each)
            await next_app(scope, receive, leave_and_send)
        finally:
            leave()
