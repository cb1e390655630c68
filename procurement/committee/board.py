"""The board for committees' ceremonies: it keeps what members sign, and believes nobody.

A word is heard here by the same rules as at every member's machine (`crypto.ceremony`), stored, and logged
with its convening, all in one transaction. The board can withhold words, which everybody notices, and
cannot make any; whoever reads it verifies everything again.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from crypto.ceremony import Ceremony, Convening, Phase, Word, check_seats, entry, read_word
from crypto.certificates import Role
from crypto.encoding import to_base64
from crypto.statements import Statement
from procurement import store
from procurement.clocks import check_clock
from procurement.procedure import Procedure


class CeremonyView(msgspec.Struct, frozen=True, kw_only=True):
    """A ceremony: where it stands, and every statement as it was signed (base64), for who verifies it.

    `awaited` are the numbers of the members whose word comes next; `words` stand in the order of hearing.
    """

    ceremony: str
    phase: Phase
    awaited: list[int]
    convening: str
    words: list[str]


async def convene(procedure: Procedure, data: bytes) -> str:
    """An officer convenes a committee; the ceremony's id. The same convening again changes nothing.

    Raises CommitteeError for members that cannot be a committee, CertificateError for uncertified ones,
    ClockError for another time than now.
    """
    async with procedure.pool.acquire() as connection, connection.transaction():
        now, standings = procedure.now(), procedure.standings
        statement, convening, _ = await standings.genuine(connection, data, Convening, now)
        Ceremony(statement.id, convening)
        check_seats(await standings.certified(connection, convening.members, Role.COMMITTEE, now))
        check_clock(convening.time, now)
        if await store.add_ceremony(connection, statement.id, statement.data, now):
            await procedure.log.append(connection, [entry(statement.id, statement.id)])
    procedure.log.appended.set()
    return statement.id


async def hear(procedure: Procedure, id: str, data: bytes) -> str:
    """A member says a word; its statement's id. The same again changes nothing.

    Raises TenderError for no such ceremony, CommitteeError for what may not be said, or not now.
    """
    kind = type(read_word(Statement(data)))
    async with procedure.pool.acquire() as connection, connection.transaction():
        convening = await store.load_ceremony(connection, id, "FOR UPDATE")
        statement, word, _ = await procedure.standings.genuine(connection, data, kind, procedure.now())
        said = [Statement(each) for each in await store.load_words(connection, id)]
        if statement.id in {each.id for each in said}:
            return statement.id
        await asyncio.to_thread(_next, Statement(convening), said, statement, word)
        place = len(said) + 1
        await store.add_word(connection, id, place, statement.id, statement.data, procedure.now())
        await procedure.log.append(connection, [entry(id, statement.id)])
    procedure.log.appended.set()
    return statement.id


async def view(procedure: Procedure, id: str) -> CeremonyView:
    """A ceremony as far as it has come. Raises TenderError."""
    convening = Statement(await store.load_ceremony(procedure.pool, id))
    said = [Statement(each) for each in await store.load_words(procedure.pool, id)]
    ceremony = await asyncio.to_thread(_heard, convening, said)
    return CeremonyView(
        ceremony=id,
        phase=ceremony.phase,
        awaited=ceremony.awaited(),
        convening=to_base64(convening.data),
        words=[to_base64(each.data) for each in said],
    )


def _heard(convening: Statement, said: Sequence[Statement]) -> Ceremony:
    """Signatures were verified when each came in."""
    ceremony = Ceremony(convening.id, convening.read(Convening))
    for statement in said:
        ceremony.hear(statement.id, read_word(statement))
    return ceremony


def _next(convening: Statement, said: Sequence[Statement], statement: Statement, word: Word) -> None:
    _heard(convening, said).hear(statement.id, word)
