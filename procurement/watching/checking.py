"""Award records checked as many at a time as there are processors, each in a process of its own.

A process starts once, with the trust file, and gets one record after the other: what records have in common
it checks once. Where one is killed, nothing is lost but the verdict on the record that it had.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Self

from bids.opening import end_with_parent, open_in_parallel
from bids.orders import PartToOpen, open_parts
from crypto.trust import Trust
from procurement import record
from procurement.errors import RecordError
from procurement.record import Verdict

PROCESSORS = os.cpu_count() or 1
LARGE = 8 * 1024 * 1024
"""Bytes of a record of some 1,000 bids, which takes its checker 100 MiB of memory. Bids of a larger one are
opened on all processors, and no other such record is checked meanwhile; else its checker opens them."""
ENDED = "whoever checked it came to an end before, perhaps for want of memory"

_SPAWN = get_context("spawn")  # afresh, not forked: who asks has threads and an event loop

_Open = Callable[[Sequence[PartToOpen]], list[bytes | str]]


class UncheckedError(Exception):
    """Nobody can say whether the record holds."""


_Answer = Verdict | RecordError | OSError | UncheckedError


class Checkers:
    """As many as `count`, who check records under `trust`; they end with the block, whatever they are at."""

    def __init__(self, trust: Trust | None, count: int = PROCESSORS) -> None:
        self.trust = trust
        self._all = [_Checker(trust) for _ in range(count)]
        self._free: asyncio.LifoQueue[_Checker] = asyncio.LifoQueue()
        for each in self._all:
            self._free.put_nowait(each)
        self._large = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self._all:
            each.end()

    async def check(self, path: Path) -> Verdict:
        """The verdict on the record at `path`. Raises RecordError for none, UncheckedError, OSError."""
        if not _is_large(path):
            return await self._check(path, open_parts)
        async with self._large:
            return await self._check(path, open_in_parallel)

    async def _check(self, path: Path, opened: _Open) -> Verdict:
        checker = await self._free.get()
        try:
            answer = await checker.ask(path, opened)
        finally:
            self._free.put_nowait(checker)
        if isinstance(answer, Verdict):
            return answer
        raise answer


class _Checker:
    """One process, started when there is something to do for it, and anew after its end."""

    def __init__(self, trust: Trust | None) -> None:
        self._trust = trust
        self._running: tuple[SpawnProcess, Connection] | None = None

    async def ask(self, path: Path, opened: _Open) -> _Answer:
        _, line = self._running = self._running or self._start()
        try:
            line.send((path, opened))
            await _readable(line)
            answer: _Answer = line.recv()
        except (EOFError, OSError):
            self.end()
            return UncheckedError(ENDED)
        except asyncio.CancelledError:
            self.end()
            raise
        return answer

    def end(self) -> None:
        """At once; who waits for an answer sees that the line has ended."""
        if self._running:
            (process, _), self._running = self._running, None
            process.kill()
            process.join()

    def _start(self) -> tuple[SpawnProcess, Connection]:
        own, others = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_serve, args=(others, self._trust))
        with _uninterrupted():
            process.start()
        others.close()
        return process, own


def _is_large(path: Path) -> bool:
    return path.stat().st_size > LARGE


async def _readable(line: Connection) -> None:
    """Waits for an answer, or for the other side's end."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(line.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(line.fileno())


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is started meanwhile does not hear of Ctrl-C, which is meant for who asks and then ends it."""
    resource_tracker.ensure_running()  # which would undo it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(line: Connection, trust: Trust | None) -> None:
    end_with_parent()
    with suppress(EOFError, OSError):
        while True:
            path, opened = line.recv()
            line.send(_answer(path, trust, opened))


def _answer(path: Path, trust: Trust | None, opened: _Open) -> _Answer:
    try:
        return record.verify(path.read_bytes(), trust, opened)
    except (RecordError, OSError) as error:
        return error
    except (MemoryError, BrokenProcessPool):
        return UncheckedError(ENDED)
