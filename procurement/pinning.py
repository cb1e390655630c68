"""`openseal trust`: what a trust file says in words, and pinning one after a person has looked at it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import httpx
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate
from cyclopts import App, Parameter
from rich.text import Text

from crypto.beacon import LOCAL, QUICKNET, Network
from crypto.certificates import load_root
from crypto.checkpoint import VerifyingKey
from crypto.encoding import encode, from_base64, sha256
from crypto.trust import Trust
from procurement.console import FAILED, UNUSABLE, Stop, confirm, parse_trust, read, stdout

LARGEST = 1024 * 1024  # bytes of a trust file
TIMEOUT = 10.0  # seconds

app = App(name="trust", help="Whom you trust: log, witnesses, authorities, beacons.")


class Identity(NamedTuple):
    """Somebody or something that a trust file pins."""

    what: str
    who: str


@app.command
def show(source: str, /) -> int:
    """Print every identity of a trust file in words.

    Parameters
    ----------
    source
        A file, or the address of a service or of a trust file.
    """
    _show(_fetch(source))
    return 0


@app.command
def pin(source: str, /, *, out: Path, yes: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Keep a trust file, once you have compared what it says with what its owners told you.

    Parameters
    ----------
    source
        A file, or the address of a service or of a trust file.
    out
        Where to keep it. A file that pins something else is never replaced.
    yes
        Do not ask.
    """
    trust = _fetch(source)
    _show(trust)
    if out.exists():
        return _compare(parse_trust(read(out), out), trust, out)
    confirm("Pin this? Compare it first with what its owners told you.", yes)
    try:
        with out.open("xb") as file:
            file.write(encode(trust))
    except OSError as error:
        raise Stop(FAILED, f"{out}: {error.strerror}") from error
    _say(Text(f"pinned in {out}", "bold green"))
    return 0


def identities(trust: Trust) -> list[Identity]:
    """All that `trust` pins, each in one line. Two files that pin the same have the same lines."""
    return [
        Identity("independent", "yes" if trust.independent else "no: the service keeps some of these itself"),
        Identity("log", _key(trust.log)),
        Identity("quorum", f"{trust.witnesses.quorum} of {len(trust.witnesses.keys)} witnesses"),
        *(Identity("witness", _key(each)) for each in sorted(trust.witnesses.keys)),
        *_roots(trust),
        *(Identity("stamping root", _root(each)) for each in trust.stamping_roots()),
        *(Identity("beacon", _network(each)) for each in trust.networks),
    ]


def _roots(trust: Trust) -> Iterator[Identity]:
    for role, roots in sorted(trust.roots.items()):
        for each in roots:
            yield Identity(f"{role} root", _root(load_root(from_base64(each))))


def _root(root: Certificate) -> str:
    days = f"{root.not_valid_before_utc:%Y-%m-%d} to {root.not_valid_after_utc:%Y-%m-%d}"
    return f"{root.subject.rfc4514_string()}, {days}, SHA-256 {root.fingerprint(SHA256()).hex()}"


def _key(vkey: str) -> str:
    key = VerifyingKey.parse(vkey)
    return f"{key.name}, Ed25519 {key.public.hex()}"


def _network(network: Network) -> str:
    name = f"network {network.beacon_id!r}"
    if network == QUICKNET:
        name = "quicknet of the League of Entropy"
    if network.beacon_id == LOCAL:
        name = "a service's own beacon, which is not independent"
    since = datetime.fromtimestamp(network.genesis, UTC)
    return f"{name}, a round every {network.period} s since {since:%Y-%m-%d %H:%M:%S}Z, {network.chain_hash}"


def _fetch(source: str) -> Trust:
    """From a file or over HTTP; a bare address is a service's, which says it of itself. Raises Stop."""
    if not source.startswith(("http://", "https://")):
        return parse_trust(read(Path(source)), source)
    try:
        url = httpx.URL(source)
        url = url.copy_with(path="/api/v1/trust") if url.path == "/" else url
        with httpx.stream("GET", url, timeout=TIMEOUT) as response:
            response.raise_for_status()
            data = b"".join(_bounded(response.iter_bytes(), source))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Stop(FAILED, f"{source}: {str(error) or type(error).__name__}") from error
    return parse_trust(data, source)


def _bounded(chunks: Iterator[bytes], source: str) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST:
            raise Stop(UNUSABLE, f"{source}: longer than a trust file")
        yield chunk


def _show(trust: Trust) -> None:
    for what, who in identities(trust):
        _say(Text.assemble((f"{what:15} ", "bold"), who))
    _say(Text.assemble((f"{'this file':15} ", "bold"), f"SHA-256 {sha256(encode(trust)).hex()}"))


def _compare(pinned: Trust, offered: Trust, path: Path) -> int:
    """Whether they are the same; what was pinned is never replaced."""
    if pinned == offered:
        _say(Text(f"{path} pins the same", "bold green"))
        return 0
    before, after = identities(pinned), identities(offered)
    _say(Text(f"\n{path} pins something else:", "bold red"))
    for sign, each in [("-", each) for each in before if each not in after] + [
        ("+", each) for each in after if each not in before
    ]:
        _say(Text(f"{sign} {each.what}: {each.who}"))
    raise Stop(FAILED, f"{path} stays as it is: move it away first if you mean to trust the other")


def _say(text: Text) -> None:
    stdout().print(text)
