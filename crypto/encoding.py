"""The one byte form that is signed and hashed: canonical JSON (RFC 8785) in a narrow profile.

The profile is narrow so that every parser in every language reads the same value: keys match
``[a-z][A-Za-z0-9]*``, no floats, no nulls, integers 0..2^53-1, no control characters other than
U+000A, depth at most 16. Within it, sorted-key compact JSON *is* RFC 8785 (checked against `rfc8785`
in the tests), so msgspec writes it. A value has exactly one encoding; decoding anything else fails.
"""

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Annotated, Any, TypeVar

import msgspec

from crypto.errors import MalformedError

LARGEST_INTEGER = 2**53 - 1
DEEPEST = 16
SIGNED_LIMIT = 32 * 1024 * 1024  # bytes; an evaluation of ten thousand bids with its explanations is 8 MB

_KEY = re.compile(r"[a-z][A-Za-z0-9]*")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

Hex32 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
"""Thirty-two bytes (a hash, an id, a fingerprint) in lower-case hex."""
Hex16 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
HexG1 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{96}\Z")]
HexG2 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{192}\Z")]
Identifier = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z")]
"""An ocid, lot or item id."""
Moment = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.[0-9]{3}Z\Z")]
"""RFC 3339, UTC, milliseconds: 2026-11-21T09:00:00.000Z."""
RoundNumber = Annotated[str, msgspec.Meta(pattern=r"\A[1-9][0-9]{0,18}\Z")]
"""A beacon round as a decimal string."""
Base64 = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9+/]*={0,2}\Z")]
Text = Annotated[str, msgspec.Meta(max_length=20_000)]
Small = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_INTEGER)]

T = TypeVar("T")


class Value(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"
):
    """Base of everything that is encoded: immutable, camelCase on the wire, absent rather than null.

    A field that has its default is absent, too, so that a value has one encoding. A subclass with a
    `__post_init__` of its own has no defaults but None and the empty tuple, or calls this one.
    """

    def __post_init__(self) -> None:
        """msgspec tells a default by identity: an equal string or number has to become that very object."""
        for name, default in _defaults(type(self)):
            if getattr(self, name) == default:
                msgspec.structs.force_setattr(self, name, default)


@cache
def _defaults(type_: type[Value]) -> tuple[tuple[str, object], ...]:
    fields = msgspec.structs.fields(type_)
    return tuple((each.name, each.default) for each in fields if isinstance(each.default, str | int))


def encode(value: object) -> bytes:
    """The canonical bytes of `value`. Raises MalformedError where the profile has no form for it."""
    try:
        data = msgspec.json.encode(value, order="sorted")
    except (TypeError, ValueError, RecursionError) as error:
        raise MalformedError("value has no canonical form") from error
    _check(data)
    return data


def decode(data: bytes, type_: type[T], *, limit: int = SIGNED_LIMIT) -> T:
    """The value that `data` is the canonical encoding of. Raises MalformedError, and nothing else."""
    if len(data) > limit:
        raise MalformedError(f"longer than {limit} bytes")
    try:
        value = msgspec.json.decode(data, type=type_)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not a {_name(type_)}: {error}") from error
    _check(data)  # takes a second for megabytes of anything, so only for what is of the type
    if msgspec.json.encode(value, order="sorted") != data:
        raise MalformedError(f"not the canonical encoding of a {_name(type_)}")
    return value


def sha256(*parts: bytes) -> bytes:
    """SHA-256 over the concatenation of `parts`, 32 bytes."""
    return hashlib.sha256(b"".join(parts)).digest()


def framed(part: bytes) -> bytes:
    """``f(x) = uint32_be(len(x)) ‖ x``."""
    return len(part).to_bytes(4, "big") + part


def to_base64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """Standard base64 that re-encodes to the same text. Raises MalformedError."""
    try:
        data = msgspec.convert(text, bytes)  # twice as fast as the standard library's
    except ValueError as error:
        raise MalformedError("not base64") from error
    if to_base64(data) != text:
        raise MalformedError("base64 with stray bits")
    return data


def moment(time: datetime) -> str:
    """An aware datetime as a Moment, rounded down to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def rounded_down(time: datetime) -> datetime:
    """To the millisecond, as its Moment says it."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def parse_moment(text: str) -> datetime:
    """A Moment as aware UTC datetime. Raises MalformedError for a date that no calendar has, and for
    one before 1970 or after 8999, next to which no period could be reckoned."""
    try:
        time = datetime.fromisoformat(text)
        if moment(time) != text:
            raise ValueError("another form of it")
        if not 1970 <= time.year < 9000:
            raise ValueError("nobody's time")
    except (ValueError, OverflowError) as error:
        raise MalformedError("no such moment") from error
    return time


def milliseconds(text: str) -> int:
    """A Moment as milliseconds since 1970-01-01. Raises MalformedError."""
    since = (parse_moment(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    if since < 0:
        raise MalformedError("a moment before 1970")
    return since


def _check(data: bytes) -> None:
    try:
        value = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise MalformedError("not JSON") from error
    # Bytes in which nothing is escaped hold no control character: quicker to tell than of each string.
    plain = data.isascii() and b"\\" not in data and b"\x7f" not in data
    _check_value(value, DEEPEST, plain)


def _check_value(value: Any, depth: int, plain: bool) -> None:
    match value:
        case str():
            if not plain:
                _check_text(value)
        case dict() | list():
            _check_children(value, depth - 1, plain)
        case int():  # true and false, too
            if not 0 <= value <= LARGEST_INTEGER:
                raise MalformedError("integer outside 0..2^53-1")
        case _:
            raise MalformedError("floats and nulls have no canonical form")


def _check_children(value: dict[str, Any] | list[Any], depth: int, plain: bool) -> None:
    if depth < 0:
        raise MalformedError(f"deeper than {DEEPEST}")
    if isinstance(value, dict):
        for key in value:
            _check_key(key)
    for child in value.values() if isinstance(value, dict) else value:
        if not plain or type(child) is not str:
            _check_value(child, depth, plain)


@lru_cache
def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise MalformedError("key outside [a-z][A-Za-z0-9]*")


def _check_text(value: str) -> None:
    # What is printable holds none of these, and that is quicker to tell.
    if not value.isprintable() and _CONTROL.search(value):
        raise MalformedError("control character or lone surrogate in a string")


def _name(type_: type[T]) -> str:
    return getattr(type_, "__name__", "value")
