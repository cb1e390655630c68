"""A line to the service for somebody who logs in from their own machine."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from bids.client import Service
from crypto.certificates import SigningKey
from procurement.console import UNUSABLE, Stop
from procurement.login.client import origin_of
from procurement.registry import terminal
from procurement.registry.safe import Safe

Act = Callable[[httpx.AsyncClient, Service, SigningKey, str], Awaitable[None]]
"""What is done with a connection, the service behind it, the key in the file, and the address's origin."""


def at(file: Path, service: str | None, act: Act) -> int:
    """Do something at that address, by default the one in the file. Raises Stop."""
    holding = terminal.holding(Safe(file, terminal.passphrase()))
    address = service or holding.service
    try:
        origin = origin_of(address)
    except ValueError as error:
        raise Stop(UNUSABLE, f"{address}: {error}") from error

    async def work(http: httpx.AsyncClient) -> None:
        await act(http, Service(http, holding.trust), holding.signing_key, origin)

    terminal.attempt(lambda: terminal.connected(address, work))
    return 0
