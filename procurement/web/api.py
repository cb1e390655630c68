"""The HTTP interface: every write is a signed statement, and the signature is the log-in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import JSONBody, PathParameter, RawBody

from crypto.certificates import Role
from crypto.encoding import Moment, encode, from_base64, moment, to_base64
from crypto.errors import VerificationError
from procurement import publication, store
from procurement.authorities import Authorities
from procurement.awards import Evaluated
from procurement.errors import TenderError
from procurement.history import Entry
from procurement.procedure import Procedure, Situation
from procurement.publication import ProvenEntry, PublishedBid, status
from procurement.web.problems import MEDIA_TYPE, Problem, problem, status_of

DSSE = "application/vnd.dsse+json"
STATEMENT_LIMIT = 4 * 1024 * 1024  # bytes: a bid of two parts of a mebibyte each, twice base64
REQUEST_LIMIT = 64 * 1024
LOOPBACK = {"127.0.0.1", "::1"}
PASSED_ON = ("Forwarded", "X-Forwarded-For", "Via", "Origin")
"""Headers of requests that somebody elsewhere may have caused: a proxy, or a page in a browser here."""

Steps = NamedDependency[Procedure]
Step = Callable[[Procedure, str, bytes], Awaitable[str]]

# Python's $ also matches before a newline at the end, other languages' does not.
Ocid = Annotated[
    str, PathParameter(pattern=r"^[A-Za-z0-9._-]{1,64}(?!\n)$", description="The tender's ocid.")
]
Hash = Annotated[str, PathParameter(pattern=r"^[0-9a-f]{64}(?!\n)$", description="SHA-256, lower-case hex.")]
Sequence = Annotated[int, PathParameter(ge=0, description="Place in the tender's history, from 0.")]

PROBLEMS = {
    code: ResponseSpec(
        data_container=Problem, description=text, media_type=MEDIA_TYPE, generate_examples=False
    )
    for code, text in {
        400: "Not of the form it must have.",
        403: "The signer may not say this.",
        404: "Not there, or not yet.",
        409: "This step is not due, or was done before.",
        413: "Too large.",
        422: "Well-formed, and wrong.",
        503: "The log is behind: send the same again.",
    }.items()
}


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


class CertificateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A role, and a PKCS #10 request (DER, base64) signed with the key that the certificate is for."""

    role: Role
    request: str


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate (DER, base64) of the embedded authority: for practice on one machine only."""

    certificate: str
    warning: str = "issued without any check by an embedded authority; real registration replaces it"


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A tender's ocid and its notice's id."""

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
    """A tender in a list."""

    tender: str
    number: str
    title: str
    procuring_entity: str
    status: str
    published: Moment
    deadline: Moment
    opens: Moment
    practice: bool


class TenderList(msgspec.Struct, frozen=True, kw_only=True):
    """Tenders, latest deadline first."""

    tenders: list[TenderSummary]


class TenderView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A tender: where it stands, and its notice as it was signed."""

    tender: str
    notice_id: str
    status: str
    deadline: Moment
    opens: Moment
    notice: msgspec.Raw


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the tender's history."""

    seq: int
    type: str
    time: Moment
    statement: str
    part: str | None = None
    reason: str | None = None


class Timeline(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What happened so far, in order; and since when the opening is held up by a silent beacon."""

    status: str
    events: list[TimelineEvent]
    beacon_silent_since: Moment | None = None


class OpenedBids(msgspec.Struct, frozen=True, kw_only=True):
    """The counted bids after the opening."""

    bids: list[PublishedBid]


class EvaluationView(msgspec.Struct, frozen=True, kw_only=True):
    """The evaluation's statement id and what it says."""

    statement: str
    evaluation: Evaluated


@post(
    "/certificates",
    tags=["certificates"],
    request_max_body_size=REQUEST_LIMIT,
    responses=PROBLEMS,
    summary="A certificate from the embedded authority (loopback only, practice only)",
)
async def issue_certificate(
    request: Request[Any, Any, State],
    data: JSONBody[CertificateRequest],
    authorities: NamedDependency[Authorities],
    procedure: Steps,
) -> Issued:
    """Anyone on this machine gets a certificate for any role but the service's: practice only."""
    here = request.client is not None and request.client.host in LOOPBACK
    if not here or any(name in request.headers for name in PASSED_ON):
        raise PermissionDeniedException("the embedded authorities serve this machine only")
    certificate = authorities.issue(data.role, from_base64(data.request))
    await store.add_certificate(procedure.pool, certificate)
    return Issued(certificate=to_base64(certificate.der))


@get(
    "/certificates/{fingerprint:str}",
    tags=["certificates"],
    responses=PROBLEMS,
    media_type="application/pkix-cert",
)
async def read_certificate(fingerprint: Hash, procedure: Steps) -> Response[bytes]:
    """A certificate, DER."""
    found = await store.load_certificates(procedure.pool, [fingerprint])
    if fingerprint not in found:
        raise TenderError("no-such-statement", "no such certificate is known here")
    return Response(found[fingerprint])


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
    status_code=201,
)
async def publish_tender(body: RawBody, procedure: Steps) -> Published:
    """Publish a tender: the body is the officer's signed notice."""
    tender = await procedure.publish(body)
    return Published(tender=tender.notice.tender, notice=tender.notice_id)


@get("/tenders", tags=["tenders"], responses=PROBLEMS)
async def list_tenders(procedure: Steps) -> TenderList:
    """All tenders, latest deadline first."""
    rows = await store.list_tenders(procedure.pool)
    situations = [await procedure.situation(row.ocid) for row, _ in rows]
    return TenderList(tenders=[summary(situation, procedure.now()) for situation in situations])


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


@get("/tenders/{ocid:str}/entries/{seq:int}", tags=["checking"], responses=PROBLEMS)
async def read_entry(ocid: Ocid, seq: Sequence, procedure: Steps) -> ProvenEntry:
    """An entry of the tender's history with the proof that it is in the witnessed log."""
    return await publication.proven_entry(procedure, ocid, seq)


@get("/tenders/{ocid:str}/closing", tags=["checking"], responses=PROBLEMS)
async def read_closing(ocid: Ocid, procedure: Steps) -> ProvenEntry:
    """The closing statement with its proof: what a committee member checks before signing anything."""
    return await publication.proven_closing(procedure, ocid)


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


@get("/tenders/{ocid:str}/record", tags=["checking"], responses=PROBLEMS, media_type="application/zip")
async def read_record(ocid: Ocid, procedure: Steps) -> Response[bytes]:
    """The award record, for `openseal verify`."""
    data = await publication.award_record(procedure, ocid)
    headers = {"Content-Disposition": f'attachment; filename="{ocid}.zip"'}
    return Response(data, headers=headers)


@post(
    "/tenders/{ocid:str}/bids",
    tags=["bids"],
    request_max_body_size=STATEMENT_LIMIT,
    operation_class=Signed,
    responses={201: ResponseSpec(Received, description="Taken.", generate_examples=False), **PROBLEMS},
    status_code=201,
)
async def submit_bid(ocid: Ocid, body: RawBody, procedure: Steps) -> Received | Response[Problem]:
    """Submit a sealed bid: the body is the bidder's signed envelope. The same envelope again gets the
    same receipt; a refusal is signed too."""
    try:
        kept = await procedure.submit_bid(ocid, body)
    except VerificationError as error:
        refusal = to_base64(procedure.refuse(ocid, body, error))
        return problem(status_of(error), error.code, str(error), refusal)
    accepted = await procedure.receipt(kept)
    return Received(receipt=to_base64(accepted.receipt), proof=accepted.proof)


def _statement_route(path: str, step: Step, summary: str) -> Any:
    """A route that takes one kind of statement about a tender and hands it to its step."""

    @post(
        f"/tenders/{{ocid:str}}/{path}",
        tags=["steps"],
        request_max_body_size=STATEMENT_LIMIT,
        operation_class=Signed,
        responses=PROBLEMS,
        status_code=201,
        summary=summary,
        name=path,
        operation_id=path.replace("-", "_"),
    )
    async def take(ocid: Ocid, body: RawBody, procedure: Steps) -> Said:
        return Said(statement=await step(procedure, ocid, body))

    return take


STEPS = [
    _statement_route(
        "late-closings", Procedure.accept_late_closing, "The officer answers for a late closing"
    ),
    _statement_route(
        "opening-partials", Procedure.accept_partial, "A committee member signs an opening order"
    ),
    _statement_route(
        "order-refusals", Procedure.accept_refusal, "A committee member refuses an opening order"
    ),
    _statement_route("score-sheets", Procedure.accept_sheet, "An evaluator signs a score sheet"),
    _statement_route("reserve-prices", Procedure.reveal_prices, "The officer reveals committed prices"),
    _statement_route("award-intentions", Procedure.intend, "The officer names the first in line"),
    _statement_route("awards", Procedure.award, "The officer awards"),
]

router = Router(
    "/api/v1",
    route_handlers=[
        issue_certificate,
        read_certificate,
        read_trust,
        publish_tender,
        list_tenders,
        read_tender,
        read_timeline,
        read_entry,
        read_closing,
        read_statement,
        read_bids,
        read_evaluation,
        read_record,
        submit_bid,
        *STEPS,
    ],
)


def summary(situation: Situation, now: datetime) -> TenderSummary:
    """The line of a tender in a list."""
    notice = situation.tender.notice
    return TenderSummary(
        tender=notice.tender,
        number=notice.number,
        title=notice.title,
        procuring_entity=notice.procuring_entity.name,
        status=status(situation, now),
        published=notice.published,
        deadline=notice.deadline,
        opens=moment(notice.opens),
        practice=notice.practice,
    )


def _event(entry: Entry) -> TimelineEvent:
    return TimelineEvent(
        seq=entry.seq,
        type=entry.t,
        time=entry.time,
        statement=entry.statement,
        part=entry.part,
        reason=entry.reason,
    )
