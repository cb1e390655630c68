"""A watcher's line to a service: it asks politely, again and again, and tells an absent service from one that
answers and does not give."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx

from bids.client import PAUSES, ServiceError, lengthened, unwilling
from crypto.errors import VerificationError

AT_ONCE = 4
"""Requests under way at a time."""
LONGEST_HEAD = 512 * 1024  # bytes
_BUSY = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Answers of who stands before a service: any stranger can bring them about by asking too much."""
_SIZE = re.compile(r"[0-9]{1,18}")

T = TypeVar("T")


class AwayError(Exception):
    """Nothing is wrong that anybody could prove: the service, or enough witnesses, do not answer. Later."""


class Alarm(Exception):
    """The service does what it must not. `code` says what, the message is a sentence for everybody, and
    `evidence` holds by file name what shows it, or where that lies."""

    def __init__(self, code: str, sentence: str, evidence: Mapping[str, bytes | Path]) -> None:
        super().__init__(sentence)
        self.code = code
        self.evidence = evidence


class DoubtError(VerificationError):
    """What came is wrong, which may be damage on the way; where it stays so, it is an alarm."""

    def __init__(self, alarm: Alarm) -> None:
        super().__init__(str(alarm))
        self.alarm = alarm


class NotYetError(VerificationError):
    """What came is right, and not enough; where it stays so, it is nobody's fault that could be shown."""


class Glance(NamedTuple):
    """What a file is said to be: its ETag, and its size in bytes, -1 where nobody says."""

    tag: str
    size: int


class Line:
    """`log` is where the log is: below the service, or another address. Everything is asked for again for
    `patience` seconds."""

    def __init__(self, http: httpx.AsyncClient, log: str = "/log", patience: float = 60.0) -> None:
        self.patience = patience
        self._http = http
        self._log = log.rstrip("/")
        self._free = asyncio.Semaphore(AT_ONCE)

    def in_log(self, path: str) -> str:
        """The address of a file of the log."""
        return f"{self._log}/{path}"

    async def get(self, path: str, limit: int) -> bytes:
        """What is at `path`, asked for once. Raises ServiceError, also above `limit` bytes."""
        async with self._asked(path) as response:
            return await _read(response, limit)

    async def download(self, path: str, into: Path, most: int, tag: str = "") -> None:
        """Puts what is at `path` into the file `into`, no more than a byte beyond `most`; asked for once.
        With `tag` it goes on where the file ends, if what is there still has that ETag. Raises ServiceError,
        OSError."""
        there = size_of(into) if tag else 0
        onward = {"Range": f"bytes={there}-", "If-Range": f'"{tag}"'} if there else {}
        async with self._asked(path, {"Accept-Encoding": "identity"} | onward) as response:
            goes_on = there and response.headers.get("Content-Range", "").startswith(f"bytes {there}-")
            with into.open("ab" if goes_on else "wb") as file:
                async for chunk in response.aiter_bytes():
                    file.write(chunk[: most + 1 - file.tell()])
                    if file.tell() > most:
                        break

    async def glance(self, path: str) -> Glance:
        """What the file at `path` is said to be; hardly anything of it is fetched. Raises ServiceError."""
        headers = {"Range": "bytes=0-0", "Accept-Encoding": "identity"}
        async with self._asked(path, headers) as response:
            said = response.headers
        part, tag = said.get("Content-Range", ""), said.get("ETag", "").removeprefix("W/")
        size = part.rpartition("/")[2] or said.get("Content-Length", "")
        return Glance(tag.strip('"'), int(size) if _SIZE.fullmatch(size) else -1)

    @asynccontextmanager
    async def _asked(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The answer, its body still to be read. Raises ServiceError, also for what comes meanwhile."""
        async with self._free:
            try:
                async with self._http.stream("GET", path, headers=headers) as response:
                    if not response.is_success:
                        raise unwilling(await _refusal(response))
                    yield response
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                raise ServiceError(
                    "unreachable", f"no answer from {self._http.base_url}: {reason}"
                ) from error
            except httpx.InvalidURL as error:
                raise ServiceError("unreachable", f"{path} is no address: {error}") from error

    async def persist(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """What `attempt` gives of the log, in the end. Raises Alarm where that stays withheld or wrong,
        AwayError where nobody answers."""
        end = time.monotonic() + self.patience
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            try:
                return await attempt()
            except (ServiceError, VerificationError) as error:
                trouble = error
            wait = lengthened(max(pause, getattr(trouble, "retry_after", 0.0)))
            if time.monotonic() + wait > end:
                break
            await asyncio.sleep(wait)
        if not isinstance(trouble, ServiceError) or not await self.answers(self.in_log("checkpoint")):
            raise self.verdict(what, trouble, answers=False)
        try:
            return await attempt()  # the service may have come back just now
        except (ServiceError, VerificationError) as error:
            raise self.verdict(what, error, answers=True) from error

    def verdict(
        self, what: str, trouble: ServiceError | VerificationError, *, answers: bool
    ) -> Alarm | AwayError:
        """What to make of it that `what` was not to be had, of a service that `answers`."""
        if isinstance(trouble, DoubtError):
            return trouble.alarm
        if isinstance(trouble, NotYetError):
            return AwayError(str(trouble))
        if isinstance(trouble, VerificationError):
            return Alarm("wrong-bytes", f"What the service gives as {what} is wrong: {trouble}.", {})
        if not answers or trouble.status in _BUSY:
            return AwayError(str(trouble))
        said = f"The service answers, and does not give {what}, which its log names."
        return Alarm("withheld", said, {"answer.txt": f"{trouble}\n".encode()})

    async def answers(self, probe: str = "/log/checkpoint") -> bool:
        """Whether there is anybody."""
        try:
            await self.get(probe, LONGEST_HEAD)
        except ServiceError:
            return False
        return True


def size_of(path: Path) -> int:
    """How many bytes there are of a file; 0 where there is none. Raises OSError."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


async def _refusal(response: httpx.Response) -> httpx.Response:
    """A refusal that can be read."""
    body = await _read(response, LONGEST_HEAD)
    headers = {name: response.headers[name] for name in ("Retry-After",) if name in response.headers}
    return httpx.Response(response.status_code, headers=headers, content=body, request=response.request)


async def _read(response: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise ServiceError(
                "too-long", f"more than {limit} bytes ({response.url.path})", response.status_code
            )
    return bytes(body)
