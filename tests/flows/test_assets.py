"""What pages load is listed, hashed, logged, and kept by browsers; nothing else is there."""

import re
from hashlib import sha256

import httpx
from obstore.store import LocalStore

from crypto.encoding import encode
from procurement.authorities import log_key
from procurement.service import House
from procurement.web.look import ASSETS, RELEASED
from tests.flows.conftest import running
from tests.flows.people import Town
from tests.logcheck import verify_from_tiles


async def test_the_log_says_once_which_files_pages_load_however_often_the_service_starts(
    dsn: str, house: House
) -> None:
    for _ in range(2):
        async with running(dsn, house) as http:
            await (await Town.settle(http, house, dsn)).line().get("/log/checkpoint")
            listed = (await http.get("/assets/manifest.json")).content
    assert sha256(listed).hexdigest() == RELEASED.manifest
    entries = await verify_from_tiles(LocalStore(house.objects), log_key(house.keys).verifier)
    assert entries.count(encode(RELEASED)) == 1


async def test_every_file_of_the_list_is_served_for_ever_in_the_coding_asked_for(town: Town) -> None:
    for each in (await town.http.get("/assets/manifest.json")).json():
        for accepted, suffix in (("br", ".br"), ("gzip", ""), ("identity", "")):
            answer = await town.http.get(f"/assets/{each['file']}", headers={"Accept-Encoding": accepted})
            assert answer.content == ASSETS[each["file"] + suffix]  # this client unpacks gzip, and no br
            assert sha256(ASSETS[each["file"]]).hexdigest() == each["sha256"]
            assert answer.headers.get("Content-Encoding", "identity") == accepted
            assert "immutable" in answer.headers["Cache-Control"]


async def test_a_page_loads_only_files_of_the_list_and_has_nothing_inline(town: Town) -> None:
    for path in ("/", "/login"):
        answer: httpx.Response = await town.http.get(path)
        loaded = re.findall(r'<(?:script|link|img)\b[^>]*?(?:src|href)="([^"]*)"', answer.text)
        assert loaded
        assert {each.removeprefix("/assets/") for each in loaded} <= set(ASSETS)
        assert not re.search(r"<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=|<style", answer.text)
        assert "unsafe" not in answer.headers["Content-Security-Policy"]


async def test_what_is_not_listed_is_not_there(town: Town) -> None:
    for name in ("site.css", "manifest.json.br", "..%2flook.py", "x.js", f"{next(iter(ASSETS))}.gz"):
        assert (await town.http.get(f"/assets/{name}")).status_code == 404


async def test_a_page_speaks_the_language_that_was_chosen_or_that_the_browser_asks_for(town: Town) -> None:
    async def language(path: str = "/", **headers: str) -> str:
        town.http.cookies.clear()
        answer = await town.http.get(path, headers=headers)
        assert "Accept-Language, Cookie" in answer.headers["Vary"]
        [found] = re.findall(r'<html lang="(\w+)"', answer.text)
        return str(found)

    spoken = {"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.8"}
    assert await language() == "en"
    assert await language(**spoken) == "ko"
    assert await language("/?lang=es", **spoken) == "es"
    assert await language(**spoken, Cookie="lang=es") == "es"
    assert await language("/?lang=xx", **spoken, Cookie="lang=nonsense") == "ko"
    assert await language(**{"Accept-Language": ";;,*,--,q=1"}) == "en"
    chosen = await town.http.get("/?lang=ko")
    assert "lang=ko" in chosen.headers["Set-Cookie"]
