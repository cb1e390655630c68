"""What releases are made of: the tender's history, and what was published with it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from bids.envelope import Envelope, Section
from crypto.statements import Statement
from procurement.history import BID_EVENTS, PRIVATE, Entry, EventType

UNTOLD = (*BID_EVENTS, *PRIVATE, EventType.PARTIAL)
"""Entries whose statements no release tells of: envelopes, what is private, orders of single members."""


class Person(NamedTuple):
    """Whoever holds a certificate: a business, or an official."""

    registration: str
    name: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A tender up to some entry of its history, verified. More than the history calls for changes nothing:
    whatever is not public by an entry is not looked at before it."""

    history: tuple[Entry, ...]
    statements: Mapping[str, Statement]
    """By id: those that the history calls for (`called_for`)."""
    envelopes: Mapping[str, Envelope] = {}
    """By id: those that count."""
    withdrawers: Mapping[str, str] = {}
    """By id of each withdrawal that ends a chain: the certificate it was signed under."""
    contents: Mapping[tuple[str, Section], bytes] = {}
    """What opened, by envelope id and section."""
    people: Mapping[str, Person]
    """By certificate: everybody who signed one of these, or is named in the notice."""


def called_for(history: Iterable[Entry]) -> list[str]:
    """Ids of the statements that releases of this history are made of."""
    return [each.statement for each in history if each.t not in UNTOLD]
