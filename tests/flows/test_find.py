"""The index of tenders is right through a tender's life, and whoever looks finds what is there, each once."""

import asyncio
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from crypto.encoding import moment, parse_moment
from procurement import store
from procurement.finding import store as lines
from procurement.finding.listing import Listing, listed
from procurement.history import Head
from procurement.notices import Classification, Eligibility, LegalBasis, Translation
from procurement.procedure import Procedure
from procurement.service import House
from procurement.store import TenderRow
from procurement.tenders import Contact, Item, Lot, Organisation, OutageRule
from tests.builders import a_lot, a_notice, panel_rules, the_world
from tests.flows.conftest import running
from tests.flows.people import PracticeTender, Town
from tests.flows.test_changes import the_service_was_down
from tests.flows.test_consortium import joint_bid
from tests.flows.test_life import conclude

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ALL = {"practice": "shown"}
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = ("listing", "listed_award", "listed_entity")


async def asked(town: Town, path: str, **given: str) -> httpx.Response:
    return await town.http.get(path, params=given, headers=BROWSER)


async def ocids(town: Town, **given: str) -> list[str]:
    """Of the tenders on the page, in their order."""
    answer = await asked(town, "/tenders", **(ALL | given))
    assert answer.status_code == 200, answer.text
    found: list[str] = re.findall(r'<h3><a href="/tenders/([^"?]+)"', answer.text)
    api = await town.http.get("/api/v1/tenders", params={"order": "newest"} | ALL | given)
    assert set(found) <= {each["tender"] for each in api.json()["tenders"]}
    return found


async def line(tender: PracticeTender) -> Mapping[str, Any]:
    """The tender in the list of the interface."""
    answer = await tender.town.http.get("/api/v1/tenders", params={"text": tender.ocid})
    [found] = answer.json()["tenders"]
    return dict(found)


def procedure_of(town: Town) -> Procedure:
    """The one behind the running service."""
    return town.procedure


async def check_rebuilt(town: Town, *tenders: PracticeTender) -> None:
    """Made anew from statements and history, the index is as it was kept step by step."""
    connection = await asyncpg.connect(town.dsn)
    ids = [store.id_of(each.ocid) for each in tenders]
    entities = [each.notice.procuring_entity.id for each in tenders]
    try:
        before = {table: (await town.rows())[table] for table in TABLES}
        await connection.execute("DELETE FROM listed_award WHERE tender_id = ANY($1)", ids)
        await connection.execute("DELETE FROM listed_entity WHERE id = ANY($1)", entities)
        await connection.execute(
            "UPDATE listing SET version = 0, title = '', lexemes = '', phase = 'bidding', outcome = NULL,"
            " over = NULL WHERE tender_id = ANY($1)",
            ids,
        )
        assert (await town.rows())["listing"] != before["listing"]
        await procedure_of(town).relist()
        assert {table: (await town.rows())[table] for table in TABLES} == before
        await connection.execute("DELETE FROM listed_award WHERE tender_id = ANY($1)", ids)
        await connection.execute("DELETE FROM listing WHERE tender_id = ANY($1)", ids)
        await procedure_of(town).relist()
        assert {table: (await town.rows())[table] for table in TABLES} == before
    finally:
        await connection.close()


# ── a tender's life ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_tenders_line_is_right_from_notice_to_award(town: Town) -> None:
    village = Organisation(id=f"KR-{secrets.token_hex(4)}", name="Seogwipo village")
    tender = await town.publish(
        a_lot(), lead=8, margin=3, procuring_entity=village, title="Desks of pine", translations=()
    )
    assert (await line(tender))["title"] == "Desks of pine"
    assert (await line(tender))["status"] == "active"
    assert tender.ocid in await ocids(town, text="pine", stage="open")
    await tender.amend(description="Of oak.", title="Desks of oak")
    assert tender.ocid not in await ocids(town, text="pine")
    assert tender.ocid in await ocids(town, text="oak", stage="closing")
    lead, partner = await town.bidder("Hanbit & Sons"), await town.bidder("Saebyeok")
    number = lead.certificate.registration
    await joint_bid(tender, lead, partner)
    assert (await asked(town, f"/suppliers/{number}")).status_code == 404
    await tender.deadline(0.05)
    assert (await line(tender))["status"] == "closed"
    assert tender.ocid in await ocids(town, entity=village.id, stage="underway")
    assert tender.ocid not in await ocids(town, entity=village.id, stage="open")
    await tender.close()
    await tender.round()
    await tender.order("bid")
    assert (await line(tender))["status"] == await tender.status()
    await tender.opened("bid")
    await tender.evaluated()
    assert (await line(tender))["status"] == "evaluation"
    await tender.intend()
    assert (await line(tender))["status"] == "standstill"
    assert (await line(tender))["outcome"] is None
    assert (await asked(town, f"/suppliers/{number}")).status_code == 404
    await check_rebuilt(town, tender)
    await tender.award()
    assert (await line(tender))["outcome"] == "awarded"
    assert await ocids(town, entity=village.id, stage="awarded") == [tender.ocid]
    assert await ocids(town, entity=village.id, stage="underway") == []
    for key, name in ((lead, "Hanbit &amp; Sons"), (partner, "Saebyeok")):
        answer = await asked(town, f"/suppliers/{key.certificate.registration}", practice="only")
        assert f"<h1>{name}</h1>" in answer.text
        assert "1,000,000 KRW" in answer.text
        assert ("as a partner" in answer.text) == (key is partner)
        assert f'href="/entities/{village.id}"' in answer.text
    page = (await asked(town, f"/entities/{village.id}", practice="only")).text
    assert f'href="/suppliers/{number}">Hanbit &amp; Sons' in page
    assert "Days from deadline to award" in page
    await check_rebuilt(town, tender)


async def test_a_cancelled_tender_and_one_without_a_winner_ended_without_an_award(town: Town) -> None:
    entity = Organisation(id=f"KR-{secrets.token_hex(4)}", name="Village school board")
    cancelled = await town.publish(a_lot(), lead=600, procuring_entity=entity)
    await cancelled.terminate("cancelled")
    empty = await town.publish(a_lot(), lead=3, procuring_entity=entity)
    await empty.close()
    await empty.order("bid")
    await empty.opened("bid")
    await conclude(empty)
    assert {(await line(each))["outcome"] for each in (cancelled, empty)} == {"cancelled", "unsuccessful"}
    assert set(await ocids(town, entity=entity.id, stage="ended")) == {cancelled.ocid, empty.ocid}
    assert await ocids(town, entity=entity.id, stage="awarded") == []
    await check_rebuilt(town, cancelled, empty)


async def test_an_outages_extension_moves_the_deadline_in_lists_too(town: Town) -> None:
    rule = OutageRule(window=3600, least=60, short=7200, short_extension=3600, long_extension=3600)
    tender = await town.publish(a_lot(), lead=60, outage=rule)
    before, now = (await line(tender))["deadline"], datetime.now(UTC)
    await the_service_was_down(town, now - timedelta(minutes=3), now - timedelta(minutes=1))
    await tender.until("tender:extended")
    assert (await line(tender))["deadline"] > before
    await check_rebuilt(town, tender)


async def test_a_panels_tender_and_one_where_all_are_recused_stand_in_lists_as_they_stand(town: Town) -> None:
    tender = await town.publish(a_lot(panel_rules()), lead=3)
    await tender.bid(await town.bidder("Hanbit"), "100")
    await tender.close()
    await tender.order("technical")
    await tender.opened("technical")
    assert (await line(tender))["status"] == await tender.status() == "opening"
    await tender.declare(town.evaluator, conflict=True)
    assert (await line(tender))["status"] == await tender.status() == "recused"
    await check_rebuilt(town, tender)


async def test_a_refused_step_leaves_the_line_as_it_was(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    before = {table: (await town.rows())[table] for table in TABLES}
    word = tender.countersignature(tender.notice_id, town.officer)
    assert (await tender.post("countersignatures", word)).is_client_error
    assert (await tender.post("awards", word)).is_client_error
    assert {table: (await town.rows())[table] for table in TABLES} == before


async def test_a_service_that_starts_makes_the_lines_that_are_not_there(dsn: str, house: House) -> None:
    async with running(dsn, house) as http:
        town = await Town.settle(http, house, dsn)
        tender = await town.publish(a_lot(), lead=600)
    before = {table: (await town.rows())[table] for table in TABLES}
    connection = await asyncpg.connect(dsn)
    await connection.execute("TRUNCATE listing, listed_award, listed_entity")
    await connection.close()
    async with running(dsn, house) as http:
        [found] = (await http.get("/api/v1/tenders")).json()["tenders"]
    assert found["tender"] == tender.ocid
    assert {table: (await town.rows())[table] for table in TABLES} == before


# ── what is found ────────────────────────────────────────────────────────────────────────────────────────


async def test_filters_find_what_they_say_and_practice_is_hidden_until_asked_for(town: Town) -> None:
    entity = Organisation(id=f"KR-{secrets.token_hex(4)}", name="제주특별자치도 서귀포시")
    code = Classification(scheme="UNSPSC", id="56101703")
    item = Item(id="1", description="참나무 책상", classification=code)
    shared: dict[str, Any] = {"procuring_entity": entity, "lead": 600}
    legal = LegalBasis(jurisdiction="kr-national", procedure="small-value")
    korean = await town.publish(
        Lot(id="1", title="책상", items=(item,), rules=a_lot().rules),
        title="초등학교 책상 구매",
        language="ko",
        translations=(Translation(language="en", title="Desks for the primary school"),),
        eligibility=Eligibility(reserved_for=("village",)),
        estimated_value="12000000",
        legal=legal,
        **shared,
    )
    other = await town.publish(
        a_lot(), title="Reparación de la escuela", language="es", estimated_value="990000000", **shared
    )
    expected = {
        "책상": [korean],
        "학교책상": [korean],
        "참나무": [korean],
        "primary school": [korean],
        "reparacion": [other],
        "서귀포": [other, korean],
        "의자": [],
    }
    for text, found in expected.items():
        assert await ocids(town, text=text, entity=entity.id) == [each.ocid for each in found], text
    day = korean.notice.closes.astimezone(UTC) + timedelta(hours=9)
    first, last = (parse_moment(each.notice.published) + timedelta(hours=9) for each in (korean, other))
    published = {"published_since": f"{first:%Y-%m-%d}", "published_until": f"{last:%Y-%m-%d}"}
    closing = {"since": f"{day:%Y-%m-%d}", "until": f"{day + timedelta(days=1):%Y-%m-%d}"}
    for given, found in (
        ({"classification": "5610"}, [korean]),
        ({"classification": "unspsc 56101703"}, [korean]),
        ({"classification": "CPV 5610"}, []),
        ({"reserved": "village"}, [korean]),
        ({"reserved": "local"}, []),
        ({"procedure": "small-value"}, [korean]),
        ({"procedure": "open"}, []),
        ({"least": "100,000,000", "currency": "KRW"}, [other]),
        ({"most": "12000000", "currency": "KRW"}, [korean]),
        ({"most": "12000000", "currency": "EUR"}, []),
        ({"since": f"{day:%Y-%m-%d}"}, [other, korean]),
        ({"until": f"{day - timedelta(days=1):%Y-%m-%d}"}, []),
        (published, [other, korean]),
        ({"published_since": f"{last + timedelta(days=1):%Y-%m-%d}"}, []),
        ({"published_until": f"{first - timedelta(days=1):%Y-%m-%d}"}, []),
        *(({**days, "order": "newest"}, [other, korean]) for days in (published, closing)),
        *(({**days, "order": "closing-first"}, [korean, other]) for days in (published, closing)),
        *(({**days, "order": "closing-last"}, [other, korean]) for days in (published, closing)),
        ({"practice": "only"}, [other, korean]),
        ({"practice": "hidden"}, []),
        ({"order": "closing-first"}, [korean, other]),
        ({"stage": "open", "text": "책상", "reserved": "village", "classification": "5610"}, [korean]),
        ({"text": "책상", "currency": "KRW", "least": "20000000", "most": "10000000"}, []),
        ({"text": "책상", "since": f"{day:%Y-%m-%d}", "until": f"{day - timedelta(days=9):%Y-%m-%d}"}, []),
    ):
        assert await ocids(town, entity=entity.id, **given) == [each.ocid for each in found], given
    english = (await asked(town, "/tenders", entity=entity.id, **ALL)).text
    assert "Desks for the primary school</a>" in english
    assert '<a href="/tenders/' + other.ocid + '" lang="es">Reparación' in english
    assert english.count(">Practice</span>") == 2


async def test_a_tender_in_earnest_is_on_the_front_page_and_its_entity_among_the_entities(town: Town) -> None:
    entity = Organisation(id=f"KR-{secrets.token_hex(4)}", name="정읍시 농업기술센터")
    contact = Contact(name="Officer Kim", email="kim@jeongeup.example", telephone="+82-63-000-0000")
    tender = await in_earnest(town, procuring_entity=entity, contact=contact, title="농기계 임대")
    home = (await asked(town, "/")).text
    assert tender.ocid in home
    assert ">Practice</span>" not in home
    assert entity.name in (await asked(town, "/entities", text="농업")).text
    page = (await asked(town, f"/entities/{entity.id}")).text
    for stated in (entity.name, "kim@jeongeup.example", "+82-63-000-0000", tender.ocid):
        assert stated in page
    assert f'href="/tenders?entity={entity.id}&amp;stage=open"><span class="number">1<' in page
    assert (await asked(town, f"/entities/{entity.id}", practice="only")).status_code == 200
    await check_rebuilt(town, tender)


async def in_earnest(town: Town, **changes: Any) -> PracticeTender:
    """A tender that keeps the periods of the law."""
    deadline = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0) + timedelta(days=90)
    deadline -= timedelta(days=(deadline.weekday() - 2) % 7)  # a Wednesday
    network = town.trust.networks[0]
    return await town.publish(
        a_lot(),
        practice=False,
        legal=LegalBasis(jurisdiction="kr-national", procedure="open"),
        category="goods",
        estimated_value="100000000",
        deadline=moment(deadline),
        round=str(network.round_at(deadline + timedelta(minutes=30))),
        **changes,
    )


async def test_figures_are_those_of_the_lists_that_they_lead_to(town: Town) -> None:
    entity = f"KR-{secrets.token_hex(4)}"
    ends = [("awarded", 4), ("awarded", 10), ("awarded", 6), ("unsuccessful", 3), ("cancelled", 1)]
    for number, (outcome, days) in enumerate(ends):
        await seed(town, entity, number, outcome=outcome, over=EPOCH + timedelta(days=30 + days))
    await seed(town, entity, 7, deadline=datetime.now(UTC) + timedelta(days=30))
    await seed(town, entity, 8, practice=True, outcome="awarded", over=EPOCH + timedelta(days=90))
    page = (await asked(town, f"/entities/{entity}")).text
    figures = re.findall(r'<a href="(/tenders\?entity=[^"]+)"><span class="number">([^<]+)<', page)
    assert [count for _, count in figures] == ["6", "1", "0", "3", "2", "6.0"]
    for address, count in figures[:5]:
        listed = (await town.http.get(address.replace("&amp;", "&"))).text
        assert listed.count('<article class="card">') == int(count)


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", ["newest", "closing-first", "closing-last"])
async def test_pages_neither_skip_nor_repeat_while_tenders_are_published(town: Town, order: str) -> None:
    entity = f"KR-{secrets.token_hex(4)}"
    there = [await seed(town, entity, number, published=EPOCH) for number in range(30)]
    there += [await seed(town, entity, number) for number in range(30, 80)]

    async def publish_meanwhile() -> None:
        for number in range(80, 200):
            spread = timedelta(seconds=secrets.randbelow(10**6))
            await seed(town, entity, number, published=EPOCH + spread, deadline=EPOCH + spread)

    walking = asyncio.create_task(walk(town, f"/tenders?entity={entity}&order={order}"))
    await publish_meanwhile()
    pages = await walking
    seen = [ocid for page in pages for ocid in page]
    assert len(seen) == len(set(seen))
    assert set(there) <= set(seen)
    assert all(len(page) == 25 for page in pages[:-1])
    still = await walk(town, f"/tenders?entity={entity}&order={order}")
    backwards = await walk(town, await last_page(town, entity, order), back=True)
    assert [ocid for page in reversed(backwards) for ocid in page] == [o for page in still for o in page]


async def test_words_are_found_in_order_however_many_lines_are_looked_through_for_them(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    entity, other = f"KR-{secrets.token_hex(4)}", f"KR-{secrets.token_hex(4)}"
    made = [await seed(town, (entity, other)[number % 2], number) for number in range(110)]
    for walked in (lines.WALKED, 1_000_000, 0):
        monkeypatch.setattr(lines, "WALKED", walked)
        pages = await walk(town, f"/tenders?text={entity}&order=newest")
        assert [ocid for page in pages for ocid in page] == made[::2][::-1], walked


async def walk(town: Town, address: str, *, back: bool = False) -> list[list[str]]:
    """The ocids of each page, following the links."""
    pages, link = [], "prev" if back else "next"
    while address:
        answer = await town.http.get(address)
        assert answer.status_code == 200
        pages.append(re.findall(r'<h3><a href="/tenders/([^"?]+)"', answer.text))
        found = re.search(rf'rel="{link}" href="([^"]+)"', answer.text)
        address = found[1].replace("&amp;", "&") if found else ""
        await asyncio.sleep(0.02)
    return pages


async def last_page(town: Town, entity: str, order: str) -> str:
    address = f"/tenders?entity={entity}&order={order}"
    while found := re.search(r'rel="next" href="([^"]+)"', (await town.http.get(address)).text):
        address = found[1].replace("&amp;", "&")
    return address


async def test_the_interface_is_walked_from_page_to_page(town: Town) -> None:
    entity = f"KR-{secrets.token_hex(4)}"
    there = {await seed(town, entity, number) for number in range(130)}
    seen, address = list[str](), f"/api/v1/tenders?entity={entity}"
    while address:
        answer = (await town.http.get(address)).json()
        seen += [each["tender"] for each in answer["tenders"]]
        address = answer.get("next", "")
    assert len(seen) == 130
    assert set(seen) == there
    numbers = [int(each.rpartition("-")[2]) for each in seen]
    assert numbers == sorted(numbers, reverse=True)  # latest deadline first


# ── what anybody may write ───────────────────────────────────────────────────────────────────────────────

GARBAGE = (
    "\0",
    "'",
    "%",
    "\\",
    "x" * 5000,
    "-1",
    "1e9",
    "NaN",
    "٣",
    "2026-02-30",
    "null",
    "<script>",
    "../..",
)
PARAMETERS = (
    *("stage", "entity", "procedure", "classification", "reserved", "currency", "least", "most"),
    *("since", "until", "published_since", "practice", "order", "after", "before"),
)


async def test_garbage_in_an_address_is_told_apart_and_never_an_accident(town: Town) -> None:
    for name in (*PARAMETERS, "text"):
        for value in GARBAGE:
            page = await asked(town, "/tenders", **{name: value})
            problem = await town.http.get("/api/v1/tenders", params={name: value})
            assert page.status_code == problem.status_code in (200, 400), (name, value)
            if page.status_code == 400:
                assert 'role="alert"' in page.text
                assert "<script>" not in page.text
                assert problem.json()["code"] == "search-malformed"
    for path in ("/entities", "/entities/KR-1234", "/suppliers/nobody"):
        for name in ("after", "practice", "text"):
            for value in GARBAGE:
                answer = await asked(town, path, **{name: value})
                assert answer.status_code in (200, 400, 404), (path, name, value)
                assert answer.headers["Content-Type"].startswith("text/html")
    both = await town.http.get("/tenders?text=a&text=b&stage=open&stage=nothing")
    assert both.status_code == 400


async def test_nothing_of_the_wrong_field_is_lost_in_the_form(town: Town) -> None:
    answer = await asked(town, "/tenders", text='Desks "oak"', since="soon", least="5", currency="")
    assert answer.status_code == 400
    for kept in ('value="Desks &#34;oak&#34;"', 'value="soon"', 'href="#since"', 'href="#currency"'):
        assert kept in answer.text


@pytest.mark.parametrize("language", ["en", "ko", "es"])
async def test_a_browser_gets_errors_in_words_and_a_program_a_problem(town: Town, language: str) -> None:
    said = {"en": "There is nothing here", "ko": "찾으시는 내용이 없습니다", "es": "Aquí no hay nada"}
    for path in ("/nothing", "/tenders/nothing", "/entities/nothing", "/suppliers/nothing"):
        page = await town.http.get(path, headers=BROWSER | {"Accept-Language": language})
        assert page.status_code == 404
        assert said[language] in page.text
        assert page.headers["Content-Type"].startswith("text/html")
        assert "content-security-policy" in page.headers
        assert "not-found" not in page.text
        problem = await town.http.get(path)
        assert problem.headers["Content-Type"].startswith("application/problem+json")
    api = await town.http.get("/api/v1/tenders/nothing", headers=BROWSER)
    assert api.headers["Content-Type"].startswith("application/problem+json")
    program = await town.http.get("/nothing", headers={"Accept": "application/json, text/html;q=0.5"})
    assert program.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("start", ["//", "/%2F", "/%5C"])
async def test_no_address_makes_a_page_lead_elsewhere(town: Town, start: str) -> None:
    page = await town.http.get(f"http://service{start}elsewhere.example/x?a=1&lang=es", headers=BROWSER)
    town.http.cookies.clear()  # the language would stay for the tests to come
    assert page.status_code == 404
    assert "elsewhere" not in page.text
    assert '<a href="?a=1&amp;lang=ko"' in page.text


async def test_a_service_that_is_full_or_broken_says_so_on_a_page(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret detail")

    async def away(*_: Any, **__: Any) -> None:
        raise asyncpg.CannotConnectNowError("the database system is starting up")

    for fault, status, title in ((broken, 500, "Something went wrong"), (away, 503, "Too much is going on")):
        with monkeypatch.context() as patched:
            patched.setattr(lines, "find", fault)
            answer = await asked(town, "/tenders")
        assert answer.status_code == status
        assert title in answer.text
        assert not re.search("secret|database|Error", answer.text)
        assert ("Retry-After" in answer.headers) == (status == 503)


# ── before the closing ───────────────────────────────────────────────────────────────────────────────────


async def test_no_list_tells_that_a_bid_came_in(town: Town) -> None:
    entity = Organisation(id=f"KR-{secrets.token_hex(4)}", name="Silent school")
    tender = await town.publish(a_lot(), lead=600, procuring_entity=entity)
    bidder = await town.bidder("Quiet Partner")
    paths = (
        *("/", f"/tenders?entity={entity.id}&practice=shown", "/entities", f"/entities/{entity.id}"),
        *(f"/entities/{entity.id}?practice=only", f"/suppliers/{bidder.certificate.registration}"),
        f"/api/v1/tenders?entity={entity.id}",
    )
    before = [(await town.http.get(path, headers=BROWSER)).content for path in paths]
    await tender.bid(bidder, "123456789")
    after = [(await town.http.get(path, headers=BROWSER)).content for path in paths]
    assert after == before
    assert not any(b"Quiet Partner" in each or b"123,456,789" in each for each in after)


# ── lines that nobody has published ──────────────────────────────────────────────────────────────────────


async def seed(town: Town, entity: str, number: int, **facts: Any) -> str:
    """A line, beside whose tender nothing was said: for lists of many. Its ocid."""
    ocid = f"ocds-0s3al1-{secrets.token_hex(6)}-{number}"
    notice = msgspec.structs.replace(
        a_notice(the_world()), tender=ocid, procuring_entity=Organisation(id=entity, name=entity)
    )
    made = listed(store.id_of(ocid), notice, "bidding", (), None, ())
    at = EPOCH + timedelta(minutes=number)
    usual: dict[str, Any] = {"published": at, "deadline": EPOCH + timedelta(days=30)}
    if "deadline" not in facts and "outcome" not in facts:
        usual["deadline"] = at + timedelta(days=1)
    if facts.get("deadline", EPOCH) < datetime.now(UTC) and "outcome" not in facts:
        usual |= {"outcome": "unsuccessful", "over": EPOCH + timedelta(days=40)}
    await keep(town, msgspec.structs.replace(made, **(usual | facts)))
    return ocid


async def keep(town: Town, listing: Listing) -> None:
    connection = await asyncpg.connect(town.dsn)
    over = listing.deadline if listing.outcome else None
    row = TenderRow(
        tender_id=listing.tender_id,
        ocid=listing.ocid,
        notice_id="00" * 32,
        deadline=listing.deadline,
        terms="00" * 32,
        shut_at=over,
        terminated_at=None,
        concluded_at=over,
        head=Head(tender=listing.ocid, notice="00" * 32),
    )
    try:
        async with connection.transaction():
            await store.add_tender(connection, row)
            await connection.execute(
                "UPDATE tender SET shut_at = $2, concluded_at = $2 WHERE tender_id = $1", row.tender_id, over
            )
            await lines.save(connection, listing)
    finally:
        await connection.close()
