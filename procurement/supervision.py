"""Processes that are started again when they die, and ended together.

The supervisor is the main thread of a process in which nothing else runs by then: no event loop, no other
thread. So what it forks begins as if it were new. What it started dies with it, however it dies.
"""

import asyncio
import ctypes
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkProcess
from threading import Event
from types import TracebackType
from typing import Protocol, Self, TypeVar

from procurement.embedded import ENDING, die_with_parent, uninterrupted

LOOK = 0.02  # seconds between looks at who has died
LASTING = 5.0  # seconds: who lived for that long started well
FAILURES = 5  # starts one after the other that came to nothing end the service
LONGEST_REST = 2.0  # seconds between a death and the next start
PATIENCE = 10.0  # seconds for which a process may take its leave

_SET_NAME = 15  # linux/prctl.h
_LOGGER = logging.getLogger(__name__)
_FORK = multiprocessing.get_context("fork")
T = TypeVar("T")


class FailedError(Exception):
    """A process that the service needs does not stay alive; the message is one line that says which."""


class Running(Protocol):
    """A child process, as subprocess.Popen has it."""

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class _Told(BaseException):
    """SIGINT or SIGTERM came."""


@contextmanager
def until_told() -> Iterator[Event]:
    """SIGINT or SIGTERM ends the block as its end would; those that come after the first are ignored.

    Where an event loop runs, its tasks are cancelled. Gives what is set from then on, since an exception in
    a destructor is lost.
    """
    told = Event()

    def tell(*_: object) -> None:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        told.set()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise _Told from None
        loop.call_soon_threadsafe(_cancel_all)

    before = {number: signal.signal(number, tell) for number in ENDING}
    try:
        yield told
    except (_Told, asyncio.CancelledError):
        if not told.is_set():
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cancel_all() -> None:
    for task in asyncio.all_tasks():
        task.cancel()


def run(work: Callable[[], Coroutine[None, None, T]]) -> T:
    """As asyncio.run, but SIGINT and SIGTERM wait while the loop is made, and while it is closed."""

    async def interruptible() -> T:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        try:
            return await work()
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)

    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        return asyncio.run(interruptible())
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


class Forked:
    """`work` in a fork of this process, in a session of its own: Ctrl-C is for the service. SIGINT and
    SIGTERM are as in a new process. It dies with its parent, at once."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        """`name` is for process lists: 15 bytes at most."""
        prepare = die_with_parent(signal.SIGKILL)

        def begin() -> None:
            os.setsid()
            ctypes.CDLL(None).prctl(_SET_NAME, name.encode())
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            prepare()  # not before: the child is not to take a signal for its parent's
            work()

        self._process: ForkProcess = _FORK.Process(target=begin)
        with uninterrupted():
            self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        """Raises TimeoutError."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError
        return self._process.exitcode


class _Charge:
    """One process in the supervisor's care."""

    def __init__(self, name: str, start: Callable[[], Running], running: Running | None) -> None:
        self.name = name
        self._start = start
        self._running: Running | None = running or start()
        self._started = time.monotonic()
        self._next = 0.0
        self._deaths = self._failures = 0

    def look(self, now: float) -> None:
        """Starts it again, in its time, if it is dead. Raises FailedError."""
        if self._running is None:
            if now >= self._next:
                with uninterrupted():
                    self._running, self._started = self._start(), now
        elif (status := self._running.poll()) is not None:
            self._running = None
            self._note_death(status, now)

    def _note_death(self, status: int, now: float) -> None:
        """Who is killed did not fail: an exit right after the start is a sign that starting is no use."""
        if now >= self._started + LASTING:
            self._deaths = self._failures = 0
        self._failures += status >= 0
        how = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
        if self._failures >= FAILURES:
            raise FailedError(f"{self.name} does not stay alive: {how} after each of {FAILURES} starts")
        _LOGGER.warning("%s died (%s) and is started again", self.name, how)
        self._next = now + min(LONGEST_REST, 0.05 * 2**self._deaths - 0.05)
        self._deaths += 1

    def terminate(self) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.terminate()

    def wait(self, end: float) -> None:
        """Till it is dead; from `end` on, by the monotonic clock, it is killed."""
        while self._running is not None and self._running.poll() is None:
            if time.monotonic() > end:
                _LOGGER.warning("%s did not end and is killed", self.name)
                self._running.kill()
                self._running.wait()
            time.sleep(LOOK)


class Supervisor:
    """Keeps groups of processes alive; ends them group by group, those first that came last."""

    def __init__(self) -> None:
        self._groups: list[list[_Charge]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def keep(
        self, name: str, start: Callable[[], Running], *, number: int = 1, running: Running | None = None
    ) -> None:
        """Starts `number` of them, and each again when it dies; one that is `running` is not started now.

        `start` is called in the supervisor's thread, and is not to wait. SIGINT and SIGTERM are held back
        meanwhile; `die_with_parent` lets its child hear them again.
        """
        names = [name] if number == 1 else [f"{name} {i}" for i in range(1, number + 1)]
        group: list[_Charge] = []
        self._groups.append(group)
        for each in names:
            with uninterrupted():
                group.append(_Charge(each, start, running))

    def watch(self, told: Event) -> None:
        """Until `told` is set. Raises FailedError."""
        while not told.is_set():
            for group in self._groups:
                for charge in group:
                    charge.look(time.monotonic())
            time.sleep(LOOK)

    def end(self) -> None:
        """All of them: asked first, killed when their time is up."""
        while self._groups:
            group = self._groups.pop()
            for charge in group:
                charge.terminate()
            end = time.monotonic() + PATIENCE
            for charge in group:
                charge.wait(end)
