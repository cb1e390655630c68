"""Who connects and never says what for, or never stops saying it, costs nobody else anything."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from litestar import Litestar, Request, post

from procurement.web import connection, gate
from procurement.web.connection import LONGEST_HEAD, Connection
from procurement.web.gate import MEASURED, MOST_BYTES, Gate
from procurement.web.problems import HANDLERS
from tests.flows.people import until
from tests.relays import serving

WITHIN = 1.0  # seconds
BEGUN = b"POST / HTTP/1.1\r\nHost: a\r\n"
LINE = b"X-Line: " + b"a" * 1000 + b"\r\n"


async def how_much(
    _: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Answers with the number of bytes in the body."""
    count, more = 0, True
    while more:
        event = await receive()
        count, more = count + len(event.get("body", b"")), event.get("more_body", False)
    said = str(count).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]}
    )
    await send({"type": "http.response.body", "body": said})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(connection, "HEAD_WITHIN", WITHIN)
    config = uvicorn.Config(how_much, port=0, http=Connection, lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(60):
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def ended(port: int, *pieces: bytes, pause: float = 0.0) -> tuple[bytes, int]:
    """What is answered till the connection ends, and how many of the pieces were sent by then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            sent += 1
            await asyncio.sleep(pause)
        return await reader.read(), sent
    except ConnectionError:
        return b"", sent
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    "head", [b"", b"P", BEGUN, BEGUN + LINE], ids=["nothing", "a byte", "begun", "a line"]
)
async def test_a_request_that_is_not_begun_in_time_is_not_waited_for(port: int, head: bytes) -> None:
    async with asyncio.timeout(60):
        answer, _ = await ended(port, head)
    assert answer == b""


async def test_a_head_that_comes_line_by_line_has_no_longer(port: int) -> None:
    async with asyncio.timeout(60):
        _, sent = await ended(port, BEGUN, *[LINE] * 100, pause=0.05)
    assert sent < 50


@pytest.mark.parametrize("line", [LINE, b"a" * 1000], ids=["many lines", "one line"])
async def test_a_head_without_an_end_is_not_kept(port: int, line: bytes) -> None:
    async with asyncio.timeout(60):
        answer, sent = await ended(port, BEGUN + b"X-Long: ", *[line] * 100_000)
    assert answer[:12] in (b"", b"HTTP/1.1 400")
    assert sent < 100_000


async def test_nor_is_what_comes_after_a_body_without_an_end(port: int) -> None:
    chunked = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    async with asyncio.timeout(60):
        _, sent = await ended(port, BEGUN + chunked, *[LINE] * 100_000)
    assert sent < 100_000


async def test_a_body_has_as_long_as_it_takes_and_any_size(port: int) -> None:
    size = 4 * LONGEST_HEAD
    head = BEGUN + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % size
    async with asyncio.timeout(60):
        answer, _ = await ended(port, head, *[b"a" * (size // 8)] * 8, pause=WITHIN / 4)
    assert answer.endswith(b"\r\n\r\n%d" % size)


async def test_one_connection_serves_several_requests(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(BEGUN + b"Content-Length: 2\r\n\r\nab")
        async with asyncio.timeout(60):
            await reader.readuntil(b"\r\n\r\n2")
        await asyncio.sleep(WITHIN * 1.2)
    writer.close()


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────


@post("/", request_max_body_size=MOST_BYTES)
async def takes(request: Request[Any, Any, Any]) -> int:
    return len(await request.body())


@post("/measured", request_max_body_size=MOST_BYTES, opt=MEASURED)
async def measures(request: Request[Any, Any, Any]) -> int:
    return len(await request.body())


@pytest.fixture
async def gated() -> AsyncIterator[int]:
    app = Litestar([takes, measures], middleware=[Gate()], exception_handlers=HANDLERS)
    async with serving(app) as url:
        yield int(url.rpartition(":")[2])


def asked(path: str, size: int) -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (path.encode(), size)


async def test_bodies_that_do_not_come_to_an_end_fill_no_memory_and_keep_no_bid_out(gated: int) -> None:
    _, held = await asyncio.open_connection("127.0.0.1", gated)
    held.write(asked("/", MOST_BYTES) + bytes(MOST_BYTES - 1000))
    await held.drain()
    await until(lambda: status(gated, "/"), lambda found: found == b"503")
    assert await status(gated, "/measured") == b"201"
    held.close()
    await held.wait_closed()
    await until(lambda: status(gated, "/"), lambda found: found == b"201")  # what is gone takes up nothing


async def status(port: int, path: str) -> bytes:
    """Of the answer to a small body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked(path, 2000) + bytes(2000))
    async with asyncio.timeout(60):
        found = (await reader.readline()).split()[1]
    writer.close()
    return found


async def test_a_body_is_not_waited_for_for_ever(gated: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "WITHIN", WITHIN)
    reader, writer = await asyncio.open_connection("127.0.0.1", gated)
    writer.write(asked("/", 2000) + bytes(1000))
    async with asyncio.timeout(60):
        assert (await reader.readline()).split()[1] == b"408"
    writer.close()
