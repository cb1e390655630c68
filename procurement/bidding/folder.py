"""A bid's folder: the draft, and every element of its chain with what the service answered.

    tender.json    the notice as it was verified, whom its bidder trusts, whose file signs
    log.json       the newest head of the log that was shown
    bid.json       the draft
    1/, 2/, …      the chain: sealed bids and withdrawals, each in a folder that appears whole or not at all
      statement.json   what is sent
      sealed.json      what is in it: for the bidder's eyes and those of partners
      files/N          sealed files, which follow
      sent             there from just before it is sent for the first time
      receipt.json     the service's answer: a promise until the receipt takes its place
      refusal.json     the service's signed no
      contradiction.json  what the service signed against its answer, if it ever did
      receipts/N.json  the service's answer for each file
      statement.tsr    a time-stamping authority's token about statement.json, if one was asked

Everything is durable before anybody is told of it.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import structs

from bids.envelope import Envelope, Part, SealedFile, Section, Withdrawal, place, section
from bids.receipts import DocumentReceipt, Held, Promise, Receipt, Refusal
from crypto import durable
from crypto.certificates import SigningKey
from crypto.checkpoint import Checkpoint
from crypto.encoding import (
    Base64,
    Hex32,
    Identifier,
    Small,
    Text,
    Value,
    decode,
    encode,
    from_base64,
    to_base64,
)
from crypto.stamps import Token
from crypto.statements import PAYLOAD_TYPE, Statement
from crypto.trust import Trust
from procurement import folders
from procurement.bidding.draft import Draft, read, write
from procurement.client import Sealed, Stated
from procurement.editions import Edition, edition_of, reread
from procurement.errors import FolderError
from procurement.registry.holding import Holding
from procurement.scoring import read_opened
from procurement.tenders import Bid, Document, Proposal, Restricted, read_restricted

State = Literal["sealed", "sent", "promised", "accepted", "refused"]

_SEALING = ".sealing"


class _Tender(Value, frozen=True, kw_only=True):
    """What `tender.json` holds. `file` is the bidder's, made by `openseal enrol`."""

    service: Text
    trust: Trust
    file: Text
    notice: Base64
    amendments: tuple[Base64, ...] = ()
    """What has changed the terms since, as far as the bidder has seen it."""


class _Head(Value, frozen=True, kw_only=True):
    size: Small
    root: Hex32


class ShownPart(Value, frozen=True, kw_only=True):
    """What is in one part, or in one lot's."""

    part: Part
    lot: Identifier | None = None
    content: Base64


class Shown(Value, frozen=True, kw_only=True):
    """What `sealed.json` holds: an envelope with what is in it. Who reads it reads the bid."""

    envelope: Base64
    contents: tuple[ShownPart, ...]
    entropy: Base64
    restricted: tuple[ShownPart, ...] = ()

    @classmethod
    def of(cls, sealed: Sealed) -> "Shown":
        """For the file."""
        return cls(
            envelope=to_base64(sealed.envelope),
            contents=_shown(sealed.contents),
            entropy=to_base64(sealed.entropy),
            restricted=_shown(sealed.restricted),
        )

    def sealed(self) -> Sealed:
        """From the file. Raises MalformedError."""
        return Sealed(
            envelope=from_base64(self.envelope),
            contents=_contents(self.contents),
            entropy=from_base64(self.entropy),
            restricted=_contents(self.restricted),
        )


class Element:
    """One sealed bid or withdrawal of the chain, with what came of it.

    Everything raises OSError, and MalformedError for what somebody has altered.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = int(path.name)
        self.statement = Statement((path / "statement.json").read_bytes())

    @property
    def withdrawal(self) -> bool:
        """Whether it is one; else it is an envelope."""
        return self.statement.payload_type == PAYLOAD_TYPE.format(purpose=Withdrawal.PURPOSE)

    @property
    def previous(self) -> str | None:
        """Id of the element before, as it is signed."""
        if self.withdrawal:
            return self.statement.read(Withdrawal).previous
        return self.statement.read(Envelope).previous

    @property
    def files(self) -> tuple[SealedFile, ...]:
        """The sealed files that follow."""
        return () if self.withdrawal else self.statement.read(Envelope).documents

    @property
    def answer(self) -> bytes | None:
        """What the service answered last, promise or receipt."""
        return _read_if_there(self.path / "receipt.json")

    @property
    def receipt(self) -> Receipt | None:
        """What the answer says: a Promise while there is no receipt. It was verified before it was kept."""
        if self.answer is None:
            return None
        held = Held.parse(self.answer)
        return held.receipt.read(Receipt if held.proof else Promise)

    @property
    def refusal(self) -> Refusal | None:
        """The service's no."""
        data = _read_if_there(self.path / "refusal.json")
        return Statement(data).read(Refusal) if data is not None else None

    @property
    def state(self) -> State:
        """How far it has come."""
        match self.receipt:
            case Promise():
                return "promised"
            case Receipt():
                return "accepted"
        if (self.path / "refusal.json").exists():
            return "refused"
        return "sent" if (self.path / "sent").exists() else "sealed"

    def file(self, number: int) -> Path:
        """Where that sealed file is."""
        return self.path / "files" / str(number)

    def document_receipt(self, number: int) -> DocumentReceipt | None:
        """The service's word for that file, verified before it was kept."""
        data = _read_if_there(self.path / "receipts" / f"{number}.json")
        return Held.parse(data).receipt.read(DocumentReceipt) if data is not None else None

    def shown(self) -> Shown:
        """What is in the envelope."""
        return decode((self.path / "sealed.json").read_bytes(), Shown)

    def documents(self) -> dict[int, Document]:
        """What the contents say of the files, by number. The files with restricted content are not among
        them."""
        found = self.shown().sealed()
        said: list[Proposal | Bid | Restricted] = [
            *(read_opened(part, each) for part, each in found.contents.items()),
            *map(read_restricted, found.restricted.values()),
        ]
        return {document.number: document for each in said for document in each.documents}

    @property
    def stamp(self) -> Token | None:
        """What a time-stamping authority said of the statement. It was verified before it was kept."""
        data = _read_if_there(self.path / "statement.tsr")
        return Token(data) if data is not None else None

    def keep_stamp(self, token: bytes) -> None:
        """Put an authority's verified token into its place."""
        durable.replace(self.path / "statement.tsr", token)

    def mark_sent(self) -> None:
        """From here on the service may have it."""
        if not (self.path / "sent").exists():
            durable.replace(self.path / "sent", b"")

    def keep(self, answer: bytes) -> None:
        """Put the service's verified answer into its place."""
        durable.replace(self.path / "receipt.json", answer)

    def keep_refusal(self, statement: bytes) -> None:
        """Put the service's verified no into its place."""
        durable.replace(self.path / "refusal.json", statement)

    def keep_contradiction(self, statement: bytes) -> None:
        """Put what the service said against its own word beside that."""
        durable.replace(self.path / "contradiction.json", statement)

    def keep_document(self, number: int, answer: bytes) -> None:
        """Put the service's verified answer for a file into its place."""
        (self.path / "receipts").mkdir(exist_ok=True)
        durable.sync(self.path)
        durable.replace(self.path / "receipts" / f"{number}.json", answer)


class Folder:
    """A bid's folder. Methods raise OSError, MalformedError; FolderError for one that is none."""

    def __init__(self, path: Path) -> None:
        """Read what is there."""
        self.path = path
        found = _read_if_there(path / "tender.json")
        if found is None:
            raise FolderError(f"{path} is no bid's folder: openseal bid compose makes one")
        self._tender = decode(found, _Tender)
        self.editions = self._read()

    def _read(self) -> tuple[Edition, ...]:
        amendments = [Statement(from_base64(each)) for each in self._tender.amendments]
        return reread(Statement(from_base64(self._tender.notice)), amendments)

    @property
    def tender(self) -> Stated:
        """The tender by the latest terms that its bidder has seen."""
        return self._stated(self.editions[-1])

    def tender_of(self, element: "Element") -> Stated:
        """The tender by the terms that an element of the chain was sealed under."""
        if element.withdrawal:
            return self.tender
        context = element.statement.read(Envelope).context
        return self._stated(edition_of(self.editions, context.terms))

    def _stated(self, edition: Edition) -> Stated:
        return Stated(notice=edition.notice, notice_id=self.editions[0].statement, terms=edition.terms)

    def keep_amendments(self, amendments: Sequence[bytes]) -> list[Edition]:
        """All that has changed the terms by now, verified; the editions among them that are new here."""
        known = len(self.editions)
        statements = tuple(map(to_base64, amendments))
        if statements[: known - 1] != self._tender.amendments:
            raise FolderError("the service showed other amendments before")
        if statements != self._tender.amendments:
            self._tender = structs.replace(self._tender, amendments=statements)
            durable.replace(self.path / "tender.json", encode(self._tender))
            self.editions = self._read()
        return list(self.editions[known:])

    @classmethod
    def make(
        cls,
        path: Path,
        holding: Holding,
        file: Path,
        notice: Statement,
        amendments: Sequence[bytes],
        draft: Draft,
    ) -> "Folder":
        """A new one, for a notice that was verified, with what has amended it. An empty folder may be there
        already."""
        folders.make(path)
        tender = _Tender(
            service=holding.service,
            trust=holding.trust,
            file=str(file.resolve()),
            notice=to_base64(notice.data),
            amendments=tuple(map(to_base64, amendments)),
        )
        durable.replace(path / "bid.json", write(draft))
        durable.replace(path / "tender.json", encode(tender))
        durable.sync(path.parent)
        return cls(path)

    @property
    def service(self) -> str:
        """The service's address."""
        return self._tender.service

    @property
    def trust(self) -> Trust:
        """Whom the bidder trusts."""
        return self._tender.trust

    @property
    def signer(self) -> Path:
        """The bidder's file."""
        return Path(self._tender.file)

    @property
    def draft(self) -> Draft:
        """The draft, as it is edited now."""
        return read((self.path / "bid.json").read_bytes())

    @property
    def seen(self) -> Checkpoint | None:
        """The newest head of the log that was shown here."""
        data = _read_if_there(self.path / "log.json")
        if data is None:
            return None
        head = decode(data, _Head)
        return Checkpoint(origin="", size=head.size, root=bytes.fromhex(head.root))

    def keep_seen(self, head: Checkpoint) -> None:
        """Who keeps it notices a fork the next time, too."""
        if head != self.seen:
            durable.replace(self.path / "log.json", encode(_Head(size=head.size, root=head.root.hex())))

    @property
    def chain(self) -> list[Element]:
        """Everything that was sealed here, the oldest first."""
        numbers = sorted(int(each.name) for each in self.path.iterdir() if each.name.isdecimal())
        return [Element(self.path / str(number)) for number in numbers]

    def room(self) -> Path:
        """An empty place to put the next element together; what was left there half done is gone."""
        room = self.path / _SEALING
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir(mode=0o700)
        (room / "files").mkdir()
        return room

    def add(self, statement: bytes, shown: Shown | None = None) -> Element:
        """What was put together, as the next element of the chain."""
        room, number = self.path / _SEALING, max([each.number for each in self.chain], default=0) + 1
        if shown is not None:
            durable.replace(room / "sealed.json", encode(shown))
        durable.sync(room / "files")
        durable.replace(room / "statement.json", statement)
        room.rename(self.path / str(number))
        durable.sync(self.path)
        return Element(self.path / str(number))

    def check_signer(self, key: SigningKey, element: Element) -> None:
        """Only the certificate that signed an envelope sends its files and withdraws it."""
        if key.fingerprint != element.statement.signer:
            raise FolderError(
                f"number {element.number} was signed under the certificate {element.statement.signer},"
                " and only that one can go on with it"
            )


def read_shown(path: Path) -> Sealed:
    """A partner's look at what the lead of a joint bid has sealed. Raises OSError, MalformedError."""
    return decode(path.read_bytes(), Shown).sealed()


def _read_if_there(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _shown(contents: Mapping[Section, bytes]) -> tuple[ShownPart, ...]:
    named = [(*place(name), to_base64(each)) for name, each in contents.items()]
    return tuple(ShownPart(part=part, lot=lot, content=content) for part, lot, content in named)


def _contents(shown: Sequence[ShownPart]) -> dict[Section, bytes]:
    return {section(each.part, each.lot): from_base64(each.content) for each in shown}
