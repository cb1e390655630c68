"""A notice in words, in each language: nothing that it says is left out, and no word of it is missing."""

import string
from typing import Any

import pytest

from crypto.encoding import moment
from procurement.evaluation.explain import Language, duration
from procurement.notices import Eligibility
from procurement.tenders import Notice, Previous
from procurement.words import FACTS, PHRASES, differences, eligibility_in_words, notice_in_words
from tests.builders import A_RULE, DEADLINE, START, a_lot, a_notice, panel_rules, the_world
from tests.core.test_notices import notice

LANGUAGES: list[Language] = ["en", "ko", "es"]


def places(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def everything(**changes: Any) -> Notice:
    """A notice in which hardly anything is left to a default."""
    stated = {
        "outage": A_RULE,
        "enquiries_until": moment(DEADLINE),
        "previous": Previous(tender="ocds-0s3al1-t0", notice="ab" * 32),
        "document_limit": 3,
        "document_size": 1 << 20,
        "upload_grace": 5400,
    }
    return notice(**stated | changes)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_word_with_the_same_figures(language: Language) -> None:
    assert FACTS[language].keys() == FACTS["en"].keys()
    assert PHRASES[language].keys() == PHRASES["en"].keys()
    for code, (label, text) in FACTS["en"].items():
        said = FACTS[language][code]
        assert (places(said[0]), places(said[1])) == (places(label), places(text)), code
    for code, phrase in PHRASES["en"].items():
        assert PHRASES[language][code], code
        assert places(PHRASES[language][code]) == places(phrase), code


@pytest.mark.parametrize("language", ["ko", "es"])
def test_words_are_not_left_in_english(language: Language) -> None:
    same = {"description", "contact", "tender"}  # "description" and the like are figures alone
    for code, (label, _) in FACTS[language].items():
        assert label != FACTS["en"][code][0] or code in same, code


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_notice_says_as_much_in_every_language(language: Language) -> None:
    found, english = notice_in_words(everything(), language), notice_in_words(everything())
    assert len(found) == len(english)
    text = " ".join(f"{label} {said}" for label, said in found)
    assert "{" not in text
    for figure in ("20,000,000 KRW", "UNSPSC 56121500", "1,048,576", "ocds-0s3al1-t0", moment(DEADLINE)):
        assert figure in text
    assert duration(5400, language) in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_condition_of_eligibility_is_said(language: Language) -> None:
    asked = Eligibility(
        regions=("Gangwon",),
        sizes=("micro", "large"),
        licences=("Mason",),
        reserved_for=("local",),
        other=("X",),
    )
    said = eligibility_in_words(asked, language)
    assert len(said) == 5
    assert [each for each in ("Gangwon", "Mason") if not any(each in line for line in said)] == []


def test_what_an_amendment_changes_is_said_in_the_readers_language() -> None:
    before = a_notice(the_world())
    after = a_notice(the_world(), standstill=7200)
    assert differences(before, after, "ko").come == [("이의제기 기간", "2시간")]
    assert differences(before, after, "es").gone == [("Plazo suspensivo", "1 hora")]


def test_parts_and_what_becomes_of_bids_where_the_round_moves_follow_the_notice() -> None:
    scored = a_notice(the_world(), a_lot(panel_rules()), on_extension="reseal", published=moment(START))
    assert ("입찰서 구성", "기술제안서와 가격입찰서") in notice_in_words(scored, "ko")
    assert any("selladas" in said or "sellarse" in said for _, said in notice_in_words(scored, "es"))


@pytest.mark.parametrize(
    ("seconds", "english", "korean", "spanish"),
    [
        (0, "none", "없음", "ninguno"),
        (1, "1 second", "1초", "1 segundo"),
        (
            90061,
            "1 day, 1 hour, 1 minute, 1 second",
            "1일 1시간 1분 1초",
            "1 día, 1 hora, 1 minuto, 1 segundo",
        ),
        (172800, "2 days", "2일", "2 días"),
    ],
)
def test_a_length_of_time_is_said_in_full(seconds: int, english: str, korean: str, spanish: str) -> None:
    assert [duration(seconds, each) for each in LANGUAGES] == [english, korean, spanish]
