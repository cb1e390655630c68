"""The HTTP interface: every write is a signed statement, and the signature is the log-in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, Parameter, RequestBody, Schema
from litestar.params import PathParameter, QueryParameter, RawBody

from crypto.encoding import Moment, encode, moment
from crypto.stamps import TOKEN_TYPE
from procurement import money, publication
from procurement.awards import Evaluated
from procurement.draws import PendingDraw, ShownDraw
from procurement.evaluation.explain import Language
from procurement.finding import store as finding
from procurement.finding.search import LONGEST_TEXT, Order, Shown, Stage, read
from procurement.finding.store import Line
from procurement.history import Entry
from procurement.notices import ProcedureName, SetAside
from procurement.procedure import Procedure
from procurement.publication import ProvenEntry, PublishedBid, PublishedEdition, status
from procurement.registry import store as registry
from procurement.steps import LANGUAGES, Step, steps
from procurement.web.problems import MEDIA_TYPE, Problem

DSSE = "application/vnd.dsse+json"
STATEMENT_LIMIT = 4 * 1024 * 1024  # bytes: a bid of two parts of a mebibyte each, twice base64
REQUEST_LIMIT = 64 * 1024

MOST_LISTED = 100
"""Tenders of one answer."""
_ID = "^[A-Za-z0-9._-]{1,64}$"
_AMOUNT = r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,2})?$"
_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_CURSOR = r"^(newest|closing-first|closing-last)\.[0-9]{1,17}\.[0-9a-f]{32}$"
SEARCHED: dict[str, tuple[str, str | tuple[str, ...]]] = {
    "text": (
        "Words of title, numbers, lots, items and entities, in any language of the notice: all of them, by"
        " how they begin, in Korean anywhere in a word.",
        f"^.{{1,{LONGEST_TEXT}}}$",
    ),
    "stage": (
        "Takes bids, takes them for three more days at most, is past its deadline without an outcome, was"
        " awarded, ended without an award.",
        get_args(Stage),
    ),
    "entity": ("The procuring entity's id.", _ID),
    "procedure": ("Of the law that the notice names.", get_args(ProcedureName)),
    "classification": (
        "How the code of an item begins, with its scheme before it or without: UNSPSC:5610, 5610.",
        "^([A-Za-z][A-Za-z0-9-]{1,23}[ :])?[A-Za-z0-9._-]{1,64}$",
    ),
    "reserved": ("Whom it is reserved for.", get_args(SetAside)),
    "currency": ("ISO 4217, of the amounts; needed with them.", "^[A-Z]{3}$"),
    "least": ("The value is not below.", _AMOUNT),
    "most": ("The value is not above.", _AMOUNT),
    "since": ("The deadline's first day, in Korea.", _DAY),
    "until": ("The deadline's last day, in Korea.", _DAY),
    "published_since": ("The publication's first day, in Korea.", _DAY),
    "published_until": ("The publication's last day, in Korea.", _DAY),
    "practice": ("Practice tenders: none, among the others (as it is without this), alone.", get_args(Shown)),
    "order": (
        "By publication, latest first; by deadline, earliest or latest first (as it is without this).",
        get_args(Order),
    ),
    "after": ("Where the page begins, as `next` has it.", _CURSOR),
    "before": ("Where it ends, likewise; not with `after`.", _CURSOR),
}
"""By parameter of a search: what it asks for, and its form."""

Asked = Request[Any, Any, Any]
Steps = NamedDependency[Procedure]
Take = Callable[[Procedure, str, bytes], Awaitable[str]]

# Python's $ also matches before a newline at the end, other languages' does not.
Ocid = Annotated[
    str, PathParameter(pattern=r"^[A-Za-z0-9._-]{1,64}(?!\n)$", description="The tender's ocid.")
]
Hash = Annotated[str, PathParameter(pattern=r"^[0-9a-f]{64}(?!\n)$", description="SHA-256, lower-case hex.")]
Sequence = Annotated[int, PathParameter(ge=0, description="Place in the tender's history, from 0.")]


def problems(texts: Mapping[int, str]) -> dict[int, ResponseSpec]:
    """Problems that a route answers with, by status, for its description."""
    return {
        code: ResponseSpec(
            data_container=Problem, description=text, media_type=MEDIA_TYPE, generate_examples=False
        )
        for code, text in texts.items()
    }


PROBLEMS = problems(
    {
        400: "Not of the form it must have.",
        403: "The signer may not say this.",
        404: "Not there, or not yet.",
        409: "This step is not due, or was done before.",
        413: "Too large.",
        422: "Well-formed, and wrong.",
        503: "The log or the certificate status is behind, or too much at once: send the same again.",
    }
)


@dataclass
class Signed(Operation):
    """Describes an operation that takes a signed statement."""

    def __post_init__(self) -> None:
        envelope = Schema(type=OpenAPIType.OBJECT, required=["payload", "payloadType", "signatures"])
        self.request_body = RequestBody(
            description="A DSSE envelope with one signature.",
            content={DSSE: OpenAPIMediaType(schema=envelope)},
            required=True,
        )


@dataclass
class Searching(Operation):
    """Describes an operation that is asked with the parameters of a search."""

    def __post_init__(self) -> None:
        self.parameters = [
            Parameter(name=name, param_in="query", description=text, schema=_schema(form))
            for name, (text, form) in SEARCHED.items()
        ]


def _schema(form: str | tuple[str, ...]) -> Schema:
    """Of text that matches a pattern, or is one of several words."""
    if isinstance(form, tuple):
        return Schema(type=OpenAPIType.STRING, enum=form)
    return Schema(type=OpenAPIType.STRING, pattern=form)


class Drafted(msgspec.Struct, frozen=True, kw_only=True):
    """The ocid and the notice's id of a tender that a second officer has to countersign."""

    tender: str
    notice: str


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A signed receipt (DSSE, base64) and its tlog-proof."""

    receipt: str
    proof: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The id of the statement that was accepted."""

    statement: str


class TenderSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A tender in a list: `title` in its own `language`, `translations` of it by theirs; `entity` is the
    procuring entity's id; `value` is estimated, or the sum of all lots' ceilings."""

    tender: str
    number: str
    title: str
    language: str
    translations: dict[str, str]
    procuring_entity: str
    entity: str
    status: str
    outcome: str | None
    procedure: str | None
    classifications: tuple[str, ...]
    reserved_for: tuple[str, ...]
    currency: str
    value: str | None
    published: Moment
    deadline: Moment
    opens: Moment
    practice: bool


class TenderList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tenders, and the address of the `next` of them, if there are more."""

    tenders: list[TenderSummary]
    next: str | None = None


class TenderView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A tender: where it stands, its notice as it reads now, and how it came to read so."""

    tender: str
    notice_id: str
    status: str
    deadline: Moment
    opens: Moment
    notice: msgspec.Raw
    amendments: list[PublishedEdition]


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the tender's history."""

    seq: int
    type: str
    time: Moment
    statement: str
    part: str | None = None
    lot: str | None = None
    reason: str | None = None


class Timeline(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What happened so far, in order; and since when the opening is held up by a silent beacon."""

    status: str
    events: list[TimelineEvent]
    beacon_silent_since: Moment | None = None


class StepList(msgspec.Struct, frozen=True, kw_only=True):
    """The steps of a tender in their order, in one of the languages that there are."""

    tender: str
    language: str
    languages: tuple[str, ...]
    steps: list[Step]


class OpenedBids(msgspec.Struct, frozen=True, kw_only=True):
    """The counted bids after the opening."""

    bids: list[PublishedBid]


class EvaluationView(msgspec.Struct, frozen=True, kw_only=True):
    """The evaluation's statement id and what it says."""

    statement: str
    evaluation: Evaluated


class Draws(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The panel's draw, then those of each lot: preliminary prices, ties. `pending` is the panel's while it
    is not made."""

    draws: list[ShownDraw]
    pending: PendingDraw | None = None


@get(
    "/certificates/{fingerprint:str}",
    tags=["certificates"],
    responses=PROBLEMS,
    media_type="application/pkix-cert",
)
async def read_certificate(fingerprint: Hash, procedure: Steps) -> Response[bytes]:
    """A certificate, DER."""
    return Response(await registry.load_certificate(procedure.pool, fingerprint))


@get("/trust", tags=["certificates"])
async def read_trust(procedure: Steps) -> msgspec.Raw:
    """What this set-up says of itself. Whoever wants more than that gets a trust file from elsewhere."""
    return msgspec.Raw(encode(procedure.trust))


@post(
    "/tenders",
    tags=["tenders"],
    request_max_body_size=STATEMENT_LIMIT,
    operation_class=Signed,
    responses=PROBLEMS,
    status_code=202,
)
async def publish_tender(body: RawBody, procedure: Steps) -> Drafted:
    """Publish a tender: the body is the officer's signed notice, which waits for a second officer's
    countersignature."""
    tender = await procedure.publish(body)
    return Drafted(tender=tender.notice.tender, notice=tender.notice_id)


@get("/tenders", tags=["tenders"], operation_class=Searching, responses=PROBLEMS)
async def list_tenders(request: Request[Any, Any, Any], procedure: Steps) -> TenderList:
    """Tenders that have all that is asked for, of all by default, latest deadline first; a hundred at a
    time. Whoever follows `next` sees each one once that was there from the beginning, whatever is published
    meanwhile."""
    given = parameters(request)
    search, now = read(given, "shown", "closing-last"), procedure.now()
    page = await finding.find(procedure.pool, search, now, MOST_LISTED)
    more = {name: value for name, value in given.items() if name != "before"} | {"after": page.after or ""}
    return TenderList(
        tenders=[summary(line, now) for line in page.lines],
        next=f"/api/v1/tenders?{urlencode(more)}" if page.after else None,
    )


@get("/tenders/{ocid:str}", tags=["tenders"], responses=PROBLEMS)
async def read_tender(ocid: Ocid, procedure: Steps) -> TenderView:
    """A tender and its notice."""
    situation = await procedure.situation(ocid)
    notice = situation.tender.notice
    return TenderView(
        tender=ocid,
        notice_id=situation.tender.notice_id,
        status=status(situation, procedure.now()),
        deadline=notice.deadline,
        opens=moment(notice.opens),
        notice=msgspec.Raw(encode(notice)),
        amendments=await publication.amendments(procedure, situation),
    )


@get("/tenders/{ocid:str}/timeline", tags=["tenders"], responses=PROBLEMS)
async def read_timeline(ocid: Ocid, procedure: Steps) -> Timeline:
    """Everything that happened, each step with its time."""
    situation = await procedure.situation(ocid)
    silent = publication.beacon_silent_since(procedure, situation)
    return Timeline(
        status=status(situation, procedure.now()),
        events=[_event(entry) for entry in situation.entries],
        beacon_silent_since=moment(silent) if silent else None,
    )


@get("/tenders/{ocid:str}/steps", tags=["tenders"], responses=PROBLEMS)
async def read_steps(
    ocid: Ocid,
    procedure: Steps,
    language: Annotated[Language, QueryParameter(description="Of the words.")] = "en",
) -> StepList:
    """All steps of the tender in words: who holds each, since when, due when, late by how much, the rule
    behind it, and what happens when it is missed."""
    situation = await procedure.situation(ocid)
    found = steps(situation.tender.notice, situation.entries, procedure.now(), language)
    return StepList(tender=ocid, language=language, languages=LANGUAGES, steps=found)


@get("/tenders/{ocid:str}/entries/{seq:int}", tags=["checking"], responses=PROBLEMS)
async def read_entry(ocid: Ocid, seq: Sequence, procedure: Steps) -> ProvenEntry:
    """An entry of the tender's history with the proof that it is in the witnessed log."""
    return await publication.proven_entry(procedure, ocid, seq)


@get("/tenders/{ocid:str}/closing", tags=["checking"], responses=PROBLEMS)
async def read_closing(ocid: Ocid, procedure: Steps) -> ProvenEntry:
    """The closing statement with its proof: what a committee member checks before signing anything."""
    return await publication.proven_closing(procedure, ocid)


@get("/tenders/{ocid:str}/stamp", tags=["checking"], responses=PROBLEMS, media_type=TOKEN_TYPE)
async def read_stamp(ocid: Ocid, procedure: Steps) -> Response[bytes]:
    """A time-stamping authority's token (RFC 3161) about the checkpoint under which the closing is proven."""
    return Response(await publication.closing_stamp(procedure, ocid))


@get("/tenders/{ocid:str}/statements/{id:str}", tags=["checking"], responses=PROBLEMS, media_type=DSSE)
async def read_statement(ocid: Ocid, id: Hash, procedure: Steps) -> msgspec.Raw:
    """A published statement as it was signed."""
    return msgspec.Raw(await publication.statement(procedure, ocid, id))


@get("/tenders/{ocid:str}/bids", tags=["results"], responses=PROBLEMS)
async def read_bids(ocid: Ocid, procedure: Steps) -> OpenedBids:
    """What was opened."""
    return OpenedBids(bids=await publication.opened_bids(procedure, ocid))


@get("/tenders/{ocid:str}/evaluation", tags=["results"], responses=PROBLEMS)
async def read_evaluation(ocid: Ocid, procedure: Steps) -> EvaluationView:
    """Scores, ranking, and how each number came about."""
    id, evaluated = await publication.evaluation(procedure, ocid)
    return EvaluationView(statement=id, evaluation=evaluated)


@get("/tenders/{ocid:str}/draws", tags=["results"], responses=PROBLEMS)
async def read_draws(ocid: Ocid, procedure: Steps) -> Draws:
    """Every draw with the numbers that it is recomputed from by hand."""
    found, pending = await publication.draws(procedure, ocid), await publication.pending_draw(procedure, ocid)
    return Draws(draws=found, pending=pending)


@post(
    "/tenders/{ocid:str}/countersignatures",
    tags=["steps"],
    request_max_body_size=STATEMENT_LIMIT,
    operation_class=Signed,
    responses={
        202: ResponseSpec(Said, description="Kept till the notice's time.", generate_examples=False),
        **PROBLEMS,
    },
    status_code=201,
)
async def countersign(ocid: Ocid, body: RawBody, procedure: Steps) -> Response[Said]:
    """A second officer countersigns what waits, which takes effect with it; a notice whose time is still to
    come is published then."""
    id, effective = await procedure.countersign(ocid, body)
    return Response(Said(statement=id), status_code=201 if effective else 202)


def statement_route(path: str, step: Take, summary: str, status_code: int = 201) -> Any:
    """A route that takes one kind of statement about a tender and hands it to its step."""

    @post(
        f"/tenders/{{ocid:str}}/{path}",
        tags=["steps"],
        request_max_body_size=STATEMENT_LIMIT,
        operation_class=Signed,
        responses=PROBLEMS,
        status_code=status_code,
        summary=summary,
        name=path,
        operation_id=path.replace("-", "_"),
    )
    async def take(ocid: Ocid, body: RawBody, procedure: Steps) -> Said:
        return Said(statement=await step(procedure, ocid, body))

    return take


STEPS = [
    statement_route("answers", Procedure.answer, "An officer answers a question, for everybody"),
    statement_route(
        "amendments",
        Procedure.amend,
        "The officer amends the terms, for another to countersign",
        202,
    ),
    statement_route(
        "terminations",
        Procedure.terminate,
        "The officer ends the tender without an award, for a second officer to countersign",
        202,
    ),
    statement_route("co-signatures", Procedure.co_sign, "A partner signs the envelope of a joint bid"),
    statement_route("late-closings", Procedure.accept_late_closing, "The officer answers for a late closing"),
    statement_route(
        "opening-partials", Procedure.accept_partial, "A committee member signs an opening order"
    ),
    statement_route(
        "order-refusals", Procedure.accept_refusal, "A committee member refuses an opening order"
    ),
    statement_route(
        "conflict-declarations", Procedure.declare, "An official declares whether there is a conflict"
    ),
    statement_route(
        "draw-requests", Procedure.request_draw, "The officer fixes the round that draws the panel"
    ),
    statement_route("score-sheets", Procedure.accept_sheet, "An evaluator signs a score sheet"),
    statement_route("reserve-prices", Procedure.reveal_prices, "The officer reveals committed prices"),
    statement_route(
        "examination-requests",
        Procedure.request_examination,
        "The officer asks a candidate for documents",
    ),
    statement_route(
        "supplement-requests", Procedure.request_supplement, "The officer asks a candidate for a supplement"
    ),
    statement_route(
        "examination-documents", Procedure.hand_in, "A candidate names the files that it has handed in"
    ),
    statement_route(
        "examination-results", Procedure.score_examination, "The officer scores a candidate's capability"
    ),
    statement_route(
        "negotiation-results", Procedure.conclude_negotiation, "The officer says what a negotiation came to"
    ),
    statement_route("award-intentions", Procedure.intend, "The officer names the first in line"),
    statement_route(
        "awards", Procedure.award, "The officer awards, for a second officer to countersign", 202
    ),
]

router = Router(
    "/api/v1",
    route_handlers=[
        read_certificate,
        read_trust,
        publish_tender,
        list_tenders,
        read_tender,
        read_timeline,
        read_steps,
        read_entry,
        read_closing,
        read_stamp,
        read_statement,
        read_evaluation,
        read_draws,
        countersign,
        *STEPS,
    ],
)


def parameters(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Those of the address, of several with one name the last."""
    return dict(request.query_params.multi_items())


def summary(line: Line, now: datetime) -> TenderSummary:
    """A line as the interface shows it at that time."""
    return TenderSummary(
        tender=line.ocid,
        number=line.number,
        title=line.title,
        language=line.language,
        translations=line.translations,
        procuring_entity=line.entity_name,
        entity=line.entity,
        status=line.status(now),
        outcome=line.outcome,
        procedure=line.procedure,
        classifications=line.classifications,
        reserved_for=line.reserved_for,
        currency=line.currency,
        value=None if line.value is None else money.text(line.value),
        published=moment(line.published),
        deadline=moment(line.deadline),
        opens=moment(line.opens),
        practice=line.practice,
    )


def _event(entry: Entry) -> TimelineEvent:
    return TimelineEvent(
        seq=entry.seq,
        type=entry.t,
        time=entry.time,
        statement=entry.statement,
        part=entry.part,
        lot=entry.lot,
        reason=entry.reason,
    )
