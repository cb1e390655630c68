"""What a measurement is, and how times are taken on a machine that does other things as well.

Noise only ever adds time, so a time is the best of several. The two sides of a ratio take turns: whatever
disturbs one disturbs the other, and the median leaves out the turns where it did not.
"""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path
from statistics import median
from threading import Event, Thread
from time import perf_counter, process_time
from typing import Literal

import msgspec

_LOOK = 0.02  # seconds between looks at the memory of children


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `better` says on which side of the goal a value has to be."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    better: Literal["less", "more"] = "less"

    @property
    def met(self) -> bool:
        """Whether the value is as good as its goal."""
        if self.goal is None:
            return True
        return self.value <= self.goal if self.better == "less" else self.value >= self.goal


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured. Smaller ones only show that the benchmarks work."""

    bids: int = 5_000
    """Opened at once."""
    record_bids: int = 1_000
    records: int = 200
    """On a shelf, of which all are verified."""
    sample: int = 64
    """Bids that are sealed, or opened one by one, between two looks at the clock."""
    entries: int = 100_000
    """Hashed, and then in the log that proofs are made from."""
    proofs: int = 500
    commits: int = 7_200
    """Before the other side has its turn."""
    rush: int = 6_000
    """Bids sent as fast as they can be."""
    seconds: int = 5
    """That `pgbench` has for its turn."""
    minute: float = 60
    """Seconds for which bids come at one rate."""
    crowd: int = 1_000
    """Bids in a tender that has few."""
    upload: int = 200
    """MiB of a file that comes in."""
    audits: int = 100
    """Pages that are audited, at most."""
    tenders: int = 100_000
    """In a year that was made up."""
    lines: int = 1_000_000
    """Of tenders in the list that is searched."""
    searches: int = 1_000
    rounds: int = 5
    """How often anything is measured. Short work is repeated more often."""


def seconds(work: Callable[[], object], clock: Callable[[], float] = perf_counter) -> float:
    """How long `work` takes. The collector is kept from going through what was there before."""
    gc.collect()
    gc.freeze()
    start = clock()
    work()
    elapsed = clock() - start
    gc.unfreeze()
    return elapsed


def best(work: Callable[[], object], rounds: int) -> float:
    """The shortest of several times."""
    return min(seconds(work) for _ in range(rounds))


def ratio(work: Callable[[], object], yardstick: Callable[[], object], rounds: int) -> float:
    """The time of `work` ÷ that of `yardstick`: they take turns, and the median of the pairs counts.

    Processor time of this process, since both are to work in it alone.
    """
    pairs = [(seconds(work, process_time), seconds(yardstick, process_time)) for _ in range(rounds)]
    return median(one / other for one, other in pairs)


@dataclass
class Peak:
    """In MiB: by how much this process grew, and how large the largest of its children was."""

    own: float = 0
    child: float = 0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Watches resident memory while the block runs (Linux)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before, peak, done = _resident(os.getpid()), Peak(), Event()
    watch = Thread(target=_watch_children, args=(peak, done))
    watch.start()
    try:
        yield peak
    finally:
        done.set()
        watch.join()
        peak.own = _resident(os.getpid()) - before


def _watch_children(peak: Peak, done: Event) -> None:
    while not done.wait(_LOOK):
        for child in active_children():
            peak.child = max(peak.child, _resident(child.pid))


def _resident(pid: int | None) -> float:
    """The most that a process has had in memory, in MiB; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
