"""Signed notes, checkpoints, co-signatures and offline proofs, after the C2SP specifications. Pure.

signed-note, tlog-checkpoint, tlog-cosignature and tlog-proof. A checkpoint is the head of a log::

    tenders.example/log1
    70007
    ddyPBS72O7vnyKgoqsaxg5ijZxfa214An4Rvx1rBCug=

    — tenders.example/log1 uPIb0zWStz…
    — witness.example/w1 5O+VMAAAAABpUkfA6aW6…

The first signature is the log's, over the three lines. The second is a witness's: it binds a time, and
says that at that time this was the largest head the witness had seen, consistent with all before.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto.encoding import LARGEST_INTEGER, from_base64, sha256, to_base64
from crypto.errors import LogError, MalformedError, SignatureError
from crypto.merkle import HASH_SIZE, leaf_hash, verify_inclusion

LOG = 0x01
"""Signature type of a log's Ed25519 key."""
WITNESS = 0x04
"""Signature type of a witness's time-stamped Ed25519 key (cosignature/v1)."""
NOTE_LIMIT = 256 * 1024  # characters
MOST_SIGNATURES = 100
LONGEST_PROOF = 63  # hashes

_PRIVATE = "PRIVATE+KEY+"
_PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_SPACE_OR_PLUS = re.compile(r"[\s+]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, where datetime ends


class VerifyingKey(msgspec.Struct, frozen=True, kw_only=True):
    """A named Ed25519 public key (32 bytes) of `kind` LOG or WITNESS."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """``SHA-256(name ‖ 0A ‖ kind ‖ public)[:4]``: an index, not a commitment."""
        return sha256(self.name.encode(), b"\n", bytes([self.kind]), self.public)[:4]

    def encode(self) -> str:
        """The vkey: ``name+hex(id)+base64(kind ‖ public)``."""
        return f"{self.name}+{self.id.hex()}+{to_base64(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, vkey: str) -> "VerifyingKey":
        """The key written as `vkey`. Raises MalformedError, also for an id that is not this key's."""
        name, id_, material = [*vkey.split("+", 2), "", ""][:3]
        raw = from_base64(material)
        if len(raw) != 33 or raw[0] not in (LOG, WITNESS):
            raise MalformedError("not the key of a log or a witness")
        key = cls(name=_checked_name(name), kind=raw[0], public=raw[1:])
        if key.id.hex() != id_:
            raise MalformedError("the key's id is another key's")
        return key

    def verify(self, message: bytes, signature: bytes) -> bytes:
        """`message`, once `signature` (64 bytes) is this key's over it. Raises SignatureError."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise SignatureError(f"not a signature by {self.name}") from error
        return message


class SigningKey:
    """A named Ed25519 private key of `kind` LOG or WITNESS, from its 32-byte seed."""

    __slots__ = ("_private", "verifier")

    def __init__(self, name: str, kind: int, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifyingKey(
            name=_checked_name(name), kind=kind, public=self._private.public_key().public_bytes_raw()
        )

    def encode(self) -> str:
        """The secret key in a line, as Go's sumdb/note has it: ``PRIVATE+KEY+name+hex(id)+base64(kind ‖
        seed)``."""
        key = self.verifier
        material = to_base64(bytes([key.kind]) + self._private.private_bytes_raw())
        return f"{_PRIVATE}{key.name}+{key.id.hex()}+{material}"

    @classmethod
    def parse(cls, skey: str) -> "SigningKey":
        """The key written as `skey`. Raises MalformedError, also for an id that is not this key's."""
        name, id_, material = [*skey.removeprefix(_PRIVATE).split("+", 2), "", ""][:3]
        raw = from_base64(material)
        if not skey.startswith(_PRIVATE) or len(raw) != 33 or raw[0] not in (LOG, WITNESS):
            raise MalformedError("not the secret key of a log or a witness")
        key = cls(name, raw[0], raw[1:])
        if key.verifier.id.hex() != id_:
            raise MalformedError("the key's id is another key's")
        return key

    def line(self, message: bytes, prefix: bytes = b"") -> str:
        """The note signature line for a signature over `message`, with `prefix` written before it."""
        signature = prefix + self._private.sign(message)
        return NoteSignature(name=self.verifier.name, id=self.verifier.id, signature=signature).encode()


class NoteSignature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature line, not yet verified: key name, key id (4 bytes), the signature's bytes."""

    name: str
    id: bytes
    signature: bytes

    def encode(self) -> str:
        """The line, with its newline."""
        return f"— {self.name} {to_base64(self.id + self.signature)}\n"

    @classmethod
    def parse(cls, line: str) -> "NoteSignature":
        """The signature on a line without its newline. Raises MalformedError."""
        dash, name, encoded = [*line.split(" ", 2), "", ""][:3]
        raw = from_base64(encoded)
        if dash != "—" or len(raw) < 5:
            raise MalformedError("not a signature line")
        return cls(name=_checked_name(name), id=raw[:4], signature=raw[4:])


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A signed note: its text (with the final newline) and its signature lines, not yet verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, note: str) -> "Note":
        """The note's parts. Raises MalformedError."""
        if len(note) > NOTE_LIMIT or _CONTROL.search(note):
            raise MalformedError("not a note: too long, or with control characters")
        text, separator, block = note.rpartition("\n\n")
        lines = block.split("\n")
        if not separator or lines.pop() or not 1 <= len(lines) <= MOST_SIGNATURES:
            raise MalformedError("a note is text, an empty line and signature lines")
        return cls(text=text + "\n", signatures=tuple(NoteSignature.parse(line) for line in lines))

    def encode(self) -> str:
        """The note."""
        return f"{self.text}\n{''.join(each.encode() for each in self.signatures)}"

    def by(self, key: VerifyingKey) -> tuple[NoteSignature, ...]:
        """The signatures that claim to be `key`'s; all others are none of the verifier's business."""
        return tuple(each for each in self.signatures if (each.name, each.id) == (key.name, key.id))


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a log: its origin, the number of its leaves, the root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def encode(self) -> str:
        """The text that is signed: three lines."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The checkpoint written as `text`. Raises MalformedError, also for extension lines.

        The specification allows extension lines and advises against them: no monitor can audit them.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise MalformedError("a checkpoint has three lines: origin, size, root")
        return cls(origin=lines[0], size=parse_size(lines[1]), root=parse_hash(lines[2]))


class Cosignature(msgspec.Struct, frozen=True, kw_only=True):
    """A verified co-signature: the witness's name and the time it vouches for (UTC, whole seconds)."""

    name: str
    time: datetime


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The note of `checkpoint` with the log's own signature over its text."""
    text = checkpoint.encode()
    return f"{text}\n{key.line(text.encode())}"


def cosign(note: str, key: SigningKey, now: datetime) -> str:
    """A witness's signature line (cosignature/v1) for the text of `note` at `now`, to append to it."""
    seconds = (now - _EPOCH) // timedelta(seconds=1)
    return key.line(_cosigned(Note.parse(note).text, seconds), seconds.to_bytes(8, "big"))


def verify_checkpoint(note: str, log: VerifyingKey) -> Checkpoint:
    """The checkpoint in `note`, once `log` signed it as its own origin.

    Raises MalformedError for anything but a checkpoint note, SignatureError for a signature that is
    missing or wrong, LogError for the checkpoint of another log.
    """
    parsed = Note.parse(note)
    checkpoint = Checkpoint.parse(parsed.text)
    if checkpoint.origin != log.name:
        raise LogError("the checkpoint is of another log")
    signatures = parsed.by(log)
    if log.kind != LOG or not signatures:
        raise SignatureError("the checkpoint is not signed by the log")
    for each in signatures:
        log.verify(parsed.text.encode(), each.signature)
    return checkpoint


def verify_cosignatures(note: str, witnesses: Sequence[VerifyingKey], quorum: int) -> list[Cosignature]:
    """The co-signatures on `note` by distinct `witnesses`, earliest first, once there are `quorum`.

    A public key counts once, under however many names it is listed; a witness that signed twice
    counts with its earliest time. Raises LogError below the quorum, SignatureError for a wrong signature
    under a listed key, MalformedError for no note.
    """
    parsed = Note.parse(note)
    times: dict[bytes, Cosignature] = {}
    for witness in witnesses:
        for each in parsed.by(witness):
            found = _verify_cosignature(parsed.text, witness, each.signature)
            times[witness.public] = min(times.get(witness.public, found), found, key=_by_time)
    if len(times) < quorum:
        raise LogError(f"{len(times)} of the {quorum} co-signatures needed")
    return sorted(times.values(), key=_by_time)


class TlogProof(msgspec.Struct, frozen=True, kw_only=True):
    """``c2sp.org/tlog-proof@v1``: an entry's index, the inclusion proof, the checkpoint it leads to.

    `extra` is opaque and authenticated by nothing.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    def encode(self) -> str:
        """The proof as text."""
        extra = [f"extra {to_base64(self.extra)}"] if self.extra else []
        hashes = [to_base64(each) for each in self.hashes]
        return "\n".join([_PROOF_HEADER, *extra, f"index {self.index}", *hashes, "", self.checkpoint])

    @classmethod
    def parse(cls, text: str) -> "TlogProof":
        """The proof written as `text`, its one encoding. Raises MalformedError."""
        head, _, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if len(text) > 2 * NOTE_LIMIT or lines.pop(0) != _PROOF_HEADER or not lines:
            raise MalformedError("not a tlog-proof")
        extra = from_base64(lines.pop(0)[6:]) if lines[0].startswith("extra ") else b""
        if not lines or not lines[0].startswith("index ") or len(lines) > LONGEST_PROOF + 1:
            raise MalformedError("a tlog-proof has an index and at most 63 hashes")
        hashes = tuple(parse_hash(line) for line in lines[1:])
        proof = cls(index=parse_size(lines[0][6:]), hashes=hashes, checkpoint=checkpoint, extra=extra)
        Checkpoint.parse(Note.parse(checkpoint).text)
        if proof.encode() != text:
            raise MalformedError("not the one form of a tlog-proof")
        return proof

    def verify(self, entry: bytes, log: VerifyingKey) -> Checkpoint:
        """The checkpoint signed by `log` that contains `entry` at `index`.

        Raises LogError, SignatureError or MalformedError. Co-signatures: `verify_cosignatures` on
        `checkpoint`.
        """
        checkpoint = verify_checkpoint(self.checkpoint, log)
        verify_inclusion(leaf_hash(entry), self.index, checkpoint.size, self.hashes, checkpoint.root)
        return checkpoint


def parse_size(text: str) -> int:
    """A tree size or index: ASCII decimal without leading zeros, at most 2^53 − 1. Raises MalformedError."""
    if not _DECIMAL.fullmatch(text) or int(text) > LARGEST_INTEGER:
        raise MalformedError("not a decimal number in its one form")
    return int(text)


def parse_hash(text: str) -> bytes:
    """A hash of 32 bytes in base64. Raises MalformedError."""
    if len(hash_ := from_base64(text)) != HASH_SIZE:
        raise MalformedError("a hash has 32 bytes")
    return hash_


def _verify_cosignature(text: str, witness: VerifyingKey, signature: bytes) -> Cosignature:
    seconds = int.from_bytes(signature[:8], "big")
    if witness.kind != WITNESS or len(signature) != 72 or seconds > _LAST_SECOND:
        raise SignatureError(f"not a co-signature by {witness.name}")
    witness.verify(_cosigned(text, seconds), signature[8:])
    return Cosignature(name=witness.name, time=_EPOCH + timedelta(seconds=seconds))


def _by_time(cosignature: Cosignature) -> datetime:
    return cosignature.time


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _checked_name(name: str) -> str:
    if not name or _SPACE_OR_PLUS.search(name) or _CONTROL.search(name):
        raise MalformedError("a key's name is not empty and has neither spaces nor plus signs")
    return name
