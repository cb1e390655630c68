"""Whom a bidder, a committee member or a verifier trusts: pinned outside whatever is being checked."""

from datetime import datetime
from functools import lru_cache
from typing import Annotated

import msgspec
from cryptography.x509 import Certificate

from crypto.beacon import Network
from crypto.certificates import Role, Roots, load_root
from crypto.checkpoint import Checkpoint, Cosignature, VerifyingKey, verify_checkpoint, verify_cosignatures
from crypto.encoding import Base64, Small, Value, from_base64
from crypto.errors import BeaconError, MalformedError

Vkey = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class WitnessPolicy(Value, frozen=True, kw_only=True):
    """Whose co-signatures count (C2SP vkeys), and how many of them are needed."""

    keys: Annotated[tuple[Vkey, ...], msgspec.Meta(min_length=1, max_length=32)]
    quorum: Small

    def __post_init__(self) -> None:
        names = {witness.name for witness in self.witnesses}
        if len(names) != len(self.keys) or not 1 <= self.quorum <= len(names):
            raise MalformedError("a quorum is 1 to the number of witnesses, each named once")

    @property
    def witnesses(self) -> list[VerifyingKey]:
        """The keys, parsed."""
        return [VerifyingKey.parse(key) for key in self.keys]

    def verify(self, note: str) -> list[Cosignature]:
        """The counted co-signatures on `note`, earliest first. Raises LogError below the quorum."""
        return verify_cosignatures(note, self.witnesses, self.quorum)

    def reached(self, note: str) -> datetime:
        """When the quorum was reached: the time of the co-signature that completed it."""
        return self.verify(note)[self.quorum - 1].time


class Trust(Value, frozen=True, kw_only=True, tag_field="format", tag="openseal/trust/v1"):
    """Log key, witnesses, roots per role (DER, base64), beacon networks, and roots of time-stamping
    authorities, where any is asked.

    `independent` is false where at least one of witnesses, beacon and authorities is the service's own.
    """

    independent: bool
    log: Vkey
    witnesses: WitnessPolicy
    roots: dict[Role, tuple[Base64, ...]]
    networks: tuple[Network, ...]
    stamping: tuple[Base64, ...] = ()

    def authorities(self) -> Roots:
        """The roots, parsed. Raises MalformedError or CertificateError."""
        return _roots(tuple(self.roots.items()))

    def stamping_roots(self) -> list[Certificate]:
        """Those of the time-stamping authorities, parsed. Raises MalformedError."""
        return [load_root(from_base64(each)) for each in self.stamping]

    def check_network(self, network: Network) -> None:
        """Raises BeaconError for a network that is not pinned."""
        if network.chain_hash not in {each.chain_hash for each in self.networks}:
            raise BeaconError(f"the beacon {network.chain_hash} is not a pinned one")

    def verify_head(self, note: str) -> Checkpoint:
        """The checkpoint in `note`, signed by the log and a quorum of witnesses.

        Raises LogError, SignatureError or MalformedError.
        """
        checkpoint = verify_checkpoint(note, VerifyingKey.parse(self.log))
        self.witnesses.verify(note)
        return checkpoint


@lru_cache(maxsize=4)  # one trust file judges very many records, and knows a certificate when it comes again
def _roots(roots: tuple[tuple[Role, tuple[Base64, ...]], ...]) -> Roots:
    return Roots({role: [load_root(from_base64(each)) for each in several] for role, several in roots})
