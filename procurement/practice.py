"""People of a practice tender, all in one process: each with a key and certificate of their own.

In a real tender they are in different houses and a committee's ceremony runs between its members'
machines; the mathematics and every signature are the same.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from bids.envelope import Part, SubmissionTerms
from bids.orders import OpeningPartial
from crypto.certificates import Certificate, PrivateKey, SigningKey, request
from crypto.committee import POSSESSION_DST, Committee, Dealer, Share, joint_key
from crypto.encoding import moment

Entropy = Callable[[int], bytes]
"""So many random bytes."""
Issue = Callable[[bytes], bytes]
"""A certificate (DER) for a PKCS #10 request (DER), from whoever certifies the role."""


class Member(NamedTuple):
    """A committee member: its signing key, and its share of the committee's key."""

    key: SigningKey
    share: Share

    def sign_order(
        self, terms: SubmissionTerms, part: Part, bid: str | None, now: datetime, entropy: Entropy
    ) -> OpeningPartial:
        """The member's partial for one order, which it builds itself out of the terms it verified."""
        signature = self.share.sign(terms.order(part, bid), entropy(48))
        return OpeningPartial(
            signer=self.key.fingerprint,
            tender=terms.tender,
            notice=terms.notice,
            part=part,
            round=terms.round,
            bid=bid if part == "price" else None,
            member=self.share.member,
            signature=signature.hex(),
            time=moment(now),
        )


def enrol(name: str, registration: str, issue: Issue, key: PrivateKey | None = None) -> SigningKey:
    """A person with a fresh P-256 key (or the given one) and a certificate."""
    private = key or ec.generate_private_key(ec.SECP256R1())
    return SigningKey(private, Certificate(issue(request(private, name, registration))))


def convene(keys: Sequence[SigningKey], threshold: int, entropy: Entropy) -> tuple[Committee, list[Member]]:
    """A committee of the holders of `keys`, of whom `threshold` open. Raises CommitteeError."""
    ceremony, size = entropy(32), len(keys)
    dealers = [
        Dealer(ceremony, member=i, threshold=threshold, size=size, randomness=entropy(48 * threshold))
        for i in range(1, size + 1)
    ]
    published = [
        dealer.publish(key.fingerprint, entropy(48)) for dealer, key in zip(dealers, keys, strict=True)
    ]
    shares = [
        dealer.gather(published, [each.share_for(i) for each in dealers])
        for i, dealer in enumerate(dealers, start=1)
    ]
    key = joint_key(ceremony, published, threshold)
    proofs = [
        key.verify_partial(
            share.member, key.public_key, share.prove_possession(key, entropy(48)), POSSESSION_DST
        )
        for share in shares[:threshold]
    ]
    committee = Committee(
        ceremony=ceremony.hex(),
        threshold=threshold,
        members=tuple(published),
        public_key=key.public_key.hex(),
        proof=key.combine(proofs, key.public_key, POSSESSION_DST).hex(),
    )
    return committee, [Member(*pair) for pair in zip(keys, shares, strict=True)]
