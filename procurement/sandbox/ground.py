"""The practice ground: whoever asks gets the tender that is there, or a new one.

There is no queue and no state but the tenders themselves: which is the current one, the database says to all
processes alike.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from crypto.certificates import SigningKey
from crypto.statements import Statement, sign
from procurement import store
from procurement.awards import Countersignature
from procurement.chronicle import Situation
from procurement.notices import DocumentOffer
from procurement.procedure import Procedure
from procurement.sandbox.offer import GUIDE, Pace, document, notice
from procurement.sandbox.people import Cast, Casts
from procurement.tenders import Notice

SHOWN = timedelta(days=1)
"""For which tenders are listed after their deadline."""
MOST_SHOWN = 25


class Ground:
    """What a process does about practice tenders when it is asked."""

    def __init__(
        self, procedure: Procedure, casts: Casts, pace: Pace, entropy: Callable[[int], bytes]
    ) -> None:
        self.procedure, self.casts, self.pace = procedure, casts, pace
        self._entropy = entropy
        self._offering = asyncio.Lock()

    async def current(self) -> Situation | None:
        """The tender that everybody who practises now shares, if there is one with enough time left."""
        until = self.procedure.now() + timedelta(seconds=self.pace.shared)
        return next((each for each in await self.recent() if each.row.deadline >= until), None)

    async def offer(self) -> tuple[Situation, bool]:
        """The current tender, and whether it has been published for this. Raises what `Procedure.publish`
        raises."""
        if found := await self.current():
            return found, False
        async with self._alone():
            if found := await self.current():
                return found, False
            return await self._published(), True

    async def recent(self) -> list[Situation]:
        """The ground's tenders of the last day, latest deadline first."""
        since = self.procedure.now() - SHOWN
        ocids = await store.list_practice(self.procedure.pool, since, MOST_SHOWN)
        return [situation for situation, _ in await self._own(ocids)]

    async def unfinished(self) -> list[tuple[Situation, Cast]]:
        """Those that somebody has still to do something about, and who; the oldest deadline first."""
        return await self._own(await store.list_unfinished_practice(self.procedure.pool))

    async def _own(self, ocids: list[str]) -> list[tuple[Situation, Cast]]:
        """Whoever else publishes under such an ocid is not the ground."""
        found = [await self.procedure.situation(each) for each in ocids]
        casts = [self.casts.of(each.tender.notice.signer) for each in found]
        return [(each, cast) for each, cast in zip(found, casts, strict=True) if cast]

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Of all processes one publishes; of this one's connections one waits for that at most."""
        async with (
            self._offering,
            self.procedure.pool.acquire() as connection,
            connection.transaction(),
        ):
            await store.lock_practice(connection)
            yield

    async def _published(self) -> Situation:
        """A new tender: its officer hands in the file and the notice, the second officer countersigns."""
        procedure, cast = self.procedure, self.casts.now
        officer, second = cast.officer.key, cast.second.key
        made = notice(cast.named, procedure.trust, self.pace, procedure.now(), self._entropy(3).hex())
        ocid, file = made.tender, document()
        offered = sign(_offer(made, officer), officer)
        await procedure.take_file(ocid, file.sha256, offered, _once(GUIDE), file.size)
        statement = Statement(sign(made, officer))
        await procedure.publish(statement.data)
        about = {"tender": ocid, "notice": statement.id, "time": made.published}
        word = Countersignature(signer=second.fingerprint, statement=statement.id, **about)
        await procedure.countersign(ocid, sign(word, second))
        return await procedure.situation(ocid)


def _offer(made: Notice, officer: SigningKey) -> DocumentOffer:
    file = document()
    return DocumentOffer(
        signer=officer.fingerprint,
        tender=made.tender,
        sha256=file.sha256,
        size=file.size,
        time=made.published,
    )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
