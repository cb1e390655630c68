"""What a witness of logs decides, after C2SP tlog-witness. Pure: the server around it keeps the state.

A witness remembers, per log, the largest head it co-signed, and co-signs another only if that extends
it. It is what keeps a log from showing different people different trees. The state must be durable
*before* the answer leaves, and one request must be decided at a time.
"""

from collections.abc import Sequence
from datetime import datetime

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
from crypto.encoding import Hex32, Small, Text, Value, decode, encode, to_base64
from crypto.errors import LogError, MalformedError, SignatureError
from crypto.merkle import EMPTY_ROOT, verify_consistency

REQUEST_LIMIT = 512 * 1024  # bytes
SIZE_CONTENT_TYPE = "text/x.tlog.size"
"""Content-Type of a 409 answer."""


class WitnessedHead(Value, frozen=True):
    """The largest head of one log that the witness co-signed."""

    origin: Text
    size: Small
    root: Hex32


class WitnessState(Value, frozen=True):
    """All that a witness remembers, as it stands in its file."""

    heads: tuple[WitnessedHead, ...] = ()

    def head(self, origin: str) -> WitnessedHead:
        """The head co-signed for `origin`; the empty tree if there is none yet."""
        unseen = WitnessedHead(origin=origin, size=0, root=EMPTY_ROOT.hex())
        return next((head for head in self.heads if head.origin == origin), unseen)

    def advanced(self, to: Checkpoint) -> "WitnessState":
        """The state after co-signing `to`."""
        others = [head for head in self.heads if head.origin != to.origin]
        new = WitnessedHead(origin=to.origin, size=to.size, root=to.root.hex())
        return WitnessState(heads=tuple(sorted([*others, new], key=lambda head: head.origin)))

    def encode(self) -> bytes:
        """Canonical JSON."""
        return encode(self)

    @classmethod
    def parse(cls, data: bytes) -> "WitnessState":
        """The state encoded as `data`. Raises MalformedError: a witness without memory must not start."""
        return decode(data, cls)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer to `add-checkpoint`."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


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
        checkpoint = Checkpoint.parse(Note.parse(request.checkpoint).text)
    except MalformedError:
        return Answer(status=400), state
    keys = [log for log in logs if log.name == checkpoint.origin]
    if not keys:
        return Answer(status=404), state
    if not any(_is_signed(request.checkpoint, log) for log in keys):
        return Answer(status=403), state
    refusal = _refuse(state.head(checkpoint.origin), request, checkpoint)
    if refusal is not None:
        return refusal, state
    line = cosign(request.checkpoint, key, now)
    return Answer(status=200, body=line.encode()), state.advanced(checkpoint)


def _refuse(held: WitnessedHead, request: Request, new: Checkpoint) -> Answer | None:
    if request.old_size > new.size:
        return Answer(status=400)
    other_root = new.size == held.size and new.root.hex() != held.root
    if request.old_size != held.size or other_root:
        return Answer(status=409, body=f"{held.size}\n".encode(), content_type=SIZE_CONTENT_TYPE)
    try:
        verify_consistency(held.size, bytes.fromhex(held.root), new.size, new.root, request.proof)
    except LogError:
        return Answer(status=422)
    return None


def _is_signed(note: str, log: VerifyingKey) -> bool:
    try:
        verify_checkpoint(note, log)
    except SignatureError:
        return False
    return True
