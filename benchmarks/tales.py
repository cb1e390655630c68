"""What the tenders of a made-up year say: their statements, histories, releases and lines in lists.

Statements are signed, opened bids are evaluated by the rule sets, and releases come from the project's own
mapping. What only cryptography could tell is drawn: no envelope is sealed, no order combined. So a tender
costs milliseconds, and what is read of it has the size and shape of a real one's.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Literal

import msgspec

from benchmarks.year import Business, Plan, Year, business
from bids.envelope import Context, Envelope, Part, SealedPart, Section, bid_id
from bids.orders import Opening, OrderKey
from bids.receipts import Closing, Committed
from crypto.certificates import SigningKey
from crypto.encoding import encode, moment, parse_moment, sha256
from crypto.statements import Payload, Statement, sign
from procurement import ocds, store
from procurement.awards import (
    Award,
    Countersignature,
    CriterionScore,
    Evaluated,
    IntendedAward,
    SignedScores,
    Termination,
    first_in_line,
)
from procurement.editions import Amendment
from procurement.enquiries import Answer
from procurement.evaluation import KrPriceFloor
from procurement.finding.listing import Listing, Phase, Supplier, Won, listed, winners
from procurement.history import Entry, EventType
from procurement.scoring import OpenedBid, expected_scores, proposed, score, to_open
from procurement.tenders import Bid, LotOffer, Notice, Proposal, terms_digest
from tests.builders import the_world

STATUS = "5a" * 32
"""Id of the certificate status: nobody looks at certificates here."""
PHASES: dict[EventType, Phase] = {
    EventType.AWARDED: "complete",
    EventType.TERMINATED: "terminated",
    EventType.INTENDED: "standstill",
    EventType.SCORED: "evaluation",
    EventType.OPENED: "evaluation",
}
"""By what has happened, the last first."""


class Tale:
    """One tender's history, told up to `until`."""

    def __init__(self, plan: Plan, year: Year) -> None:
        self.plan, self.notice = plan, plan.notice
        self.people = {each.fingerprint: each for each in map(business, plan.bidders)}
        self._chance = year.chance(-1 - plan.number)
        self.history: list[Entry] = []
        self._statements: dict[str, Statement] = {}
        self._contents: dict[tuple[str, Section], bytes] = {}
        self._opened: list[OpenedBid] = []
        self._sheets: list[SignedScores] = []
        self._asked: list[str] = []
        self.termination: Termination | None = None
        self.won: tuple[Won, ...] = ()
        for at, step in self._steps():
            if at > year.until:
                break
            self._now = at
            step()

    @property
    def facts(self) -> ocds.Facts:
        """What its releases are made of."""
        people = {id: ocds.Person(each.registration, each.name) for id, each in self.people.items()}
        return ocds.Facts(
            history=tuple(self.history),
            statements=self._statements,
            envelopes={each.id: each.envelope for each in self._opened},
            contents=self._contents,
            people=people | _officials(),
        )

    @property
    def line(self) -> Listing:
        """As lists show it."""
        seen = {each.t for each in self.history}
        phase: Phase = next((phase for type_, phase in PHASES.items() if type_ in seen), "bidding")
        id = store.id_of(self.notice.tender)
        return listed(id, self.notice, phase, self.history, self.termination, self.won)

    def _steps(self) -> list[tuple[datetime, Callable[[], None]]]:
        """What happens, and when."""
        plan, notice = self.plan, self.plan.notice
        published = parse_moment(notice.published)
        period = notice.closes - published
        steps = [(published, self._publish)]
        steps += [(published + period * (k + 1) / 20, self._ask) for k in range(plan.asked)]
        steps += [(published + period * (k + 8) / 20, self._answer) for k in range(plan.asked)]
        steps += [(published + period * 0.7, self._amend)] if plan.amended else []
        if plan.ends == "cancelled":
            return [*steps, (plan.over, self._terminate)]
        steps += [(notice.closes + timedelta(seconds=5), self._close)]
        steps += [(plan.opened + k * timedelta(days=5), each) for k, each in enumerate(self._openings())]
        steps += [(plan.scored, self._score)]
        if plan.ends == "unsuccessful":
            return [*steps, (plan.intended, self._terminate)]
        return [*steps, (plan.intended, self._intend), (plan.over, self._award)]

    def _openings(self) -> list[Callable[[], None]]:
        if self.notice.parts == ("bid",):
            return [self._open_bids]
        return [self._open_proposals, self._open_prices]

    # ── until the closing ────────────────────────────────────────────────────────────────────────────────

    def _publish(self) -> None:
        signed = _signed(self.notice)
        self.notice_id = signed.id
        self._hear(EventType.PUBLISHED, signed)
        self.terms = terms_digest([self.notice_id])
        self._countersign(EventType.COUNTERSIGNED, self.notice_id)

    def _ask(self) -> None:
        self._asked.append(self._drawn(32))
        self._happen(EventType.ENQUIRED, self._asked[-1], status=STATUS)

    def _answer(self) -> None:
        question = f"{self.notice.title} 규격서 {len(self._asked)}항의 납품 기한은 언제까지입니까?"
        answer = "계약일부터 30일 이내입니다. 자세한 내용은 규격서 제4조를 참조하십시오."
        said = Answer(**self._about(), enquiry=self._asked.pop(0), question=question, answer=answer)
        self._say(EventType.ANSWERED, said)

    def _amend(self) -> None:
        text = self.notice.description + " (정정: 납품 장소가 추가되었습니다.)"
        after = msgspec.structs.replace(self.notice, description=text)
        said = Amendment(
            **self._about(), previous=self.notice_id, amended=after, bids_stand=True, reason="납품 장소 추가"
        )
        signed = _signed(said)
        self._countersign(EventType.AMENDMENT_COUNTERSIGNED, signed.id)
        self._hear(EventType.AMENDED, signed)
        self.notice, self.terms = after, terms_digest([self.notice_id, signed.id])

    def _terminate(self) -> None:
        cancelled = self.plan.ends == "cancelled"
        reason = "예산이 변경되어 취소합니다." if cancelled else "유효한 입찰이 없습니다."
        said = Termination(**self._about(), outcome=_outcome(self.plan), reason=reason)
        signed = _signed(said)
        self._countersign(EventType.TERMINATION_COUNTERSIGNED, signed.id)
        self._hear(EventType.TERMINATED, signed)
        self.termination = said

    # ── the box and what was in it ───────────────────────────────────────────────────────────────────────

    def _close(self) -> None:
        self._opened = [self._bid(each) for each in self.people.values()]
        commitments = tuple(self._committed(*each) for each in enumerate(self._opened))
        closing = Closing(
            **self._about(the_world().service),
            terms=(self.terms,),
            deadline=self.notice.deadline,
            commitments=commitments,
            chains=tuple((each.id,) for each in self._opened),
        )
        self._say(EventType.CLOSED, closing, the_world().service)

    def _bid(self, bidder: Business) -> OpenedBid:
        """An envelope that was never sealed, with what would come out of it; one in 300 does not open."""
        nonce = self._chance.randbytes(16)
        context = Context(
            tender=self.notice.tender,
            notice=self.notice_id,
            terms=self.terms,
            bid=bid_id(bidder.fingerprint, nonce),
            nonce=nonce.hex(),
            certificate=bidder.fingerprint,
            chain=_chain(self.notice),
            round=self.notice.round,
            committee=self.notice.committee.public_key,
        )
        parts = tuple(_sealed(part) for part in self.notice.parts)
        envelope = Envelope(signer=bidder.fingerprint, context=context, parts=parts)
        return OpenedBid(id=self._drawn(32), registration=bidder.registration, envelope=envelope)

    def _committed(self, index: int, bid: OpenedBid) -> Committed:
        return Committed(
            index=index,
            kind="envelope",
            time=moment(self.notice.closes - timedelta(seconds=len(self.people) - index)),
            salt=self._drawn(32),
            statement=bid.id,
            status=STATUS,
            bidder=bid.registration,
        )

    def _open_bids(self) -> None:
        self._open("bid", [OrderKey(signature=self._drawn(48))])

    def _open_proposals(self) -> None:
        self._open("technical", [OrderKey(signature=self._drawn(48))])
        for evaluator in the_world().panel:
            if wanted := expected_scores(self.notice, proposed(self._opened)):
                self._score_sheet(evaluator, wanted)

    def _open_prices(self) -> None:
        chosen = to_open("price", self.notice, self._opened, self._sheets)
        keys = [OrderKey(bid=each.subject.bid, lot=each.lot, signature=self._drawn(48)) for each in chosen]
        self._open("price", keys)

    def _open(self, part: Part, keys: Sequence[OrderKey]) -> None:
        said = Opening(
            **self._about(the_world().service),
            part=part,
            round=self.notice.round,
            beacon=self._drawn(48),
            keys=tuple(keys),
        )
        if part != "price":
            self._first = said
        self._say(EventType.OPENED, said, the_world().service, part)
        wanted = {each.bid for each in keys}
        self._opened = [
            self._outcome(part, each) if wanted & {None, each.envelope.context.bid} else each
            for each in self._opened
        ]

    def _outcome(self, part: Part, bid: OpenedBid) -> OpenedBid:
        if self._chance.random() < 1 / 300:
            self._happen(EventType.BID_UNOPENABLE, bid.id, part=part, reason="content-malformed")
            return bid
        said = Proposal(proposal="이 분야에서 십 년 일했습니다.") if part == "technical" else self._offer()
        content = self._contents[bid.id, part] = encode(said)
        self._happen(EventType.BID_OPENED, bid.id, part=part, content=sha256(content).hex())
        return msgspec.structs.replace(bid, **{"proposal" if part == "technical" else "bid": said})

    def _offer(self) -> Bid:
        lots = [each for each in self.notice.lots if self._chance.random() < 0.8] or self.notice.lots[:1]
        return Bid(offers=tuple(LotOffer(lot=each.id, **self._price(each.rules)) for each in lots))

    def _price(self, rules: Any) -> dict[str, Any]:
        """Under a price floor all are near it, elsewhere they differ."""
        if isinstance(rules, KrPriceFloor):
            picks = tuple(self._chance.sample(range(1, 16), 2))
            return {"amount": str(int(int(rules.base) * self._chance.gauss(0.883, 0.006))), "picks": picks}
        single = getattr(rules, "rules", rules)
        most = int(getattr(single, "ceiling", None) or single.budget)
        return {"amount": str(max(1, int(most * min(1.03, self._chance.gauss(0.88, 0.07)))))}

    # ── what came of it ──────────────────────────────────────────────────────────────────────────────────

    def _score_sheet(self, evaluator: SigningKey, wanted: Sequence[tuple[str, str, str]]) -> None:
        most = {each.id: int(each.points) for each in self.notice.lots[0].rules.criteria}  # type: ignore[union-attr]
        scores = tuple(
            CriterionScore(
                bid=bid,
                lot=lot,
                criterion=criterion,
                score=str(self._chance.randint(most[criterion] // 2, most[criterion])),
            )
            for bid, lot, criterion in wanted
        )
        said = SignedScores(**self._about(evaluator), scores=scores, salt=self._drawn(32))
        self._sheets.append(said)
        self._say(EventType.SHEET_SIGNED, said, evaluator)

    def _score(self) -> None:
        lots = score(self.notice, self.notice_id, self._first, self._opened, self._sheets, {})
        self._evaluated = Evaluated(**self._about(the_world().service), lots=lots)
        self._evaluation = self._say(EventType.SCORED, self._evaluated, the_world().service)

    def _intend(self) -> None:
        self._awards = first_in_line(self._evaluated)
        said = IntendedAward(**self._about(), evaluation=self._evaluation, awards=self._awards)
        self._intention = self._say(EventType.INTENDED, said)
        self._win()

    def _award(self) -> None:
        said = Award(**self._about(), intention=self._intention, awards=self._awards)
        signed = _signed(said)
        self._countersign(EventType.AWARD_COUNTERSIGNED, signed.id)
        self._hear(EventType.AWARDED, signed)
        self._win()

    def _win(self) -> None:
        by_id = {each.id: self.people[each.envelope.signer] for each in self._opened}
        behind = {
            id: [Supplier(registration=each.registration, name=each.name)] for id, each in by_id.items()
        }
        self.won = winners(self._awards, self._evaluated, behind, self.history[-1])

    # ── how it is said ───────────────────────────────────────────────────────────────────────────────────

    def _countersign(self, type_: EventType, statement: str) -> None:
        second = the_world().second
        self._say(type_, Countersignature(**self._about(second), statement=statement), second)

    def _say(
        self, type_: EventType, payload: Payload, key: SigningKey | None = None, part: Part | None = None
    ) -> str:
        signed = _signed(payload, key)
        self._hear(type_, signed, part)
        return signed.id

    def _hear(self, type_: EventType, signed: Statement, part: Part | None = None) -> None:
        self._statements[signed.id] = signed
        self._happen(type_, signed.id, part=part, status=STATUS)

    def _happen(self, type_: EventType, statement: str, **more: Any) -> None:
        entry = Entry(
            t=type_,
            time=moment(self._now),
            statement=statement,
            tender=self.notice.tender,
            notice=self.notice_id,
            seq=len(self.history),
            prev=STATUS,
            **more,
        )
        self.history.append(entry)

    def _about(self, key: SigningKey | None = None) -> dict[str, Any]:
        return {
            "signer": (key or the_world().officer).fingerprint,
            "tender": self.notice.tender,
            "notice": self.notice_id,
            "time": moment(self._now),
        }

    def _drawn(self, size: int) -> str:
        return self._chance.randbytes(size).hex()


def _signed(payload: Payload, key: SigningKey | None = None) -> Statement:
    return Statement(sign(payload, key or the_world().officer))


def line_of(plan: Plan, year: Year) -> Listing:
    """The line of a tender of which nothing else is told: the first who bids wins everything."""
    notice, ended = plan.notice, plan.over <= year.until
    said = {"tender": notice.tender, "notice": STATUS, "time": moment(plan.over)}
    awarded = plan.ends == "awarded"
    type_ = EventType.AWARDED if awarded else EventType.TERMINATED
    entry = Entry(**said, t=type_, statement=STATUS, status=STATUS, seq=0, prev=STATUS)
    termination = (
        Termination(**said, signer=STATUS, outcome=_outcome(plan), reason="-") if not awarded else None
    )
    return listed(
        store.id_of(notice.tender),
        notice,
        _phase(plan, year.until),
        [entry] if ended else [],
        termination if ended else None,
        _first_wins(plan) if ended and awarded else (),
    )


def _outcome(plan: Plan) -> Literal["cancelled", "unsuccessful"]:
    return "cancelled" if plan.ends == "cancelled" else "unsuccessful"


def _phase(plan: Plan, now: datetime) -> Phase:
    if plan.over <= now:
        return "complete" if plan.ends == "awarded" else "terminated"
    if plan.intended <= now and plan.ends == "awarded":
        return "standstill"
    return "evaluation" if plan.opened <= now else "bidding"


def _first_wins(plan: Plan) -> tuple[Won, ...]:
    who, lots = business(plan.bidders[0]), plan.notice.lots
    amount = (ocds.whole_value(plan.notice) or Decimal(1)) / len(lots)
    return tuple(
        Won(
            lot=lot.id,
            place=1,
            supplier=who.registration,
            name=who.name,
            leads=True,
            amount=amount,
            made=True,
            at=plan.over,
        )
        for lot in lots
    )


@cache
def _officials() -> dict[str, ocds.Person]:
    world = the_world()
    keys = [world.officer, world.second, world.service, *world.panel, *(each.key for each in world.members)]
    held = [each.certificate for each in keys]
    return {each.fingerprint: ocds.Person(each.registration, each.name) for each in held}


@cache
def _sealed(part: Part) -> SealedPart:
    return SealedPart(part=part, u="00" * 96, v="00" * 32, w="00" * 32, ciphertext="AAAA")


def _chain(notice: Notice) -> str:
    return _chain_hash(notice.network)


@cache
def _chain_hash(network: Any) -> str:
    return str(network.chain_hash)
