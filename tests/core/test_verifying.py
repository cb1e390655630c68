"""`openseal verify --all`: every record that a service lists, over real HTTP, with nothing done twice."""

import json
import multiprocessing
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bids import client
from crypto.encoding import encode
from procurement.console import INTERRUPTED, LATER
from tests.builders import Life, World, a_bidder, a_notice, the_world
from tests.commands import Ended, Run
from tests.flows.doomed import descendants, gone
from tests.shelf import LISTING, Answer, Shelf, served

ONE, TWO, THREE = "ocds-0s3al1-1", "ocds-0s3al1-2", "ocds-0s3al1-3"


@cache
def a_record(tender: str, seen_after: int = 1) -> bytes:
    """Witnesses saw the closing so many seconds after the deadline."""
    life = Life(the_world(), a_notice(the_world(), tender=tender))
    life.submit(a_bidder(the_world(), 1), "900000")
    life.close(cosigned_at=life.notice.closes + timedelta(seconds=seen_after))
    life.open("bid")
    life.evaluate()
    life.award()
    return life.record()


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """Three records of three tenders, on two pages."""
    with served(Shelf({each: a_record(each) for each in (ONE, TWO, THREE)})) as shelf:
        yield shelf


@pytest.fixture
def all_of(run: Run, tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Verifies all of the shelf's records, under the world's trust file unless another one is given."""
    monkeypatch.setattr(client, "PAUSES", (0.01,))
    trust = tmp_path / "trust.json"
    trust.write_bytes(encode(the_world().trust))

    def verify(*more: str | Path, under: Path | None = trust) -> Ended:
        trusting = ("--trust", under) if under else ()
        shelf.asked.clear()
        return run("verify", "--all", shelf.url, "--into", tmp_path / "kept", *trusting, *more)

    return verify


def counts(ended: Ended) -> dict[str, int]:
    """How many there are of each kind, by the table at the end."""
    rows = (line.split() for line in ended.out.splitlines())
    return {row[1]: int(row[0]) for row in rows if row and row[0].isdigit()}


def test_all_records_are_verified_and_kept_and_none_is_asked_for_again(
    all_of: Any, shelf: Shelf, tmp_path: Path
) -> None:
    first = all_of()
    assert (first.status, first.err) == (0, "")
    assert first.out.splitlines()[-1] == f"all hold: 3 records, in {tmp_path}/kept/records"
    assert shelf.downloads == [ONE, TWO, THREE]
    for tender, data in shelf.records.items():
        assert (tmp_path / "kept" / "records" / f"{tender}.zip").read_bytes() == data
    assert all_of() == first
    assert shelf.downloads == []


def at_a_terminal(*line: str | Path, tell: Callable[[str], None] = lambda said: None) -> str:
    """What the command says at one, without colours; `tell` is told what it has said so far."""
    own, terminal = pty.openpty()
    command, wide = [sys.executable, "-m", "procurement", *map(str, line)], {"COLUMNS": "160"}
    data, said = b"", ""
    with subprocess.Popen(command, stderr=terminal, stdout=subprocess.DEVNULL, env=os.environ | wide):
        os.close(terminal)
        with suppress(OSError):  # the other side is closed
            while some := os.read(own, 65536):
                data += some
                said = re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", data.decode(errors="ignore"))
                tell(said)
    os.close(own)
    return said


def test_a_terminal_shows_how_many_of_how_many_and_how_fast_and_how_long(
    shelf: Shelf, tmp_path: Path
) -> None:
    shown = threading.Event()

    def waits(path: str, answer: Answer) -> Answer:
        if THREE in path:
            assert shown.wait(60)
        return answer

    def tell(said: str) -> None:
        if re.search(r" 2/3 .*[0-9.]+ a second, 0:[0-9:]+ left", said):
            shown.set()

    shelf.twist = waits
    said = at_a_terminal("verify", "--all", shelf.url, "--into", tmp_path / "kept", tell=tell)
    assert re.search(r" 3/3 .*[0-9.]+ a second\s*$", said)


def test_a_terminal_names_the_first_ones_that_do_not_hold_and_then_says_that_there_are_more(
    tmp_path: Path,
) -> None:
    with served(Shelf({f"{ONE}{number}": b"none" for number in range(30)})) as shelf:
        said = at_a_terminal("verify", "--all", shelf.url, "--into", tmp_path / "kept")
    assert said.count("refused at step 1") == 20
    assert said.count("and more, which are named at the end") == 1


def test_a_new_award_is_all_that_the_next_walk_downloads(all_of: Any, shelf: Shelf) -> None:
    third = shelf.records.pop(THREE)
    assert counts(all_of()) == {"verified": 2}
    shelf.records[THREE] = third
    assert counts(all_of()) == {"verified": 3}
    assert shelf.downloads == [THREE]


def test_a_walk_that_was_broken_off_goes_on_where_it_was(all_of: Any, shelf: Shelf) -> None:
    def dies(path: str, answer: Answer) -> Answer:
        return (0, b"") if THREE in "".join(shelf.asked) else answer

    shelf.twist = dies
    ended = all_of()
    assert ended.status == LATER
    [line] = ended.err.splitlines()
    assert line.startswith(f"openseal: no answer from {shelf.url}")
    assert line.endswith("give the same command again to go on")
    shelf.twist = lambda path, answer: answer
    assert counts(all_of()) == {"verified": 3}
    assert shelf.downloads == [THREE]


def test_a_walk_that_is_interrupted_leaves_nobody_behind_and_goes_on_where_it_was(
    all_of: Any, shelf: Shelf, tmp_path: Path
) -> None:
    reached, over = threading.Event(), threading.Event()

    def waits(path: str, answer: Answer) -> Answer:
        if path == LISTING and shelf.asked.count(LISTING) == 2:
            reached.set()
            over.wait()
        return answer

    shelf.twist = waits
    line = ("verify", "--all", shelf.url, "--into", tmp_path / "kept", "--trust", tmp_path / "trust.json")
    command = [sys.executable, "-m", "procurement", *map(str, line)]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True) as walk:
        assert reached.wait(60)
        others = descendants(walk.pid)
        os.killpg(walk.pid, signal.SIGINT)  # as a terminal does: to everybody
        _, said = walk.communicate()
        over.set()
        assert (walk.returncode, said) == (INTERRUPTED, "")
    assert others
    gone(others)
    shelf.twist = lambda path, answer: answer
    assert counts(all_of()) == {"verified": 3}
    assert shelf.downloads == [THREE]


def test_a_record_over_which_a_process_was_killed_is_named_and_checked_the_next_time(
    all_of: Any, shelf: Shelf
) -> None:
    def kills(path: str, answer: Answer) -> Answer:
        if THREE in path:
            for each in multiprocessing.active_children():
                each.kill()
                each.join()
        return answer

    shelf.twist = kills
    ended = all_of()
    assert (ended.status, counts(ended)) == (1, {"verified": 2, "unchecked": 1})
    assert f"{THREE} unchecked\n    whoever checked it came to an end before" in ended.out
    shelf.twist = lambda path, answer: answer
    ended = all_of()
    assert (ended.status, counts(ended), shelf.downloads) == (0, {"verified": 3}, [])


def test_without_a_trust_file_records_are_coherent_and_with_one_judged_again_from_what_is_here(
    all_of: Any, shelf: Shelf
) -> None:
    assert counts(all_of(under=None)) == {"coherent": 3}
    ended = all_of()
    assert (ended.status, counts(ended)) == (0, {"verified": 3})
    assert shelf.downloads == []


def test_a_foreign_trust_file_refuses_each_record_and_says_at_which_step(all_of: Any, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.json"
    foreign.write_bytes(encode(World("elsewhere").trust))
    ended = all_of(under=foreign)
    assert (ended.status, counts(ended)) == (1, {"refused": 3})
    assert ended.out.count(" refused at step 2, checkpoints and co-signatures\n") == 3


def test_reservations_are_in_the_table_and_fail_nothing(all_of: Any, shelf: Shelf) -> None:
    shelf.records[TWO] = a_record(TWO, seen_after=120)
    ended = all_of()
    assert (ended.status, counts(ended)) == (0, {"verified": 3, "reserved": 1})
    said = f"{TWO} verified\n    note well: the closing was witnessed 120 s after the deadline\n"
    assert ended.out.startswith(said)


def test_json_is_a_line_for_each_trouble_and_one_of_counts(all_of: Any, shelf: Shelf) -> None:
    shelf.records[TWO] = shelf.records[TWO][:-1]
    ended = all_of("--json")
    trouble, last = map(json.loads, ended.out.splitlines())
    assert (ended.status, last["holds"]) == (1, False)
    assert (last["summary"]["verified"], last["summary"]["refused"]) == (2, 1)
    assert (trouble["finding"]["tender"], trouble["finding"]["step"]) == (TWO, 1)
    assert trouble["finding"]["meaning"].startswith("this file is not as the service made it")


def test_a_service_that_asks_to_come_back_is_asked_again(all_of: Any, shelf: Shelf) -> None:
    busy = iter([True, True])
    shelf.twist = lambda path, answer: (503, b"{}") if path != LISTING and next(busy, False) else answer
    ended = all_of()
    assert (ended.status, counts(ended)) == (0, {"verified": 3})


@pytest.mark.parametrize(("instead", "said"), [((404, b"{}"), "withheld"), ((200, b"PK"), "refused")])
def test_a_record_that_came_only_later_holds_after_all(
    all_of: Any, shelf: Shelf, instead: Answer, said: str
) -> None:
    shelf.twist = lambda path, answer: instead if TWO in path else answer
    assert counts(all_of()) == {"verified": 2, said: 1}
    shelf.twist = lambda path, answer: answer
    ended = all_of()
    assert (ended.status, shelf.downloads) == (0, [TWO])


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"[" * 100_000,
        b'{"records":[]}',
        b'{"records":[{"tender":"../x","position":1,"sha256":"","size":1,"path":"/"}],"next_page":{"offset":2}}',
    ],
)
def test_a_list_that_is_none_ends_the_command_in_one_line(all_of: Any, shelf: Shelf, page: bytes) -> None:
    shelf.twist = lambda path, answer: (200, page)
    ended = all_of()
    assert (ended.status, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "//elsewhere.example/record"},
        {"path": "https://elsewhere.example/record"},
        {"tender": ".."},
        {"position": 0},
        {"tender": TWO},
    ],
)
def test_a_list_that_leads_astray_or_round_in_circles_is_not_followed(
    all_of: Any, shelf: Shelf, changes: dict[str, Any]
) -> None:
    def astray(path: str, answer: Answer) -> Answer:
        page = msgspec.json.decode(answer[1]) if path == LISTING else {}
        for each in page.get("records", [])[:1]:
            each |= {"position": 99} if changes == {"position": 0} else changes
        return (200, msgspec.json.encode(page)) if path == LISTING else answer

    shelf.twist = astray
    ended = all_of()
    if changes == {"tender": ".."}:
        assert (ended.status, "the record of another tender" in ended.out) == (1, True)
    else:
        assert (ended.status, ended.out, len(ended.err.splitlines())) == (1, "", 1)


def test_no_file_larger_than_the_list_says_is_taken(all_of: Any, shelf: Shelf, tmp_path: Path) -> None:
    shelf.twist = lambda path, answer: (answer[0], answer[1] * (1 if path == LISTING else 50))
    ended = all_of()
    assert counts(ended) == {"refused": 3}
    assert list((tmp_path / "kept" / "records").iterdir()) == []


def test_a_folder_of_another_service_or_in_use_is_left_alone(
    all_of: Any, run: Run, shelf: Shelf, tmp_path: Path
) -> None:
    all_of()
    with served(Shelf({})) as other:
        ended = run("verify", "--all", other.url, "--into", tmp_path / "kept")
    assert (ended.status, ended.out) == (2, "")
    assert f"holds what was found about {shelf.url}" in ended.err
    (tmp_path / "kept" / "journal").write_bytes(b"no journal" * 1000)
    assert run("verify", "--all", shelf.url, "--into", tmp_path / "kept").status == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "either one RECORD or --all URL"),
        (("record.zip", "--all", "http://127.0.0.1:1"), "either one RECORD or --all URL"),
        (("record.zip", "--into", "kept"), "--into goes with --all"),
        (("--all", "http://127.0.0.1:1", "--receipt", "r.json"), "--receipt goes with the one RECORD"),
        (("--all", "tenders.example"), "begins with https://"),
        (("--all", "http://[::1"), "no address"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run("verify", *arguments)
    assert (ended.status, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert says in ended.err
    assert list(tmp_path.iterdir()) == []


def test_nobody_at_the_address_is_a_status_of_its_own(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAUSES", (0.01,))
    monkeypatch.chdir(tmp_path)
    ended = run("verify", "--all", "http://127.0.0.1:1")
    assert (ended.status, ended.out) == (LATER, "")
    assert [each.name for each in tmp_path.iterdir()] == ["127.0.0.1-1"]
