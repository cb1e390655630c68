"""Past tenders as KONEPS's open API publishes them: what was put in, and the figures that came out.

The API answers with ``response.body.items``, all numbers as strings; a blank one says nothing. The
inputs make a tender of ours again; the published figures are what its evaluation is compared with.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from crypto.encoding import Identifier
from crypto.errors import VerificationError
from procurement import evaluation, tenders
from procurement.case import ENTITY, Case, CaseError, Figure, PastBid
from procurement.evaluation import (
    Committed,
    CommittedPrices,
    Criterion,
    KrNegotiation,
    KrPriceFloor,
    Rules,
    reserve_prices,
)
from procurement.money import Amount, Percent, Points
from procurement.notices import Line
from procurement.tenders import Bid, Lot, LotOffer, Organisation, offers

NOTICE, BIDS, PRICES = "notice.json", "bids.json", "prices.json"
LOT = "1"
CRITERION = "technical"
"""What the panel scores: KONEPS publishes one technical score for each bidder."""

BID_FIGURES = {
    "opengRank": "rank",
    "rmrk": "remark",
    "bidprcrt": "rate",
    "bidPrceEvlVal": "priceScore",
    "techEvlVal": "technicalScore",
    "totalEvlAmtVal": "total",
}
"""Published figures of a bidder, by KONEPS's field name, and ours."""
PRICE_FIGURES = {"drwtYn": "drawn", "drwtNum": "picks"}
"""Published figures of one preliminary price."""
TENDER_FIGURES = {
    "plnprc": "expectedPrice",
    "bssamt": "baseAmount",
    "bssamtBssUpNum": "pricesAboveBase",
}
"""Published figures of the whole tender, wherever they stand."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")

Item = Mapping[str, str]


def read_case(files: Mapping[str, bytes], salt: str) -> Case:
    """The case in the files of one folder, by name; `salt` (64 hex digits) hides the prices that its rules
    commit to. Raises CaseError."""
    notice = _notice(_items(files, NOTICE))
    number = notice["bidNtceNo"]
    bids = _about(number, _items(files, BIDS), BIDS)
    if notice.get("techAbltEvlRt"):
        case = _negotiation(notice, bids)
    elif notice.get("sucsfbidLwltRate"):
        case = _price_floor(notice, bids, _about(number, _items(files, PRICES), PRICES), salt)
    else:
        raise CaseError(f"{NOTICE}: neither sucsfbidLwltRate nor techAbltEvlRt says how it was decided")
    _check_offers(case)
    return case


def _negotiation(notice: Item, bids: Sequence[Item]) -> Case:
    technical_points = _number(notice, "techAbltEvlRt", Points, NOTICE)
    rules = KrNegotiation(
        technical_points=technical_points,
        price_points=_number(notice, "bidPrceEvlRt", Points, NOTICE),
        budget=_number(notice, "bssamt" if notice.get("bssamt") else "plnprc", Amount, NOTICE),
        criteria=(Criterion(id=CRITERION, title="Technical proposal", points=technical_points),),
    )
    read = tuple(_bid(i, bid, scored=True) for i, bid in enumerate(bids, start=1))
    return _case(notice, rules, read, _published(notice, bids, ()))


def _price_floor(notice: Item, bids: Sequence[Item], prices: Sequence[Item], salt: str) -> Case:
    read = tuple(_bid(i, bid, scored=False) for i, bid in enumerate(bids, start=1))
    committed = CommittedPrices(salt=salt, prices=_prices(prices))
    base = _number(notice, "bssamt", Amount, NOTICE)
    amounts = [base, *committed.prices, *(offer.amount for bid in read for offer in bid.offers)]
    rules = KrPriceFloor(
        base=base,
        basis_points=_basis_points(notice),
        unit=1 if any("." in each for each in amounts) else 100,
        preliminary_prices=Committed(digest=reserve_prices.commitment(committed)),
        floor=_number(notice, "sucsfbidLwltRate", Percent, NOTICE),
    )
    return _case(notice, rules, read, _published(notice, bids, prices), committed)


def _case(
    notice: Item,
    rules: Rules,
    bids: tuple[PastBid, ...],
    published: Iterable[Figure],
    committed: CommittedPrices | None = None,
) -> Case:
    number = _fit(notice["bidNtceNo"], Identifier, f"{NOTICE}: bidNtceNo")
    title = notice.get("bidNtceNm", number)[:300]
    return Case(
        publisher="KONEPS",
        number=number,
        title=title,
        language="ko",
        entity=Organisation(
            id=_fit(notice.get("ntceInsttCd", "practice"), Identifier, f"{NOTICE}: ntceInsttCd"),
            name=notice.get("ntceInsttNm", ENTITY)[:300],
        ),
        currency="KRW",
        lots=(Lot(id=LOT, title=title, items=(tenders.Item(id="1", description=title),), rules=rules),),
        bids=bids,
        published=tuple(dict.fromkeys(published)),
        committed=committed,
    )


def _published(notice: Item, bids: Sequence[Item], prices: Sequence[Item]) -> Iterator[Figure]:
    for item in (notice, *prices):
        yield from _figures(item, TENDER_FIGURES)
    for position, item in enumerate(bids, start=1):
        yield from _figures(item, BID_FIGURES, position=position)
    for item in prices:
        yield from _figures(item, PRICE_FIGURES, number=_price_number(item))


def _figures(
    item: Item, names: Mapping[str, str], *, position: int | None = None, number: int | None = None
) -> Iterator[Figure]:
    for field, name in names.items():
        if item.get(field):
            yield Figure(figure=name, field=field, published=item[field], position=position, number=number)


def _bid(position: int, item: Item, *, scored: bool) -> PastBid:
    name = item.get("prcbdrNm", "")
    where = f"{BIDS}: bid {position} ({name})"
    fitting, amount = _fit(name, Line, f"{where}: prcbdrNm"), _number(item, "bidprcAmt", Amount, where)
    picks = None if scored else (_whole(item, "drwtNo1", where), _whole(item, "drwtNo2", where))
    return PastBid(
        position=position,
        names=(fitting,),
        offers=(LotOffer(lot=LOT, amount=amount, picks=picks),),
        technical_score=_number(item, "techEvlVal", Points, where) if scored else None,
    )


def _prices(items: Sequence[Item]) -> tuple[Amount, ...]:
    by_number = {_price_number(item): _number(item, "bsisPlnprc", Amount, PRICES) for item in items}
    if len(items) != reserve_prices.PRICES or sorted(by_number) != list(range(1, reserve_prices.PRICES + 1)):
        raise CaseError(f"{PRICES}: not the preliminary prices 1 to {reserve_prices.PRICES}, each once")
    return tuple(by_number[number] for number in sorted(by_number))


def _price_number(item: Item) -> int:
    return _whole(item, "compnoRsrvtnPrceSno", PRICES)


def _whole(item: Item, field: str, where: str) -> int:
    text = item.get(field, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise CaseError(f"{where}: {field} is {f'not a number: {text}' if text else 'missing'}")
    return int(text)


def _basis_points(notice: Item) -> int:
    """± per cent around the base amount, in hundredths of a per cent."""
    below, above = (notice.get(field, "") for field in ("rsrvtnPrceRngBgnRate", "rsrvtnPrceRngEndRate"))
    if not (_NUMBER.fullmatch(below) and _NUMBER.fullmatch(above)):
        raise CaseError(f"{NOTICE}: rsrvtnPrceRngBgnRate and rsrvtnPrceRngEndRate give no range")
    points = Decimal(above) * 100
    if Decimal(below) != -Decimal(above) or points != int(points) or not 1 <= points <= 9999:
        raise CaseError(f"{NOTICE}: the range {below} to {above} per cent is not even on both sides")
    return int(points)


def _check_offers(case: Case) -> None:
    """What the rules cannot read is said before anything is replayed."""
    rules = case.lots[0].rules
    for bid in case.bids:
        where = f"{BIDS}: bid {bid.position} ({bid.name})"
        for each in offers(case.lots[0], [("", "", Bid(offers=bid.offers))]):
            _stating(where, evaluation.check_offer, rules, each)
    if isinstance(rules, KrPriceFloor):
        _stating(PRICES, evaluation.kr_price_floor.verify_revealed, rules, case.committed)


def _notice(items: Sequence[Item]) -> Item:
    """The notice's latest order (차수); all must be of one tender."""
    if len({item.get("bidNtceNo", "") for item in items}) != 1 or not items[0].get("bidNtceNo"):
        raise CaseError(f"{NOTICE}: not about one tender with a bidNtceNo")
    return max(items, key=lambda item: item.get("bidNtceOrd", ""))


def _about(number: str, items: Sequence[Item], name: str) -> list[Item]:
    """Those of the tender. Its orders (bidNtceOrd) may differ from file to file."""
    found = [item for item in items if item.get("bidNtceNo") == number]
    if not found:
        raise CaseError(f"{name}: nothing about tender {number}")
    return found


def _items(files: Mapping[str, bytes], name: str) -> list[Item]:
    """The items of one answer, figures without the blanks around them, and without blank figures."""
    if name not in files:
        raise CaseError(f"{name} is missing")
    try:
        answer = msgspec.json.decode(files[name], type=_Answer)
    except (ValueError, RecursionError) as error:
        raise CaseError(f"{name}: not an answer of the open API: {error}") from error
    if not answer.response.body.items:
        raise CaseError(f"{name}: no items")
    return [_stripped(item) for item in answer.response.body.items]


def _stripped(item: Mapping[str, str | int | float | None]) -> Item:
    figures = {field: str(figure).strip() for field, figure in item.items() if figure is not None}
    return {field: figure for field, figure in figures.items() if figure}


def _number(item: Item, field: str, type_: Any, where: str) -> str:
    text = item.get(field)
    if text is None:
        raise CaseError(f"{where}: {field} is missing")
    if not _NUMBER.fullmatch(text) or len(text) > 24:
        raise CaseError(f"{where}: {field} is not a number: {text[:40]}")
    plain = format(Decimal(text), "f")
    return _fit(plain.rstrip("0").rstrip(".") if "." in plain else plain, type_, f"{where}: {field}")


def _fit(text: str, type_: Any, where: str) -> str:
    try:
        fitting: str = msgspec.convert(text, type_)
    except msgspec.ValidationError as error:
        raise CaseError(f"{where} is not of the expected form: {text[:40]}") from error
    return fitting


def _stating(where: str, check: Any, *arguments: Any) -> None:
    try:
        check(*arguments)
    except VerificationError as error:
        raise CaseError(f"{where}: {error}") from error


class _Body(msgspec.Struct, frozen=True):
    items: list[dict[str, str | int | float | None]]


class _Response(msgspec.Struct, frozen=True):
    body: _Body


class _Answer(msgspec.Struct, frozen=True):
    response: _Response
