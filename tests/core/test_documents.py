"""Documents of a bid: restricted content, files sealed and opened, and what contents say of them."""

import hashlib
import json
import re
import stat
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from bids import documents
from bids.documents import Digest
from bids.envelope import (
    LARGEST_RESTRICTED,
    Envelope,
    Part,
    SealedFile,
    Section,
    SubmissionTerms,
    check,
    compose,
    entropy_size,
    open_part,
    open_restricted,
    place,
    seal_restricted,
    verify_sealed,
)
from bids.errors import EnvelopeError, Unopenable
from crypto import stream
from crypto.encoding import encode, from_base64, sha256
from crypto.errors import LockError, MalformedError, VerificationError
from crypto.locks import decrypt_content
from crypto.statements import Statement
from procurement.__main__ import main
from procurement.documents import FAULTS, Enclosed, check_before_sealing, enclosed, identify
from procurement.errors import RecordError
from procurement.record import verify
from procurement.scoring import read_part
from procurement.tenders import (
    Bid,
    Document,
    LotOffer,
    Notice,
    Proposal,
    Restricted,
    padded,
    read_bid,
    read_restricted,
)
from tests.builders import Entropy, Life, a_bidder, a_lot, a_notice, panel_rules, the_world, two_envelopes
from tests.core.test_envelope import opener

VECTORS = Path(__file__).parents[1] / "vectors"
VECTOR = json.loads((VECTORS / "documents.json").read_text())["restricted"]
SEALED = json.loads((VECTORS / "envelope.json").read_text())
KIM, LEE = a_bidder(the_world(), 1), a_bidder(the_world(), 2)
KEY = bytes(range(32))
PLAIN = b"We were founded in 1998."
DOCUMENT = Document(
    number=1,
    title="Certificate of incorporation",
    format="text/plain",
    key=KEY.hex(),
    sha256=sha256(PLAIN).hex(),
    size=len(PLAIN),
)


def sealed_text(plain: bytes, key: bytes = KEY) -> bytes:
    return b"".join(stream.seal(key, [plain]))


SEALED_PLAIN = sealed_text(PLAIN)
FILE = SealedFile(number=1, sha256=sha256(SEALED_PLAIN).hex(), size=len(SEALED_PLAIN))
CONFIDENTIAL = padded(Restricted(text="Site manager: Lee Ji-eun"))


def notice_of(*parts: Part) -> Notice:
    lot = a_lot(panel_rules() if "price" in parts else None)
    return a_notice(the_world(), lot, document_limit=9, document_size=4 * 1024 * 1024)


def terms_of(*parts: Part) -> SubmissionTerms:
    return Life(notice=notice_of(*parts)).terms


ONE, TWO = terms_of("bid"), terms_of("technical", "price")
CONTENTS: dict[Section, bytes] = {"bid": b"the bid", "technical": b"the proposal", "price": b"the price"}


def sealed(
    terms: SubmissionTerms, restricted: dict[Section, bytes], seed: str = "seal"
) -> tuple[Envelope, dict[Section, bytes]]:
    """An envelope that lists the sealed restricted contents, and those."""
    entropy = Entropy(seed)(entropy_size(terms))
    files = seal_restricted(restricted, terms, KIM.fingerprint, entropy)
    listed = [
        SealedFile(number=i, sha256=sha256(data).hex(), size=len(data), part=place(name)[0])
        for i, (name, data) in enumerate(files.items(), 1)
    ]
    contents = {name: CONTENTS[name] for name in terms.sections}
    data = compose(contents, terms, KIM, entropy, documents=listed)
    return Statement(data).verify(Envelope, KIM.certificate), files


def opens(envelope: Envelope, part: Section, file: bytes, terms: SubmissionTerms) -> bytes:
    return open_restricted(envelope, part, opener(terms, part, envelope.context.bid), file)


# ── restricted content ───────────────────────────────────────────────────────────────────────────────────


def test_the_vectors_restricted_content_comes_out_by_hand_and_here() -> None:
    values = SEALED["envelope"]
    message = bytes.fromhex(SEALED["inputs"]["entropy"])[16:48]
    bound = values["context"].encode() + bytes.fromhex(values["u"] + values["v"] + values["w"])
    salt = hashlib.sha256(bound).digest()
    key = HKDF(SHA256(), 32, salt=salt, info=b"openseal/v1/restricted").derive(message)
    file = ChaCha20Poly1305(key).encrypt(bytes(12), VECTOR["content"].encode(), bound)
    assert (key.hex(), file.hex()) == (VECTOR["key"], VECTOR["file"])
    assert (hashlib.sha256(file).hexdigest(), len(file)) == (VECTOR["sha256"], VECTOR["size"])
    capsule = Statement(values["statement"].encode()).read(Envelope).parts[0].capsule
    opened = decrypt_content(message, values["context"].encode(), capsule, file, "restricted")
    assert opened.decode() == VECTOR["content"]
    assert encode(read_restricted(opened)) == opened


def test_restricted_content_opens_with_the_keys_of_its_part_and_is_listed() -> None:
    envelope, files = sealed(TWO, {"technical": CONFIDENTIAL, "price": b"of the price"})
    check(envelope, TWO)
    assert opens(envelope, "technical", files["technical"], TWO) == CONFIDENTIAL
    assert opens(envelope, "price", files["price"], TWO) == b"of the price"
    assert open_part(envelope, "price", opener(TWO, "price", envelope.context.bid)) == CONTENTS["price"]
    assert [each.part for each in envelope.documents] == ["technical", "price"]


def test_restricted_content_has_a_key_of_its_own() -> None:
    """Its ciphertext is not the content's, even of the same text, and neither opens as the other."""
    envelope, files = sealed(ONE, {"bid": CONTENTS["bid"]})
    content = from_base64(envelope.parts[0].ciphertext)
    assert len(files["bid"]) == len(content)
    assert files["bid"] != content
    with pytest.raises(Unopenable, match="ciphertext-invalid"):
        opens(envelope, "bid", content, ONE)


def test_a_part_without_restricted_content_lists_none_and_composes_as_ever() -> None:
    envelope, files = sealed(TWO, {"technical": CONFIDENTIAL})
    assert files.keys() == {"technical"}
    assert len(envelope.documents) == 1
    bare, _ = sealed(TWO, {})
    assert (bare.context, bare.parts, bare.documents) == (envelope.context, envelope.parts, ())


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=300))
def test_whatever_is_given_out_as_restricted_content_does_not_open(garbage: bytes) -> None:
    envelope, _ = sealed(ONE, {"bid": CONFIDENTIAL})
    with pytest.raises(Unopenable, match="ciphertext-invalid"):
        opens(envelope, "bid", garbage, ONE)


def test_another_bids_restricted_content_does_not_open_here() -> None:
    envelope, _ = sealed(ONE, {"bid": CONFIDENTIAL})
    _, others = sealed(ONE, {"bid": CONFIDENTIAL}, "other")
    with pytest.raises(Unopenable, match="ciphertext-invalid"):
        opens(envelope, "bid", others["bid"], ONE)
    with pytest.raises(MalformedError):
        opens(envelope, "technical", others["bid"], TWO)


def test_restricted_content_has_at_most_a_mebibyte_and_a_part_of_the_tender() -> None:
    entropy = Entropy("large")(entropy_size(ONE))
    whole: dict[Section, bytes] = {"bid": bytes(LARGEST_RESTRICTED)}
    assert len(seal_restricted(whole, ONE, KIM.fingerprint, entropy)["bid"]) == LARGEST_RESTRICTED + 16
    over: dict[Section, bytes] = {"bid": bytes(LARGEST_RESTRICTED + 1)}
    for contents, code in ((over, "wrong-size"), ({"price": b""}, "wrong-parts")):
        with pytest.raises(EnvelopeError) as caught:
            seal_restricted(contents, ONE, KIM.fingerprint, entropy)
        assert caught.value.code == code
    with pytest.raises(EnvelopeError):
        seal_restricted(whole, ONE, KIM.fingerprint, entropy[:-1])


@pytest.mark.parametrize("size", [0, 15, LARGEST_RESTRICTED + 17])
def test_an_envelope_whose_restricted_content_cannot_be_one_is_turned_away(size: int) -> None:
    envelope, _ = sealed(ONE, {"bid": CONFIDENTIAL})
    listed = msgspec.structs.replace(envelope.documents[0], size=size)
    with pytest.raises(EnvelopeError) as caught:
        check(msgspec.structs.replace(envelope, documents=(listed,)), ONE)
    assert caught.value.code == "wrong-size"


def test_the_restricted_content_of_a_lots_price_opens_with_that_lots_order() -> None:
    notice = a_notice(the_world(), *(a_lot(two_envelopes(), id=lot) for lot in ("1", "2", "3")))
    terms = Life(notice=msgspec.structs.replace(notice, document_limit=9, document_size=1 << 20)).terms
    restricted: dict[Section, bytes] = {"price-1": CONFIDENTIAL, "price-2": b"of the other lot"}
    entropy = Entropy("lots")(entropy_size(terms))
    contents = dict.fromkeys(("technical", "price-1", "price-2"), b"{}")
    files = seal_restricted(restricted, terms, KIM.fingerprint, entropy)
    listed = [SealedFile.restricted(i, *each) for i, each in enumerate(files.items(), 1)]
    envelope = Statement(compose(contents, terms, KIM, entropy, documents=listed)).read(Envelope)
    assert [(each.part, each.lot) for each in envelope.documents] == [("price", "1"), ("price", "2")]
    verify_sealed(envelope, contents, terms, entropy, restricted)
    for name, plain in restricted.items():
        assert opens(envelope, name, files[name], terms) == plain
    with pytest.raises(Unopenable, match="ciphertext-invalid"):
        opens(envelope, "price-1", files["price-2"], terms)
    elsewhere = SealedFile.restricted(1, "price-3", bytes(20))  # of a lot that is not bid for
    with pytest.raises(EnvelopeError) as caught:
        compose(contents, terms, KIM, entropy, documents=[elsewhere])
    assert caught.value.code == "wrong-restricted"


@pytest.mark.parametrize("part", [None, "bid", "technical"])
def test_a_sealed_file_is_of_a_lot_only_if_it_is_of_a_price_part(part: Part | None) -> None:
    with pytest.raises(MalformedError, match="of a lot"):
        SealedFile(number=1, sha256="00" * 32, size=1, part=part, lot="1")


def test_whoever_is_shown_the_restricted_content_can_tell_that_it_is_listed() -> None:
    restricted: dict[Section, bytes] = {"technical": CONFIDENTIAL}
    envelope, _ = sealed(TWO, restricted)
    entropy = Entropy("seal")(entropy_size(TWO))
    contents = {name: CONTENTS[name] for name in TWO.sections}
    verify_sealed(envelope, contents, TWO, entropy, restricted)
    others: list[dict[Section, bytes]] = [
        {},
        {"technical": b"other"},
        {"price": CONFIDENTIAL},
        {**restricted, "price": b""},
    ]
    for shown in others:
        with pytest.raises(EnvelopeError) as caught:
            verify_sealed(envelope, contents, TWO, entropy, shown)
        assert caught.value.code == "sealed-otherwise"


def test_the_documents_example_is_the_vector() -> None:
    document = (VECTORS.parents[1] / "docs" / "formats.md").read_text()
    example = re.search(r"^```\n(key {4}= .*?)^```", document, re.MULTILINE | re.DOTALL)
    assert example
    said = dict(re.split(r" += ", line) for line in example[1].splitlines())
    key, plain, nonce = bytes.fromhex(said["key"]), said["plain"].encode(), bytes.fromhex(said["nonce"])
    assert ChaCha20Poly1305(key).encrypt(nonce, plain, None).hex() == said["sealed"]
    vectors = json.loads((VECTORS / "documents.json").read_text())["stream"]
    assert said["key"] == vectors["key"]
    assert said["sealed"] in {each.get("sealed") for each in vectors["cases"]}


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "proposal.pdf"
    path.write_bytes(b"%PDF-1.7\n" + bytes(3 * stream.CHUNK))
    return path


def test_a_file_is_sealed_beside_itself_and_opens_to_the_same(tmp_path: Path, source: Path) -> None:
    target, back = tmp_path / "proposal.pdf.sealed", tmp_path / "back.pdf"
    found = documents.seal_file(source, target, KEY)
    data = source.read_bytes()
    assert found.plain == Digest(sha256=sha256(data).hex(), size=len(data)) == documents.digest(source)
    assert found.sealed == documents.digest(target)
    assert found.sealed.size == stream.sealed_size(len(data))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    documents.open_file(target, back, KEY, found.plain)
    assert back.read_bytes() == data
    listed = SealedFile(number=1, sha256=found.sealed.sha256, size=found.sealed.size)
    documents.verify_file(target, listed)
    with pytest.raises(LockError):
        documents.verify_file(source, listed)


def test_nothing_is_overwritten(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "there"
    target.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        documents.seal_file(source, target, KEY)
    assert target.read_bytes() == b"precious"


def test_a_file_that_does_not_open_to_what_the_bid_names_leaves_nothing(tmp_path: Path, source: Path) -> None:
    target, back = tmp_path / "sealed", tmp_path / "back"
    found = documents.seal_file(source, target, KEY)
    plain, data = found.plain, target.read_bytes()
    other = Digest(sha256="0" * 64, size=plain.size)
    for key, named, bytes_ in (
        (bytes(32), plain, data),
        (KEY, other, data),
        (KEY, plain, data[:-1]),
        (KEY, plain, data[: stream.CHUNK + 16]),
        (KEY, plain, data + b"x"),
        (KEY, plain, b""),
    ):
        target.write_bytes(bytes_)
        with pytest.raises(VerificationError):
            documents.open_file(target, back, key, named)
        assert {each.name for each in tmp_path.iterdir()} == {"proposal.pdf", "sealed"}
    with pytest.raises(OSError, match="No such file"):
        documents.seal_file(tmp_path / "absent", back, KEY)
    assert not back.exists()


# ── what contents say ────────────────────────────────────────────────────────────────────────────────────


def offer(**more: Any) -> bytes:
    return padded(Bid(offers=(LotOffer(lot="1", amount="1000"),), **more))


def test_a_content_that_names_a_number_twice_is_wrong_and_comes_last_in_the_order() -> None:
    notice, twice = notice_of("bid"), (DOCUMENT, DOCUMENT)
    assert read_bid(offer(documents=(DOCUMENT,)), notice).documents == (DOCUMENT,)
    for content, reason in (
        (offer(documents=twice), "documents-wrong"),
        (padded(Bid(offers=(LotOffer(lot="2", amount="1"),), documents=twice)), "lots-wrong"),
        (padded(Bid(offers=(LotOffer(lot="1", amount="0.5"),), documents=twice)), "offer-wrong"),
    ):
        with pytest.raises(Unopenable, match=reason):
            read_bid(content, notice)
    for part, wrong in (
        ("technical", padded(Proposal(proposal="", documents=twice))),
        ("price", offer(documents=twice)),
    ):
        with pytest.raises(Unopenable, match="documents-wrong"):
            read_part(part, wrong, notice_of("technical", "price"), ())
    with pytest.raises(Unopenable, match="documents-wrong"):
        read_restricted(padded(Restricted(documents=twice)))
    with pytest.raises(Unopenable, match="content-malformed"):
        read_restricted(b"{}  ")


def test_a_number_without_a_file_and_a_size_that_does_not_fit_count_all_the_same() -> None:
    absent = msgspec.structs.replace(DOCUMENT, number=99, size=2**53 - 1)
    assert read_bid(offer(documents=(absent,)), notice_of("bid")).documents == (absent,)


def test_documents_are_said_by_number_with_what_is_odd_about_them() -> None:
    def named(number: int, **changes: Any) -> Document:
        return msgspec.structs.replace(DOCUMENT, number=number, **changes)

    def listed(number: int, **changes: Any) -> SealedFile:
        return msgspec.structs.replace(FILE, number=number, **changes)

    files = [
        listed(1),
        listed(2),
        listed(3),
        listed(4),
        listed(5),
        listed(6, part="bid"),
        listed(8, size=9),
    ]
    public = [named(5), named(1), named(3), named(7), named(6), named(8), named(1, title="Again")]
    found = enclosed(files, public, [named(2), named(5)])
    assert {each.number: (each.public, each.fault) for each in found} == {
        1: (True, "named-twice"),
        2: (False, None),
        3: (True, None),
        4: (False, "unnamed"),
        5: (True, "named-twice"),
        6: (True, "not-enclosed"),
        7: (True, "not-enclosed"),
        8: (True, "size-differs"),
    }
    assert [each.number for each in found] == sorted(each.number for each in found)
    assert found[0].document == named(1)
    assert {each.fault for each in found} - {None} <= FAULTS.keys()
    restricted = SealedFile(number=1, sha256="2" * 64, size=300, part="bid")
    assert enclosed([restricted], []) == [Enclosed(number=1, file=restricted)]


NUMBERS = st.integers(1, 6)
FILES = st.lists(NUMBERS, unique=True).map(
    lambda numbers: [msgspec.structs.replace(FILE, number=number) for number in sorted(numbers)]
)
NAMED = st.lists(NUMBERS).map(
    lambda numbers: [msgspec.structs.replace(DOCUMENT, number=number) for number in numbers]
)


@given(FILES, NAMED, NAMED)
def test_every_document_is_said_once_and_what_is_restricted_is_never_called_public(
    files: list[SealedFile], public: list[Document], restricted: list[Document]
) -> None:
    found = {each.number: each for each in enclosed(files, public, restricted)}
    listed, open_to_all = ({each.number for each in several} for several in (files, public))
    named = [each.number for each in (*public, *restricted)]
    assert list(found) == sorted(listed | set(named))
    for number, each in found.items():
        assert each.public == (number in open_to_all)
        assert (each.file is None) == (number not in listed)
        assert (each.document is None) == (number not in named)
        in_order = number in listed and named.count(number) == 1
        assert (each.fault is None) == in_order


def test_a_bidders_machine_is_told_before_it_seals() -> None:
    notice = notice_of("technical", "price")
    proposal = padded(Proposal(proposal="", documents=(DOCUMENT,)))
    contents: dict[Section, bytes] = {"technical": proposal, "price": offer()}
    second = msgspec.structs.replace(DOCUMENT, number=2)
    both = [FILE, msgspec.structs.replace(FILE, number=2)]
    check_before_sealing(notice, contents, {}, [FILE], ())
    withheld: dict[Section, bytes] = {"price": padded(Restricted(documents=(second,)))}
    check_before_sealing(notice, contents, withheld, both, ())
    for restricted, files, code in (
        ({}, [], "not-enclosed"),
        ({}, both, "unnamed"),
        ({}, [msgspec.structs.replace(FILE, size=FILE.size + 1)], "size-differs"),
        ({"price": padded(Restricted(documents=(DOCUMENT,)))}, [FILE], "named-twice"),
    ):
        with pytest.raises(EnvelopeError) as caught:
            check_before_sealing(notice, contents, restricted, files, ())
        assert caught.value.code == code
    with pytest.raises(Unopenable, match="content-malformed"):
        check_before_sealing(notice, {**contents, "price": b"{}"}, {}, [FILE], ())
    with pytest.raises(Unopenable, match="content-malformed"):
        check_before_sealing(notice, contents, {"price": b"{}x"}, [FILE], ())


@cache
def a_record() -> tuple[str, bytes]:
    """The envelope's id of a bid with a document, and the award record."""
    world = the_world()
    life = Life(world, notice_of("bid"))
    contents: dict[Section, bytes] = {"bid": offer(documents=(DOCUMENT,))}
    entropy = world.entropy(entropy_size(life.terms))
    life.submit(LEE, "2000")
    id = life.accept(KIM, compose(contents, life.terms, KIM, entropy, documents=[FILE]))
    return id, life.to_award().record()


def test_a_record_says_whose_a_sealed_file_is_and_what_opens_it() -> None:
    id, record = a_record()
    (found,) = identify(record, FILE.sha256, FILE.size)
    assert (found.envelope, found.document) == (id, DOCUMENT)
    assert found.registration == KIM.certificate.registration
    for sha256_, size in (("0" * 64, FILE.size), (FILE.sha256, FILE.size + 1)):
        assert identify(record, sha256_, size) == []
    with pytest.raises(RecordError):
        identify(b"PK", FILE.sha256, FILE.size)


def test_the_verdict_says_of_documents_what_is_odd_about_them() -> None:
    world = the_world()
    life = Life(world, notice_of("bid"))
    absent = msgspec.structs.replace(DOCUMENT, number=7)
    contents: dict[Section, bytes] = {"bid": offer(documents=(DOCUMENT, absent))}
    entropy = world.entropy(entropy_size(life.terms))
    id = life.accept(KIM, compose(contents, life.terms, KIM, entropy, documents=[FILE]))
    verdict = verify(life.to_award().record(), world.trust)
    assert verdict.outcome == "verified"
    odd = f"bid {id}: document 7: {FAULTS['not-enclosed']}"
    assert [each for each in verdict.steps[6].findings if each.startswith("bid ")] == [odd]


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["document", *(str(each) for each in arguments)])
    return int(ended.value.code or 0)


def test_a_downloaded_document_is_opened_and_compared_with_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, sealed_file, out = (tmp_path / each for each in ("record.zip", "1.sealed", "opened.txt"))
    record.write_bytes(a_record()[1])
    sealed_file.write_bytes(SEALED_PLAIN)
    assert run(record, sealed_file, "--out", out) == 0
    assert out.read_bytes() == PLAIN
    said = capsys.readouterr().out
    assert DOCUMENT.title in said
    assert KIM.certificate.registration in said
    assert run(record, sealed_file, "--out", out) == 1  # nothing is overwritten
    assert out.read_bytes() == PLAIN
    out.unlink()
    for data, status in ((SEALED_PLAIN[:-1], 1), (b"", 1)):
        sealed_file.write_bytes(data)
        assert run(record, sealed_file, "--out", out) == status
    assert run(sealed_file, sealed_file, "--out", out) == 2
    assert run(record, tmp_path / "absent", "--out", out) == 2
    assert not out.exists()
    assert all(len(each) < 300 for each in capsys.readouterr().err.splitlines())


def test_a_document_that_does_not_open_to_what_its_bid_says_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its bidder named the file, and a key that is not the file's."""
    world, other = the_world(), sealed_text(b"Something else entirely.", bytes(32))
    file = SealedFile(number=1, sha256=sha256(other).hex(), size=len(other))
    life = Life(world, notice_of("bid"))
    contents: dict[Section, bytes] = {"bid": offer(documents=(DOCUMENT,))}
    entropy = world.entropy(entropy_size(life.terms))
    life.accept(KIM, compose(contents, life.terms, KIM, entropy, documents=[file]))
    record, sealed_file, out = (tmp_path / each for each in ("record.zip", "1.sealed", "opened.txt"))
    record.write_bytes(life.to_award().record())
    sealed_file.write_bytes(other)
    assert run(record, sealed_file, "--out", out) == 1
    assert "not whole, or not under this key" in capsys.readouterr().err
    assert not out.exists()
