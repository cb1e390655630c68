"""The command `openseal tender`: officers at their own machines, with a folder for each tender they write."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import httpx
from cyclopts import App, Parameter
from msgspec.structs import replace

from bids.client import Service, utc_now
from crypto.certificates import Certificate, Role, SigningKey
from crypto.encoding import moment
from crypto.statements import Statement, sign
from procurement import periods
from procurement.awards import Termination
from procurement.client import Announced, read_notice
from procurement.console import FAILED, UNUSABLE, Stop, confirm
from procurement.editions import Amendment
from procurement.evaluation.explain import Facts, Language
from procurement.folders import locked
from procurement.login.terminal import at as logged_in_at
from procurement.preview import in_words as preview_in_words
from procurement.preview import preview as try_rules
from procurement.registry import terminal
from procurement.registry.holding import Holding
from procurement.registry.safe import Safe
from procurement.registry.terminal import Yes, refusing, say, signing_key, warn
from procurement.steps import in_words
from procurement.tendering import changes, draft, officer
from procurement.tendering.changes import Change
from procurement.tendering.folder import Folder
from procurement.tenders import Notice, purchase
from procurement.words import notice_in_words

Key = Annotated[
    Path | None, Parameter(help="The file that `openseal enrol` made, where it is not any more where it was.")
]
KeyFile = Annotated[Path, Parameter(help="The file that `openseal enrol` made.")]
Act = Callable[[Service, Folder, SigningKey], Awaitable[None]]

NOBODY = "0" * 64
"""Who signs a draft while it is only looked at."""

ID_SHOWN = 12
REASON_SHOWN = 100
"""Characters of a statement's id and of its reason, where several stand in a line each."""

app = App(name="tender", help="A tender: write its notice, check it, try its rules, publish, countersign.")


@app.command
def new(folder: Path, /, *, key: KeyFile, template: str) -> int:
    """Begin a tender: write a draft to fill in.

    Parameters
    ----------
    folder
        Where the draft and its files are kept from now on: new, or empty.
    template
        The procedure: open, small-value, kr-works-floor, kr-negotiation, eu-open or framework.
    """
    holding = terminal.holding(Safe(key, terminal.passphrase()))
    _officer(signing_key(holding, key), key)
    with refusing():
        made = Folder.make(folder, holding, key, officer.template(template))
        fields = made.fields
        for blank in draft.blanks(fields):
            say(f"  {blank}")
        _say_earliest(fields)
    committee = made.path / draft.committee_file(fields)
    say(f"the committee: openseal committee status FILE --json > {committee}")
    say(f"fill in {made.path / 'notice.json'}, then: openseal tender check {folder}")
    return 0


@app.command
def check(
    folder: Path, /, *, offline: Annotated[bool, Parameter(negative=())] = False, key: Key = None
) -> int:
    """Ask of the draft what publication will ask. Status 1: something is wrong, and every fault is named.

    Parameters
    ----------
    offline
        Ask nobody: whether committee and panel are certified is then not told.
    """
    found = _found(folder)
    if offline:
        _show_faults(found, officer.faults(found, NOBODY, utc_now()))
        return 0

    async def work(line: Service, found: Folder, signing: SigningKey) -> None:
        wrong = officer.faults(found, signing.fingerprint, line.now())
        if not wrong:
            wrong = await officer.people_faults(line, officer.write(found, signing.fingerprint, line.now()))
        _show_faults(found, wrong)

    return _signed(found, key, work)


@app.command
def preview(folder: Path, /, *, language: Language = "en") -> int:
    """Try the rules of every lot on made-up bids: who would win, and how each number comes about.

    Parameters
    ----------
    language
        Of the explanation.
    """
    found = _found(folder)
    with refusing():
        fields = found.fields
        lots, currency = draft.lots_of(fields)
        tried = try_rules(lots, currency, draft.published_at(fields, utc_now()))
        say("these bids are made up; nobody has bid")
        for each in tried:
            for line in preview_in_words(each, currency, language):
                say(line)
    if any(each.evaluation is None for each in tried):
        raise Stop(FAILED, "not every lot's rules can be tried")
    return 0


@app.command
def publish(folder: Path, /, *, key: Key = None, yes: Yes = False) -> int:
    """Sign the notice, hand in its files, and send it to wait for a second officer. Again, it goes on."""
    found = _found(folder)

    async def work(line: Service, found: Folder, signing: SigningKey) -> None:
        _officer(signing, found.signer)
        signed = found.signed
        if signed and await officer.published(line, signed.read(Notice).tender):
            say(f"{signed.read(Notice).tender} is published")
            return
        if signed is None or not officer.still_good(signed, line.now()):
            if wrong := officer.faults(found, signing.fingerprint, line.now()):
                raise Stop(FAILED, f"{wrong[0]}; openseal tender check {folder} names every fault")
            signed = officer.sign_notice(found, signing, line.now())
            people = await officer.people_of(line, signed.read(Notice))
            _show_notice(signed.read(Notice), signed.id, people)
            confirm("Sign and send this notice?", yes)
            found.keep_signed(signed.data)
        await officer.publish(line, found, signing, signed, say)
        notice = signed.read(Notice)
        say(f"{notice.tender} waits for a second officer: statement {signed.id}")
        until = moment(officer.last_moment(notice))
        say(f"who, before {until}: openseal tender countersign {notice.tender} --key FILE")

    return _signed(found, key, work)


@app.command
def countersign(
    ocid: str,
    /,
    *,
    key: KeyFile,
    statement: str = "",
    service: str | None = None,
    yes: Yes = False,
) -> int:
    """As a second officer: read what a colleague has signed, verified and in words, and sign that it take
    effect: a notice, or an amendment or the end of a tender that is published.

    Parameters
    ----------
    ocid
        The tender's ocid, from the colleague.
    statement
        The id of what the colleague has signed, or so much of its beginning that there is only one; by
        default the newest that waits.
    service
        The service's address, as your browser shows it; by default the one in the file.
    """

    async def work(http: httpx.AsyncClient, line: Service, signing: SigningKey, origin: str) -> None:
        _officer(signing, key)
        if await officer.published(line, ocid):
            tender = await read_notice(line, ocid)
            found = await changes.read_changes(http, line, signing, origin, tender, warn)
            await _countersign_change(line, signing, tender, found, statement, yes)
            return
        notice = await officer.read_draft(http, line, signing, origin, ocid)
        if notice is None or not notice.statement.id.startswith(statement):
            such = f" and a statement {statement}…" if statement else ""
            raise Stop(FAILED, f"no notice with the ocid {ocid}{such} waits for a second officer")
        await _countersign_notice(line, signing, notice, yes)

    return logged_in_at(key, service, work)


async def _countersign_notice(line: Service, signing: SigningKey, found: officer.Draft, yes: bool) -> None:
    notice = found.notice
    if not found.countersigned:
        officer.check_draft(found, line)
        _show_notice(notice, found.statement.id, found.people)
        confirm("Countersign this notice? With that it is published.", yes)
        await officer.countersign(line, signing, found)
    if await officer.published(line, notice.tender):
        say(f"{notice.tender} is published")
    else:
        say(f"{notice.tender} is countersigned, and will be published at {notice.published}")


async def _countersign_change(
    line: Service, signing: SigningKey, tender: Announced, found: list[Change], prefix: str, yes: bool
) -> None:
    waiting = [each for each in found if not changes.is_void(tender, each)]
    if not waiting and not prefix:
        say(f"{tender.notice.tender} is published")
        return
    change = _chosen(waiting, prefix)
    if isinstance(change.said, Amendment):
        changes.check_follows(tender, change.said, line.now())
    _show_change(tender, change.said, change.officer)
    say(f"Statement: {change.statement.id}")
    confirm("Countersign this? With that it takes effect.", yes)
    await changes.countersign(line, tender, signing, change)
    say(f"countersigned, and in force: statement {change.statement.id}")


def _chosen(waiting: list[Change], prefix: str) -> Change:
    """The newest of what waits, or the one whose id begins so; where there are several, all are listed."""
    if waiting[1:]:
        say(f"{len(waiting)} wait for a second officer, the newest last; --statement chooses another:")
        for each in waiting:
            say(f"  {_in_a_line(each)}")
    if not prefix:
        return waiting[-1]
    found = [each for each in waiting if each.statement.id.startswith(prefix)]
    if len(found) != 1:
        raise Stop(FAILED, f"{len(found)} statements that wait have an id that begins with {prefix}")
    return found[0]


def _in_a_line(change: Change) -> str:
    said = change.said
    kind = "amendment" if isinstance(said, Amendment) else f"end ({said.outcome})"
    reason = said.reason if len(said.reason) <= REASON_SHOWN else f"{said.reason[:REASON_SHOWN]}…"
    signed = f"signed by {change.officer.name} at {said.time}"
    return f"{change.statement.id[:ID_SHOWN]} {kind}, {signed}: {reason}"


@app.command
def questions(ocid: str, /, *, key: KeyFile, service: str | None = None) -> int:
    """What businesses have asked about a tender of yours. Who asked stays with the service.

    Parameters
    ----------
    ocid
        The tender's ocid.
    service
        The service's address, as your browser shows it; by default the one in the file.
    """

    async def work(http: httpx.AsyncClient, line: Service, signing: SigningKey, origin: str) -> None:
        _officer(signing, key)
        found = await changes.read_questions(http, line, signing, origin, ocid)
        for each in found:
            say(f"{each.id} asked {each.asked}, {'answered' if each.answered else 'not answered yet'}:")
            say(f"  {each.text}")
        if not found:
            say("nothing was asked")

    return logged_in_at(key, service, work)


@app.command
def answer(
    ocid: str,
    enquiry: str,
    /,
    *,
    key: KeyFile,
    text: str,
    question: str | None = None,
    service: str | None = None,
    yes: Yes = False,
) -> int:
    """Answer a question, for everybody.

    Parameters
    ----------
    ocid
        The tender's ocid.
    enquiry
        The question's id, or so much of its beginning that there is only one.
    text
        The answer.
    question
        What was asked, as everybody may read it, without what would tell who asked; by default as it was.
    service
        The service's address, as your browser shows it; by default the one in the file.
    """

    async def work(http: httpx.AsyncClient, line: Service, signing: SigningKey, origin: str) -> None:
        _officer(signing, key)
        asked = await changes.read_questions(http, line, signing, origin, ocid)
        found = [each for each in asked if each.id.startswith(enquiry)]
        if len(found) != 1:
            raise Stop(FAILED, f"{len(found)} questions have an id that begins with {enquiry}")
        if found[0].answered:
            say("answered already")
            return
        tender = await read_notice(line, ocid)
        words = question or found[0].text
        _show([("Question, for everybody", words), ("Answer", text)])
        confirm("Sign and publish this answer? The question must not tell who asked.", yes)
        said = changes.answer(tender, signing, found[0].id, words, text, moment(line.now()))
        say(f"answered: statement {await changes.send(line, tender, 'answers', sign(said, signing))}")

    return logged_in_at(key, service, work)


@app.command
def amend(
    folder: Path,
    /,
    *,
    reason: str,
    reseal: Annotated[bool, Parameter(negative=())] = False,
    key: Key = None,
    yes: Yes = False,
) -> int:
    """Amend a published tender: its terms as the folder's draft says now. A second officer countersigns.

    Parameters
    ----------
    reason
        Why, for everybody to read.
    reseal
        Bids that came before do not count any more, and have to be sealed anew.
    """
    found = _found(folder)

    async def work(line: Service, found: Folder, signing: SigningKey) -> None:
        _officer(signing, found.signer)
        ocid = officer.ocid_of(found)
        tender = await read_notice(line, ocid)
        made = officer.write(found, tender.notice.signer, line.now())
        said = changes.amendment(tender, made, signing, reason, line.now(), stand=not reseal)
        signed = _same(found.amendment, said)
        if signed is None:
            _show_change(tender, said, signing.certificate)
            confirm("Sign and send this amendment?", yes)
            signed = Statement(sign(said, signing))
            found.keep_amendment(signed.data)
        await officer.hand_in_all(line, found, signing, said.amended, say)
        await changes.send(line, tender, "amendments", signed.data)
        say(f"the amendment waits for a second officer: statement {signed.id}")
        say(f"who, before {tender.notice.deadline}: openseal tender countersign {ocid} --key FILE")

    return _signed(found, key, work)


def _same(signed: Statement | None, said: Amendment) -> Statement | None:
    """What was signed before, if it says the same but for its time."""
    if signed is None:
        return None
    before = signed.read(Amendment)
    return signed if replace(before, time=said.time) == said else None


@app.command
def cancel(
    ocid: str,
    /,
    *,
    key: KeyFile,
    reason: str,
    unsuccessful: Annotated[bool, Parameter(negative=())] = False,
    yes: Yes = False,
) -> int:
    """End a tender without an award, for a second officer to countersign: nothing sealed is opened any more.

    Parameters
    ----------
    ocid
        The tender's ocid.
    reason
        Why, for everybody to read.
    unsuccessful
        It came to nothing, rather than being called off.
    """

    async def work(line: Service, _: Safe, holding: Holding) -> None:
        signing = signing_key(holding, key)
        _officer(signing, key)
        tender = await read_notice(line, ocid)
        outcome = "unsuccessful" if unsuccessful else "cancelled"
        said = changes.termination(tender, signing, outcome, reason, moment(line.now()))
        _show_change(tender, said, signing.certificate)
        confirm("Sign and send this?", yes)
        id = await changes.send(line, tender, "terminations", sign(said, signing))
        say(f"it waits for a second officer: statement {id}")
        say(f"who ends the tender with: openseal tender countersign {ocid} --key FILE")

    return terminal.at(key, work)


@app.command
def status(ocid: str, /, *, key: KeyFile, language: Language = "en") -> int:
    """The steps of a tender as the service tells them: who holds each, when it is due, what is late.

    Parameters
    ----------
    ocid
        The tender's ocid.
    language
        Of the words.
    """

    async def work(line: Service, _: Safe, __: Holding) -> None:
        for each in await officer.read_steps(line, ocid, language):
            (warn if each.state == "late" else say)(in_words(each))
            say(f"  rule: {each.rule}. {each.missed}")

    return terminal.at(key, work)


# ── the folder, the key, the line ────────────────────────────────────────────────────────────────────


def _found(path: Path) -> Folder:
    with refusing():
        return Folder(path)


def _officer(key: SigningKey, file: Path) -> None:
    if (role := key.certificate.role) is not Role.OFFICER:
        raise Stop(UNUSABLE, f"{file}: the certificate is for the role {role}, and notices are an officer's")


def _signed(folder: Folder, file: Path | None, act: Act) -> int:
    """Do something with the folder, at the service that it names, with the key in the officer's file."""
    path = file or folder.signer
    signing = signing_key(terminal.holding(Safe(path, terminal.passphrase())), path)

    async def work(http: httpx.AsyncClient) -> None:
        with locked(folder.path):
            await act(Service(http, folder.trust), folder, signing)

    terminal.attempt(lambda: terminal.connected(folder.service, work))
    return 0


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────


def _show_faults(folder: Folder, faults: Sequence[str]) -> None:
    for each in faults:
        say(each)
    if faults:
        _say_earliest(folder.fields)
        raise Stop(FAILED, f"the draft would not be published: {len(faults)} to put right")
    say("the draft would be published")


def _say_earliest(fields: draft.Fields) -> None:
    if earliest := draft.earliest(fields, utc_now()):
        say(f"published now, the deadline would be right from {earliest.isoformat(timespec='minutes')} on")


def _show_notice(notice: Notice, id: str, people: dict[str, Certificate]) -> None:
    facts: Facts = [*notice_in_words(notice), *_kept(notice)]
    signer = people[notice.signer]
    facts.append(("Signed by", f"{signer.name} ({signer.registration})"))
    for number, member in enumerate(notice.committee.members, start=1):
        person = people[member.certificate]
        facts.append((f"Member {number}", f"{person.name} ({person.registration})"))
    for each in notice.evaluators:
        facts.append(("Evaluator", f"{people[each].name} ({people[each].registration})"))
    if notice.seats:
        facts.append(("Seats", f"{notice.seats}, to which a draw after the closing calls evaluators"))
    facts.append(("Beacon", f"{notice.network.chain_hash}, round {notice.round}"))
    facts.append(("Witnesses", f"{notice.witnesses.quorum} of {len(notice.witnesses.keys)}"))
    facts.append(("Statement", id))
    _show(facts)


def _show_change(tender: Announced, said: Amendment | Termination, signer: Certificate) -> None:
    notice = tender.notice
    facts: Facts = [("Tender", f"{notice.tender}, number {notice.number}: {notice.title}")]
    if isinstance(said, Amendment):
        facts += changes.in_words(notice, said.amended)
        stand = "they still count" if said.bids_stand else "they do not count any more"
        facts.append(("Bids that came before", stand))
    else:
        facts.append(("The tender ends", f"{said.outcome}; nothing that is still sealed is opened"))
    facts += [("Reason", said.reason), ("Signed by", f"{signer.name} ({signer.registration})")]
    _show(facts)


def _show(facts: Facts) -> None:
    for label, text in facts:
        say(f"{label}: {text}")


def _kept(notice: Notice) -> Facts:
    """The legal periods, with the rule behind each."""
    asked = purchase(notice)
    if asked is None or notice.practice:
        return []
    return [("Legal period", str(each)) for each in periods.required(asked)]
