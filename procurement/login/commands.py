"""The command `openseal login`, at a person's own machine."""

from pathlib import Path

import httpx

from bids.client import Service
from crypto.certificates import SigningKey
from procurement.login.client import log_in
from procurement.login.terminal import at
from procurement.registry.terminal import say, warn


def login(file: Path, /, *, service: str | None = None) -> int:
    """Print a one-time code to log in with at the service's page; it is good for two minutes.

    Parameters
    ----------
    file
        The file that `openseal enrol` made.
    service
        The service's address, as your browser shows it; by default the one in the file. The code is of no use
        at another one.
    """

    async def work(_: httpx.AsyncClient, line: Service, key: SigningKey, origin: str) -> None:
        given = await log_in(line, key, origin)
        name = key.certificate.name
        warn(f"{name} logs in at {origin}/login until {given.expires} by this code:")
        say(given.code)

    return at(file, service, work)
