"""What the bid box answers for: commitments, receipts, refusals, and the closing statement.

The log shows a commitment per accepted envelope and nothing else until the closing statement reveals
every one of them; the receipt lets its bidder find its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import msgspec

from bids.envelope import MOST_DOCUMENTS, SealedFile
from crypto.certificates import Role
from crypto.checkpoint import TlogProof
from crypto.encoding import (
    Hex32,
    Identifier,
    Moment,
    Small,
    Text,
    Value,
    encode,
    from_base64,
    milliseconds,
    sha256,
)
from crypto.errors import LogError, MalformedError
from crypto.statements import PAYLOAD_TYPE, Payload, Statement

Kind = Literal["envelope", "withdrawal"]
"""What a chain is made of."""
KINDS: dict[str, int] = {"envelope": 1, "withdrawal": 2, "cover": 3, "document": 4}
"""What commitments are to, and the byte that says so."""
ZERO = "00" * 32
"""Notice and id of a cover commitment."""
PROMISED = timedelta(seconds=60)
"""Within this time of its acceptance the log holds what a promise was given for."""


class Refusal(Payload, frozen=True, kw_only=True):
    """The service's signed no. `received` is the SHA-256 of the bytes that came in."""

    PURPOSE: ClassVar[str] = "refusal"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.SERVICE,)

    tender: Identifier
    received: Hex32
    statement: Hex32 | None = None
    """The statement's id, where the bytes are a statement."""
    reason: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9-]{1,64}\Z")]
    detail: Text
    time: Moment


class Receipt(Payload, frozen=True, kw_only=True):
    """The service's word that an envelope is in the box: every input of its commitment."""

    PURPOSE: ClassVar[str] = "receipt"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.SERVICE,)

    tender: Identifier
    notice: Hex32
    bidder: Identifier
    """Whose envelope it is: the registration number in the bidder's certificate."""
    kind: Kind
    time: Moment
    salt: Hex32
    statement: Hex32
    """The envelope's or withdrawal's id."""
    status: Hex32
    """Id of the certificate status under which the bidder's certificate was looked at."""
    in_doubt: bool = False
    """Whether the service's clock was in doubt, so that `time` may be wrong."""

    def commitment(self) -> bytes:
        """The 32 bytes that stand in the log for it."""
        return commitment(self.kind, self.notice, self.time, self.salt, self.statement)


class Promise(Receipt, frozen=True, kw_only=True):
    """A receipt before the log has the commitment: it will, by `included_by`."""

    PURPOSE: ClassVar[str] = "promise"

    included_by: Moment


class DocumentReceipt(Payload, frozen=True, kw_only=True):
    """The service's word that it holds a sealed file that an envelope lists: every input of its commitment,
    whose id `SealedFile.id` gives."""

    PURPOSE: ClassVar[str] = "document-receipt"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.SERVICE,)

    tender: Identifier
    notice: Hex32
    bidder: Identifier
    envelope: Hex32
    number: Annotated[int, msgspec.Meta(ge=1, le=MOST_DOCUMENTS)]
    sha256: Hex32
    size: Small
    time: Moment
    salt: Hex32
    in_doubt: bool = False

    @property
    def file(self) -> SealedFile:
        """The file as an envelope lists it, but for its part."""
        return SealedFile(number=self.number, sha256=self.sha256, size=self.size)

    def commitment(self) -> bytes:
        """The 32 bytes that stand in the log for this file."""
        return commitment("document", self.notice, self.time, self.salt, self.file.id(self.envelope))


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a bidder holds of something that was accepted, not verified: a receipt of whatever kind with its
    place in the log, or the promise of one."""

    receipt: Statement
    proof: TlogProof | None = None

    @classmethod
    def parse(cls, data: bytes) -> "Held":
        """The service's answer to a bid, a withdrawal or a document, as it came. Raises MalformedError."""
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except (ValueError, RecursionError) as error:
            raise MalformedError("not a service's answer to a bid") from error
        if answer.receipt is None and answer.promise is not None:
            return cls(receipt=Statement(from_base64(answer.promise)))
        if answer.receipt is None or answer.proof is None:
            raise MalformedError("the answer has neither a receipt with its proof nor a promise")
        return cls(receipt=Statement(from_base64(answer.receipt)), proof=TlogProof.parse(answer.proof))

    @property
    def type(self) -> "type[Receipt] | type[DocumentReceipt]":
        """What it says it is. Raises MalformedError."""
        for each in (Receipt, Promise, DocumentReceipt):
            if self.receipt.payload_type == PAYLOAD_TYPE.format(purpose=each.PURPOSE):
                return each
        raise MalformedError("neither a receipt nor a promise")


def is_refusal(data: bytes) -> bool:
    """Whether these bytes are a statement that says of itself that it is a refusal."""
    try:
        return Statement(data).payload_type == PAYLOAD_TYPE.format(purpose=Refusal.PURPOSE)
    except MalformedError:
        return False


class _Answer(msgspec.Struct, frozen=True):
    receipt: str | None = None
    proof: str | None = None
    promise: str | None = None


class Committed(Value, frozen=True, kw_only=True):
    """One commitment of a closing statement, revealed: its log index and its inputs."""

    index: Small
    kind: Kind
    time: Moment
    salt: Hex32
    statement: Hex32
    status: Hex32
    bidder: Identifier
    """Said here once more, so that nobody's envelope can be passed off as replaced by somebody else's."""
    in_doubt: bool = False


class CommittedDocument(Value, frozen=True, kw_only=True):
    """One document commitment of a closing statement, revealed; the file is in the service's store."""

    index: Small
    time: Moment
    salt: Hex32
    envelope: Hex32
    number: Annotated[int, msgspec.Meta(ge=1, le=MOST_DOCUMENTS)]
    sha256: Hex32
    in_doubt: bool = False


class MissingDocument(Value, frozen=True, kw_only=True):
    """A file that a counted envelope lists and that did not come in time."""

    envelope: Hex32
    number: Annotated[int, msgspec.Meta(ge=1, le=MOST_DOCUMENTS)]


class Closing(Payload, frozen=True, kw_only=True):
    """What is in the box, said before any key exists.

    `commitments` and `documents` are in the order of the log. Each of `chains` is one bidder's envelopes and
    withdrawals, oldest first: the last one counts, unless it is a withdrawal, or superseded by a change of
    terms. `missing` are the files that counted envelopes list and that are not there.
    """

    PURPOSE: ClassVar[str] = "closing"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.SERVICE,)

    tender: Identifier
    notice: Hex32
    terms: tuple[Hex32, ...]
    """Digests of all editions of the terms, in order."""
    deadline: Moment
    time: Moment
    commitments: tuple[Committed, ...]
    chains: tuple[tuple[Hex32, ...], ...]
    documents: tuple[CommittedDocument, ...] = ()
    missing: tuple[MissingDocument, ...] = ()
    superseded: tuple[Hex32, ...] = ()
    """Envelopes that chains end with and that came under terms which do not count any more, in the order of
    `chains`."""

    def counted(self) -> tuple[str, ...]:
        """Ids of the envelopes that will be opened: the last of each chain that is neither withdrawn nor
        superseded."""
        out = {*self.withdrawn(), *self.superseded}
        return tuple(chain[-1] for chain in self.chains if chain[-1] not in out)

    def withdrawn(self) -> tuple[str, ...]:
        """Ids of the withdrawals that chains end with."""
        withdrawals = {each.statement for each in self.commitments if each.kind == "withdrawal"}
        return tuple(chain[-1] for chain in self.chains if chain[-1] in withdrawals)

    def lacking(self, manifests: Mapping[str, Sequence[SealedFile]]) -> tuple[MissingDocument, ...]:
        """What `missing` has to say, where the counted envelopes (ids) list these files."""
        there = {(each.envelope, each.number) for each in self.documents}
        return tuple(
            MissingDocument(envelope=id, number=file.number)
            for id in self.counted()
            for file in manifests[id]
            if (id, file.number) not in there
        )

    def check(self) -> None:
        """Each id occurs once, is in exactly one chain, a chain is one bidder's and a bidder has one, each
        file is an envelope's, and indices ascend. Raises LogError."""
        listed = [each.statement for each in self.commitments]
        chained = [each for chain in self.chains for each in chain]
        indices = [each.index for each in self.commitments]
        if len(set(listed)) != len(listed) or sorted(listed) != sorted(chained):
            raise LogError(
                "the closing statement does not list every envelope exactly once: a bid is left out or"
                " stands twice"
            )
        bidder = {each.statement: each.bidder for each in self.commitments}
        owners = [{bidder[id] for id in chain} for chain in self.chains]
        if any(len(each) != 1 for each in owners) or len(owners) != len(set(bidder.values())):
            raise LogError(
                "the closing statement does not give each bidder one chain of bids, of which the last one"
                " counts"
            )
        if indices != sorted(set(indices)):
            raise LogError("the closing statement is not in the order of the log")
        self._check_withdrawals()
        if self.superseded != self._ends(self.superseded):
            raise LogError("the closing statement calls superseded what no bidder's envelopes end with")
        self._check_documents()

    def _ends(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Those of `ids` that are envelopes which chains end with, in the order of the chains."""
        wanted = set(ids) - set(self.withdrawn())
        return tuple(chain[-1] for chain in self.chains if chain[-1] in wanted)

    def _check_withdrawals(self) -> None:
        """What is withdrawn is an envelope, the one before. Raises LogError."""
        kind = {each.statement: each.kind for each in self.commitments}
        for chain in self.chains:
            kinds = ["withdrawal", *(kind[id] for id in chain)]
            if ("withdrawal", "withdrawal") in pairwise(kinds):
                raise LogError("the closing statement lists a withdrawal of nothing")

    def _check_documents(self) -> None:
        """Raises LogError."""
        committed = {each.statement: each for each in self.commitments}
        indices = [each.index for each in self.documents]
        if indices != sorted(set(indices)) or {each.index for each in self.commitments} & set(indices):
            raise LogError("the closing statement lists documents in another order than the log's")
        for each in self.documents:
            owner = committed.get(each.envelope)
            if owner is None or owner.kind != "envelope" or owner.index > each.index:
                raise LogError("the closing statement lists a document of no envelope before it")
        there = [(each.envelope, each.number) for each in self.documents]
        absent = [(each.envelope, each.number) for each in self.missing]
        if len({*there, *absent}) != len(there) + len(absent):
            raise LogError("the closing statement lists a document twice, or as missing one that came")
        if not {id for id, _ in absent} <= set(self.counted()):
            raise LogError("the closing statement misses documents of an envelope that does not count")


class CommittedCover(Value, frozen=True, kw_only=True):
    """One cover commitment, revealed: its notice and id are zero."""

    index: Small
    time: Moment
    salt: Hex32


class RevealedCovers(Payload, frozen=True, kw_only=True):
    """Which commitments of a day (UTC) were to nothing, in the order of the log: said once every tender that
    was published by the end of that day is closed."""

    PURPOSE: ClassVar[str] = "covers"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.SERVICE,)

    day: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}(-[0-9]{2}){2}\Z")]
    covers: tuple[CommittedCover, ...]
    time: Moment


class CoversEntry(Value, frozen=True, kw_only=True, tag_field="t", tag="covers:revealed"):
    """The log entry that names such a statement."""

    statement: Hex32


class CommitmentEntry(Value, frozen=True, kw_only=True, tag_field="t", tag="commitment"):
    """The log entry: `{"c":"<64 hex>","t":"commitment"}`."""

    c: Hex32


def commitment(kind: str, notice: str, time: str, salt: str, id: str) -> bytes:
    """``SHA256("openseal/v1/commitment\\n" ‖ kind(1) ‖ notice(32) ‖ uint64_be(ms) ‖ salt(32) ‖ id(32))``.

    `kind` is one of `KINDS`.
    """
    return sha256(
        b"openseal/v1/commitment\n",
        bytes([KINDS[kind]]),
        bytes.fromhex(notice),
        milliseconds(time).to_bytes(8, "big"),
        bytes.fromhex(salt),
        bytes.fromhex(id),
    )


def commitment_entry(digest: bytes) -> bytes:
    """The log entry of a commitment: every one has the same 89 bytes but for the hash."""
    return encode(CommitmentEntry(c=digest.hex()))


def chains(envelopes: Iterable[tuple[str, str | None]]) -> tuple[tuple[str, ...], ...]:
    """Bidders' chains from (id, previous) pairs in log order.

    A second envelope in the same place starts a chain of its own, which `Closing.check` refuses.
    """
    growing: dict[str, list[str]] = {}
    for statement, previous in envelopes:
        chain = growing.pop(previous, []) if previous else []
        growing[statement] = [*chain, statement]
    return tuple(tuple(chain) for chain in growing.values())
