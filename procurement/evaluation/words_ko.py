"""Korean: explanation lines, reasons, and the parameters of rule sets."""

from procurement.evaluation.values import Reason

REASONS: dict[Reason, str] = {
    "valid": "정상",
    "above-ceiling": "예가초과",
    "above-expected-price": "예가초과",
    "below-floor": "낙찰하한선 미달",
    "below-net-cost": "순공사원가 98% 미달",
    "below-pass-mark": "기술점수 미달",
    "below-threshold": "평가항목 최저점 미달",
    "abnormally-low": "이상저가",
}
"""KONEPS's own remarks (정상, 낙찰하한선 미달, 예가초과), the others in its manner."""

SENTENCES: dict[str, str] = {
    "ceiling": "상한금액은 {ceiling}이다.",
    "above-ceiling": "입찰금액 {amount}은(는) 상한금액 {ceiling}을(를) 초과한다.",
    "under-ceiling": "입찰금액 {amount}은(는) 상한금액 {ceiling} 이하이다.",
    "rate": "{amount} ÷ {reference} = {rate}% (소수점 넷째 자리 이하 절사).",
    "tie-draw": "동점 {equals}건은 공개 추첨값의 오름차순으로 정한다. 이 입찰의 추첨값은 {ticket}이다.",
    "rank": "순위 대상 {inLine}건 중 {rank}위.",
    "prices-derived": (
        "복수예비가격 15개는 기초금액 {base}의 ±{basisPoints}bp 범위를 15등분한 구간마다 하나씩 시드"
        " {seed}에서 도출하였다."
    ),
    "prices-committed": (
        "복수예비가격 15개는 담당자가 {digest}(으)로 미리 확약한 것이며, 도출된 것이 아니다."
    ),
    "preliminary-price": "예비가격 {number}번은 {price}이며 {picks}회 선택되었다.",
    "drawn-numbers": "가장 많이 선택된 네 번호(횟수가 같으면 작은 번호 우선)는 {drawnNumbers}이다.",
    "expected-price": "{prices}의 평균을 절상한 {expectedPrice}이(가) 예정가격이다.",
    "floor-stated": "공고에 명시된 낙찰하한율은 {floor}%이다.",
    "floor-from-table": (
        "추정가격 {estimatedPrice}에 대하여 공고일에 시행 중인 기준(중심 {centre})의 낙찰하한율은"
        " {floor}%이다."
    ),
    "floor-amount": (
        "({expectedPrice} − {statutoryCosts}) × {floor}% + {statutoryCosts}을(를) 절상한"
        " {floorAmount}이(가) 낙찰하한금액이다."
    ),
    "net-cost": "순공사원가 {netConstructionCost}의 98%를 절상하면 {netCostAmount}이다.",
    "above-expected-price": "입찰금액 {amount}은(는) 예정가격 {expectedPrice}을(를) 초과한다.",
    "below-floor": "입찰금액 {amount}은(는) 낙찰하한금액 {floorAmount}에 미달한다.",
    "below-net-cost": "입찰금액 {amount}은(는) 순공사원가의 98%인 {netCostAmount}에 미달한다.",
    "within-limits": (
        "입찰금액 {amount}은(는) 낙찰하한금액 {floorAmount} 이상, 예정가격 {expectedPrice} 이하이다."
    ),
    "budget": "사업예산 {expectedPrice}을(를) 예정가격으로 본다.",
    "pass-mark": "기술평가 기준점수는 배점 {technicalPoints}점의 {passMark}%인 {passMarkPoints}점이다.",
    "lowest-price": "유효한 입찰 중 최저가격은 {lowestPrice}이다.",
    "panel-mean": (
        "평가위원별 총점 {totals}의 평균(소수점 다섯째 자리 반올림) {technicalScore}이(가) 기술점수이다."
    ),
    "panel-mean-without-extremes": (
        "평가위원별 총점 {totals} 중 최고 {highest}와(과) 최저 {lowest}을(를) 하나씩 제외한"
        " 평균(소수점 다섯째 자리 반올림) {technicalScore}이(가) 기술점수이다."
    ),
    "below-pass-mark": "기술점수 {technicalScore}은(는) 기준점수 {passMarkPoints}에 미달한다.",
    "price-score": (
        "{pricePoints} × {lowestPrice} ÷ {amount}(소수점 다섯째 자리 반올림) = 가격점수 {priceScore}."
    ),
    "price-score-below-four-fifths": (
        "예산의 80% 미만: {pricePoints} × {lowestPrice} ÷ (0.8 × {expectedPrice}) + 2 × (0.8 ×"
        " {expectedPrice} − {counted}) ÷ (0.2 × {expectedPrice})(소수점 다섯째 자리 반올림) ="
        " 가격점수 {priceScore}."
    ),
    "total": "{technicalScore} + {priceScore} = {total}.",
    "examination-ratio": (
        "({amount} − {statutoryCosts}) ÷ ({expectedPrice} − {statutoryCosts})"
        "(소수점 다섯째 자리 반올림) = r {ratio}."
    ),
    "examination-price": "{pricePoints} − {slope} × |{centre} − 100 × {ratio}| = 가격점수 {priceScore}.",
    "examination-price-plateau": (
        "100 × {ratio}이(가) {centre}보다 {plateau} 넘게 높으므로 그 이상에서 일정한 가격점수"
        " {pricePoints} − {slope} × {plateau} = {priceScore}을(를) 준다."
    ),
    "examination-price-least": (
        "{pricePoints} − {slope} × |{centre} − 100 × {ratio}|이(가) 최저 가격점수에 미달하므로"
        " 가격점수는 {priceScore}이다."
    ),
    "capability-score": "항목별 점수 {scores}의 합계 {capabilityScore}이(가) 수행능력점수이다.",
    "examination-passed": (
        "{priceScore} + {capabilityScore} = {total}, 통과점수 {passMark} 이상이므로 적격이다."
    ),
    "examination-failed": (
        "{priceScore} + {capabilityScore} = {total}, 통과점수 {passMark}에 미달하므로 부적격이다."
    ),
    "price-closed": "기준에 미달한 입찰의 가격은 개봉하지 않으므로 아무도 알지 못한다.",
    "threshold": "{criterion} 항목의 최저 기준은 {points}점 중 {threshold}점이다.",
    "criterion-score": (
        "{criterion}: 평가위원 점수 {marks}의 평균은 {mean}, {weight} × {mean} ÷ {points} ="
        " 배점환산점수 {score} (각각 소수점 다섯째 자리 반올림)."
    ),
    "criterion-score-without-extremes": (
        "{criterion}: 평가위원 점수 {marks} 중 최고 {highest}와(과) 최저 {lowest}을(를) 하나씩 제외한"
        " 평균은 {mean}, {weight} × {mean} ÷ {points} = 배점환산점수 {score} (각각 소수점 다섯째 자리"
        " 반올림)."
    ),
    "quality": "항목별 점수 {scores}을(를) 더한 {technicalScore}이(가) 품질점수이다.",
    "below-threshold": "{criterion} 항목의 평균 {mean}은(는) 최저 기준 {threshold}에 미달한다.",
    "yearly-factor": (
        "{cost}: 연 {discountRate}%로 {years}년간 매년 말 1을 지출하는 것의 현재가치는"
        " {factor}이다(소수점 아홉째 자리 반올림)."
    ),
    "end-factor": (
        "{cost}: 연 {discountRate}%로 {years}년 말에 1을 한 번 지출하는 것의 현재가치는"
        " {factor}이다(소수점 아홉째 자리 반올림)."
    ),
    "present-value": "{cost}: {stated} × {factor}(소수점 셋째 자리 반올림) = 현재가치 {presentValue}.",
    "life-cycle-cost": (
        "입찰금액 {amount}과(와) 현재가치 {presentValues}을(를) 더한 {total}이(가) 수명주기비용이다."
    ),
    "too-few-to-be-abnormal": ("유효한 입찰은 {validBids}건이다. 이상저가 여부는 {fromBids}건부터 판단한다."),
    "abnormal-limit": (
        "유효한 입찰은 {validBids}건으로 {fromBids}건 이상이다. 그 합계 {pricesTogether}의 평균의"
        " {abnormalBelow}%를 소수점 둘째 자리로 절상한 {abnormalLimit} 미만은 이상저가이다."
    ),
    "abnormally-low": "입찰금액 {amount}은(는) {abnormalLimit} 미만으로 이상저가이다.",
    "not-abnormally-low": "입찰금액 {amount}은(는) {abnormalLimit} 이상이다.",
    "winners": "입찰은 {ruleSet}(으)로 비교하며, 순위가 앞선 {winners}건을 낙찰자로 한다.",
    "evaluator-without-effect": "평가위원 {evaluator}을(를) 제외하여도 낙찰자는 같다.",
    "evaluator-decides": "평가위원 {evaluator}을(를) 제외하면 낙찰자는 다음과 같다: {bidders}.",
    "evaluator-carries": "평가위원 {evaluator}을(를) 제외하면 순위 대상이 없다.",
    "evaluator-shuts-out": (
        "평가위원 {evaluator}을(를) 제외하면 다음 입찰의 가격도 개봉되었을 것이다: {bidders}."
    ),
    "weight-up": "{criterion}의 배점 {weight}을(를) {by}만큼 올리면 낙찰자는 다음과 같다: {bidders}.",
    "weight-down": "{criterion}의 배점 {weight}을(를) {by}만큼 내리면 낙찰자는 다음과 같다: {bidders}.",
    "weight-without-effect": "{criterion}의 배점 {weight}을(를) 어떻게 바꾸어도 낙찰자는 같다.",
    "price-weight-up": "가격의 배점 {weight}을(를) {by}만큼 올리면 낙찰자는 다음과 같다: {bidders}.",
    "price-weight-down": "가격의 배점 {weight}을(를) {by}만큼 내리면 낙찰자는 다음과 같다: {bidders}.",
    "price-weight-without-effect": "가격의 배점 {weight}을(를) 어떻게 바꾸어도 낙찰자는 같다.",
}
"""Line code → template, which uses every figure of the line."""

FACTS: dict[str, tuple[str, str]] = {
    "lowest-price/1": ("규칙", "lowest-price/1: 최저가격이 1순위"),
    "lowest-price/2": ("규칙", "lowest-price/2: 이상저가가 아닌 최저가격이 1순위"),
    "kr-price-floor/1": ("규칙", "kr-price-floor/1: 낙찰하한금액 이상 예정가격 이하의 최저가격이 1순위"),
    "kr-negotiation/1": ("규칙", "kr-negotiation/1: 기술점수와 가격점수의 합이 가장 높은 입찰이 1순위"),
    "quality-price/1": ("규칙", "quality-price/1: 항목별 환산점수와 가격점수의 합이 가장 높은 입찰이 1순위"),
    "two-envelope/1": ("규칙", "two-envelope/1: 품질을 먼저 평가하고, 통과한 입찰의 가격만 개봉"),
    "life-cycle-cost/1": (
        "규칙",
        "life-cycle-cost/1: 가격과 운영비용의 현재가치를 더한 금액이 가장 낮은 입찰이 1순위",
    ),
    "multi-award/1": ("규칙", "multi-award/1: 아래 규칙으로 비교하여 여럿을 낙찰자로 선정"),
    "winners": ("낙찰자 수", "앞선 순위 {winners}건"),
    "ceiling": ("상한금액", "{ceiling} {currency}"),
    "no-ceiling": ("상한금액", "없음"),
    "abnormally-low": ("이상저가", "유효한 입찰이 {abnormalFrom}건 이상이면 그 평균의 {abnormalBelow}% 미만"),
    "base": ("기초금액", "{base} {currency}"),
    "range": ("예비가격 범위", "±{basisPoints}bp"),
    "prices-derived": ("복수예비가격", "개찰 서명에서 도출되는 15개"),
    "prices-committed": ("복수예비가격", "담당자가 {digest}(으)로 미리 확약한 15개"),
    "steps-of-100": ("가격 단위", "1원, 예비가격은 100원"),
    "steps-of-1": ("가격 단위", "0.01"),
    "floor": ("낙찰하한율", "예정가격의 {floor}%"),
    "floor-by-table": ("낙찰하한율", "추정가격에 대하여 공고일에 시행 중인 기준"),
    "estimated-price": ("추정가격", "{estimatedPrice} {currency}"),
    "no-estimated-price": ("추정가격", "명시하지 않음"),
    "national": ("적용 기준", "국가"),
    "local": ("적용 기준", "지방자치단체"),
    "statutory-costs": ("A값", "{statutoryCosts} {currency}"),
    "net-construction-cost": ("순공사원가", "{netConstructionCost} {currency}"),
    "no-net-construction-cost": ("순공사원가", "명시하지 않음"),
    "budget": ("사업예산", "{budget} {currency}"),
    "price-points": ("가격 배점", "{pricePoints}"),
    "technical-points": ("기술 배점", "{technicalPoints}"),
    "criterion": ("평가항목 {criterion}", "{title}: {points}점"),
    "weighted-criterion": ("평가항목 {criterion}", "{title}: 배점 {weight}, 0점부터 {points}점까지 평가"),
    "threshold": ("{criterion} 최저 기준", "{points}점 중 {threshold}점"),
    "price-weight": ("가격 배점", "{priceWeight}"),
    "price-alone": ("가격 배점", "없음: 통과한 입찰 중 최저가격이 1순위"),
    "technical-pass-mark": ("기준점수", "기술 배점의 {passMark}%"),
    "quality-pass-mark": ("기준점수", "평가항목 배점 합계의 {passMark}%"),
    "no-pass-mark": ("기준점수", "없음"),
    "extremes": ("최고·최저 점수", "평가위원 {dropExtremesFrom}명부터 제외"),
    "examination": ("적격심사", "가격이 낮은 순서로 100점 중 {passMark}점 이상인 입찰자가 나올 때까지"),
    "no-examination": ("적격심사", "없음: 1순위자를 낙찰자로 한다"),
    "examination-price-points": ("가격점수", "추정가격에 따라 공고일에 시행 중인 기준표로 산정"),
    "capability": ("수행능력 {criterion}", "{title}: {points}점"),
    "examination-periods": (
        "심사서류",
        "담당자 요청 후 {documentsWithin} 이내, 보완은 {supplementWithin} 이내",
    ),
    "negotiation": ("협상", "순위대로 합의에 이를 때까지"),
    "no-negotiation": ("협상", "없음"),
    "yearly": ("비용 {cost}", "{title}: 입찰자가 연간 금액을 제시"),
    "end": ("비용 {cost}", "{title}: 입찰자가 기간 말 1회 금액을 제시"),
    "years": ("기간(년)", "{years}"),
    "discount-rate": ("할인율", "연 {rate}%"),
}
"""Parameter of a rule set → label and text, which together use its figures."""
