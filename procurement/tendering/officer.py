"""The officers' side of a tender: write a notice, check it, publish it; countersign what a colleague wrote.

What the service will ask is asked here before anything is signed, of the same functions.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Literal

import httpx
import msgspec

from bids.client import Service, ServiceError, parse
from crypto.certificates import Certificate, Role, SigningKey
from crypto.encoding import Base64, Hex32, from_base64, moment, parse_moment
from crypto.errors import MalformedError, VerificationError
from crypto.statements import Statement, sign
from procurement.awards import Countersignature
from procurement.client import path_of
from procurement.errors import TenderError
from procurement.evaluation.explain import Language
from procurement.login.client import log_in, session
from procurement.notices import DocumentOffer, TenderDocument
from procurement.steps import Step
from procurement.tendering import draft
from procurement.tendering.draft import Office
from procurement.tendering.folder import Folder
from procurement.tenders import (
    PROMPT,
    Notice,
    appointed,
    check_law_stated,
    check_notice,
    check_publication,
    check_transcript,
)

OCID_PREFIX = "ocds-0s3al1"
SPARE = timedelta(minutes=1)
"""A notice that was signed so long before its time is over is signed anew instead."""

State = Literal["unknown", "waiting", "countersigned", "published"]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that waits for a second officer, verified; `people` are, by fingerprint, who signed it and
    whom it names."""

    statement: Statement
    notice: Notice
    people: dict[str, Certificate]
    countersigned: bool

    @property
    def officer(self) -> Certificate:
        return self.people[self.statement.signer]


class _WaitingDraft(msgspec.Struct, frozen=True):
    id: Hex32
    kind: str
    tender: str
    statement: Base64
    countersignature: Base64 | None = None


class _WaitingDrafts(msgspec.Struct, frozen=True):
    drafts: tuple[_WaitingDraft, ...]


class _Steps(msgspec.Struct, frozen=True):
    steps: tuple[Step, ...]


def templates() -> list[str]:
    """The names of all templates."""
    found = (each.name for each in files("procurement.tendering").joinpath("templates").iterdir())
    return sorted(name.removesuffix(".json") for name in found if name.endswith(".json"))


def template(name: str) -> bytes:
    """A draft of that procedure, with a new ocid. Raises MalformedError."""
    if name not in templates():
        raise MalformedError(f"no template {name}: there are {', '.join(templates())}")
    text = files("procurement.tendering").joinpath("templates").joinpath(f"{name}.json").read_text("utf-8")
    return text.replace("{ocid}", f"{OCID_PREFIX}-{secrets.token_hex(6)}").encode()


def office(folder: Folder, fingerprint: str) -> Office:
    """What the folder's officer brings to a notice. Raises MalformedError."""
    if not folder.trust.networks:
        raise MalformedError("the trust in this folder names no beacon")
    return Office(signer=fingerprint, network=folder.trust.networks[0], witnesses=folder.trust.witnesses)


def write(folder: Folder, fingerprint: str, now: datetime) -> Notice:
    """The notice that the folder's draft makes now. Raises MalformedError, BeaconError, OSError."""
    fields = folder.fields
    convened = folder.convened(fields)
    return draft.notice_of(fields, folder.files(fields), convened, office(folder, fingerprint), now)


def faults(folder: Folder, fingerprint: str, now: datetime) -> list[str]:
    """Everything that is missing or wrong in the folder, told without a line to anybody. Raises OSError."""
    try:
        fields = folder.fields
        if found := draft.blanks(fields):
            return found
        return draft.faults(write(folder, fingerprint, now), now)
    except VerificationError as error:
        return [str(error)]


async def people_faults(service: Service, notice: Notice) -> list[str]:
    """What is wrong with the people whom the notice names, as far as their certificates show."""
    try:
        await people_of(service, notice)
    except (VerificationError, ServiceError) as error:
        return [str(error)]
    return []


async def people_of(service: Service, notice: Notice) -> dict[str, Certificate]:
    """Everybody whom the notice names, each certified for the duty it has, the members agreed on one
    ceremony, nobody with two duties. Whether a certificate was revoked, nothing here tells.

    Raises ServiceError, CertificateError, CommitteeError, TenderError.
    """
    at, until = parse_moment(notice.published), notice.opens
    members = [each.certificate for each in notice.committee.members]
    found = {notice.signer: await _certified(service, notice.signer, Role.OFFICER, at)}
    for role, named in ((Role.COMMITTEE, members), (Role.EVALUATOR, notice.evaluators)):
        for each in named:
            found[each] = await _certified(service, each, role, at)
            await _certified(service, each, role, until)
    check_transcript(notice, [found[each] for each in members])
    appointed(notice, "", lambda each: found[each].registration).check_apart()
    return found


def sign_notice(folder: Folder, key: SigningKey, now: datetime) -> Statement:
    """The draft's notice, signed; it is not kept yet. Raises what `write` raises."""
    return Statement(sign(write(folder, key.fingerprint, now), key))


def last_moment(notice: Notice) -> datetime:
    """When it is too late to countersign the notice."""
    return parse_moment(notice.published) + PROMPT


def still_good(signed: Statement, now: datetime) -> bool:
    """Whether a notice that was signed before can still be countersigned in time."""
    return last_moment(signed.read(Notice)) - SPARE > now


async def hand_in(
    service: Service, folder: Folder, key: SigningKey, document: TenderDocument, ocid: str, path: Path
) -> None:
    """One file of the notice, from the folder; one that is there already is not kept twice."""
    offer = DocumentOffer(
        signer=key.fingerprint,
        tender=ocid,
        sha256=document.sha256,
        size=document.size,
        time=moment(service.now()),
    )
    place = f"{path_of(ocid)}/files/{document.sha256}"
    await service.hand_in(place, path, document.size, sign(offer, key))


async def publish(
    service: Service,
    folder: Folder,
    key: SigningKey,
    signed: Statement,
    tell: Callable[[str], None],
) -> None:
    """Hand in the notice's files, then the notice, which waits for a second officer. Again, it goes on."""
    notice, fields = signed.read(Notice), folder.fields
    there = folder.files(fields)
    paths = {found.sha256: folder.path / name for name, found in there.items()}
    for document in notice.documents:
        if document.sha256 not in paths:
            raise MalformedError(
                f"the file of document {document.id} is not in the folder any more, or changed"
            )
        await hand_in(service, folder, key, document, notice.tender, paths[document.sha256])
        tell(f"document {document.id} is there: {document.size:,} bytes, SHA-256 {document.sha256}")
    await service.post("/api/v1/tenders", signed.data)


async def published(service: Service, ocid: str) -> bool:
    """Whether the service shows a tender with that ocid."""
    try:
        await service.get(path_of(ocid))
    except ServiceError as error:
        if error.code == "no-such-tender":
            return False
        raise
    return True


async def read_draft(
    http: httpx.AsyncClient, service: Service, key: SigningKey, origin: str, ocid: str
) -> Draft | None:
    """The notice that waits under that ocid, verified; None where none does."""
    given = await log_in(service, key, origin)
    async with session(http, given.code, origin):
        waiting = parse(await service.get("/api/v1/drafts"), _WaitingDrafts)
    found = [each for each in waiting.drafts if (each.kind, each.tender) == ("notice", ocid)]
    if not found:
        return None
    last = found[-1]
    statement = Statement(from_base64(last.statement))
    notice = await service.verified_unless_revoked(statement, Notice, service.now())
    if notice.tender != ocid:
        raise TenderError("another-tender", "the service shows another tender's notice")
    return Draft(
        statement=statement,
        notice=notice,
        people=await people_of(service, notice),
        countersigned=last.countersignature is not None,
    )


def check_draft(found: Draft, service: Service) -> None:
    """Everything that publication asks of the notice, at its time. Raises VerificationError's kinds."""
    notice = found.notice
    check_notice(notice)
    check_law_stated(notice)
    check_publication(notice, max(parse_moment(notice.published), service.now()))
    service.trust.check_network(notice.network)
    if notice.witnesses != service.trust.witnesses:
        raise TenderError("other-witnesses", "the notice names other witnesses than those you trust")


async def countersign(service: Service, key: SigningKey, found: Draft) -> None:
    """The second officer's word."""
    notice, id = found.notice, found.statement.id
    word = Countersignature(
        signer=key.fingerprint,
        tender=notice.tender,
        notice=id,
        statement=id,
        time=moment(service.now()),
    )
    await service.post(f"{path_of(notice.tender)}/countersignatures", sign(word, key))


async def read_steps(service: Service, ocid: str, language: Language) -> list[Step]:
    """The tender's steps as the service tells them."""
    answer = await service.get(f"{path_of(ocid)}/steps?language={language}")
    return list(parse(answer, _Steps).steps)


async def _certified(service: Service, fingerprint: str, role: Role, at: datetime) -> Certificate:
    return await service.certificate_unless_revoked(fingerprint, role, at)
