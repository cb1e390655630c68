"""What is read of documents once bids are open: by anybody the sealed files whose keys are public by then, by
the tender's officials every document whose part is open, opened, what is restricted too."""

import asyncio
import hashlib
import mimetypes
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec

import bids.store as box
from bids.envelope import SealedFile, Section, place
from bids.errors import Unopenable
from bids.orders import Opening, PartToOpen, open_restricted
from bids.store import StoredDocument
from bids.uploads import Depot
from crypto import stream
from crypto.certificates import Certificate, Role
from crypto.errors import LockError
from procurement import store
from procurement.chronicle import Situation, opened_bid
from procurement.documents import Enclosed, documents_of, enclosed, public_documents
from procurement.duties import check_no_conflict
from procurement.errors import TenderError
from procurement.history import BID_EVENTS, EventType
from procurement.login.sessions import Visitor
from procurement.notices import TenderDocument
from procurement.procedure import Procedure
from procurement.registry import store as registry
from procurement.scoring import OpenedBid
from procurement.tenders import Document, Restricted, read_restricted


class ShownDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A document of an opened bid: `sha256` and `size` (bytes) are the sealed file's, `title` and `format`
    what the bid says of it, `fault` what is odd about it.

    `restricted` is what is not public, or not yet: another part may still be sealed.
    """

    number: int
    access: Literal["public", "restricted"]
    state: Literal["stored", "missing"]
    sha256: str | None = None
    size: int | None = None
    title: str | None = None
    format: str | None = None
    fault: str | None = None


class ShownBid(msgspec.Struct, frozen=True, kw_only=True):
    """What officials see of a bid's documents: all of them, and the texts of restricted contents by part."""

    bidder: str
    registration: str
    documents: list[ShownDocument]
    texts: dict[str, str]


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A file on its way out: its name, its size (bytes), and its bytes, which end early where not all of it
    is as it should be."""

    name: str
    size: int
    chunks: AsyncIterator[bytes]


class _Bid(NamedTuple):
    situation: Situation
    opened: OpenedBid
    stored: Mapping[int, StoredDocument]
    """The sealed files that are there, by number."""


class Downloads:
    """Reads documents of opened bids. Whatever is not to be read raises TenderError."""

    def __init__(self, procedure: Procedure, depot: Depot) -> None:
        self._procedure = procedure
        self._depot = depot

    async def listed(self, ocid: str, envelope: str) -> list[ShownDocument]:
        """What everybody may know of a bid's documents."""
        bid = await self._bid(ocid, envelope)
        return [_shown(each, bid.stored) for each in _public(bid)]

    async def sealed(self, ocid: str, envelope: str, number: int) -> Download:
        """A sealed file whose key is public."""
        bid = await self._bid(ocid, envelope)
        found = next((each for each in _public(bid) if each.number == number), None)
        if found is None or found.file is None:
            raise _absent()
        if not found.public or found.file.part:  # whose keys everybody could derive who had the file
            raise TenderError("document-restricted", "this document is not public")
        chunks = self._read(bid, found.file)
        return Download(name=f"{number}.sealed", size=found.file.size, chunks=await begun(chunks))

    async def of_tender(self, ocid: str, id: str) -> tuple[TenderDocument, Download]:
        """A document of a published notice, for anybody."""
        notice = (await self._procedure.tender(ocid)).notice
        found = next((each for each in notice.documents if each.id == id), None)
        if found is None:
            raise _absent()
        chunks = self._procedure.files.read(store.id_of(ocid), found)
        name = _file_name(f"{found.id} {found.title}", found.format)
        return found, Download(name=name, size=found.size, chunks=await begun(chunks))

    async def shown(self, ocid: str, envelope: str, visitor: Visitor) -> ShownBid:
        """What an official of the tender may know of a bid's documents."""
        bid = await self._bid(ocid, envelope, visitor)
        restricted = await self._restricted(bid)
        known = enclosed(bid.opened.envelope.documents, public_documents(bid.opened), _named(restricted))
        certificate = await registry.load_certificate(self._procedure.pool, bid.opened.envelope.signer)
        return ShownBid(
            bidder=Certificate(certificate).name,
            registration=bid.opened.registration,
            documents=[_shown(each, bid.stored) for each in known],
            texts={name: each.text for name, (_, each) in restricted.items()},
        )

    async def opened(self, ocid: str, envelope: str, number: int, visitor: Visitor) -> Download:
        """A document for an official, opened; under the number of a part's restricted content that itself.

        Raises LockError or MalformedError where it does not open to what the bid says.
        """
        bid = await self._bid(ocid, envelope, visitor)
        restricted = await self._restricted(bid)
        for section, (plain, _) in restricted.items():
            if number in {each.number for each in bid.opened.envelope.documents if each.section == section}:
                return Download(name=f"restricted-{section}.json", size=len(plain), chunks=_once(plain))
        known = enclosed(bid.opened.envelope.documents, public_documents(bid.opened), _named(restricted))
        for each in known:
            if each.number == number and each.document and each.file and each.fault != "not-enclosed":
                return await self._plain(bid, each.file, each.document)
        raise _absent()

    async def _bid(self, ocid: str, envelope: str, visitor: Visitor | None = None) -> _Bid:
        situation = await self._procedure.situation(ocid)
        if visitor:
            _check_official(situation, visitor)
        if not situation.has(EventType.OPENED):
            raise TenderError("not-yet", "the bids are not opened yet")
        if envelope not in {each.statement for each in situation.entries if each.t in BID_EVENTS}:
            raise TenderError("no-such-statement", "no such bid was opened")
        stored = await box.load_documents_of(self._procedure.pool, situation.row.tender_id, [envelope])
        opened = await self._opened(situation, envelope)
        return _Bid(situation, opened, {each.number: each for each in stored})

    async def _opened(self, situation: Situation, envelope: str) -> OpenedBid:
        pool, tender_id = self._procedure.pool, situation.row.tender_id
        stored = await box.load_envelope(pool, tender_id, envelope)
        parts = await box.load_opened_parts(pool, tender_id, envelope)
        if stored is None:
            raise _absent()
        return opened_bid(stored, parts, situation.tender)

    async def _restricted(self, bid: _Bid) -> dict[Section, tuple[bytes, Restricted]]:
        """Of each open section that has restricted content: its bytes, and what it says."""
        events = bid.situation.of(EventType.BID_OPENED)
        is_open = {each.section for each in events if each.statement == bid.opened.id}
        found = {}
        for name in bid.situation.tender.terms.sections:
            for file in bid.opened.envelope.documents:
                if file.section == name and name in is_open and file.number in bid.stored:
                    with suppress(Unopenable):  # its bidder's own doing: then there is none
                        found[name] = await self._restricted_content(bid, name, file)
        return found

    async def _restricted_content(
        self, bid: _Bid, section: Section, file: SealedFile
    ) -> tuple[bytes, Restricted]:
        part, lot = place(section)
        entry = bid.situation.of(EventType.OPENED, part)[0]
        opening = await self._procedure.said(self._procedure.pool, bid.situation, entry, Opening)
        sealed = b"".join([chunk async for chunk in self._read(bid, file)])
        terms = bid.situation.tender.edition(bid.opened.envelope).terms
        to_open = PartToOpen(envelope=bid.opened.envelope, terms=terms, opening=opening, lot=lot)
        plain = await asyncio.to_thread(open_restricted, to_open, sealed)
        return plain, read_restricted(plain)

    async def _plain(self, bid: _Bid, file: SealedFile, document: Document) -> Download:
        if stream.plain_size(file.size) != document.size:
            raise LockError("the sealed file has another size than the document that it is said to be")
        chunks = _opening(self._read(bid, file), document)
        return Download(name=_name(document), size=document.size, chunks=await begun(chunks))

    def _read(self, bid: _Bid, file: SealedFile) -> AsyncIterator[bytes]:
        if file.number not in bid.stored:
            raise _absent()
        return self._depot.read(bid.situation.row.tender_id, bid.stored[file.number].source)


def _public(bid: _Bid) -> list[Enclosed]:
    return enclosed(bid.opened.envelope.documents, public_documents(bid.opened))


def _named(restricted: Mapping[Section, tuple[bytes, Restricted]]) -> list[Document]:
    return documents_of([each for _, each in restricted.values()])


def _shown(each: Enclosed, stored: Mapping[int, StoredDocument]) -> ShownDocument:
    file, document = each.file, each.document
    return ShownDocument(
        number=each.number,
        access="public" if each.public else "restricted",
        state="stored" if file and each.number in stored else "missing",
        sha256=file.sha256 if file else None,
        size=file.size if file else None,
        title=document.title if document else None,
        format=document.format if document else None,
        fault=each.fault if document else None,  # a part that is still sealed may name it
    )


def _check_official(situation: Situation, visitor: Visitor) -> None:
    """One of the two officers, or on the panel, and without a conflict of interest. Raises TenderError."""
    if visitor.role is Role.EVALUATOR:
        situation.officials.check_seated(visitor.registration, situation.declared)
    else:
        situation.officials.check_in_charge(visitor.registration)
    check_no_conflict(situation.declared, visitor.registration)


async def _opening(sealed: AsyncIterator[bytes], document: Document) -> AsyncIterator[bytes]:
    """The plaintext as it comes; its last piece only once all of it is known to be the document."""
    opener, digest = stream.Opener(bytes.fromhex(document.key)), hashlib.sha256()
    async for chunk in sealed:
        for plain in opener.feed(chunk):
            digest.update(plain)
            yield plain
    last = opener.end()
    digest.update(last)
    if digest.hexdigest() != document.sha256:
        raise LockError("the file opens to another document than the bid names")
    yield last


async def begun(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same, the first piece at hand: what is wrong from the start is said before anything is sent."""
    first = await anext(chunks, b"")

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_of_it()


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _name(document: Document) -> str:
    return _file_name(f"{document.number} {document.title}", document.format)


def _file_name(title: str, format: str) -> str:
    """A file's name out of what somebody wrote: nothing that a file system or a reader stumbles over."""
    safe = "".join(each if each.isalnum() or each in " -_." else "_" for each in title)
    extension = mimetypes.guess_extension(format) or ""
    return f"{safe.removesuffix(extension)[:80].strip(' .')}{extension}"


def _absent() -> TenderError:
    return TenderError("no-such-document", "there is no such document, or it was never stored")
