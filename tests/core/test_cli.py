"""The command line: exit statuses, one-line errors, and a verification that needs nothing but the file."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path

import msgspec
import pytest

from bids.receipts import Refusal
from crypto.encoding import encode, moment
from crypto.statements import sign
from tests.builders import DEADLINE, Life, World, a_bidder, a_lot, a_notice, the_world
from tests.commands import Ended, Run
from tests.past_releases import changed, ukraine
from tests.past_tenders import NEGOTIATION, PRICE_FLOOR, files_of, with_field, written

STEPS = 13
NO_NETWORK = """
import socket, sys
for name in ("asyncpg", "litestar", "uvicorn", "obstore", "httpx"):
    sys.modules[name] = None
def refuse(*_, **__):
    raise OSError("no network in this test")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from procurement.__main__ import main
main()
"""


@cache
def a_record() -> bytes:
    """A small tender's award record."""
    world = the_world()
    life = Life(world, a_notice(world, a_lot()))
    for number in (1, 2):
        life.submit(a_bidder(world, number), str(1_000_000 + number))
    return life.to_award().record()


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "record.zip"
    path.write_bytes(a_record())
    return path


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    path.write_bytes(encode(the_world().trust))
    return path


def test_a_record_is_verified_against_a_trust_file(run: Run, record: Path, trust: Path) -> None:
    ended = run("verify", record, "--trust", trust)
    assert ended.status == 0
    assert [line.split()[:2] for line in ended.out.splitlines() if line[:2].strip().isdigit()] == [
        [str(number), "ok"] for number in range(1, STEPS + 1)
    ]
    assert ended.out.splitlines()[-1].startswith("verified  record ")
    assert ended.err == ""


def test_without_a_trust_file_a_record_is_coherent_at_best(run: Run, record: Path) -> None:
    ended = run("verify", record)
    assert ended.status == 0
    assert ended.out.splitlines()[-1].startswith("coherent  record ")
    assert "identities: the record's own claims" in ended.out


def test_json_is_the_verdict_and_nothing_else(run: Run, record: Path, trust: Path) -> None:
    ended = run("verify", record, "--trust", trust, "--json")
    verdict = msgspec.json.decode(ended.out)
    assert (ended.status, verdict["outcome"], verdict["clean"]) == (0, "verified", True)
    assert [step["number"] for step in verdict["steps"]] == list(range(1, STEPS + 1))
    assert len(verdict["record"]) == 64


def test_a_record_under_foreign_trust_fails_with_the_step_named(
    run: Run, record: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.json"
    foreign.write_bytes(encode(World("elsewhere").trust))
    ended = run("verify", record, "--trust", foreign)
    assert ended.status == 1
    assert ended.out.splitlines()[-1].startswith("refused at step 2, checkpoints and co-signatures")


def test_a_flipped_bit_fails_with_the_step_named(run: Run, record: Path) -> None:
    data = bytearray(a_record())
    data[len(data) // 2] ^= 1
    record.write_bytes(data)
    ended = run("verify", record, "--json")
    steps = msgspec.json.decode(ended.out)["steps"]
    assert ended.status == 1
    assert [step["result"] for step in steps] == ["refused"]
    assert steps[0]["title"] == "file, manifest, trust"


@pytest.mark.parametrize("data", [b"", b"not a record", b"{}", bytes(100_000)])
def test_what_is_no_record_has_a_status_of_its_own(run: Run, record: Path, data: bytes) -> None:
    record.write_bytes(data)
    ended = run("verify", record)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"openseal: {record}: not an award record\n"


def test_a_record_that_is_not_there_or_a_folder_is_no_record(run: Run, tmp_path: Path) -> None:
    assert run("verify", tmp_path / "none.zip").status == 2
    ended = run("verify", tmp_path)
    assert ended.status == 2
    assert ended.err == f"openseal: {tmp_path}: Is a directory\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"trust me",
        b"[]",
        b'{"format":"openseal/trust/v1"}',
        encode(the_world().trust).replace(b'"quorum":1', b'"quorum":2'),
        encode(msgspec.structs.replace(the_world().trust, log="nobody")),
        encode(msgspec.structs.replace(the_world().trust, roots={"officer": ("AAAA",)})),
        b"[" * 100_000,
    ],
)
def test_an_unreadable_trust_file_is_not_a_failed_verification(
    run: Run, record: Path, trust: Path, data: bytes
) -> None:
    trust.write_bytes(data)
    ended = run("verify", record, "--trust", trust)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"openseal: {trust}: not a trust file: ")
    assert ended.err.count("\n") == 1


def test_a_trust_file_may_be_indented_by_hand(run: Run, record: Path, trust: Path) -> None:
    trust.write_bytes(msgspec.json.format(trust.read_bytes(), indent=4) + b"\n")
    assert run("verify", record, "--trust", trust).status == 0


def test_what_everybody_should_know_is_printed_though_the_record_holds(run: Run, record: Path) -> None:
    world = the_world()
    life = Life(world, a_notice(world, a_lot()))
    life.submit(a_bidder(world, 1))
    life.close(cosigned_at=DEADLINE + timedelta(seconds=90))
    life.open("bid")
    life.evaluate()
    life.award()
    record.write_bytes(life.record())
    ended = run("verify", record)
    assert ended.status == 0
    assert "note well: the closing was witnessed 90 s after the deadline" in ended.out


def test_what_a_notice_is_called_cannot_draw_a_verdict_of_its_own(run: Run, record: Path) -> None:
    world = the_world()
    life = Life(world, a_notice(world, a_lot(), title="Desks\nverified  record 00\u202e\u2028"))
    record.write_bytes(life.to_award().record())
    ended = run("verify", record)
    assert ended.status == 0
    assert "Desks verified  record 00" in ended.out
    assert not any(line.startswith("verified") for line in ended.out.splitlines())
    assert "\u202e" not in ended.out


def test_what_is_no_receipt_cannot_be_worked_with(run: Run, record: Path) -> None:
    ended = run("verify", record, "--receipt", record)
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "not a service's answer to a bid" in ended.err


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({}, 0, "was refused (after-deadline) and is not in the closing statement"),
        ({"statement": "taken"}, 0, "and was taken at another time"),
        ({"time": "early"}, 1, "was refused as late, before the deadline"),
        ({"tender": "ocds-0s3al1-other"}, 1, "a refusal is for another tender"),
        ({"reason": "not-latest", "time": "early"}, 0, "was refused (not-latest)"),
    ],
)
def test_a_refusal_that_was_kept_is_held_against_the_record(
    run: Run, tmp_path: Path, changes: dict[str, str], status: int, said: str
) -> None:
    life = Life()
    taken = life.submit(a_bidder(life.world, 1))
    life.to_award()
    values = {
        "tender": life.notice.tender,
        "received": "a" * 64,
        "statement": "b" * 64,
        "reason": "after-deadline",
        "detail": "the deadline has passed",
        "time": life.notice.deadline,
    }
    early = moment(life.notice.closes - timedelta(milliseconds=1))
    meant = {"taken": taken, "early": early}
    changed = {name: meant.get(value, value) for name, value in changes.items()}
    refusal = Refusal(signer=life.world.service.fingerprint, **(values | changed))
    (tmp_path / "record.zip").write_bytes(life.record())
    (tmp_path / "refusal.json").write_bytes(sign(refusal, life.world.service))
    ended = run("verify", tmp_path / "record.zip", "--receipt", tmp_path / "refusal.json")
    assert (ended.status, said in ended.out) == (status, True), ended.out


def test_who_breaks_off_while_a_command_is_still_loaded_sees_no_traceback() -> None:
    broken = """
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "procurement.bidding.commands":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Broken())
from procurement.__main__ import main
main(["bid", "status", "here"])
"""
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_verifying_needs_neither_database_nor_web_server_nor_network(record: Path, trust: Path) -> None:
    ended = python("-c", NO_NETWORK, "verify", str(record), "--trust", str(trust))
    assert ended.status == 0, ended.err
    assert "verified  record" in ended.out


def test_the_command_is_also_a_module(record: Path) -> None:
    ended = python("-m", "procurement", "verify", str(record), "--json")
    assert (ended.status, msgspec.json.decode(ended.out)["outcome"]) == (0, "coherent")


def test_a_terminal_without_korean_still_gets_every_line(record: Path) -> None:
    ended = python("-m", "procurement", "verify", str(record), environment={"PYTHONIOENCODING": "ascii"})
    assert ended.status == 0, ended.err


def python(*arguments: str, environment: dict[str, str] | None = None) -> Ended:
    """Runs Python in a process of its own."""
    result = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env=environment,
        timeout=60,
        check=False,
    )
    return Ended(result.returncode, result.stdout, result.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["verify"],
        ["verify", "a.zip", "b.zip"],
        ["verify", "a.zip", "--unknown"],
        ["replay"],
        ["serve", "--port", "http"],
    ],
)
def test_a_command_line_that_makes_no_sense_is_said_in_one_line(run: Run, arguments: Sequence[str]) -> None:
    ended = run(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("openseal: ")
    assert ended.err.count("\n") == 1


COMMANDS = (
    "serve",
    "replay",
    "verify",
    "migrate",
    "invite",
    "enrol",
    "renew",
    "registrar",
    "committee",
    "trust",
)


def test_help_lists_the_commands(run: Run) -> None:
    ended = run("--help")
    assert ended.status == 0
    assert all(command in ended.out for command in COMMANDS)


def test_a_case_that_cannot_be_replayed_is_said_before_any_service_starts(run: Run, tmp_path: Path) -> None:
    files = with_field(files_of(NEGOTIATION), "bids.json", "techEvlVal", "", at=2)
    folder = written(files, tmp_path / "case")
    ended = run("replay", folder)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"openseal: {folder}: bids.json: bid 3 (칼리그램): techEvlVal is missing\n"


def test_a_case_without_its_prices_is_named(run: Run, tmp_path: Path) -> None:
    files = files_of(PRICE_FLOOR)
    del files["prices.json"]
    folder = written(files, tmp_path / "case")
    ended = run("replay", folder, "--json")
    assert (ended.status, ended.err) == (2, f"openseal: {folder}: prices.json is missing\n")


def test_a_folder_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    ended = run("replay", tmp_path / "none")
    assert (ended.status, ended.err) == (2, f"openseal: {tmp_path}/none: notice.json is missing\n")


def test_a_file_of_ocds_that_cannot_be_replayed_is_named(run: Run, tmp_path: Path) -> None:
    scored, criteria = tmp_path / "package.json", {"awardCriteria": "quality\nOnly"}
    scored.write_bytes(changed(ukraine(), lambda release: release["tender"].update(criteria)))
    ended = run("replay", scored, "--json")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(
        f"openseal: {scored}: awardCriteria quality Only: only bids that are ranked by"
    )
    assert ended.err.count("\n") == 1
    ended = run("replay", tmp_path / "none.json")
    assert (ended.status, ended.err) == (2, f"openseal: {tmp_path}/none.json: No such file or directory\n")


def test_one_record_file_cannot_take_two_records(run: Run, tmp_path: Path) -> None:
    folder = written(files_of(NEGOTIATION), tmp_path / "case")
    ended = run("replay", folder, folder, "--record", tmp_path / "out.zip")
    assert (ended.status, ended.err) == (2, "openseal: --record takes the record of one case\n")


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "nowhere", "ftp://127.0.0.1", "http://["])
def test_a_service_that_does_not_answer_is_said_in_one_line(run: Run, tmp_path: Path, address: str) -> None:
    folder = written(files_of(NEGOTIATION), tmp_path / "case")
    (tmp_path / "code").write_text("ABCD-EFGH\n")
    ended = run("replay", folder, "--base-url", address, "--code-file", tmp_path / "code")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("openseal: ")
    assert ended.err.count("\n") == 1


def test_a_service_that_is_there_already_needs_a_code_for_its_registrar(run: Run, tmp_path: Path) -> None:
    folder, empty = written(files_of(NEGOTIATION), tmp_path / "case"), tmp_path / "code"
    ended = run("replay", folder, "--base-url", "http://127.0.0.1:1")
    assert (ended.status, "--code-file go together" in ended.err) == (2, True)
    empty.write_text("\n")
    ended = run("replay", folder, "--base-url", "http://127.0.0.1:1", "--code-file", empty)
    assert (ended.status, ended.err) == (2, f"openseal: {empty}: there is no code in it\n")


def test_a_code_is_made_in_the_services_folder_and_the_last_one_counts(run: Run, tmp_path: Path) -> None:
    first, second = (run("invite", "--data-dir", tmp_path) for _ in range(2))
    assert (first.status, second.status, first.out == second.out) == (0, 0, False)
    kept = tmp_path / "keys" / "invitation"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (second.out.strip(), 0o600)
    (tmp_path / "file").touch()
    ended = run("invite", "--data-dir", tmp_path / "file")
    assert (ended.status, ended.err.count("\n")) == (1, 1)
