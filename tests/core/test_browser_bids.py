"""The browser's line to a service, over HTTP and against one that lies: notices, receipts and promises are
believed or not as Python's client does, and bids are checked before sealing by the opener's own checks."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids.envelope import (
    CoSignature,
    Envelope,
    SealedFile,
    check,
    compose,
    entropy_size,
    open_part,
    open_restricted,
)
from bids.receipts import Closing, MissingDocument, Promise, Receipt, commitment_entry
from crypto import stream
from crypto.certificates import Role
from crypto.encoding import encode, from_base64, moment, parse_moment, sha256, to_base64
from crypto.errors import VerificationError
from crypto.statements import Statement, sign
from crypto.trust import Trust
from procurement.bidding.folder import Shown
from procurement.client import Announced, read_notice, seal_bid
from procurement.documents import check_before_sealing
from procurement.editions import Gap
from procurement.evaluation import (
    CostItem,
    Derived,
    KrPriceFloor,
    LifeCycleCost,
    LowestPrice,
    LowestPrice2,
    MultiAward,
    QualityPrice,
    Rules,
    TwoEnvelope,
    WeightedCriterion,
)
from procurement.tenders import (
    Bid,
    Declaration,
    Document,
    LotOffer,
    Proposal,
    Restricted,
    check_notice,
    padded,
    terms,
)
from tests.builders import (
    A_RULE,
    DEADLINE,
    START,
    Entropy,
    Life,
    World,
    a_bidder,
    a_lot,
    a_notice,
    panel_rules,
    the_world,
    two_envelopes,
)
from tests.core.test_browser_twins import handed, handed_contents, handed_terms, verdict
from tests.core.test_client import (
    Alone,
    Front,
    Revoked,
    Stale,
    a_joint_bid,
    an_evaluator,
    announced,
    another_notice,
    nobody,
    same_officer,
    same_person,
    somebody_revoked,
)
from tests.core.test_envelope import opener
from tests.twins import TwinError, Twins

MINUTE = timedelta(minutes=1)
BID = encode(Bid(offers=(LotOffer(lot="1", amount="1000000"),)))


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Twins() as running:
        yield running


@contextmanager
def served(front: Front) -> Iterator[str]:
    """The front over HTTP, on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            asked = httpx.Request(self.command, f"http://front{self.path}", content=self.rfile.read(size))
            answer = front.answer(asked)
            self.send_response(answer.status_code)
            for name in ("Retry-After",):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET  # the library's name

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def party(front: Front, base: str, trust: Trust | None = None) -> dict[str, Any]:
    """What a browser has: where the service is, whom it trusts, the time."""
    now = int((front.life.now + MINUTE).timestamp() * 1000)
    return {"base": base, "trust": encode(trust or front.life.world.trust).hex(), "now": now}


def read(twins: Twins, front: Front, trust: Trust | None = None, ocid: str | None = None) -> Any:
    with served(front) as base:
        return twins("readNotice", tender=ocid or front.life.notice.tender, **party(front, base, trust))


async def judged(front: Front, trust: Trust | None = None, ocid: str | None = None) -> Announced | str:
    """What Python's client makes of it: the tender, or the code."""
    try:
        return await read_notice(front.service(trust), ocid or front.life.notice.tender)
    except VerificationError as error:
        return error.code


async def same(twins: Twins, front: Front, trust: Trust | None = None, ocid: str | None = None) -> str | None:
    """The code that both come to, or None where both read the same."""
    expected = await judged(front, trust, ocid)
    if isinstance(expected, str):
        with pytest.raises(TwinError) as caught:
            read(twins, front, trust, ocid)
        assert caught.value.code == expected, caught.value
        return expected
    found = read(twins, front, trust, ocid)
    assert found["terms"] == handed_terms(expected.terms)
    assert found["noticeId"] == expected.notice_id
    assert found["deadline"] == expected.notice.deadline
    assert found["indexes"] == list(expected.indexes)
    assert found["stands"] == [each.stands for each in expected.editions]
    officials = expected.officials
    assert found["officials"]["members"] == list(officials.members)
    assert (found["officials"]["officer"], found["officials"]["second"]) == (
        officials.officer,
        officials.second,
    )
    return None


# ── notices ──────────────────────────────────────────────────────────────────────────────────────────────


def a_panel() -> Life:
    return Life(the_world(), a_notice(the_world(), a_lot(panel_rules())))


def apart(**changes: Any) -> Life:
    """A tender whose lots are priced apart: one of them by rules that open every price."""
    lots = (a_lot(two_envelopes()), a_lot(panel_rules(), "2"), a_lot(two_envelopes(), "A.b"))
    return Life(the_world(), a_notice(the_world(), *lots, **changes))


def in_practice() -> World:
    """The same people, but for the practice ground's officer."""
    world = copy(the_world())
    world.officer = world.enrol(Role.OFFICER, "Practice officer", "practice-0123456789abcdef")
    return world


async def test_a_notice_is_read_as_python_reads_it(twins: Twins) -> None:
    assert await same(twins, Front(Life())) is None
    assert await same(twins, Front(a_panel())) is None
    assert await same(twins, Front(apart())) is None


@pytest.mark.parametrize(
    "front",
    [
        lambda: Front(Alone(same_officer)),
        lambda: Front(Alone(same_person)),
        lambda: Front(Alone(another_notice)),
        lambda: Front(Alone(an_evaluator)),
        lambda: Front(Alone(somebody_revoked)),
        lambda: Front(Revoked(lambda world: world.officer)),
        lambda: Front(Revoked(lambda world: world.second)),
        lambda: Front(Revoked(lambda world: world.evaluator)),
        lambda: Front(Revoked(lambda world: world.members[2].key)),
        lambda: Front(Stale()),
        lambda: Front(Life(learning := in_practice(), a_notice(learning))),
    ],
)
async def test_people_who_do_not_count_are_found_out_alike(twins: Twins, front: Callable[[], Front]) -> None:
    assert await same(twins, front()) is not None


async def test_an_entry_of_another_kind_is_no_countersignature(twins: Twins) -> None:
    front = Front(Alone(nobody))
    assert await judged(front) == "log-invalid"
    with pytest.raises(TwinError):
        read(twins, front)


@pytest.mark.parametrize("name", ["log", "networks", "roots", "witnesses"])
async def test_whom_one_does_not_trust_one_does_not_believe(twins: Twins, name: str) -> None:
    front = Front(Life())
    trust = msgspec.structs.replace(front.life.world.trust, **{name: getattr(World("other").trust, name)})
    assert await same(twins, front, trust) is not None


async def test_another_tender_is_none(twins: Twins) -> None:
    assert await same(twins, Front(Life()), ocid="ocds-0s3al1-t2") == "log-invalid"


LIES: dict[str, Callable[[Life, str, bytes], bytes]] = {
    "another status": lambda life, path, body: (
        encode(life.world.status(life.now - timedelta(days=2), {}))
        if "/certificate-status/" in path
        else body
    ),
    "another certificate": lambda life, path, body: (
        life.certificates[life.world.service.fingerprint] if "/certificates/" in path else body
    ),
    "no statement": lambda _, path, body: without(body, "statement") if path.endswith("/entries/0") else body,
    "another entry": lambda life, path, body: (
        with_(body, entry=to_base64(life.entries[1])) if path.endswith("/entries/0") else body
    ),
    "no JSON": lambda _, path, body: b"<html>" if path.endswith("/entries/1") else body,
    "another statement": lambda life, path, body: (
        with_(body, statement=to_base64(list(life.statements.values())[1]))
        if path.endswith("/entries/0")
        else body
    ),
}


def with_(body: bytes, **changes: str) -> bytes:
    return encode(msgspec.json.decode(body) | changes)


def without(body: bytes, name: str) -> bytes:
    return encode({key: each for key, each in msgspec.json.decode(body).items() if key != name})


@pytest.mark.parametrize("lie", LIES)
async def test_lies_are_found_out_alike(twins: Twins, lie: str) -> None:
    life = Life()
    life.keep_certificate(life.world.service)
    front = Front(life)
    front.twist = lambda path, body: LIES[lie](life, path, body)
    assert await same(twins, front) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"transcript": ()},
        {"transcript": "turned"},
        {"published": moment(START + timedelta(minutes=6))},
        {"deadline": moment(START + timedelta(days=15))},
        {"description": "말"},
        {"practice": True, "language": "ko"},
        {"content_limit": 1000, "document_limit": 3, "document_size": 1000, "upload_grace": 600},
    ],
)
async def test_what_a_notice_says_is_looked_at_alike(twins: Twins, changes: dict[str, Any]) -> None:
    notice = a_notice(the_world())
    if changes.get("transcript") == "turned":
        changes = {"transcript": notice.transcript[::-1]}
    if "deadline" in changes:
        changes = changes | {"round": notice.round}
        with pytest.raises(VerificationError) as caught:
            check_notice(msgspec.structs.replace(notice, **changes))
        data = encode(msgspec.structs.replace(notice, **changes)).hex()
        assert twins.code("notice", data=data) == caught.value.code
        return
    await same(twins, Front(Life(the_world(), msgspec.structs.replace(notice, **changes))))


NOTICES: dict[str, dict[str, Any]] = {
    "fine": {},
    "lots": {"lots": (a_lot(), a_lot())},
    "declarations": {"declarations": (Declaration(id="a", text="A"), Declaration(id="a", text="B"))},
    "panel missing": {"lots": (a_lot(panel_rules()),), "evaluators": ()},
    "panel for nothing": {"evaluators": ("ab" * 32,)},
    "panel repeats": {"lots": (a_lot(panel_rules()),), "evaluators": ("ab" * 32,) * 2},
    "pool too small": {"lots": (a_lot(panel_rules()),), "evaluators": ("ab" * 32,), "seats": 2},
    "lots apart": {"lots": (a_lot(two_envelopes()), a_lot(two_envelopes(), "2"))},
    "lots apart by several winners": {
        "lots": (a_lot(MultiAward(rules=two_envelopes(), winners=2)), a_lot(LowestPrice(), "2"))
    },
    "lots together": {"lots": (a_lot(panel_rules()), a_lot(LowestPrice(), "2"))},
    "one lot in two envelopes": {"lots": (a_lot(two_envelopes()),)},
    "early": {"round": "1"},
    "grace": {"upload_grace": 1800},
    "documents": {"document_limit": 1},
    "backwards": {"published": moment(DEADLINE)},
}


@pytest.mark.parametrize("name", NOTICES)
def test_notices_that_contradict_themselves_have_the_same_code(twins: Twins, name: str) -> None:
    notice = a_notice(the_world(), **NOTICES[name]) if "lots" not in NOTICES[name] else None
    if notice is None:
        changes = dict(NOTICES[name])
        notice = a_notice(the_world(), *changes.pop("lots"), **changes)
    expected = verdict(lambda: check_notice(notice))
    assert twins.code("notice", data=encode(notice).hex()) == expected
    if expected is None:
        assert twins("notice", data=encode(notice).hex()) == handed_terms(terms(notice, "00" * 32))


def amended(**changes: Any) -> Callable[[Life], object]:
    return lambda life: life.amend(**changes)


def outage(minutes: int, **changes: Any) -> Callable[[Life], object]:
    end = DEADLINE - timedelta(minutes=5)
    gap = Gap(start=moment(end - timedelta(minutes=minutes)), end=moment(end))
    return lambda life: life.extend(gap, **changes)


def twice(life: Life) -> None:
    life.amend(title="Other desks")
    life.amend(description="Twelve", deadline=moment(DEADLINE + timedelta(days=2)))


def by_another(life: Life) -> None:
    life.amend(officer=life.world.enrol(Role.OFFICER, "Officer Choi", "O-9"), title="Other desks")


def alone(life: Life) -> None:
    life.amend(second=life.world.officer, title="Other desks")


def too_late(life: Life) -> None:
    life.now = DEADLINE - timedelta(hours=2)
    life.amend(title="Other desks")


CHANGES: dict[str, Callable[[Life], object]] = {
    "a title": amended(title="Other desks"),
    "a later deadline": amended(deadline=moment(DEADLINE + timedelta(days=3))),
    "bids do not stand": amended(stand=False, description="Other desks"),
    "two": twice,
    "an earlier deadline": amended(deadline=moment(DEADLINE - timedelta(days=1))),
    "another currency": amended(currency="EUR"),
    "other rules": amended(lots=(a_lot(LowestPrice(ceiling="5")),)),
    "another round": amended(title="Other desks", round="999999"),
    "nothing": amended(),
    "somebody else's": by_another,
    "one officer's": alone,
    "without time to reseal": too_late,
    "an outage": outage(30),
    "a long outage": outage(55),
    "an outage that is too short": outage(5),
    "an outage with another deadline": outage(30, deadline=moment(DEADLINE + timedelta(days=5))),
    "an outage with another round": outage(30, round="999999"),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_changes_of_the_terms_are_believed_alike(twins: Twins, name: str) -> None:
    life = Life(the_world(), a_notice(the_world(), outage=A_RULE))
    CHANGES[name](life)
    await same(twins, Front(life))


async def test_a_log_that_forgets_what_it_showed_is_found_out(twins: Twins) -> None:
    front = Front(Life())
    found = read(twins, front)
    front.life.entries[0] = commitment_entry(sha256(b"another past"))
    with served(front) as base:
        asked = submission(front, base, an_envelope(front), seen=found["seen"].encode().hex())
        assert twins.code("submit", **asked) == "log-invalid"


class Forked(Front):
    """Shows entry 0 in a log that has grown by `pasts[0]`, and entry 1 in one that has by `pasts[1]`."""

    pasts: tuple[tuple[bytes, ...], ...] = ()

    def read(self, path: str) -> bytes:
        known = self.life.entries
        for more in self.pasts:
            if path.endswith((f"/entries/{self.pasts.index(more)}", f".p/{len(known) + len(more)}")):
                other = Front(copy(self.life))
                other.life.entries = [*known, *map(commitment_entry, more)]
                return other.read(path)
        return super().read(path)


@pytest.mark.parametrize(("second", "code"), [(b"one", None), (b"another", "log-invalid")])
def test_a_log_that_shows_two_pasts_at_once_is_found_out(
    twins: Twins, second: bytes, code: str | None
) -> None:
    front = Forked(Life())
    seen = read(twins, front)["seen"].encode().hex()
    front.pasts = (sha256(b"one"),), (sha256(second), sha256(b"two"))
    place = f"/api/v1/tenders/{front.life.notice.tender}/entries"
    with served(front) as base:
        asked = {"paths": [f"{place}/{seq}" for seq in (0, 1)], **party(front, base), "seen": seen}
        assert [twins.code("provenAtOnce", **asked) for _ in range(5)] == [code] * 5


def test_trust_is_pinned_at_first_use_and_no_other_after(twins: Twins) -> None:
    front = Front(Life())
    trust = front.life.world.trust
    honest = front.read
    front.read = lambda path: encode(trust) if path == "/api/v1/trust" else honest(path)  # type: ignore[method-assign]
    with served(front) as base:
        pinned = twins("pinTrust", base=base)
        assert pinned == sha256(encode(trust)).hex()
        assert twins("pinTrust", base=base, kept=encode(trust).hex()) == pinned
        other = msgspec.structs.replace(trust, log=World("other").trust.log)
        with pytest.raises(TwinError, match="other log") as caught:
            twins("pinTrust", base=base, kept=encode(other).hex())
        assert caught.value.code == "trust-changed"


# ── receipts ─────────────────────────────────────────────────────────────────────────────────────────────


def an_envelope(front: Front) -> bytes:
    terms = front.life.terms
    return compose({"bid": BID}, terms, front.bidder, Entropy("bid")(entropy_size(terms)))


def submission(front: Front, base: str, envelope: bytes, **more: Any) -> dict[str, Any]:
    deadline = front.life.notice.deadline
    asked = {"envelope": envelope.hex(), "terms": handed_terms(front.life.terms), "deadline": deadline}
    return asked | party(front, base) | more


def test_a_receipt_is_verified_and_kept(twins: Twins) -> None:
    front = Front(Life())
    envelope = an_envelope(front)
    with served(front) as base:
        found = twins("submit", **submission(front, base, envelope))
        assert found["receipt"]["statement"] == Statement(envelope).id
        assert len(found["kept"]) == 1
        held = {"held": found["kept"][0]}
        assert twins("verifyHeld", **submission(front, base, envelope, **held)) == found["receipt"]
        again = submission(front, base, envelope, **held)
        assert twins.code("submit", **again) == "promise-broken"  # this front draws a salt anew


@pytest.mark.parametrize(
    "changes",
    [
        {"statement": "0" * 64},
        {"notice": "0" * 64},
        {"bidder": "123-45-00002"},
        {"tender": "ocds-0s3al1-t2"},
        {"kind": "withdrawal"},
        {"time": moment(DEADLINE)},
        {"status": "0" * 64},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_receipt_that_says_something_else_is_none(twins: Twins, changes: dict[str, str]) -> None:
    front = Front(Life())
    honest = front.read
    other = encode(front.life.world.status(START - timedelta(days=2), {}))
    front.read = lambda path: other if path.endswith("0" * 64) else honest(path)  # type: ignore[method-assign]
    envelope = an_envelope(front)
    front.twist = lambda path, body: front.receipt(envelope, **changes) if path.endswith("/bids") else body
    with served(front) as base:
        code = twins.code("submit", **submission(front, base, envelope))
    assert code == ("certificate-invalid" if "status" in changes else "log-invalid")


def test_a_receipt_with_anything_flipped_is_none(twins: Twins) -> None:
    """Every byte of the statement, of the entry's place and of the checkpoint."""
    front = Front(Life())
    envelope = an_envelope(front)
    held = front.receipt(envelope)
    answer = json.loads(held)
    with served(front) as base:
        asked = submission(front, base, envelope)
        twins("verifyHeld", **asked, held=held.hex())
        statement = json.loads(from_base64(answer["receipt"]))
        payload = from_base64(statement["payload"])
        for at in range(0, len(payload), 5):
            changed = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]
            body = encode(statement | {"payload": to_base64(changed)})
            wrong = encode(answer | {"receipt": to_base64(body)})
            assert twins.code("verifyHeld", **asked, held=wrong.hex()) is not None
        for at in range(0, len(answer["proof"]), 3):
            flipped = chr(ord(answer["proof"][at]) ^ 1) if ord(answer["proof"][at]) < 128 else "x"
            if flipped in "\n" or answer["proof"][at] == flipped:
                continue
            proof = answer["proof"][:at] + flipped + answer["proof"][at + 1 :]
            wrong = json.dumps(answer | {"proof": proof}).encode()
            code = twins.code("verifyHeld", **asked, held=wrong.hex())
            assert code is not None or in_cosignature(answer["proof"], at)


def in_cosignature(proof: str, at: int) -> bool:
    """A receipt is the log's word: what witnesses added to it is not asked for."""
    return at > proof.rindex("\n— ")


def test_a_bidder_who_was_revoked_has_no_receipt(twins: Twins) -> None:
    front = Front(Life())
    front.life.now += MINUTE
    front.life.revoke(front.bidder)
    with served(front) as base:
        assert twins.code("submit", **submission(front, base, an_envelope(front))) == "certificate-revoked"


class Promising(Front):
    """A service whose log is behind: it promises first, and gives the receipt when it is asked again."""

    late = timedelta(seconds=60)
    breaks: str | None = None
    made = b""

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/bids"):
            self.made = self.receipt(request.content)
            return httpx.Response(202, content=self.promise())
        if "/receipts/" not in request.url.path:
            return super().answer(request)
        match self.breaks:
            case "forgotten":
                return httpx.Response(404, content=b'{"code":"no-such-statement"}')
            case "another":
                return httpx.Response(200, content=self.receipt(from_front(self)))
            case _:
                return httpx.Response(200, content=self.made)

    def promise(self) -> bytes:
        said = Statement(from_base64(json.loads(self.made)["receipt"])).read(Receipt)
        until = moment(parse_moment(said.time) + self.late)
        promise = Promise(**msgspec.structs.asdict(said), included_by=until)
        return encode({"promise": to_base64(sign(promise, self.life.world.service))})


def from_front(front: Front) -> bytes:
    return an_envelope(front)


def test_a_promise_is_kept_and_redeemed(twins: Twins) -> None:
    front = Promising(Life())
    envelope = an_envelope(front)
    with served(front) as base:
        found = twins("submit", **submission(front, base, envelope))
        assert [list(json.loads(bytes.fromhex(each))) for each in found["kept"]] == [
            ["promise"],
            ["proof", "receipt"],
        ]
        held = {"held": found["kept"][0]}
        promised = twins("verifyHeld", **submission(front, base, envelope, **held))
        assert promised["salt"] == found["receipt"]["salt"]
        assert "includedBy" in promised


@pytest.mark.parametrize("breaks", ["forgotten", "another"])
def test_a_broken_promise_is_said(twins: Twins, breaks: str) -> None:
    front = Promising(Life())
    front.breaks = breaks
    with served(front) as base:
        assert twins.code("submit", **submission(front, base, an_envelope(front))) == "promise-broken"


def test_nobody_promises_for_later_than_a_minute(twins: Twins) -> None:
    front = Promising(Life())
    front.late = timedelta(seconds=61)
    with served(front) as base:
        assert twins.code("submit", **submission(front, base, an_envelope(front))) == "log-invalid"


# ── the closing ──────────────────────────────────────────────────────────────────────────────────────────


def test_closings_are_looked_at_alike(twins: Twins) -> None:
    life = Life()
    for number in (1, 2, 3):
        life.submit(a_bidder(life.world, number), "1000000")
    life.close()
    closing = next(
        Statement(data).read(Closing)
        for data in life.statements.values()
        if Statement(data).payload_type.endswith("closing.v1+json")
    )
    first, second, third = closing.commitments
    replace = msgspec.structs.replace
    for changed in (
        closing,
        replace(closing, commitments=(first, second)),
        replace(closing, commitments=(second, first, third)),
        replace(closing, commitments=(first, first, third)),
        replace(closing, chains=closing.chains[:2]),
        replace(closing, chains=(closing.chains[0] + closing.chains[1], closing.chains[2])),
        replace(closing, commitments=(replace(first, kind="withdrawal"), second, third)),
        replace(closing, superseded=(closing.chains[1][-1], closing.chains[0][-1])),
        replace(closing, superseded=(closing.chains[1][-1],)),
        replace(closing, superseded=("00" * 32,)),
        replace(closing, missing=(a_missing("00" * 32),)),
        replace(closing, missing=(a_missing(first.statement),) * 2),
        replace(closing, missing=(a_missing(first.statement),)),
    ):
        expected = verdict(changed.check)
        data = sign(changed, life.world.service)
        assert twins.code("closing", data=data.hex()) == expected
        if expected is None:
            assert twins("closing", data=data.hex()) == list(changed.counted())


def test_a_closing_that_does_not_list_a_receipt_breaks_its_word(twins: Twins) -> None:
    life = Life()
    life.submit(a_bidder(life.world, 1), "1000000")
    life.close()
    (listed,) = life.submitted
    said = {name: getattr(listed, name) for name in listed.__struct_fields__ if name != "index"}
    about = {"signer": life.world.service.fingerprint, "tender": life.notice.tender, "notice": life.notice_id}
    closing = next(
        each for each in life.statements.values() if b"closing" in Statement(each).payload_type.encode()
    )
    given = {"data": closing.hex(), "index": listed.index}

    def code(changes: dict[str, Any], index: int = listed.index) -> str | None:
        receipt = Receipt(**(about | said | changes))
        return twins.code(
            "closing", **(given | {"index": index}), receipt=sign(receipt, life.world.service).hex()
        )

    assert code({}) is None
    assert code({}, index=listed.index + 1) == "log-invalid"
    for name in ("notice", "salt", "statement", "status"):
        assert code({name: "0" * 64}) == "log-invalid"
    for name, value in (("bidder", "1"), ("time", moment(START)), ("in_doubt", True), ("tender", "t")):
        assert code({name: value}) == "log-invalid"


def a_missing(envelope: str) -> MissingDocument:
    return MissingDocument(envelope=envelope, number=1)


# ── what is asked before sealing ─────────────────────────────────────────────────────────────────────────

CRITERIA = (WeightedCriterion(id="q", title="Quality", points="10", weight="70"),)
ALL_RULES: dict[str, Rules] = {
    "lowest": LowestPrice(),
    "lowest 2": LowestPrice2(abnormal_below="60"),
    "floor": KrPriceFloor(
        base="1000000", basis_points=200, unit=100, preliminary_prices=Derived(), floor="80"
    ),
    "unit prices": KrPriceFloor(
        base="1000", basis_points=200, unit=1, preliminary_prices=Derived(), floor="80"
    ),
    "negotiation": panel_rules(),
    "quality": QualityPrice(price_weight="30", criteria=CRITERIA),
    "two envelopes": TwoEnvelope(criteria=CRITERIA, pass_mark="60"),
    "costs": LifeCycleCost(costs=(CostItem(id="power", title="Power"),), years=10, rate="3"),
    "several": MultiAward(rules=LowestPrice(), winners=2),
}
AMOUNTS = st.sampled_from(
    ["0", "0.00", "1", "1.5", "0.01", "1000000", "999999999999999.99", "1000000000000000"]
)
AMOUNTS |= st.from_regex(r"\A[0-9]{1,4}(\.[0-9]{0,3})?\Z") | st.sampled_from(
    ["-1", "1e3", "１", "", "01", "1,000"]
)
OFFERS = st.fixed_dictionaries(
    {"lot": st.sampled_from(["1", "2", "3"]), "amount": AMOUNTS},
    optional={
        "picks": st.lists(st.integers(0, 17), min_size=2, max_size=2)
        | st.lists(st.integers(1, 15), max_size=3),
        "costs": st.lists(
            st.fixed_dictionaries({"id": st.sampled_from(["power", "water"]), "amount": AMOUNTS}),
            min_size=1,
            max_size=2,
        ),
    },
)
A_KEY = {"key": "00" * 32, "sha256": "11" * 32, "title": "Plan", "format": "application/pdf"}
DOCUMENTS = st.lists(
    st.fixed_dictionaries({"number": st.integers(1, 3), "size": st.sampled_from([100, 101])}).map(
        lambda each: each | A_KEY
    ),
    min_size=1,
    max_size=3,
)
PARTNER = "ab" * 32
OWNERSHIPS = st.fixed_dictionaries(
    {},
    optional={
        "partner": st.sampled_from([PARTNER, "cd" * 32, ""]),
        "persons": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["Kim", ""]),
                    "nationalities": st.lists(st.sampled_from(["KR", "XK", "XX"]), max_size=2),
                }
            ),
            max_size=2,
        ),
        "unnamed": st.sampled_from(["listed", "nobody"]),
    },
)
COMMON: dict[str, st.SearchStrategy[Any]] = {
    "declarations": st.lists(st.sampled_from(["honest", "paid", "other"]), min_size=1, max_size=3),
    "owners": st.lists(OWNERSHIPS, min_size=1, max_size=3),
    "documents": DOCUMENTS,
    "padding": st.sampled_from(["  ", "", "x"]),
    "surplus": st.just("1"),
}
BIDS = st.fixed_dictionaries({"offers": st.lists(OFFERS, max_size=3)}, optional=COMMON)
PROPOSALS = st.fixed_dictionaries({"proposal": st.sampled_from(["We build.", "", "\n"])}, optional=COMMON)
WITHHELD = st.fixed_dictionaries({}, optional={"text": st.sampled_from(["Kim", ""]), "documents": DOCUMENTS})
FILES = st.integers(0, 3)


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(sorted(ALL_RULES)),
    st.sampled_from(["KRW", "EUR"]),
    st.booleans(),
    BIDS,
    PROPOSALS,
    st.none() | WITHHELD,
    FILES,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([[], [PARTNER]]),
)
def test_both_ask_the_same_before_sealing(
    twins: Twins,
    rules: str,
    currency: str,
    declares: bool,
    bid: dict[str, Any],
    proposal: dict[str, Any],
    withheld: dict[str, Any] | None,
    listed: int,
    well: bool,
    several: bool,
    owned: bool,
    partners: list[str],
) -> None:
    lots = [a_lot(ALL_RULES[rules]), *([a_lot(ALL_RULES[rules], "2")] if several else [])]
    declared = (Declaration(id="honest", text="…"), Declaration(id="paid", text="…")) if declares else ()
    notice = a_notice(the_world(), *lots, currency=currency, declarations=declared, owners_asked=owned)
    if well:  # what is asked for stands, so that later checks have their turn
        first = proposal if len(notice.parts) > 1 else bid
        for each in (bid, proposal):
            each.pop("surplus", None)
            each.pop("declarations", None)
            if not owned or each is not first or not listed % 2:
                each.pop("owners", None)
            if each.get("padding") == "x":
                each.pop("padding")
        if declares:
            first["declarations"] = ["paid", "honest"]
        if owned and not listed % 2:
            first["owners"] = [
                {"unnamed": "listed"},
                *({"partner": each, "unnamed": "public"} for each in partners),
            ]
    contents = {name: encode(proposal if name == "technical" else bid) for name in notice.sections}
    if well and notice.priced_apart:  # each lot's offer by itself, or none
        for name in notice.sections[1:]:
            own = [each for each in bid["offers"] if name == f"price-{each['lot']}"]
            contents[name] = encode(bid | {"offers": own[:1]})
            if not own:
                del contents[name]
    restricted = {} if withheld is None else {notice.sections[-1]: encode(withheld)}
    files = [
        SealedFile(number=i, sha256="22" * 32, size=stream.sealed_size(100)) for i in range(1, listed + 1)
    ]
    expected = verdict(lambda: check_before_sealing(notice, contents, restricted, files, partners))
    given = {
        "notice": encode(notice).hex(),
        "contents": handed_contents(contents),
        "restricted": handed_contents(restricted),
        "files": msgspec.to_builtins(files),
        "partners": partners,
    }
    assert twins.code("checkBeforeSealing", **given) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=9))
def test_contents_are_filled_up_alike(twins: Twins, amounts: list[int]) -> None:
    bid = Bid(offers=tuple(LotOffer(lot=str(i), amount=str(each)) for i, each in enumerate(amounts)))
    assert twins("padded", data=encode(bid).hex()) == padded(bid).hex()
    assert len(padded(bid)) % 256 == 0


async def test_a_bid_sealed_after_reading_the_notice_opens_in_python(twins: Twins) -> None:
    front = Front(Life())
    with served(front) as base:
        asked = {"tender": front.life.notice.tender, "key": handed(front.bidder), **party(front, base)}
        sealed = twins("sealBid", contents=handed_contents({"bid": BID}), **asked)
        late = asked | {"now": int(DEADLINE.timestamp() * 1000)}
        assert twins.code("sealBid", contents=handed_contents({"bid": BID}), **late) == "deadline-passed"
        empty = encode({"offers": []})
        assert twins.code("sealBid", contents=handed_contents({"bid": empty}), **asked) == "content-malformed"
    Statement(bytes.fromhex(sealed["envelope"])).verify(Envelope, front.bidder.certificate)


@pytest.mark.parametrize("number", ["practice-0123456789abcdef", "Practice-0123456789abcdef"])
async def test_a_practice_number_seals_and_co_signs_for_practice_tenders_only(
    twins: Twins, number: str
) -> None:
    learner = the_world().enrol(Role.BUSINESS, "Learner", number)
    for practice, code in ((False, "practice-only"), (True, None)):
        front = Front(Life(the_world(), a_notice(the_world(), practice=practice)))
        front.life.keep_certificate(learner)
        service, tender = await announced(front)
        joint = await seal_bid(service, tender, front.bidder, {"bid": BID}, [learner.fingerprint])
        with served(front) as base:
            asked = {"tender": tender.notice.tender, "key": handed(learner), **party(front, base)}
            assert twins.code("sealBid", contents=handed_contents({"bid": BID}), **asked) == code
            assert twins.code("coSign", sealed=encode(Shown.of(joint)).hex(), **asked) == code
        assert ("co-signatures" in front.sent) is practice


async def test_a_partner_co_signs_in_the_browser_what_it_was_shown_and_nothing_else(twins: Twins) -> None:
    front = Front(Life())
    _, tender, joint, (partner, _) = await a_joint_bid(front)
    other = encode(Bid(offers=(LotOffer(lot="1", amount="999999"),)))
    lies = {
        "sealed-otherwise": msgspec.structs.replace(joint, contents={"bid": other}),
        "wrong-entropy": msgspec.structs.replace(joint, entropy=joint.entropy[:-1]),
        "signature-invalid": msgspec.structs.replace(joint, envelope=signed_anew(joint.envelope)),
    }
    with served(front) as base:
        asked = {"tender": tender.notice.tender, "key": handed(partner), **party(front, base)}
        for code, lie in lies.items():
            assert twins.code("coSign", sealed=encode(Shown.of(lie)).hex(), **asked) == code
        shown = encode(Shown.of(joint)).hex()
        strange = asked | {"key": handed(front.bidder)}
        assert twins.code("coSign", sealed=shown, **strange) == "not-a-partner"
        assert "co-signatures" not in front.sent
        id = twins("coSign", sealed=shown, **asked)
    word = Statement(front.sent["co-signatures"][0])
    said = word.verify(CoSignature, partner.certificate)
    assert (word.id, said.envelope) == (id, Statement(joint.envelope).id)


def signed_anew(envelope: bytes) -> bytes:
    """With somebody else's signature under the same words."""
    said = json.loads(envelope)
    said["signatures"][0]["sig"] = to_base64(bytes(63) + b"\1")
    return encode(said)


async def test_a_bid_for_some_lots_priced_apart_opens_in_python_lot_by_lot(twins: Twins) -> None:
    front = Front(apart(document_limit=9, document_size=1 << 20))
    terms = front.life.terms
    documents = [SealedFile(number=i, sha256="22" * 32, size=stream.sealed_size(100)) for i in (1, 2)]
    public, secret = [msgspec.convert(A_KEY | {"number": i, "size": 100}, Document) for i in (1, 2)]
    contents = {
        "price-A.b": padded(Bid(offers=(LotOffer(lot="A.b", amount="3000000"),), documents=(public,))),
        "technical": padded(Proposal(proposal="We build.")),
        "price-1": padded(Bid(offers=(LotOffer(lot="1", amount="1000000"),))),
    }
    withheld = {"price-A.b": padded(Restricted(text="Kim", documents=(secret,)))}
    given = {"restricted": handed_contents(withheld), "documents": msgspec.to_builtins(documents)}
    with served(front) as base:
        asked = {"tender": front.life.notice.tender, "key": handed(front.bidder), **party(front, base)}
        made = twins("sealBid", contents=handed_contents(contents), **asked, **given)
        other = contents | {"price-1": contents["price-A.b"]}
        assert twins.code("sealBid", contents=handed_contents(other), **asked, **given) == "lots-wrong"
    envelope = Statement(bytes.fromhex(made["envelope"])).verify(Envelope, front.bidder.certificate)
    assert [each.section for each in envelope.parts] == ["technical", "price-1", "price-A.b"]
    check(envelope, terms)
    bid = envelope.context.bid
    for name, content in contents.items():
        assert open_part(envelope, name, opener(terms, name, bid)) == content
    (file,) = map(bytes.fromhex, made["files"])
    assert envelope.documents == (*documents, SealedFile.restricted(3, "price-A.b", file))
    opened = open_restricted(envelope, "price-A.b", opener(terms, "price-A.b", bid), file)
    assert opened == withheld["price-A.b"]
