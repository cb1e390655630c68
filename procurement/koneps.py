"""Past tenders as KONEPS's open API publishes them: what was put in, and the figures that came out.

The API answers with ``response.body.items``, all numbers as strings; a blank one says nothing. The
inputs make a tender of ours again; the published figures are what its evaluation is compared with.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from crypto.encoding import Identifier
from crypto.errors import VerificationError
from procurement import evaluation, money
from procurement.evaluation import (
    Committed,
    CommittedPrices,
    Criterion,
    Evaluation,
    KrNegotiation,
    KrPriceFloor,
    Offer,
    Ranked,
    Rules,
    reserve_prices,
)
from procurement.evaluation.explain import REASONS
from procurement.money import Amount, Percent, Points
from procurement.notices import Line
from procurement.tenders import Organisation

NOTICE, BIDS, PRICES = "notice.json", "bids.json", "prices.json"
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
_SPACE = re.compile(r"\s+")

T = TypeVar("T")
Item = Mapping[str, str]


class CaseError(VerificationError):
    """The files do not describe a past tender that can be replayed; one line says where they fail."""

    code = "case-invalid"


class PastBid(msgspec.Struct, frozen=True, kw_only=True):
    """What one bidder put in. `position` counts from 1, in the order of the file."""

    position: int
    name: str
    amount: Amount
    picks: tuple[int, int] | None = None
    technical_score: Points | None = None

    @property
    def registration(self) -> str:
        """A registration number of its own: business numbers are left out, and names repeat."""
        return f"practice-{self.position:04}"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that KONEPS published: of bidder `position`, of price `number`, or of the tender."""

    figure: str
    field: str
    published: str
    position: int | None = None
    number: int | None = None


class Difference(Figure, frozen=True, kw_only=True, omit_defaults=True):
    """A published figure that does not come out again."""

    computed: str
    bidder: str | None = None

    def __str__(self) -> str:
        whose = self.bidder or (f"price {self.number}" if self.number else "tender")
        return f"{whose}: {self.figure} ({self.field}) {self.published} published, {self.computed} computed"


class Result(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a bidder came to. `reason` is our code and KONEPS's wording."""

    bidder: str
    amount: str
    rate: str | None
    price_score: str | None
    technical_score: str | None
    total: str | None
    rank: int | None
    reason: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A past tender: its inputs, and every figure that was published of its result."""

    number: Identifier
    title: Line
    entity: Organisation
    bids: tuple[PastBid, ...]
    published: tuple[Figure, ...]
    base: Amount
    prices: tuple[Amount, ...] = ()
    """The fifteen preliminary prices by number, where the expected price is drawn from them."""
    floor: Percent | None = None
    basis_points: int = 0
    technical_points: Points = "0"
    price_points: Points = "0"

    def rules(self, salt: str) -> Rules:
        """The rule set of the notice; `salt` (64 hex digits) hides the prices that it commits to."""
        if not self.prices:
            criterion = Criterion(id=CRITERION, title="Technical proposal", points=self.technical_points)
            return KrNegotiation(
                technical_points=self.technical_points,
                price_points=self.price_points,
                budget=self.base,
                criteria=(criterion,),
            )
        digest = reserve_prices.commitment(CommittedPrices(salt=salt, prices=self.prices))
        decimals = any("." in each for each in (self.base, *self.prices, *(bid.amount for bid in self.bids)))
        return KrPriceFloor(
            base=self.base,
            basis_points=self.basis_points,
            unit=1 if decimals else 100,
            preliminary_prices=Committed(digest=digest),
            floor=self.floor,
        )


def read_case(files: Mapping[str, bytes]) -> Case:
    """The case in the files of one folder, by name. Raises CaseError."""
    notice = _notice(_items(files, NOTICE))
    number = notice["bidNtceNo"]
    bids = _about(number, _items(files, BIDS), BIDS)
    if notice.get("techAbltEvlRt"):
        case = _negotiation(notice, bids)
    elif notice.get("sucsfbidLwltRate"):
        case = _price_floor(notice, bids, _about(number, _items(files, PRICES), PRICES))
    else:
        raise CaseError(f"{NOTICE}: neither sucsfbidLwltRate nor techAbltEvlRt says how it was decided")
    _check_offers(case)
    return case


def compare(case: Case, result: Evaluation) -> tuple[Difference, ...]:
    """Every published figure that the evaluation does not give again. Numbers are compared as numbers.

    Among equal bids a draw decided, theirs and ours: any of the ranks that they share agrees.
    """
    computed = _computed(case, result)
    return tuple(
        _difference(case, each, computed[_key(each)][0])
        for each in case.published
        if not any(_same(each.published, one) for one in computed[_key(each)])
    )


def results(case: Case, result: Evaluation) -> list[Result]:
    """Every bidder's result: by rank, and those who are out in the order of the case."""
    ranked = _by_position(case, result)
    order = sorted(case.bids, key=lambda bid: (ranked[bid.position].rank or len(case.bids), bid.position))
    return [_result(bid, ranked[bid.position]) for bid in order]


def _negotiation(notice: Item, bids: Sequence[Item]) -> Case:
    return Case(
        **_common(notice, bids, ()),
        base=_number(notice, "bssamt" if notice.get("bssamt") else "plnprc", Amount, NOTICE),
        technical_points=_number(notice, "techAbltEvlRt", Points, NOTICE),
        price_points=_number(notice, "bidPrceEvlRt", Points, NOTICE),
        bids=tuple(_bid(i, bid, scored=True) for i, bid in enumerate(bids, start=1)),
    )


def _price_floor(notice: Item, bids: Sequence[Item], prices: Sequence[Item]) -> Case:
    return Case(
        **_common(notice, bids, prices),
        base=_number(notice, "bssamt", Amount, NOTICE),
        floor=_number(notice, "sucsfbidLwltRate", Percent, NOTICE),
        basis_points=_basis_points(notice),
        prices=_prices(prices),
        bids=tuple(_bid(i, bid, scored=False) for i, bid in enumerate(bids, start=1)),
    )


def _common(notice: Item, bids: Sequence[Item], prices: Sequence[Item]) -> dict[str, Any]:
    number = notice["bidNtceNo"]
    return {
        "number": _fit(number, Identifier, f"{NOTICE}: bidNtceNo"),
        "title": notice.get("bidNtceNm", number)[:300],
        "entity": Organisation(
            id=_fit(notice.get("ntceInsttCd", "practice"), Identifier, f"{NOTICE}: ntceInsttCd"),
            name=notice.get("ntceInsttNm", "Procuring entity of a past tender")[:300],
        ),
        "published": tuple(dict.fromkeys(_published(notice, bids, prices))),
    }


def _published(notice: Item, bids: Sequence[Item], prices: Sequence[Item]) -> Iterator[Figure]:
    for item in (notice, *prices):
        yield from _figures(item, TENDER_FIGURES)
    for position, item in enumerate(bids, start=1):
        yield from _figures(item, BID_FIGURES, position=position)
    for item in prices:
        yield from _figures(item, PRICE_FIGURES, number=_price_number(item))


def _figures(item: Item, names: Mapping[str, str], **whose: int) -> Iterator[Figure]:
    for field, name in names.items():
        if item.get(field):
            yield Figure(figure=name, field=field, published=item[field], **whose)


def _bid(position: int, item: Item, *, scored: bool) -> PastBid:
    name = item.get("prcbdrNm", "")
    where = f"{BIDS}: bid {position} ({name})"
    return PastBid(
        position=position,
        name=_fit(name, Line, f"{where}: prcbdrNm"),
        amount=_number(item, "bidprcAmt", Amount, where),
        picks=None if scored else (_pick(item, "drwtNo1", where), _pick(item, "drwtNo2", where)),
        technical_score=_number(item, "techEvlVal", Points, where) if scored else None,
    )


def _prices(items: Sequence[Item]) -> tuple[Amount, ...]:
    by_number = {_price_number(item): _number(item, "bsisPlnprc", Amount, PRICES) for item in items}
    if len(items) != reserve_prices.PRICES or sorted(by_number) != list(range(1, reserve_prices.PRICES + 1)):
        raise CaseError(f"{PRICES}: not the preliminary prices 1 to {reserve_prices.PRICES}, each once")
    return tuple(by_number[number] for number in sorted(by_number))


def _price_number(item: Item) -> int:
    return _whole(item, "compnoRsrvtnPrceSno", PRICES)


def _pick(item: Item, field: str, where: str) -> int:
    return _whole(item, field, where)


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
    revealed = CommittedPrices(salt="0" * 64, prices=case.prices)
    rules = case.rules(revealed.salt)
    for bid in case.bids:
        amount = money.parse(bid.amount, places=2)
        offer = Offer(envelope_id="", bidder="", amount=amount, picks=bid.picks or ())
        _stating(f"{BIDS}: bid {bid.position} ({bid.name})", evaluation.check_offer, rules, offer)
    if isinstance(rules, KrPriceFloor):
        _stating(PRICES, evaluation.kr_price_floor.verify_revealed, rules, revealed)


def _computed(case: Case, result: Evaluation) -> dict[tuple[str, int | None, int | None], tuple[str, ...]]:
    """What may stand for each figure; more than one only for the ranks of equal bids."""
    base = money.parse(case.base, places=2)
    above = sum(money.parse(price, places=2) > base for price in case.prices)
    computed: dict[tuple[str, int | None, int | None], tuple[str, ...]] = {
        ("expectedPrice", None, None): (result.expected_price or "none",),
        ("baseAmount", None, None): (case.base,),
        ("pricesAboveBase", None, None): (str(above),),
    }
    for price in result.preliminary_prices or ():
        drawn = price.number in (result.drawn_numbers or ())
        computed["drawn", None, price.number] = ("Y" if drawn else "N",)
        computed["picks", None, price.number] = (str(price.picks),)
    ranks = _shared_ranks(result.ranking)
    for position, ranked in _by_position(case, result).items():
        computed["rank", position, None] = ranks.get(_merit(ranked), ("none",)) if ranked.rank else ("none",)
        computed["remark", position, None] = (REASONS["ko"][ranked.reason],)
        for name, score in _scores(ranked).items():
            computed[name, position, None] = (score or "none",)
    return computed


def _scores(ranked: Ranked) -> dict[str, str | None]:
    return {
        "rate": ranked.rate,
        "priceScore": ranked.price_score,
        "technicalScore": ranked.technical_score,
        "total": ranked.total,
    }


def _difference(case: Case, figure: Figure, computed: str) -> Difference:
    bidder = case.bids[figure.position - 1].name if figure.position else None
    return Difference(**msgspec.structs.asdict(figure), computed=computed, bidder=bidder)


def _shared_ranks(ranking: Iterable[Ranked]) -> dict[tuple[str | None, ...], tuple[str, ...]]:
    ranks: dict[tuple[str | None, ...], tuple[str, ...]] = {}
    for each in ranking:
        if each.rank:
            ranks[_merit(each)] = (*ranks.get(_merit(each), ()), str(each.rank))
    return ranks


def _merit(ranked: Ranked) -> tuple[str | None, ...]:
    """Bids with the same are equal, and only a draw can rank them."""
    return (ranked.total, ranked.technical_score) if ranked.total else (ranked.amount,)


def _by_position(case: Case, result: Evaluation) -> dict[int, Ranked]:
    """The ranking by the bidders' positions in the case. Raises CaseError unless all are there."""
    by_registration = {ranked.bidder: ranked for ranked in result.ranking}
    if set(by_registration) != {bid.registration for bid in case.bids}:
        raise CaseError("the evaluation is not of all the bidders of the case")
    return {bid.position: by_registration[bid.registration] for bid in case.bids}


def _result(bid: PastBid, ranked: Ranked) -> Result:
    return Result(
        bidder=bid.name,
        amount=bid.amount,
        rate=ranked.rate,
        price_score=ranked.price_score,
        technical_score=ranked.technical_score,
        total=ranked.total,
        rank=ranked.rank,
        reason=f"{ranked.reason} {REASONS['ko'][ranked.reason]}",
    )


def _key(figure: Figure) -> tuple[str, int | None, int | None]:
    return figure.figure, figure.position, figure.number


def _same(published: str, computed: str) -> bool:
    if _NUMBER.fullmatch(published) and _NUMBER.fullmatch(computed):
        return Decimal(published) == Decimal(computed)
    return _SPACE.sub("", published) == _SPACE.sub("", computed)


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
