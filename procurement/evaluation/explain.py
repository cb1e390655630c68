"""Explanation lines as sentences, and reasons in words, in English and Korean; rules in words, in English.

A line keeps codes and figures only; the words are chosen when somebody reads, so a signed result does not
depend on a translation.
"""

import re
from typing import Literal

from procurement.evaluation import Rules
from procurement.evaluation.examination import Examination
from procurement.evaluation.kr_negotiation import KrNegotiation
from procurement.evaluation.kr_price_floor import KrPriceFloor
from procurement.evaluation.lowest_price import LowestPrice
from procurement.evaluation.reserve_prices import Derived
from procurement.evaluation.values import Line, Reason
from procurement.money import grouped

Language = Literal["en", "ko"]
Facts = list[tuple[str, str]]
"""Labels with what is stated under each."""

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))

KONEPS_REMARKS: dict[Reason, str] = {
    "valid": "정상",
    "above-ceiling": "예가초과",
    "above-expected-price": "예가초과",
    "below-floor": "낙찰하한선 미달",
    "below-net-cost": "순공사원가 98% 미달",
    "below-pass-mark": "기술점수 미달",
}
"""The remark per reason: 정상, 낙찰하한선 미달 and 예가초과 are KONEPS's own, the others in its manner."""

REASONS: dict[Reason, str] = {
    "valid": "Valid",
    "above-ceiling": "Above the ceiling",
    "above-expected-price": "Above the expected price",
    "below-floor": "Below the floor amount",
    "below-net-cost": "Below 98 % of the net construction cost",
    "below-pass-mark": "Below the technical pass mark",
}

SENTENCES: dict[str, dict[Language, str]] = {
    "ceiling": {
        "en": "The ceiling is {ceiling}.",
        "ko": "상한금액은 {ceiling}이다.",
    },
    "above-ceiling": {
        "en": "The price {amount} is above the ceiling {ceiling}.",
        "ko": "입찰금액 {amount}은(는) 상한금액 {ceiling}을(를) 초과한다.",
    },
    "under-ceiling": {
        "en": "The price {amount} is not above the ceiling {ceiling}.",
        "ko": "입찰금액 {amount}은(는) 상한금액 {ceiling} 이하이다.",
    },
    "rate": {
        "en": "{amount} ÷ {reference} = {rate} %, cut off after three decimals.",
        "ko": "{amount} ÷ {reference} = {rate}% (소수점 넷째 자리 이하 절사).",
    },
    "tie-draw": {
        "en": "{equals} bids are equal. They are ordered by public tickets, the lowest first; this bid's is"
        " {ticket}.",
        "ko": "동점 {equals}건은 공개 추첨값의 오름차순으로 정한다. 이 입찰의 추첨값은 {ticket}이다.",
    },
    "rank": {
        "en": "Rank {rank} of {inLine} in line.",
        "ko": "순위 대상 {inLine}건 중 {rank}위.",
    },
    "prices-derived": {
        "en": "The fifteen preliminary prices follow from the seed {seed}, one of each of fifteen equal bands"
        " within ±{basisPoints} basis points of the base amount {base}.",
        "ko": "복수예비가격 15개는 기초금액 {base}의 ±{basisPoints}bp 범위를 15등분한 구간마다 하나씩"
        " 시드 {seed}에서 도출하였다.",
    },
    "prices-committed": {
        "en": "The fifteen preliminary prices are those with the digest {digest}: committed by the officer,"
        " not derived.",
        "ko": "복수예비가격 15개는 담당자가 {digest}(으)로 미리 확약한 것이며, 도출된 것이 아니다.",
    },
    "preliminary-price": {
        "en": "Preliminary price {number} is {price}, picked {picks} times.",
        "ko": "예비가격 {number}번은 {price}이며 {picks}회 선택되었다.",
    },
    "drawn-numbers": {
        "en": "The four most picked numbers, of equal ones the lower first, are {drawnNumbers}.",
        "ko": "가장 많이 선택된 네 번호(횟수가 같으면 작은 번호 우선)는 {drawnNumbers}이다.",
    },
    "expected-price": {
        "en": "The mean of {prices}, rounded up, is the expected price {expectedPrice}.",
        "ko": "{prices}의 평균을 절상한 {expectedPrice}이(가) 예정가격이다.",
    },
    "floor-stated": {
        "en": "The notice states a floor of {floor} %.",
        "ko": "공고에 명시된 낙찰하한율은 {floor}%이다.",
    },
    "floor-from-table": {
        "en": "For the estimated price {estimatedPrice}, the table in force (centre {centre}) has a floor of"
        " {floor} %.",
        "ko": "추정가격 {estimatedPrice}에 대하여 공고일에 시행 중인 기준(중심 {centre})의 낙찰하한율은"
        " {floor}%이다.",
    },
    "floor-amount": {
        "en": "({expectedPrice} − {statutoryCosts}) × {floor} % + {statutoryCosts}, rounded up, is the floor"
        " amount {floorAmount}.",
        "ko": "({expectedPrice} − {statutoryCosts}) × {floor}% + {statutoryCosts}을(를) 절상한"
        " {floorAmount}이(가) 낙찰하한금액이다.",
    },
    "net-cost": {
        "en": "98 % of the net construction cost {netConstructionCost}, rounded up, is {netCostAmount}.",
        "ko": "순공사원가 {netConstructionCost}의 98%를 절상하면 {netCostAmount}이다.",
    },
    "above-expected-price": {
        "en": "The price {amount} is above the expected price {expectedPrice}.",
        "ko": "입찰금액 {amount}은(는) 예정가격 {expectedPrice}을(를) 초과한다.",
    },
    "below-floor": {
        "en": "The price {amount} is below the floor amount {floorAmount}.",
        "ko": "입찰금액 {amount}은(는) 낙찰하한금액 {floorAmount}에 미달한다.",
    },
    "below-net-cost": {
        "en": "The price {amount} is below {netCostAmount}, 98 % of the net construction cost.",
        "ko": "입찰금액 {amount}은(는) 순공사원가의 98%인 {netCostAmount}에 미달한다.",
    },
    "within-limits": {
        "en": "The price {amount} is not below the floor amount {floorAmount} and not above the expected"
        " price {expectedPrice}.",
        "ko": "입찰금액 {amount}은(는) 낙찰하한금액 {floorAmount} 이상, 예정가격 {expectedPrice} 이하이다.",
    },
    "budget": {
        "en": "The budget {expectedPrice} stands for the expected price.",
        "ko": "사업예산 {expectedPrice}을(를) 예정가격으로 본다.",
    },
    "pass-mark": {
        "en": "The pass mark is {passMark} % of {technicalPoints} technical points: {passMarkPoints}.",
        "ko": "기술평가 기준점수는 배점 {technicalPoints}점의 {passMark}%인 {passMarkPoints}점이다.",
    },
    "lowest-price": {
        "en": "The lowest price of those in is {lowestPrice}.",
        "ko": "유효한 입찰 중 최저가격은 {lowestPrice}이다.",
    },
    "panel-mean": {
        "en": "The mean of the panel's totals {totals}, half-up to four decimals, is the technical score"
        " {technicalScore}.",
        "ko": "평가위원별 총점 {totals}의 평균(소수점 다섯째 자리 반올림) {technicalScore}이(가)"
        " 기술점수이다.",
    },
    "panel-mean-without-extremes": {
        "en": "Of the panel's totals {totals}, one highest {highest} and one lowest {lowest} are left out;"
        " the mean of the others, half-up to four decimals, is the technical score {technicalScore}.",
        "ko": "평가위원별 총점 {totals} 중 최고 {highest}와(과) 최저 {lowest}을(를) 하나씩 제외한 평균"
        "(소수점 다섯째 자리 반올림) {technicalScore}이(가) 기술점수이다.",
    },
    "below-pass-mark": {
        "en": "The technical score {technicalScore} is below the pass mark {passMarkPoints}.",
        "ko": "기술점수 {technicalScore}은(는) 기준점수 {passMarkPoints}에 미달한다.",
    },
    "price-score": {
        "en": "{pricePoints} × {lowestPrice} ÷ {amount}, half-up to four decimals, is the price score"
        " {priceScore}.",
        "ko": "{pricePoints} × {lowestPrice} ÷ {amount}(소수점 다섯째 자리 반올림) = 가격점수 {priceScore}.",
    },
    "price-score-below-four-fifths": {
        "en": "Below 80 % of the budget: {pricePoints} × {lowestPrice} ÷ (0.8 × {expectedPrice}) + 2 × (0.8 ×"
        " {expectedPrice} − {counted}) ÷ (0.2 × {expectedPrice}), half-up to four decimals, is the price"
        " score {priceScore}.",
        "ko": "예산의 80% 미만: {pricePoints} × {lowestPrice} ÷ (0.8 × {expectedPrice}) + 2 × (0.8 ×"
        " {expectedPrice} − {counted}) ÷ (0.2 × {expectedPrice})"
        "(소수점 다섯째 자리 반올림) = 가격점수 {priceScore}.",
    },
    "total": {
        "en": "{technicalScore} + {priceScore} = {total}.",
        "ko": "{technicalScore} + {priceScore} = {total}.",
    },
    "examination-ratio": {
        "en": "({amount} − {statutoryCosts}) ÷ ({expectedPrice} − {statutoryCosts}), half-up to four"
        " decimals, is r = {ratio}.",
        "ko": "({amount} − {statutoryCosts}) ÷ ({expectedPrice} − {statutoryCosts})"
        "(소수점 다섯째 자리 반올림) = r {ratio}.",
    },
    "examination-price": {
        "en": "{pricePoints} − {slope} × |{centre} − 100 × {ratio}| is the price score {priceScore}.",
        "ko": "{pricePoints} − {slope} × |{centre} − 100 × {ratio}| = 가격점수 {priceScore}.",
    },
    "examination-price-plateau": {
        "en": "100 × {ratio} is more than {plateau} above {centre}, from where on the price score stays:"
        " {pricePoints} − {slope} × {plateau} is {priceScore}.",
        "ko": "100 × {ratio}이(가) {centre}보다 {plateau} 넘게 높으므로 그 이상에서 일정한 가격점수"
        " {pricePoints} − {slope} × {plateau} = {priceScore}을(를) 준다.",
    },
    "examination-price-least": {
        "en": "{pricePoints} − {slope} × |{centre} − 100 × {ratio}| would be less than the least price score,"
        " which is {priceScore}.",
        "ko": "{pricePoints} − {slope} × |{centre} − 100 × {ratio}|이(가) 최저 가격점수에 미달하므로"
        " 가격점수는 {priceScore}이다.",
    },
    "capability-score": {
        "en": "The scores {scores} together are the capability score {capabilityScore}.",
        "ko": "항목별 점수 {scores}의 합계 {capabilityScore}이(가) 수행능력점수이다.",
    },
    "examination-passed": {
        "en": "{priceScore} + {capabilityScore} = {total}, and {passMark} are needed: passed.",
        "ko": "{priceScore} + {capabilityScore} = {total}, 통과점수 {passMark} 이상이므로 적격이다.",
    },
    "examination-failed": {
        "en": "{priceScore} + {capabilityScore} = {total}, and {passMark} are needed: failed.",
        "ko": "{priceScore} + {capabilityScore} = {total}, 통과점수 {passMark}에 미달하므로 부적격이다.",
    },
}
"""Line code → language → template. A template uses every figure of its line."""

_SUM = re.compile(r"[1-9][0-9]{3,14}(\.[0-9]{1,4})?")


def sentence(line: Line, language: Language) -> str:
    """The line in words, thousands separated. Raises KeyError for a line that no rule set writes."""
    figures = {name: ", ".join(map(_grouped, value.split(", "))) for name, value in line.values.items()}
    return SENTENCES[line.code][language].format_map(figures)


def reason(code: Reason, language: Language) -> str:
    """The reason in words; in Korean as KONEPS words it."""
    return KONEPS_REMARKS[code] if language == "ko" else REASONS[code]


def rules_in_words(rules: Rules, currency: str) -> Facts:
    """Every parameter of a rule set."""
    match rules:
        case LowestPrice():
            first = "lowest-price/1: the lowest price is first in line"
            return [("Rule set", first), ("Ceiling", _money(rules.ceiling, currency, "none"))]
        case KrPriceFloor():
            return _price_floor(rules, currency)
        case KrNegotiation():
            return _negotiation(rules, currency)


def duration(seconds: int) -> str:
    """A length of time in words, in full."""
    words = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return ", ".join(words) or "none"


def _price_floor(rules: KrPriceFloor, currency: str) -> Facts:
    first = "kr-price-floor/1: the lowest price from the floor up to the expected price is first"
    steps = "0.01" if rules.unit == 1 else "whole amounts, preliminary prices in hundreds"
    return [
        ("Rule set", first),
        ("Base amount", _money(rules.base, currency)),
        ("Range around it", f"± {rules.basis_points} basis points"),
        ("Preliminary prices", _preliminary_prices(rules)),
        ("Steps of a price", steps),
        ("Floor", _floor(rules)),
        ("Estimated price", _money(rules.estimated_price, currency)),
        ("Whose rules", f"{rules.authority} government"),
        ("Statutory costs", _money(rules.statutory_costs, currency)),
        ("Net construction cost", _money(rules.net_construction_cost, currency)),
        *_examination(rules.examination),
    ]


def _examination(examination: Examination | None) -> Facts:
    """What the first in line is examined by."""
    if examination is None:
        return [("Examination", "none: the first in line is awarded")]
    within, more = duration(examination.documents_within), duration(examination.supplement_within)
    return [
        ("Examination", f"in order of price, until somebody has {examination.pass_mark} of 100 points"),
        ("Points for the price", "by the dated table for the estimated price"),
        *((f"Capability {each.id}", f"{each.title}: {each.points} points") for each in examination.criteria),
        ("Documents", f"within {within} of the officer's request; a supplement within {more}"),
    ]


def _negotiation(rules: KrNegotiation, currency: str) -> Facts:
    pass_mark = f"{rules.pass_mark} % of the technical points" if rules.pass_mark else "none"
    negotiation = "in order of rank, until there is an agreement" if rules.negotiation else "none"
    return [
        ("Rule set", "kr-negotiation/1: most technical and price points together are first in line"),
        ("Budget", _money(rules.budget, currency)),
        ("Price points", rules.price_points),
        ("Technical points", rules.technical_points),
        *((f"Criterion {each.id}", f"{each.title}: {each.points} points") for each in rules.criteria),
        ("Pass mark", pass_mark),
        ("Extremes", f"left out from {rules.drop_extremes_from} evaluators on"),
        ("Negotiation", negotiation),
    ]


def _money(amount: str | None, currency: str, absent: str = "not stated") -> str:
    return absent if amount is None else f"{grouped(amount)} {currency}"


def _preliminary_prices(rules: KrPriceFloor) -> str:
    if isinstance(rules.preliminary_prices, Derived):
        return "fifteen, which follow from the opening's signatures"
    return f"fifteen, which the officer fixed beforehand, with the digest {rules.preliminary_prices.digest}"


def _floor(rules: KrPriceFloor) -> str:
    if rules.floor is not None:
        return f"{rules.floor} % of the expected price"
    return "by the dated table for the estimated price"


def _grouped(figure: str) -> str:
    return grouped(figure) if _SUM.fullmatch(figure) else figure
