"""A committee member, or the officer who convenes one, at a machine of their own.

What they hold (a signing key, secrets during the ceremony, then a share) is in one file under a passphrase
and never leaves it but on paper. What they are shown they verify; what they say is written down before it
is sent, so that a broken line or a restart never makes them say something else in its place.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from bids.client import Service, parse
from bids.envelope import Part
from bids.orders import Member, OpeningPartial, OrderRefusal
from crypto.ceremony import (
    Ceremony,
    Commitment,
    Complaint,
    Convening,
    Dealing,
    Participant,
    Proof,
    Secrets,
    Transcript,
    Word,
    check_seats,
    read_word,
)
from crypto.certificates import Certificate, Role
from crypto.committee import Rehearsal, Share
from crypto.encoding import (
    Base64,
    Hex32,
    encode,
    from_base64,
    moment,
    parse_moment,
    to_base64,
)
from crypto.errors import CommitteeError
from crypto.locks import Opener, mandate_lock, seal
from crypto.statements import Statement, sign
from procurement.client import Announced, Orders, path_of, read_notice, read_openings, send_orders
from procurement.committee.paper import Backup
from procurement.registry.holding import Holding
from procurement.registry.safe import Safe


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """A ceremony as it was read and verified, with the people in it by number, and who convened them."""

    ceremony: Ceremony
    officer: Certificate
    members: tuple[Certificate, ...]
    transcript: tuple[str, ...]
    """The signed transcripts in the order of members, for a notice; all of them when it is done."""

    def name(self, number: int) -> str:
        """Who has that number."""
        return f"{number} {self.members[number - 1].name}"


_TENDERS = "/api/v1/tenders"


class _Tender(msgspec.Struct, frozen=True):
    tender: str


class _Tenders(msgspec.Struct, frozen=True):
    tenders: tuple[_Tender, ...]
    next: str | None = None


class _View(msgspec.Struct, frozen=True):
    convening: Base64
    words: tuple[Base64, ...]


class Seat:
    """A member or officer at work. All methods raise ServiceError, OSError, or VerificationError's kinds."""

    def __init__(self, safe: Safe, service: Service, holding: Holding) -> None:
        self._safe = safe
        self.service = service
        self.holding = holding
        self.key = holding.signing_key
        service.seen = holding.seen

    # ── the ceremony ─────────────────────────────────────────────────────────────────────────────────

    async def convene(self, members: Sequence[str], threshold: int) -> str:
        """The officer convenes the holders of these certificates; the new ceremony's id."""
        convening = Convening(
            signer=self.key.fingerprint,
            threshold=threshold,
            members=tuple(members),
            nonce=secrets.token_hex(32),
            time=moment(self.service.now()),
        )
        statement = Statement(sign(convening, self.key))
        Ceremony(statement.id, convening)
        self._keep(ceremony=statement.id)
        await self.service.post("/api/v1/ceremonies", statement.data)
        return statement.id

    async def board(self) -> Board:
        """The member's ceremony, verified. Raises CommitteeError before it has joined one."""
        if self.holding.ceremony is None:
            raise CommitteeError("no ceremony was joined yet")
        return await read_board(self.service, self.holding.ceremony)

    async def join(self, board: Board) -> Board:
        """Commit, with fresh secrets. Raises CommitteeError while another ceremony is under way."""
        id = board.ceremony.id
        if self.holding.ceremony not in (None, id):
            raise CommitteeError("this file belongs to another ceremony; make a new one")
        number = board.ceremony.number_of(self.key.fingerprint)
        await _check_current(self.service, board)
        if self.holding.member is None:
            fresh = Secrets(polynomial=secrets.token_hex(32), mailbox=secrets.token_hex(32))
            self._keep(ceremony=id, member=number, secrets=fresh)
        await self._say(Commitment, lambda: self._participant(board).commit())
        return await self.board()

    async def deal(self) -> Board:
        """Deal once all have committed, and never on other commitments afterwards."""
        board = await self.board()
        await self._say(Dealing, lambda: self._participant(board).deal())
        return await self.board()

    async def check(self) -> Board:
        """Take the share and prove it; or complain where one that was dealt is wrong."""
        board = await self.board()
        if board.ceremony.complaint is not None:
            return board
        if self.holding.share is None and not self._said(Complaint):
            found = self._participant(board).gather()
            if isinstance(found, Complaint):
                self._keep(said=(*self.holding.said, to_base64(sign(found, self.key))))
            else:
                proof = to_base64(sign(self._participant(board).prove(found), self.key))
                share = found.export().hex()
                self._keep(share=share, secrets=None, said=(*self.holding.said, proof))
        for kind in (Complaint, Proof):
            if statement := self._said(kind):
                await self._send(statement)
        return await self.board()

    async def rehearse(self) -> Board:
        """Seal a canary for the committee and open it with this member's share, as it lies in the file, and
        k − 1 others' proofs. Raises CommitteeError or LockError where that fails."""
        board = await self.board()
        await asyncio.to_thread(rehearse, board.ceremony, self.holding.own_share)
        return board

    async def sign_off(self) -> Board:
        """Sign the transcript, after a rehearsal."""
        board = await self.rehearse()
        await self._say(Transcript, lambda: board.ceremony.sign_off(self.key.fingerprint))
        return await self.board()

    # ── opening orders ───────────────────────────────────────────────────────────────────────────────

    async def tender(self, ocid: str) -> Announced:
        """A tender that waits for this very committee. Raises CommitteeError for another committee's."""
        board = await self.board()
        tender = await read_notice(self.service, ocid)
        self._remember()
        if board.ceremony.phase != "done" or tender.notice.committee != board.ceremony.committee():
            raise CommitteeError("the tender is locked for another committee than came of this ceremony")
        return tender

    async def sign_orders(self, tender: Announced, orders: Orders) -> list[OpeningPartial]:
        """Sign what `verify_orders` found in order, and send it."""
        self._remember()
        return await send_orders(self.service, tender, Member(self.key, self.holding.own_share), orders)

    async def refuse(self, tender: Announced, part: Part, reason: str) -> str:
        """Say in public that and why this member does not sign; the statement's id."""
        refusal = OrderRefusal(
            signer=self.key.fingerprint,
            tender=tender.notice.tender,
            notice=tender.notice_id,
            part=part,
            member=self.holding.own_share.member,
            reason=reason,
            time=moment(self.service.now()),
        )
        statement = Statement(sign(refusal, self.key))
        await self.service.post(f"{path_of(tender.notice.tender)}/order-refusals", statement.data)
        return statement.id

    async def awaited(self) -> list[str]:
        """Ocids of the tenders, of those that the service names, that still wait for this committee to open
        them; what is open is believed only as the log has it."""
        found = []
        async for ocid in self._named():
            tender = await read_notice(self.service, ocid)
            if tender.notice.committee.ceremony == self.holding.ceremony:
                opened = [entry.part for entry in await read_openings(self.service, tender)]
                found += [ocid] if tuple(opened) != tender.notice.parts else []
        return found

    async def _named(self) -> AsyncIterator[str]:
        """Ocids of all tenders that the service names."""
        address: str | None = _TENDERS
        while address is not None and address.startswith(_TENDERS):  # of this service, wherever it points
            listed = parse(await self.service.get(address), _Tenders)
            for each in listed.tenders:
                yield each.tender
            address = listed.next

    # ── how it is done ───────────────────────────────────────────────────────────────────────────────

    def _participant(self, board: Board) -> Participant:
        if self.holding.secrets is None:
            raise CommitteeError("this file holds no secrets of this ceremony")
        return Participant(board.ceremony, self.key.fingerprint, self.holding.secrets, secrets.token_bytes)

    async def _say(self, kind: type[Word], make: Callable[[], Word]) -> None:
        """Say something once: it is in the file before it is sent, and sent again as it is there."""
        if self._said(kind) is None:
            self._keep(said=(*self.holding.said, to_base64(sign(make(), self.key))))
        statement = self._said(kind)
        if statement:
            await self._send(statement)

    async def _send(self, statement: Statement) -> None:
        await self.service.post(f"/api/v1/ceremonies/{self.holding.ceremony}/words", statement.data)

    def _said(self, kind: type[Word]) -> Statement | None:
        statements = [Statement(from_base64(each)) for each in self.holding.said]
        return next((each for each in statements if isinstance(read_word(each), kind)), None)

    def _remember(self) -> None:
        """The log must never be shown in another past than this."""
        if self.service.seen and self.service.seen != self.holding.seen:
            self._keep(seen_size=self.service.seen.size, seen_root=self.service.seen.root.hex())

    def _keep(self, **changes: Any) -> None:
        self.holding = msgspec.structs.replace(self.holding, **changes)
        self._safe.write(encode(self.holding))


def backup(holding: Holding) -> Backup:
    """What goes on paper. Raises CommitteeError while there is no share."""
    return Backup(
        ceremony=holding.ceremony or "",
        member=holding.own_share.member,
        certificate=holding.signing_key.fingerprint,
        share=holding.own_share.export(),
        key=bytes.fromhex(holding.key),
    )


async def restore(service: Service, address: str, safe: Safe, backup: Backup) -> Seat:
    """A member's file made anew from paper.

    Key, share and number are checked against the certificate and against everything that was said in the
    ceremony, and the share is rehearsed. Raises CommitteeError where one of them does not fit.
    """
    board = await read_board(service, backup.ceremony)
    if board.ceremony.number_of(backup.certificate) != backup.member:
        raise CommitteeError("the back-up is of another member")
    holding = Holding(
        service=address,
        trust=service.trust,
        certificate=to_base64(board.members[backup.member - 1].der),
        key=backup.key.hex(),
        ceremony=backup.ceremony,
        member=backup.member,
        share=backup.share.hex(),
    )
    seat = Seat(safe, service, holding)
    await asyncio.to_thread(rehearse, board.ceremony, holding.own_share)
    safe.write(encode(holding))
    return seat


async def read_board(service: Service, id: str) -> Board:
    """The ceremony with that id: every statement verified and heard by its rules.

    Raises ServiceError, CommitteeError, CertificateError, SignatureError, MalformedError.
    """
    view = parse(await service.get(f"/api/v1/ceremonies/{id}"), _View)
    statement = Statement(from_base64(view.convening))
    at = parse_moment(statement.read(Convening).time)
    convening = await service.verified_unless_revoked(statement, Convening, at)
    if statement.id != id:
        raise CommitteeError("the service shows another ceremony than the one asked for")
    members = await asyncio.gather(
        *(service.certificate_unless_revoked(each, Role.COMMITTEE, at) for each in convening.members)
    )
    check_seats(members)
    ceremony = Ceremony(id, convening)
    words = [Statement(from_base64(each)) for each in view.words]
    await asyncio.to_thread(_hear, ceremony, members, words)
    signed = {each.signer: each.data for each in words if isinstance(read_word(each), Transcript)}
    return Board(
        ceremony=ceremony,
        officer=await service.certificate_unless_revoked(convening.signer, Role.OFFICER, at),
        members=tuple(members),
        transcript=tuple(to_base64(signed[each]) for each in convening.members if each in signed),
    )


def rehearse(ceremony: Ceremony, share: Share) -> None:
    """A canary, sealed under the mandate lock alone, opens with this share and k − 1 members' proofs.

    Raises CommitteeError or LockError.
    """
    key, rehearsal = ceremony.key(), Rehearsal(ceremony=ceremony.id)
    message, canary = encode(rehearsal), secrets.token_bytes(32)
    own = share.sign(rehearsal, secrets.token_bytes(48))
    proofs = {n: bytes.fromhex(proof.rehearsal) for n, proof in ceremony.of(Proof).items()}
    others = [n for n in sorted(proofs) if n != share.member][: key.threshold - 1]
    given = [(share.member, own), *((n, proofs[n]) for n in others)]
    signature = key.combine([key.verify_partial(n, message, each) for n, each in given], message)
    lock = mandate_lock(key.public_key, message)
    if Opener([lock], [signature]).open(seal([lock], canary, secrets.token_bytes(32))) != canary:
        raise CommitteeError("the rehearsal brought back something else than was sealed")


def _hear(ceremony: Ceremony, members: Sequence[Certificate], words: Sequence[Statement]) -> None:
    for statement in words:
        number = ceremony.number_of(statement.signer)
        word = statement.verify(type(read_word(statement)), members[number - 1])
        ceremony.hear(statement.id, word)


async def _check_current(service: Service, board: Board) -> None:
    """A ceremony is read with the certificates of its own time; joined it is with people of today, whom
    nobody has revoked by lists that are at most a day old."""
    status = parse(await service.get("/api/v1/certificate-status"), _Current).status
    now = service.now()
    await service.certificate(board.officer.fingerprint, Role.OFFICER, now, status)
    for member in board.members:
        await service.certificate(member.fingerprint, Role.COMMITTEE, now, status)


class _Current(msgspec.Struct, frozen=True):
    status: Hex32
