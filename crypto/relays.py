"""A drand network read through several HTTP relays at once, and a local beacon read the same way.

No relay is believed: what one answers counts if the pinned network signed it. So a relay can only be slow
or silent, and the fastest honest one is enough. All of them silent delays openings and loses nothing: the
round that was due is signed for good, and can be fetched at any later time.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

import httpx

from crypto.beacon import ANSWER_LIMIT, QUICKNET, Beacon, LocalBeacon, Network, parse_info, parse_round
from crypto.errors import BeaconError, VerificationError

TIMEOUT = 5.0  # seconds that a relay has for its whole answer
PAUSE = 2.0  # seconds in which a round that no relay gave is not asked for again
WATCH = 15.0  # seconds between looks whether the newest round is to be had

_KEPT = 4096  # rounds
_FORGOTTEN = 60.0  # seconds after which a round that nobody asks for any more says nothing about the network
_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")


class BeaconUnavailable(BeaconError):
    """No relay gave what was asked for. `failures` says by relay why; asking again later is right."""

    code = "beacon-unavailable"

    def __init__(self, what: str, failures: dict[str, str]) -> None:
        said = "; ".join(f"{relay}: {reason}" for relay, reason in failures.items())
        super().__init__(f"no relay gave {what}: {said}")
        self.failures = failures


class Rounds(Protocol):
    """Where the rounds of one network come from."""

    @property
    def network(self) -> Network: ...

    @property
    def silent_since(self) -> datetime | None:
        """Since when a round that is due is not to be had; None while all is well."""
        ...

    async def round(self, number: int) -> Beacon:
        """The round, verified. Raises BeaconError before its time, BeaconUnavailable in an outage."""
        ...

    async def newest(self) -> Beacon | None:
        """The newest round that is to be had, whatever time it is here; None where it could only say what
        time it is here. Raises BeaconUnavailable in an outage."""
        ...


class LocalRounds:
    """The rounds of a beacon of one's own, which is never silent."""

    silent_since: datetime | None = None

    def __init__(self, beacon: LocalBeacon, now: Callable[[], datetime]) -> None:
        self.network = beacon.network
        self._beacon = beacon
        self._now = now

    async def round(self, number: int) -> Beacon:
        return self._beacon.sign(number, self._now())

    async def newest(self) -> None:
        return None


class _Failure(NamedTuple):
    since: datetime
    tried: float  # by the loop's clock
    error: BeaconUnavailable


class Relays:
    """The rounds of a network behind `relays`, HTTP addresses below which drand's API begins.

    `now` is the clock, aware UTC. Rounds once seen are kept, and outlive an outage.
    """

    def __init__(
        self,
        network: Network,
        relays: Sequence[str],
        client: httpx.AsyncClient,
        now: Callable[[], datetime],
    ) -> None:
        self.network = network
        self._relays = relays
        self._client = client
        self._now = now
        self._seen: OrderedDict[int, Beacon] = OrderedDict()
        self._failing: dict[int, _Failure] = {}

    @property
    def silent_since(self) -> datetime | None:
        lately = asyncio.get_running_loop().time() - _FORGOTTEN
        return min((each.since for each in self._failing.values() if each.tried > lately), default=None)

    async def round(self, number: int) -> Beacon:
        """The round, from the first relay that has it. Asks nobody before its time.

        Raises BeaconError before its time, BeaconUnavailable where no relay gives it.
        """
        if number not in self._seen:
            if self.network.time_of(number) > self._now():
                raise BeaconError(f"the time of round {number} has not come")
            self._check_pause(number)
            self._keep(await self._fetch(number))
        self._seen.move_to_end(number)
        return self._seen[number]

    async def newest(self) -> Beacon:
        """The newest round that any relay has: one that is behind, or lies, hides nothing that another has.

        Raises BeaconUnavailable where none has any.
        """
        found: list[Beacon] = []
        failures: dict[str, str] = {}

        async def ask(relay: str) -> None:
            try:
                async with asyncio.timeout(TIMEOUT):
                    body = await _get(self._client, relay, f"{self.network.chain_hash}/public/latest")
                found.append(await asyncio.to_thread(parse_round, body, self.network))
            except (VerificationError, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                failures[relay] = str(error) or type(error).__name__

        await asyncio.gather(*map(ask, self._relays))
        if not found:
            raise BeaconUnavailable("its newest round", failures)
        return max(found, key=lambda beacon: beacon.round)

    async def wait_for(self, number: int, seconds: float) -> Beacon:
        """The round, waited for until its time and `seconds` longer. Raises as `round` does."""
        await asyncio.sleep(max(0.0, (self.network.time_of(number) - self._now()).total_seconds()))
        end = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                return await self.round(number)
            except BeaconError:
                if asyncio.get_running_loop().time() > end:
                    raise
            await asyncio.sleep(PAUSE / 4)

    async def watch(self, stop: asyncio.Event) -> None:
        """Looks for the newest round from time to time until `stop`, so that an outage is seen before an
        opening is due."""
        while not stop.is_set():
            latest = self.network.round_at(self._now()) - 2  # relays need a moment for the very newest
            while latest >= 1 and not await self._has(latest) and not await _wait(stop, PAUSE):
                pass
            await _wait(stop, max(WATCH, self.network.period))

    async def _has(self, number: int) -> bool:
        try:
            await self.round(number)
        except BeaconError:
            return False
        return True

    async def _fetch(self, number: int) -> Beacon:
        async def ask(relay: str) -> Beacon:
            path = f"{self.network.chain_hash}/public/{number}"
            beacon = parse_round(await _get(self._client, relay, path), self.network)
            if beacon.round != number:
                raise BeaconError(f"gave round {beacon.round}")
            return beacon

        try:
            return await _race(f"round {number}", self._relays, ask)
        except BeaconUnavailable as error:
            self._note_failure(number, error)
            raise

    def _check_pause(self, number: int) -> None:
        failure = self._failing.get(number)
        if failure is not None and asyncio.get_running_loop().time() < failure.tried + PAUSE:
            raise failure.error

    def _note_failure(self, number: int, error: BeaconUnavailable) -> None:
        before = self._failing.get(number)
        if before is None:
            _LOGGER.warning("the beacon is silent: %s", error)
        since = before.since if before else self._now()
        self._failing[number] = _Failure(since, asyncio.get_running_loop().time(), error)

    def _keep(self, beacon: Beacon) -> None:
        if self._failing.pop(beacon.round, None):
            _LOGGER.warning("the beacon is heard again: round %s", beacon.round)
        self._seen[beacon.round] = beacon
        if len(self._seen) > _KEPT:
            self._seen.popitem(last=False)


async def find_network(
    chain_hash: str, relays: Sequence[str], client: httpx.AsyncClient, known: Sequence[Network] = ()
) -> Network:
    """The network with the pinned `chain_hash` (hex): quicknet, one of `known`, or as a relay describes it.

    Raises BeaconUnavailable where no relay describes it.
    """
    for network in (QUICKNET, *known):
        if network.chain_hash == chain_hash:
            return network

    async def ask(relay: str) -> Network:
        return parse_info(await _get(client, relay, f"{chain_hash}/info"), chain_hash)

    return await _race(f"network {chain_hash}", relays, ask)


async def _race(what: str, relays: Sequence[str], ask: Callable[[str], Awaitable[T]]) -> T:
    """The first answer that holds; the others are not waited for. Raises BeaconUnavailable if none does."""
    failures: dict[str, str] = {}

    async def attempt(relay: str) -> T | None:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await ask(relay)
        except (VerificationError, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            failures[relay] = str(error) or type(error).__name__
        return None

    running = [asyncio.create_task(attempt(relay)) for relay in relays]
    try:
        for each in asyncio.as_completed(running):
            answer = await each
            if answer is not None:
                return answer
    finally:
        for task in running:
            task.cancel()
    raise BeaconUnavailable(what, {relay: failures[relay] for relay in relays})


async def _get(client: httpx.AsyncClient, relay: str, path: str) -> bytes:
    """A relay's answer, read no further than an answer can be long."""
    url = f"{relay.rstrip('/')}/{path}"
    async with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
        if response.status_code != httpx.codes.OK:
            raise BeaconError(f"answered {response.status_code}")
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > ANSWER_LIMIT:
                raise BeaconError("answered at too great length")
        return body


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Whether `event` was set within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
