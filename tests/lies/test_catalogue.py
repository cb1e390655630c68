"""The catalogue is whole, and is written for people who know nothing of cryptography."""

import re
from pathlib import Path

import pytest

from procurement.record import STEPS
from tests.lies.catalogue import Catcher, Entry, Who, catalogue
from tests.lies.page import page

LEAST = 40
_LISTED = (
    "base64 bls ciphertext checkpoint commitment committed consistency cosignature csr der digest drand"
    " dsse ecdsa ed25519 fingerprint hash hashes hkdf inclusion index json keyid leaf leaves mac merkle"
    " node nonce ocds pairing partial payload pem plaintext preimage root salt seq serial sha sha-256"
    " tile tlog utf-8 x.509"
)
JARGON = set(_LISTED.split())
"""Words that nobody should need to know in order to understand what happened."""
EXPLAINED = {"ocds": "open data"}
"""Words that may stand where these stand beside them."""


def test_the_catalogue_has_forty_lies_with_names_of_their_own_and_every_catcher() -> None:
    names = [each.name for each in catalogue()]
    assert len(names) >= LEAST
    assert len(set(names)) == len(names)
    assert {each.caught for each in catalogue()} == set(Catcher)
    assert {each.who for each in catalogue()} >= set(Who) - {Who.OPERATOR}


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.name)
def test_a_lie_is_told_in_a_sentence_and_named_without_jargon(entry: Entry) -> None:
    assert entry.done[0].isupper()
    assert entry.done.endswith(".")
    assert len(entry.words.strip("… ").split()) >= 4
    for text in (entry.name, entry.done, entry.words):
        assert not jargon(text), text


def test_what_a_failed_step_means_is_said_without_jargon() -> None:
    assert len(STEPS) == 13
    for _, _, meaning in STEPS:
        assert len(meaning.split()) > 8
        assert not jargon(meaning), meaning


def jargon(text: str) -> list[str]:
    words = re.findall(r"[a-z0-9.-]*[a-z0-9]", text.lower())
    return [each for each in words if each in JARGON and EXPLAINED.get(each, "\0") not in text.lower()]


def test_the_page_for_readers_is_the_catalogue() -> None:
    written = (Path(__file__).parents[2] / "docs" / "lies.md").read_text(encoding="utf-8")
    assert written == page(), "python -m tests.lies > docs/lies.md"
