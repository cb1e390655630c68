"""Who in the end owns or controls a business that bids: natural persons, or why there is none to name.

A bid says so where its notice asks, of each of its businesses once, and nowhere else: personal data that
nobody asked for are not published. OCDS's extension beneficialOwners has the same words; of a person it is
told name and nationalities, and no number, birthday or address.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Annotated, Any, Literal

import msgspec

from bids.errors import Unopenable
from crypto.encoding import Hex32, Value
from procurement.notices import Line

MOST_PERSONS = 25
"""Owners of one business."""
MOST_NATIONALITIES = 5
COUNTRIES: tuple[str, ...] = tuple(
    msgspec.json.decode(files("procurement").joinpath("countries.json").read_bytes(), type=dict[str, Any])[
        "countries"
    ]
)
Country = Annotated[str, msgspec.Meta(pattern=rf"\A(?:{'|'.join(COUNTRIES)})\Z")]
"""ISO 3166-1 alpha-2, of a closed list."""
Unnamed = Literal["listed", "public", "dispersed"]
"""Why nobody is named: the business is listed on a regulated market, it belongs to a public body, or nobody
owns or controls as much of it as makes an owner by the law that it is under."""


class Owner(Value, frozen=True, kw_only=True):
    """OCDS Person: a natural person who in the end owns or controls a business."""

    name: Line
    nationalities: Annotated[tuple[Country, ...], msgspec.Meta(min_length=1, max_length=MOST_NATIONALITIES)]


class Ownership(Value, frozen=True, kw_only=True):
    """Who owns one of the businesses that bid: either `persons` or `unnamed`."""

    partner: Hex32 | None = None
    """The business by its certificate, as the envelope's `consortium` names it; absent of whoever signs."""
    persons: Annotated[tuple[Owner, ...], msgspec.Meta(max_length=MOST_PERSONS)] = ()
    unnamed: Unnamed | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it says the one or the other, and no nationality twice."""
        once = all(len(set(each.nationalities)) == len(each.nationalities) for each in self.persons)
        return once and bool(self.persons) != bool(self.unnamed)


def check_owners(stated: Sequence[Ownership], partners: Sequence[str], *, asked: bool) -> None:
    """The owners of the signer and of each of its `partners` are stated, once; nobody's where they are not
    `asked` for. Raises Unopenable."""
    if not asked:
        if stated:
            raise Unopenable("owners-unasked")
        return
    named = sorted(each.partner or "" for each in stated)
    if named != sorted(["", *partners]) or not all(each.is_whole for each in stated):
        raise Unopenable("owners-wrong")
