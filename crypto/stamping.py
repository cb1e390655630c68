"""A time-stamping authority over HTTP (RFC 3161, section 3.4)."""

import asyncio
from collections.abc import Sequence

import httpx
from cryptography import x509

from crypto.errors import StampError
from crypto.stamps import LONGEST_TOKEN, REQUEST_TYPE, Token, request

TIMEOUT = 10.0  # seconds


async def stamp(
    message: bytes, url: str, roots: Sequence[x509.Certificate], client: httpx.AsyncClient
) -> bytes:
    """The token about `message` by the authority at that address, verified under `roots`. Raises
    StampError."""
    try:
        async with asyncio.timeout(TIMEOUT):
            data = await _ask(request(message), url, client)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise StampError(f"the time-stamping authority does not answer: {type(error).__name__}") from error
    Token(data).verify(message, roots)
    return data


async def _ask(query: bytes, url: str, client: httpx.AsyncClient) -> bytes:
    async with client.stream("POST", url, content=query, headers={"content-type": REQUEST_TYPE}) as answer:
        if answer.status_code != 200:
            raise StampError(f"the time-stamping authority answered {answer.status_code}")
        data = b""
        async for chunk in answer.aiter_bytes():
            data += chunk
            if len(data) > LONGEST_TOKEN:
                raise StampError("the time-stamping authority's answer has no end")
    return data
