"""The draft of a notice, as an officer edits it: what it makes, what is wrong with it in words, and that
garbage never makes more of it than a line."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.encoding import encode, moment, to_base64
from crypto.errors import MalformedError, VerificationError
from procurement.errors import FolderError
from procurement.folders import locked
from procurement.preview import preview
from procurement.registry.holding import Holding
from procurement.tendering import draft, officer
from procurement.tendering.draft import Convened, Fields, FoundFile, Office
from procurement.tendering.folder import Folder
from procurement.tenders import Notice
from tests.builders import START, the_world

NOW = START + timedelta(hours=3)
"""Noon, UTC, of Monday 2 March 2026, a holiday in Korea."""
FILES = {"spec.pdf": FoundFile(sha256="5e" * 32, size=123)}
FILLED: dict[str, Any] = {
    "number": "2026-0001",
    "title": "School desks",
    "deadline": "2026-05-20 10:00+09:00",
    "opening": "2026-05-20 11:00+09:00",
    "evaluators": [the_world().evaluator.fingerprint],
    "id": "KR-1234",
    "quantity": "12",
    "unit": "EA",
    "email": "kim@example.org",
    "ceiling": "20000000",
    "budget": "20000000",
    "base": "20000000",
    "estimatedPrice": "18000000",
    "estimatedValue": "18000000",
    "classification": {"scheme": "UNSPSC", "id": "56121500"},
}
"""What an officer writes into the blanks, by the name of the field."""


def an_office() -> Office:
    world = the_world()
    return Office(signer=world.officer.fingerprint, network=world.beacon.network, witnesses=world.witnesses)


def convened() -> Convened:
    return Convened(committee=the_world().committee, transcript=the_world().transcript)


def filled(value: Any, name: str = "") -> Any:
    """The draft with every blank filled in; everything else stays."""
    if isinstance(value, dict):
        return {key: filled(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, name) for each in value]
    if not str(value).startswith("?"):
        return value
    if name == "id" and "eight digits" in value:
        return "56121500"
    answer = FILLED.get(name, "Filled in")
    return answer[0] if isinstance(answer, list) else answer


def a_draft(template: str = "open", **changes: Any) -> Fields:
    fields: Fields = filled(draft.read(officer.template(template)))
    return fields | changes


def made(fields: Fields) -> Notice:
    return draft.notice_of(fields, FILES, convened(), an_office(), NOW)


def faults(fields: Fields) -> list[str]:
    return draft.faults(made(fields), NOW)


# ── templates ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", officer.templates())
def test_a_template_is_accepted_once_its_blanks_are_filled(name: str) -> None:
    blank = draft.read(officer.template(name))
    assert draft.blanks(blank)
    fields = a_draft(name)
    assert draft.blanks(fields) == []
    assert faults(fields) == []
    lots, currency = draft.lots_of(fields)
    assert all(each.evaluation for each in preview(lots, currency, NOW))


def test_there_is_a_template_for_every_procedure() -> None:
    assert officer.templates() == [
        "eu-open",
        "framework",
        "kr-negotiation",
        "kr-works-floor",
        "open",
        "small-value",
    ]
    with pytest.raises(MalformedError, match="small-value"):
        officer.template("favour")


def test_every_draft_has_an_ocid_of_its_own() -> None:
    ocids = {draft.read(officer.template("open"))["tender"] for _ in range(5)}
    assert len(ocids) == 5


def test_a_small_value_is_quoted_within_days_and_reserved_for_the_village() -> None:
    fields = a_draft("small-value", deadline="2026-03-06 10:00+09:00", opening="2026-03-06 11:00+09:00")
    assert faults(fields) == []
    notice = made(fields)
    assert notice.eligibility is not None
    assert notice.eligibility.reserved_for == ("small", "local", "village")
    short = a_draft("small-value", deadline="2026-03-05 23:59+09:00", opening="2026-03-06 11:00+09:00")
    [fault] = faults(short)
    assert "3 working days" in fault
    assert "2026-03-06T00:00+09:00" in fault


# ── what a draft says as people do ───────────────────────────────────────────────────────────────────


def test_local_times_lengths_and_files_become_what_is_signed() -> None:
    document = {
        "file": "spec.pdf",
        "id": "spec",
        "documentType": "technicalSpecifications",
        "title": "Drawn",
        "language": "ko",
    }
    notice = made(a_draft(documents=[document], standstill="1 day, 2 hours", uploadGrace=90))
    assert notice.deadline == "2026-05-20T01:00:00.000Z"
    assert notice.opens >= datetime(2026, 5, 20, 2, tzinfo=UTC)
    assert notice.opens < datetime(2026, 5, 20, 2, 0, 3, tzinfo=UTC)
    assert (notice.standstill, notice.upload_grace) == (26 * 3600, 90)
    [found] = notice.documents
    assert (found.sha256, found.size, found.format) == ("5e" * 32, 123, "application/pdf")
    assert notice.published == moment(NOW)
    assert notice.signer == the_world().officer.fingerprint


def test_a_notice_may_wait_for_its_time() -> None:
    fields = a_draft(published="2026-03-09 09:00+09:00")
    assert made(fields).published == "2026-03-09T00:00:00.000Z"
    assert faults(fields) == []


def test_what_is_empty_says_nothing() -> None:
    notice = made(a_draft(eligibility={"regions": [], "other": []}, translations=[], budget={"id": ""}))
    assert notice.eligibility is None
    assert notice.budget is None
    assert b"translations" not in encode(notice)


def test_the_first_deadline_that_is_right_is_told_before_all_is_written() -> None:
    fields = draft.read(officer.template("open"))
    assert str(draft.earliest(fields, NOW)) == "2026-03-10 00:00:00+09:00"
    assert draft.earliest({"legal": "?"}, NOW) is None


@pytest.mark.parametrize("value", [500_000_000, 5.5, True, ["500000000"], {"amount": "1"}])
def test_an_estimated_value_that_is_no_text_tells_no_deadline(value: object) -> None:
    legal = {"jurisdiction": "kr-local", "procedure": "negotiation"}
    fields = a_draft("kr-negotiation", legal=legal)
    assert draft.earliest(fields | {"estimatedValue": "500000000"}, NOW)
    assert draft.earliest(fields | {"estimatedValue": value}, NOW) is None


@pytest.mark.parametrize("name", ["published", "deadline", "opening"])
@pytest.mark.parametrize("template", officer.templates())
def test_the_last_year_of_all_is_a_fault(name: str, template: str) -> None:
    for time in ("9999-12-25 10:00Z", "9999-12-31 20:00Z"):
        fields = a_draft(template, **{name: time})
        with pytest.raises(MalformedError, match=f"{name}: .* is in no calendar"):
            made(fields)
        if name == "published":
            assert draft.earliest(fields, NOW) is None


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────────


def test_a_blank_is_named_by_its_place() -> None:
    fields = a_draft(title="? what is bought")
    fields["lots"][0]["items"][0]["unit"] = "? of what"
    assert draft.blanks(fields) == ["title: what is bought", "lots[1].items[1].unit: of what"]


def lots_with(**changes: Any) -> Fields:
    [lot] = a_draft()["lots"]
    return {"lots": [lot | changes]}


WRONG: list[tuple[str, Fields]] = [
    ("deadline: tomorrow is no time like", {"deadline": "tomorrow"}),
    ("deadline: 2026-05-20 10:00 says no zone", {"deadline": "2026-05-20 10:00"}),
    ("deadline: 12 is no time", {"deadline": 12}),
    ("is in no calendar", {"deadline": "0001-01-01 00:00+09:00"}),
    ("opening: when the bids are opened", {"opening": ""}),
    ("standstill: a while is no length of time", {"standstill": "a while"}),
    ("documents: there is no file plan.pdf", {"documents": [{"file": "plan.pdf"}]}),
    ("documents: each names its `file`", {"documents": ["spec.pdf"]}),
    ("documents: a list", {"documents": "spec.pdf"}),
    ("unknown field `colour`", {"colour": "red"}),
    ("$.currency", {"currency": "won"}),
    ("$.lots[0].rules", lots_with(rules={"ruleSet": "favour/1"})),
]


@pytest.mark.parametrize(("words", "changes"), WRONG)
def test_what_cannot_be_a_notice_is_told_with_its_place(words: str, changes: Fields) -> None:
    with pytest.raises(VerificationError) as wrong:
        made(a_draft(**changes))
    assert words in str(wrong.value)


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("periods-unstated", {"legal": {}}),
        ("jurisdiction-unknown", {"legal": {"jurisdiction": "atlantis", "procedure": "open"}}),
        ("periods-unknown", {"category": ""}),
        ("would be right from 2026-03-10T00:00+09:00", {"deadline": "2026-03-09 10:00+09:00"}),
        ("deadline-passed", {"deadline": "2026-03-02 10:00+09:00"}),
        ("opening-too-early", {"opening": "2026-05-20 10:00+09:00"}),
        ("panel-missing", {"evaluators": ["00" * 32]}),
        ("amount-wrong", {"budget": {"id": "1", "amount": "1.50"}}),
    ],
)
def test_every_fault_of_a_notice_is_named(words: str, changes: Fields) -> None:
    found = faults(a_draft(**changes))
    assert any(words in each for each in found), found


def test_faults_are_named_together() -> None:
    found = faults(a_draft(deadline="2026-03-09 10:00+09:00", evaluators=["00" * 32]))
    assert len(found) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
NAMES = sorted(draft.read(officer.template("kr-negotiation")))


@settings(deadline=None)  # a committee is verified each time
@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), JSON, max_size=4))
def test_garbage_in_a_draft_is_a_fault_and_never_a_crash(changes: Fields) -> None:
    fields = a_draft("kr-negotiation") | changes
    try:
        draft.blanks(fields)
        draft.files_named(fields)
        draft.committee_file(fields)
        draft.earliest(fields, NOW)
        fields = draft.read(json.dumps(fields).encode())
        faults(fields)
    except VerificationError:
        return


@given(st.binary(max_size=80))
def test_bytes_that_are_no_draft_are_malformed(data: bytes) -> None:
    readers: tuple[Callable[[bytes], object], ...] = (draft.read, draft.read_convened)
    for read in readers:
        try:
            read(data)
        except MalformedError:
            continue
        assert isinstance(msgspec.json.decode(data), dict)


def test_a_draft_nested_without_end_is_a_fault() -> None:
    deep: Any = []
    for _ in range(40):
        deep = [deep]
    for read in (draft.blanks, lambda fields: made(fields)):
        with pytest.raises(MalformedError, match="deep"):
            read(a_draft(lots=deep))
    with pytest.raises(MalformedError):
        draft.read(b"[" * 100_000)


def test_a_draft_does_not_say_who_signs_it() -> None:
    for name in ("signer", "network", "witnesses", "round", "transcript"):
        with pytest.raises(MalformedError, match=name):
            draft.read(json.dumps({name: 1}).encode())


# ── the folder ───────────────────────────────────────────────────────────────────────────────────────

HOLDING = Holding(
    service="http://127.0.0.1:1",
    trust=the_world().trust,
    certificate=to_base64(the_world().officer.certificate.der),
    key="11" * 32,
)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path / "desks", HOLDING, tmp_path / "key", officer.template("open"))


def fill(folder: Folder, **changes: Any) -> None:
    """The draft, as somebody fills it in with an editor."""
    (folder.path / "notice.json").write_text(json.dumps(a_draft() | changes))
    found = {"committee": convened().committee, "transcript": convened().transcript, "phase": "done"}
    (folder.path / "committee.json").write_bytes(encode(found))


def test_what_is_missing_is_told_first_as_blanks_then_as_files(folder: Folder) -> None:
    signer = the_world().officer.fingerprint
    assert officer.faults(folder, signer, NOW) == draft.blanks(folder.fields)
    (folder.path / "notice.json").write_text(json.dumps(a_draft()))
    [missing] = officer.faults(folder, signer, NOW)
    assert "openseal committee status FILE --json" in missing
    fill(folder)
    assert officer.faults(folder, signer, NOW) == []


def test_files_beside_the_draft_are_hashed(folder: Folder) -> None:
    document = {
        "file": "plan.txt",
        "id": "plan",
        "documentType": "illustration",
        "title": "Plan",
        "language": "en",
    }
    fill(folder, documents=[document])
    assert officer.faults(folder, "00" * 32, NOW) == ["documents: there is no file plan.txt"]
    (folder.path / "plan.txt").write_bytes(b"a plan")
    [found] = officer.write(folder, "00" * 32, NOW).documents
    assert (found.size, found.format) == (6, "text/plain")


def test_one_who_is_at_work_keeps_the_others_out(folder: Folder) -> None:
    with locked(folder.path), pytest.raises(FolderError, match="another command"), locked(folder.path):
        pass
    with locked(folder.path):
        pass


def test_a_folder_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="openseal tender new"):
        Folder(tmp_path)
    (tmp_path / "x").write_text("")
    with pytest.raises(FolderError, match="not empty"):
        Folder.make(tmp_path, HOLDING, tmp_path / "key", b"{}")


def test_a_notice_that_was_signed_is_good_while_it_can_be_countersigned(folder: Folder) -> None:
    fill(folder)
    signed = officer.sign_notice(folder, the_world().officer, NOW)
    assert officer.still_good(signed, NOW + timedelta(minutes=3))
    assert not officer.still_good(signed, NOW + timedelta(minutes=4))
    assert officer.last_moment(signed.read(Notice)) == NOW + timedelta(minutes=5)
    assert folder.signed is None
    folder.keep_signed(signed.data)
    kept = folder.signed
    assert kept is not None
    assert kept.id == signed.id
