"""The catalogue of lies: who tells what, who catches it, and in which words it is named.

An entry is made beside the lie itself, in the modules of this package: `@lie(step, words, name, who, done)`
for what `openseal verify` catches, `entry` for the others. `python -m tests.lies` prints all as docs/lies.md.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import tests.lies
from procurement.record import Verdict, verify
from tests.builders import packed, the_world

Files = dict[str, bytes]
Tell = Callable[[], Files]


class Who(StrEnum):
    """Who lies."""

    SERVICE = "the service"
    OFFICER = "an officer"
    MEMBER = "a committee member"
    EVALUATOR = "an evaluator"
    BIDDER = "a bidder"
    OPERATOR = "an operator"
    REGISTRAR = "a registrar"
    BETWEEN = "somebody in between"


class Catcher(StrEnum):
    """Who catches it."""

    VERIFY = "verify"
    MONITOR = "monitor"
    MIRROR = "mirror"
    PAGE = "page"


@dataclass(frozen=True)
class Entry:
    """`words` are how the lie is named, … standing for names and numbers; a detail for experts may follow."""

    name: str
    who: Who
    done: str
    caught: Catcher
    words: str

    def check_named(self, said: str) -> None:
        """`said` names the lie in these words."""
        pattern = re.escape(self.words).replace("…", ".+?")
        assert re.search(pattern + r"($|\.( |$)|[:;,] | \()", said, re.MULTILINE), (
            f"{self.words!r} is not in {said!r}"
        )


CATALOGUE: list[Entry] = []


def entry(name: str, who: Who, done: str, caught: Catcher, words: str) -> Entry:
    """A lie for the catalogue; whoever makes it shows in a test that it is caught and so named."""
    CATALOGUE.append(Entry(name, who, done, caught, words))
    return CATALOGUE[-1]


def catalogue() -> list[Entry]:
    """All of them, by who catches them and then by name: modules are read in any order."""
    for module in pkgutil.iter_modules(tests.lies.__path__):
        importlib.import_module(f"tests.lies.{module.name}")
    return sorted(CATALOGUE, key=lambda each: (list(Catcher).index(each.caught), each.name))


@dataclass(frozen=True)
class Lie:
    """What is told, and what the verdict must answer; `entry` is its place in the catalogue, if any."""

    tell: Tell
    step: int
    says: str
    entry: Entry | None = None


def lies_into(told: list[Lie]) -> Callable[..., Callable[[Tell], Tell]]:
    """The decorator `@lie(step, says)` that keeps its lies in `told`. With a name, who tells it and what is
    done the lie is one of the catalogue, and `says` its words."""

    def lie(
        step: int, says: str, name: str = "", who: Who = Who.SERVICE, done: str = ""
    ) -> Callable[[Tell], Tell]:
        def register(tell: Tell) -> Tell:
            made = entry(name, who, done, Catcher.VERIFY, says) if name else None
            told.append(Lie(tell, step, says, made))
            return tell

        return register

    return lie


def check_refused(told: Lie) -> None:
    """The record is refused at the lie's step and in its words, whomever one trusts."""
    data = packed(told.tell())
    for trust in (the_world().trust, None):
        verdict = verify(data, trust)
        assert (verdict.outcome, verdict.steps[-1].number) == ("refused", told.step), last(verdict)
        assert not verdict.clean
        assert verdict.steps[-1].meaning
        if told.entry:
            told.entry.check_named(verdict.steps[-1].findings[0])
        else:
            assert told.says in last(verdict), last(verdict)


def last(verdict: Verdict) -> str:
    return f"step {verdict.steps[-1].number}: {' '.join(verdict.steps[-1].findings)}"
