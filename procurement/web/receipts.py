"""Receipts for people: a page for whoever knows the id of what was taken, and the same on paper.

Until the closing such a page says who bids. So its address, which has the 256-bit id in it, is kept out of
referrers, and what it says out of caches and indexes.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, NamedTuple

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from litestar.response import Template

from bids.receipts import DocumentReceipt, Promise, Receipt
from crypto.checkpoint import Checkpoint, Note, TlogProof, verify_cosignatures
from crypto.encoding import encode, from_base64, moment
from crypto.statements import Statement
from procurement import sheets
from procurement.chronicle import Situation
from procurement.evaluation.explain import Language
from procurement.history import EventType
from procurement.own_bids import OwnFile, Taken, taken
from procurement.procedure import Procedure
from procurement.sheets import Enclosed, Fact, Section, Sheet
from procurement.web.api import Ocid, Steps
from procurement.web.documents import PARTS
from procurement.web.gate import Turnstile
from procurement.web.look import N_, WORDS, language_of, number, when
from procurement.web.session import UNSEEN, Here

AT_ONCE, WAITING = 1, 4
"""Sheets that are made at a time in one process, and that may wait for it: a seat of the gate's each."""
VERIFY = "openseal verify --receipt RECEIPT RECORD"
LOOK_AGAIN = 10
"""Seconds after which the page of a promise looks for the receipt."""
HIDDEN = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}

Name = Annotated[
    str,
    PathParameter(
        pattern=r"^[0-9a-f]{64}(\.pdf)?(?!\n)$",
        description="The id of an envelope or withdrawal; with .pdf behind it for paper.",
    ),
]
Still = Annotated[bool, QueryParameter(description="Whether the page stays as it is.")]
Say = Callable[..., str]


class Printer:
    """Puts sheets on paper, off the loop and one after the other."""

    def __init__(self) -> None:
        self._turn = Turnstile(AT_ONCE, WAITING)

    async def print(self, sheet: Sheet) -> bytes:
        """The sheet as a PDF. Raises Pushback."""
        await self._turn.enter()
        try:
            return await asyncio.to_thread(sheets.write, sheet)
        finally:
            self._turn.leave()


class Held(NamedTuple):
    """What a sheet is about, and the address at which it is read."""

    situation: Situation
    taken: Taken
    procedure: Procedure
    address: str


@get("/tenders/{ocid:str}/receipts/{name:str}", include_in_schema=False, cache_control=UNSEEN)
async def read_receipt(
    ocid: Ocid,
    name: Name,
    request: Request[Any, Any, Any],
    procedure: Steps,
    sessions: Here,
    printer: NamedDependency[Printer],
    still: Still = False,
) -> Template | Response[bytes]:
    """The receipt of an envelope or withdrawal, or the promise of it while the log is behind: for whoever
    knows the id."""
    id, _, form = name.partition(".")
    situation = await procedure.situation(ocid)
    found = await taken(procedure, situation, id)
    held = Held(situation, found, procedure, f"{sessions.origin}/tenders/{ocid}/receipts/{id}")
    language = language_of(request)
    if form:
        return _paper(await printer.print(sheet(held, language)), id)
    waits = found.receipt is None and not still
    headers = HIDDEN | ({"Refresh": str(LOOK_AGAIN)} if waits else {})
    context = {
        "sheet": sheet(held, language),
        "taken": found,
        "ocid": ocid,
        "closed": situation.has(EventType.CLOSED),
        "still": still,
        "seconds": LOOK_AGAIN,
    }
    return Template("receipt.html", context=context, headers=headers)


def sheet(held: Held, language: Language) -> Sheet:
    """All that a receipt says."""
    say = partial(WORDS.say, language)
    return Sheet(
        language=language,
        title=_title(held.taken, say),
        lead=_lead(held.taken, say, language),
        sections=[
            Section(title=say(N_("The tender")), facts=_of_tender(held.situation, say, language)),
            Section(title=say(N_("What was received")), facts=_received(held, say, language)),
            Section(title=say(N_("Where the log has it")), facts=_logged(held, say, language)),
            *_files(held, say, language),
            Section(title=say(N_("How to check it")), steps=_steps(say)),
        ],
        foot=say(N_("Openseal: whoever has the receipt can prove that the bid was taken")),
        address=held.address,
        address_label=say(N_("QR code with the address of this receipt: %(address)s"), address=held.address),
        lacking=say(N_("� stands for a character that this service cannot print. The page has it.")),
        enclosed=_enclosed(held.taken, say),
    )


def _title(taken: Taken, say: Say) -> str:
    if taken.receipt is None:
        return say(N_("This is the promise of a receipt"))
    if taken.kind == "withdrawal":
        return say(N_("This is the receipt for a withdrawal"))
    return say(N_("This is the receipt for a sealed bid"))


def _lead(taken: Taken, say: Say, language: Language) -> list[str]:
    lines = []
    if taken.promise:
        by = Statement(from_base64(taken.promise)).read(Promise).included_by
        said = N_(
            "It is taken. The public log is behind: the service has promised, and signed, that the log will"
            " have it by %(time)s. The receipt is here as soon as it does."
        )
        lines.append(say(said, time=_time(by, language)))
    else:
        lines.append(
            say(N_("It is taken. The service answers for it by its signature and by its public log."))
        )
    if taken.in_doubt:
        lines.append(
            say(N_("The service's clock was in doubt: the time may be wrong. It counts all the same."))
        )
    return lines


def _of_tender(situation: Situation, say: Say, language: Language) -> list[Fact]:
    notice = situation.tender.notice
    practice = [Fact(say(N_("Kind")), say(N_("Practice tender")))] if notice.practice else []
    return [
        Fact(say(N_("Title")), notice.title, language=notice.language),
        *practice,
        Fact(say(N_("Procuring entity")), notice.procuring_entity.name, language=notice.language),
        Fact(say(N_("Number")), notice.number),
        Fact(say(N_("Tender id (ocid)")), notice.tender, code=True),
        Fact(say(N_("Deadline")), _time(notice.deadline, language)),
    ]


def _received(held: Held, say: Say, language: Language) -> list[Fact]:
    kinds = {"envelope": N_("Sealed bid"), "withdrawal": N_("Withdrawal of a bid")}
    bidders = "; ".join(f"{each.name} ({each.id})" for each in held.taken.tenderers)
    return [
        Fact(say(N_("What")), say(kinds[held.taken.kind])),
        Fact(say(N_("Id")), held.taken.id, code=True),
        Fact(say(N_("From")), bidders),
        Fact(say(N_("Received")), _time(held.taken.time, language)),
    ]


def _logged(held: Held, say: Say, language: Language) -> list[Fact]:
    word = held.taken.receipt or held.taken.promise or ""
    type = Receipt if held.taken.receipt else Promise
    commitment = Statement(from_base64(word)).read(type).commitment().hex()
    facts = [Fact(say(N_("Commitment")), commitment, code=True)]
    if held.taken.proof:
        facts += _proof(held, TlogProof.parse(held.taken.proof), say, language)
    if held.situation.has(EventType.CLOSED):
        facts.append(Fact(say(N_("Closing statement")), _closing(held.taken, say, language)))
    return facts


def _proof(held: Held, proof: TlogProof, say: Say, language: Language) -> list[Fact]:
    head = Checkpoint.parse(Note.parse(proof.checkpoint).text)
    return [
        Fact(say(N_("Log")), head.origin, code=True),
        Fact(say(N_("Entry")), number(language, proof.index)),
        Fact(say(N_("Entries under the checkpoint")), number(language, head.size)),
        Fact(say(N_("Root")), head.root.hex(), code=True),
        Fact(say(N_("Witnesses")), _witnesses(held, proof.checkpoint, say, language)),
    ]


def _witnesses(held: Held, note: str, say: Say, language: Language) -> str:
    seen = verify_cosignatures(note, held.procedure.trust.witnesses.witnesses, 0)
    names = [f"{each.name}, {_time(moment(each.time), language)}" for each in seen]
    return "; ".join(names) or say(N_("None has co-signed this checkpoint yet"))


def _closing(taken: Taken, say: Say, language: Language) -> str:
    if taken.index is None:
        return say(N_("Does not list it: have it checked, as below"))
    return say(N_("Lists it as entry %(index)s"), index=number(language, taken.index))


def _files(held: Held, say: Say, language: Language) -> list[Section]:
    facts = [fact for each in held.taken.files for fact in _file(held, each, say, language)]
    return [Section(title=say(N_("Files")), facts=facts)] if facts else []


def _file(held: Held, file: OwnFile, say: Say, language: Language) -> list[Fact]:
    name = say(PARTS[file.part]) if file.part else say(N_("Document %(number)s"), number=file.number)
    size = number(language, file.size)
    return [
        Fact(name, say(N_("%(size)s bytes, sealed"), size=size) + ". " + _kept(held, file, say, language)),
        Fact("SHA-256", file.sha256, code=True),
    ]


def _kept(held: Held, file: OwnFile, say: Say, language: Language) -> str:
    if file.state == "awaited":
        until = moment(held.situation.tender.notice.complete)
        return say(N_("Not there yet; it may come until %(time)s"), time=_time(until, language))
    if file.state == "missing":
        return say(N_("It did not come in time"))
    if not file.receipt:
        return say(N_("Stored; its receipt is to come"))
    receipt = Statement(from_base64(file.receipt)).read(DocumentReceipt)
    return say(N_("Stored, with a receipt of %(time)s"), time=_time(receipt.time, language))


def _steps(say: Say) -> list[str]:
    return [
        say(
            N_("Keep the receipt file: the signed receipt and its proof from the log. A PDF has it attached.")
        ),
        say(N_("After the award, download the award record, and run: %(command)s"), command=VERIFY),
        say(N_("The check says whether the record has what you handed in.")),
        say(N_("A valid receipt for what the closing statement leaves out proves misconduct to anybody.")),
    ]


def _enclosed(taken: Taken, say: Say) -> list[Enclosed]:
    """Receipts as `openseal verify` reads them."""
    held = {"receipt": taken.receipt, "proof": taken.proof} if taken.receipt else {"promise": taken.promise}
    files = [
        Enclosed(
            name=f"document-{each.number}.json",
            content=encode({"receipt": each.receipt, "proof": each.proof}).decode(),
            label=say(N_("The signed receipt for document %(number)s, with its proof"), number=each.number),
        )
        for each in taken.files
        if each.receipt
    ]
    label = say(N_("The signed receipt, with its proof"))
    return [Enclosed(name="receipt.json", content=encode(held).decode(), label=label), *files]


def _time(time: str, language: Language) -> str:
    """In Korea, and as it was signed."""
    return f"{when(language, time, seconds=True).striptags()} ({time} UTC)"


def _paper(pdf: bytes, id: str) -> Response[bytes]:
    headers = HIDDEN | {
        "Content-Disposition": f'attachment; filename="receipt-{id[:16]}.pdf"',
        "Vary": "Accept-Language, Cookie",
    }
    return Response(pdf, media_type="application/pdf", headers=headers)


router = Router("/", route_handlers=[read_receipt])
