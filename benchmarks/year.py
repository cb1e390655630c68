"""A year of tenders that somebody made up, in the shape of a national portal's.

What is known of KONEPS gives the shape: some 36 bids for a tender on average and well over 500 in small
works, six closings in ten at 10:00, most works and many services under a price floor, quotations for small
purchases, proposals that a panel scores for larger services. The rest is guessed: shares, amounts
(log-normal), questions, amendments, and how many come to nothing. Names are made of parts; no business or
entity is a real one.

Everything of a tender follows from the year's seed and the tender's number, so that any process can make any
part of a year, in any order.
"""

import math
import random
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal, NamedTuple

import msgspec

from crypto.beacon import Network
from crypto.encoding import moment, sha256
from procurement.evaluation import (
    Criterion,
    Derived,
    KrNegotiation,
    KrPriceFloor,
    LowestPrice,
    LowestPrice2,
    MultiAward,
    Rules,
    TwoEnvelope,
    WeightedCriterion,
    criteria,
)
from procurement.notices import Category, Classification, Eligibility, LegalBasis, ProcedureName, SetAside
from procurement.periods import earliest_deadline
from procurement.tenders import Contact, Item, Lot, Notice, Organisation, purchase
from tests.builders import World, a_notice, the_world

DAYS = 365
KOREA = timedelta(hours=9)
BIDS = 36.0
"""For a tender, on average, in KONEPS."""
SPREAD = 1.4
"""Of the logarithm of how many bids a tender has: with an average of 36, one in 200 has more than 500."""
MOST_BIDS = 3000
SCORED = 8
"""So many times fewer bids come where a panel scores them."""
TENDERS_OF_ENTITY, BUSINESSES_FOR_TENDER = 5, 1.7
"""70,000 entities and 600,000 businesses, for some 350,000 tenders a year."""
AT_TEN = 0.6
"""The share of deadlines at 10:00; the others are at other full hours."""
HOURS = (11, 12, 14, 15, 16, 17, 18)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


REGIONS = _words(
    "서울특별시 부산광역시 대구광역시 인천광역시 광주광역시 대전광역시 울산광역시 세종특별자치시 경기도 "
    "강원특별자치도 충청북도 충청남도 전북특별자치도 전라남도 경상북도 경상남도 제주특별자치도"
)
TOWNS = _words(
    "가평 강릉 거창 경주 고흥 곡성 공주 구례 군산 김제 나주 남원 논산 단양 당진 문경 밀양 보령 보성 부안 "
    "산청 삼척 상주 서귀포 서산 속초 순천 신안 안동 양구 양평 여수 영광 영월 예산 완도 울진 음성 의성 이천 "
    "익산 장수 정선 제천 진도 창녕 철원 청송 춘천 충주 태안 통영 평창 포항 하동 함양 해남 홍성 화순 횡성"
)
OFFICES = _words("시청 군청 교육지원청 보건소 상수도사업소 소방서 농업기술센터 시설관리공단 중학교 도서관")
SYLLABLES = _words(
    "가온 금강 다올 대한 동해 라온 미래 백두 보람 새벽 서진 성우 세종 솔빛 아람 영진 우리 정다운 청솔 한빛"
)
TRADES = _words("건설 산업 전자 조경 정보 종합건설 기술 환경 상사 엔지니어링")
THINGS: dict[Category, tuple[str, ...]] = {
    "goods": (
        "학교 책상 및 의자",
        "노트북 컴퓨터",
        "급식 식재료",
        "소방 호스",
        "정수 처리 약품",
        "도서관 도서",
        "구급차",
        "태양광 모듈",
        "의료용 장갑",
        "가로등 자재",
    ),
    "works": (
        "도로 포장",
        "하천 정비",
        "교실 증축",
        "상수도관 교체",
        "체육관 보수",
        "배수로 설치",
        "농로 확장",
        "전기 설비",
        "석면 해체",
        "어린이 공원 조성",
    ),
    "services": (
        "청사 청소",
        "정보시스템 유지관리",
        "폐기물 처리",
        "통학 버스 운행",
        "시설물 안전 점검",
        "홍보 영상 제작",
        "기본계획 수립",
        "경비",
        "번역",
        "측량",
    ),
}
ENDS: dict[Category, str] = {"goods": "구매", "works": "공사", "services": "용역"}
CODES: dict[Category, int] = {"goods": 56_000_000, "works": 72_000_000, "services": 80_000_000}
"""UNSPSC segments, roughly."""
MEDIAN: dict[Category, float] = {"goods": 35e6, "works": 140e6, "services": 60e6}
"""Of estimated values, in won."""

QUALIFIES = "60"
"""Per cent of a proposal's points."""

Ends = Literal["awarded", "cancelled", "unsuccessful"]
Way = tuple[Category, ProcedureName, str]
WAYS: tuple[tuple[int, Way], ...] = (
    (18, ("goods", "small-value", "lowest")),
    (11, ("goods", "open", "floor")),
    (3, ("goods", "open", "several")),
    (3, ("goods", "two-envelope", "two")),
    (27, ("works", "open", "floor")),
    (3, ("works", "open", "abnormal")),
    (14, ("services", "small-value", "lowest")),
    (13, ("services", "open", "floor")),
    (8, ("services", "negotiation", "panel")),
)
"""What is bought, by which procedure and rules, of a hundred tenders."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One tender of the year, as it is to go. The year may end before it does."""

    number: int
    notice: Notice
    """As it is published."""
    bidders: tuple[int, ...]
    """Numbers of the businesses that bid."""
    asked: int
    """Questions."""
    amended: bool
    ends: Ends
    """Cancelled before the deadline, unsuccessful after the bids were scored; without bids, too."""
    opened: datetime
    scored: datetime
    intended: datetime
    over: datetime


class Business(NamedTuple):
    """Registration number, name, and the fingerprint of the certificate, hex."""

    registration: str
    name: str
    fingerprint: str


class Year(msgspec.Struct, frozen=True, kw_only=True):
    """So many tenders, published in the year before `until`, with so many `bids` each on average."""

    tenders: int
    until: datetime
    bids: float = BIDS
    seed: str = "year"

    @property
    def begins(self) -> datetime:
        """Before the first tender is published."""
        return self.until - timedelta(days=DAYS + 1)

    @property
    def entities(self) -> int:
        return max(20, self.tenders // TENDERS_OF_ENTITY)

    @property
    def businesses(self) -> int:
        return max(2 * MOST_BIDS, int(self.tenders * BUSINESSES_FOR_TENDER))

    def chance(self, number: int) -> random.Random:
        """What a tender's facts are drawn from."""
        return random.Random(f"{self.seed}/{number}")  # noqa: S311

    def plan(self, number: int) -> Plan:
        """The tender of that number, from 0."""
        chance = self.chance(number)
        [way] = chance.choices([each for _, each in WAYS], [share for share, _ in WAYS])
        published = self._published(chance, number)
        notice = _notice(self, chance, number, way, published)
        count = self._count(chance, notice)
        ends: Ends = chance.choices(("awarded", "cancelled", "unsuccessful"), (91, 4, 5))[0]
        opened = notice.opens + timedelta(minutes=1)
        scored = opened + timedelta(days=(12 if criteria(notice.lots[0].rules) else 0), minutes=2)
        intended = scored + timedelta(days=chance.randint(1, 14), minutes=chance.randrange(480))
        return Plan(
            number=number,
            notice=notice,
            bidders=tuple(chance.sample(range(self.businesses), count)),
            asked=chance.choices((0, 1, 2, 5), (75, 15, 7, 3))[0],
            amended=chance.random() < 0.12,
            ends=ends if count else "unsuccessful",
            opened=opened,
            scored=scored,
            intended=intended,
            over=_over(notice, ends, intended),
        )

    def _published(self, chance: random.Random, number: int) -> datetime:
        """In office hours of a working day, to the second; tenders are numbered in the order of days."""
        day = self.until - timedelta(days=DAYS - number * DAYS // self.tenders)
        at = _on_a_weekday(day.replace(hour=0, minute=0, second=0, microsecond=0))
        at += timedelta(seconds=chance.randrange(9 * 3600))  # 09:00 to 18:00 in Korea
        return min(at, self.until - timedelta(hours=1))

    def _count(self, chance: random.Random, notice: Notice) -> int:
        """How many bid: few for most tenders, very many for some, nobody for one in fifty."""
        mean = self.bids / (SCORED if criteria(notice.lots[0].rules) else 1)
        count = round(chance.lognormvariate(math.log(mean) - SPREAD**2 / 2, SPREAD))
        return min(MOST_BIDS, max(1, count)) if chance.random() > 0.02 else 0


def business(number: int) -> Business:
    """The business of that number, the same in every year."""
    first, rest = SYLLABLES[number % 20], number // 20
    name = f"주식회사 {first}{SYLLABLES[rest % 20]}{TRADES[rest // 20 % 10]}"
    registration = f"{100 + number % 900}-{10 + number // 900 % 90}-{10_000 + number // 81_000:05}"
    return Business(registration, name, sha256(b"business", number.to_bytes(8, "big")).hex())


def entity(number: int) -> Organisation:
    """The procuring entity of that number, the same in every year."""
    town, office = TOWNS[number % len(TOWNS)], OFFICES[number // len(TOWNS) % len(OFFICES)]
    more = number // (len(TOWNS) * len(OFFICES))
    return Organisation(
        id=f"KR-{1_000_000 + number}", name=f"{town} {office}" + f" {more + 1}관" * (more > 0)
    )


def _notice(year: Year, chance: random.Random, number: int, way: Way, published: datetime) -> Notice:
    category, procedure, rules = way
    value = round(chance.lognormvariate(math.log(MEDIAN[category]), 1.3), -4) or 10_000
    thing = chance.choice(THINGS[category])
    lots = _lots(chance, category, thing, rules, int(value))
    buyer = entity(int(year.entities * chance.random() ** 2))  # some publish far more than others
    asked = msgspec.structs.replace(
        _form(),
        tender=f"ocds-0s3al1-year-{number}",
        number=f"R{published.year % 100}BK{number:08}",
        title=f"{buyer.name} {thing} {ENDS[category]}",
        description=f"{thing} {ENDS[category]} 입찰을 공고합니다. 자세한 내용은 규격서를 보십시오.",
        procuring_entity=buyer,
        lots=lots,
        published=moment(published),
        standstill=86_400 * chance.choice((0, 3, 5, 10)),
        evaluators=_form().evaluators if criteria(lots[0].rules) else (),
        category=category,
        estimated_value=str(int(value)),
        legal=LegalBasis(jurisdiction="kr-national", procedure=procedure),
        eligibility=_eligibility(chance),
    )
    return _timed(asked, chance, published, _network(year.until))


def _timed(notice: Notice, chance: random.Random, published: datetime, network: Network) -> Notice:
    """With deadline and round: at a full hour in Korea, once the legal period is over or some days later."""
    asked = purchase(notice)
    assert asked
    day = earliest_deadline(asked).replace(tzinfo=UTC)  # of Korea
    day = _on_a_weekday(day + timedelta(days=chance.choice((0, 0, 1, 2, 3, 7, 14))))
    hour = 10 if chance.random() < AT_TEN else chance.choice(HOURS)
    closes = day + timedelta(hours=hour) - KOREA
    return msgspec.structs.replace(
        notice,
        deadline=moment(closes),
        enquiries_until=moment(published + (closes - published) / 2),
        network=network,
        round=str(network.round_at(closes + timedelta(minutes=chance.choice((30, 60))))),
    )


@cache
def _form() -> Notice:
    """What all notices of the year have in common."""
    world: World = the_world()
    contact = Contact(name="김담당", email="officer@example.org", telephone="+82-2-000-0000")
    panel = tuple(each.fingerprint for each in world.panel)
    return a_notice(world, contact=contact, language="ko", evaluators=panel)


@cache
def _network(until: datetime) -> Network:
    """A beacon that began before the year did."""
    genesis = int((until - timedelta(days=2 * DAYS)).timestamp())
    return msgspec.structs.replace(_form().network, genesis=genesis)


def _lots(chance: random.Random, category: Category, thing: str, rules: str, value: int) -> tuple[Lot, ...]:
    """One to five; a panel scores one."""
    scored = rules in ("panel", "two")
    count = 1 if scored else chance.choices((1, 2, 3, 4, 5), (85, 8, 4, 2, 1))[0]
    return tuple(
        Lot(
            id=str(number),
            title=f"{thing} {ENDS[category]}" + f" 제{number}공구" * (count > 1),
            items=tuple(_item(chance, category, thing, each) for each in range(1, chance.randint(2, 4))),
            rules=_rules(rules, max(10_000, round(value // count, -3))),
        )
        for number in range(1, count + 1)
    )


def _item(chance: random.Random, category: Category, thing: str, number: int) -> Item:
    code = Classification(scheme="UNSPSC", id=str(CODES[category] + chance.randrange(100) * 100))
    kind = thing.split()[-1]
    return Item(
        id=str(number),
        description=f"{thing} ({kind} {number})",
        quantity=str(chance.randint(1, 500)),
        unit="EA" if category == "goods" else "식",
        classification=code,
    )


def _rules(name: str, value: int) -> Rules:
    match name:
        case "floor":
            return KrPriceFloor(
                base=str(value), basis_points=300, unit=100, preliminary_prices=Derived(), floor="87.745"
            )
        case "several":
            return MultiAward(rules=LowestPrice2(ceiling=str(value), abnormal_below="70"), winners=3)
        case "abnormal":
            return LowestPrice2(ceiling=str(value), abnormal_below="70")
        case "panel":
            points = (("method", "40"), ("team", "30"), ("past", "20"))
            asked = tuple(Criterion(id=id, title=id, points=most) for id, most in points)
            return KrNegotiation(technical_points="90", price_points="10", budget=str(value), criteria=asked)
        case "two":
            quality = WeightedCriterion(id="quality", title="품질", points="100", weight="100")
            return TwoEnvelope(criteria=(quality,), pass_mark=QUALIFIES, ceiling=str(value))
        case _:
            return LowestPrice(ceiling=str(value))


def _eligibility(chance: random.Random) -> Eligibility | None:
    """Half are for businesses of a region, some of those for small ones alone."""
    if chance.random() < 0.5:
        return None
    whom: tuple[tuple[SetAside, ...], ...] = ((), ("small",), ("local",), ("village",))
    [reserved] = chance.choices(whom, (80, 12, 6, 2))
    return Eligibility(regions=(chance.choice(REGIONS),), reserved_for=reserved)


def _on_a_weekday(day: datetime) -> datetime:
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)


def _over(notice: Notice, ends: Ends, intended: datetime) -> datetime:
    if ends == "cancelled":
        return notice.closes - timedelta(hours=20)
    return intended + timedelta(seconds=notice.standstill, minutes=1)
