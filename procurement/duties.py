"""Separation of duties: who does what on a tender, told by registration number, and that nobody does two
things. A renewed or replaced certificate is the same person; another name with the same number is, too.
"""

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from procurement.errors import TenderError
from procurement.numbers import check_admitted


class Duty(StrEnum):
    """What somebody does on a tender. All of them exclude each other."""

    OFFICER = "officer"
    SECOND_OFFICER = "second officer"
    EVALUATOR = "evaluator"
    MEMBER = "committee member"
    BIDDER = "bidder"


Declared = Mapping[str, bool]
"""By registration number whether the official has declared a conflict of interest."""


class Word(NamedTuple):
    """An official's declaration, as entry `seq` of the history has it."""

    seq: int
    registration: str
    conflict: bool


class Officials(msgspec.Struct, frozen=True, kw_only=True):
    """The registration numbers of a tender's officials."""

    practice: bool = False
    """Whether the tender is a practice one, which alone admits practice numbers."""
    officer: str
    """Who signed the notice."""
    second: str
    """Who countersigned it."""
    evaluators: tuple[str, ...]
    members: tuple[str, ...]
    seats: int | None = None
    """How many of the evaluators, a pool then, are called to the panel by draw. Absent: all are on it."""
    drawn: tuple[str, ...] = ()
    """The pool in the order in which it is called, once it is drawn."""

    def check_apart(self, bidders: Iterable[str] = ()) -> None:
        """Nobody holds two duties, or two seats on the panel, and the tender admits all of them.

        Raises TenderError.
        """
        bidding = tuple(bidders)
        self.check_admits(self.officer, self.second, *self.evaluators, *self.members, *bidding)
        if self.officer == self.second:
            raise TenderError("four-eyes", "a notice is countersigned by a second officer")
        if len(set(self.evaluators)) != len(self.evaluators):
            raise TenderError("panel-repeats", "one person has two seats on the panel")
        held = [(Duty.OFFICER, self.officer), (Duty.SECOND_OFFICER, self.second)]
        held += [(Duty.EVALUATOR, each) for each in self.evaluators]
        held += [(Duty.MEMBER, each) for each in self.members]
        check_apart(held + [(Duty.BIDDER, each) for each in bidding])

    def check_admits(self, *registrations: str) -> None:
        """Whoever these are may act on this tender, in whatever duty. Raises TenderError."""
        check_admitted(registrations, practice=self.practice)

    def check_in_charge(self, registration: str) -> None:
        """The tender is in the hands of its two officers. Raises TenderError for another."""
        if registration not in (self.officer, self.second):
            raise TenderError("another-officer", "the tender is in other officers' hands")

    def check_countersigning(
        self, signed_by: str, countersigned_by: str, bidders: Iterable[str] = ()
    ) -> None:
        """Another officer countersigns, who may be a third one but has no other duty. Raises TenderError."""
        if countersigned_by == signed_by:
            raise TenderError("four-eyes", "what one officer signs is countersigned by a second officer")
        second = countersigned_by if countersigned_by != self.officer else self.second
        msgspec.structs.replace(self, second=second).check_apart(bidders)

    def check_on_panel(self, registration: str) -> None:
        """The notice names the evaluator. Raises TenderError for another."""
        if registration not in self.evaluators:
            raise TenderError("not-on-panel", "an evaluator signs whom the notice does not name")

    def check_seated(self, registration: str, declared: Declared) -> None:
        """The evaluator is one of those who score now. Raises TenderError for another."""
        self.check_on_panel(registration)
        if self.seats and not self.drawn:
            raise TenderError("panel-not-drawn", "the panel is not drawn yet")
        if self.seats and registration not in self.panel(declared):
            raise TenderError("not-drawn", "an evaluator signs whom the draw has not called to the panel")

    def check_scored(self, declared: Declared, scored_by: Iterable[str], *, to_score: bool) -> None:
        """All on the panel who have no conflict of interest, and nobody else, have signed a score sheet, one
        each; nobody has where there is nothing `to_score`. Raises TenderError.
        """
        panel = self.panel(declared) if to_score else set[str]()
        if to_score and self.is_depleted(declared):
            raise _depleted(self.seats)
        if to_score and self.seats and not self.drawn:
            raise TenderError("panel-not-drawn", "the panel is not drawn yet")
        if sorted(scored_by) != sorted(panel):
            raise TenderError(
                "not-scored",
                "not every evaluator has scored, or somebody else has: the sheets are not those of the panel",
            )

    def panel(self, declared: Declared) -> set[str]:
        """The evaluators whose sheets are needed: all who have not declared a conflict, of a pool as many as
        there are seats, in the order drawn."""
        called = self.evaluators if self.seats is None else self.drawn
        return set([each for each in called if not declared.get(each, False)][: self.seats])

    def is_depleted(self, declared: Declared) -> bool:
        """Whether conflicts of interest leave nobody to score, or too few of a pool."""
        able = [each for each in self.evaluators if not declared.get(each, False)]
        return len(able) < (self.seats or 1)

    def able(self, declared: Declared) -> set[str]:
        """The officers in charge who have not declared a conflict, and so can name the winner."""
        return {each for each in (self.officer, self.second) if not declared.get(each, False)}


def _depleted(seats: int | None) -> TenderError:
    if seats is None:
        return TenderError("recused", "every evaluator has declared a conflict: nobody is left to score")
    return TenderError("pool-too-small", "conflicts of interest leave fewer evaluators than there are seats")


def declared(words: Iterable[Word], before: float = math.inf) -> Declared:
    """What officials had declared before the entry with that seq. Raises TenderError where one did twice."""
    said: dict[str, bool] = {}
    for word in words:
        if word.seq >= before:
            continue
        if word.registration in said:
            raise TenderError("said-before", "an official declared twice whether there is a conflict")
        said[word.registration] = word.conflict
    return said


def check_declared(declared: Declared, registration: str) -> None:
    """The official has said before that there is no conflict of interest. Raises TenderError."""
    if registration not in declared:
        raise TenderError("conflict-undeclared", "an official first declares whether there is a conflict")
    check_no_conflict(declared, registration)


def check_no_conflict(declared: Declared, registration: str) -> None:
    """The official has not said that there is a conflict of interest. Raises TenderError."""
    if declared.get(registration, False):
        raise TenderError("conflict-declared", "an official with a declared conflict of interest steps back")


def check_apart(held: Iterable[tuple[Duty, str]]) -> None:
    """Nobody holds two duties. Raises TenderError."""
    duties: dict[str, Duty] = {}
    for duty, registration in held:
        other = duties.setdefault(registration, duty)
        if other is not duty:
            raise TenderError("conflicting-roles", f"{registration} is {other} here and cannot be {duty}")
