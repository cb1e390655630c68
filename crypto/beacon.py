"""Rounds and times: a drand network described, its signatures verified, and a local stand-in for one.

A network signs round n when its time comes and not before; the signature is a time lock's key and public
randomness. Only drand's unchained networks with signatures in G1 (quicknet's scheme) can be used: their
rounds can be encrypted to ahead of time.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeVar

import msgspec

from crypto import bls
from crypto.encoding import Hex32, HexG1, HexG2, Value, sha256
from crypto.errors import BeaconError, LockError, MalformedError
from crypto.locks import TIME_DST, Lock, time_lock

SCHEME: Literal["bls-unchained-g1-rfc9380"] = "bls-unchained-g1-rfc9380"
LOCAL = "openseal-local"
"""Beacon id of every local beacon: whoever runs the service could open early, so it is not independent."""

ANSWER_LIMIT = 16 * 1024
"""Bytes of a relay's answer, at most."""
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

Seconds = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
UnixTime = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]  # to the end of the year 9999
BeaconId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z")]

T = TypeVar("T")


class Beacon(msgspec.Struct, frozen=True, kw_only=True):
    """A round whose signature (48 bytes) has been verified; `Network.verify_round` makes it."""

    round: int
    signature: bytes

    @property
    def randomness(self) -> bytes:
        """32 bytes, as drand publishes them."""
        return sha256(self.signature)


class Network(Value, frozen=True, kw_only=True):
    """A drand network. Two that differ in anything have different chain hashes."""

    public_key: HexG2
    genesis: UnixTime
    """When round 1 is signed."""
    period: Seconds
    group_hash: Hex32
    scheme: Literal["bls-unchained-g1-rfc9380"]
    beacon_id: BeaconId

    @property
    def chain_hash(self) -> str:
        """SHA-256 in hex, by which a network is pinned (drand's chain.Info.Hash)."""
        return sha256(
            self.period.to_bytes(4, "big"),
            self.genesis.to_bytes(8, "big"),
            bytes.fromhex(self.public_key + self.group_hash),
            b"" if self.beacon_id == "default" else self.beacon_id.encode(),
        ).hex()

    def round_at(self, moment: datetime) -> int:
        """The first round that is signed at `moment` (aware) or later: rounding down would open early."""
        since = moment - self.time_of(1)
        return max(1, -(-since // timedelta(seconds=self.period)) + 1)

    def time_of(self, round: int) -> datetime:
        """When `round` is signed, UTC. Raises BeaconError outside the rounds up to the year 9999."""
        if round < 1:
            raise BeaconError("rounds count from 1")
        try:
            return _EARLIEST + timedelta(seconds=self.genesis + (round - 1) * self.period)
        except OverflowError as error:
            raise BeaconError("the round lies beyond the year 9999") from error

    def lock(self, round: int) -> Lock:
        """The time lock that opens at `time_of(round)`."""
        return time_lock(bytes.fromhex(self.public_key), round)

    def verify_round(self, round: int, signature: bytes) -> Beacon:
        """The round's beacon. Raises BeaconError unless this network signed this round."""
        try:
            self.lock(round).verify(signature)
        except (LockError, MalformedError) as error:
            raise BeaconError(f"round {round} is not signed by network {self.chain_hash[:16]}") from error
        return Beacon(round=round, signature=signature)


QUICKNET = Network(
    public_key="83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
    "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
    genesis=1692803367,
    period=3,
    group_hash="f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e",
    scheme=SCHEME,
    beacon_id="quicknet",
)
"""The League of Entropy's public network."""


class LocalBeacon:
    """A beacon of one's own, for a service without a public network. It shows its key to nobody.

    It keeps no state: the same round always has the same signature.
    """

    __slots__ = ("__secret", "network")

    def __init__(self, secret: bytes, *, genesis: int, period: int) -> None:
        """`secret`: 32 bytes, a scalar; `genesis` in unix seconds, `period` in seconds.

        Raises MalformedError where one of them cannot be.
        """
        self.__secret = bls.parse_scalar(secret)
        public_key = bls.times_g2(self.__secret).to_compressed_bytes()
        described = {
            "publicKey": public_key.hex(),
            "genesis": genesis,
            "period": period,
            "groupHash": sha256(b"openseal/v1/local-beacon\n", public_key).hex(),
            "scheme": SCHEME,
            "beaconId": LOCAL,
        }
        try:
            self.network = msgspec.convert(described, Network)
        except msgspec.ValidationError as error:
            raise MalformedError(f"no such beacon: {error}") from error

    def __repr__(self) -> str:
        return f"LocalBeacon({self.network.chain_hash[:16]})"

    def __reduce__(self) -> str:
        raise TypeError("a beacon's key does not leave its process")

    def sign(self, round: int, now: datetime) -> Beacon:
        """The beacon of `round`. Raises BeaconError before its time."""
        if self.network.time_of(round) > now:
            raise BeaconError(f"the time of round {round} has not come")
        message = self.network.lock(round).message
        # As good as random for all who do not know the secret, and the core draws no random numbers.
        blinding = hashlib.shake_256(self.__secret.to_bytes(32, "big") + message).digest(48)
        return Beacon(round=round, signature=bls.sign(self.__secret, message, TIME_DST, blinding))


class InfoMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """drand's name for a network, inside Info."""

    beacon_id: BeaconId = msgspec.field(name="beaconID")


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What drand's HTTP API answers to /info, in its field names. Relays may add further fields."""

    public_key: HexG2
    period: Seconds
    genesis_time: UnixTime
    hash: Hex32
    group_hash: Hex32 = msgspec.field(name="groupHash")
    scheme: Literal["bls-unchained-g1-rfc9380"] = msgspec.field(name="schemeID")
    metadata: InfoMetadata


class PublicRound(msgspec.Struct, frozen=True, kw_only=True):
    """What drand's HTTP API answers to /public/{round} and /public/latest."""

    round: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    randomness: Hex32
    signature: HexG1


def info_of(network: Network) -> Info:
    """The body of /info."""
    return Info(
        public_key=network.public_key,
        period=network.period,
        genesis_time=network.genesis,
        hash=network.chain_hash,
        group_hash=network.group_hash,
        scheme=network.scheme,
        metadata=InfoMetadata(beacon_id=network.beacon_id),
    )


def public_round_of(beacon: Beacon) -> PublicRound:
    """The body of /public/{round}."""
    signature, randomness = beacon.signature.hex(), beacon.randomness.hex()
    return PublicRound(round=beacon.round, randomness=randomness, signature=signature)


def parse_info(body: bytes, chain_hash: str) -> Network:
    """The network a relay describes. Raises BeaconError unless it is the pinned `chain_hash` (hex)."""
    info = _parse_body(body, Info)
    network = Network(
        public_key=info.public_key,
        genesis=info.genesis_time,
        period=info.period,
        group_hash=info.group_hash,
        scheme=info.scheme,
        beacon_id=info.metadata.beacon_id,
    )
    if network.chain_hash != chain_hash or info.hash != chain_hash:
        raise BeaconError("the relay serves another network than the pinned one")
    return network


def parse_round(body: bytes, network: Network) -> Beacon:
    """The beacon a relay serves, verified. Raises MalformedError or BeaconError."""
    served = _parse_body(body, PublicRound)
    beacon = network.verify_round(served.round, bytes.fromhex(served.signature))
    if beacon.randomness.hex() != served.randomness:
        raise BeaconError("the relay's randomness is not that of the signature")
    return beacon


def _parse_body(body: bytes, type_: type[T]) -> T:
    if len(body) > ANSWER_LIMIT:
        raise MalformedError("longer than a relay's answer")
    try:
        return msgspec.json.decode(body, type=type_)
    except (ValueError, RecursionError) as error:
        raise MalformedError("not a relay's answer") from error
