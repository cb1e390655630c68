"""Log-in from one's own machine: with a key, without a browser."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from bids.client import Service, ServiceError, parse
from crypto.certificates import SigningKey
from crypto.encoding import moment
from crypto.statements import sign
from procurement.login.answers import GivenChallenge, GivenCode
from procurement.login.statements import LogIn

COOKIE = "__Host-openseal"
"""The session's cookie: of this very host, over TLS or on this machine."""

_USUAL = {"https": 443, "http": 80}
_SET = re.compile(rf"{COOKIE}=([A-Za-z0-9_-]+);")


def origin_of(url: str) -> str:
    """An address as browsers write its scheme, host and port. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in _USUAL or not parts.hostname:
        raise ValueError("no address of a service")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port not in (None, _USUAL[parts.scheme]) else ""
    return f"{parts.scheme}://{host}{port}"


async def log_in(service: Service, key: SigningKey, origin: str) -> GivenCode:
    """A one-time code for the service at `origin`, which is what its user knows it by and not what it says.

    Raises ServiceError, or VerificationError's kinds.
    """
    given = parse(await service.post("/api/v1/challenges", b""), GivenChallenge)
    time = moment(service.now())
    said = LogIn(signer=key.fingerprint, challenge=given.challenge, origin=origin, time=time)
    return parse(await service.post("/api/v1/log-ins", sign(said, key)), GivenCode)


@asynccontextmanager
async def session(http: httpx.AsyncClient, code: str, origin: str) -> AsyncIterator[None]:
    """A session on that line for as long as the block runs. Raises ServiceError."""
    answer = await http.post("/api/v1/sessions", json={"code": code})
    found = _SET.match(answer.headers.get("Set-Cookie", ""))
    if not answer.is_success or found is None:
        raise ServiceError("not-logged-in", "the service does not take its code", answer.status_code)
    # A cookie jar keeps it back on this machine, where there is no TLS and no need for it.
    headers: Any = {"Cookie": f"{COOKIE}={found[1]}", "Origin": origin}
    http.headers.update(headers)
    try:
        yield
    finally:
        await http.delete("/api/v1/session")
        for name in headers:
            del http.headers[name]
