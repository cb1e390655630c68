"""Connections over HTTP, of which nobody holds one, or memory, by beginning a request and never coming to its
point."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 128 * 1024  # bytes; or of whatever else comes that is no part of a body
HEAD_WITHIN = 20.0  # seconds: from the connection's beginning, or the request's, to the end of its head


class Connection(HttpToolsProtocol):
    """uvicorn's, which would wait for ever for the end of a head, and keep however much came of it."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._pointless = 0
        """Bytes since something came that a request is about: the end of its head, or some of its body."""
        self._head_due: float | None = None
        """When the head is to be there; None while none is awaited."""
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._pointless += len(data)
        super().data_received(data)
        if self._pointless > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._pointless = 0
        self._head_due = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._pointless = 0
        super().on_body(body)

    def _await_head(self) -> None:
        """A timer that is set stays, and looks when its time comes: hardly any head is late."""
        self._head_due = self.loop.time() + HEAD_WITHIN
        if self._look is None:
            self._look = self.loop.call_at(self._head_due, self._look_for_head)

    def _look_for_head(self) -> None:
        self._look = None
        if self._head_due is None:
            return
        if self._head_due <= self.loop.time():
            self.transport.close()
        else:
            self._look = self.loop.call_at(self._head_due, self._look_for_head)


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens. Raises OSError with a line that says where it cannot."""
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
