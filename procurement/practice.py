"""People of a practice tender, all in one process: each with a key and certificate of their own.

In a real tender they are in different houses and a committee's ceremony runs between its members'
machines; the mathematics and every signature are the same.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from bids.orders import Member
from crypto.ceremony import Ceremony, Complaint, Convening, Participant, Secrets, Word
from crypto.certificates import SigningKey
from crypto.committee import Committee, Share
from crypto.encoding import moment, to_base64
from crypto.errors import CommitteeError
from crypto.statements import Statement, sign

Entropy = Callable[[int], bytes]
"""So many random bytes."""


class Convened(NamedTuple):
    """A committee, its members' signatures on it (for a notice), and the members with their shares."""

    committee: Committee
    transcript: tuple[str, ...]
    members: list[Member]


def convene(
    officer: SigningKey, keys: Sequence[SigningKey], threshold: int, now: datetime, entropy: Entropy
) -> Convened:
    """A whole ceremony among the holders of `keys`, of whom `threshold` open. Raises CommitteeError."""
    convening = Convening(
        signer=officer.fingerprint,
        threshold=threshold,
        members=tuple(key.fingerprint for key in keys),
        nonce=entropy(32).hex(),
        time=moment(now),
    )
    ceremony = Ceremony(Statement(sign(convening, officer)).id, convening)
    participants = [_participant(ceremony, key, entropy) for key in keys]
    for say in (Participant.commit, Participant.deal):
        for word, key in [(say(each), key) for each, key in zip(participants, keys, strict=True)]:
            _hear(ceremony, word, key)
    shares = [_share(participant) for participant in participants]
    for participant, share, key in zip(participants, shares, keys, strict=True):
        _hear(ceremony, participant.prove(share), key)
    return Convened(
        committee=ceremony.committee(),
        transcript=tuple(_hear(ceremony, ceremony.sign_off(key.fingerprint), key) for key in keys),
        members=[Member(*pair) for pair in zip(keys, shares, strict=True)],
    )


def _participant(ceremony: Ceremony, key: SigningKey, entropy: Entropy) -> Participant:
    secrets = Secrets(polynomial=entropy(32).hex(), mailbox=entropy(32).hex())
    return Participant(ceremony, key.fingerprint, secrets, entropy)


def _share(participant: Participant) -> Share:
    share = participant.gather()
    if isinstance(share, Complaint):
        raise CommitteeError(f"member {share.against} dealt a wrong share")
    return share


def _hear(ceremony: Ceremony, word: Word, key: SigningKey) -> str:
    """Everybody's mail in one process: the statement (base64), heard by all."""
    data = sign(word, key)
    ceremony.hear(Statement(data).id, word)
    return to_base64(data)
