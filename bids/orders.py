"""The opening order: signed by k of n committee members, combined in public into the key that opens."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, ClassVar, NamedTuple

import msgspec

from bids.envelope import Envelope, Part, Section, SubmissionTerms, open_part, section
from bids.envelope import open_restricted as restricted_content
from bids.errors import Unopenable
from crypto.certificates import Role, SigningKey
from crypto.committee import Committee, JointKey, Partial, Share
from crypto.encoding import Hex16, Hex32, HexG1, Identifier, Moment, RoundNumber, Value, encode, moment
from crypto.errors import CommitteeError
from crypto.locks import Lock, Opener, OpeningOrder
from crypto.statements import Payload


class Subject(NamedTuple):
    """What an order opens of a part: one bid's, or one lot's of one bid, or the part of all bids."""

    bid: str | None = None
    lot: str | None = None


class OpeningPartial(Payload, frozen=True, kw_only=True):
    """One member's part of the key. `bid` only for a price part that is opened bid by bid, `lot` only where
    each lot has one."""

    PURPOSE: ClassVar[str] = "opening-partial"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.COMMITTEE,)

    tender: Identifier
    notice: Hex32
    part: Part
    round: RoundNumber
    bid: Hex16 | None = None
    lot: Identifier | None = None
    member: Annotated[int, msgspec.Meta(ge=1, le=15)]
    signature: HexG1
    time: Moment

    @property
    def section(self) -> Section:
        """The name of what the order opens of a bid, or of all."""
        return section(self.part, self.lot)

    @property
    def subject(self) -> Subject:
        """What the order opens of its part."""
        return Subject(self.bid, self.lot)


class OrderRefusal(Payload, frozen=True, kw_only=True):
    """A member does not sign the order for a part, and says why, for everybody to read."""

    PURPOSE: ClassVar[str] = "order-refusal"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.COMMITTEE,)

    tender: Identifier
    notice: Hex32
    part: Part
    member: Annotated[int, msgspec.Meta(ge=1, le=15)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    time: Moment


class OrderKey(Value, frozen=True, kw_only=True):
    """A combined signature: the order's key, for one bid, one lot of one bid, or the whole tender."""

    bid: Hex16 | None = None
    lot: Identifier | None = None
    signature: HexG1

    @property
    def subject(self) -> Subject:
        """What the key opens."""
        return Subject(self.bid, self.lot)


class RoundKeys(Value, frozen=True, kw_only=True):
    """What opens bids that were sealed for one round: its signature, and that of each order."""

    round: RoundNumber
    beacon: HexG1
    keys: tuple[OrderKey, ...]

    @classmethod
    def of(cls, opening: "Opening") -> "RoundKeys":
        """Those of the round that the opening is named for."""
        return cls(round=opening.round, beacon=opening.beacon, keys=opening.keys)


class Opening(Payload, frozen=True, kw_only=True):
    """The service publishes the keys of one part: the round's signature and the order's."""

    PURPOSE: ClassVar[str] = "opening"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.SERVICE,)

    tender: Identifier
    notice: Hex32
    part: Part
    round: RoundNumber
    beacon: HexG1
    keys: tuple[OrderKey, ...]
    """Empty where there is nothing to open: every technical part failed, so no price is looked at."""
    earlier: tuple[RoundKeys, ...] = ()
    """Latest first; none where every bid was sealed for `round`."""
    time: Moment

    def keys_of(self, round: str) -> RoundKeys:
        """What was published for that round. Raises CommitteeError where nothing was."""
        for each in (RoundKeys.of(self), *self.earlier):
            if each.round == round:
                return each
        raise CommitteeError("no keys were published for the round that this bid was sealed for")

    def signatures(self, round: str, bid: str, lot: str | None = None) -> tuple[bytes, bytes]:
        """The round's signature, and the order's that opens `bid`, or that `lot` of it. Raises CommitteeError
        if there is none."""
        found = self.keys_of(round)
        for each in found.keys:
            if each.bid in (None, bid) and each.lot == lot:
                return bytes.fromhex(found.beacon), bytes.fromhex(each.signature)
        raise CommitteeError("no opening order was given for this bid")


class PartToOpen(msgspec.Struct, frozen=True, kw_only=True):
    """One part of one envelope, or one lot's, with the keys that were published for it."""

    envelope: Envelope
    terms: SubmissionTerms
    opening: Opening
    lot: str | None = None

    @property
    def section(self) -> Section:
        """Its name in the envelope."""
        return section(self.opening.part, self.lot)


class Member(NamedTuple):
    """A committee member: its signing key, and its share of the committee's key."""

    key: SigningKey
    share: Share

    def sign_order(
        self,
        terms: SubmissionTerms,
        section: Section,
        bid: str | None,
        now: datetime,
        entropy: Callable[[int], bytes],
    ) -> OpeningPartial:
        """The member's partial for one order, which it builds itself out of the terms it verified.

        `entropy` gives so many fresh random bytes.
        """
        order = terms.order(section, bid)
        return OpeningPartial(
            signer=self.key.fingerprint,
            tender=order.tender,
            notice=order.notice,
            part=order.part,
            round=order.round,
            bid=order.bid,
            lot=order.lot,
            member=self.share.member,
            signature=self.share.sign(order, entropy(48)).hex(),
            time=moment(now),
        )


def check_partial(
    partial: OpeningPartial, committee: Committee, key: JointKey, terms: SubmissionTerms
) -> Partial:
    """The member's part of the signature on this tender's order. Raises CommitteeError.

    `key` is `verify_committee(committee)`.
    """
    _check_said(partial, committee, terms)
    if partial.section not in terms.sections:
        raise CommitteeError("a partial for a lot without a part of its own, or for all where each has one")
    order = terms.order(partial.section, partial.bid)
    if (partial.round, partial.bid) != (order.round, order.bid):
        raise CommitteeError("a partial for another round or bid")
    return key.verify_partial(partial.member, encode(order), bytes.fromhex(partial.signature))


def check_refusal(refusal: OrderRefusal, committee: Committee, terms: SubmissionTerms) -> None:
    """The refusal is that member's, of a part of this tender. Raises CommitteeError."""
    _check_said(refusal, committee, terms)


def combined(
    part: Part,
    partials: Iterable[OpeningPartial],
    committee: Committee,
    key: JointKey,
    terms: SubmissionTerms,
) -> tuple[OrderKey, ...]:
    """A key for every order on `part` that k members have signed. Raises CommitteeError.

    BLS signatures are unique, so it does not matter whose partials are taken.
    """
    orders: dict[Subject, list[Partial]] = {}
    for partial in partials:
        orders.setdefault(partial.subject, []).append(check_partial(partial, committee, key, terms))
    return tuple(
        _combine(terms.order(section(part, subject.lot), subject.bid), given, key)
        for subject, given in sorted(orders.items(), key=lambda item: [each or "" for each in item[0]])
        if len(given) >= key.threshold
    )


def open_parts(parts: Sequence[PartToOpen]) -> list[bytes | str]:
    """Of each part its content, or the reason code why it does not open."""
    return [_open(each) for each in parts]


def open_restricted(each: PartToOpen, file: bytes) -> bytes:
    """The restricted content of the part, out of its sealed file. Raises Unopenable, CommitteeError where no
    order opens the bid, or MalformedError for an envelope without the part."""
    return restricted_content(each.envelope, each.section, _opener_of(each), file)


def _check_said(said: OpeningPartial | OrderRefusal, committee: Committee, terms: SubmissionTerms) -> None:
    if said.part not in terms.parts or (said.tender, said.notice) != (terms.tender, terms.notice):
        raise CommitteeError("said of another tender or part")
    members = committee.members
    if said.member > len(members) or members[said.member - 1].certificate != said.signer:
        raise CommitteeError("not signed by that member's certificate")


def _combine(order: OpeningOrder, given: Sequence[Partial], key: JointKey) -> OrderKey:
    return OrderKey(bid=order.bid, lot=order.lot, signature=key.combine(given, encode(order)).hex())


def _open(each: PartToOpen) -> bytes | str:
    opener = _opener_of(each)
    try:
        return open_part(each.envelope, each.section, opener)
    except Unopenable as error:
        return error.code


def _opener_of(each: PartToOpen) -> Opener:
    bid = each.envelope.context.bid
    signatures = each.opening.signatures(each.terms.round, bid, each.lot)
    return _opener(each.terms.locks(each.section, bid), signatures)


@lru_cache(maxsize=16)
def _opener(locks: tuple[Lock, ...], signatures: tuple[bytes, ...]) -> Opener:
    """One order opens a whole tender: verifying its key again for each bid would double the work."""
    return Opener(locks, signatures)
