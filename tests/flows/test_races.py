"""Everything that can happen to a tender around its deadline, at the same time: what comes of it is one
history that the verifier admits, and every receipt is kept."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from bids.receipts import Closing
from crypto.certificates import SigningKey
from crypto.encoding import moment, parse_moment
from crypto.statements import Statement
from procurement import history, store
from procurement.awards import Termination
from procurement.editions import Edition, after
from procurement.history import EDITIONS, EventType
from procurement.tenders import OutageRule
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town, wait_until

RULE = OutageRule(window=3600, least=60, short=7200, short_extension=60, long_extension=3600)
RIVALS = 6


class Rush:
    """A tender with an amendment and an end that wait for the second officer, and sealed bids."""

    def __init__(self, tender: PracticeTender, rivals: Sequence[SigningKey], early: float = 0) -> None:
        """`early`: by how many seconds the end, or else the amendment, comes sooner than the rest."""
        self.tender, self.taken = tender, set[str]()
        self._rivals, self._early = rivals, timedelta(seconds=early)

    async def prepare(self, *, ends: bool) -> None:
        tender, officer = self.tender, self.tender.town.officer
        later = moment(tender.notice.closes + timedelta(seconds=2))
        amendment = tender.amendment(stand=secrets.randbelow(2) == 1, deadline=later)
        waiting = [await tender.say("amendments", amendment, officer)]
        if ends:
            word = Termination(**tender.about(officer), outcome="cancelled", reason="No budget.")
            waiting.append(await tender.say("terminations", word, officer))
        second = tender.town.second
        self.words = [tender.countersignature(each, second) for each in waiting]
        self.bids = [tender.seal(each) for each in self._rivals]

    async def run(self) -> None:
        *others, last = self.words
        words = [self.soon("countersignatures", each) for each in others]
        words.append(self.soon("countersignatures", last, self._early))
        await asyncio.gather(*words, *map(self.bid, self.bids))

    async def bid(self, envelope: bytes) -> None:
        if await self.soon("bids", envelope) == 201:
            self.taken.add(Statement(envelope).id)

    async def soon(self, route: str, body: bytes, early: timedelta = timedelta()) -> int:
        """Some time around the deadline, or earlier."""
        some = timedelta(milliseconds=secrets.randbelow(800) - 400)
        await wait_until(self.tender.notice.closes - early + some)
        answer = await self.tender.post(route, body)
        while answer.status_code in (202, 503) and route == "bids":
            await asyncio.sleep(0.1)
            answer = await self.tender.post(route, body)
        assert answer.status_code < 500, answer.text
        return answer.status_code

    async def end(self) -> None:
        """An end for those that have none, so that the closing follows at once."""
        tender = self.tender
        if "tender:terminated" not in await tender.happened():
            await tender.terminate()
        await tender.until("tender:closed")


async def the_service_was_down(town: Town, at: datetime) -> None:
    """For two minutes, as far as the ledger says, which learns of it at that time."""
    await wait_until(at)
    connection = await asyncpg.connect(town.dsn)
    try:
        await connection.execute("DELETE FROM intake_up")
        up = at - timedelta(minutes=3), at - timedelta(minutes=2), at
        await connection.execute("INSERT INTO intake_up VALUES ($1, $2), ($3, $3)", *up)
    finally:
        await connection.close()


async def check(rush: Rush, connection: "asyncpg.Connection[asyncpg.Record]") -> str:
    """One history, of which the row and the closing say the same; returns what happened in it."""
    tender_id = store.id_of(rush.tender.ocid)
    chain = history.read(await store.load_entries(connection, tender_id))
    history.check_order(chain)
    bodies = await store.load_statements(connection, tender_id, [each.statement for each in chain])
    editions = tuple[Edition, ...]()
    for entry in chain:
        if entry.t in EDITIONS:
            editions = after(editions, entry, Statement(bodies[entry.statement]))
    [closed] = [each for each in chain if each.t is EventType.CLOSED]
    closing = Statement(bodies[closed.statement]).read(Closing)
    closing.check()
    row = await store.load_tender(connection, rush.tender.ocid)
    assert (row.terms, row.deadline) == (editions[-1].terms.terms, editions[-1].notice.closes)
    assert closing.terms == tuple(each.terms.terms for each in editions)
    assert {each.statement for each in closing.commitments} == rush.taken
    assert set(closing.superseded) == (set() if editions[0].stands else rush.taken)
    assert all(each.time < editions[0].notice.deadline for each in closing.commitments)
    changed = [each for each in chain if each.t in EDITIONS[1:]]
    assert all(parse_moment(each.time) < row.deadline for each in changed)
    return " ".join(each.t.split(":")[1] for each in chain[2:])


@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
async def test_bids_changes_and_ends_at_the_same_moment_make_one_history(town: Town, down: bool) -> None:
    rivals = [[await town.bidder(f"Rival {i}") for i in range(RIVALS)] for _ in range(6)]
    early = (4 * town.pace, 4 * town.pace, 0, 0, 0, 0)  # one is amended, one ended, however slow all is
    rushes = [
        Rush(await town.publish(a_lot(), lead=9, margin=2, outage=RULE), *each)
        for each in zip(rivals, early, strict=True)
    ]
    for number, rush in enumerate(rushes):
        await rush.prepare(ends=number % 2 == 1)
    about = rushes[len(rushes) // 2].tender.notice.closes
    outage = [the_service_was_down(town, about)] if down else []
    assert datetime.now(UTC) < rushes[0].tender.notice.closes, "the machine is too slow for this test"
    await asyncio.gather(*(each.run() for each in rushes), *outage)
    for rush in rushes:
        await rush.end()
    connection = await asyncpg.connect(town.dsn)
    try:
        found = [await check(each, connection) for each in rushes]
    finally:
        await connection.close()
    assert len(set(found)) > 1, "not everywhere the same came first"
    assert any("extended" in each for each in found) == down
