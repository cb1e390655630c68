"""How a committee makes its key without a dealer, out of signed statements that anyone may keep.

1. Somebody *convenes* n named members of whom k shall open. The convening's id names the ceremony.
2. Every member *commits*: to the key it will seal its mail for, and to the hash of what it will publish.
3. Only when all n have committed does anyone *deal*: publish its commitments and send each member its
   share, sealed for that member. Whoever spoke last could otherwise choose the sum, and so own the key.
4. Every member checks what it was dealt and *proves* its share, by signing the committee's key and a
   rehearsal with it; or it *complains*, names the culprit, and the ceremony has to be convened anew.
5. Every member signs the *transcript*: all that was said, and the committee that came of it.

The mathematics is in `crypto.committee`. Statements come in verified, by whomever and in any order.
"""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from crypto.bls import G2, parse_g2
from crypto.certificates import Role
from crypto.committee import (
    POSSESSION_DST,
    Committee,
    Dealer,
    JointKey,
    MemberKey,
    Rehearsal,
    Share,
    joint_key,
    verify_share,
)
from crypto.encoding import Base64, Hex32, HexG1, Moment, encode, from_base64, sha256, to_base64
from crypto.errors import CommitteeError
from crypto.statements import Payload

Number = Annotated[int, msgspec.Meta(ge=1, le=15)]
"""A member's number: its place in the convening, from 1."""
Fault = Literal["share-wrong", "share-unreadable"]

_MAIL = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class Convening(Payload, frozen=True, kw_only=True):
    """Who shall hold a committee's key: certificates of n members, of whom `threshold` open."""

    PURPOSE: ClassVar[str] = "ceremony-convening"
    ROLE: ClassVar[Role] = Role.OFFICER

    threshold: Annotated[int, msgspec.Meta(ge=2, le=15)]
    members: Annotated[tuple[Hex32, ...], msgspec.Meta(min_length=2, max_length=15)]
    nonce: Hex32
    time: Moment


class Commitment(Payload, frozen=True, kw_only=True):
    """A member's first word: its HPKE key (X25519), and the hash of the MemberKey it will publish."""

    PURPOSE: ClassVar[str] = "ceremony-commitment"
    ROLE: ClassVar[Role] = Role.COMMITTEE

    ceremony: Hex32
    member: Number
    mailbox: Hex32
    commitment: Hex32


class Dealing(Payload, frozen=True, kw_only=True):
    """A member's second word: its key, and for every member, itself too, a share sealed for it alone.

    `commitments` are the ids of all n commitments: nobody deals before all are there.
    """

    PURPOSE: ClassVar[str] = "ceremony-dealing"
    ROLE: ClassVar[Role] = Role.COMMITTEE

    ceremony: Hex32
    member: Number
    commitments: tuple[Hex32, ...]
    key: MemberKey
    shares: tuple[Base64, ...]


class Proof(Payload, frozen=True, kw_only=True):
    """A member's third word: with its share it signs the committee's key and the rehearsal."""

    PURPOSE: ClassVar[str] = "ceremony-proof"
    ROLE: ClassVar[Role] = Role.COMMITTEE

    ceremony: Hex32
    member: Number
    possession: HexG1
    rehearsal: HexG1


class Complaint(Payload, frozen=True, kw_only=True):
    """A member says whose share does not fit what that dealer published. The ceremony is over."""

    PURPOSE: ClassVar[str] = "ceremony-complaint"
    ROLE: ClassVar[Role] = Role.COMMITTEE

    ceremony: Hex32
    member: Number
    against: Number
    fault: Fault


class Transcript(Payload, frozen=True, kw_only=True):
    """A member's last word: this was said, and this committee came of it. It goes into notices."""

    PURPOSE: ClassVar[str] = "committee-transcript"
    ROLE: ClassVar[Role] = Role.COMMITTEE

    transcript: Hex32
    committee: Hex32


Word = Commitment | Dealing | Proof | Complaint | Transcript
W = TypeVar("W", Commitment, Dealing, Proof, Transcript)


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

    def missing(self, kind: type[W]) -> list[int]:
        """Numbers of the members who have not yet said it."""
        return [n for n in range(1, self.size + 1) if n not in self.of(kind)]

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
        keys = [dealing.key for _, dealing in sorted(self.of(Dealing).items())]
        return joint_key(bytes.fromhex(self.id), keys, self.convening.threshold)

    def committee(self) -> Committee:
        """The committee, once every member has proved its share. Raises CommitteeError."""
        self._need(Proof)
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

    def done(self) -> bool:
        """Whether every member has signed the transcript."""
        return not self.missing(Transcript)

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

    def _need(self, kind: type[W]) -> None:
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
                self._need(Dealing)
                if word.against > self.size:
                    raise CommitteeError("a complaint against nobody")
            case Transcript():
                if (word.transcript, word.committee) != (self.transcript(), digest(self.committee())):
                    raise CommitteeError(f"member {number} signed another transcript")

    def _check_dealing(self, number: int, dealing: Dealing) -> None:
        if dealing.commitments != self.commitment_ids():
            raise CommitteeError(f"member {number} dealt on other commitments than these")
        if dealing.key.digest != self.of(Commitment)[number].commitment:
            raise CommitteeError(f"member {number} published something else than it had committed to")
        if dealing.key.certificate != dealing.signer or len(dealing.shares) != self.size:
            raise CommitteeError(f"member {number} dealt under another certificate or not to everybody")

    def _check_proof(self, number: int, proof: Proof) -> None:
        key = self.key()
        key.verify_partial(number, key.public_key, bytes.fromhex(proof.possession), POSSESSION_DST)
        message = encode(Rehearsal(ceremony=self.id))
        key.verify_partial(number, message, bytes.fromhex(proof.rehearsal))


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What a member keeps to itself until it has its share: random bytes for its polynomial (48 for each
    coefficient) and for its mailbox (32). The same secrets say the same after a restart."""

    polynomial: bytes
    mailbox: bytes

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
        self._mail = X25519PrivateKey.from_private_bytes(secrets.mailbox)
        self._entropy = entropy
        self._dealer = Dealer(
            bytes.fromhex(ceremony.id),
            member=self.number,
            threshold=ceremony.convening.threshold,
            size=ceremony.size,
            randomness=secrets.polynomial,
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
        """The second word. Raises CommitteeError while a commitment is missing."""
        ids = self.ceremony.commitment_ids()
        mailboxes = [word.mailbox for _, word in sorted(self.ceremony.of(Commitment).items())]
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
        dealings = [word for _, word in sorted(self.ceremony.of(Dealing).items())]
        shares = []
        for number, dealing in enumerate(dealings, start=1):
            try:
                shares.append(self._open(number, dealing.shares[self.number - 1]))
            except InvalidTag:
                return self._complain(number, "share-unreadable")
        return self._share(dealings, shares)

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

    def sign_off(self) -> Transcript:
        """The last word. Raises CommitteeError while anything is missing."""
        return Transcript(
            signer=self.certificate,
            transcript=self.ceremony.transcript(),
            committee=digest(self.ceremony.committee()),
        )

    def _key(self) -> MemberKey:
        return self._dealer.publish(self.certificate, self._entropy(48))

    def _share(self, dealings: list[Dealing], shares: list[bytes]) -> Share | Complaint:
        for number, (dealing, share) in enumerate(zip(dealings, shares, strict=True), start=1):
            try:
                verify_share(number, _points(dealing.key), self.number, share)
            except CommitteeError:
                return self._complain(number, "share-wrong")
        return self._dealer.gather([dealing.key for dealing in dealings], shares)

    def _complain(self, against: int, fault: Fault) -> Complaint:
        return Complaint(
            signer=self.certificate,
            ceremony=self.ceremony.id,
            member=self.number,
            against=against,
            fault=fault,
        )

    def _seal(self, member: int, mailbox: str) -> str:
        key = X25519PublicKey.from_public_bytes(bytes.fromhex(mailbox))
        return to_base64(
            _MAIL.encrypt(
                self._dealer.share_for(member), key, info=_label(self.ceremony.id, self.number, member)
            )
        )

    def _open(self, dealer: int, sealed: str) -> bytes:
        return _MAIL.decrypt(
            from_base64(sealed), self._mail, info=_label(self.ceremony.id, dealer, self.number)
        )


def digest(committee: Committee) -> str:
    """What members sign of a committee: SHA-256 of its canonical JSON, hex."""
    return sha256(encode(committee)).hex()


def _points(key: MemberKey) -> list[G2]:
    return [parse_g2(bytes.fromhex(each)) for each in key.commitments]


def _check_mailbox(number: int, mailbox: str) -> None:
    """A point of small order would have everybody's mail sealed under a key that anyone knows."""
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(mailbox)))
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
