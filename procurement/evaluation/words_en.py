"""English: explanation lines, reasons, and the parameters of rule sets."""

from procurement.evaluation.values import Reason

REASONS: dict[Reason, str] = {
    "valid": "Valid",
    "above-ceiling": "Above the ceiling",
    "above-expected-price": "Above the expected price",
    "below-floor": "Below the floor amount",
    "below-net-cost": "Below 98 % of the net construction cost",
    "below-pass-mark": "Below the technical pass mark",
    "below-threshold": "Below the threshold of a criterion",
    "abnormally-low": "Abnormally low",
}
"""Why a bid is in line, or out."""

SENTENCES: dict[str, str] = {
    "ceiling": "The ceiling is {ceiling}.",
    "above-ceiling": "The price {amount} is above the ceiling {ceiling}.",
    "under-ceiling": "The price {amount} is not above the ceiling {ceiling}.",
    "rate": "{amount} ÷ {reference} = {rate} %, cut off after three decimals.",
    "tie-draw": (
        "{equals} bids are equal. They are ordered by public tickets, the lowest first; this bid's is"
        " {ticket}."
    ),
    "rank": "Rank {rank} of {inLine} in line.",
    "prices-derived": (
        "The fifteen preliminary prices follow from the seed {seed}, one of each of fifteen equal"
        " bands within ±{basisPoints} basis points of the base amount {base}."
    ),
    "prices-committed": (
        "The fifteen preliminary prices are those with the digest {digest}: committed by the officer,"
        " not derived."
    ),
    "preliminary-price": "Preliminary price {number} is {price}, picked {picks} times.",
    "drawn-numbers": "The four most picked numbers, of equal ones the lower first, are {drawnNumbers}.",
    "expected-price": "The mean of {prices}, rounded up, is the expected price {expectedPrice}.",
    "floor-stated": "The notice states a floor of {floor} %.",
    "floor-from-table": (
        "For the estimated price {estimatedPrice}, the table in force (centre {centre}) has a floor"
        " of {floor} %."
    ),
    "floor-amount": (
        "({expectedPrice} − {statutoryCosts}) × {floor} % + {statutoryCosts}, rounded up, is the"
        " floor amount {floorAmount}."
    ),
    "net-cost": ("98 % of the net construction cost {netConstructionCost}, rounded up, is {netCostAmount}."),
    "above-expected-price": "The price {amount} is above the expected price {expectedPrice}.",
    "below-floor": "The price {amount} is below the floor amount {floorAmount}.",
    "below-net-cost": "The price {amount} is below {netCostAmount}, 98 % of the net construction cost.",
    "within-limits": (
        "The price {amount} is not below the floor amount {floorAmount} and not above the expected"
        " price {expectedPrice}."
    ),
    "budget": "The budget {expectedPrice} stands for the expected price.",
    "pass-mark": "The pass mark is {passMark} % of {technicalPoints} technical points: {passMarkPoints}.",
    "lowest-price": "The lowest price of those in is {lowestPrice}.",
    "panel-mean": (
        "The mean of the panel's totals {totals}, half-up to four decimals, is the technical score"
        " {technicalScore}."
    ),
    "panel-mean-without-extremes": (
        "Of the panel's totals {totals}, one highest {highest} and one lowest {lowest} are left out;"
        " the mean of the others, half-up to four decimals, is the technical score {technicalScore}."
    ),
    "below-pass-mark": "The technical score {technicalScore} is below the pass mark {passMarkPoints}.",
    "price-score": (
        "{pricePoints} × {lowestPrice} ÷ {amount}, half-up to four decimals, is the price score {priceScore}."
    ),
    "price-score-below-four-fifths": (
        "Below 80 % of the budget: {pricePoints} × {lowestPrice} ÷ (0.8 × {expectedPrice}) + 2 × (0.8"
        " × {expectedPrice} − {counted}) ÷ (0.2 × {expectedPrice}), half-up to four decimals, is the"
        " price score {priceScore}."
    ),
    "total": "{technicalScore} + {priceScore} = {total}.",
    "examination-ratio": (
        "({amount} − {statutoryCosts}) ÷ ({expectedPrice} − {statutoryCosts}), half-up to four decimals, is"
        " r = {ratio}."
    ),
    "examination-price": (
        "{pricePoints} − {slope} × |{centre} − 100 × {ratio}| is the price score {priceScore}."
    ),
    "examination-price-plateau": (
        "100 × {ratio} is more than {plateau} above {centre}, from where on the price score stays:"
        " {pricePoints} − {slope} × {plateau} is {priceScore}."
    ),
    "examination-price-least": (
        "{pricePoints} − {slope} × |{centre} − 100 × {ratio}| would be less than the least price score,"
        " which is {priceScore}."
    ),
    "capability-score": "The scores {scores} together are the capability score {capabilityScore}.",
    "examination-passed": ("{priceScore} + {capabilityScore} = {total}, and {passMark} are needed: passed."),
    "examination-failed": ("{priceScore} + {capabilityScore} = {total}, and {passMark} are needed: failed."),
    "price-closed": "Who does not pass has no price opened: nobody knows it.",
    "threshold": "In {criterion} a bid needs {threshold} of {points} points.",
    "criterion-score": (
        "{criterion}: the mean of the panel's marks {marks} is {mean}; {weight} × {mean} ÷ {points}"
        " is the score {score}; both half-up to four decimals."
    ),
    "criterion-score-without-extremes": (
        "{criterion}: of the panel's marks {marks}, one highest {highest} and one lowest {lowest} are"
        " left out; the mean of the others is {mean}; {weight} × {mean} ÷ {points} is the score"
        " {score}; both half-up to four decimals."
    ),
    "quality": "The scores {scores} together are the quality score {technicalScore}.",
    "below-threshold": "In {criterion} the mean {mean} is below the threshold {threshold}.",
    "yearly-factor": (
        "{cost}: 1 at the end of each of {years} years at {discountRate} % a year is worth {factor}"
        " today, half-up to eight decimals."
    ),
    "end-factor": (
        "{cost}: 1 at the end of {years} years at {discountRate} % a year is worth {factor} today,"
        " half-up to eight decimals."
    ),
    "present-value": (
        "{cost}: {stated} × {factor}, half-up to two decimals, is the present value {presentValue}."
    ),
    "life-cycle-cost": (
        "The price {amount} and the present values {presentValues} together are the life-cycle cost {total}."
    ),
    "too-few-to-be-abnormal": (
        "There are {validBids} valid prices; from {fromBids} on a price can be abnormally low."
    ),
    "abnormal-limit": (
        "There are {validBids} valid prices, {fromBids} or more. Together they are {pricesTogether};"
        " {abnormalBelow} % of their mean, rounded up to two decimals, is {abnormalLimit}: what is"
        " below is abnormally low."
    ),
    "abnormally-low": "The price {amount} is below {abnormalLimit}, so abnormally low.",
    "not-abnormally-low": "The price {amount} is not below {abnormalLimit}.",
    "winners": "Bids are compared by {ruleSet}; the first {winners} in line win.",
    "evaluator-without-effect": "Without evaluator {evaluator} the same would win.",
    "evaluator-decides": "Without evaluator {evaluator} the award would go to: {bidders}.",
    "evaluator-carries": "Without evaluator {evaluator} nobody would be in line.",
    "evaluator-shuts-out": (
        "Without evaluator {evaluator} the price of these would have been opened: {bidders}."
    ),
    "weight-up": (
        "With the weight {weight} of {criterion} moved up by {by} the award would go to: {bidders}."
    ),
    "weight-down": (
        "With the weight {weight} of {criterion} moved down by {by} the award would go to: {bidders}."
    ),
    "weight-without-effect": "However the weight {weight} of {criterion} is moved, the same would win.",
    "price-weight-up": (
        "With the price's weight {weight} moved up by {by} the award would go to: {bidders}."
    ),
    "price-weight-down": (
        "With the price's weight {weight} moved down by {by} the award would go to: {bidders}."
    ),
    "price-weight-without-effect": "However the price's weight {weight} is moved, the same would win.",
}
"""Line code → template, which uses every figure of the line."""

FACTS: dict[str, tuple[str, str]] = {
    "lowest-price/1": ("Rule set", "lowest-price/1: the lowest price is first in line"),
    "lowest-price/2": (
        "Rule set",
        "lowest-price/2: the lowest price that is not abnormally low is first in line",
    ),
    "kr-price-floor/1": (
        "Rule set",
        "kr-price-floor/1: the lowest price from the floor up to the expected price is first",
    ),
    "kr-negotiation/1": (
        "Rule set",
        "kr-negotiation/1: most technical and price points together are first in line",
    ),
    "quality-price/1": (
        "Rule set",
        "quality-price/1: the best sum of the weighted scores and of the price's is first in line",
    ),
    "two-envelope/1": ("Rule set", "two-envelope/1: quality first; only who passes has the price opened"),
    "life-cycle-cost/1": (
        "Rule set",
        "life-cycle-cost/1: the lowest price with its running costs at present value is first in line",
    ),
    "multi-award/1": ("Rule set", "multi-award/1: several win, compared by the rule set below"),
    "winners": ("Winners", "the first {winners} in line"),
    "ceiling": ("Ceiling", "{ceiling} {currency}"),
    "no-ceiling": ("Ceiling", "none"),
    "abnormally-low": (
        "Abnormally low",
        (
            "a valid price below {abnormalBelow} % of the mean of all valid prices, from"
            " {abnormalFrom} valid prices on"
        ),
    ),
    "base": ("Base amount", "{base} {currency}"),
    "range": ("Range around it", "± {basisPoints} basis points"),
    "prices-derived": ("Preliminary prices", "fifteen, which follow from the opening's signatures"),
    "prices-committed": (
        "Preliminary prices",
        "fifteen, which the officer fixed beforehand, with the digest {digest}",
    ),
    "steps-of-100": ("Steps of a price", "whole amounts, preliminary prices in hundreds"),
    "steps-of-1": ("Steps of a price", "0.01"),
    "floor": ("Floor", "{floor} % of the expected price"),
    "floor-by-table": ("Floor", "by the dated table for the estimated price"),
    "estimated-price": ("Estimated price", "{estimatedPrice} {currency}"),
    "no-estimated-price": ("Estimated price", "not stated"),
    "national": ("Whose rules", "national government"),
    "local": ("Whose rules", "local government"),
    "statutory-costs": ("Statutory costs", "{statutoryCosts} {currency}"),
    "net-construction-cost": ("Net construction cost", "{netConstructionCost} {currency}"),
    "no-net-construction-cost": ("Net construction cost", "not stated"),
    "budget": ("Budget", "{budget} {currency}"),
    "price-points": ("Price points", "{pricePoints}"),
    "technical-points": ("Technical points", "{technicalPoints}"),
    "criterion": ("Criterion {criterion}", "{title}: {points} points"),
    "weighted-criterion": ("Criterion {criterion}", "{title}: weight {weight}, scored from 0 to {points}"),
    "threshold": ("Least for {criterion}", "{threshold} of {points}"),
    "price-weight": ("Weight of the price", "{priceWeight}"),
    "price-alone": ("Weight of the price", "none: of those that pass the lowest price is first"),
    "technical-pass-mark": ("Pass mark", "{passMark} % of the technical points"),
    "quality-pass-mark": ("Pass mark", "{passMark} % of the criteria's weights"),
    "no-pass-mark": ("Pass mark", "none"),
    "extremes": ("Extremes", "left out from {dropExtremesFrom} evaluators on"),
    "examination": ("Examination", "in order of price, until somebody has {passMark} of 100 points"),
    "no-examination": ("Examination", "none: the first in line is awarded"),
    "examination-price-points": ("Points for the price", "by the dated table for the estimated price"),
    "capability": ("Capability {criterion}", "{title}: {points} points"),
    "examination-periods": (
        "Documents",
        ("within {documentsWithin} of the officer's request; a supplement within {supplementWithin}"),
    ),
    "negotiation": ("Negotiation", "in order of rank, until there is an agreement"),
    "no-negotiation": ("Negotiation", "none"),
    "yearly": ("Cost {cost}", "{title}: stated by each bid, per year"),
    "end": ("Cost {cost}", "{title}: stated by each bid, once at the end"),
    "years": ("Years", "{years}"),
    "discount-rate": ("Discount rate", "{rate} % a year"),
}
"""Parameter of a rule set → label and text, which together use its figures."""
