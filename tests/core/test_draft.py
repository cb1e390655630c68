"""The draft of a bid: each fault is named in words, and what has none opens as a bid."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from bids.errors import Unopenable
from crypto.encoding import decode
from crypto.errors import MalformedError
from crypto.stream import sealed_size
from procurement.bidding.draft import (
    Draft,
    DraftCost,
    DraftDeclaration,
    DraftDocument,
    DraftOffer,
    DraftOwner,
    DraftOwnership,
    contents,
    faults,
    in_words,
    media_type,
    read,
    template,
    title,
    write,
)
from procurement.evaluation import CostItem, LifeCycleCost
from procurement.scoring import read_part
from procurement.tenders import (
    Bid,
    Declaration,
    Document,
    Notice,
    Proposal,
    Restricted,
    read_bid,
    read_restricted,
)
from procurement.words import notice_in_words
from tests.builders import a_lot, a_notice, panel_rules, the_world, two_envelopes
from tests.core.evaluation_builders import a_price_floor

DECLARATIONS = (Declaration(id="clean", text="We bribe nobody."), Declaration(id="able", text="We can."))
TAKES: dict[str, Any] = {"document_limit": 3, "document_size": 10_000}


def notice(**changes: Any) -> Notice:
    lots = a_lot(id="1"), a_lot(id="2")
    return a_notice(the_world(), *lots, **({"declarations": DECLARATIONS} | TAKES | changes))


def filled(**changes: Any) -> Draft:
    values: dict[str, Any] = {
        "offers": (DraftOffer(lot="1", amount="900"), DraftOffer(lot="2", amount="1000000")),
        "declarations": tuple(DraftDeclaration(id=each.id, declared=True) for each in DECLARATIONS),
    }
    return Draft(**(values | changes))


def offered(*offers: DraftOffer) -> Draft:
    return filled(offers=offers)


def found(draft: Draft, under: Notice | None = None, **sizes: int | None) -> list[str]:
    return faults(draft, under or notice(), {name.replace("_", "."): size for name, size in sizes.items()})


def test_a_template_asks_for_everything_and_is_no_bid_yet() -> None:
    draft = template(notice())
    assert read(write(draft)) == draft
    assert [offer.lot for offer in draft.offers] == ["1", "2"]
    assert found(draft) == [
        "lot 1: no amount; who does not bid for a lot removes its offer",
        "lot 2: no amount; who does not bid for a lot removes its offer",
        "declaration clean is not made: “We bribe nobody.”",
        "declaration able is not made: “We can.”",
    ]


def test_a_draft_that_is_filled_in_opens_as_a_bid() -> None:
    assert found(filled()) == []
    sealed = contents(filled(), notice(), []).open
    assert len(sealed["bid"]) % 256 == 0
    bid = read_part("bid", sealed["bid"], notice(), ())
    assert isinstance(bid, Bid)
    assert [(offer.lot, offer.amount) for offer in bid.offers] == [("1", "900"), ("2", "1000000")]
    assert ("Lot 2", "1,000,000 KRW") in in_words(bid, notice())
    assert ("Declares", "clean: We bribe nobody.") in in_words(bid, notice())


def test_a_declaration_has_the_notices_words_whatever_stands_in_the_draft() -> None:
    draft = filled(
        declarations=(
            DraftDeclaration(id="clean", text="We bribe everybody."),
            DraftDeclaration(id="able", declared=True),
        )
    )
    assert found(draft) == ["declaration clean is not made: “We bribe nobody.”"]


@pytest.mark.parametrize("amount", ["1,000", "-1", "1e9", "١٢", " 900", "0x1", "9" * 16, "1.", "01"])
def test_an_amount_that_is_no_plain_number_is_named(amount: str) -> None:
    (fault,) = found(offered(DraftOffer(lot="2", amount=amount)))
    assert fault.startswith("lot 2: the amount is no plain number")


def test_costs_are_asked_for_by_name_and_sealed_where_the_rules_have_them() -> None:
    items = CostItem(id="energy", title="Energy, a year"), CostItem(id="end", title="Taking back", due="end")
    under = a_notice(the_world(), a_lot(LifeCycleCost(costs=items, years=5, rate="3")))
    [offer] = template(under).offers
    assert [(each.id, each.title, each.amount) for each in offer.costs] == [
        ("energy", "Energy, a year", ""),
        ("end", "Taking back", ""),
    ]
    costs = DraftCost(id="energy", amount="1200"), DraftCost(id="end", amount="")
    draft = Draft(offers=(DraftOffer(lot="1", amount="900", costs=costs),))
    assert faults(draft, under, {}) == ["lot 1: no amount of end; what costs nothing is 0"]
    only = Draft(offers=(DraftOffer(lot="1", amount="900", costs=costs[:1]),))
    assert faults(only, under, {}) == ["lot 1: not exactly the costs are stated that the rules ask for"]
    costs = costs[0], DraftCost(id="end", amount="0")
    whole = Draft(offers=(DraftOffer(lot="1", amount="900", costs=costs),))
    assert faults(whole, under, {}) == []
    bid = read_bid(contents(whole, under, []).open["bid"], under)
    assert in_words(bid, under)[0] == ("Lot 1", "900 KRW; energy 1,200 KRW; end 0 KRW")


@pytest.mark.parametrize(
    ("offers", "said"),
    [
        ([DraftOffer(lot="2", amount="0")], "lot 2: the price is zero"),
        ([DraftOffer(lot="2", amount="1.5")], "lot 2: not a plain number with at most 0 decimals"),
        ([DraftOffer(lot="3", amount="1")], "lot 3: the notice has no such lot"),
        ([DraftOffer(lot="1", amount="1")] * 2, "lot 1: offered twice"),
        ([DraftOffer(lot="1", amount="1", picks=(1, 2))], "lot 1: "),
        ([], "no lot is offered for"),
    ],
)
def test_what_is_wrong_with_an_offer_is_said_in_words(offers: list[DraftOffer], said: str) -> None:
    (fault,) = found(offered(*offers))
    assert fault.startswith(said)


@pytest.mark.parametrize("picks", [None, (3, 3), (0, 4), (1, 16)])
def test_picks_are_asked_for_where_the_rules_draw_a_price(picks: tuple[int, int] | None) -> None:
    under = a_notice(the_world(), a_lot(a_price_floor()))
    draft = Draft(offers=(DraftOffer(lot="1", amount="900", picks=picks),))
    (fault,) = found(draft, under)
    assert fault.startswith("lot 1: ")
    right = Draft(offers=(DraftOffer(lot="1", amount="900", picks=(3, 12)),))
    assert found(right, under) == []


def test_declarations_are_exactly_those_of_the_notice() -> None:
    made = filled().declarations
    assert found(filled(declarations=made[:1])) == ["declaration able is missing"]
    other = DraftDeclaration(id="other", declared=True)
    assert found(filled(declarations=(*made, other))) == [
        "declaration other: the notice asks for no such declaration"
    ]
    assert found(filled(declarations=(*made, made[0]))) == ["declaration clean stands twice"]


PARTNER = "ab" * 32
KIM = DraftOwner(name="Kim Yu-na", nationalities=("KR", "US"))


@pytest.mark.parametrize(
    ("owners", "said"),
    [
        ([], "owners of the business that signs are missing"),
        ([DraftOwnership(persons=(KIM,))] * 2, "owners of the business that signs stand twice"),
        ([DraftOwnership()], "owners of the business that signs: either persons, or why nobody is named"),
        ([DraftOwnership(persons=(KIM,), unnamed="listed")], "owners of the business that signs: either"),
        ([DraftOwnership(unnamed="rich")], "owners of the business that signs: unnamed is one of listed"),
        (
            [DraftOwnership(persons=(DraftOwner(),))],
            "owners of the business that signs: a person has no name",
        ),
        (
            [DraftOwnership(persons=(DraftOwner(name="Kim"),))],
            "owners of the business that signs: Kim has no",
        ),
        (
            [DraftOwnership(persons=(DraftOwner(name="Kim", nationalities=("XX",)),))],
            "owners of the business that signs: Kim: XX is no country's two letters",
        ),
        (
            [DraftOwnership(persons=(DraftOwner(name="Kim", nationalities=("KR", "KR")),))],
            "owners of the business that signs: Kim: a nationality stands twice",
        ),
        (
            [DraftOwnership(unnamed="listed"), DraftOwnership(partner=PARTNER, unnamed="listed")],
            f"owners of partner {PARTNER}: that is no partner in this bid",
        ),
        ([DraftOwnership(persons=(KIM,) * 26)], "owners: "),
    ],
)
def test_what_is_wrong_with_owners_is_said_in_words(owners: list[DraftOwnership], said: str) -> None:
    (fault,) = found(filled(owners=tuple(owners)), notice(owners_asked=True))
    assert fault.startswith(said)


def test_owners_are_named_of_each_business_where_the_notice_asks() -> None:
    asking, own = notice(owners_asked=True), DraftOwnership(persons=(KIM,))
    assert template(asking).owners == (DraftOwnership(persons=(DraftOwner(),)),)
    assert template(notice()).owners == ()
    assert found(filled(owners=(own,))) == ["owners are named, and the notice does not ask for them"]
    assert found(filled(owners=(own,)), asking) == []
    assert faults(filled(owners=(own,)), asking, {}, [PARTNER]) == [
        f"owners of partner {PARTNER} are missing"
    ]
    joint = filled(owners=(own, DraftOwnership(partner=PARTNER, unnamed="public")))
    assert faults(joint, asking, {}, [PARTNER]) == []
    bid = read_part("bid", contents(joint, asking, []).open["bid"], asking, [PARTNER])
    assert in_words(bid, asking)[-2:] == [
        ("Owners of the business that signs", "Kim Yu-na (KR, US)"),
        (f"Owners of partner {PARTNER}", "nobody is named: it belongs to a public body"),
    ]


def test_owners_are_in_the_technical_part_where_there_is_one() -> None:
    under = a_notice(the_world(), a_lot(panel_rules()), owners_asked=True)
    draft = Draft(offers=(DraftOffer(lot="1", amount="900"),), proposal="Well.")
    assert found(draft, under) == ["owners of the business that signs are missing"]
    stated = msgspec.structs.replace(draft, owners=(DraftOwnership(unnamed="listed"),))
    assert found(stated, under) == []
    proposal, bid = (
        read_part(name, each, under, ()) for name, each in contents(stated, under, []).open.items()
    )
    assert [len(proposal.owners), len(bid.owners)] == [1, 0]


def test_documents_are_there_and_not_too_many_or_too_large() -> None:
    plan = DraftDocument(file="plan.pdf")
    assert found(filled(documents=(plan,)), plan_pdf=100) == []
    assert found(filled(documents=(plan,)), plan_pdf=None) == ["plan.pdf: there is no such file"]
    largest = 10_000 - 16
    assert sealed_size(largest) == 10_000
    assert found(filled(documents=(plan,)), plan_pdf=largest) == []
    (fault,) = found(filled(documents=(plan,)), plan_pdf=largest + 1)
    assert fault == "plan.pdf: sealed it has 10,001 bytes, and at most 10,000 are taken"
    hidden = DraftDocument(file="plan.pdf", restricted=True)
    (fault,) = found(filled(documents=(plan, plan, hidden)), plan_pdf=1)
    assert fault.startswith("4 documents (restricted content counts as 1)")
    none = notice(document_limit=0, document_size=0)
    assert found(filled(documents=(plan,)), none, plan_pdf=1)[0].endswith("the tender takes none")
    (fault,) = found(filled(restricted="x" * 9_990), plan_pdf=1)
    assert fault == "part restricted bid: 10,240 bytes of content, and at most 9,984 are taken"
    (fault,) = found(filled(documents=(DraftDocument(file="plan.pdf", part="price"),)), plan_pdf=1)
    assert fault == "plan.pdf: the tender has no part price, only bid"


def test_a_proposal_is_given_where_a_panel_reads_it() -> None:
    under = a_notice(the_world(), a_lot(panel_rules()))
    draft = Draft(offers=(DraftOffer(lot="1", amount="900"),))
    assert found(draft, under) == ["the proposal is empty"]
    assert found(msgspec.structs.replace(draft, proposal="We have done this before."), under) == []
    assert found(filled(proposal="We have done this before.")) == [
        "a proposal is given, and the tender has no technical part"
    ]


def test_a_part_that_is_too_long_is_named() -> None:
    under = a_notice(the_world(), a_lot(panel_rules()), content_limit=1000)
    draft = Draft(offers=(DraftOffer(lot="1", amount="900"),), proposal="x" * 1000)
    assert found(draft, under) == ["part technical: 1,280 bytes of content, and at most 1,000 are taken"]


@pytest.mark.parametrize("sign", ["\x00", "\x07", "\x7f", "\r", "\t"])
def test_signs_that_cannot_be_sealed_are_found_before_the_sealing(sign: str) -> None:
    assert found(filled(restricted=f"Secret{sign}")) != []


def test_each_document_is_in_its_part_open_or_restricted() -> None:
    under = a_notice(the_world(), a_lot(panel_rules()), **TAKES)
    drafts = (
        DraftDocument(file="method.pdf"),
        DraftDocument(file="costs.csv", part="price", title="Costs", format="text/plain"),
        DraftDocument(file="people.bin", restricted=True),
    )
    draft = Draft(
        offers=(DraftOffer(lot="1", amount="900"),),
        proposal="As before.",
        documents=drafts,
        restricted="Born in 1980.",
    )
    given_ = [a_document(i, each) for i, each in enumerate(drafts, start=1)]
    sealed = contents(draft, under, given_)
    proposal, bid = (read_part(part, each, under, ()) for part, each in sealed.open.items())
    assert isinstance(proposal, Proposal)
    assert isinstance(bid, Bid)
    withheld = {part: read_restricted(each) for part, each in sealed.restricted.items()}
    assert [each.title for each in proposal.documents] == ["method.pdf"]
    assert [(each.title, each.format) for each in bid.documents] == [("Costs", "text/plain")]
    assert set(withheld) == {"technical"}
    assert withheld["technical"].text == "Born in 1980."
    assert [each.format for each in withheld["technical"].documents] == ["application/octet-stream"]
    assert ("Proposal", "As before.") in in_words(proposal, under)
    assert ("For officials alone", "Born in 1980.") in in_words(withheld["technical"], under)
    assert b"Born in" not in b"".join(sealed.open.values())


def lots_apart() -> Notice:
    return a_notice(the_world(), a_lot(two_envelopes()), a_lot(two_envelopes(), id="2"), **TAKES)


def test_each_document_is_in_the_price_part_of_its_lot_where_each_has_one() -> None:
    under = lots_apart()
    drafts = (
        DraftDocument(file="method.pdf"),
        DraftDocument(file="desks.csv", part="price", lot="1"),
        DraftDocument(file="chairs.csv", part="price", lot="2"),
        DraftDocument(file="bank.csv", part="price", lot="2", restricted=True),
    )
    offers = DraftOffer(lot="2", amount="900"), DraftOffer(lot="1", amount="800")
    draft = Draft(offers=offers, proposal="As before.", documents=drafts)
    given_ = [a_document(i, each) for i, each in enumerate(drafts, start=1)]
    sealed = contents(draft, under, given_)
    read_back = {name: read_part(name, each, under, ()) for name, each in sealed.open.items()}
    assert {name: [each.title for each in part.documents] for name, part in read_back.items()} == {
        "technical": ["method.pdf"],
        "price-1": ["desks.csv"],
        "price-2": ["chairs.csv"],
    }
    prices = {name: part.offers for name, part in read_back.items() if isinstance(part, Bid)}
    assert {name: [each.amount for each in offers] for name, offers in prices.items()} == {
        "price-1": ["800"],
        "price-2": ["900"],
    }
    assert list(sealed.restricted) == ["price-2"]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (DraftDocument(file="a", part="price"), "each lot has a price part of its own, and no lot is named"),
        (DraftDocument(file="a", part="price", lot="3"), "lot 3 is not offered for"),
        (DraftDocument(file="a", part="price", lot="2"), "lot 2 is not offered for"),
        (DraftDocument(file="a", lot="1"), "the technical part holds all lots, and lot 1 is named"),
        (DraftDocument(file="a", part="technical", lot="1"), "the technical part holds all lots"),
        (DraftDocument(file="a", part="bid", lot="1"), "the tender has no part bid"),
    ],
)
def test_with_which_lots_price_a_document_opens_has_to_be_said(document: DraftDocument, said: str) -> None:
    draft = Draft(offers=(DraftOffer(lot="1", amount="900"),), proposal="As before.", documents=(document,))
    (fault,) = found(draft, lots_apart(), a=1)
    assert fault.startswith(f"a: {said}")
    together = a_notice(the_world(), a_lot(panel_rules()), **TAKES)
    in_one = msgspec.structs.replace(document, part="price", lot="1")
    (fault,) = found(msgspec.structs.replace(draft, documents=(in_one,)), together, a=1)
    assert fault == "a: the price part holds all lots, and lot 1 is named"


def test_the_prices_of_all_lots_together_are_as_long_as_one_part_may_be() -> None:
    under = msgspec.structs.replace(lots_apart(), content_limit=500)
    one = Draft(offers=(DraftOffer(lot="1", amount="900"),), proposal="As before.")
    assert found(one, under) == []
    both = msgspec.structs.replace(one, offers=(*one.offers, DraftOffer(lot="2", amount="900")))
    assert found(both, under) == ["part price: 512 bytes of content, and at most 500 are taken"]


def a_document(number: int, draft: DraftDocument) -> Document:
    name, kind = title(draft), media_type(draft)
    return Document(number=number, title=name, format=kind, key="a" * 64, sha256="b" * 64, size=1)


def test_the_rules_are_shown_in_words() -> None:
    under = a_notice(the_world(), a_lot(a_price_floor()), declarations=DECLARATIONS, upload_grace=60, **TAKES)
    shown = dict(notice_in_words(under))
    assert shown["Declaration able"] == "We can."
    assert "kr-price-floor/1" in shown["  rule set"]
    assert "follow for 1 minute after the deadline" in shown["Documents"]
    assert "Twelve school desks, 12 EA" in shown["  item 1"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"offers":[{"lot":1}]}',
        b'{"price":"900"}',
        b'{"offers":[{"lot":"1","picks":[1]}]}',
        b"\xff",
    ],
)
def test_a_draft_that_cannot_be_read_says_where(data: bytes) -> None:
    with pytest.raises(MalformedError, match="the draft cannot be read"):
        read(data)


TEXTS = some.text(max_size=20) | some.sampled_from(["1", "2", "900", "1.5", "clean", "able", "plan.pdf"])
DRAFTS = some.builds(
    Draft,
    offers=some.lists(
        some.builds(
            DraftOffer,
            lot=TEXTS,
            amount=TEXTS,
            picks=some.none() | some.tuples(some.integers(-1, 20), some.integers(-1, 20)),
        ),
        max_size=3,
    ).map(tuple),
    proposal=TEXTS,
    declarations=some.lists(
        some.builds(DraftDeclaration, id=TEXTS, declared=some.booleans()), max_size=3
    ).map(tuple),
    documents=some.lists(
        some.builds(
            DraftDocument,
            file=TEXTS,
            title=TEXTS,
            format=TEXTS,
            restricted=some.booleans(),
            part=some.sampled_from([None, "bid", "technical", "price"]),
            lot=some.sampled_from([None, "1", "2", "3"]),
        ),
        max_size=3,
    ).map(tuple),
    restricted=TEXTS,
    owners=some.lists(
        some.builds(
            DraftOwnership,
            partner=some.sampled_from(["", "ab" * 32, "x"]),
            persons=some.lists(
                some.builds(
                    DraftOwner,
                    name=TEXTS,
                    nationalities=some.lists(some.sampled_from(["KR", "XK", "XX"])).map(tuple),
                ),
                max_size=2,
            ).map(tuple),
            unnamed=some.sampled_from(["", "listed", "x"]),
        ),
        max_size=2,
    ).map(tuple),
)
UNDER: list[Callable[[], Notice]] = [
    notice,
    lambda: a_notice(the_world(), a_lot(panel_rules()), **TAKES),
    lambda: a_notice(the_world(), a_lot(a_price_floor())),
    lots_apart,
    lambda: notice(owners_asked=True),
]


@settings(max_examples=150, deadline=None)
@given(draft=DRAFTS, which=some.integers(0, 4), joint=some.booleans())
def test_a_draft_without_a_fault_opens_and_no_other_passes(draft: Draft, which: int, joint: bool) -> None:
    """Whatever somebody writes into it: faults are words, and without any the opening reads every part, and
    every document is named in one of them."""
    under = UNDER[which]()
    partners = [PARTNER] if joint else []
    said = faults(draft, under, {each.file: 10 for each in draft.documents}, partners)
    given_ = [a_document(i, each) for i, each in enumerate(draft.documents, start=1)]
    try:
        sealed = contents(draft, under, given_)
        opened = [read_part(name, content, under, partners) for name, content in sealed.open.items()]
        withheld = [decode(content, Restricted) for content in sealed.restricted.values()]
        named = [each.number for part in (*opened, *withheld) for each in part.documents]
        assert said or sorted(named) == [each.number for each in given_]
    except (Unopenable, MalformedError):
        assert said
    assert all(isinstance(each, str) and each for each in said)
