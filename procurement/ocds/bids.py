"""Bids as they come to light: part by part, lot by lot.

A bid is one envelope's offer for one lot, `<envelope id>/<lot>`, because value and status differ by lot.
Where nobody can know for which lots an envelope is, it is no bid until its prices tell; one that never tells
is a bid of its own, by the envelope's id.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bids.envelope import Section, section
from bids.orders import Opening, RoundKeys
from bids.receipts import Closing
from procurement.history import Entry, EventType
from procurement.ocds.facts import Facts, Person
from procurement.ocds.merging import Json
from procurement.ocds.notice import present, value
from procurement.owners import Ownership
from procurement.scoring import lots_of, read_opened
from procurement.tenders import Bid, Document, LotOffer, Notice, Proposal

Outcomes = Mapping[tuple[str, Section], Entry]
"""What became of an envelope's section, by the envelope's id."""


class Bids:
    """The counted envelopes of a closed tender, and what was said of them. What the methods give is what is
    new, as `bids.details` of a release."""

    def __init__(self, facts: Facts, notice: Notice, closing: Closing) -> None:
        self._facts = facts
        self._notice = notice
        self.counted = closing.counted()
        self.withdrawn = closing.withdrawn()
        self.envelopes = {each.context.bid: id for id, each in facts.envelopes.items()}
        """Their ids by the bid's id in opening orders."""
        self._accepted = {each.statement: each.time for each in closing.commitments}
        self._received = {(each.envelope, each.number) for each in closing.documents}
        self._statuses: dict[str, str] = {}
        self._shut: set[str] = set()
        self.offers: dict[str, LotOffer] = {}
        """By bid."""

    @property
    def said(self) -> int:
        """How many bids there are so far."""
        return len(self._statuses)

    @property
    def lots_known(self) -> bool:
        """Whether the lots of every bid can be told without its prices."""
        return len(self._notice.lots) == 1 or bool(self._notice.priced_apart) or not self.counted

    @property
    def proposed(self) -> bool:
        """Whether any technical part has opened."""
        return len(self._shut) < len(self.counted)

    @property
    def people(self) -> list[Person]:
        """Everybody who bids or has taken a bid back."""
        return [each for id in (*self.counted, *self.withdrawn) for each in self.bidders(id)]

    def bidders(self, id: str) -> list[Person]:
        """Whose bid the envelope is, the signer first, or whose the withdrawal."""
        envelope = self._facts.envelopes.get(id)
        holders = (envelope.signer, *envelope.consortium) if envelope else (self._facts.withdrawers[id],)
        return [self._facts.people[each] for each in holders]

    def owners(self, outcomes: Outcomes) -> dict[str, Ownership]:
        """By registration number what the opened first parts say of who owns whom. No business is in two bids
        of a tender."""
        part, found = self._notice.parts[0], dict[str, Ownership]()
        for id in self.counted:
            envelope, content = self._facts.envelopes[id], self._content(outcomes.get((id, part)))
            for each in content.owners if content else ():
                found[self._facts.people[each.partner or envelope.signer].registration] = each
        return found

    def expected(self, opening: Opening) -> set[tuple[str, Section]]:
        """The envelopes and sections whose outcome the opening of a part calls for: of prices those that have
        a key."""
        if opening.part != "price":
            return {(id, opening.part) for id in self.counted}
        keys = [key for each in (RoundKeys.of(opening), *opening.earlier) for key in each.keys]
        return {(self.envelopes[key.bid or ""], section("price", key.lot)) for key in keys}

    def withdrawals(self) -> list[Json]:
        """What was offered, and for which lots, nobody knows."""
        return [self._say(id, id, "withdrawn") for id in self.withdrawn]

    def opened(self, part: str, outcomes: Outcomes) -> list[Json]:
        """Everything that the opening of a part says, once all of it is opened."""
        tell = self._proposed if part == "technical" else self._priced
        return _news(each for id in self.counted for each in tell(id, outcomes))

    def evaluated(self, statuses: Iterable[tuple[str, str]]) -> list[Json]:
        """Bids with the status that each has now."""
        return _news(self._say(bid, bid.partition("/")[0], status) for bid, status in statuses)

    def _proposed(self, id: str, outcomes: Outcomes) -> Iterator[Json]:
        content = self._content(outcomes.get((id, "technical")))
        if content is None:
            self._shut.add(id)
            yield from self._disqualified(id)
            return
        documents = self._documents(id, content.documents)
        for lot in self._lots(id):
            yield self._say(f"{id}/{lot}", id, "pending", relatedLots=[lot], documents=documents)

    def _priced(self, id: str, outcomes: Outcomes) -> Iterator[Json]:
        if id in self._shut:
            return
        part, apart = self._notice.parts[-1], self._notice.priced_apart
        found = [self._content(outcomes.get((id, section(part, lot)))) for lot in apart or (None,)]
        offered = {
            offer.lot: (offer, each.documents)
            for each in found
            if isinstance(each, Bid)
            for offer in each.offers
        }
        for lot in self._lots(id) or offered:
            if lot in offered:
                yield self._offer(id, *offered[lot])
            else:
                yield self._say(f"{id}/{lot}", id, "disqualified", relatedLots=[lot])
        if not (self._lots(id) or offered):
            yield self._say(id, id, "disqualified")

    def _offer(self, id: str, offer: LotOffer, documents: Sequence[Document]) -> Json:
        bid, amount = f"{id}/{offer.lot}", value(offer.amount, self._notice.currency)
        self.offers[bid] = offer
        files = self._documents(id, documents)
        return self._say(bid, id, "pending", value=amount, relatedLots=[offer.lot], documents=files)

    def _disqualified(self, id: str) -> Iterator[Json]:
        lots = self._lots(id)
        for lot in lots:
            yield self._say(f"{id}/{lot}", id, "disqualified", relatedLots=[lot])
        if not lots:
            yield self._say(id, id, "disqualified")

    def _say(self, bid: str, id: str, status: str, **more: object) -> Json:
        """The bid, whole where it is new; else what may have changed."""
        said, self._statuses[bid] = self._statuses.get(bid), status
        new: Json = {} if said == status else {"status": status}
        if said is None:
            new |= {"date": self._accepted[id], "tenderers": [reference(each) for each in self.bidders(id)]}
        else:
            more.pop("relatedLots", None)
        return {"id": bid, **new, **present(**more)}

    def _lots(self, id: str) -> tuple[str, ...]:
        """The lots that an envelope is for, where that can be told without its prices."""
        if len(self._notice.lots) == 1:
            return (self._notice.lots[0].id,)
        return lots_of(self._facts.envelopes[id])

    def _content(self, entry: Entry | None) -> Proposal | Bid | None:
        if entry is None or entry.t is EventType.BID_UNOPENABLE:
            return None
        return read_opened(entry.section, self._facts.contents[entry.statement, entry.section])

    def _documents(self, id: str, documents: Iterable[Document]) -> list[Json]:
        """Those that came in time."""
        return [
            {"id": f"{id}/{each.number}", "title": each.title, "format": each.format}
            for each in sorted(documents, key=lambda each: each.number)
            if (id, each.number) in self._received
        ]


def _news(bids: Iterable[Json]) -> list[Json]:
    """Those of which there is more to say than their ids."""
    return [each for each in bids if len(each) > 1]


def owned(ownership: Ownership) -> Json:
    """What a party says of its owners. Persons are numbered: nothing else of them is told."""
    persons = [
        {"id": str(number), "name": each.name, "nationalities": list(each.nationalities)}
        for number, each in enumerate(ownership.persons, start=1)
    ]
    listed = {"listedOnRegulatedMarket": True} if ownership.unnamed == "listed" else {}
    return present(beneficialOwners=persons, details=listed)


def reference(person: Person) -> Json:
    """An organisation, where it is referred to."""
    return {"id": person.registration, "name": person.name}
