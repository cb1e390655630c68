"""A tender's history told in releases: each entry that makes something public is one, and says what is new.

`tell` goes through the history once. What an entry says follows from that entry and those before it, so a
release stays as it is however the tender goes on; and each says only what is new, so that a tender of many
bids costs no more than it has to say.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import msgspec

from bids.envelope import Section
from bids.orders import Opening, OrderRefusal
from bids.receipts import Closing
from crypto.encoding import moment, parse_moment
from crypto.statements import Payload
from procurement.awards import (
    Award,
    ConflictDeclaration,
    Evaluated,
    IntendedAward,
    LateClosing,
    LotAward,
    RevealedPrices,
    SignedScores,
    Termination,
)
from procurement.draws import lot_draws, panel_draw
from procurement.editions import Amendment, Edition, Extension, after
from procurement.enquiries import Answer
from procurement.errors import TenderError
from procurement.history import Entry, EventType
from procurement.ocds import evaluation, sealing
from procurement.ocds.bids import Bids, owned, reference
from procurement.ocds.facts import Facts, Person
from procurement.ocds.merging import Json, changes, merge
from procurement.ocds.notice import announced, present, roles, value
from procurement.owners import Ownership
from procurement.panels import PanelDraw
from procurement.selection import ExaminationRequest, ExaminationResult, NegotiationResult, SupplementRequest
from procurement.tenders import Notice, appointed

P = TypeVar("P", bound=Payload)

_JSON = msgspec.json.Encoder(decimal_format="number")
_READ = msgspec.json.Decoder(Json, float_hook=Decimal)

TAGS = {
    EventType.COUNTERSIGNED: "tender",
    EventType.AMENDED: "tenderAmendment",
    EventType.EXTENDED: "tenderAmendment",
    EventType.TERMINATED: "tenderCancellation",
    EventType.INTENDED: "award",
    EventType.AWARDED: "awardUpdate",
}
"""OCDS releaseTag of what an entry tells; of all others tenderUpdate."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """An OCDS release: the history's entry that it tells of, and when that was."""

    seq: int
    date: str
    body: bytes
    """JSON."""


def tell(facts: Facts) -> list[Release]:
    """Every release of the tender so far, oldest first."""
    teller = _Teller(facts)
    told = ((entry, teller.hear(entry)) for entry in facts.history)
    return [_release(entry, said, teller.notice) for entry, said in told if said]


def compiled(releases: Sequence[Release]) -> bytes:
    """What they merge to, as a release (JSON). Raises IndexError where there is none."""
    merged = merge(_READ.decode(each.body) for each in releases)
    return _JSON.encode({**merged, "id": f"{merged['ocid']}-{merged['date']}", "tag": ["compiled"]})


def _id(entry: Entry) -> str:
    return f"{entry.tender}-{entry.seq}"


def _release(entry: Entry, said: Json, notice: Notice) -> Release:
    tender = {"tender": {"id": notice.number, **said["tender"]}} if "tender" in said else {}
    sealed = {"sealing": {**said.get("sealing", {}), "log": [sealing.logged(entry)]}}
    head = {
        "ocid": entry.tender,
        "id": _id(entry),
        "date": entry.time,
        "tag": [TAGS.get(entry.t, "tenderUpdate")],
        "initiationType": "tender",
        "language": notice.language,
    }
    return Release(seq=entry.seq, date=entry.time, body=_JSON.encode({**head, **said, **tender, **sealed}))


class _Teller:
    """Hears a history entry by entry, and knows what was said before."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._editions: tuple[Edition, ...] = ()
        self._stated: Entry
        self._bids: Bids
        self._opening: Opening
        self._roles: dict[str, list[str]] = {}
        self._asked = False
        self._awaited: set[tuple[str, Section]] = set()
        self._outcomes: dict[tuple[str, Section], Entry] = {}
        self._sheets: dict[str, SignedScores] = {}
        self._declared: dict[str, bool] = {}
        self._drawn: tuple[str, ...] = ()
        self._given = False
        self._counted: dict[str, int] = {}
        self._candidates: dict[str, ExaminationRequest] = {}
        self._awards: dict[str, LotAward] = {}
        self._hears: dict[EventType, Callable[[Entry], Json]] = {
            EventType.PUBLISHED: self._published,
            EventType.COUNTERSIGNED: self._countersigned,
            EventType.ENQUIRED: self._enquired,
            EventType.ANSWERED: self._answered,
            EventType.AMENDED: self._amended,
            EventType.EXTENDED: self._amended,
            EventType.TERMINATED: self._terminated,
            EventType.CLOSED: self._closed,
            EventType.LATE: self._late,
            EventType.REFUSED: self._refused,
            EventType.PANEL_DRAWN: self._panel_drawn,
            EventType.OPENED: self._opened,
            EventType.BID_OPENED: self._came_out,
            EventType.BID_UNOPENABLE: self._came_out,
            EventType.CONFLICT_DECLARED: self._conflict_declared,
            EventType.PRICES_REVEALED: self._prices_revealed,
            EventType.SHEET_SIGNED: self._sheet_signed,
            EventType.SCORED: self._evaluated,
            EventType.EXAMINATION_REQUESTED: self._examination,
            EventType.SUPPLEMENT_REQUESTED: self._supplement,
            EventType.EXAMINED: self._examined,
            EventType.NEGOTIATED: self._negotiated,
            EventType.INTENDED: self._intended,
            EventType.AWARDED: self._awarded,
        }

    @property
    def notice(self) -> Notice:
        """As it reads by now."""
        return self._editions[-1].notice

    @property
    def _notice_id(self) -> str:
        return self._editions[0].statement

    def hear(self, entry: Entry) -> Json:
        """What the entry makes public; nothing where that is nothing that OCDS has words for."""
        hears = self._hears.get(entry.t)
        return hears(entry) if hears else {}

    def _read(self, entry: Entry, type_: type[P]) -> P:
        return self._facts.statements[entry.statement].read(type_)

    # ── until the closing ────────────────────────────────────────────────────────────────────────────

    def _published(self, entry: Entry) -> Json:
        """Nothing yet: what one officer has signed counts once another has countersigned it."""
        self._editions = after((), entry, self._facts.statements[entry.statement])
        self._roles = roles(self.notice)
        return {}

    def _countersigned(self, entry: Entry) -> Json:
        self._stated = entry
        return self._announced()

    def _announced(self) -> Json:
        """All that the terms say as they are now."""
        return {
            **announced(self._editions),
            "sealing": sealing.locks(self.notice, self._notice_id, self._facts.people),
            "evaluation": evaluation.rules(self.notice, self._facts.people),
        }

    def _enquired(self, entry: Entry) -> Json:
        """That somebody asked; who and what is nobody's to know."""
        first, self._asked = not self._asked, True
        asked = [{"id": entry.statement, "date": entry.time}]
        return {"tender": present(hasEnquiries=first or None, enquiries=asked)}

    def _answered(self, entry: Entry) -> Json:
        said = self._read(entry, Answer)
        answered = {"description": said.question, "answer": said.answer, "dateAnswered": entry.time}
        return {"tender": {"enquiries": [{"id": said.enquiry, **answered}]}}

    def _amended(self, entry: Entry) -> Json:
        before, amends = self._announced(), entry.t is EventType.AMENDED
        self._editions = after(self._editions, entry, self._facts.statements[entry.statement])
        said = self._read(entry, Amendment) if amends else self._read(entry, Extension)
        changed = changes(before, self._announced())
        tender = changed.get("tender", {}) | self._amendment(entry, _rationale(said))
        self._stated = entry
        return {**changed, "tender": tender}

    def _amendment(self, entry: Entry, rationale: str) -> Json:
        """The release of `entry` against the latest one that stated the terms, for the tender section."""
        between = {"releaseID": _id(entry), "amendsReleaseID": _id(self._stated)}
        said = {"id": entry.statement, "date": entry.time, "rationale": rationale, **between}
        return {"amendments": [said]}

    def _terminated(self, entry: Entry) -> Json:
        said = self._read(entry, Termination)
        tender = {
            "status": said.outcome,
            "lots": [{"id": lot.id, "status": said.outcome} for lot in self.notice.lots],
            **self._amendment(entry, said.reason),
            **self._standstill(status="notMet", dateModified=entry.time),
        }
        return {
            "tender": tender,
            **present(awards=[{"id": id, "status": "cancelled"} for id in self._awards]),
        }

    # ── the box and what was in it ───────────────────────────────────────────────────────────────────

    def _closed(self, entry: Entry) -> Json:
        said = self._read(entry, Closing)
        self._bids = Bids(self._facts, self.notice, said)
        return {"sealing": sealing.closed(entry, said)}

    def _late(self, entry: Entry) -> Json:
        return {"sealing": sealing.late(entry, self._read(entry, LateClosing))}

    def _refused(self, entry: Entry) -> Json:
        return {"sealing": sealing.refused(entry, self._read(entry, OrderRefusal))}

    def _opened(self, entry: Entry) -> Json:
        """The keys; what is drawn from those of the first part; the bids, where there is nothing to open."""
        said = self._read(entry, Opening)
        opened = sealing.opened(entry, said, self._bids.envelopes)
        self._outcomes, self._awaited = {}, self._bids.expected(said)
        found = {} if self._awaited else self._all_out(entry)
        if entry.part == self.notice.parts[0]:
            self._opening = said
            draws = lot_draws(self.notice, self._notice_id, said, None)
            found |= present(evaluation=evaluation.drawn(draws))
        return {**found, "sealing": {**opened, **found.get("sealing", {})}}

    def _came_out(self, entry: Entry) -> Json:
        subject = entry.statement, entry.section
        self._outcomes[subject] = entry
        self._awaited.discard(subject)
        return {} if self._awaited else self._all_out(entry)

    def _all_out(self, entry: Entry) -> Json:
        """The bids of a part appear together, once everything of it has its outcome."""
        first, last = entry.part == self.notice.parts[0], entry.part == self.notice.parts[-1]
        details = self._bids.opened(entry.part or "", self._outcomes)
        details += self._bids.withdrawals() if first else []
        return {
            **(self._tenderers(self._bids.owners(self._outcomes)) if first else {}),
            **present(bids=present(statistics=self._statistics(last), details=details)),
            **present(sealing=sealing.outcomes([*self._outcomes.values()])),
        }

    def _tenderers(self, owners: Mapping[str, Ownership]) -> Json:
        """Who bids, and by registration number who owns them: nobody knows before."""
        people = {each.registration: each for each in self._bids.people}
        found = [reference(each) for each in people.values()]
        tender = present(numberOfTenderers=len(found), tenderers=found)
        parties = self._as(people.values(), "tenderer")
        for each in parties:
            each |= owned(owners[each["id"]]) if each["id"] in owners else {}
        return {**present(parties=parties), "tender": tender}

    def _statistics(self, last: bool) -> list[Json]:
        """Businesses and consortia; and, once everybody's lots are known, bids."""
        counts = {"bidders": len(self._bids.counted) + len(self._bids.withdrawn)}
        counts |= {"bids": self._bids.said} if last or self._bids.lots_known else {}
        new = {name: count for name, count in counts.items() if name not in self._counted}
        self._counted |= new
        return [{"id": name, "measure": name, "value": count} for name, count in new.items()]

    def _as(self, people: Iterable[Person], role: str) -> list[Json]:
        """These as parties, whole where they are new."""
        return [{**each, "roles": self._roles[each["id"]]} for each in self._newly(people, role)]

    def _newly(self, people: Iterable[Person], role: str) -> Iterator[Json]:
        for each in people:
            known = self._roles.get(each.registration)
            if known is None or role not in known:
                self._roles[each.registration] = [*(known or []), role]
                yield reference(each) if known is None else {"id": each.registration}

    # ── what came of it ──────────────────────────────────────────────────────────────────────────────

    def _panel_drawn(self, entry: Entry) -> Json:
        said = self._read(entry, PanelDraw)
        self._drawn = said.order(self._number)
        holders = {each.certificate: self._number(each.certificate) for each in said.tickets}
        draw = panel_draw(self.notice, self._notice_id, said, holders, set(), {})
        return {"evaluation": evaluation.drawn([draw])}

    def _conflict_declared(self, entry: Entry) -> Json:
        said = self._read(entry, ConflictDeclaration)
        person = self._facts.people[said.signer]
        self._declared[person.registration] = said.conflict
        return {"evaluation": {**evaluation.declared(entry, said, person), **self._given_out()}}

    def _prices_revealed(self, entry: Entry) -> Json:
        return {"evaluation": evaluation.revealed(entry, self._read(entry, RevealedPrices))}

    def _sheet_signed(self, entry: Entry) -> Json:
        said = self._read(entry, SignedScores)
        self._sheets[entry.statement] = said
        shown = evaluation.signed(entry, said)
        return {"evaluation": merge([shown, self._given_out()])}

    def _given_out(self) -> Json:
        """The sheets' scores, all together, once everybody on the panel has scored."""
        officials = appointed(self.notice, "", self._number)
        officials = msgspec.structs.replace(officials, drawn=self._drawn)
        scored_by = [self._number(each.signer) for each in self._sheets.values()]
        try:
            officials.check_scored(self._declared, scored_by, to_score=self._bids.proposed)
        except TenderError:
            return {}
        given, self._given = self._given, True
        return {} if given else evaluation.scored(self._sheets)

    def _number(self, certificate: str) -> str:
        return self._facts.people[certificate].registration

    def _evaluated(self, entry: Entry) -> Json:
        said = self._read(entry, Evaluated)
        draws = lot_draws(self.notice, self._notice_id, self._opening, said)
        statuses = [
            (f"{ranked.bid}/{each.lot}", "disqualified" if ranked.rank is None else "valid")
            for each in said.lots
            for ranked in each.evaluation.ranking
        ]
        ties = evaluation.drawn(each for each in draws if each.purpose == "tie-break")
        return {
            **present(bids=present(details=self._bids.evaluated(statuses))),
            "evaluation": {**evaluation.evaluated(entry, said.lots, self.notice), **ties},
        }

    def _examination(self, entry: Entry) -> Json:
        said = self._read(entry, ExaminationRequest)
        self._candidates[entry.statement] = said
        return self._milestone(
            said,
            title="Qualification examination",
            type="assessment",
            code="qualification",
            description=self._bidder(said.bid),
            dueDate=said.due,
            status="scheduled",
            relatedLots=[said.lot],
        )

    def _supplement(self, entry: Entry) -> Json:
        said = self._read(entry, SupplementRequest)
        return self._milestone(self._candidates[said.request], dueDate=said.due)

    def _examined(self, entry: Entry) -> Json:
        said = self._read(entry, ExaminationResult)
        return self._concluded(entry, self._candidates[said.request], said)

    def _negotiated(self, entry: Entry) -> Json:
        said = self._read(entry, NegotiationResult)
        what = {"title": "Negotiation", "code": "negotiation", "relatedLots": [said.lot]}
        return self._concluded(entry, said, said, **what)

    def _concluded(
        self,
        entry: Entry,
        about: ExaminationRequest | NegotiationResult,
        result: ExaminationResult | NegotiationResult,
        **more: object,
    ) -> Json:
        """What came of a candidate: who fails is disqualified from here on."""
        passed = result.outcome in ("passed", "agreed")
        said = self._milestone(
            about,
            **more,
            description=f"{self._bidder(about.bid)}: {result.outcome}",
            dateMet=entry.time if passed else None,
            dateModified=entry.time,
            status="met" if passed else "notMet",
        )
        failed = [] if passed else [(f"{about.bid}/{about.lot}", "disqualified")]
        return {
            **said,
            **present(bids=present(details=self._bids.evaluated(failed))),
            "evaluation": evaluation.concluded(entry, about.lot, about.bid, result, self.notice),
        }

    def _milestone(self, about: ExaminationRequest | NegotiationResult, **said: object) -> Json:
        return {"tender": {"milestones": [{"id": f"{about.lot}/{about.bid}", **present(**said)}]}}

    def _bidder(self, envelope: str) -> str:
        return self._bids.bidders(envelope)[0].name

    def _intended(self, entry: Entry) -> Json:
        said = self._read(entry, IntendedAward)
        self._awards = _named(said.awards)
        winners = [each for award in said.awards if award.bid for each in self._bids.bidders(award.bid)]
        ends = parse_moment(entry.time) + timedelta(seconds=self.notice.standstill)
        milestone = self._standstill(
            title="Standstill", type="approval", code="standstill", dueDate=moment(ends), status="scheduled"
        )
        return {
            **present(parties=self._as(winners, "supplier"), tender=milestone),
            "awards": [self._award(id, each) for id, each in self._awards.items()],
        }

    def _award(self, id: str, award: LotAward) -> Json:
        said = {"id": id, "status": "pending", "relatedLots": [award.lot]}
        if award.bid is None:
            return said
        bid = f"{award.bid}/{award.lot}"
        return said | {
            "value": value(self._bids.offers[bid].amount, self.notice.currency),
            "suppliers": [reference(each) for each in self._bids.bidders(award.bid)],
            "relatedBid": bid,
        }

    def _awarded(self, entry: Entry) -> Json:
        """Each lot is complete or not, the tender if any lot is."""
        won = {each.lot: bool(each.bid) for each in self._read(entry, Award).awards}
        status = {True: "complete", False: "unsuccessful"}
        tender = {
            "status": status[any(won.values())],
            "lots": [{"id": lot, "status": status[each]} for lot, each in won.items()],
            **self._standstill(status="met", dateMet=entry.time, dateModified=entry.time),
        }
        made = [
            {"id": id, "date": entry.time, "status": "active" if each.bid else "unsuccessful"}
            for id, each in self._awards.items()
        ]
        return {"tender": tender, "awards": made, "sealing": sealing.awarded(entry.tender)}

    def _standstill(self, **said: object) -> Json:
        """The milestone of the time between the intended award and the award, if there is any."""
        if not (self._awards and self.notice.standstill):
            return {}
        return {"milestones": [{"id": "standstill", **present(**said)}]}


def _named(awards: Iterable[LotAward]) -> dict[str, LotAward]:
    """Each by the lot's id, and its place behind it where a lot is awarded several times."""
    of_lot: dict[str, list[LotAward]] = {}
    for each in awards:
        of_lot.setdefault(each.lot, []).append(each)
    return {
        lot if len(several) == 1 else f"{lot}/{place}": each
        for lot, several in of_lot.items()
        for place, each in enumerate(several, start=1)
    }


def _rationale(said: Amendment | Extension) -> str:
    if isinstance(said, Amendment):
        return said.reason
    pauses = ", ".join(f"{gap.start} to {gap.end}" for gap in said.gaps)
    return f"bids could not be taken from {pauses}"
