"""Packages: what the award record holds, and what the interface serves."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from crypto.encoding import sha256
from procurement.ocds.facts import Facts
from procurement.ocds.merging import Json
from procurement.ocds.releases import Release, compiled, tell

FOLDER = Path(__file__).parent / "extensions"
EXTENSIONS = tuple(
    f"https://raw.githubusercontent.com/open-contracting-extensions/ocds_{name}_extension/v1.1.5/extension.json"
    for name in ("beneficialOwners", "bid", "bidOpening", "enquiry", "location", "lots", "submissionTerms")
)
"""The extensions of others that tenders use; bidOpening calls for location."""
OURS = ("evaluation", "sealing")
"""Our own that every tender uses. `complaints` is none of them until a complaint can be filed."""
PUBLISHED = (*OURS, "complaints")
FILES = ("extension.json", "release-schema.json", "README.md")
"""What an extension consists of."""
LICENSE = "https://creativecommons.org/publicdomain/zero/1.0/"


def extension_file(name: str, file: str) -> bytes:
    """A file of an extension of our own. Raises LookupError for what is none."""
    if name not in PUBLISHED or file not in FILES:
        raise LookupError(f"there is no file {file} of an extension {name}")
    return (FOLDER / name / file).read_bytes()


def record_of(facts: Facts) -> bytes:
    """The tender as an OCDS record package, JSON, for its award record. The same facts give the same bytes.

    The package is named by the SHA-256 of its record's bytes (RFC 6920) and dated like its last release, so
    it depends on no host and no clock.
    """
    releases = tell(facts)
    merged = compiled(releases)
    record = _record(facts.history[0].tender, releases, merged)
    head = msgspec.json.decode(releases[0].body, type=Json)["tender"]["procuringEntity"]
    return msgspec.json.encode(
        {
            "uri": "ni:///sha-256;" + base64.urlsafe_b64encode(sha256(record)).decode().rstrip("="),
            "version": "1.1",
            "extensions": [*_used(merged), *(f"urn:openseal:ocds:{name}:1" for name in OURS)],
            "publishedDate": releases[-1].date,
            "publisher": {"name": head["name"], "uid": head["id"]},
            "license": LICENSE,
            "records": [msgspec.Raw(record)],
        }
    )


def record_package(
    ocid: str, merged: bytes, *, base: str, uri: str, published: str, publisher: str
) -> tuple[bytes, bytes]:
    """A tender live, as the service at `base` (its origin) serves it at `uri`: what stands before and after
    its releases (JSON, a comma between them), `merged` what they come to. Nobody need hold all of them."""
    record = {"ocid": ocid, "compiledRelease": msgspec.Raw(merged), "releases": []}
    package = {**_served(base, uri, published, publisher), "records": [record]}
    end = b"]}]}"
    return msgspec.json.encode(package).removesuffix(end), end


def release_package(
    bodies: Sequence[bytes], *, base: str, uri: str, published: str, publisher: str, **more: Any
) -> bytes:
    """Releases (JSON) of any tenders, as the service at `base` serves them at `uri`; `more` are fields beside
    those of OCDS, as where the next page is."""
    head = _served(base, uri, published, publisher)
    return msgspec.json.encode({**head, **more, "releases": [msgspec.Raw(each) for each in bodies]})


def _served(base: str, uri: str, published: str, publisher: str) -> Json:
    return {
        "uri": uri,
        "version": "1.1",
        "extensions": [*EXTENSIONS, *(f"{base}/ocds/extensions/{name}/extension.json" for name in OURS)],
        "publishedDate": published,
        "publisher": {"name": publisher, "uri": base},
        "license": LICENSE,
        "publicationPolicy": f"{base}/data/policy",
    }


def _used(merged: bytes) -> list[str]:
    """The extensions of others that a record uses: what says who owns a business, only where it is said."""
    parties = msgspec.json.decode(merged, type=Json)["parties"]
    owned = any({"beneficialOwners", "details"} & set(each) for each in parties)
    return [each for each in EXTENSIONS if owned or "beneficialOwners" not in each]


def _record(ocid: str, releases: Sequence[Release], merged: bytes) -> bytes:
    told = [msgspec.Raw(each.body) for each in releases]
    return msgspec.json.encode({"ocid": ocid, "releases": told, "compiledRelease": msgspec.Raw(merged)})
