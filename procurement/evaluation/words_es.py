"""Spanish: explanation lines, reasons, and the parameters of rule sets."""

from procurement.evaluation.values import Reason

REASONS: dict[Reason, str] = {
    "valid": "Válida",
    "above-ceiling": "Supera el precio máximo",
    "above-expected-price": "Supera el precio previsto",
    "below-floor": "Inferior al importe mínimo",
    "below-net-cost": "Inferior al 98 % del coste neto de construcción",
    "below-pass-mark": "No llega a la puntuación técnica mínima",
    "below-threshold": "No llega al umbral de un criterio",
    "abnormally-low": "Anormalmente baja",
}
"""Why a bid is in line, or out."""

SENTENCES: dict[str, str] = {
    "ceiling": "El precio máximo es {ceiling}.",
    "above-ceiling": "El precio {amount} supera el máximo {ceiling}.",
    "under-ceiling": "El precio {amount} no supera el máximo {ceiling}.",
    "rate": "{amount} ÷ {reference} = {rate} %, cortado tras el tercer decimal.",
    "tie-draw": (
        "Hay {equals} ofertas iguales. Las ordena un sorteo público, el número más bajo primero; el"
        " de esta oferta es {ticket}."
    ),
    "rank": "Puesto {rank} de {inLine} clasificadas.",
    "prices-derived": (
        "Los quince precios preliminares se derivan de la semilla {seed}, uno por cada una de quince"
        " bandas iguales a ±{basisPoints} puntos básicos del importe base {base}."
    ),
    "prices-committed": (
        "Los quince precios preliminares son los del resumen {digest}: comprometidos por el"
        " responsable, no derivados."
    ),
    "preliminary-price": "El precio preliminar {number} es {price}, elegido {picks} veces.",
    "drawn-numbers": (
        "Los cuatro números más elegidos, de los iguales primero el menor, son {drawnNumbers}."
    ),
    "expected-price": (
        "La media de {prices}, redondeada hacia arriba, es el precio previsto {expectedPrice}."
    ),
    "floor-stated": "El anuncio fija un umbral del {floor} %.",
    "floor-from-table": (
        "Para el precio estimado {estimatedPrice}, la tabla vigente (centro {centre}) fija un umbral"
        " del {floor} %."
    ),
    "floor-amount": (
        "({expectedPrice} − {statutoryCosts}) × {floor} % + {statutoryCosts}, redondeado hacia"
        " arriba, es el importe mínimo {floorAmount}."
    ),
    "net-cost": (
        "El 98 % del coste neto de construcción {netConstructionCost}, redondeado hacia arriba, es"
        " {netCostAmount}."
    ),
    "above-expected-price": "El precio {amount} supera el precio previsto {expectedPrice}.",
    "below-floor": "El precio {amount} es inferior al importe mínimo {floorAmount}.",
    "below-net-cost": (
        "El precio {amount} es inferior a {netCostAmount}, el 98 % del coste neto de construcción."
    ),
    "within-limits": (
        "El precio {amount} no es inferior al importe mínimo {floorAmount} ni supera el precio"
        " previsto {expectedPrice}."
    ),
    "budget": "El presupuesto {expectedPrice} hace de precio previsto.",
    "pass-mark": (
        "La puntuación mínima es el {passMark} % de {technicalPoints} puntos técnicos: {passMarkPoints}."
    ),
    "lowest-price": "El precio más bajo de las ofertas admitidas es {lowestPrice}.",
    "panel-mean": (
        "La media de los totales del comité {totals}, redondeada a cuatro decimales, es la puntuación"
        " técnica {technicalScore}."
    ),
    "panel-mean-without-extremes": (
        "De los totales del comité {totals} se dejan fuera uno de los más altos, {highest}, y uno de"
        " los más bajos, {lowest}; la media de los demás, redondeada a cuatro decimales, es la"
        " puntuación técnica {technicalScore}."
    ),
    "below-pass-mark": "La puntuación técnica {technicalScore} no llega a la mínima {passMarkPoints}.",
    "price-score": (
        "{pricePoints} × {lowestPrice} ÷ {amount}, redondeado a cuatro decimales, es la puntuación"
        " del precio {priceScore}."
    ),
    "price-score-below-four-fifths": (
        "Por debajo del 80 % del presupuesto: {pricePoints} × {lowestPrice} ÷ (0.8 × {expectedPrice})"
        " + 2 × (0.8 × {expectedPrice} − {counted}) ÷ (0.2 × {expectedPrice}), redondeado a cuatro"
        " decimales, es la puntuación del precio {priceScore}."
    ),
    "total": "{technicalScore} + {priceScore} = {total}.",
    "examination-ratio": (
        "({amount} − {statutoryCosts}) ÷ ({expectedPrice} − {statutoryCosts}), redondeado a cuatro"
        " decimales, es r = {ratio}."
    ),
    "examination-price": (
        "{pricePoints} − {slope} × |{centre} − 100 × {ratio}| es la puntuación del precio {priceScore}."
    ),
    "examination-price-plateau": (
        "100 × {ratio} supera en más de {plateau} a {centre}, desde donde la puntuación del precio no"
        " cambia: {pricePoints} − {slope} × {plateau} es {priceScore}."
    ),
    "examination-price-least": (
        "{pricePoints} − {slope} × |{centre} − 100 × {ratio}| sería menos que la puntuación mínima del"
        " precio, que es {priceScore}."
    ),
    "capability-score": "Las puntuaciones {scores} suman la puntuación de capacidad {capabilityScore}.",
    "examination-passed": (
        "{priceScore} + {capabilityScore} = {total}, y hacen falta {passMark}: supera el examen."
    ),
    "examination-failed": (
        "{priceScore} + {capabilityScore} = {total}, y hacen falta {passMark}: no supera el examen."
    ),
    "price-closed": "A quien no supera la fase técnica no se le abre el precio: nadie lo conoce.",
    "threshold": "En {criterion} hacen falta {threshold} de {points} puntos.",
    "criterion-score": (
        "{criterion}: la media de las notas del comité {marks} es {mean}; {weight} × {mean} ÷"
        " {points} es la puntuación {score}; ambas redondeadas a cuatro decimales."
    ),
    "criterion-score-without-extremes": (
        "{criterion}: de las notas del comité {marks} se dejan fuera una de las más altas, {highest},"
        " y una de las más bajas, {lowest}; la media de las demás es {mean}; {weight} × {mean} ÷"
        " {points} es la puntuación {score}; ambas redondeadas a cuatro decimales."
    ),
    "quality": "Las puntuaciones {scores} suman la puntuación de calidad {technicalScore}.",
    "below-threshold": "En {criterion} la media {mean} no llega al umbral {threshold}.",
    "yearly-factor": (
        "{cost}: 1 al final de cada uno de {years} años al {discountRate} % anual vale hoy {factor},"
        " redondeado a ocho decimales."
    ),
    "end-factor": (
        "{cost}: 1 al cabo de {years} años al {discountRate} % anual vale hoy {factor}, redondeado a"
        " ocho decimales."
    ),
    "present-value": (
        "{cost}: {stated} × {factor}, redondeado a dos decimales, es el valor actual {presentValue}."
    ),
    "life-cycle-cost": (
        "El precio {amount} y los valores actuales {presentValues} suman el coste del ciclo de vida {total}."
    ),
    "too-few-to-be-abnormal": (
        "Hay {validBids} precios válidos; un precio puede ser anormalmente bajo a partir de {fromBids}."
    ),
    "abnormal-limit": (
        "Hay {validBids} precios válidos, al menos {fromBids}. Suman {pricesTogether}; el"
        " {abnormalBelow} % de su media, redondeado hacia arriba a dos decimales, es {abnormalLimit}:"
        " lo que queda por debajo es anormalmente bajo."
    ),
    "abnormally-low": "El precio {amount} es inferior a {abnormalLimit}, luego anormalmente bajo.",
    "not-abnormally-low": "El precio {amount} no es inferior a {abnormalLimit}.",
    "winners": "Las ofertas se comparan según {ruleSet}; ganan las {winners} primeras.",
    "evaluator-without-effect": "Sin la persona evaluadora {evaluator} el resultado sería el mismo.",
    "evaluator-decides": "Sin la persona evaluadora {evaluator} la adjudicación sería para: {bidders}.",
    "evaluator-carries": "Sin la persona evaluadora {evaluator} no quedaría ninguna oferta clasificada.",
    "evaluator-shuts-out": (
        "Sin la persona evaluadora {evaluator} se habría abierto también el precio de: {bidders}."
    ),
    "weight-up": "Si el peso {weight} de {criterion} subiera {by}, la adjudicación sería para: {bidders}.",
    "weight-down": "Si el peso {weight} de {criterion} bajara {by}, la adjudicación sería para: {bidders}.",
    "weight-without-effect": (
        "Se mueva como se mueva el peso {weight} de {criterion}, el resultado sería el mismo."
    ),
    "price-weight-up": "Si el peso del precio {weight} subiera {by}, la adjudicación sería para: {bidders}.",
    "price-weight-down": "Si el peso del precio {weight} bajara {by}, la adjudicación sería para: {bidders}.",
    "price-weight-without-effect": (
        "Se mueva como se mueva el peso del precio {weight}, el resultado sería el mismo."
    ),
}
"""Line code → template, which uses every figure of the line."""

FACTS: dict[str, tuple[str, str]] = {
    "lowest-price/1": ("Regla", "lowest-price/1: gana el precio más bajo"),
    "lowest-price/2": ("Regla", "lowest-price/2: gana el precio más bajo que no sea anormalmente bajo"),
    "kr-price-floor/1": (
        "Regla",
        "kr-price-floor/1: gana el precio más bajo entre el importe mínimo y el precio previsto",
    ),
    "kr-negotiation/1": ("Regla", "kr-negotiation/1: gana la mayor suma de puntos técnicos y de precio"),
    "quality-price/1": (
        "Regla",
        "quality-price/1: gana la mejor suma de las puntuaciones ponderadas y la del precio",
    ),
    "two-envelope/1": (
        "Regla",
        "two-envelope/1: primero la calidad; solo se abre el precio de quien la supera",
    ),
    "life-cycle-cost/1": (
        "Regla",
        "life-cycle-cost/1: gana el precio más bajo con sus costes de uso a valor actual",
    ),
    "multi-award/1": ("Regla", "multi-award/1: ganan varias ofertas, comparadas según la regla siguiente"),
    "winners": ("Adjudicatarios", "las {winners} primeras"),
    "ceiling": ("Precio máximo", "{ceiling} {currency}"),
    "no-ceiling": ("Precio máximo", "ninguno"),
    "abnormally-low": (
        "Anormalmente bajo",
        (
            "un precio válido inferior al {abnormalBelow} % de la media de los precios válidos, a"
            " partir de {abnormalFrom}"
        ),
    ),
    "base": ("Importe base", "{base} {currency}"),
    "range": ("Margen", "± {basisPoints} puntos básicos"),
    "prices-derived": ("Precios preliminares", "quince, que se derivan de las firmas de la apertura"),
    "prices-committed": (
        "Precios preliminares",
        "quince, que el responsable fijó de antemano, con el resumen {digest}",
    ),
    "steps-of-100": ("Unidad del precio", "importes enteros, precios preliminares en centenas"),
    "steps-of-1": ("Unidad del precio", "0.01"),
    "floor": ("Umbral", "{floor} % del precio previsto"),
    "floor-by-table": ("Umbral", "según la tabla vigente para el precio estimado"),
    "estimated-price": ("Precio estimado", "{estimatedPrice} {currency}"),
    "no-estimated-price": ("Precio estimado", "no consta"),
    "national": ("Normas", "del Estado"),
    "local": ("Normas", "de la administración local"),
    "statutory-costs": ("Costes legales", "{statutoryCosts} {currency}"),
    "net-construction-cost": ("Coste neto de construcción", "{netConstructionCost} {currency}"),
    "no-net-construction-cost": ("Coste neto de construcción", "no consta"),
    "budget": ("Presupuesto", "{budget} {currency}"),
    "price-points": ("Puntos del precio", "{pricePoints}"),
    "technical-points": ("Puntos técnicos", "{technicalPoints}"),
    "criterion": ("Criterio {criterion}", "{title}: {points} puntos"),
    "weighted-criterion": ("Criterio {criterion}", "{title}: peso {weight}, se valora de 0 a {points}"),
    "threshold": ("Mínimo en {criterion}", "{threshold} de {points}"),
    "price-weight": ("Peso del precio", "{priceWeight}"),
    "price-alone": ("Peso del precio", "ninguno: de quienes superan la calidad gana el precio más bajo"),
    "technical-pass-mark": ("Puntuación mínima", "{passMark} % de los puntos técnicos"),
    "quality-pass-mark": ("Puntuación mínima", "{passMark} % de los pesos de los criterios"),
    "no-pass-mark": ("Puntuación mínima", "ninguna"),
    "extremes": ("Extremos", "se dejan fuera a partir de {dropExtremesFrom} evaluadores"),
    "examination": ("Examen", "por orden de precio, hasta que alguien tenga {passMark} de 100 puntos"),
    "no-examination": ("Examen", "ninguno: se adjudica a la primera oferta"),
    "examination-price-points": ("Puntos del precio", "según la tabla vigente para el presupuesto estimado"),
    "capability": ("Capacidad {criterion}", "{title}: {points} puntos"),
    "examination-periods": (
        "Documentos",
        "en {documentsWithin} desde la petición; una subsanación en {supplementWithin}",
    ),
    "negotiation": ("Negociación", "por orden de puesto, hasta llegar a un acuerdo"),
    "no-negotiation": ("Negociación", "ninguna"),
    "yearly": ("Coste {cost}", "{title}: lo indica cada oferta, por año"),
    "end": ("Coste {cost}", "{title}: lo indica cada oferta, una vez al final"),
    "years": ("Años", "{years}"),
    "discount-rate": ("Tasa de descuento", "{rate} % anual"),
}
"""Parameter of a rule set → label and text, which together use its figures."""
