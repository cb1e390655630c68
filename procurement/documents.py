"""The documents of a bid: which sealed files its envelope lists, and what its contents say of them.

The contents are believed where they agree with the envelope, and what does not agree is said. It never
makes a bid invalid: a document that cannot be read is as if it had not been handed in.
"""

from collections.abc import Mapping, Sequence

import msgspec

from bids.envelope import SealedFile, Section
from bids.errors import EnvelopeError
from crypto import stream
from crypto.errors import MalformedError
from procurement import archive
from procurement.bundle import Record
from procurement.scoring import OpenedBid, read_part
from procurement.tenders import Document, Notice, Restricted, read_restricted

FAULTS = {
    "not-enclosed": "the contents name a document that the envelope does not list",
    "named-twice": "two parts name the same document",
    "size-differs": "the sealed file has another size than the document that it is said to be",
    "unnamed": "no part says what the file is, or how it opens",
}
"""What may be odd about a document, by code."""


class Enclosed(msgspec.Struct, frozen=True, kw_only=True):
    """A document with its number: the sealed `file` that the envelope lists, and what a content says of it.

    One of the two may be absent; `public` is whether the content is, so that anybody can open the file.
    `fault` is a code of `FAULTS`.
    """

    number: int
    file: SealedFile | None = None
    document: Document | None = None
    public: bool = False
    fault: str | None = None


def enclosed(
    files: Sequence[SealedFile], public: Sequence[Document], restricted: Sequence[Document] = ()
) -> list[Enclosed]:
    """Everything that the envelope lists or the contents name, by number.

    `public` are the documents of the parts in their order, `restricted` those of their restricted contents.
    Who is named twice is who is named first, the public ones before the others.
    """
    listed = {each.number: each for each in files}
    named: dict[int, Enclosed] = {}
    for document, is_public in [*((each, True) for each in public), *((each, False) for each in restricted)]:
        before = named.get(document.number)
        if before is None:
            named[document.number] = _named(document, listed.get(document.number), is_public)
        elif before.fault is None:
            named[document.number] = msgspec.structs.replace(before, fault="named-twice")
    unnamed = {
        number: Enclosed(number=number, file=file, fault=None if file.part else "unnamed")
        for number, file in listed.items()
    }
    return [each for _, each in sorted((unnamed | named).items())]


def check_before_sealing(
    notice: Notice,
    contents: Mapping[Section, bytes],
    restricted: Mapping[Section, bytes],
    files: Sequence[SealedFile],
    partners: Sequence[str],
) -> None:
    """What a bidder's machine asks before it seals: everything that will be asked after the opening.

    `restricted` are the parts' restricted contents, `files` the documents with keys of their own, as the
    envelope will list them, `partners` the certificates of a joint bid's. Raises Unopenable for content that
    would not count, EnvelopeError for documents that nobody could read.
    """
    given = [(name, contents[name]) for name in notice.sections if name in contents]
    opened = [read_part(name, content, notice, partners) for name, content in given]
    withheld = [read_restricted(restricted[name]) for name in notice.sections if name in restricted]
    public = [document for each in opened for document in each.documents]
    for each in enclosed(files, public, documents_of(withheld)):
        if each.fault:
            raise EnvelopeError(each.fault, f"document {each.number}: {FAULTS[each.fault]}")


def public_documents(bid: OpenedBid) -> list[Document]:
    """What the opened parts name, in the order of the parts."""
    parts = (bid.proposal, bid.bid)
    return [document for each in parts if each is not None for document in each.documents]


def odd_documents(bid: OpenedBid) -> list[str]:
    """What everybody should know of documents that the bid names, and which cannot be what it says."""
    named = enclosed(bid.envelope.documents, public_documents(bid))
    return [f"document {each.number}: {FAULTS[each.fault]}" for each in named if each.public and each.fault]


def documents_of(restricted: Sequence[Restricted]) -> list[Document]:
    """What the restricted contents name, in the order of the parts."""
    return [document for each in restricted for document in each.documents]


class Identified(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed file recognised in an award record: whose bid it belongs to, and what opens it."""

    envelope: str
    registration: str
    bidder: str
    document: Document


def identify(record: bytes, sha256: str, size: int) -> list[Identified]:
    """The public documents of an award record whose sealed file has that SHA-256 and size.

    The record is read, not verified. Raises what reading one raises for bytes that are none: RecordError,
    MalformedError, Unopenable.
    """
    found = Record(archive.unpack(record))
    return [
        Identified(
            envelope=bid.id,
            registration=bid.registration,
            bidder=found.certificate(bid.envelope.signer).name,
            document=each.document,
        )
        for bid in found.counted
        for each in enclosed(bid.envelope.documents, public_documents(bid))
        if each.document and each.file and (each.file.sha256, each.file.size) == (sha256, size)
    ]


def _named(document: Document, file: SealedFile | None, public: bool) -> Enclosed:
    enclosed = Enclosed(number=document.number, file=file, document=document, public=public)
    return msgspec.structs.replace(enclosed, fault=_fault(document, file))


def _fault(document: Document, file: SealedFile | None) -> str | None:
    if file is None or file.part is not None:
        return "not-enclosed"
    try:
        fits = stream.plain_size(file.size) == document.size
    except MalformedError:
        fits = False
    return None if fits else "size-differs"
