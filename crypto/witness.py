"""What a witness of logs decides, after C2SP tlog-witness. Pure: the server around it keeps the state.

A witness remembers, per log, the largest head it co-signed, and co-signs another only if that extends
it. It is what keeps a log from showing different people different trees. The state must be durable
*before* the answer leaves, and one request must be decided at a time. What it refuses although the log has
signed it may be proof that the log misbehaves: the answer comes with that as a `Conflict`, to be kept.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from crypto.checkpoint import (
    LONGEST_PROOF,
    Checkpoint,
    Note,
    SigningKey,
    VerifyingKey,
    cosign,
    parse_hash,
    parse_size,
    verify_checkpoint,
)
from crypto.encoding import Base64, Hex32, Small, Text, Value, decode, encode, sha256, to_base64
from crypto.errors import LogError, MalformedError, SignatureError
from crypto.merkle import EMPTY_ROOT, verify_consistency

REQUEST_LIMIT = 512 * 1024  # bytes
SIZE_CONTENT_TYPE = "text/x.tlog.size"
"""Content-Type of a 409 answer."""


class WitnessedHead(Value, frozen=True):
    """The largest head of one log that the witness co-signed, and the note with the log's signature and its
    own; none for the empty tree that nobody has signed yet."""

    origin: Text
    size: Small
    root: Hex32
    note: Text = ""


class WitnessState(Value, frozen=True):
    """All that a witness remembers, as it stands in its file."""

    heads: tuple[WitnessedHead, ...] = ()

    def head(self, origin: str) -> WitnessedHead:
        """The head co-signed for `origin`; the empty tree if there is none yet."""
        unseen = WitnessedHead(origin=origin, size=0, root=EMPTY_ROOT.hex())
        return next((head for head in self.heads if head.origin == origin), unseen)

    def advanced(self, to: Checkpoint, note: str) -> "WitnessState":
        """The state after co-signing `to` as `note`."""
        others = [head for head in self.heads if head.origin != to.origin]
        new = WitnessedHead(origin=to.origin, size=to.size, root=to.root.hex(), note=note)
        return WitnessState(heads=tuple(sorted([*others, new], key=lambda head: head.origin)))

    def encode(self) -> bytes:
        """Canonical JSON."""
        return encode(self)

    @classmethod
    def parse(cls, data: bytes) -> "WitnessState":
        """The state encoded as `data`. Raises MalformedError: a witness without memory must not start."""
        return decode(data, cls)


Contradiction = Literal["another-tree", "unproven", "older"]
_SAID: dict[Contradiction, str] = {
    "another-tree": "signed two trees of {offered} entries: it shows different people different logs",
    "unproven": "signed a tree of {offered} entries that was not shown to extend the {held} seen before: "
    "rewritten, unless somebody else sent a wrong proof",
    "older": "came with {offered} entries after {held} were seen: rolled back, unless the request was late",
}


class Conflict(Value, frozen=True, tag_field="format", tag="openseal/witness-conflict/v1"):
    """Two notes of one log: the one that the witness holds, and what it would not co-sign after that.

    `another-tree` proves by itself that the log's key signed both. The others may be somebody else's doing,
    since anybody can send a log's checkpoint: the log's operator has to show the missing `proof`.
    """

    kind: Contradiction
    held: Text
    offered: Text
    proof: tuple[Base64, ...] = ()

    @property
    def proves(self) -> bool:
        """Whether it shows by itself that the log misbehaved, whoever sent it."""
        return self.kind == "another-tree"

    @property
    def name(self) -> str:
        """What tells it from others: the same note offered again has the same name."""
        new = _checkpoint_of(self.offered)
        return f"{new.size}-{sha256(new.origin.encode(), new.encode().encode()).hex()[:16]}"

    def __str__(self) -> str:
        """One line for a person."""
        new, held = _checkpoint_of(self.offered), _checkpoint_of(self.held).size if self.held else 0
        return f"log {new.origin} {_SAID[self.kind].format(offered=new.size, held=held)}"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer to `add-checkpoint`; `conflict` is for the witness alone, to keep and to tell."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    conflict: Conflict | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `add-checkpoint`: the size that the witness holds, the proof from there, the new note."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: str

    def encode(self) -> bytes:
        """The body as sent."""
        lines = [f"old {self.old_size}", *(to_base64(each) for each in self.proof), "", self.checkpoint]
        return "\n".join(lines).encode()

    @classmethod
    def parse(cls, body: bytes) -> "Request":
        """The request in `body`. Raises MalformedError."""
        if len(body) > REQUEST_LIMIT:
            raise MalformedError(f"longer than {REQUEST_LIMIT} bytes")
        try:
            head, _, checkpoint = body.decode().partition("\n\n")
        except UnicodeDecodeError as error:
            raise MalformedError("not UTF-8") from error
        lines = head.split("\n")
        if not lines[0].startswith("old ") or len(lines) > LONGEST_PROOF + 1:
            raise MalformedError("a request has an old size and at most 63 hashes")
        proof = tuple(parse_hash(line) for line in lines[1:])
        return cls(old_size=parse_size(lines[0][4:]), proof=proof, checkpoint=checkpoint)


def add_checkpoint(
    state: WitnessState, body: bytes, logs: Sequence[VerifyingKey], key: SigningKey, now: datetime
) -> tuple[Answer, WitnessState]:
    """The answer to a request, and the state to make durable before sending it.

    200 with the co-signature line; 400 malformed; 403 not signed by the log; 404 a log not in `logs`;
    409 with the size the witness holds; 422 a proof that does not hold. Only 200 changes the state.
    """
    try:
        request = Request.parse(body)
        checkpoint = _checkpoint_of(request.checkpoint)
    except MalformedError:
        return Answer(status=400), state
    keys = [log for log in logs if log.name == checkpoint.origin]
    if not keys:
        return Answer(status=404), state
    signed = [log for log in keys if _is_signed(request.checkpoint, log)]
    if not signed:
        return Answer(status=403), state
    note = _signed_by(request.checkpoint, signed)
    refusal = _refuse(state.head(checkpoint.origin), request, checkpoint, note)
    if refusal is not None:
        return refusal, state
    line = cosign(note, key, now)
    return Answer(status=200, body=line.encode()), state.advanced(checkpoint, note + line)


def _refuse(held: WitnessedHead, request: Request, new: Checkpoint, note: str) -> Answer | None:
    if request.old_size > new.size:
        return Answer(status=400)
    conflict = _conflict(held, new, note)
    if request.old_size != held.size or conflict is not None:
        size = f"{held.size}\n".encode()
        return Answer(status=409, body=size, content_type=SIZE_CONTENT_TYPE, conflict=conflict)
    try:
        verify_consistency(held.size, bytes.fromhex(held.root), new.size, new.root, request.proof)
    except LogError:
        proof = tuple(to_base64(each) for each in request.proof)
        unproven = Conflict(kind="unproven", held=held.note, offered=note, proof=proof)
        return Answer(status=422, conflict=unproven if held.size else None)
    return None


def _conflict(held: WitnessedHead, new: Checkpoint, note: str) -> Conflict | None:
    """What no proof could make good: another tree of the size that is held, or a smaller one."""
    if new.size == held.size and new.root.hex() != held.root:
        return Conflict(kind="another-tree", held=held.note, offered=note)
    return Conflict(kind="older", held=held.note, offered=note) if new.size < held.size else None


def _checkpoint_of(note: str) -> Checkpoint:
    return Checkpoint.parse(Note.parse(note).text)


def _signed_by(note: str, logs: Sequence[VerifyingKey]) -> str:
    """The note with one signature of each of these logs, however often they stand there, and with no others,
    which nobody has verified."""
    parsed = Note.parse(note)
    signatures = tuple(parsed.by(log)[0] for log in logs)
    return Note(text=parsed.text, signatures=signatures).encode()


def _is_signed(note: str, log: VerifyingKey) -> bool:
    try:
        verify_checkpoint(note, log)
    except SignatureError:
        return False
    return True
