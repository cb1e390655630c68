"""Connections over HTTP, of which nobody holds one, or memory, by beginning a request and never coming to its
point."""

import asyncio
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
        self._overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_head()
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
        self._have_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._pointless = 0
        super().on_body(body)

    def _await_head(self) -> None:
        self._have_head()
        self._overdue = self.loop.call_later(HEAD_WITHIN, self.transport.close)

    def _have_head(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
