"""The draft of a notice, as its officer edits it: JSON with the notice's own fields, and what makes of it the
Notice that is signed.

A draft says some things as people do. Times are local with their zone (`2026-12-20 10:00+09:00`), lengths of
time in words (`13 days`), documents are files beside it, `opening` is a time and not yet a round, `committee`
a file that `openseal committee status --json` printed. What is still to be filled in begins with a question
mark. Network, witnesses and signer are none of a draft's business: they come from whoever publishes it.
"""

import mimetypes
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, get_args, get_type_hints

import msgspec

from crypto.beacon import Network
from crypto.committee import Committee
from crypto.encoding import Moment, decode, encode, moment, parse_moment
from crypto.errors import MalformedError, VerificationError
from crypto.trust import WitnessPolicy
from procurement import periods
from procurement.errors import TenderError
from procurement.notices import LegalBasis
from procurement.tenders import (
    Lot,
    Notice,
    check_law_stated,
    check_notice,
    check_publication,
    purchase,
)

BLANK = "?"
"""How a value begins that is still to be filled in; the rest says with what."""
DEEPEST = 16
LONGEST = 4 * 1024 * 1024  # bytes of a draft
_LENGTHS = {"standstill", "uploadGrace", "extensionMargin"}
"""Fields in seconds, which a draft may state in words."""
_OTHERS = {"signer", "network", "witnesses", "round", "transcript", "protocol"}
"""Fields of a notice that are not the draft's."""
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_LENGTH = re.compile(r"([0-9]{1,9}) (second|minute|hour|day)s?")

Fields = dict[str, Any]


class FoundFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file beside the draft: SHA-256 (hex) and size (bytes)."""

    sha256: str
    size: int


class Convened(msgspec.Struct, frozen=True, kw_only=True):
    """What `openseal committee status --json` prints of a ceremony that is done."""

    committee: Committee
    transcript: tuple[str, ...]


class Office(msgspec.Struct, frozen=True, kw_only=True):
    """What a notice takes from whoever publishes it: the certificate's fingerprint, beacon and witnesses."""

    signer: str
    network: Network
    witnesses: WitnessPolicy


def read(data: bytes) -> Fields:
    """The draft's fields. Raises MalformedError, which says where."""
    if len(data) > LONGEST:
        raise MalformedError("the draft is too long")
    try:
        fields = msgspec.json.decode(data, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"the draft cannot be read: {error}") from error
    if stray := sorted(set(fields) & _OTHERS):
        raise MalformedError(f"the draft cannot say {', '.join(stray)}: that comes with the signature")
    return fields


def read_convened(data: bytes) -> Convened:
    """A committee that is ready. Raises MalformedError."""
    try:
        return msgspec.json.decode(data, type=Convened)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"no committee that is ready: {error}") from error


def blanks(fields: Fields) -> list[str]:
    """What is still to be filled in: where it stands, and with what."""
    return [
        f"{where}: {text.removeprefix(BLANK).strip()}" for where, text in _texts(fields) if text[:1] == BLANK
    ]


def files_named(fields: Fields) -> list[str]:
    """The files of the draft's documents."""
    documents = fields.get("documents", [])
    named = [each.get("file") for each in documents if isinstance(each, dict)] if _is_list(documents) else []
    return [each for each in named if isinstance(each, str)]


def committee_file(fields: Fields) -> str:
    """The file with the committee."""
    named = fields.get("committee")
    return named if isinstance(named, str) else "committee.json"


def lots_of(fields: Fields) -> tuple[tuple[Lot, ...], str]:
    """The draft's lots and currency, whatever else is missing. Raises MalformedError."""
    currency = fields.get("currency")
    if not isinstance(currency, str):
        raise MalformedError("the draft names no currency")
    return _converted(_present(fields.get("lots")), tuple[Lot, ...], "lots"), currency


def published_at(fields: Fields, now: datetime) -> datetime:
    """When the notice is to be published: at once where the draft does not say. Raises MalformedError."""
    stated = fields.get("published")
    return time_of(stated, "published") if stated else now


def notice_of(
    fields: Fields, files: Mapping[str, FoundFile], convened: Convened, office: Office, now: datetime
) -> Notice:
    """The notice that the draft makes, if it is signed now.

    Raises MalformedError, which says where, and BeaconError for an opening that no round fits.
    """
    said = {name: value for name, value in _present(fields).items() if name != "opening"}
    said |= {name: moment(time_of(said[name], name)) for name in _moments() & set(said)}
    said["published"] = moment(published_at(fields, now))
    said |= {name: seconds_of(said[name], name) for name in _LENGTHS & set(said)}
    said["documents"] = [_document(each, files) for each in _listed(said, "documents")]
    said["round"] = _round(fields, office.network)
    said["transcript"] = list(convened.transcript)
    said["signer"] = office.signer
    for name, value in (
        ("network", office.network),
        ("witnesses", office.witnesses),
        ("committee", convened.committee),
    ):
        said[name] = msgspec.to_builtins(value)
    notice = _converted(said | {"protocol": "openseal/v1"}, Notice, "the draft")
    return decode(encode(notice), Notice)


def faults(notice: Notice, now: datetime) -> list[str]:
    """Everything for which publication would turn the notice away that can be told without asking anybody."""
    published = max(parse_moment(notice.published), now)
    found = []
    for check in (
        lambda: check_notice(notice),
        lambda: check_law_stated(notice),
        lambda: check_publication(notice, published),
    ):
        try:
            check()
        except TenderError as error:
            if error.code != "period-too-short":
                found.append(f"{error} ({error.code})")
        except VerificationError as error:
            found.append(str(error))
    return [*found, *_short(notice)]


def earliest(fields: Fields, now: datetime) -> datetime | None:
    """The first deadline that the law admits, where the draft says enough to tell."""
    names = ("legal", "category", "estimatedValue", "documents", "published")
    known = {name: fields[name] for name in names if name in fields}
    if not isinstance(known.get("estimatedValue"), str | None):
        return None
    try:
        legal = _converted(_present(known.get("legal")), LegalBasis, "legal")
        asked = periods.Purchase(
            legal=legal,
            published=published_at(known, now),
            category=known.get("category"),
            estimated_value=known.get("estimatedValue"),
            documents=bool(known.get("documents")),
        )
        return periods.earliest_deadline(asked)
    except VerificationError:
        return None


def time_of(stated: object, name: str) -> datetime:
    """A local time with its zone. Raises MalformedError."""
    try:
        time = datetime.fromisoformat(str(stated).strip().replace(" +", "+").replace(" Z", "Z"))
    except ValueError as error:
        raise MalformedError(f"{name}: {stated} is no time like 2026-12-20 10:00+09:00") from error
    if time.tzinfo is None:
        raise MalformedError(f"{name}: {stated} says no zone, like 2026-12-20 10:00+09:00")
    try:
        return parse_moment(moment(time))
    except (OverflowError, MalformedError) as error:
        raise MalformedError(f"{name}: {stated} is in no calendar") from error


def seconds_of(stated: object, name: str) -> object:
    """A length of time in words, as seconds; a number is one of seconds. Raises MalformedError."""
    if isinstance(stated, int):
        return stated
    words = [each.strip() for each in str(stated).split(",")]
    found = [_LENGTH.fullmatch(each) for each in words]
    if not all(found):
        raise MalformedError(f"{name}: {stated} is no length of time like 13 days, or 1 hour, 30 minutes")
    return sum(int(each[1]) * _UNITS[each[2]] for each in found if each)


def _short(notice: Notice) -> list[str]:
    asked = purchase(notice)
    if asked is None or notice.practice:
        return []
    try:
        return [str(each) for each in periods.shortfalls(asked, notice.closes, notice.standstill)]
    except TenderError:
        return []  # said among the others


def _document(stated: object, files: Mapping[str, FoundFile]) -> Fields:
    if not isinstance(stated, dict) or not isinstance(stated.get("file"), str):
        raise MalformedError("documents: each names its `file`")
    name = stated["file"]
    if name not in files:
        raise MalformedError(f"documents: there is no file {name}")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    rest = {key: value for key, value in stated.items() if key != "file"}
    return {"format": kind, **rest, "sha256": files[name].sha256, "size": files[name].size}


def _round(fields: Fields, network: Network) -> str:
    if not fields.get("opening"):
        raise MalformedError("opening: when the bids are opened at the earliest")
    return str(network.round_at(time_of(fields["opening"], "opening")))


def _listed(fields: Fields, name: str) -> list[object]:
    value = fields.get(name, [])
    if not _is_list(value):
        raise MalformedError(f"{name}: a list")
    return list(value)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _moments() -> set[str]:
    """The notice's fields that are times."""
    hints = get_type_hints(Notice, include_extras=True)
    fields = {each.name: each.encode_name for each in msgspec.structs.fields(Notice)}
    return {
        fields[name] for name, hint in hints.items() if name in fields and Moment in (hint, *get_args(hint))
    }


def _present(value: Any, depth: int = DEEPEST) -> Any:
    """Without what is empty: null, "", [] and {} say nothing."""
    if depth < 0:
        raise MalformedError("the draft is nested too deep")
    if isinstance(value, dict):
        inner = {name: _present(each, depth - 1) for name, each in value.items()}
        return {name: each for name, each in inner.items() if each not in (None, "", [], {})}
    if isinstance(value, list):
        return [_present(each, depth - 1) for each in value]
    return value


def _texts(value: Any, where: str = "", depth: int = DEEPEST) -> Iterator[tuple[str, str]]:
    """Every text of the draft, with the place where it stands."""
    if isinstance(value, str):
        yield where, value
    elif depth < 0:
        raise MalformedError("the draft is nested too deep")
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _texts(each, f"{where}.{name}" if where else name, depth - 1)
    elif isinstance(value, list):
        for number, each in enumerate(value, start=1):
            yield from _texts(each, f"{where}[{number}]", depth - 1)


def _converted(value: Any, type_: Any, what: str) -> Any:
    try:
        return msgspec.convert(value, type_)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{what}: {error}") from error
