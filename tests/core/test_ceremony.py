"""The ceremony against those who would spoil, bend or own it: absent, lying, doubled, or last to speak."""

from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import bls
from crypto.ceremony import (
    Ceremony,
    CeremonyEntry,
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
    digest,
    entry,
    read_word,
)
from crypto.certificates import Role, SigningKey
from crypto.committee import Committee, Rehearsal, Share, verify_committee
from crypto.encoding import decode, encode, from_base64, moment, sha256, to_base64
from crypto.errors import CommitteeError, MalformedError, VerificationError
from crypto.locks import MANDATE_DST, Opener, mandate_lock, seal
from crypto.statements import Statement, sign
from tests.builders import START, Entropy, World

SMALL_ORDER = [  # of Curve25519 and its twist, RFC 7748 coordinates (Langley, Hamburg, Turner; section 6.1)
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]

SAID: tuple[type[Word], ...] = (Commitment, Dealing, Proof, Transcript)
"""What every member says when nothing goes wrong."""

replace = msgspec.structs.replace


@cache
def world() -> World:
    return World("ceremony")


@cache
def people(size: int) -> tuple[SigningKey, ...]:
    return tuple(world().enrol(Role.COMMITTEE, f"Member {i}", f"M-{i}") for i in range(1, size + 1))


class Round:
    """A ceremony under way: everybody hears everything. Keys are there to sign, not to be checked here."""

    def __init__(self, threshold: int = 2, size: int = 3, seed: str = "round") -> None:
        self.keys = people(size)
        self.entropy = Entropy(seed)
        convening = Convening(
            signer=world().officer.fingerprint,
            threshold=threshold,
            members=tuple(key.fingerprint for key in self.keys),
            nonce=self.entropy(32).hex(),
            time=moment(START),
        )
        self.ceremony = Ceremony(Statement(sign(convening, world().officer)).id, convening)
        self.secrets = [
            Secrets(polynomial=self.entropy(32).hex(), mailbox=self.entropy(32).hex()) for _ in self.keys
        ]
        self.participants = [self.participant(i) for i in range(size)]

    def participant(self, i: int) -> Participant:
        """Member i + 1's client, started anew."""
        return Participant(self.ceremony, self.keys[i].fingerprint, self.secrets[i], self.entropy)

    def say(self, word: Word) -> None:
        """A member signs, and it is heard."""
        key = next(key for key in self.keys if key.fingerprint == word.signer)
        statement = Statement(sign(word, key))
        self.ceremony.hear(statement.id, read_word(statement))

    def all(self, what: Callable[[Participant], Word]) -> None:
        for word in [what(each) for each in self.participants]:
            self.say(word)

    def dealt(self) -> "Round":
        self.all(Participant.commit)
        self.all(Participant.deal)
        return self

    def shares(self) -> list[Share]:
        found = [each.gather() for each in self.participants]
        return [each for each in found if isinstance(each, Share)]

    def proved(self) -> "Round":
        self.dealt()
        for participant, share in zip(self.participants, self.shares(), strict=True):
            self.say(participant.prove(share))
        return self

    def done(self) -> "Round":
        self.proved()
        self.all(lambda member: self.ceremony.sign_off(member.certificate))
        return self


def refused(round: Round, word: Word, why: str) -> None:
    """The word is not heard, and nothing has changed."""
    before = round.ceremony.phase, round.ceremony.awaited()
    with pytest.raises(CommitteeError, match=why):
        round.say(word)
    assert (round.ceremony.phase, round.ceremony.awaited()) == before


# ── as it should be ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("threshold", "size"), [(2, 2), (2, 3), (3, 4), (4, 5), (8, 15)])
def test_every_size_comes_to_a_committee_that_opens(threshold: int, size: int) -> None:
    round = Round(threshold, size)
    assert round.ceremony.phase == "committing"
    round.done()
    assert (round.ceremony.phase, round.ceremony.awaited()) == ("done", [])
    committee = round.ceremony.committee()
    key = verify_committee(committee)
    assert decode(encode(committee), Committee) == committee
    order = encode(Rehearsal(ceremony="77" * 32))
    blinding = bytes(48)
    shares = round.shares()[-threshold:]
    given = [
        key.verify_partial(each.member, order, each.sign(Rehearsal(ceremony="77" * 32), blinding))
        for each in shares
    ]
    key.combine(given, order)
    with pytest.raises(CommitteeError):
        key.combine(given[1:], order)


@pytest.mark.parametrize(
    ("threshold", "size"), [(2, 4), (3, 6), (4, 3), (8, 16), (2, 1), (1, 2), (16, 16), (2, 15)]
)
def test_other_sizes_are_no_committee(threshold: int, size: int) -> None:
    members = tuple(f"{i:064x}" for i in range(size))
    convening = Convening(
        signer="00" * 32, threshold=threshold, members=members, nonce="00" * 32, time=moment(START)
    )
    with pytest.raises(VerificationError):
        Ceremony("11" * 32, decode(encode(convening), Convening))


def test_the_rehearsal_opens_a_canary_and_nothing_else_does() -> None:
    ceremony = Round().proved().ceremony
    lock = mandate_lock(ceremony.key().public_key, encode(Rehearsal(ceremony=ceremony.id)))
    canary = bytes(range(32))
    assert Opener([lock], [ceremony.rehearsed()]).open(seal([lock], canary, bytes(32))) == canary
    with pytest.raises(VerificationError):
        Opener([lock], [bytes.fromhex(ceremony.committee().proof)])


def test_phases_name_who_is_awaited() -> None:
    round = Round()
    seen = []
    for say in (Participant.commit, Participant.deal):
        for each in round.participants:
            seen.append((round.ceremony.phase, round.ceremony.awaited()))
            round.say(say(each))
    assert seen == [
        (phase, waiting) for phase in ("committing", "dealing") for waiting in ([1, 2, 3], [2, 3], [3])
    ]


def test_the_transcript_covers_every_statement() -> None:
    """The hash computed a second time, from the ids alone."""
    ceremony = Round().done().ceremony
    ids = [ceremony.id]
    for kind in SAID[:3]:
        ids += [str(ceremony.id_of(kind, n)) for n in (1, 2, 3)]
    assert ceremony.transcript() == sha256(b"openseal/v1/transcript\n" + bytes.fromhex("".join(ids))).hex()
    said = ceremony.of(Transcript)
    assert {word.committee for word in said.values()} == {digest(ceremony.committee())}


# ── absent ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("absent", [1, 2, 3])
def test_nobody_deals_while_one_has_not_committed(absent: int) -> None:
    round = Round()
    for each in round.participants:
        if each.number != absent:
            round.say(each.commit())
    with pytest.raises(CommitteeError, match=rf"\[{absent}\] have not sent their ceremony-commitment"):
        round.participants[absent % 3].deal()
    assert round.ceremony.awaited() == [absent]
    eager = round.participants[absent % 3]
    ids = tuple(str(round.ceremony.id_of(Commitment, n)) for n in (1, 2, 3) if n != absent)
    early = replace(Round().dealt().ceremony.of(Dealing)[eager.number], commitments=ids)
    refused(round, replace(early, ceremony=round.ceremony.id), "have not sent")


def test_one_who_never_proves_keeps_the_committee_from_being() -> None:
    round = Round().dealt()
    for participant, share in list(zip(round.participants, round.shares(), strict=True))[:2]:
        round.say(participant.prove(share))
    assert (round.ceremony.phase, round.ceremony.awaited()) == ("proving", [3])
    for call in (round.ceremony.committee, round.ceremony.transcript, round.ceremony.rehearsed):
        with pytest.raises(CommitteeError, match=r"\[3\]"):
            call()


# ── lying ────────────────────────────────────────────────────────────────────────────────────────────


def bent(round: Round, dealer: int, member: int, share: bytes) -> Dealing:
    """A dealing like any other, but for what one member finds in its mail."""
    honest = round.participants[dealer - 1]
    original = honest._dealer.share_for
    honest._dealer = _Bent(honest._dealer, member, share)  # type: ignore[assignment]  # a liar's client
    dealing = honest.deal()
    assert original(member) != share
    return dealing


class _Bent:
    def __init__(self, dealer: Any, member: int, share: bytes) -> None:
        self._dealer, self._member, self._share = dealer, member, share

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dealer, name)

    def share_for(self, member: int) -> bytes:
        return self._share if member == self._member else bytes(self._dealer.share_for(member))


def with_dealing(dealer: int, change: Callable[[Round], Dealing]) -> Round:
    """All have dealt, one of them otherwise."""
    round = Round()
    round.all(Participant.commit)
    for each in round.participants:
        round.say(change(round) if each.number == dealer else each.deal())
    return round


def unreadable(round: Round) -> Dealing:
    """Member 2's letter for member 3 is noise of the right length."""
    dealing = round.participants[1].deal()
    return replace(dealing, shares=(*dealing.shares[:2], to_base64(bytes(80))))


def exchanged(round: Round) -> Dealing:
    """Member 2 puts member 1's letter into member 3's place as well."""
    dealing = round.participants[1].deal()
    return replace(dealing, shares=(*dealing.shares[:2], dealing.shares[0]))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda round: bent(round, 2, 3, (12345).to_bytes(32, "big")), "share-wrong"),
        (lambda round: bent(round, 2, 3, bytes(32)), "share-wrong"),
        (lambda round: bent(round, 2, 3, b"\xff" * 32), "share-wrong"),
        (unreadable, "share-unreadable"),
        (exchanged, "share-unreadable"),
    ],
)
def test_a_wrong_share_makes_a_complaint_that_names_the_culprit_and_convinces_everybody(
    change: Callable[[Round], Dealing], fault: str
) -> None:
    round = with_dealing(2, change)
    assert isinstance(round.participants[0].gather(), Share)
    complaint = round.participants[2].gather()
    assert isinstance(complaint, Complaint)
    assert (complaint.member, complaint.against, complaint.fault) == (3, 2, fault)
    round.say(complaint)
    assert (round.ceremony.phase, round.ceremony.awaited()) == ("broken", [])
    assert round.ceremony.complaint == complaint
    share = round.participants[0].gather()
    assert isinstance(share, Share)
    refused(round, round.participants[0].prove(share), "ended with a complaint")


def a_complaint(round: Round, **changes: Any) -> Complaint:
    given: dict[str, Any] = {
        "signer": round.keys[2].fingerprint,
        "ceremony": round.ceremony.id,
        "member": 3,
        "against": 2,
        "fault": "share-wrong",
        "key": round.secrets[2].mailbox,
    }
    return Complaint(**(given | changes))


@pytest.mark.parametrize("fault", ["share-wrong", "share-unreadable"])
def test_a_complaint_about_a_right_share_is_not_heard(fault: str) -> None:
    refused(Round().dealt(), a_complaint(Round(), fault=fault), "something else than it was dealt")


def test_a_complaint_gives_the_right_fault_and_the_right_key() -> None:
    round = with_dealing(2, unreadable)
    refused(round, a_complaint(round), "something else than it was dealt")
    stranger = a_complaint(round, fault="share-unreadable", key="11" * 32)
    refused(round, stranger, "without the key of its mailbox")
    round.say(a_complaint(round, fault="share-unreadable"))
    assert round.ceremony.phase == "broken"


def test_a_complaint_comes_after_the_dealings_and_before_the_own_proof() -> None:
    refused(Round(), a_complaint(Round()), "have not sent their ceremony-commitment|have not sent")
    refused(Round().proved(), a_complaint(Round()), "after the share was found right")
    refused(Round().dealt(), a_complaint(Round(), against=4), "against nobody")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: replace(d, shares=d.shares[:2]), "not to everybody"),
        (lambda d: replace(d, shares=(*d.shares, d.shares[0])), "not to everybody"),
        (lambda d: replace(d, shares=(*d.shares[:2], "")), "no sealed share"),
        (lambda d: replace(d, shares=(*d.shares[:2], to_base64(bytes(81)))), "no sealed share"),
        (lambda d: replace(d, shares=(*d.shares[:2], "A")), "not base64"),
        (lambda d: replace(d, key=replace(d.key, certificate="22" * 32)), "under another certificate"),
        (lambda d: replace(d, commitments=d.commitments[::-1]), "on other commitments"),
        (lambda d: replace(d, member=2), "as another member"),
    ],
)
def test_a_dealing_of_another_form_is_not_heard(change: Callable[[Dealing], Dealing], why: str) -> None:
    round = Round()
    round.all(Participant.commit)
    refused(round, change(round.participants[0].deal()), why)


# ── twice ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_word_twice_changes_nothing() -> None:
    round = Round().done()
    for kind in SAID:
        for word in round.ceremony.of(kind).values():
            round.say(word)
    assert round.ceremony.phase == "done"


def test_two_different_words_in_one_place_are_named() -> None:
    round = Round()
    round.all(Participant.commit)
    commitment = replace(round.participants[1].commit(), commitment="33" * 32)
    refused(round, commitment, "member 2 said two different things")
    first, second = round.participants[0].deal(), round.participants[0].deal()
    assert first != second, "sealed anew each time"
    round.say(first)
    refused(round, second, "member 1 said two different things")


def test_a_certificate_in_two_seats_is_refused() -> None:
    convening = Round().ceremony.convening
    twice = replace(convening, members=(convening.members[0], *convening.members[:2]))
    with pytest.raises(CommitteeError, match="named twice"):
        Ceremony("11" * 32, twice)


def test_one_person_with_two_certificates_is_refused() -> None:
    certificates = [key.certificate for key in people(3)]
    check_seats(certificates)
    again = world().enrol(Role.COMMITTEE, "Member One", "M-1").certificate
    with pytest.raises(CommitteeError, match="two seats"):
        check_seats([*certificates, again])


def test_a_copied_commitment_cannot_be_dealt_on() -> None:
    """Whoever repeats another's commitment can repeat its key, but not its proof."""
    round = Round()
    first, second = round.participants[0].commit(), round.participants[1].commit()
    round.say(first)
    round.say(replace(second, commitment=first.commitment))
    round.say(round.participants[2].commit())
    stolen = round.participants[0].deal()
    copy = replace(
        stolen,
        signer=round.keys[1].fingerprint,
        member=2,
        key=replace(stolen.key, certificate=round.keys[1].fingerprint),
    )
    refused(round, copy, "member 2's proof")


# ── the last one to speak ────────────────────────────────────────────────────────────────────────────


def rogue_key(round: Round) -> Dealing:
    """The last dealer chooses its commitments after the others', so that the sum is the constant polynomial
    of a secret that it knows: every share would be the committee's whole key."""
    others = [word.key for n, word in round.ceremony.of(Dealing).items() if n != 3]
    coefficients = [[bls.parse_g2(bytes.fromhex(c)) for c in each.commitments] for each in others]
    wanted = bls.times_g2(7)
    rogue = [
        (wanted - bls.add_g2(column)) if j == 0 else -bls.add_g2(column)
        for j, column in enumerate(zip(*coefficients, strict=True))
    ]
    dealing = round.participants[2].deal()
    published = tuple(point.to_compressed_bytes().hex() for point in rogue)
    return replace(dealing, key=replace(dealing.key, commitments=published))


def test_a_key_chosen_after_the_others_were_seen_is_not_heard() -> None:
    round = Round()
    round.all(Participant.commit)
    for each in round.participants[:2]:
        round.say(each.deal())
    refused(round, rogue_key(round), "something else than it had committed to")
    assert round.ceremony.awaited() == [3]


def test_a_commitment_cannot_be_taken_back_by_pretending_that_nobody_dealt() -> None:
    """The service shows an honest member a second run with another commitment: its dealing fits the first
    run only, and its client has to keep to what it said."""
    round = Round()
    round.all(Participant.commit)
    dealing = round.participants[0].deal()
    second = Round()
    for each in second.participants[:2]:
        second.say(each.commit())
    second.say(replace(second.participants[2].commit(), commitment="44" * 32))
    refused(second, dealing, "on other commitments than these")


def test_a_member_whose_commitment_was_exchanged_does_not_deal() -> None:
    round = Round()
    round.all(Participant.commit)
    round.secrets[0] = Secrets(polynomial="55" * 32, mailbox=round.secrets[0].mailbox)
    with pytest.raises(CommitteeError, match="not of these secrets"):
        round.participant(0).deal()


@pytest.mark.parametrize("mailbox", SMALL_ORDER)
def test_a_mailbox_that_anyone_can_open_is_refused(mailbox: str) -> None:
    round = Round()
    refused(round, replace(round.participants[0].commit(), mailbox=mailbox), "mailbox is no key")


# ── elsewhere, again, and garbage ────────────────────────────────────────────────────────────────────


def test_words_of_another_ceremony_are_not_heard() -> None:
    here, there = Round(seed="here"), Round(seed="there").done()
    for kind in SAID[:3]:
        for word in there.ceremony.of(kind).values():
            refused(here, word, "said in another ceremony")
    here.proved()
    for word in there.ceremony.of(Transcript).values():
        refused(here, word, "signed another transcript")


def test_a_stranger_is_not_heard() -> None:
    round = Round()
    stranger = world().enrol(Role.COMMITTEE, "Stranger", "M-99")
    word = replace(round.participants[0].commit(), signer=stranger.fingerprint)
    with pytest.raises(CommitteeError, match="no member's"):
        round.ceremony.hear("00" * 32, word)
    with pytest.raises(CommitteeError, match="no member's"):
        Participant(round.ceremony, stranger.fingerprint, round.secrets[0], round.entropy)


def test_a_member_does_not_speak_for_another() -> None:
    round = Round()
    refused(round, replace(round.participants[0].commit(), member=2), "as another member")


@pytest.mark.parametrize("field", ["transcript", "committee"])
def test_another_transcript_is_not_heard(field: str) -> None:
    round = Round().proved()
    other = replace(round.ceremony.sign_off(round.keys[0].fingerprint), **{field: "66" * 32})
    refused(round, other, "member 1 signed another transcript")


def test_a_proof_with_another_share_is_not_heard() -> None:
    round = Round().dealt()
    shares = round.shares()
    proof = round.participants[0].prove(shares[0])
    other = round.participants[1].prove(shares[1])
    refused(round, replace(proof, rehearsal=other.rehearsal), "member 1's partial signature")
    refused(round, replace(proof, possession=other.possession), "member 1's partial signature")
    refused(round, replace(proof, possession="c0" + "00" * 47), "member 1's partial signature")
    with pytest.raises(CommitteeError, match="not of this key"):
        round.participants[0].prove(Share(1, bytes(31) + b"\x05"))


def test_the_same_secrets_commit_deal_and_prove_the_same_after_a_restart() -> None:
    round = Round().dealt()
    for i, before in enumerate(round.participants):
        after = round.participant(i)
        assert after.commit() == before.commit()
        assert after.deal().key == before.deal().key
        share, again = before.gather(), after.gather()
        assert isinstance(share, Share)
        assert isinstance(again, Share)
        assert share.export() == again.export()
        assert after.prove(again) == before.prove(share)
    other = Round(seed="another")
    other.secrets = round.secrets
    assert other.participant(0).commit().commitment != round.participants[0].commit().commitment


def test_nothing_that_is_secret_shows_itself() -> None:
    round = Round().proved()
    shown = repr([round.secrets, round.participants, round.shares(), round.ceremony])
    secret = [each.polynomial for each in round.secrets] + [each.mailbox for each in round.secrets]
    assert not [each for each in secret if each in shown]
    said = b"".join(
        encode(word) for kind in (Commitment, Dealing, Proof) for word in round.ceremony.of(kind).values()
    )
    exported = [share.export().hex() for share in round.shares()]
    assert not [each for each in (*secret, *exported) if each.encode() in said]


def test_fewer_than_k_shares_with_everything_that_was_said_are_not_the_key() -> None:
    round = Round(3, 5).done()
    key = round.ceremony.key()
    for pair in combinations(round.shares(), 2):
        scalars = {share.member: int.from_bytes(share.export(), "big") for share in pair}
        points = {n: bls.hash_to_g1(b"x", MANDATE_DST) * bls._scalar(s) for n, s in scalars.items()}
        guess = bls.interpolate_at_zero(points).to_compressed_bytes()
        with pytest.raises(VerificationError):
            bls.verify_signature(bls.parse_g2(key.public_key), b"x", MANDATE_DST, guess)


def test_a_share_is_sealed_for_one_reader() -> None:
    round = Round().dealt()
    for dealer in (1, 2, 3):
        for member in (1, 2, 3):
            for reader, secrets in enumerate(round.secrets, start=1):
                mail = X25519PrivateKey.from_private_bytes(bytes.fromhex(secrets.mailbox))
                found = round.ceremony.received(dealer, member, mail)
                assert isinstance(found, bytes) == (reader == member)


def test_the_log_entry_of_a_word() -> None:
    data = entry("11" * 32, "22" * 32)
    assert data.decode() == f'{{"ceremony":"{"11" * 32}","statement":"{"22" * 32}","t":"ceremony:word"}}'
    assert decode(data, CeremonyEntry) == CeremonyEntry(ceremony="11" * 32, statement="22" * 32)


def test_only_words_are_read() -> None:
    convening = Statement(sign(Round().ceremony.convening, world().officer))
    with pytest.raises(MalformedError, match="not a word"):
        read_word(convening)


def _hexes(size: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size, max_size=size).map(bytes.hex)


@cache
def _done() -> Round:
    return Round().done()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_member_signs_is_heard_or_refused_with_an_error_of_ours(data: st.DataObject) -> None:
    """One field of one word is something else; whoever hears it has heard all that came before."""
    kind: type[Word] = data.draw(st.sampled_from(SAID))
    known = _done()
    round = Round()
    for each in SAID[: SAID.index(kind)]:
        for word in known.ceremony.of(each).values():
            round.say(word)
    word = known.ceremony.of(kind)[1]
    field = data.draw(st.sampled_from([each.name for each in msgspec.structs.fields(kind)][1:]))
    junk: dict[str, Any] = {
        "member": st.integers(1, 15),
        "possession": _hexes(48),
        "rehearsal": _hexes(48),
        "commitments": st.lists(_hexes(32), max_size=4).map(tuple),
        "shares": st.lists(st.binary(max_size=100).map(to_base64), min_size=3, max_size=3).map(tuple),
        "key": _hexes(96).map(lambda h: replace(known.ceremony.of(Dealing)[1].key, commitments=(h, h))),
    }
    changed = replace(word, **{field: data.draw(junk.get(field, _hexes(32)))})
    try:
        round.say(changed)
    except VerificationError:
        assert round.ceremony.missing(kind) == [1, 2, 3]
    else:
        assert field in ("mailbox", "commitment", "shares") or changed == word


def test_mail_of_80_bytes_of_anything_is_a_fault_and_not_a_crash() -> None:
    round = with_dealing(2, unreadable)
    sealed = from_base64(round.ceremony.of(Dealing)[2].shares[2])
    assert len(sealed) == 80
    found = round.participants[2].gather()
    assert isinstance(found, Complaint)
