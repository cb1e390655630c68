"""Past tenders live again in a real service: everybody's signature, every lock, the log and the database."""

import asyncio
import io
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import msgspec
import pytest

from bids.client import read_trust
from bids.opening import open_in_parallel
from crypto.trust import Trust
from procurement import record, releases
from procurement.case import Case
from procurement.replay import Replayed, let_in, load_case, replay
from procurement.service import House
from tests.conftest import fresh_database
from tests.flows.conftest import running
from tests.past_releases import ROADS, SCHOOLS, moldova
from tests.past_releases import written as written_release
from tests.past_tenders import (
    NEGOTIATION,
    PRICE_FLOOR,
    SALT,
    Files,
    blanked,
    files_of,
    read_case,
    the_case,
    with_field,
    written,
)

BOTH = (NEGOTIATION, PRICE_FLOOR)
OCDS = "b1b7a1d2"


class Lived(NamedTuple):
    """What a case came to, its record, and whom its service names."""

    replayed: Replayed
    record: bytes
    trust: Trust
    steps: list[str]


def altered(number: str) -> Files:
    """One published figure is not what it was."""
    field, figure = ("totalEvlAmtVal", "90.0958") if number == NEGOTIATION else ("bidprcrt", "87.745")
    return with_field(files_of(number), "bids.json", field, figure, at=1)


@pytest.fixture(scope="module")
async def lives(
    postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[tuple[str, str], Lived]]:
    """Both cases of KONEPS in three versions, all at the same time in one service, then one of OCDS."""
    cases = {
        **{(number, "whole"): the_case(number) for number in BOTH},
        **{(number, "blank"): read_case(blanked(files_of(number))) for number in BOTH},
        **{(number, "altered"): read_case(altered(number)) for number in BOTH},
    }
    house = House.below(tmp_path_factory.mktemp("replay"))
    async with (
        fresh_database(postgres, f"replay_{uuid4().hex}", migrated) as dsn,
        running(dsn, house) as http,
    ):
        trust = await read_trust(http)
        registrar = await let_in(http, house.invitation.make())

        async def live(case: Case) -> Lived:
            steps: list[str] = []
            replayed, data = await replay(case, http, registrar, lambda step, done, of: steps.append(step))
            return Lived(replayed, data, trust, list(dict.fromkeys(steps)))

        lived = dict(zip(cases, await asyncio.gather(*map(live, cases.values())), strict=True))
        other = await live(releases.read_case(written_release(moldova())))
        yield {**lived, (OCDS, "whole"): other}


@pytest.mark.parametrize("number", BOTH)
def test_a_past_tender_comes_out_as_it_was_published(
    lives: dict[tuple[str, str], Lived], number: str
) -> None:
    replayed = lives[number, "whole"].replayed
    assert (replayed.agrees, replayed.differences) == (True, ())
    assert len(replayed.ranking) == len(the_case(number).bids)


def test_the_negotiation_has_the_published_scores(lives: dict[tuple[str, str], Lived]) -> None:
    replayed = lives[NEGOTIATION, "whole"].replayed
    first = replayed.ranking[0]
    assert (replayed.rule_set, replayed.expected_price) == ("kr-negotiation/1", "110000000")
    assert (first.bidder, first.rank, first.rate) == ("주식회사 예신뷰", 1, "91.010")
    assert (first.price_score, first.technical_score, first.total) == ("9.5894", "81.5000", "91.0894")


def test_the_price_floor_case_has_the_published_draw(lives: dict[tuple[str, str], Lived]) -> None:
    replayed = lives[PRICE_FLOOR, "whole"].replayed
    assert (replayed.rule_set, replayed.expected_price) == ("kr-price-floor/1", "404158750")
    assert (replayed.drawn_numbers, replayed.floor_amount) == ((4, 6, 8, 12), "354629096")
    assert [(each.bidder, each.rank) for each in replayed.ranking] == [
        ("bidder 01", 1),
        ("bidder 05", 2),
        ("bidder 03", 3),
        ("bidder 02", None),
        ("bidder 04", None),
    ]


@pytest.mark.parametrize("number", BOTH)
def test_the_published_results_have_no_part_in_what_is_computed(
    lives: dict[tuple[str, str], Lived], number: str
) -> None:
    whole, blank = lives[number, "whole"].replayed, lives[number, "blank"].replayed
    own = {"ocid": whole.ocid, "record": whole.record}
    assert msgspec.structs.replace(blank, **own) == whole


@pytest.mark.parametrize("number", BOTH)
def test_one_altered_figure_is_named_and_changes_nothing_else(
    lives: dict[tuple[str, str], Lived], number: str
) -> None:
    whole, wrong = lives[number, "whole"].replayed, lives[number, "altered"].replayed
    (difference,) = wrong.differences
    expected = {
        NEGOTIATION: ("totalEvlAmtVal", "90.0958", "90.0959"),
        PRICE_FLOOR: ("bidprcrt", "87.745", "87.744"),
    }[number]
    assert not wrong.agrees
    assert (difference.field, difference.published, difference.computed, difference.position) == (
        *expected,
        2,
    )
    assert wrong.ranking == whole.ranking


@pytest.mark.parametrize("number", [*BOTH, OCDS])
def test_the_record_verifies_under_the_services_trust_file(
    lives: dict[tuple[str, str], Lived], number: str
) -> None:
    lived = lives[number, "whole"]
    verdict = record.verify(lived.record, lived.trust, open_in_parallel)
    assert (verdict.outcome, verdict.record) == ("verified", lived.replayed.record)
    assert any("independence" in each for each in verdict.not_checked)


def test_scores_are_signed_before_any_price_is_ordered_open(lives: dict[tuple[str, str], Lived]) -> None:
    steps = lives[NEGOTIATION, "whole"].steps
    assert steps.index("opening: technical") < steps.index("opening: price")


def test_every_replay_is_a_tender_of_its_own(lives: dict[tuple[str, str], Lived]) -> None:
    ocids = [lived.replayed.ocid for lived in lives.values()]
    assert len(set(ocids)) == len(lives)
    for (number, _), ocid in zip(lives, ocids, strict=True):
        assert ocid.startswith(f"ocds-0s3al1-{number}-")


def test_a_tender_of_another_publisher_lives_with_its_lots_partners_and_withdrawals(
    lives: dict[tuple[str, str], Lived],
) -> None:
    replayed = lives[OCDS, "whole"].replayed
    assert (replayed.rule_set, replayed.agrees, replayed.differences) == ("lowest-price/1", True, ())
    assert [(each.lot, each.bidder, each.amount, each.rank) for each in replayed.ranking] == [
        (ROADS, "Firma 1 + Firma 2", "90000", 1),
        (ROADS, "Firma 3", "95000.25", 2),
        (SCHOOLS, "Firma 5", "39000", 1),
        (SCHOOLS, "Firma 3", "40000", 2),
    ]
    assert replayed.notes[1] == "bid 4 of Firma 4 is not replayed: disqualified, no bid security"


def test_the_record_of_a_replay_can_be_replayed(lives: dict[tuple[str, str], Lived]) -> None:
    """Its open data say the same again: who bid what, jointly, and who won."""
    lived = lives[OCDS, "whole"]
    with zipfile.ZipFile(io.BytesIO(lived.record)) as files:
        again = releases.read_case(files.read("ocds.json"))
    first = releases.read_case(written_release(moldova()))
    assert {bid.name: bid.offers for bid in again.bids} == {bid.name: bid.offers for bid in first.bids}
    assert [lot.title for lot in again.lots] == ["Drumuri", "Școli"]
    assert again.published == first.published
    assert (again.currency, again.entity, again.language) == (first.currency, first.entity, "ro")


def test_a_folder_is_read_as_a_case(tmp_path: Path) -> None:
    folder = written(files_of(PRICE_FLOOR), tmp_path / "case")
    assert load_case(folder, SALT) == the_case(PRICE_FLOOR)


def test_a_file_is_read_as_a_case_of_ocds(tmp_path: Path) -> None:
    path = tmp_path / "package.json"
    path.write_bytes(written_release(moldova()))
    assert load_case(path, SALT) == releases.read_case(written_release(moldova()))


def test_the_command_brings_its_own_service_and_fails_on_a_difference(tmp_path: Path) -> None:
    folder = written(altered(PRICE_FLOOR), tmp_path / "case")
    out = tmp_path / "record.zip"
    command = [sys.executable, "-m", "procurement", "replay", str(folder), "--record", str(out), "--json"]
    ended = subprocess.run(command, capture_output=True, timeout=120, check=False)
    (line,) = ended.stdout.splitlines()
    replayed = msgspec.json.decode(line)
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert list(replayed) == [
        "ocid",
        "ruleSet",
        "expectedPrice",
        "drawnNumbers",
        "floorAmount",
        "ranking",
        "agrees",
        "differences",
        "record",
    ]
    assert [each["figure"] for each in replayed["differences"]] == ["rate"]
    assert record.verify(out.read_bytes(), None).record == replayed["record"]
