"""A bidder at its own machine: seals, submits, sends files, withdraws, and looks what became of it.

Every step can be broken off at any point and taken up again: what was signed is kept before it is sent, and
what the service answered before anybody is told.
"""

import asyncio
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from bids.client import LONGEST_PAUSE, BrokenPromiseError, RefusedError, Service, ServiceError, Upload, parse
from bids.documents import digest, seal_file
from bids.envelope import Envelope, SealedFile, UploadRequest, Withdrawal
from bids.receipts import Closing, Committed, CommittedDocument, DocumentReceipt, Promise, Receipt
from crypto import durable
from crypto.certificates import SigningKey
from crypto.encoding import moment, sha256
from crypto.errors import LogError
from crypto.statements import sign
from procurement.bidding.draft import DraftDocument, contents, faults, media_type, template, title
from procurement.bidding.folder import Element, Folder, Shown
from procurement.client import (
    Announced,
    PublishedBid,
    path_of,
    read_bids,
    read_closing,
    read_evaluation,
    read_notice,
    seal_bid,
)
from procurement.editions import changes, edition_of
from procurement.errors import FolderError
from procurement.evaluation import Ranked
from procurement.registry.holding import Holding
from procurement.tenders import Document

KEEP_TRYING = timedelta(minutes=10)
"""How long a bidder goes on where the service does not answer, or says to come back."""
_BREATHER = 3.0  # seconds between two rounds of attempts

Tell = Callable[[str], None]
Sent = Callable[[SealedFile, int], None]
"""Told how many bytes of a file are there."""
_Said = Receipt | DocumentReceipt | Committed | CommittedDocument
T = TypeVar("T")


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a bid, verified but for `opened`. `listed`: how the closing has the latest element that
    the service took, and `number` which one that is. `results` by lot."""

    status: str
    closed: bool = False
    number: int = 0
    listed: str = ""
    missing: tuple[int, ...] = ()
    opened: PublishedBid | None = None
    results: tuple[tuple[str, Ranked], ...] = ()


class _Timeline(msgspec.Struct, frozen=True):
    status: str


async def compose(service: Service, holding: Holding, file: Path, path: Path, ocid: str) -> Folder:
    """A new folder at `path` with a draft to fill in, for a tender whose notice is verified now; `holding` is
    what the bidder's `file` has in it."""
    tender = await read_notice(service, ocid)
    notice = (await service.logged(f"{path_of(ocid)}/entries/0")).statement
    if notice.id != tender.notice_id:
        raise LogError("the service shows two notices for one tender")
    draft = template(tender.notice)
    folder = Folder.make(path, holding, file, notice, tender.amendments, draft)
    _remember(folder, service)
    return folder


def check(folder: Folder, partners: Sequence[str] = ()) -> list[str]:
    """What is missing or wrong in the draft of a bid jointly with these `partners`, in words."""
    draft = folder.draft
    sizes = {each.file: _size(folder, each) for each in draft.documents}
    return faults(draft, folder.tender.notice, sizes, partners)


def check_sealable(folder: Folder, replace: bool) -> None:
    """Nothing stands in the way of another element. Raises FolderError."""
    last = next(reversed(folder.chain), None)
    if last is None or last.state in ("sealed", "refused"):
        return
    _check_answered(last)
    if not replace and not last.withdrawal:
        raise FolderError(f"number {last.number} is in the box: --replace makes the one that takes its place")


async def seal(service: Service, folder: Folder, key: SigningKey, partners: Sequence[str] = ()) -> Element:
    """The draft, sealed and signed as the next element of the chain; it replaces the latest in the box.

    Raises FolderError for a notice that is not the one in the folder, or terms that have changed since its
    bidder has seen them, and what `seal_bid` raises.
    """
    if changed := await catch_up(service, folder):
        raise FolderError(f"the terms have changed: {'; '.join(changed)}. Check the draft and seal it again")
    draft, room, latest = folder.draft, folder.room(), _latest(folder)
    reusable = _reusable(latest, folder)
    sealed = [
        await asyncio.to_thread(_seal_document, folder, each, number, room / "files", reusable)
        for number, each in enumerate(draft.documents, start=1)
    ]
    found = contents(draft, folder.tender.notice, [document for document, _ in sealed])
    bid = await seal_bid(
        service,
        folder.tender,
        key,
        found.open,
        partners,
        latest.statement.id if latest else None,
        [file for _, file in sealed],
        found.restricted,
    )
    for number, file in bid.files.items():
        durable.replace(room / "files" / str(number), file)
    _remember(folder, service)
    return folder.add(bid.envelope, Shown.of(bid))


async def catch_up(service: Service, folder: Folder) -> list[str]:
    """How the terms have changed since the bidder has last seen them, in words; from now on they are known.

    Raises FolderError for a notice that is not the one in the folder.
    """
    announced = await read_notice(service, folder.tender.notice.tender)
    if announced.notice_id != folder.tender.notice_id:
        raise FolderError("the tender has another notice than the one in the folder")
    before = folder.tender.notice
    new = folder.keep_amendments(announced.amendments)
    if not new:
        return []
    after = folder.tender.notice
    said = [f"{name} changed" for name in changes(before, after) if name not in ("deadline", "round")]
    if after.deadline != before.deadline:
        said.append(f"the deadline is {after.deadline} now")
    latest = _latest(folder)
    if latest and not latest.withdrawal and not stands(folder, latest):
        said.append(f"number {latest.number} does not count any more")
    return said


def stands(folder: Folder, element: Element) -> bool:
    """Whether an envelope counts by the terms as they are now."""
    terms = element.statement.read(Envelope).context.terms
    return edition_of(folder.editions, terms).stands


async def submit(service: Service, folder: Folder, element: Element, tell: Tell) -> Receipt:
    """The receipt for an element of the chain, kept before this returns.

    A service that does not answer is asked again, with the very same statement, for ten minutes. Raises
    RefusedError or BrokenPromiseError, whose statements are kept as well, and what `Service.submit` raises.
    """

    def keep(answer: bytes) -> None:
        element.keep(answer)
        if isinstance(said := element.receipt, Promise):
            tell(f"taken at {said.time}; the log is slow, and the receipt promised by {said.included_by}")

    element.mark_sent()
    send = service.withdraw if element.withdrawal else service.submit

    async def once() -> Receipt:
        if element.withdrawal:  # which is under no terms, and in time by the deadline that there is now
            for change in await catch_up(service, folder):
                tell(f"the terms have changed: {change}")
        tender = folder.tender_of(element)
        deadline = tender.notice.deadline
        return await send(element.statement.data, tender.terms, deadline, keep, element.answer)

    try:
        receipt = await _persist(service, once, tell)
    except RefusedError as error:
        element.keep_refusal(error.statement)
        raise
    except BrokenPromiseError as error:
        if error.against is not None:
            element.keep_contradiction(error.against)
        raise
    _remember(folder, service)
    return receipt


def check_withdrawable(folder: Folder) -> Element:
    """The element in the box that a withdrawal takes back, or a withdrawal that is under way.

    Raises FolderError where there is nothing to take back.
    """
    if under_way := _withdrawal_under_way(folder):
        return under_way
    latest = _latest(folder)
    if latest is None or latest.withdrawal:
        raise FolderError("there is no bid in the box that could be withdrawn")
    _check_answered(folder.chain[-1])
    return latest


def withdrawal(folder: Folder, key: SigningKey) -> Element:
    """The statement that takes the latest bid back, as the next element of the chain: to be submitted.

    Raises FolderError where there is nothing to take back.
    """
    if under_way := _withdrawal_under_way(folder):
        return under_way
    latest = check_withdrawable(folder)
    folder.check_signer(key, latest)
    tender = folder.tender
    said = Withdrawal(
        signer=key.fingerprint,
        tender=tender.notice.tender,
        notice=tender.notice_id,
        previous=latest.statement.id,
    )
    folder.room()
    return folder.add(sign(said, key))


def successor(element: Element, chain: Sequence[Element]) -> Element | None:
    """What took the element's place: the next of the chain that is in the box, or for what was never sent the
    next that was sealed."""
    later = [each for each in chain if each.number > element.number]
    if element.state == "sealed":
        return next(iter(later), None)
    if element.state == "refused":
        return None
    return next((each for each in later if each.state in ("accepted", "promised")), None)


def unsent_files(folder: Folder) -> tuple[Element, list[SealedFile]]:
    """The bid in the box, and its files without a receipt. Raises FolderError where there is no bid."""
    latest = _latest(folder)
    if latest is None:
        raise FolderError("files follow a bid with a receipt: openseal bid submit comes first")
    if latest.withdrawal:
        raise FolderError("the bid is withdrawn: no files are awaited")
    return latest, [each for each in latest.files if latest.document_receipt(each.number) is None]


async def upload(
    service: Service,
    folder: Folder,
    key: SigningKey,
    element: Element,
    file: SealedFile,
    sent: Sent,
    tell: Tell,
) -> DocumentReceipt:
    """The receipt for a sealed file of `element`, kept before this returns. What the service has of it is not
    sent again."""
    folder.check_signer(key, element)
    tender = folder.tender

    async def once() -> DocumentReceipt:
        return await service.upload(
            _upload(service, folder, key, element, file),
            tender.terms,
            tender.notice.complete,
            lambda answer: element.keep_document(file.number, answer),
            lambda count: sent(file, count),
        )

    receipt = await _persist(service, once, tell)
    _remember(folder, service)
    return receipt


async def fate(service: Service, folder: Folder) -> Fate:
    """What the service says of the tender; after the closing and the opening, of the own bid in it."""
    notice = folder.tender.notice
    status = parse(await service.get(f"{path_of(notice.tender)}/timeline"), _Timeline).status
    found = Fate(status=status)
    kept = [each for each in folder.chain if each.state in ("accepted", "promised")]
    if kept and service.now() >= notice.complete and await _there(service, folder, "closing"):
        found = await _after_closing(service, folder, kept, found)
    _remember(folder, service)
    return found


async def _after_closing(service: Service, folder: Folder, kept: Sequence[Element], found: Fate) -> Fate:
    """`kept` is what the service took, all of which the closing has to list. Raises LogError."""
    announced = await read_notice(service, folder.tender.notice.tender)
    closed = await read_closing(service, announced)
    closing = closed.closing
    for each in kept:
        _check_listed(each, closing)
    last = kept[-1]
    id, counts = last.statement.id, last.statement.id in closing.counted()
    return msgspec.structs.replace(
        found,
        closed=True,
        number=last.number,
        listed=_said_of(last, counts, closed.ended),
        missing=tuple(each.number for each in closing.missing if each.envelope == id),
        opened=await _opened(service, folder, id) if counts else None,
        results=await _results(service, folder, announced, id) if counts else (),
    )


def _said_of(last: Element, counts: bool, ended: bool) -> str:
    if counts:
        return "never opened, for the tender has ended" if ended else "it counts"
    return "withdrawn" if last.withdrawal else "it does not count"


async def _opened(service: Service, folder: Folder, id: str) -> PublishedBid | None:
    if not await _there(service, folder, "bids"):
        return None
    published = await read_bids(service, folder.tender.notice.tender)
    return next((each for each in published if each.envelope == id), None)


async def _results(
    service: Service, folder: Folder, announced: Announced, id: str
) -> tuple[tuple[str, Ranked], ...]:
    if not await _there(service, folder, "evaluation"):
        return ()
    _, evaluated = await read_evaluation(service, announced)
    return tuple(
        (lot.lot, ranked) for lot in evaluated.lots for ranked in lot.evaluation.ranking if ranked.bid == id
    )


def _check_listed(element: Element, closing: Closing) -> None:
    """The closing has the element and its files just as their receipts say. Raises LogError."""
    id, listed = element.statement.id, {each.statement: each for each in closing.commitments}
    files = {(each.envelope, each.number): each for each in closing.documents}
    pairs: list[tuple[str, _Said | None, _Said | None]] = [
        (f"number {element.number}", element.receipt, listed.get(id))
    ]
    for file in element.files:
        if receipt := element.document_receipt(file.number):
            name = f"file {file.number} of number {element.number}"
            pairs.append((name, receipt, files.get((id, file.number))))
    for name, said, shown in pairs:
        if said and (shown is None or (said.time, said.salt) != (shown.time, shown.salt)):
            raise LogError(
                f"the closing does not list {name}, for which there is a receipt:"
                " keep this folder, it proves that the service lost or changed what it took"
            )


def _check_answered(last: Element) -> None:
    if last.state == "sent":
        raise FolderError(
            f"number {last.number} was sent and not answered: openseal bid submit finishes that first"
        )


def _withdrawal_under_way(folder: Folder) -> Element | None:
    last = next(reversed(folder.chain), None)
    if last is not None and last.withdrawal and last.state in ("sealed", "sent", "promised"):
        return last
    return None


def _latest(folder: Folder) -> Element | None:
    """The latest element that is in the box."""
    return next((each for each in reversed(folder.chain) if each.state in ("accepted", "promised")), None)


def _reusable(latest: Element | None, folder: Folder) -> dict[tuple[str, int], tuple[Document, Path]]:
    """The sealed files of the bid that is replaced, by the hash and size of what is in them: a file that
    stays need not be sent a second time."""
    if latest is None or latest.withdrawal:
        return {}
    return {
        (document.sha256, document.size): (document, latest.file(number))
        for number, document in latest.documents().items()
    }


def _seal_document(
    folder: Folder,
    draft: DraftDocument,
    number: int,
    room: Path,
    reusable: dict[tuple[str, int], tuple[Document, Path]],
) -> tuple[Document, SealedFile]:
    source, target = folder.path / draft.file, room / str(number)
    plain = digest(source)
    if known := reusable.get((plain.sha256, plain.size)):
        before, path = known
        _link(path, target)
        key, sealed = before.key, digest(target)
    else:
        key = secrets.token_hex(32)
        made = seal_file(source, target, bytes.fromhex(key))
        plain, sealed = made.plain, made.sealed
    document = Document(
        number=number,
        title=title(draft),
        format=media_type(draft),
        key=key,
        sha256=plain.sha256,
        size=plain.size,
    )
    return document, SealedFile(number=number, sha256=sealed.sha256, size=sealed.size)


def _link(path: Path, target: Path) -> None:
    """The same file under another name, or a copy where the file system has no such thing."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
        durable.sync(target)


def _upload(service: Service, folder: Folder, key: SigningKey, element: Element, file: SealedFile) -> Upload:
    """Asked for anew each time: whoever takes an upload up again needs no secret from before."""
    token = secrets.token_bytes(32)
    said = UploadRequest(
        signer=key.fingerprint,
        tender=folder.tender.notice.tender,
        notice=folder.tender.notice_id,
        envelope=element.statement.id,
        number=file.number,
        token=sha256(token).hex(),
        time=moment(service.now()),
    )
    return Upload(request=sign(said, key), token=token, file=file, path=element.file(file.number))


async def _persist(service: Service, work: Callable[[], Awaitable[T]], tell: Tell) -> T:
    """Do it until the service answers for itself. Raises what the last attempt raised."""
    end: datetime = service.now() + KEEP_TRYING
    while True:
        try:
            return await work()
        except ServiceError as error:
            if isinstance(error, RefusedError) or not _may_pass(error) or service.now() >= end:
                raise
            tell(f"{error}; trying again")
            await asyncio.sleep(min(max(_BREATHER, error.retry_after), LONGEST_PAUSE))


def _may_pass(error: ServiceError) -> bool:
    return error.status in (0, 202, 429) or error.status >= 500


async def _there(service: Service, folder: Folder, what: str) -> bool:
    """Whether the service shows that of the tender by now."""
    try:
        await service.get(f"{path_of(folder.tender.notice.tender)}/{what}")
    except ServiceError as error:
        if error.code == "not-yet":
            return False
        raise
    return True


def _size(folder: Folder, document: DraftDocument) -> int | None:
    path = folder.path / document.file
    return path.stat().st_size if path.is_file() else None


def _remember(folder: Folder, service: Service) -> None:
    if service.seen is not None:
        folder.keep_seen(service.seen)
