"""Where this service keeps its things, read once from the environment."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.beacon import QUICKNET
from crypto.checkpoint import WITNESS
from crypto.errors import MalformedError
from crypto.trust import WitnessPolicy
from procurement.clocks import USUAL_SPREAD, Spread

_CHAIN = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"https?://[^\s,@]+")
_BUCKET = re.compile(r"s3://[a-z0-9.-]{3,63}(/[A-Za-z0-9._-]+)*")
_ORIGIN = re.compile(  # as browsers write it: no usual port; no IP address, to which no passkey can be bound
    r"(https://(?![0-9.]+(:|$))[a-z0-9-]+(\.[a-z0-9-]+)*|http://localhost)(:(?!(80|443)$)[1-9][0-9]{0,4})?"
)


class SettingsError(ValueError):
    """A setting that cannot be meant; says which."""


class PublicBeacon(msgspec.Struct, frozen=True, kw_only=True):
    """A drand network by its chain hash (hex), and the HTTP relays to read it from."""

    chain: str
    relays: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "PublicBeacon | None":
        """From `CHAIN@URL,URL,…`, where CHAIN is `quicknet` or a chain hash; None for `local`.

        Raises SettingsError.
        """
        if text == "local":
            return None
        name, _, addresses = text.partition("@")
        chain = QUICKNET.chain_hash if name == QUICKNET.beacon_id else name
        relays = tuple(dict.fromkeys(each.strip().rstrip("/") for each in addresses.split(",")))
        if not _CHAIN.fullmatch(chain) or not all(map(_URL.fullmatch, relays)):
            raise SettingsError("OPENSEAL_BEACON is local, or CHAIN@URL,URL with quicknet or a chain hash")
        return cls(chain=chain, relays=relays)


class Witnesses(msgspec.Struct, frozen=True, kw_only=True):
    """Witnesses of the log: by C2SP vkey the HTTP address of each, and how many must co-sign."""

    quorum: int
    urls: dict[str, str]
    own: bool = False
    """Whether it is the service's own one."""

    @property
    def policy(self) -> WitnessPolicy:
        """What notices and trust files say of them. Raises MalformedError."""
        return WitnessPolicy(keys=tuple(self.urls), quorum=self.quorum)

    @classmethod
    def parse(cls, text: str) -> "Witnesses | None":
        """From `QUORUM:VKEY@URL,VKEY@URL,…`; None for `local`. Raises SettingsError."""
        if text == "local":
            return None
        quorum, _, pairs = text.partition(":")
        urls = {vkey: url for vkey, _, url in (each.strip().rpartition("@") for each in pairs.split(","))}
        try:
            witnesses = cls(quorum=int(quorum), urls=urls)
            kinds = {each.kind for each in witnesses.policy.witnesses}
            if kinds != {WITNESS} or not all(map(_URL.fullmatch, urls.values())):
                raise MalformedError("not the key of a witness, or not an address")
        except (ValueError, MalformedError) as error:
            form = "OPENSEAL_WITNESSES is local, or QUORUM:VKEY@URL,VKEY@URL"
            raise SettingsError(f"{form}: {error}") from error
        return witnesses


class Stamping(msgspec.Struct, frozen=True, kw_only=True):
    """A time-stamping authority: its HTTP address, and the roots (DER) that its certificate is under."""

    url: str
    roots: tuple[bytes, ...]

    def authorities(self) -> list[x509.Certificate]:
        """The roots, parsed."""
        return [x509.load_der_x509_certificate(each) for each in self.roots]

    @classmethod
    def parse(cls, text: str) -> "Stamping | None":
        """From `ROOTS.pem@URL`; None for `off`. Raises SettingsError."""
        if text == "off":
            return None
        path, _, url = text.rpartition("@")
        if not path or not _URL.fullmatch(url):
            raise SettingsError("OPENSEAL_STAMPS is off, or ROOTS.pem@URL")
        try:
            roots = x509.load_pem_x509_certificates(Path(path).read_bytes())
        except OSError as error:
            raise SettingsError(f"OPENSEAL_STAMPS: {path}: {error.strerror}") from error
        except ValueError as error:
            raise SettingsError(f"OPENSEAL_STAMPS: {path}: not certificates in PEM") from error
        return cls(url=url, roots=tuple(each.public_bytes(Encoding.DER) for each in roots))


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`database_url` is empty where the service starts a PostgreSQL of its own below `data_dir`."""

    data_dir: Path
    database_url: str = ""
    beacon: PublicBeacon | None = None
    """None: a beacon of its own, which is not independent."""
    witnesses: Witnesses | None = None
    """None: one beside the service, which is not independent."""
    beacon_period: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 1
    """Seconds between the rounds of the embedded beacon; holds when its key is made, at the first start."""
    roots: Path | None = None
    """A folder with the roots of authorities elsewhere, `<role>.pem`, and their revocation lists,
    `<role>.crl`. A role without them has an authority of the service's own, which is not independent."""

    origin: str = ""
    """The service's address as browsers write it; empty: this machine, at the port where it listens."""
    covers: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 60
    """Commitments to nothing per hour, on average, so that the log does not tell how many bids came."""
    spread: Spread = USUAL_SPREAD
    """How many deadlines may fall together."""
    practice: bool = True
    """Whether there is a practice ground, where all that takes part in it is certified here."""
    stamping: Stamping | None = None
    """None: no authority is asked for time stamps."""
    documents: str = ""
    """The bucket where sealed files are kept, `s3://BUCKET/PREFIX`; empty: a folder below `data_dir`."""

    @property
    def relays(self) -> tuple[str, ...]:
        """Those of the public beacon; none where the beacon is the service's own."""
        return self.beacon.relays if self.beacon else ()

    @classmethod
    def load(cls, environment: Mapping[str, str], data_dir: Path | None = None) -> Self:
        """From DATABASE_URL, XDG_DATA_HOME and what begins with OPENSEAL_; a given `data_dir` wins.

        Raises SettingsError.
        """
        return cls(
            data_dir=data_dir or _default_data_dir(environment),
            database_url=environment.get("DATABASE_URL", ""),
            beacon=PublicBeacon.parse(environment.get("OPENSEAL_BEACON") or "local"),
            witnesses=Witnesses.parse(environment.get("OPENSEAL_WITNESSES") or "local"),
            beacon_period=_period(environment.get("OPENSEAL_BEACON_PERIOD") or "1"),
            roots=_folder(environment.get("OPENSEAL_ROOTS") or ""),
            origin=_origin(environment.get("OPENSEAL_ORIGIN") or ""),
            covers=_covers(environment.get("OPENSEAL_COVERS") or "60"),
            spread=_spread(environment.get("OPENSEAL_CLOSINGS") or ""),
            practice=_practice(environment.get("OPENSEAL_PRACTICE") or "on"),
            stamping=Stamping.parse(environment.get("OPENSEAL_STAMPS") or "off"),
            documents=_bucket(environment.get("OPENSEAL_DOCUMENTS") or ""),
        )


def _period(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= 3600:
        raise SettingsError("OPENSEAL_BEACON_PERIOD is a number of seconds from 1 to 3600")
    return int(text)


def _covers(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or int(text) > 3600:
        raise SettingsError("OPENSEAL_COVERS is a number per hour from 0 to 3600")
    return int(text)


def _spread(text: str) -> Spread:
    if not text:
        return USUAL_SPREAD
    match = re.fullmatch("([1-9][0-9]{0,5})/([1-9][0-9]{0,4})", text)
    if match is None:
        raise SettingsError("OPENSEAL_CLOSINGS is a number of deadlines per seconds, as 1500/3600")
    return Spread(int(match[1]), int(match[2]))


def _practice(text: str) -> bool:
    if text not in ("on", "off"):
        raise SettingsError("OPENSEAL_PRACTICE is on or off")
    return text == "on"


def _folder(text: str) -> Path | None:
    if text and not Path(text).is_dir():
        raise SettingsError("OPENSEAL_ROOTS is a folder with roots and revocation lists")
    return Path(text) if text else None


def _origin(text: str) -> str:
    if text and not _ORIGIN.fullmatch(text):
        raise SettingsError(
            "OPENSEAL_ORIGIN is https://HOST or https://HOST:PORT, in lower case, or http://localhost:PORT"
        )
    return text


def _bucket(text: str) -> str:
    if text and not _BUCKET.fullmatch(text):
        raise SettingsError("OPENSEAL_DOCUMENTS is s3://BUCKET or s3://BUCKET/PREFIX")
    return text


def _default_data_dir(environment: Mapping[str, str]) -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/openseal")
    data = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "openseal"
