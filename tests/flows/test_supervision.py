"""Processes in a supervisor's care: real ones, which exit, die and are stubborn."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event

import pytest

from procurement import supervision
from procurement.embedded import die_with_parent
from procurement.supervision import FailedError, Forked, Running, Supervisor, run, until_told
from tests.flows.doomed import PROCESSES, alive, gone


class Started:
    """What was started, in order: `start` is for the supervisor, `work` is what each process does."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.processes: list[Running] = []
        self._work = work

    def start(self) -> Running:
        self.processes.append(Forked("test", self._work))
        return self.processes[-1]


def sleep() -> None:
    time.sleep(600)


@contextmanager
def told_once(ready: Callable[[], bool]) -> Iterator[None]:
    """`watch` does not return: SIGTERM comes, as from a terminal, as soon as it is `ready`."""

    def look(*_: object) -> None:
        if ready():
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_who_is_killed_is_started_again_however_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "LONGEST_REST", 0.01)
    started = Started(lambda: os.kill(os.getpid(), signal.SIGKILL))
    often = 2 * supervision.FAILURES + 1
    with (
        told_once(lambda: len(started.processes) > often),
        until_told() as told,
        Supervisor() as supervisor,
    ):
        supervisor.keep("killed", started.start)
        supervisor.watch(told)
    assert [each.poll() for each in started.processes[:often]] == [-signal.SIGKILL] * often


def test_who_exits_right_after_each_start_ends_the_service_in_one_line() -> None:
    started, other = Started(lambda: sys.exit(3)), Started(sleep)
    supervisor = Supervisor()
    supervisor.keep("other", other.start)
    supervisor.keep("failing", started.start, number=2)
    with pytest.raises(FailedError) as failed, supervisor:
        supervisor.watch(Event())
    told = re.sub("failing [12]", "failing", str(failed.value))
    assert told == "failing does not stay alive: exit status 3 after each of 5 starts"
    assert [each.poll() for each in started.processes].count(3) >= supervision.FAILURES
    assert [each.poll() for each in other.processes] == [-signal.SIGTERM]


def test_a_signal_ends_the_youngest_first_and_those_that_are_stubborn_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "PATIENCE", 3.0)
    order, deaf_or_listening = tmp_path / "order", tmp_path / "deaf-or-listening"

    def prepared(handler: Callable[..., None] | signal.Handlers) -> None:
        signal.signal(signal.SIGTERM, handler)
        with deaf_or_listening.open("a") as file:
            file.write("x")
        sleep()

    def ends_as(name: str) -> Callable[[], None]:
        def work() -> None:
            def end(*_: object) -> None:
                with order.open("a") as file:
                    file.write(f"{name}\n")
                os._exit(0)

            prepared(end)

        return work

    def all_prepared() -> bool:
        return deaf_or_listening.exists() and len(deaf_or_listening.read_text()) == 4

    first, last = Started(ends_as("first")), Started(ends_as("last"))
    deaf = Started(lambda: prepared(signal.SIG_IGN))
    with told_once(all_prepared), until_told() as told, Supervisor() as supervisor:
        supervisor.keep("first", first.start)
        supervisor.keep("deaf", deaf.start, number=2)
        supervisor.keep("last", last.start)
        supervisor.watch(told)
    assert order.read_text() == "last\nfirst\n"
    assert [each.poll() for each in deaf.processes] == [-signal.SIGKILL] * 2


def test_a_second_signal_does_not_hurry_the_end() -> None:
    unhurried, before = [], signal.getsignal(signal.SIGINT)
    with until_told():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), number)
            unhurried.append(True)
    assert unhurried
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_is_heard_in_the_middle_of_whatever_an_event_loop_does() -> None:
    """In a callback, in a task, in a task of a group: none of them keeps it to itself."""

    async def call_back() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.sleep(60)

    async def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(60)

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(interrupt())
            tasks.create_task(asyncio.sleep(60))

    heard = []
    for work in (call_back, interrupt, group):
        with until_told() as told:
            run(work)
        heard.append(told.is_set())
    assert heard == [True] * 3


def test_a_signal_in_a_destructor_is_heard_later(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: lost.append(raised.exc_type))
    started = Started(sleep)
    with until_told() as told, Supervisor() as supervisor:
        supervisor.keep("child", started.start)
        Interrupting()
        supervisor.watch(told)
    assert [each.poll() for each in started.processes] == [-signal.SIGTERM]
    assert len(lost) == 1


def test_children_die_with_a_supervisor_that_is_killed() -> None:
    ours, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=supervise, args=(theirs,))
    process.start()
    child = ours.recv()
    assert alive(child)
    process.kill()
    process.join()
    gone([child])


def supervise(report: Connection) -> None:
    def work() -> None:
        report.send(os.getpid())
        sleep()

    with Supervisor() as supervisor:
        supervisor.keep("child", lambda: Forked("test", work))
        supervisor.watch(Event())


def test_other_programs_are_kept_alive_as_well() -> None:
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> Running:
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        processes.append(subprocess.Popen(command, preexec_fn=die_with_parent()))
        return processes[-1]

    with told_once(lambda: len(processes) == 2), until_told() as told, Supervisor() as supervisor:
        supervisor.keep("program", start)
        processes[0].kill()
        supervisor.watch(told)
    assert [each.poll() for each in processes] == [-signal.SIGKILL, -signal.SIGTERM]
