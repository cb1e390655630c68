"""What a service's pages load at this moment, compared with what the log says that they load.

Whoever seals in a browser trusts its scripts. The log names the list of all of them (`client:released`); a
service that gives somebody others has to give them under a name that is on no list, or against its hash.
"""

from collections.abc import Iterator, Sequence
from html.parser import HTMLParser

import msgspec

from bids.client import parse
from crypto.encoding import Hex32, sha256
from procurement.watching.line import Line
from procurement.watching.monitor import Finding, Released

PAGES = ("/", "/login", "/bidder", "/practice")
LARGEST = 16 * 1024 * 1024  # bytes of a page, a list or a file


class _Asset(msgspec.Struct):
    file: str
    sha256: Hex32


class _Loaded(HTMLParser):
    """The addresses of the scripts and style sheets of a page; nothing for one that is in the page itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "script":
            self.found.append(given.get("src"))
        elif tag == "link" and "stylesheet" in (given.get("rel") or "").split():
            self.found.append(given.get("href"))


async def compare(line: Line, released: Sequence[Released], tender: str | None) -> list[Finding]:
    """What the service gives that its log does not name; `tender` is one whose pages are looked at, too.

    Raises ServiceError, MalformedError.
    """
    if not released:
        return []
    last = released[-1]
    manifest = await line.get("/assets/manifest.json", LARGEST)
    found = list(_compare_list(manifest, released))
    assets = {f"/assets/{each.file}": each.sha256 for each in parse(manifest, list[_Asset])}
    for path, digest in assets.items():
        if sha256(await line.get(path, LARGEST)).hex() != digest:
            said = f"The service gives another file than its own list names: {path}."
            found.append(Finding(code="client-differs", sentence=said, indexes=(last.index,)))
    own = (f"/tenders/{tender}", f"/tenders/{tender}/bid") if tender else ()
    for page in (*PAGES, *own):
        loaded = _Loaded((await line.get(page, LARGEST)).decode("utf-8", "replace")).found
        for each in dict.fromkeys(loaded):
            if each not in assets:
                said = f"The page {page} runs what is on no list: {each or 'a script of its own'}."
                found.append(Finding(code="client-foreign", sentence=said, indexes=(last.index,)))
    return found


def _compare_list(manifest: bytes, released: Sequence[Released]) -> Iterator[Finding]:
    last, digest = released[-1], sha256(manifest).hex()
    if digest == last.manifest:
        return
    before = [each.index for each in released if each.manifest == digest]
    said = (
        f"The service's list of scripts (SHA-256 {digest[:16]}…) is not in the log, as far as this copy goes."
    )
    if before:
        said = f"The service gives scripts that others have taken the place of (entry {last.index})."
    code = "client-outdated" if before else "client-unlogged"
    yield Finding(code=code, sentence=said, indexes=(*before, last.index))
