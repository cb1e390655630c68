"""Past tenders as OCDS 1.1 publishes them, whoever the publisher: what was bid, and who was awarded.

The file is a release package, a record package, a record or a release, of one tender, whose `bids` have
details (bids extension). A compiled release is read as it is; other releases are merged by their dates,
objects field by field and lists by the ids of their entries. What is decided where OCDS leaves it open:

- By `priceOnly`, and `lowestCost` of OCDS 1.0, the lowest price wins. Under other criteria bids are scored,
  and no scores are published with them: such a tender is refused.
- A tender without lots has one. Of several lots each bid says which one its price is for.
- The value of a lot, or of a tender with one lot, is its ceiling, unless a bid above it was held valid.
- What businesses bid for several lots is one envelope of ours; several tenderers of a bid bid jointly. A bid
  without a status is pending.
- A withdrawn bid is handed in and withdrawn. Nobody opens it: where its price is not published, it has some.
- Disqualified bids are left out, and named: our rules cannot know what was found in them.
- An award without a status is active. One that is pending says nothing yet.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any

import msgspec

from bids.envelope import MOST_PARTNERS
from crypto.certificates import HIDDEN
from crypto.errors import MalformedError
from procurement import money, tenders
from procurement.case import ENTITY, NOBODY, Case, CaseError, Figure, PastBid
from procurement.errors import TenderError
from procurement.evaluation import LowestPrice
from procurement.notices import Classification, check_classification
from procurement.tenders import Lot, LotOffer, Organisation

BY_PRICE = {"priceOnly", "lowestCost"}
"""Award criteria under which the lowest price wins."""
MOST_LOTS = 100
PUBLISHER = "the publisher"

_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_HIDDEN = re.compile(f"[{HIDDEN}]")
_FOREIGN = re.compile(r"[^A-Za-z0-9._-]+")
_LANGUAGE = re.compile(r"[a-z]{2}")

Json = dict[str, Any]
Id = str | int


class _Said(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a release, what is read of it. Absent and null are the same."""


class _Value(_Said, frozen=True):
    amount: Decimal | None = None
    currency: str | None = None


class _Party(_Said, frozen=True):
    id: Id | None = None
    name: str | None = None

    @property
    def key(self) -> str:
        """By what it is known again; empty where nothing is said of it."""
        return str(self.name or "" if self.id is None else self.id)


class _Lot(_Said, frozen=True):
    id: Id
    title: str | None = None
    value: _Value | None = None
    award_criteria: str | None = None


class _Classification(_Said, frozen=True):
    scheme: str = ""
    id: Id = ""
    description: str | None = None


class _Unit(_Said, frozen=True):
    name: str | None = None


class _Item(_Said, frozen=True):
    id: Id
    description: str | None = None
    quantity: Decimal | None = None
    unit: _Unit | None = None
    classification: _Classification | None = None
    related_lot: Id | None = None


class _Tender(_Said, frozen=True):
    id: Id | None = None
    title: str | None = None
    procuring_entity: _Party | None = None
    value: _Value | None = None
    award_criteria: str | None = None
    lots: tuple[_Lot, ...] = ()
    items: tuple[_Item, ...] = ()


class _Bid(_Said, frozen=True):
    id: Id
    status: str = "pending"
    status_details: str | None = None
    description: str | None = None
    tenderers: tuple[_Party, ...] = ()
    value: _Value | None = None
    related_lots: tuple[Id, ...] = ()


class _Bids(_Said, frozen=True):
    details: tuple[_Bid, ...] = ()


class _Award(_Said, frozen=True):
    id: Id
    status: str = "active"
    status_details: str | None = None
    description: str | None = None
    rationale: str | None = None
    suppliers: tuple[_Party, ...] = ()
    value: _Value | None = None
    related_lots: tuple[Id, ...] = ()
    related_bid: Id | None = None
    related_bids: tuple[Id, ...] = ()

    @property
    def bids(self) -> set[str]:
        return {str(each) for each in (self.related_bid, *self.related_bids) if each is not None}


class _Release(_Said, frozen=True):
    ocid: str | None = None
    language: str = "en"
    tender: _Tender | None = None
    bids: _Bids | None = None
    awards: tuple[_Award, ...] = ()
    parties: tuple[_Party, ...] = ()
    buyer: _Party | None = None


class _Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A bid for one lot, by the lot's published id."""

    bid: _Bid
    lot: str
    amount: str


def read_case(data: bytes) -> Case:
    """The case in a file of OCDS. Raises CaseError."""
    publisher, release = _read(data)
    if release.tender is None:
        raise CaseError("there is no tender section")
    return _Reading(publisher, release, release.tender).case()


class _Reading:
    """A release being read: what several of its sections are read by."""

    def __init__(self, publisher: str, release: _Release, tender: _Tender) -> None:
        self.publisher = publisher
        self.release = release
        self.tender = tender
        self.known = {each.key: each.name for each in release.parties}
        self.lots = _lots(tender)
        self.details = release.bids.details if release.bids else ()
        self.check()
        self.ids = dict(zip(self.lots, _identifiers(self.lots), strict=True))
        self.currency = self.one_currency()
        self.standing = [self.offer(each) for each in self.with_status("valid", "pending")]
        if not self.standing:
            raise CaseError("no bid is left to replay: all are withdrawn, disqualified or only invited")
        self.names = self.labels()
        self.bids = tuple(self.joined())

    def check(self) -> None:
        """What can be told at once. Raises CaseError."""
        _check_criteria(self.tender)
        if not self.details:
            raise CaseError("bids.details is missing: nothing says what was bid")
        if len(self.lots) > MOST_LOTS:
            raise CaseError(f"there are {len(self.lots)} lots, more than {MOST_LOTS}")
        _check_distinct("bids", self.details)
        _check_distinct("items", self.tender.items)
        _check_distinct("awards", self.release.awards)
        for each in self.details:
            if each.status not in ("valid", "pending", "withdrawn", "disqualified", "invited"):
                raise CaseError(f"bid {_short(each.id)} has an unknown status: {_short(each.status)}")

    def case(self) -> Case:
        buyer = self.release.buyer or self.tender.procuring_entity or _Party()
        entity = self.tender.procuring_entity or buyer
        return Case(
            publisher=self.publisher,
            number=_identifier(self.tender.id or self.release.ocid or ""),
            title=_line(self.tender.title, "Past tender"),
            language=_language(self.release.language),
            entity=self.organisation(entity),
            buyer=self.organisation(buyer) if buyer.key != entity.key else None,
            currency=self.currency,
            lots=tuple(map(self.lot, self.lots.values())),
            bids=self.bids,
            published=tuple(self.figures()),
            notes=tuple(self.notes()),
        )

    # ── what is bought ───────────────────────────────────────────────────────────────────────────────

    def lot(self, lot: _Lot) -> Lot:
        title = _line(lot.title, self.tender.title, f"Lot {self.ids[str(lot.id)]}")
        return Lot(
            id=self.ids[str(lot.id)],
            title=title,
            items=tuple(self.items(lot)) or (tenders.Item(id="1", description=title),),
            rules=LowestPrice(ceiling=self.ceiling(lot)),
        )

    def items(self, lot: _Lot) -> Iterator[tenders.Item]:
        """Those that name the lot, and where it is the only one those that name none; without what our
        notices have no form for."""
        found = [
            item
            for item in self.tender.items
            if (len(self.lots) == 1 if item.related_lot is None else str(item.related_lot) == str(lot.id))
        ]
        for id, item in zip(_identifiers([str(each.id) for each in found]), found, strict=True):
            yield tenders.Item(
                id=id,
                description=_line(item.description, f"Item {id}"),
                quantity=_quantity(item.quantity),
                unit=_line(item.unit.name) or None if item.unit else None,
                classification=_classification(item.classification) if item.classification else None,
            )

    def ceiling(self, lot: _Lot) -> str | None:
        stated = self.stated(lot)
        return None if stated is None or self.above(lot, stated) else stated

    def stated(self, lot: _Lot) -> str | None:
        """The lot's value, if any. Raises CaseError."""
        if lot.value is None or not lot.value.amount:
            return None
        return self.amount(lot.value, f"the value of lot {_short(lot.id)}")

    def above(self, lot: _Lot, value: str) -> list[_Bid]:
        """Bids for the lot that were valid though above its value."""
        valid = [each for each in self.standing if each.lot == str(lot.id) and each.bid.status == "valid"]
        return [each.bid for each in valid if Decimal(each.amount) > Decimal(value)]

    def organisation(self, party: _Party) -> Organisation:
        return Organisation(id=_identifier(party.key), name=self.name(party, ENTITY))

    def name(self, party: _Party, otherwise: str = "") -> str:
        """The party's own name, or by its id the one that `parties` has."""
        return _line(party.name, self.known.get(party.key), otherwise, party.key, "unnamed")

    # ── what was bid ─────────────────────────────────────────────────────────────────────────────────

    def with_status(self, *statuses: str) -> list[_Bid]:
        return [each for each in self.details if each.status in statuses]

    def entered(self) -> list[_Bid]:
        """Those that become sealed bids, some only to be withdrawn."""
        return self.with_status("valid", "pending", "withdrawn")

    def one_currency(self) -> str:
        """That of all bids that are replayed, and of what they are compared with. Raises CaseError."""
        active = [each.value for each in self.release.awards if each.status == "active"]
        values = [self.tender.value, *(each.value for each in self.lots.values()), *active]
        values += [each.value for each in self.entered()]
        found = sorted({each.currency for each in values if each and each.currency})
        if len(found) != 1:
            said = f"in several currencies: {_short(', '.join(found))}" if found else "in no currency"
            raise CaseError(f"amounts are {said}")
        try:
            money.places_of(found[0])
        except MalformedError as error:
            raise CaseError(f"currency {_short(found[0])}: {error}") from error
        return found[0]

    def offer(self, bid: _Bid) -> _Offer:
        """What the bid offers, and for which lot. Raises CaseError."""
        where = f"bid {_short(bid.id)}"
        lots = self.lots_of(where, bid.related_lots)
        if not lots:
            raise CaseError(f"{where} does not say for which lot it is")
        if len(lots) > 1:
            raise CaseError(f"{where} has one price for {len(lots)} lots")
        return _Offer(bid=bid, lot=lots[0], amount=self.amount(bid.value, where))

    def lots_of(self, where: str, related: Iterable[Id]) -> list[str]:
        """By their published ids; the only one where none is named. Raises CaseError."""
        named = list(dict.fromkeys(map(str, related)))
        if unknown := [each for each in named if each not in self.lots]:
            raise CaseError(f"{where} is for a lot that is not there: {_short(unknown[0])}")
        return named or (list(self.lots) if len(self.lots) == 1 else [])

    def amount(self, value: _Value | None, where: str) -> str:
        """A price as our bids write it. Raises CaseError."""
        if value is None or value.amount is None:
            raise CaseError(f"{where}: the amount is missing")
        places = money.places_of(self.currency)
        text = _plain(value.amount, places)
        if text is None or not Decimal(text):
            raise CaseError(
                f"{where}: {_short(value.amount)} is no price in {self.currency}, "
                f"which is above 0 and has at most {places} decimals"
            )
        return text

    def labels(self) -> dict[str, str]:
        """Names of all who bid, by their keys; with the key where two have one name."""
        names = {each.key: self.name(each) for bid in self.entered() for each in bid.tenderers}
        count = Counter(names.values())
        return {key: name if count[name] == 1 else f"{name} ({_short(key)})" for key, name in names.items()}

    def joined(self) -> Iterator[PastBid]:
        """The bids, each with all that its bidders offer. Raises CaseError."""
        groups: dict[frozenset[str], list[_Bid]] = {}
        for bid in self.entered():
            groups.setdefault(frozenset(self.bidders(bid)), []).append(bid)
        twice = Counter(key for group in groups for key in group)
        for position, (group, bids) in enumerate(groups.items(), start=1):
            for key in sorted(group):
                if twice[key] > 1:
                    raise CaseError(f"{self.names[key]} bids with others, and without them")
            yield PastBid(
                position=position,
                names=tuple(self.names[key] for key in self.bidders(bids[0])),
                offers=tuple(self.offers(bids)),
                withdrawn=tuple((self.withdrawn(bid),) for bid in bids if bid.status == "withdrawn"),
            )

    def bidders(self, bid: _Bid) -> list[str]:
        """Keys of the bid's tenderers, each once. Raises CaseError."""
        keys = list(dict.fromkeys(each.key for each in bid.tenderers if each.key))
        if not keys:
            raise CaseError(f"bid {_short(bid.id)} names no tenderer")
        if len(keys) > 1 + MOST_PARTNERS:
            raise CaseError(f"bid {_short(bid.id)} has {len(keys)} tenderers, more than {1 + MOST_PARTNERS}")
        return keys

    def offers(self, bids: Sequence[_Bid]) -> Iterator[LotOffer]:
        """What one bidder's bids offer, lot by lot. Raises CaseError."""
        first: dict[str, _Bid] = {}
        ids = {each.id for each in bids}
        for each in self.standing:
            if each.bid.id in ids:
                if before := first.get(each.lot):
                    both = f"{_short(before.id)} and {_short(each.bid.id)}"
                    raise CaseError(f"bids {both} are by the same bidder for the same lot")
                first[each.lot] = each.bid
                yield LotOffer(lot=self.ids[each.lot], amount=each.amount)

    def withdrawn(self, bid: _Bid) -> LotOffer:
        where = f"bid {_short(bid.id)}"
        lot = next(iter(self.lots_of(where, bid.related_lots)), next(iter(self.lots)))
        known = bid.value is not None and bid.value.amount is not None
        return LotOffer(lot=self.ids[lot], amount=self.amount(bid.value, where) if known else "1")

    def notes(self) -> Iterator[str]:
        """What our rules cannot know, a line each."""
        for lot in self.lots.values():
            stated = self.stated(lot)
            for bid in self.above(lot, stated)[:1] if stated else ():
                who = f"bid {_short(bid.id)} is valid above it"
                yield f"the value {stated} of lot {_short(lot.id)} is no ceiling: {who}"
        for bid in self.with_status("disqualified", "invited"):
            who = " + ".join(self.name(each) for each in bid.tenderers) or "nobody named"
            why = f", {self.reason(bid) or 'no reason is published'}" if bid.status == "disqualified" else ""
            yield f"bid {_short(bid.id)} of {who} is not replayed: {bid.status}{why}"
        for award in self.release.awards:
            if award.status in ("unsuccessful", "cancelled") and (bidder := self.bidder_of(award)):
                why = _why(award) or "no reason is published"
                yield f"the award {_short(award.id)} to {bidder} is {award.status}: {why}"

    def reason(self, bid: _Bid) -> str:
        """Why the bid is out, by its own words or those of the award that was refused it."""
        refused = [each for each in self.release.awards if str(bid.id) in each.bids]
        return next((why for why in (_why(bid), *map(_why, refused)) if why), "")

    # ── what came out ────────────────────────────────────────────────────────────────────────────────

    def figures(self) -> Iterator[Figure]:
        """Who was awarded each lot, and for how much. Raises CaseError."""
        made: dict[str, list[_Award]] = {}
        for award in self.release.awards:
            for lot in self.awarded_lots(award):
                made.setdefault(lot, []).append(award)
        for lot, awards in made.items():
            active = [each for each in awards if each.status == "active"]
            if not active and any(each.status == "pending" for each in awards):
                continue
            name = self.ids[lot] if len(self.lots) > 1 else None
            who = "; ".join(dict.fromkeys(map(self.supplier, active))) or NOBODY
            yield Figure(figure="awarded", field="awards.suppliers", published=who, lot=name)
            if (amount := self.awarded_amount(active)) is not None:
                yield Figure(figure="awardedAmount", field="awards.value.amount", published=amount, lot=name)

    def awarded_lots(self, award: _Award) -> list[str]:
        """Raises CaseError."""
        where = f"award {_short(award.id)}"
        if award.status not in ("active", "pending", "unsuccessful", "cancelled"):
            raise CaseError(f"{where} has an unknown status: {_short(award.status)}")
        bids = [lot for each in self.details if str(each.id) in award.bids for lot in each.related_lots]
        lots = self.lots_of(where, award.related_lots or bids)
        if not lots and award.status == "active":
            raise CaseError(f"{where} does not say for which lot it is")
        return lots

    def awarded_amount(self, active: Sequence[_Award]) -> str | None:
        """Where one award has a value, and for one lot."""
        if len(active) != 1 or len(self.awarded_lots(active[0])) != 1 or active[0].value is None:
            return None
        stated = active[0].value.amount
        text = None if stated is None else _plain(stated, money.places_of(self.currency))
        if stated is not None and text is None:
            raise CaseError(f"award {_short(active[0].id)}: {_short(stated)} is no amount in {self.currency}")
        return text

    def supplier(self, award: _Award) -> str:
        """Whom the award is made to. Raises CaseError where it does not say."""
        if name := self.bidder_of(award):
            return name
        raise CaseError(f"award {_short(award.id)} names no supplier")

    def bidder_of(self, award: _Award) -> str:
        """The bidder among ours, by the bid that the award names or by its suppliers; else the suppliers."""
        named = [each.tenderers for each in self.details if str(each.id) in award.bids]
        for parties in (*named, award.suppliers):
            names = {self.names.get(each.key) for each in parties}
            for bid in self.bids if names else ():
                if names <= set(bid.names):
                    return bid.name
        return " + ".join(self.name(each) for each in award.suppliers)


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────


def _read(data: bytes) -> tuple[str, _Release]:
    """The publisher's name, and the release that the file's are merged to. Raises CaseError."""
    try:
        file = _DECODER.decode(data.removeprefix(b"\xef\xbb\xbf"))
        releases = _releases(file)
        nothing: Json = {}
        merged = reduce(_merged, releases, nothing)
        publisher = file.get("publisher")
        name = publisher.get("name") if isinstance(publisher, dict) else None
        return _line(name if isinstance(name, str) else None, PUBLISHER), msgspec.convert(merged, _Release)
    except msgspec.ValidationError as error:
        raise CaseError(f"not a release of OCDS: {error}") from error
    except (msgspec.DecodeError, InvalidOperation, RecursionError) as error:
        raise CaseError(f"not a file of OCDS: {_short(error) or 'a number is too large'}") from error


def _releases(file: Any) -> list[Json]:
    """The one tender's releases, oldest first, or its compiled one. Raises CaseError."""
    record = file
    if isinstance(file, dict) and "records" in file:
        if not isinstance(file["records"], list) or len(file["records"]) != 1:
            raise CaseError("not a record package of one tender")
        record = file["records"][0]
    if not isinstance(record, dict):
        raise CaseError("not a package, a record or a release of OCDS")
    compiled = record.get("compiledRelease")
    releases = [compiled] if compiled is not None else record.get("releases", [record])
    if not isinstance(releases, list) or not releases or not all(isinstance(each, dict) for each in releases):
        raise CaseError("not a package, a record or a release of OCDS")
    if len({each.get("ocid") if isinstance(each.get("ocid"), str) else "" for each in releases}) > 1:
        raise CaseError("the releases are of several tenders")
    return sorted(releases, key=_date) if len(releases) > 1 else releases


def _date(release: Json) -> datetime:
    """Raises CaseError."""
    try:
        date = datetime.fromisoformat(release["date"])
    except (KeyError, TypeError, ValueError) as error:
        raise CaseError("a release has no date by which it could be merged") from error
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _merged(old: Any, new: Any) -> Any:
    """`new` over `old` without nulls: objects field by field, lists of entries with ids by these."""
    if isinstance(new, dict):
        kept: Json = old if isinstance(old, dict) else {}
        merged = kept | {field: _merged(kept.get(field), value) for field, value in new.items()}
        return {field: value for field, value in merged.items() if value is not None}
    if isinstance(new, list):
        before = _by_id(old)
        after = _by_id(new)
        if before is None or after is None:
            return [_merged(None, each) for each in new]
        return list((before | {id: _merged(before.get(id), each) for id, each in after.items()}).values())
    return new


def _by_id(entries: Any) -> dict[str, Json] | None:
    """None unless all are objects, each with an id of its own."""
    found = entries or []
    if not isinstance(found, list) or not all(isinstance(each, dict) and "id" in each for each in found):
        return None
    by_id = {str(each["id"]): each for each in found}
    return by_id if len(by_id) == len(found) else None


# ── words and numbers ────────────────────────────────────────────────────────────────────────────────


def _lots(tender: _Tender) -> dict[str, _Lot]:
    """By id; a tender without lots has one. Raises CaseError."""
    _check_distinct("lots", tender.lots)
    stated = tender.lots or (_Lot(id="1", title=tender.title),)
    if len(stated) == 1 and stated[0].value is None:
        stated = (msgspec.structs.replace(stated[0], value=tender.value),)
    return {str(each.id): each for each in stated}


def _check_criteria(tender: _Tender) -> None:
    criteria = [
        each for each in (tender.award_criteria, *(lot.award_criteria for lot in tender.lots)) if each
    ]
    if not criteria:
        raise CaseError("tender.awardCriteria is missing: nothing says that the lowest price wins")
    for each in criteria:
        if each not in BY_PRICE:
            raise CaseError(
                f"awardCriteria {_short(each)}: only bids that are ranked by price alone can be replayed,"
                " since no scores are published with others"
            )


def _check_distinct(what: str, entries: Sequence[_Bid | _Item | _Award | _Lot]) -> None:
    counted = Counter(str(each.id) for each in entries)
    if repeated := [id for id, count in counted.items() if count > 1]:
        raise CaseError(f"{what}: the id {_short(repeated[0])} stands twice")


def _why(said: _Bid | _Award) -> str:
    """The reason that is given, if any."""
    rationale = said.rationale if isinstance(said, _Award) else None
    return _line(rationale, said.description, said.status_details)


def _classification(code: _Classification) -> Classification | None:
    """None for a scheme or a code that our notices do not have."""
    said = _line(code.description) or None
    try:
        read = msgspec.convert(
            {"scheme": code.scheme, "id": str(code.id), "description": said}, Classification
        )
        check_classification(read)
    except (msgspec.ValidationError, TenderError):
        return None
    return read


def _quantity(number: Decimal | None) -> str | None:
    return None if number is None else _plain(number, 2)


def _plain(number: Decimal, places: int) -> str | None:
    """`number` in plain digits, without zeros at its end; None where it has too many, or is below 0."""
    if not number.is_finite() or not 0 <= number < money.MOST:
        return None
    rounded = number.quantize(Decimal(1).scaleb(-places))
    if rounded != number:
        return None
    text = money.text(rounded)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _identifiers(ids: Iterable[str]) -> list[str]:
    """The ids as ours are written; their places where two of them would be the same."""
    cleaned = [_identifier(id, str(place)) for place, id in enumerate(ids, start=1)]
    distinct = len(set(cleaned)) == len(cleaned)
    return cleaned if distinct else [str(place) for place in range(1, len(cleaned) + 1)]


def _identifier(id: Id, otherwise: str = "practice") -> str:
    return _FOREIGN.sub("-", str(id))[:64].strip("-") or otherwise


def _language(code: str) -> str:
    found = _LANGUAGE.match(code.lower())
    return found[0] if found else "en"


def _line(*said: str | None) -> str:
    """The first of these that says anything, as one line of at most 300 characters without hidden marks."""
    lines = (_HIDDEN.sub("", _BLANK.sub(" ", each or "")).strip()[:300] for each in said)
    return next((each for each in lines if each), "")


def _short(said: object) -> str:
    return _line(str(said))[:80]


_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)
