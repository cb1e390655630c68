"""What the service says of its own interface, and that nothing of it is loaded from elsewhere."""

import re
from html.parser import HTMLParser
from typing import Any

import httpx
import msgspec
from litestar import Litestar
from obstore.store import LocalStore

from crypto.merkle import encode_bundle, parse_bundle
from procurement.tenders import Contact
from tests.builders import a_lot
from tests.flows.people import Town
from tests.flows.test_life import conclude

SKIPS = True
"""Nothing here is about how time passes."""
HOSTILE = '<script src="https://evil.example/x.js"></script><img src=//evil.example/y>'
WITHOUT_SCHEMA = {
    *("/bidder", "/practice", "/tenders/{ocid}/bid", "/tenders/{ocid}/bid/results/{envelope}"),
    "/tenders/{ocid}/receipts/{name}",
    *("/", "/tenders/{ocid}", "/assets/{name}", "/assets/manifest.json", "/api", "/api/openapi.json"),
    *("/tenders", "/entities", "/entities/{id}", "/suppliers/{id}", "/data", "/data/policy"),
    *(f"/tenders/{{ocid}}/{what}" for what in ("notice", "enquiries", "bids", "draws", "events")),
    *(f"/tenders/{{ocid}}/lots/{{lot}}{what}" for what in ("", "/prices.svg", "/scores.svg")),
    *("/login", "/logout", "/logout-everywhere", "/desk/passkeys/{id}/remove"),
    *("/desk", "/desk/applications", "/desk/drafts", "/desk/bids", "/desk/bids/{ocid}"),
    *("/desk/journal", "/desk/tenders/{ocid}/bids/{envelope}/documents"),
    "/desk/tenders/{ocid}/bids/{envelope}/documents/{number}",
}
ADDRESSES = {"src", "href", "action", "srcset", "data", "poster", "formaction", "background"}


class References(HTMLParser):
    """Tags of a page, and where their attributes lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found |= {value or "" for name, value in attrs if name in ADDRESSES}
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs)


async def test_the_interface_describes_every_route(town: Town) -> None:
    spec = await described(town)
    assert spec["openapi"].startswith("3.1")
    assert spec["info"]["title"] == "Openseal"
    chain = town.trust.networks[0].chain_hash
    routes = {(route.path_format, method) for route in app_of(town).routes for method in route.methods}
    unnamed = {
        (path, method)
        for path, method in routes
        if path not in WITHOUT_SCHEMA and method not in ("OPTIONS", "HEAD") and chain not in path
        if method.lower() not in spec["paths"].get(path, {}) and not path.startswith("/api/{path")
    }
    assert not unnamed
    ids = [each["operationId"] for path in spec["paths"].values() for each in path.values()]
    assert len(set(ids)) == len(ids)


async def test_every_reference_in_the_description_leads_somewhere(town: Town) -> None:
    spec = await described(town)
    for reference in re.findall(r'"\$ref":"([^"]+)"', msgspec.json.encode(spec).decode()):
        assert reference.startswith("#/components/schemas/")
        assert reference.removeprefix("#/components/schemas/") in spec["components"]["schemas"]
    for path, operations in spec["paths"].items():
        for operation in operations.values():
            named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), path
            assert operation["responses"]
            assert operation.get("summary")
            if path.startswith("/api/v1/tenders/{ocid}"):
                assert "application/problem+json" in operation["responses"]["404"]["content"]


async def test_no_page_loads_anything_from_another_host(town: Town) -> None:
    tender = await town.publish(
        a_lot(), title=HOSTILE, description=HOSTILE, lead=3, contact=Contact(name=HOSTILE)
    )
    await tender.bid(await town.bidder(HOSTILE[:60]), "100")
    lists = ("/", "/tenders?practice=only", "/entities", "/entities/KR-1234?practice=only", "/data/policy")
    pages = [*lists, f"/tenders/{tender.ocid}"]
    seen = [await town.http.get(page) for page in pages]
    await tender.close()
    await tender.order("bid")
    await tender.opened("bid")
    await conclude(tender)
    pages += [f"/tenders/{tender.ocid}{more}" for more in ("/notice", "/bids", "/lots/1", "/draws")]
    seen += [await town.http.get(page) for page in pages]
    for answer in seen:
        references = References(answer.text)
        assert "link" in references.tags
        assert not references.tags & {"iframe", "object", "base"}
        assert not re.search(
            r'<script(?! type="module" src="/assets/)|<img(?! class="chart" src="/)', answer.text
        )
        assert all(re.match(r"[/#?](?!/)", each) for each in references.found), references.found
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert not re.search(r"https?:|\*|unsafe", policy)
    style = (await town.http.get("/static/style.css")).text
    assert not re.search(r"@import|url\(|//", style)
    for name in ("/favicon.ico", "/nothing"):
        assert "content-security-policy" in (await town.http.get(name)).headers


async def test_every_link_of_a_page_leads_somewhere(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    for page in ("/", "/data", f"/tenders/{tender.ocid}"):
        for link in set(re.findall(r'(?:href|src)="(/[^"#]*)"', (await town.http.get(page)).text)):
            assert (await town.http.get(link, follow_redirects=True)).status_code == 200, link


async def test_a_partial_tile_is_served_when_only_the_full_one_is_there(town: Town) -> None:
    hashes, entries = bytes(range(256)) * 32, [bytes([i]) for i in range(256)]
    objects = LocalStore(town.house.objects)
    await objects.put_async("tile/0/009", hashes)
    await objects.put_async("tile/entries/009", encode_bundle(entries))
    assert (await town.http.get("/log/tile/0/009")).content == hashes
    assert (await town.http.get("/log/tile/0/009.p/5")).content == hashes[: 5 * 32]
    assert parse_bundle((await town.http.get("/log/tile/entries/009.p/5")).content) == entries[:5]
    assert (await town.http.get("/log/tile/0/008.p/5")).status_code == 404


async def described(town: Town) -> dict[str, Any]:
    answer = await town.http.get("/api/openapi.json")
    assert answer.status_code == 200
    spec: dict[str, Any] = answer.json()
    return spec


def app_of(town: Town) -> Litestar:
    """The application behind the client."""
    transport = town.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    assert isinstance(transport.app, Litestar)
    return transport.app
