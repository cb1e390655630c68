"""What a notice says beside its rules and locks: in which languages, under which law, out of which budget,
with which documents, and for whom. OCDS names where OCDS has one."""

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import msgspec

from crypto.certificates import Role
from crypto.encoding import Hex32, Identifier, Moment, Text, Value
from crypto.errors import MalformedError
from crypto.statements import Payload
from procurement import money
from procurement.errors import TenderError
from procurement.money import Amount, Percent

LARGEST_FILE = 256 * 1024 * 1024
"""Bytes of a tender document at most."""
MOST_FILES = 50
"""Documents of a notice at most."""
MOST_WORDS = 20
"""Entries of a list of conditions at most."""

Line = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Language = Annotated[str, msgspec.Meta(pattern=r"\A[a-z]{2}\Z")]
"""ISO 639-1."""
MediaType = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,80}\Z")]
"""IANA media type."""

Category = Literal["goods", "works", "services"]
"""OCDS mainProcurementCategory."""
ProcedureName = Literal["open", "small-value", "negotiation", "two-envelope", "framework"]
"""Which procedure the law has for it: open tender, price quotation for small value, contract by negotiation,
technical and price envelope apart, framework agreement."""
DocumentType = Literal[
    "tenderNotice",
    "biddingDocuments",
    "technicalSpecifications",
    "evaluationCriteria",
    "eligibilityCriteria",
    "billOfQuantity",
    "contractDraft",
    "illustration",
    "riskProvisions",
]
"""Of OCDS's code list, what belongs to a tender."""
SizeClass = Literal["micro", "small", "medium", "large"]
SetAside = Literal["small", "local", "village"]
"""Whom a tender is reserved for: small businesses, those of the region, enterprises of villages."""
SecurityForm = Literal["cash", "bank-guarantee", "insurance", "surety", "securities", "pledge"]
"""What a bid security is given in; a pledge is a written promise to pay."""
VariantPolicy = Literal["notAllowed"]
"""OCDS variantPolicy. The box takes one bid of each business, and a bid one offer for each lot: a notice that
allowed alternatives could not be held to yet, and cannot be written."""

_SCHEMES = {"UNSPSC": r"[0-9]{8}", "CPV": r"[0-9]{8}(-[0-9])?"}
_NATIONAL = re.compile(r"[A-Z]{2}-[A-Z0-9-]{1,20}")


class Classification(Value, frozen=True, kw_only=True):
    """OCDS classification of an item: UNSPSC (eight digits), CPV (eight digits, with the check digit or not)
    or a national scheme, its country's two letters first, like `KR-G2B`."""

    scheme: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z][A-Z0-9-]{1,23}\Z")]
    id: Identifier
    description: Line | None = None


class TranslatedItem(Value, frozen=True, kw_only=True):
    """An item's description in another language."""

    id: Identifier
    description: Line


class TranslatedLot(Value, frozen=True, kw_only=True):
    """A lot's title in another language, and those of its items that are translated."""

    id: Identifier
    title: Line
    items: tuple[TranslatedItem, ...] = ()


class Translation(Value, frozen=True, kw_only=True):
    """The notice's words in another language than its own, which is the one that binds."""

    language: Language
    title: Line
    description: Text = ""
    lots: tuple[TranslatedLot, ...] = ()


class LegalBasis(Value, frozen=True, kw_only=True):
    """Under which law the tender is held: what the dated tables of periods are asked by."""

    jurisdiction: Identifier
    """One that there are tables for, like `kr-national`."""
    procedure: ProcedureName
    international: bool = False
    """Covered by an agreement on government procurement."""
    retender: bool = False
    """After a tender of the same terms that came to nothing."""
    urgency: Line | None = None
    """Why the ordinary period is too long; absent where it is kept."""


class Budget(Value, frozen=True, kw_only=True):
    """OCDS planning.budget: out of which money it is paid."""

    id: Line
    description: Line | None = None
    project: Line | None = None
    amount: Amount | None = None


class TenderDocument(Value, frozen=True, kw_only=True):
    """OCDS document of a tender: a file that anybody can have, by its SHA-256 and size (bytes)."""

    id: Identifier
    document_type: DocumentType
    title: Line
    format: MediaType
    language: Language
    sha256: Hex32
    size: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_FILE)]


class DocumentOffer(Payload, frozen=True, kw_only=True):
    """An officer hands in a file for a notice that is still to be published: the bytes with this SHA-256."""

    PURPOSE: ClassVar[str] = "tender-document"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    sha256: Hex32
    size: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_FILE)]
    time: Moment


class Eligibility(Value, frozen=True, kw_only=True):
    """Who may bid. An empty list asks for nothing; of several entries in a list one is enough, but of the
    `other` conditions all are asked."""

    regions: Annotated[tuple[Line, ...], msgspec.Meta(max_length=MOST_WORDS)] = ()
    sizes: Annotated[tuple[SizeClass, ...], msgspec.Meta(max_length=MOST_WORDS)] = ()
    licences: Annotated[tuple[Line, ...], msgspec.Meta(max_length=MOST_WORDS)] = ()
    reserved_for: Annotated[tuple[SetAside, ...], msgspec.Meta(max_length=MOST_WORDS)] = ()
    other: Annotated[tuple[Line, ...], msgspec.Meta(max_length=MOST_WORDS)] = ()


class BidSecurity(Value, frozen=True, kw_only=True):
    """What a bidder gives as security, in per cent of its bid or as an amount; or why none is asked."""

    percent: Percent | None = None
    amount: Amount | None = None
    forms: Annotated[tuple[SecurityForm, ...], msgspec.Meta(max_length=MOST_WORDS)] = ()
    valid_days: Annotated[int, msgspec.Meta(ge=1, le=730)] | None = None
    """Days after the deadline."""
    waived: Line | None = None


def check_classification(classification: Classification) -> None:
    """The id is one of its scheme. Raises TenderError."""
    pattern = _SCHEMES.get(classification.scheme)
    known = pattern is not None or _NATIONAL.fullmatch(classification.scheme)
    if not known or (pattern and not re.fullmatch(pattern, classification.id)):
        raise TenderError(
            "classification-wrong", f"{classification.id} is no code of the scheme {classification.scheme}"
        )


def check_translations(
    language: str, lots: Sequence[tuple[str, Sequence[str]]], translations: Sequence[Translation]
) -> None:
    """Every language once, and nothing translated that the notice does not have; `lots` are the ids of the
    notice's lots, each with those of its items. Raises TenderError."""
    said = [language, *(each.language for each in translations)]
    _distinct("languages-repeat", said)
    items = dict(lots)
    for translation in translations:
        _distinct("translation-repeats", [each.id for each in translation.lots])
        for lot in translation.lots:
            ids = [each.id for each in lot.items]
            _distinct("translation-repeats", ids)
            if not set(ids) <= set(items.get(lot.id, ())) or lot.id not in items:
                raise TenderError("translation-unknown", f"there is no lot {lot.id} with such items")


def check_security(security: BidSecurity) -> None:
    """Either so much is asked, or there is a reason why not. Raises TenderError."""
    asked = [each for each in (security.percent, security.amount) if each is not None]
    rest = security.forms or security.valid_days
    if (security.waived is None) != (len(asked) == 1) or (security.waived and (asked or rest)):
        raise TenderError(
            "bid-security-unclear", "a bid security is a percentage or an amount, or waived for a reason"
        )
    _distinct("bid-security-unclear", security.forms)


def check_eligibility(eligibility: Eligibility) -> None:
    """No condition stands twice. Raises TenderError."""
    for field in eligibility.__struct_fields__:
        _distinct("eligibility-repeats", getattr(eligibility, field))


def check_amounts(amounts: Sequence[str | None], currency: str) -> None:
    """Each that is stated is above nothing, and an amount of the currency. Raises TenderError."""
    for amount in amounts:
        try:
            stated = amount is None or money.parse(amount, places=money.places_of(currency)) > 0
        except MalformedError:
            stated = False
        if not stated:
            raise TenderError("amount-wrong", f"{amount} is no amount in {currency}")


def _distinct(code: str, entries: Sequence[str]) -> None:
    if len(set(entries)) != len(entries):
        raise TenderError(code, f"{max(entries, key=list(entries).count)} stands twice")
