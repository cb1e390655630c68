"""How a committee makes its key without a dealer, out of signed statements that anyone may keep.

1. Somebody *convenes* n named members of whom k shall open. The convening's id names the ceremony.
2. Every member *commits*: to the key it will seal its mail for, and to the hash of what it will publish.
3. Only when all n have committed does anyone *deal*: publish its commitments and send each member its
   share, sealed for that member. Whoever spoke last could otherwise choose the sum, and so own the key.
4. Every member checks what it was dealt and *proves* its share, by signing the committee's key and a
   rehearsal with it; or it *complains*, names the culprit and gives up the key of its mailbox, so that
   everybody sees who of the two lies. Then the ceremony has to be convened anew.
5. Every member signs the *transcript*: all that was said, and the committee that came of it.

The mathematics is in `crypto.committee`. Statements come in verified, by whomever; a word that comes
before its time, or that does not hold, is not heard, and whoever said it stays missing.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.certificates import Certificate, Role
from crypto.committee import (
    POSSESSION_DST,
    Committee,
    Dealer,
    JointKey,
    MemberKey,
    Rehearsal,
    Share,
    joint_key,
    verify_member,
    verify_share,
)
from crypto.encoding import Base64, Hex32, HexG1, Moment, Value, encode, from_base64, sha256, to_base64
from crypto.errors import CommitteeError, MalformedError
from crypto.statements import PAYLOAD_TYPE, Payload, Statement

Number = Annotated[int, msgspec.Meta(ge=1, le=15)]
"""A member's number: its place in the convening, from 1."""
Fault = Literal["share-wrong", "share-unreadable"]

_MAIL = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_MAIL_SIZE = 32 + 32 + 16  # bytes: encapsulated key, share, tag
_ANYONE = X25519PrivateKey.from_private_bytes(bytes(32))  # finds keys of small order; protects nothing


class Convening(Payload, frozen=True, kw_only=True):
    """Who shall hold a committee's key: certificates of n members, of whom `threshold` open."""

    PURPOSE: ClassVar[str] = "ceremony-convening"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    threshold: Annotated[int, msgspec.Meta(ge=2, le=15)]
    members: Annotated[tuple[Hex32, ...], msgspec.Meta(min_length=2, max_length=15)]
    nonce: Hex32
    time: Moment


class Commitment(Payload, frozen=True, kw_only=True):
    """A member's first word: its HPKE key (X25519), and the hash of the MemberKey it will publish."""

    PURPOSE: ClassVar[str] = "ceremony-commitment"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.COMMITTEE,)

    ceremony: Hex32
    member: Number
    mailbox: Hex32
    commitment: Hex32


class Dealing(Payload, frozen=True, kw_only=True):
    """A member's second word: its key, and for every member, itself too, a share sealed for it alone.

    `commitments` are the ids of all n commitments: nobody deals before all are there.
    """

    PURPOSE: ClassVar[str] = "ceremony-dealing"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.COMMITTEE,)

    ceremony: Hex32
    member: Number
    commitments: tuple[Hex32, ...]
    key: MemberKey
    shares: tuple[Base64, ...]


class Proof(Payload, frozen=True, kw_only=True):
    """A member's third word: with its share it signs the committee's key and the rehearsal."""

    PURPOSE: ClassVar[str] = "ceremony-proof"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.COMMITTEE,)

    ceremony: Hex32
    member: Number
    possession: HexG1
    rehearsal: HexG1


class Complaint(Payload, frozen=True, kw_only=True):
    """A member says whose share does not fit what that dealer published. The ceremony is over.

    `key` is the mailbox's private key, 32 bytes: nothing that was sent there will be used, and with it
    everybody reads the share and sees for itself.
    """

    PURPOSE: ClassVar[str] = "ceremony-complaint"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.COMMITTEE,)

    ceremony: Hex32
    member: Number
    against: Number
    fault: Fault
    key: Hex32


class Transcript(Payload, frozen=True, kw_only=True):
    """A member's last word: this was said, and this committee came of it. It goes into notices."""

    PURPOSE: ClassVar[str] = "committee-transcript"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.COMMITTEE,)

    transcript: Hex32
    committee: Hex32


class CeremonyEntry(Value, frozen=True, kw_only=True, tag_field="t", tag="ceremony:word"):
    """The log entry of everything that is said in a ceremony, its convening too."""

    ceremony: Hex32
    statement: Hex32


Word = Commitment | Dealing | Proof | Complaint | Transcript
W = TypeVar("W", bound=Word)
WORDS: tuple[type[Word], ...] = (Commitment, Dealing, Proof, Complaint, Transcript)
"""All kinds of words. In this order a ceremony can be heard again."""
Phase = Literal["committing", "dealing", "proving", "signing", "done", "broken"]
_PHASES: tuple[tuple[Phase, type[Word]], ...] = (
    ("committing", Commitment),
    ("dealing", Dealing),
    ("proving", Proof),
    ("signing", Transcript),
)


class Ceremony:
    """A ceremony as far as it has come. Everybody who has the same statements comes to the same end."""

    def __init__(self, id: str, convening: Convening) -> None:
        """`id` of the convening's statement. Raises CommitteeError for members that cannot be one."""
        _check_members(convening)
        self.id = id
        self.convening = convening
        self.complaint: Complaint | None = None
        self._said: dict[type, dict[int, tuple[str, Word]]] = {}

    @property
    def size(self) -> int:
        """n."""
        return len(self.convening.members)

    def number_of(self, certificate: str) -> int:
        """The number of the member with that certificate. Raises CommitteeError."""
        if certificate not in self.convening.members:
            raise CommitteeError("this certificate is no member's")
        return self.convening.members.index(certificate) + 1

    def of(self, kind: type[W]) -> dict[int, W]:
        """What members have said of one kind, by number."""
        return {n: word for n, (_, word) in self._said.get(kind, {}).items() if isinstance(word, kind)}

    def missing(self, kind: type[Word]) -> list[int]:
        """Numbers of the members who have not yet said it."""
        return [n for n in range(1, self.size + 1) if n not in self._said.get(kind, {})]

    @property
    def phase(self) -> Phase:
        """How far it has come; `broken` by a complaint is for ever."""
        if self.complaint is not None:
            return "broken"
        return next((phase for phase, kind in _PHASES if self.missing(kind)), "done")

    def awaited(self) -> list[int]:
        """Numbers of the members whose word the ceremony waits for; none when it is over."""
        return [] if self.complaint else next(filter(None, (self.missing(kind) for _, kind in _PHASES)), [])

    def id_of(self, kind: type[Word], number: int) -> str | None:
        """The id of the statement with which the member said it, if it did."""
        return self._said.get(kind, {}).get(number, (None, None))[0]

    def hear(self, id: str, word: Word) -> None:
        """Take a verified statement in. The same again changes nothing.

        Raises CommitteeError for what this member may not say, or not yet, or said otherwise before.
        """
        number = self.number_of(word.signer)
        said = self._said.setdefault(type(word), {})
        if number in said:
            if said[number][0] != id:
                raise CommitteeError(f"member {number} said two different things")
            return
        if self.complaint is not None:
            raise CommitteeError("the ceremony ended with a complaint; convene another")
        self._check(number, word)
        if isinstance(word, Complaint):
            self.complaint = word
        said[number] = (id, word)

    def key(self) -> JointKey:
        """The committee's public side, once all have dealt. Raises CommitteeError naming who spoils it."""
        self._need(Dealing)
        return self._key

    @cached_property
    def _key(self) -> JointKey:
        keys = [dealing.key for _, dealing in sorted(self.of(Dealing).items())]
        return joint_key(bytes.fromhex(self.id), keys, self.convening.threshold)

    def committee(self) -> Committee:
        """The committee, once every member has proved its share. Raises CommitteeError."""
        self._need(Proof)
        return self._committee

    @cached_property
    def _committee(self) -> Committee:
        key = self.key()
        partials = [
            key.verify_partial(n, key.public_key, bytes.fromhex(proof.possession), POSSESSION_DST)
            for n, proof in sorted(self.of(Proof).items())
        ]
        return Committee(
            ceremony=self.id,
            threshold=key.threshold,
            members=tuple(dealing.key for _, dealing in sorted(self.of(Dealing).items())),
            public_key=key.public_key.hex(),
            proof=key.combine(partials, key.public_key, POSSESSION_DST).hex(),
        )

    def transcript(self) -> str:
        """``SHA256("openseal/v1/transcript\\n" ‖ convening ‖ commitments ‖ dealings ‖ proofs)`` over the
        statements' ids, each kind by number; hex. Raises CommitteeError while one is missing."""
        ids = [self.id]
        self._need(Proof)
        for kind in (Commitment, Dealing, Proof):
            ids += [id for _, (id, _) in sorted(self._said[kind].items())]
        return sha256(b"openseal/v1/transcript\n", *map(bytes.fromhex, ids)).hex()

    def sign_off(self, certificate: str) -> Transcript:
        """A member's last word. Raises CommitteeError while anything is missing."""
        return Transcript(
            signer=certificate, transcript=self.transcript(), committee=digest(self.committee())
        )

    def rehearsed(self) -> bytes:
        """The committee's signature on its rehearsal, which opens a canary. Raises CommitteeError."""
        key, message = self.key(), encode(Rehearsal(ceremony=self.id))
        self._need(Proof)
        partials = [
            key.verify_partial(n, message, bytes.fromhex(proof.rehearsal))
            for n, proof in sorted(self.of(Proof).items())
        ]
        return key.combine(partials, message)

    def commitment_ids(self) -> tuple[str, ...]:
        """Ids of all n commitments, by number. Raises CommitteeError while one is missing."""
        self._need(Commitment)
        return tuple(id for _, (id, _) in sorted(self._said[Commitment].items()))

    def _need(self, kind: type[Word]) -> None:
        if missing := self.missing(kind):
            raise CommitteeError(f"members {missing} have not sent their {kind.PURPOSE}")

    def _check(self, number: int, word: Word) -> None:
        if not isinstance(word, Transcript) and (word.ceremony, word.member) != (self.id, number):
            raise CommitteeError("said in another ceremony, or as another member")
        match word:
            case Commitment():
                _check_mailbox(number, word.mailbox)
            case Dealing():
                self._check_dealing(number, word)
            case Proof():
                self._check_proof(number, word)
            case Complaint():
                self._check_complaint(number, word)
            case Transcript():
                if word != self.sign_off(word.signer):
                    raise CommitteeError(f"member {number} signed another transcript")

    def _check_dealing(self, number: int, dealing: Dealing) -> None:
        if dealing.commitments != self.commitment_ids():
            raise CommitteeError(f"member {number} dealt on other commitments than these")
        if dealing.key.digest != self.of(Commitment)[number].commitment:
            raise CommitteeError(f"member {number} published something else than it had committed to")
        if dealing.key.certificate != dealing.signer or len(dealing.shares) != self.size:
            raise CommitteeError(f"member {number} dealt under another certificate or not to everybody")
        if any(len(_mail(share)) != _MAIL_SIZE for share in dealing.shares):
            raise CommitteeError(f"member {number} dealt something that is no sealed share")
        verify_member(bytes.fromhex(self.id), number, dealing.key, self.convening.threshold)

    def _check_proof(self, number: int, proof: Proof) -> None:
        key = self.key()
        key.verify_partial(number, key.public_key, bytes.fromhex(proof.possession), POSSESSION_DST)
        message = encode(Rehearsal(ceremony=self.id))
        key.verify_partial(number, message, bytes.fromhex(proof.rehearsal))

    def _check_complaint(self, number: int, complaint: Complaint) -> None:
        self._need(Dealing)
        if complaint.against > self.size or number in self.of(Proof):
            raise CommitteeError("a complaint against nobody, or after the share was found right")
        mail = X25519PrivateKey.from_private_bytes(bytes.fromhex(complaint.key))
        if mail.public_key().public_bytes_raw().hex() != self.of(Commitment)[number].mailbox:
            raise CommitteeError(f"member {number} complains without the key of its mailbox")
        if self.received(complaint.against, number, mail) != complaint.fault:
            raise CommitteeError(f"member {number} complains of something else than it was dealt")

    def received(self, dealer: int, member: int, mail: X25519PrivateKey) -> bytes | Fault:
        """The share (32 bytes) that `dealer` sealed for `member`, whose key `mail` is, or what is wrong
        with it. All must have dealt."""
        dealing = self.of(Dealing)[dealer]
        commitments = verify_member(bytes.fromhex(self.id), dealer, dealing.key, self.convening.threshold)
        try:
            share = _MAIL.decrypt(
                _mail(dealing.shares[member - 1]), mail, info=_label(self.id, dealer, member)
            )
        except InvalidTag:
            return "share-unreadable"
        try:
            verify_share(dealer, commitments, member, share)
        except CommitteeError:
            return "share-wrong"
        return share


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What a member keeps to itself until it has its share: the seed of its polynomial and the key of its
    mailbox, 32 random bytes each in hex, for one ceremony only.

    The same secrets commit to the same and deal the same after a restart (sealed anew, which nobody but
    the addressee can tell).
    """

    polynomial: Hex32
    mailbox: Hex32

    def __repr__(self) -> str:
        return "Secrets()"


class Participant:
    """One member's client during a ceremony."""

    def __init__(
        self, ceremony: Ceremony, certificate: str, secrets: Secrets, entropy: Callable[[int], bytes]
    ) -> None:
        """`entropy` gives fresh random bytes. Raises CommitteeError for a certificate that is no member's."""
        self.ceremony = ceremony
        self.certificate = certificate
        self.number = ceremony.number_of(certificate)
        self._mailbox = secrets.mailbox
        self._mail = X25519PrivateKey.from_private_bytes(bytes.fromhex(secrets.mailbox))
        self._entropy = entropy
        self._dealer = Dealer(
            bytes.fromhex(ceremony.id),
            member=self.number,
            threshold=ceremony.convening.threshold,
            size=ceremony.size,
            randomness=_stretched(secrets.polynomial, ceremony),
        )

    def commit(self) -> Commitment:
        """The first word."""
        return Commitment(
            signer=self.certificate,
            ceremony=self.ceremony.id,
            member=self.number,
            mailbox=self._mail.public_key().public_bytes_raw().hex(),
            commitment=self._key().digest,
        )

    def deal(self) -> Dealing:
        """The second word, to be said once: on other commitments it must not be said again.

        Raises CommitteeError while a commitment is missing, or where this member's own is another's.
        """
        ids = self.ceremony.commitment_ids()
        said = self.ceremony.of(Commitment)
        if said[self.number] != self.commit():
            raise CommitteeError("the commitment that stands for this member is not of these secrets")
        mailboxes = [word.mailbox for _, word in sorted(said.items())]
        return Dealing(
            signer=self.certificate,
            ceremony=self.ceremony.id,
            member=self.number,
            commitments=ids,
            key=self._key(),
            shares=tuple(self._seal(n, mailbox) for n, mailbox in enumerate(mailboxes, start=1)),
        )

    def gather(self) -> Share | Complaint:
        """This member's share, or the complaint about the first dealer whose share is wrong.

        Raises CommitteeError while a dealing is missing.
        """
        self.ceremony.key()
        shares = []
        for dealer, dealing in sorted(self.ceremony.of(Dealing).items()):
            match self.ceremony.received(dealer, self.number, self._mail):
                case bytes(share):
                    shares.append((dealing.key, share))
                case fault:
                    return self._complain(dealer, fault)
        return self._dealer.gather(*zip(*shares, strict=True))

    def prove(self, share: Share) -> Proof:
        """The third word: the share works. Raises CommitteeError for a share of another key."""
        possession = share.prove_possession(self.ceremony.key(), self._entropy(48))
        rehearsal = share.sign(Rehearsal(ceremony=self.ceremony.id), self._entropy(48))
        return Proof(
            signer=self.certificate,
            ceremony=self.ceremony.id,
            member=self.number,
            possession=possession.hex(),
            rehearsal=rehearsal.hex(),
        )

    def _key(self) -> MemberKey:
        return self._dealer.publish(self.certificate, self._entropy(48))

    def _complain(self, against: int, fault: Fault) -> Complaint:
        return Complaint(
            signer=self.certificate,
            ceremony=self.ceremony.id,
            member=self.number,
            against=against,
            fault=fault,
            key=self._mailbox,
        )

    def _seal(self, member: int, mailbox: str) -> str:
        key = X25519PublicKey.from_public_bytes(bytes.fromhex(mailbox))
        return to_base64(
            _MAIL.encrypt(
                self._dealer.share_for(member), key, info=_label(self.ceremony.id, self.number, member)
            )
        )


def digest(committee: Committee) -> str:
    """What members sign of a committee: SHA-256 of its canonical JSON, hex."""
    return sha256(encode(committee)).hex()


def check_seats(certificates: Sequence[Certificate]) -> None:
    """Nobody sits twice, under whatever certificates. Raises CommitteeError."""
    if len({each.registration for each in certificates}) != len(certificates):
        raise CommitteeError("one person has two seats in the committee")


def read_word(statement: Statement) -> Word:
    """What a statement says in a ceremony, *not verified*. Raises MalformedError."""
    for kind in WORDS:
        if statement.payload_type == PAYLOAD_TYPE.format(purpose=kind.PURPOSE):
            return statement.read(kind)
    raise MalformedError("not a word of a ceremony")


def entry(ceremony: str, statement: str) -> bytes:
    """The log entry of what was said in a ceremony."""
    return encode(CeremonyEntry(ceremony=ceremony, statement=statement))


def _mail(sealed: str) -> bytes:
    try:
        return from_base64(sealed)
    except MalformedError as error:
        raise CommitteeError("a sealed share is not base64") from error


def _stretched(seed: str, ceremony: Ceremony) -> bytes:
    """48 bytes for each coefficient."""
    info = b"openseal/v1/polynomial\n" + bytes.fromhex(ceremony.id)
    size = 48 * ceremony.convening.threshold
    return HKDF(SHA256(), length=size, salt=None, info=info).derive(bytes.fromhex(seed))


def _check_mailbox(number: int, mailbox: str) -> None:
    """A point of small order would have everybody's mail sealed under a key that anyone knows."""
    try:
        _ANYONE.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(mailbox)))
    except ValueError as error:
        raise CommitteeError(f"member {number}'s mailbox is no key") from error


def _label(ceremony: str, dealer: int, member: int) -> bytes:
    """HPKE's info: a sealed share fits no other ceremony, dealer or member."""
    return b"openseal/v1/share\n" + bytes.fromhex(ceremony) + bytes([dealer, member])


def _check_members(convening: Convening) -> None:
    size = len(convening.members)
    if len(set(convening.members)) != size:
        raise CommitteeError("a member is named twice")
    if not convening.threshold <= size < 2 * convening.threshold:
        raise CommitteeError("a committee is k of n with 2 ≤ k ≤ n < 2k and n ≤ 15")
