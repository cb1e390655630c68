"""A beacon that falls silent delays an opening, is seen by everybody, and loses nothing."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest

import crypto.relays
from bids.client import Service
from crypto.beacon import LocalBeacon
from crypto.encoding import parse_moment
from crypto.relays import BeaconUnavailable
from procurement.authorities import log_key
from procurement.service import House, embedded_witness, witness_process, working
from procurement.settings import PublicBeacon
from procurement.timekeeping import Clock
from tests.builders import a_lot
from tests.flows.people import PracticeTender, Town
from tests.relays import Relay, dead_address, honest, listening


class FarTown(Town):
    """People who read the beacon from relays of their own."""

    relays: tuple[str, ...] = ()

    def line(self) -> Service:
        return Service(self.http, self.trust, relays=self.relays)


@pytest.fixture
async def beacon() -> LocalBeacon:
    return LocalBeacon(b"\0" + secrets.token_bytes(31), genesis=int(datetime.now(UTC).timestamp()), period=1)


@asynccontextmanager
async def following(beacon: PublicBeacon, dsn: str, house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A service that follows a network behind relays, and a client that reaches both."""
    with witness_process(house, log_key(house.keys)) as witness:
        async with (
            working(house, dsn, embedded_witness(house, witness), beacon, Clock()) as app,
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                mounts={"http://127.0.0.1": httpx.AsyncHTTPTransport()},
                base_url="http://service",
                timeout=30,
            ) as client,
        ):
            yield client


async def silence(http: httpx.AsyncClient, tender: PracticeTender) -> set[str | None]:
    """Since when the beacon is silent, as told to whoever watches the service and the tender."""
    health, timeline = (await http.get("/health")).json(), (await tender.get("timeline")).json()
    return {health.get("beaconSilentSince"), timeline.get("beaconSilentSince")}


async def test_an_opening_waits_for_a_silent_beacon_and_loses_nothing(
    beacon: LocalBeacon, dsn: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crypto.relays, "WATCH", 0.2)
    monkeypatch.setattr(crypto.relays, "PAUSE", 0.2)
    network = beacon.network
    async with listening(Relay(beacon)) as theirs, listening(Relay(beacon)) as ours:
        followed = PublicBeacon(chain=network.chain_hash, relays=(dead_address(), ours.url))
        async with following(followed, dsn, house) as http:
            town = await FarTown.settle(http, house, dsn)
            town.relays = (dead_address(), theirs.url)
            assert town.trust.networks == (network,)
            assert (await http.get("/beacon/info")).status_code == 404
            tender = await town.publish(a_lot())
            assert await silence(http, tender) == {None}
            await tender.bid(await town.bidder("Bidder"), "100")
            ours.twist = never
            await tender.close()
            await tender.order("bid")
            await asyncio.sleep(1)
            assert await tender.status() == "opening"
            (since,) = await silence(http, tender)
            assert since is not None
            assert parse_moment(since) < datetime.now(UTC)
            assert "The beacon has been silent since" in (await http.get(f"/tenders/{tender.ocid}")).text

            ours.twist = honest
            assert [each.amount for each in (await tender.evaluated())["1"].ranking] == ["100"]
            assert await silence(http, tender) == {None}
            assert "silent" not in (await http.get(f"/tenders/{tender.ocid}")).text
            await tender.intend()
            await tender.award()
            await tender.verified_record()


async def test_a_restart_in_an_outage_needs_no_relay_but_the_first_start_does(
    beacon: LocalBeacon, dsn: str, house: House
) -> None:
    chain = beacon.network.chain_hash
    dead = PublicBeacon(chain=chain, relays=(dead_address(),))
    with pytest.raises(BeaconUnavailable, match=r"no relay gave network"):
        async with following(dead, dsn, house):
            pass
    async with (
        listening(Relay(beacon)) as relay,
        following(PublicBeacon(chain=chain, relays=(relay.url,)), dsn, house),
    ):
        pass
    async with following(dead, dsn, house) as http:
        assert (await http.get("/health")).json()["status"] == "ok"
        assert (await http.get("/api/v1/trust")).json()["networks"][0][
            "publicKey"
        ] == beacon.network.public_key


async def never(_: str, __: bytes) -> None:
    return None
