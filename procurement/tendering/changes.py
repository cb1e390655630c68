"""What an officer does with a tender that is published: answer questions, amend its terms, end it without an
award; and countersign what a colleague has signed of that. What the service will ask is asked here before.
"""

from collections.abc import Callable
from datetime import datetime

import httpx
import msgspec
from msgspec.structs import replace

from bids.client import Service, parse
from crypto.certificates import Certificate, Role, SigningKey
from crypto.encoding import Base64, Hex32, from_base64, moment
from crypto.errors import VerificationError
from crypto.statements import Statement, sign
from procurement import editions
from procurement.awards import Countersignature, Termination
from procurement.client import Announced, path_of
from procurement.editions import AMENDABLE, Amendment, changes, next_round
from procurement.enquiries import Answer, Enquiry
from procurement.errors import TenderError
from procurement.evaluation.explain import Facts
from procurement.login.client import log_in, session
from procurement.tenders import Notice, check_notice
from procurement.words import differences


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question as a business signed it, verified, and whether it was answered."""

    id: str
    asked: str
    text: str
    answered: bool


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An amendment or a termination that waits for a second officer, verified, and who signed it."""

    statement: Statement
    said: Amendment | Termination
    officer: Certificate


class _Asked(msgspec.Struct, frozen=True):
    enquiry: Hex32
    asked: str
    statement: Base64
    answered: bool


class _Questions(msgspec.Struct, frozen=True):
    questions: tuple[_Asked, ...]


class _Waiting(msgspec.Struct, frozen=True):
    kind: str
    tender: str
    statement: Base64


class _WaitingDrafts(msgspec.Struct, frozen=True):
    drafts: tuple[_Waiting, ...]


async def read_questions(
    http: httpx.AsyncClient, service: Service, key: SigningKey, origin: str, ocid: str
) -> list[Question]:
    """What was asked, each as a certified business signed it, in order. Who asked is not told any further."""
    given = await log_in(service, key, origin)
    async with session(http, given.code, origin):
        shown = parse(await service.get(f"{path_of(ocid)}/questions"), _Questions).questions
    return [await _question(service, ocid, each) for each in shown]


async def _question(service: Service, ocid: str, shown: _Asked) -> Question:
    statement = Statement(from_base64(shown.statement))
    asked = await service.verified_unless_revoked(statement, Enquiry, service.now())
    if (statement.id, asked.tender) != (shown.enquiry, ocid):
        raise TenderError("another-tender", "the service shows another question than the one that was asked")
    return Question(id=statement.id, asked=shown.asked, text=asked.question, answered=shown.answered)


def answer(tender: Announced, key: SigningKey, enquiry: str, question: str, words: str, time: str) -> Answer:
    """The answer for everybody; `question` is what was asked, as everybody may read it."""
    return Answer(**_about(tender, key, time), enquiry=enquiry, question=question, answer=words)


def amendment(
    tender: Announced, made: Notice, key: SigningKey, reason: str, now: datetime, *, stand: bool
) -> Amendment:
    """What has to be signed so that the tender's notice reads as `made` does, in all that may be amended.

    The round follows from the deadline. Raises TenderError where that may not follow, and what `check_notice`
    raises.
    """
    before = tender.notice
    amended = replace(before, **{name: getattr(made, name) for name in AMENDABLE if name != "round"})
    amended = replace(amended, round=next_round(amended, amended.closes))
    said = Amendment(
        **_about(tender, key, moment(now)),
        previous=tender.editions[-1].statement,
        amended=amended,
        bids_stand=stand,
        reason=reason,
    )
    check_follows(tender, said, now)
    return said


def check_follows(tender: Announced, said: Amendment, now: datetime) -> None:
    """The amendment may follow the terms as they are, comes in time, and makes terms that hold. Raises
    TenderError, and what `check_notice` raises."""
    editions.check_in_time(tender.editions[-1], said.amended, now)
    made = editions.followed_by(tender.editions, said, "0" * 64, tender.editions[-1].seq + 1)
    check_notice(made[-1].notice)


def termination(tender: Announced, key: SigningKey, outcome: str, reason: str, time: str) -> Termination:
    """What has to be signed so that the tender ends without an award."""
    return msgspec.convert({**_about(tender, key, time), "outcome": outcome, "reason": reason}, Termination)


async def send(service: Service, tender: Announced, route: str, statement: bytes) -> str:
    """The id of a statement about the tender, once the service has it."""
    await service.post(f"{path_of(tender.notice.tender)}/{route}", statement)
    return Statement(statement).id


async def read_changes(
    http: httpx.AsyncClient,
    service: Service,
    key: SigningKey,
    origin: str,
    tender: Announced,
    warn: Callable[[str], None],
) -> list[Change]:
    """What waits of this tender for a second officer, the oldest first: each by an officer in charge. What
    does not verify is left out, and said."""
    given = await log_in(service, key, origin)
    async with session(http, given.code, origin):
        waiting = parse(await service.get("/api/v1/drafts"), _WaitingDrafts).drafts
    kinds: dict[str, type[Amendment] | type[Termination]] = {
        "amendment": Amendment,
        "termination": Termination,
    }
    own = [each for each in waiting if each.tender == tender.notice.tender and each.kind in kinds]
    found = []
    for each in own:
        try:
            found.append(await _change(service, tender, each, kinds[each.kind]))
        except VerificationError as error:
            warn(f"left out: {each.kind} that waits and does not verify: {error}")
    return found


async def _change(
    service: Service, tender: Announced, waiting: _Waiting, kind: type[Amendment] | type[Termination]
) -> Change:
    statement = Statement(from_base64(waiting.statement))
    said: Amendment | Termination = await service.verified_unless_revoked(statement, kind, service.now())
    if (said.tender, said.notice) != (tender.notice.tender, tender.notice_id):
        raise TenderError("another-tender", "the service shows a change of another tender")
    officer = await service.certificate_unless_revoked(statement.signer, Role.OFFICER, service.now())
    tender.officials.check_in_charge(officer.registration)
    return Change(statement=statement, said=said, officer=officer)


async def countersign(service: Service, tender: Announced, key: SigningKey, change: Change) -> None:
    """The second officer's word."""
    about = _about(tender, key, moment(service.now()))
    word = Countersignature(**about, statement=change.statement.id)
    await service.post(f"{path_of(tender.notice.tender)}/countersignatures", sign(word, key))


def is_void(tender: Announced, change: Change) -> bool:
    """Whether it amends terms that have changed since, so that it can never take effect."""
    said = change.said
    return isinstance(said, Amendment) and said.previous != tender.editions[-1].statement


def in_words(before: Notice, after: Notice) -> Facts:
    """What an amendment changes, by field and as both notices read in words."""
    gone, come = differences(before, after)
    named = [("Changes", ", ".join(changes(before, after)))]
    return [*named, *((f"{label}, till now", text) for label, text in gone), *come]


def _about(tender: Announced, key: SigningKey, time: str) -> dict[str, str]:
    return {
        "signer": key.fingerprint,
        "tender": tender.notice.tender,
        "notice": tender.notice_id,
        "time": time,
    }
