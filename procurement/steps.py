"""The steps of a tender in words: who holds each, since when, due when, by which rule, and what happens when
it is missed.

Everything follows from the notice, its history and the time at which somebody asks, so whoever has these
comes to the same list. A step is `ahead` before it can begin, `open` from then on, `late` once it is due and
not done, and `done`. A step without a due time has none in any rule: nobody is told that it is late.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from bids.envelope import Part
from crypto.encoding import Moment, moment, parse_moment
from procurement import periods
from procurement.evaluation import takes_more
from procurement.evaluation.explain import Language, duration
from procurement.history import Entry, EventType
from procurement.scoring import committed_lots
from procurement.tenders import PROMPT, Contact, Notice, purchase

State = Literal["ahead", "open", "late", "done"]
Holder = Literal["officer", "second-officer", "bidders", "service", "committee", "panel", "anybody"]

LANGUAGES: tuple[Language, ...] = ("en", "ko", "es")


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One step. `late_by` are whole seconds after `due`: at which it was done, or so far."""

    code: str
    state: State
    what: str
    holder: Holder
    who: str
    contact: Contact
    rule: str
    missed: str
    part: Part | None = None
    since: Moment | None = None
    due: Moment | None = None
    done: Moment | None = None
    late_by: int | None = None


class _Times(NamedTuple):
    """When a step could begin, when it is due, when it was done; each where it is known."""

    since: datetime | None = None
    due: datetime | None = None
    done: datetime | None = None


class _Words(NamedTuple):
    what: str
    missed: str


WHO: dict[Holder, dict[Language, str]] = {
    "officer": {"en": "the officer in charge", "ko": "담당 공무원", "es": "el funcionario responsable"},
    "second-officer": {"en": "a second officer", "ko": "다른 공무원 1인", "es": "un segundo funcionario"},
    "bidders": {"en": "the bidders", "ko": "입찰자", "es": "los licitadores"},
    "service": {"en": "the service", "ko": "전자조달 서비스", "es": "el servicio"},
    "committee": {
        "en": "the opening committee, {threshold} of {members}",
        "ko": "개찰위원회 {members}인 중 {threshold}인",
        "es": "la comisión de apertura, {threshold} de {members}",
    },
    "panel": {"en": "the panel", "ko": "평가위원회", "es": "el comité evaluador"},
    "anybody": {"en": "anybody who objects", "ko": "이의가 있는 자", "es": "quien tenga objeciones"},
}

WORDS: dict[str, dict[Language, _Words]] = {
    "publication": {
        "en": _Words("Publish the notice", "After five minutes nobody can publish it any more."),
        "ko": _Words("입찰공고 게시", "공고 시각에서 5분이 지나면 게시할 수 없으며 새 공고가 필요하다."),
        "es": _Words(
            "Publicar el anuncio",
            "Pasados cinco minutos ya no puede publicarse: hace falta otro anuncio.",
        ),
    },
    "countersigning": {
        "en": _Words("Countersign the notice", "Without a second officer the notice is not published."),
        "ko": _Words("입찰공고 부서", "다른 공무원의 부서가 없으면 공고는 게시되지 않는다."),
        "es": _Words("Refrendar el anuncio", "Sin un segundo funcionario el anuncio no se publica."),
    },
    "answers": {
        "en": _Words(
            "Answer the questions of businesses, to all",
            "Who asked has no answer before it bids; that the question waits is public.",
        ),
        "ko": _Words(
            "질의에 대한 공개 답변", "질의자는 답변 없이 입찰하게 되며, 답변이 없다는 사실은 공개된다."
        ),
        "es": _Words(
            "Responder a las preguntas, para todos",
            "Quien preguntó licita sin respuesta; que la pregunta espera es público.",
        ),
    },
    "bidding": {
        "en": _Words(
            "Hand in sealed bids",
            "A bid that is not there before the deadline is refused, by a signed refusal with the time.",
        ),
        "ko": _Words(
            "봉인된 입찰서 제출", "마감 전에 도달하지 않은 입찰은 시각을 적은 서명된 거절을 받는다."
        ),
        "es": _Words(
            "Presentar ofertas selladas",
            "Una oferta que no llega antes del plazo se rechaza, con un rechazo firmado que dice la hora.",
        ),
    },
    "uploads": {
        "en": _Words(
            "Send the documents of bids that came in time",
            "A document that does not come is listed as missing; the bid counts without it.",
        ),
        "ko": _Words(
            "기한 내 입찰의 첨부문서 전송", "오지 않은 문서는 누락으로 기록되며 입찰은 그 문서 없이 유효하다."
        ),
        "es": _Words(
            "Enviar los documentos de las ofertas recibidas a tiempo",
            "Un documento que no llega consta como ausente; la oferta vale sin él.",
        ),
    },
    "closing": {
        "en": _Words(
            "Close the box and list every envelope, before any key exists",
            "If witnesses see the list after the round, bids open only with the officer's signed reason.",
        ),
        "ko": _Words(
            "열쇠가 생기기 전에 투찰함을 닫고 모든 봉투를 공개 목록에 기재",
            "증인이 라운드 이후에 확인하면 담당 공무원의 서명된 사유가 있어야만 개찰된다.",
        ),
        "es": _Words(
            "Cerrar el buzón y listar cada sobre, antes de que exista llave alguna",
            "Si los testigos ven la lista tras la ronda, se abre sólo con el motivo firmado del funcionario.",
        ),
    },
    "late-closing": {
        "en": _Words("Answer for a closing that was witnessed late", "Until then no committee member signs."),
        "ko": _Words("늦게 확인된 마감에 대한 사유 표명", "그때까지 개찰위원은 서명하지 않는다."),
        "es": _Words("Responder por un cierre atestiguado tarde", "Hasta entonces ningún miembro firma."),
    },
    "opening": {
        "en": _Words(
            "Sign the opening order, with which the bids open",
            "The bids stay shut; every member's refusal and its reason are public.",
        ),
        "ko": _Words("개찰 명령 서명(입찰서 개봉)", "입찰서는 봉인된 채 남고 위원의 거부와 사유가 공개된다."),
        "es": _Words(
            "Firmar la orden de apertura, con la que se abren las ofertas",
            "Las ofertas siguen cerradas; la negativa de cada miembro y su motivo son públicos.",
        ),
    },
    "panel-draw": {
        "en": _Words("Draw the panel from its pool", "Nobody scores, and no price is opened."),
        "ko": _Words("평가위원 추첨", "추첨 전에는 평가하지 않으며 가격도 개봉하지 않는다."),
        "es": _Words("Sortear el comité", "Nadie puntúa y no se abre ningún precio."),
    },
    "selection": {
        "en": _Words(
            "Examine those in line, or negotiate with them, in the order of the ranks",
            "Nobody is named; documents that do not come in time end a candidacy, and the next is in line.",
        ),
        "ko": _Words(
            "순위에 따른 적격심사 또는 협상",
            "낙찰예정자를 지명하지 못하며, 서류를 기한 내 내지 않은 자 대신 다음 순위자가 대상이 된다.",
        ),
        "es": _Words(
            "Examinar a los primeros, o negociar con ellos, por orden",
            "No se nombra a nadie; quien no entrega a tiempo cede el lugar al siguiente.",
        ),
    },
    "prices": {
        "en": _Words("Reveal the committed preliminary prices", "Without them nothing is ranked."),
        "ko": _Words("확약한 복수예비가격 공개", "공개되지 않으면 순위를 정하지 않는다."),
        "es": _Words("Revelar los precios preliminares", "Sin ellos no se clasifica nada."),
    },
    "scoring": {
        "en": _Words(
            "Declare conflicts of interest and sign the score sheets",
            "No price is opened before every evaluator has signed or stepped back.",
        ),
        "ko": _Words(
            "이해충돌 여부 선언 및 평가표 서명",
            "모든 평가위원이 서명하거나 회피하기 전에는 가격을 개봉하지 않는다.",
        ),
        "es": _Words(
            "Declarar conflictos de interés y firmar las hojas de puntuación",
            "No se abre ningún precio antes de que todo evaluador haya firmado o se haya abstenido.",
        ),
    },
    "evaluation": {
        "en": _Words("Score and rank by the published rules", "It is tried again until it is done."),
        "ko": _Words("공고된 규칙에 따른 평가 및 순위 결정", "완료될 때까지 다시 시도한다."),
        "es": _Words("Puntuar y clasificar según las reglas publicadas", "Se repite hasta que se logra."),
    },
    "intention": {
        "en": _Words("Name the first in line", "The standstill does not begin, and nothing is awarded."),
        "ko": _Words("낙찰예정자 지명", "이의제기 기간이 시작되지 않으며 낙찰되지 않는다."),
        "es": _Words("Nombrar al primero", "El plazo suspensivo no empieza y nada se adjudica."),
    },
    "termination": {
        "en": _Words("End the tender without an award", "Nothing follows: no bid is taken or opened."),
        "ko": _Words("낙찰 없이 입찰 종료", "이후 입찰은 접수되지도 개봉되지도 않는다."),
        "es": _Words(
            "Terminar la licitación sin adjudicar",
            "Nada más ocurre: ninguna oferta se recibe ni se abre.",
        ),
    },
    "standstill": {
        "en": _Words("Object to the intended award", "After its end the award is made."),
        "ko": _Words("낙찰예정에 대한 이의제기", "기간이 끝나면 낙찰이 이루어진다."),
        "es": _Words("Impugnar la adjudicación prevista", "Cuando acaba, se adjudica."),
    },
    "award": {
        "en": _Words("Award, and countersign the award", "Bidders wait; the record is made with the award."),
        "ko": _Words("낙찰 결정 및 부서", "입찰자는 기다리게 되며 기록은 낙찰과 함께 작성된다."),
        "es": _Words("Adjudicar y refrendar", "Los licitadores esperan; el expediente se hace al adjudicar."),
    },
}
"""By code and language: what is to be done, and what happens when it is missed."""

RULES = {
    "publication": "13.3",
    "countersigning": "8",
    "answers": "8",
    "bidding": "7",
    "uploads": "6",
    "closing": "9",
    "late-closing": "9",
    "opening": "10",
    "panel-draw": "11",
    "prices": "11",
    "selection": "8",
    "scoring": "8",
    "evaluation": "12",
    "intention": "8",
    "termination": "8",
    "standstill": "13.12",
    "award": "8",
}
"""By code: the section of docs/formats.md with the rule behind a step, beside the law of the notice."""
SECTION: dict[Language, str] = {
    "en": "Openseal formats, section {}",
    "ko": "Openseal 형식 문서 {}절",
    "es": "Formatos de Openseal, sección {}",
}
LEGAL: dict[str, periods.Kind] = {
    "answers": "answers",
    "bidding": "tendering",
    "standstill": "standstill",
}
"""Which legal period a step is about."""
PERIODS: dict[Language, dict[periods.Kind, str]] = {
    "en": {"tendering": "tendering", "answers": "answers", "standstill": "standstill"},
    "ko": {"tendering": "입찰 기간", "answers": "답변 기간", "standstill": "이의제기 기간"},
    "es": {
        "tendering": "plazo para ofertar",
        "answers": "plazo para responder",
        "standstill": "plazo suspensivo",
    },
}
DAYS: dict[Language, tuple[str, str]] = {
    "en": ("{} days", "{} working days"),
    "ko": ("{}일", "근무일 {}일"),
    "es": ("{} días", "{} días hábiles"),
}
"""Of the calendar, and those that are worked on."""
HOLDERS: dict[str, Holder] = {
    "publication": "officer",
    "countersigning": "second-officer",
    "answers": "officer",
    "bidding": "bidders",
    "uploads": "bidders",
    "closing": "service",
    "late-closing": "officer",
    "opening": "committee",
    "panel-draw": "officer",
    "prices": "officer",
    "selection": "officer",
    "scoring": "panel",
    "evaluation": "service",
    "intention": "officer",
    "termination": "officer",
    "standstill": "anybody",
    "award": "officer",
}
PARTS: dict[Part, dict[Language, str]] = {
    "bid": {"en": "", "ko": "", "es": ""},
    "technical": {"en": " (technical parts)", "ko": " (기술 부분)", "es": " (partes técnicas)"},
    "price": {"en": " (price parts)", "ko": " (가격 부분)", "es": " (partes de precio)"},
}
STATES: dict[State, dict[Language, str]] = {
    "ahead": {"en": "ahead", "ko": "예정", "es": "pendiente"},
    "open": {"en": "under way", "ko": "진행 중", "es": "en curso"},
    "late": {"en": "late", "ko": "지연", "es": "con retraso"},
    "done": {"en": "done", "ko": "완료", "es": "hecho"},
}


def steps(notice: Notice, history: Sequence[Entry], now: datetime, language: Language = "en") -> list[Step]:
    """All steps of the tender in their order; `history` may be empty, before it is published."""
    rules = _legal_rules(notice, language)
    return [
        _step(notice, code, part, times, now, language, rules)
        for code, part, times in _plan(notice, _History(history))
    ]


def turns(notice: Notice, history: Sequence[Entry]) -> list[datetime]:
    """When, by the clock alone, a step begins, is late or is over, in order: between two of these times the
    list stays as it is, but for how late a late step is."""
    found: set[datetime] = set()
    for _, _, (since, due, done) in _plan(notice, _History(history)):
        found |= {time for time in (since, done) if time}
        if due and (done is None or done > due):
            found.add(due + timedelta(seconds=1))
    return sorted(found)


def in_words(step: Step) -> str:
    """The step as one line, in English: for a terminal."""
    late = [f"LATE by {duration(step.late_by)}"] if step.late_by else []
    if step.done:
        stands = [f"done {step.done}"]
    else:
        begun = step.state in ("open", "late") and step.since
        stands = [f"under way since {step.since}" if begun else STATES[step.state]["en"]]
        stands += [f"due {step.due}"] if step.due else []
    return f"{step.what}: {step.who}; {', '.join([*stands, *late])}"


class _History:
    """When each thing happened first and last."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def first(self, type_: EventType, part: Part | None = None) -> datetime | None:
        return next(iter(self._times(type_, part)), None)

    def count(self, type_: EventType) -> int:
        """How often."""
        return len(self._times(type_, None))

    def last(self, type_: EventType, part: Part | None = None) -> datetime | None:
        return next(reversed(self._times(type_, part)), None)

    def _times(self, type_: EventType, part: Part | None) -> list[datetime]:
        return [parse_moment(e.time) for e in self._entries if e.t is type_ and part in (None, e.part)]


_Planned = tuple[str, Part | None, _Times]


def _plan(notice: Notice, history: _History) -> list[_Planned]:
    """All that is to be done; of a tender that was ended what was done until then, and its end."""
    planned = [*_before_opening(notice, history), *_opening(notice, history), *_awarding(notice, history)]
    ended = history.first(EventType.TERMINATED)
    if ended is None:
        return planned
    done = [each for each in planned if each[2].done and each[2].done <= ended]
    return [*done, ("termination", None, _Times(history.first(EventType.PUBLISHED), None, ended))]


def _before_opening(notice: Notice, history: _History) -> list[_Planned]:
    published = parse_moment(notice.published)
    appeared = history.first(EventType.PUBLISHED)
    agreed = history.first(EventType.COUNTERSIGNED)
    closed = history.first(EventType.CLOSED)
    found: list[_Planned] = [
        ("publication", None, _Times(published, published + PROMPT, appeared)),
        ("countersigning", None, _Times(published, published + PROMPT, agreed)),
    ]
    if notice.enquiries_until:
        found.append(("answers", None, _answering(notice, history)))
    found.append(("bidding", None, _passing(appeared, notice.closes)))
    if notice.upload_grace:
        found.append(("uploads", None, _passing(appeared and notice.closes, notice.complete)))
    found.append(("closing", None, _Times(appeared and notice.complete, notice.opens, closed)))
    if answered := history.first(EventType.LATE):
        found.append(("late-closing", None, _Times(closed, None, answered)))
    return found


def _opening(notice: Notice, history: _History) -> list[_Planned]:
    """Each part, and between them what the panel has to do."""
    found: list[_Planned] = []
    closed = history.first(EventType.CLOSED)
    first, *others = notice.parts
    opened = history.first(EventType.OPENED, first)
    since = max(closed, notice.opens) if closed else None
    found.append(("opening", first, _Times(since, notice.opens, opened)))
    if committed_lots(notice):
        found.append(("prices", None, _Times(opened, None, history.last(EventType.PRICES_REVEALED))))
    if notice.seats:
        found.append(("panel-draw", None, _Times(closed, None, history.first(EventType.PANEL_DRAWN))))
    for part in others:
        begun = history.first(EventType.PARTIAL, part)
        later = history.first(EventType.OPENED, part)
        scored = begun or later
        found.append(("scoring", None, _Times(opened, None, scored)))
        found.append(("opening", part, _Times(opened, None, later)))
    return found


def _awarding(notice: Notice, history: _History) -> list[_Planned]:
    opened = history.first(EventType.OPENED, notice.parts[-1])
    scored = history.first(EventType.SCORED)
    intended = history.first(EventType.INTENDED)
    awarded = history.first(EventType.AWARDED)
    over = intended + timedelta(seconds=notice.standstill) if intended else None
    selected = any(takes_more(lot.rules) for lot in notice.lots)
    return [
        ("evaluation", None, _Times(opened, None, scored)),
        *([("selection", None, _Times(scored, None, intended))] if selected else []),
        ("intention", None, _Times(scored, None, intended)),
        ("standstill", None, _passing(intended, over)),
        ("award", None, _Times(over, None, awarded)),
    ]


def _answering(notice: Notice, history: _History) -> _Times:
    """From the first question; due as the law says, else by the deadline; done once no question
    waits and no more are taken."""
    asked, answered = history.count(EventType.ENQUIRED), history.count(EventType.ANSWERED)
    until, law = parse_moment(notice.enquiries_until or notice.deadline), purchase(notice)
    latest = periods.latest_answers(law, notice.closes) if law and not notice.practice else None
    last = history.last(EventType.ANSWERED) or until
    since = history.first(EventType.ENQUIRED) or history.first(EventType.PUBLISHED)
    done = max(last, until) if since and asked == answered else None
    return _Times(since, latest or notice.closes, done)


def _passing(since: datetime | None, until: datetime | None) -> _Times:
    """A span of time that is over by itself."""
    return _Times(since, until, until if since else None)


def _step(
    notice: Notice,
    code: str,
    part: Part | None,
    times: _Times,
    now: datetime,
    language: Language,
    rules: Mapping[periods.Kind, str],
) -> Step:
    since, due, done = times
    done = done if done and done <= now else None
    words, holder = WORDS[code][language], HOLDERS[code]
    late = max(0, int(((done or now) - due).total_seconds())) if due else 0
    numbers = {"threshold": notice.committee.threshold, "members": len(notice.committee.members)}
    legal = rules.get(LEGAL[code]) if code in LEGAL else None
    return Step(
        code=code,
        part=part,
        state=_state(since, late, done, now),
        what=words.what + (PARTS[part][language] if part else ""),
        holder=holder,
        who=WHO[holder][language].format_map(numbers),
        contact=notice.contact,
        rule="; ".join(filter(None, (legal, SECTION[language].format(RULES[code])))),
        missed=words.missed,
        since=_said(since),
        due=_said(due),
        done=_said(done),
        late_by=late or None,
    )


def _state(since: datetime | None, late: int, done: datetime | None, now: datetime) -> State:
    if done:
        return "done"
    if late:
        return "late"
    return "open" if since and since <= now else "ahead"


def _legal_rules(notice: Notice, language: Language) -> dict[periods.Kind, str]:
    """What the law asks, by kind of period; nothing of a practice tender."""
    asked = purchase(notice)
    if asked is None or notice.practice:
        return {}
    return {each.kind: _legal_rule(each, language) for each in periods.required(asked)}


def _legal_rule(period: periods.Period, language: Language) -> str:
    days = DAYS[language][period.working].format(period.days)
    return f"{PERIODS[language][period.kind]}: {days} ({period.rule})"


def _said(time: datetime | None) -> Moment | None:
    return moment(time) if time else None
