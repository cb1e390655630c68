"""A committee's key: any k of its n members open a tender, fewer learn and open nothing.

There is no dealer. Each member shares out a secret of its own (Feldman 1987) and proves to know it; the
committee's key is the sum, which nobody ever holds (Pedersen 1991). In order:

1. every member makes a `Dealer` and publishes its `MemberKey`, all at once: revealed only after all n are
   committed to, since the last to speak could otherwise choose the sum;
2. `joint_key` checks them and gives the public side, `Dealer.share_for` what goes sealed to each other
   member, and `Dealer.gather` checks what arrived and gives the member's own `Share`;
3. k members sign the key itself, a proof of possession that completes the `Committee` of the notice;
4. later, k members sign the opening order. Their combined signature is the mandate lock's key.

Members count from 1, in the order of the notice.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

import msgspec

from crypto import bls
from crypto.encoding import Hex32, HexG1, HexG2, Value, encode, sha256
from crypto.errors import CommitteeError, LockError, MalformedError, SignatureError
from crypto.locks import MANDATE_DST, Lock, OpeningOrder

DEALER_DST = b"OPENSEAL-V1-DKGPOP-BLS12381G1_XMD:SHA-256_SSWU_RO_"
"""Of a member's proof that it knows the secret it shared out."""
POSSESSION_DST = b"OPENSEAL-V1-POP-BLS12381G1_XMD:SHA-256_SSWU_RO_"
"""Of the committee's proof of possession of its key."""

MOST_MEMBERS = 15
_SECRET_RANDOMNESS = 48  # bytes for one coefficient


class MemberKey(Value, frozen=True, kw_only=True):
    """What one member publishes of the secret that it shares out."""

    certificate: Hex32
    """Fingerprint."""
    commitments: Annotated[tuple[HexG2, ...], msgspec.Meta(min_length=2, max_length=MOST_MEMBERS)]
    """``A_j = a_j · G2`` for its polynomial's k coefficients, constant term first."""
    proof: HexG1
    """Signature by a_0 over ``uint16_be(member) ‖ ceremony ‖ A_0``."""

    @property
    def digest(self) -> str:
        """SHA-256 in hex over commitments and proof: what a member signs before anyone reveals these."""
        return sha256(bytes.fromhex("".join(self.commitments) + self.proof)).hex()


class Committee(Value, frozen=True, kw_only=True):
    """A committee as it stands in a tender notice; `verify_committee` before believing it."""

    ceremony: Hex32
    """Names the key ceremony; random."""
    threshold: Annotated[int, msgspec.Meta(ge=2, le=MOST_MEMBERS)]
    members: Annotated[tuple[MemberKey, ...], msgspec.Meta(min_length=2, max_length=MOST_MEMBERS)]
    public_key: HexG2
    proof: HexG1
    """The committee's signature over its public key: k members were able to make one."""


class Rehearsal(Value, frozen=True, kw_only=True, tag_field="kind", tag="openseal/rehearsal/v1"):
    """What a committee signs to show that its shares work, before a tender depends on them."""

    ceremony: Hex32


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """One member's verified part of a signature; `JointKey` verifies it and combines k of them."""

    member: int
    signature: bytes
    """48 bytes."""


class JointKey:
    """The public side of a k-of-n key: verifies the members' partial signatures and combines them.

    Messages are canonical bytes of an order or rehearsal under MANDATE_DST, or the public key itself
    under POSSESSION_DST.
    """

    def __init__(self, commitments: Sequence[bls.G2], size: int) -> None:
        """`commitments` to the joint polynomial (k of them) among `size` members.

        Raises CommitteeError unless 2 ≤ k ≤ size < 2k and size ≤ 15.
        """
        _check_bounds(len(commitments), size)
        self._commitments = tuple(commitments)
        self.threshold = len(commitments)
        self.size = size
        self.public_key = commitments[0].to_compressed_bytes()

    def public_share(self, member: int) -> bls.G2:
        """The public key of one member's share. Raises CommitteeError for no member's number."""
        _check_member(member, self.size)
        return bls.commitment_at(self._commitments, member)

    def verify_partial(
        self, member: int, message: bytes, signature: bytes, dst: bytes = MANDATE_DST
    ) -> Partial:
        """The member's partial signature (48 bytes). Raises CommitteeError naming the member."""
        _verify(self.public_share(member), message, dst, signature, f"member {member}'s partial signature")
        return Partial(member=member, signature=signature)

    def combine(self, partials: Sequence[Partial], message: bytes, dst: bytes = MANDATE_DST) -> bytes:
        """The committee's signature (48 bytes), the same from whichever k members.

        Raises CommitteeError for fewer than k members, one twice, or partials that do not combine to a
        signature on `message`.
        """
        points = {partial.member: _partial_point(partial, self.size) for partial in partials}
        if len(points) != len(partials):
            raise CommitteeError("a member's partial signature stands twice")
        if len(points) < self.threshold:
            raise CommitteeError(f"{len(points)} of {self.threshold} needed partial signatures")
        chosen = {member: points[member] for member in sorted(points)[: self.threshold]}
        signature = bls.interpolate_at_zero(chosen).to_compressed_bytes()
        try:
            Lock(public_key=self.public_key, message=message, dst=dst).verify(signature)
        except (LockError, MalformedError) as error:
            raise CommitteeError("the combined signature does not hold") from error
        return signature


def joint_key(ceremony: bytes, members: Sequence[MemberKey], threshold: int) -> JointKey:
    """The key of all `members` together. Raises CommitteeError naming the member that spoils it."""
    _check_bounds(threshold, len(members))
    if len({member.certificate for member in members}) != len(members):
        raise CommitteeError("a certificate stands twice in the committee")
    published = [verify_member(ceremony, i, member, threshold) for i, member in enumerate(members, 1)]
    try:
        sums = [bls.add_g2(column) for column in zip(*published, strict=True)]
    except MalformedError as error:
        raise CommitteeError("the members' commitments cancel out") from error
    return JointKey(sums, len(members))


@lru_cache(maxsize=64)  # a committee serves many tenders
def verify_committee(committee: Committee) -> JointKey:
    """The committee's key, with every proof checked. Raises CommitteeError.

    What cannot be seen here: that commitments were revealed only after all were fixed, and that the
    members signed the ceremony's transcript.
    """
    key = joint_key(bytes.fromhex(committee.ceremony), committee.members, committee.threshold)
    if key.public_key.hex() != committee.public_key:
        raise CommitteeError("the public key is not the sum of the members' commitments")
    public_key = bls.parse_g2(key.public_key)
    proof = bytes.fromhex(committee.proof)
    _verify(public_key, key.public_key, POSSESSION_DST, proof, "the proof of possession")
    return key


def verify_share(dealer: int, commitments: Sequence[bls.G2], member: int, share: bytes) -> int:
    """The scalar (32 bytes) that `dealer` sent to `member`. Raises CommitteeError naming the dealer."""
    try:
        scalar = bls.parse_scalar(share)
    except MalformedError as error:
        raise CommitteeError(f"member {dealer} sent member {member} no share") from error
    if bls.times_g2(scalar) != bls.commitment_at(commitments, member):
        raise CommitteeError(f"member {dealer}'s share for member {member} does not fit its commitments")
    return scalar


class Dealer:
    """One member's client during the key ceremony; holds the polynomial, which is erased afterwards."""

    __slots__ = ("__coefficients", "_ceremony", "_member", "_size")

    def __init__(self, ceremony: bytes, *, member: int, threshold: int, size: int, randomness: bytes) -> None:
        """`ceremony`: 32 bytes, fresh; `randomness`: 48 random bytes for each of `threshold` coefficients.

        The same randomness makes the same dealer again, when a ceremony takes longer than a process.

        Raises CommitteeError for sizes out of bounds, MalformedError for too little randomness.
        """
        _check_bounds(threshold, size)
        _check_member(member, size)
        if len(ceremony) != 32 or len(randomness) != threshold * _SECRET_RANDOMNESS:
            raise MalformedError("a ceremony has 32 bytes and each coefficient 48 random bytes")
        self._ceremony, self._member, self._size = ceremony, member, size
        pieces = range(0, len(randomness), _SECRET_RANDOMNESS)
        self.__coefficients = [bls.scalar_from(randomness[i : i + _SECRET_RANDOMNESS]) for i in pieces]

    def __repr__(self) -> str:
        return f"Dealer({self._member})"

    def __reduce__(self) -> str:
        raise TypeError("a dealer's polynomial does not leave its process")

    def publish(self, certificate: str, blinding: bytes) -> MemberKey:
        """What the others need to check this member's shares; `blinding`: 48 random bytes."""
        commitments = [bls.times_g2(a).to_compressed_bytes() for a in self.__coefficients]
        message = _dealer_message(self._member, self._ceremony, commitments[0])
        return MemberKey(
            certificate=certificate,
            commitments=tuple(commitment.hex() for commitment in commitments),
            proof=bls.sign(self.__coefficients[0], message, DEALER_DST, blinding).hex(),
        )

    def share_for(self, member: int) -> bytes:
        """What `member` gets of this secret, 32 bytes, for its eyes only."""
        _check_member(member, self._size)
        return bls.polynomial_at(self.__coefficients, member).to_bytes(32, "big")

    def gather(self, members: Sequence[MemberKey], shares: Sequence[bytes]) -> "Share":
        """This member's share of the joint key, from what every member (itself too) dealt to it.

        Raises CommitteeError naming the first member whose commitments or share are wrong: the complaint.
        """
        if not len(members) == len(shares) == self._size:
            raise CommitteeError("a share comes from every member")
        secret = 0
        for dealer, (published, share) in enumerate(zip(members, shares, strict=True), 1):
            commitments = verify_member(self._ceremony, dealer, published, len(self.__coefficients))
            secret += verify_share(dealer, commitments, self._member, share)
        return Share(self._member, (secret % bls.ORDER).to_bytes(32, "big"))


class Share:
    """One member's share of the key, in that member's own client. It signs nothing that comes as bytes."""

    __slots__ = ("__secret", "member")

    def __init__(self, member: int, secret: bytes) -> None:
        """`secret`: 32 bytes, from `export`. Raises CommitteeError or MalformedError."""
        _check_member(member, MOST_MEMBERS)
        self.member = member
        self.__secret = bls.parse_scalar(secret)

    def __repr__(self) -> str:
        return f"Share({self.member})"

    def __reduce__(self) -> str:
        raise TypeError("a share leaves its process by export() alone")

    def export(self) -> bytes:
        """The secret, 32 bytes, to be wrapped and kept by the member; it never reaches the service."""
        return self.__secret.to_bytes(32, "big")

    def sign(self, subject: OpeningOrder | Rehearsal, blinding: bytes) -> bytes:
        """The partial signature (48 bytes) under an order or rehearsal; `blinding`: 48 random bytes."""
        return bls.sign(self.__secret, encode(subject), MANDATE_DST, blinding)

    def prove_possession(self, key: JointKey, blinding: bytes) -> bytes:
        """The partial proof of possession of `key`, 48 bytes. Raises CommitteeError for another's key."""
        if bls.times_g2(self.__secret) != key.public_share(self.member):
            raise CommitteeError(f"member {self.member}'s share is not of this key")
        return bls.sign(self.__secret, key.public_key, POSSESSION_DST, blinding)


def _check_bounds(threshold: int, size: int) -> None:
    """More than half are needed, so that no two separate groups can both sign, and never one alone."""
    if not 2 <= threshold <= size < 2 * threshold or size > MOST_MEMBERS:
        raise CommitteeError(f"{threshold} of {size}: a committee is k of n with 2 ≤ k ≤ n < 2k and n ≤ 15")


def _check_member(member: int, size: int) -> None:
    if not 1 <= member <= size:
        raise CommitteeError(f"members are numbered 1 to {size}")


def verify_member(ceremony: bytes, index: int, member: MemberKey, threshold: int) -> list[bls.G2]:
    """Member `index`'s commitments as points, its proof checked. Raises CommitteeError naming the member."""
    if len(member.commitments) != threshold:
        raise CommitteeError(f"member {index} committed to {len(member.commitments)} coefficients")
    try:
        commitments = [bls.parse_g2(bytes.fromhex(text)) for text in member.commitments]
    except MalformedError as error:
        raise CommitteeError(f"member {index}'s commitments are not points") from error
    message = _dealer_message(index, ceremony, commitments[0].to_compressed_bytes())
    proof = bytes.fromhex(member.proof)
    _verify(commitments[0], message, DEALER_DST, proof, f"member {index}'s proof")
    return commitments


def _dealer_message(index: int, ceremony: bytes, commitment: bytes) -> bytes:
    return index.to_bytes(2, "big") + ceremony + commitment


def _partial_point(partial: Partial, size: int) -> bls.G1:
    _check_member(partial.member, size)
    try:
        return bls.parse_g1(partial.signature)
    except MalformedError as error:
        raise CommitteeError(f"member {partial.member}'s partial signature is not a point") from error


def _verify(public_key: bls.G2, message: bytes, dst: bytes, signature: bytes, what: str) -> None:
    try:
        bls.verify_signature(public_key, message, dst, signature)
    except (SignatureError, MalformedError) as error:
        raise CommitteeError(f"{what} does not hold") from error
