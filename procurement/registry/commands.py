"""The commands `openseal enrol` and `openseal renew`, at a person's own machine."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cyclopts import Parameter

from bids.client import Service, ServiceError
from crypto.certificates import Certificate, Holder, Request, Role, Signer, SigningKey, request
from crypto.encoding import encode, from_base64, moment, to_base64
from crypto.errors import CommitteeError, VerificationError
from crypto.statements import Statement, sign
from procurement.console import FAILED, UNUSABLE, Stop, read, read_code
from procurement.numbers import practice_number
from procurement.registry import applicant, terminal
from procurement.registry.answers import Registration
from procurement.registry.holding import Holding, private
from procurement.registry.safe import Safe
from procurement.registry.statements import Application, Representative
from procurement.registry.terminal import say

Applied = Literal["business", "officer", "evaluator", "committee", "registrar", "review", "auditor"]
"""Every role but the service's, which no registrar admits."""
PRACTISE = "practice"
"""In place of a registration number: whoever practises has that of their key."""


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """What an applicant says beside who it is."""

    persons: tuple[Representative, ...]
    contact: str | None
    code: str | None


def enrol(
    file: Path,
    /,
    *,
    service: str | None = None,
    role: Applied | None = None,
    name: str | None = None,
    registration: str | None = None,
    representative: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    contact: str | None = None,
    code_file: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None,
    trust: Path | None = None,
    csr: Path | None = None,
    certificate: Path | None = None,
) -> int:
    """Make a key in a new file under a passphrase and apply for a certificate; the same again fetches it.

    Prints the certificate's fingerprint, or while a registrar is still to approve it the application's id.
    Where an authority elsewhere certifies: first with --csr, then the same file with --certificate.

    Parameters
    ----------
    file
        Where everything of this person or business is kept from now on. An existing one needs nothing more.
    service
        The service's address.
    role
        What to act as.
    name
        The person's or business's name.
    registration
        The registration number; "practice" for a business that practises, whose number its key makes.
    representative
        Who may bind a business, once for each: a name, or NUMBER=NAME for who is registered as an official.
    contact
        Where the registrar reaches the applicant.
    code_file
        A file with the one-time code that lets a registrar in; - is standard input.
    trust
        Whom you trust (JSON). Without it the service's own word is taken, which is for practice only.
    csr
        Apply for nothing yet: write the key's PKCS #10 request (PEM) here, for the authority elsewhere.
    certificate
        What that authority made of the request (PEM or DER): apply under it.
    """
    if certificate is None and file.exists():
        return terminal.at(file, lambda line, safe, holding: _resume(line, safe, holding, csr))
    said = _Said(
        persons=tuple(_representative(each) for each in representative),
        contact=contact,
        code=read_code(code_file) if code_file else None,
    )
    if certificate is not None:
        issued = _issued(certificate)
        return terminal.at(file, lambda line, safe, holding: _bring(line, safe, holding, issued, said))
    if service is None or role is None or name is None or registration is None:
        raise Stop(UNUSABLE, "a new file needs --service, --role, --name and --registration")
    safe, key = Safe(file, terminal.passphrase(new=True)), Ed25519PrivateKey.generate()

    async def work(line: Service) -> None:
        number = practice_number(key.public_key()) if registration == PRACTISE else registration
        asked = request(key, Role(role), name, number)
        holding = Holding(service=service, trust=line.trust, key=key.private_bytes_raw().hex())
        await line.get("/api/v1/certificate-status")  # a wrong address must not get into the file
        if csr is None:
            await _apply(line, safe, holding, asked, said)
            return
        safe.write(encode(msgspec.structs.replace(holding, request=to_base64(asked.der))))
        _write_request(csr, asked)

    terminal.at_service(service, trust, work)
    return 0


def renew(file: Path, /) -> int:
    """Go over to a new key with a new certificate; the old certificate counts until it ends.

    Parameters
    ----------
    file
        The file that `openseal enrol` made.
    """
    return terminal.at(file, _renew)


def _representative(text: str) -> Representative:
    person, _, name = text.rpartition("=")
    try:
        return msgspec.convert({"name": name, **({"person": person} if person else {})}, Representative)
    except msgspec.ValidationError as error:
        raise Stop(UNUSABLE, f"a representative is NAME, or NUMBER=NAME: {error}") from error


def _issued(path: Path) -> Certificate:
    data = read(path)
    try:
        pem = x509.load_pem_x509_certificate(data) if data.startswith(b"-----") else None
        return Certificate(pem.public_bytes(serialization.Encoding.DER) if pem else data)
    except (ValueError, VerificationError) as error:
        raise Stop(UNUSABLE, f"{path}: {error}") from error


def _write_request(path: Path, asked: Request) -> None:
    path.write_bytes(asked.x509.public_bytes(serialization.Encoding.PEM))
    say(f"have {path} certified, then run the same with --certificate")


async def _bring(line: Service, safe: Safe, holding: Holding, issued: Certificate, said: _Said) -> None:
    """Apply under a certificate of an authority elsewhere; where that was done, look what became of it."""
    if holding.application is None and holding.certificate is None:
        line.trust.authorities().verify(issued, issued.role, line.now())
        await _apply(line, safe, holding, issued, said)
    elif _holder(holding).fingerprint == issued.fingerprint:
        await _resume(line, safe, holding, None)
    else:
        raise Stop(UNUSABLE, f"{safe.path} is about another certificate")


async def _apply(line: Service, safe: Safe, holding: Holding, holder: Holder, said: _Said) -> None:
    signer = Signer(private(holding.key), holder)
    statement = applicant.application(
        signer, line.now(), representatives=said.persons, contact=said.contact, code=said.code
    )
    await _send(line, safe, holding, statement)


async def _send(line: Service, safe: Safe, holding: Holding, statement: Statement) -> None:
    """In the file before it is sent: a key that somebody certifies is never lost. What is refused was
    certified by nobody, and does not stand in the way of the next try."""
    waiting = msgspec.structs.replace(holding, application=to_base64(statement.data))
    safe.write(encode(waiting))
    try:
        found = await applicant.apply(line, statement)
    except ServiceError as error:
        if error.status in (400, 403, 409, 422) and error.code != "unknown":  # the service's own words
            _take_back(safe, waiting)
        raise
    _answered(line, safe, waiting, found)


def _take_back(safe: Safe, holding: Holding) -> None:
    """An application that was refused. The key stays where an authority elsewhere may have certified it."""
    if holding.request is None:
        safe.erase()
    else:
        safe.write(encode(msgspec.structs.replace(holding, application=None)))


async def _resume(line: Service, safe: Safe, holding: Holding, csr: Path | None) -> None:
    """What became of the application; sent again if it never arrived."""
    if holding.certificate is not None:
        raise Stop(UNUSABLE, f"{safe.path} is there already, with its certificate")
    if holding.application is None:
        _ask_elsewhere(holding, csr)
        return
    statement = Statement(from_base64(holding.application))
    try:
        found = await applicant.registration(line, statement.id)
    except ServiceError as error:
        if error.code != "no-such-statement":
            raise
        await _send(line, safe, holding, _dated_anew(line, holding, statement))
    else:
        _answered(line, safe, holding, found)


def _ask_elsewhere(holding: Holding, csr: Path | None) -> None:
    if csr is None:
        raise Stop(UNUSABLE, "the key waits for its certificate: --certificate brings it")
    _write_request(csr, Request(from_base64(holding.request or "")))


def _dated_anew(line: Service, holding: Holding, statement: Statement) -> Statement:
    again = msgspec.structs.replace(statement.read(Application), time=moment(line.now()))
    return Statement(sign(again, Signer(private(holding.key), _holder(holding))))


def _holder(holding: Holding) -> Holder:
    if holding.certificate is not None:
        return Certificate(from_base64(holding.certificate))
    return Statement(from_base64(holding.application or "")).read(Application).holder()


def _answered(line: Service, safe: Safe, holding: Holding, found: Registration) -> None:
    if found.state == "rejected" and holding.request is not None:
        _take_back(safe, holding)
        raise Stop(FAILED, f"the application was rejected: {found.reason}; --certificate makes a new one")
    if found.state == "rejected":
        raise Stop(FAILED, f"the application was rejected: {found.reason}; a new file makes a new one")
    if found.certificate is None:
        say(f"application {found.statement} waits for a registrar; the same command again fetches the answer")
        return
    key = applicant.certified(line, private(holding.key), _holder(holding), found.certificate)
    safe.write(encode(msgspec.structs.replace(holding, application=None, certificate=found.certificate)))
    say(key.fingerprint)


async def _renew(line: Service, safe: Safe, holding: Holding) -> None:
    if holding.member is not None:
        raise CommitteeError(
            "notices name this committee member's certificate: enrol in a new file for the next committee"
        )
    old = holding.signing_key
    if holding.next_key is None:
        key = Ed25519PrivateKey.generate().private_bytes_raw().hex()
        holding = _asked_anew(line, safe, holding, old, key)
    try:
        new = await _renewed(line, holding, old)
    except ServiceError as error:
        if error.code != "time-wrong":  # it never arrived, and is too old by now
            raise
        holding = _asked_anew(line, safe, holding, old, holding.next_key or "")
        new = await _renewed(line, holding, old)
    renewed = {"key": holding.next_key, "certificate": to_base64(new.certificate.der)}
    safe.write(encode(msgspec.structs.replace(holding, **renewed, next_key=None, renewal=None)))
    say(new.fingerprint)


async def _renewed(line: Service, holding: Holding, old: SigningKey) -> SigningKey:
    statement = Statement(from_base64(holding.renewal or ""))
    return await applicant.renewed(line, old, private(holding.next_key or ""), statement)


def _asked_anew(line: Service, safe: Safe, holding: Holding, old: SigningKey, key: str) -> Holding:
    """In the file before it is sent: a key that somebody certifies is never lost."""
    statement = applicant.renewal(old, private(key), line.now())
    holding = msgspec.structs.replace(holding, next_key=key, renewal=to_base64(statement.data))
    safe.write(encode(holding))
    return holding
