"""The sealed files of bids: who may send one, until when, and what they are given for it."""

import hmac
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

import bids.store as box
from bids.envelope import Envelope, SealedFile, UploadRequest
from bids.errors import UploadError
from bids.store import StoredDocument, StoredPart, StoredUpload
from bids.uploads import Checksum, Depot, document_entry, document_receipt
from crypto.certificates import Certificate
from crypto.encoding import rounded_down, sha256
from crypto.merkle import leaf_hash
from crypto.statements import Statement, sign
from procurement import store
from procurement.chronicle import Chronicle, Tender
from procurement.clocks import check_clock
from procurement.errors import TenderError
from procurement.history import EventType

MOST_AT_ONCE = 256
"""Senders at a time in one process. A slow line may take hours, so that they must not keep each other out."""
MOST_EACH = 8
"""Of them of one bidder."""
MOST_BIDS = 8
"""Of the largest size: so many one bidder's files of a tender may fill, those of replaced bids among them."""
PATIENCE = 2.0  # seconds that a receipt waits for the log


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed file on its way in, or `document`, once it is there."""

    tender: Tender
    stored: StoredUpload
    document: StoredDocument | None = None

    @property
    def tender_id(self) -> UUID:
        return store.id_of(self.tender.notice.tender)

    @property
    def offset(self) -> int:
        """How many of its bytes are there."""
        return self.stored.size if self.document else self.stored.received


class Uploads:
    """What tenders and their bidders' files have to do with each other, in one process of the service."""

    def __init__(
        self,
        chronicle: Chronicle,
        depot: Depot,
        doubt: Callable[[datetime], str | None],
        entropy: Callable[[int], bytes],
    ) -> None:
        """`doubt` says of the database's time, just read, why it is in doubt, if it is."""
        self._chronicle = chronicle
        self._depot = depot
        self._doubt = doubt
        self._entropy = entropy
        self._sending: Counter[str] = Counter()
        self._swept: set[str] = set()

    async def create(self, ocid: str, size: int, data: bytes) -> Upload:
        """The upload that a bidder's signed request asks for. Asked for again it is the same, and only the
        token of the last request counts. A file that came with an earlier bid is there at once.

        Raises VerificationError.
        """
        pool, tender_id = self._chronicle.pool, store.id_of(ocid)
        tender = await self._chronicle.tender(ocid)
        at = await self._chronicle.clock.at(pool)
        asked, bidder = await self._asked(tender, data, at)
        file = await self._listed(tender_id, asked, bidder)
        if file.size != size:
            raise UploadError("wrong-size", "the envelope lists another size")
        stored = StoredUpload(
            id=file.id(asked.envelope),
            envelope=asked.envelope,
            number=file.number,
            sha256=file.sha256,
            size=size,
            token_hash=asked.token,
            received=0,
            registration=bidder.registration,
        )
        document = await box.load_document(pool, tender_id, stored.id)
        if document is None:
            await self._check_wanted(tender, stored, at)
        stored = await box.add_upload(pool, tender_id, stored)
        return await self._known(Upload(tender=tender, stored=stored, document=document))

    async def find(self, ocid: str, id: str, token: bytes) -> Upload:
        """The upload of who has that token. Raises TenderError, and UploadError where there is none."""
        tender = await self._chronicle.tender(ocid)
        stored = await box.load_upload(self._chronicle.pool, store.id_of(ocid), id)
        known = bytes.fromhex(stored.token_hash) if stored else bytes(32)
        if not hmac.compare_digest(sha256(token), known) or stored is None:
            raise UploadError("no-such-upload", "there is no upload with this id and token")
        document = await box.load_document(self._chronicle.pool, store.id_of(ocid), id)
        return await self._settled(Upload(tender=tender, stored=stored, document=document))

    async def check_open(self, upload: Upload) -> None:
        """More of the file may come. Raises UploadError after the grace."""
        if upload.document is None:
            at = await self._chronicle.clock.at(self._chronicle.pool)
            self._check_time(upload.tender, at)

    async def receive(
        self, upload: Upload, offset: int, chunks: AsyncIterator[bytes], checksum: Checksum | None
    ) -> Upload:
        """Take more of the file, from `offset` on; with the last of its bytes it is there.

        Raises UploadError, and Broken where the sender did not come to the end.
        """
        await self.check_open(upload)
        if offset != upload.offset:
            raise UploadError("wrong-offset", f"the upload stands at {upload.offset}")
        if upload.document:
            return upload
        await self._check_room(upload)
        with self._slot(upload.stored.registration):
            try:
                received = await self._depot.receive(upload.tender_id, upload.stored, chunks, checksum)
            except UploadError:
                await self.check_open(upload)  # the box may have been closed and swept meanwhile
                raise
        moved = msgspec.structs.replace(upload.stored, received=received)
        settled = await self._settled(msgspec.structs.replace(upload, stored=moved))
        if settled.offset < received:
            raise UploadError("document-differs", "the file is not the one in the envelope: begin anew")
        return settled

    async def remove(self, upload: Upload) -> None:
        """Break off. Raises UploadError for a file that is there already."""
        async with self._chronicle.pool.acquire() as connection, connection.transaction():
            id, tender_id = upload.stored.id, upload.tender_id
            await box.load_upload(connection, tender_id, id, "FOR UPDATE OF u")
            if await box.load_document(connection, tender_id, id):
                raise UploadError("document-stored", "the file is there: replace or withdraw the bid")
            parts = await box.load_parts(connection, tender_id, id)
            await box.remove_upload(connection, tender_id, id)
        await self._depot.drop(each.name for each in parts)

    async def receipt(self, upload: Upload) -> tuple[bytes, str] | None:
        """The signed receipt and its tlog-proof; None while the log is behind. Raises UploadError."""
        chronicle, document = self._chronicle, upload.document
        if document is None:
            raise UploadError("not-complete", f"{upload.offset} bytes of {upload.stored.size} are there")
        leaf = leaf_hash(document_entry(document, upload.tender.notice_id))
        try:
            proof = await chronicle.log.prove(leaf, PATIENCE)
        except TimeoutError:
            return None
        about = upload.tender.notice.tender, upload.tender.notice_id, upload.stored.registration
        receipt = document_receipt(document, *about, chronicle.key)
        return sign(receipt, chronicle.key), proof

    async def sweep(self, ocid: str) -> None:
        """Once the tender is closed, what no document came of is deleted."""
        if ocid in self._swept:
            return
        tender, tender_id = await self._chronicle.tender(ocid), store.id_of(ocid)
        if await store.has_event(self._chronicle.pool, tender_id, EventType.CLOSED):
            if any(each.notice.document_limit for each in tender.editions):
                await self._depot.sweep(tender_id)
            self._swept.add(ocid)

    async def _asked(self, tender: Tender, data: bytes, at: datetime) -> tuple[UploadRequest, Certificate]:
        """A genuine request about this tender, made now, and whose it is."""
        standings, pool = self._chronicle.standings, self._chronicle.pool
        _, asked, bidder = await standings.genuine(pool, data, UploadRequest, at)
        if (asked.tender, asked.notice) != (tender.notice.tender, tender.notice_id):
            raise TenderError("another-tender", "the request is about another tender")
        if self._doubt(at) is None:
            check_clock(asked.time, at)
        return asked, bidder

    async def _listed(self, tender_id: UUID, asked: UploadRequest, bidder: Certificate) -> SealedFile:
        """The file of the bidder's envelope: whichever of its certificates signed that. For others there is
        none."""
        stored = await box.load_envelope(self._chronicle.pool, tender_id, asked.envelope)
        if stored is None or stored.kind != "envelope" or stored.registration != bidder.registration:
            raise UploadError("no-such-envelope", "the bidder has no such envelope in this tender's box")
        listed = {each.number: each for each in Statement(stored.body).read(Envelope).documents}
        if asked.number not in listed:
            raise UploadError("not-listed", "the envelope lists no file with that number")
        return listed[asked.number]

    async def _check_wanted(self, tender: Tender, stored: StoredUpload, at: datetime) -> None:
        self._check_time(tender, at)
        pool, tender_id = self._chronicle.pool, store.id_of(tender.notice.tender)
        if await box.load_upload(pool, tender_id, stored.id):
            return
        if not await box.is_latest(pool, tender_id, stored.envelope):
            raise UploadError("not-latest", "the bid was replaced or withdrawn: its files do not count")

    def _check_time(self, tender: Tender, at: datetime) -> None:
        if at >= tender.notice.complete and self._doubt(at) is None:
            raise _after_grace()

    async def _check_room(self, upload: Upload) -> None:
        """Nobody fills the store by replacing its bid again and again; what a bid may have that came under
        earlier terms, an amendment does not take away. Raises UploadError."""
        made = [each.notice for each in upload.tender.editions]
        most = MOST_BIDS * max(each.document_limit * each.document_size for each in made)
        if (
            await box.count_received(self._chronicle.pool, upload.tender_id, upload.stored.registration)
            >= most
        ):
            raise UploadError("too-much", "the files of this bidder's replaced bids leave no room for more")

    async def _known(self, upload: Upload) -> Upload:
        """There at once, where the same bytes came with an earlier bid of the same bidder."""
        stored = upload.stored
        if upload.document is None:
            same = stored.registration, stored.sha256, stored.size
            source = await box.find_source(self._chronicle.pool, upload.tender_id, *same)
            if source:
                return await self._kept(upload, source, None)
        return await self._settled(upload)

    async def _settled(self, upload: Upload) -> Upload:
        """A file that has come to its last byte is there, or, if it is another one, is to come anew."""
        stored, tender_id = upload.stored, upload.tender_id
        if upload.document or stored.received < stored.size:
            return upload
        parts, digest = await self._depot.sha256(tender_id, stored.id)
        if digest == stored.sha256:
            return await self._kept(upload, stored.id, parts)
        await self._restart(upload, parts)
        return msgspec.structs.replace(upload, stored=msgspec.structs.replace(stored, received=0))

    async def _kept(self, upload: Upload, source: str, parts: list[StoredPart] | None) -> Upload:
        """The document and its commitment, or neither. `parts` are what was hashed of the upload itself."""
        chronicle, stored, tender_id = self._chronicle, upload.stored, upload.tender_id
        async with chronicle.pool.acquire() as connection, connection.transaction():
            row = await store.load_tender(connection, upload.tender.notice.tender, "FOR SHARE")
            # The grace may have moved since the upload was looked at: a slow line may take hours.
            tender = await chronicle.tender_of(connection, row)
            await self._hold(connection, upload, parts)
            document = await box.load_document(connection, tender_id, stored.id)
            if document is None:
                document = self._document(stored, source, *await self._in_time(connection, tender))
                await box.add_document(connection, tender_id, document)
                entry = document_entry(document, upload.tender.notice_id)
                await chronicle.log.append(connection, [entry])
        chronicle.log.appended.set()
        return msgspec.structs.replace(upload, document=document)

    async def _in_time(self, connection: Any, tender: Tender) -> tuple[datetime, bool]:
        """The database's time, and whether it is in doubt. The caller has locked the tender's row, so that
        nobody closes it meanwhile."""
        if await store.has_event(connection, store.id_of(tender.notice.tender), EventType.CLOSED):
            raise UploadError("after-grace", "the tender is closed")
        at = await self._chronicle.clock.at(connection)
        in_doubt = self._doubt(at) is not None  # asked once: what is marked and what is late must agree
        if at >= tender.notice.complete and not in_doubt:
            raise _after_grace()
        return at, in_doubt

    def _document(self, stored: StoredUpload, source: str, at: datetime, in_doubt: bool) -> StoredDocument:
        return StoredDocument(
            id=stored.id,
            envelope=stored.envelope,
            number=stored.number,
            sha256=stored.sha256,
            size=stored.size,
            stored_at=rounded_down(at),
            salt=self._entropy(32).hex(),
            in_doubt=in_doubt,
            source=source,
        )

    async def _restart(self, upload: Upload, parts: list[StoredPart]) -> None:
        async with self._chronicle.pool.acquire() as connection, connection.transaction():
            await self._hold(connection, upload, parts)
            await box.restart_upload(connection, upload.tender_id, upload.stored.id)
        await self._depot.drop(each.name for each in parts)

    async def _hold(self, connection: Any, upload: Upload, parts: list[StoredPart] | None) -> None:
        """Nobody changes the upload any more, which is still made of `parts`, if given. Or UploadError."""
        id, tender_id = upload.stored.id, upload.tender_id
        held = await box.load_upload(connection, tender_id, id, "FOR UPDATE OF u")
        there = await box.load_parts(connection, tender_id, id) if parts is not None else None
        if held is None or there != parts:
            raise UploadError("wrong-offset", "somebody else went on with this upload")

    @contextmanager
    def _slot(self, registration: str) -> Iterator[None]:
        if self._sending[registration] >= MOST_EACH:
            raise UploadError("too-many-requests", f"one bidder sends {MOST_EACH} files at a time")
        if self._sending.total() >= MOST_AT_ONCE:
            raise UploadError("busy", "very many files are coming in: send the same again")
        self._sending[registration] += 1
        try:
            yield
        finally:
            self._sending[registration] -= 1
            self._sending += Counter()  # who sends nothing is forgotten


def _after_grace() -> UploadError:
    return UploadError("after-grace", "the time for documents is over")
