"""Every word of every page is in every language."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import PYTHON_FORMAT, Catalog
from babel.messages.extract import extract_from_dir

from procurement.evaluation.explain import Language
from procurement.web.look import HERE, catalogue, environment

TEMPLATES = sorted((HERE / "templates").rglob("*.html"))
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}
METHODS = [("**/templates/**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
TRANSLATED: list[Language] = ["ko", "es"]
UNTRANSLATABLE = {"Openseal", "ocid", "SHA-256", "KST", "JSON", "PDF"}
SPOKEN = ("alt", "title", "placeholder", "aria-label", "content")
"""Attributes that are read to people."""


def messages() -> Catalog:
    """All that pages say, in English."""
    found = Catalog()
    for path, line, message, *_ in extract_from_dir(HERE, METHODS, keywords=KEYWORDS):
        found.add(message, locations=[(path, line)])
    return found


MESSAGES = messages()


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_message_lacks_a_translation(language: Language) -> None:
    known = catalogue(language)
    missing = [
        each.id for each in MESSAGES if each.id and (each.id not in known or not _said(known, each.id))
    ]
    assert not missing, "\n".join(f'msgid "{each}"\nmsgstr ""\n' for each in missing)


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_is_of_a_message_that_nobody_says(language: Language) -> None:
    assert not [each.id for each in catalogue(language) if each.id and each.id not in MESSAGES]


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_are_filled_in_as_their_message_is(language: Language) -> None:
    for message in catalogue(language):
        if not message.id:
            continue
        ids, texts = _forms(message.id), _forms(message.string)
        assert not message.fuzzy, message.id
        for text in texts:
            assert _places(text) <= _places(" ".join(ids)), message.id
            assert _places(ids[0]) <= _places(text) | {"%(num)s"}, message.id


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_has_no_words_of_its_own(template: Path) -> None:
    assert [word for word in _own_words(template.read_text()) if word not in UNTRANSLATABLE] == []


def _said(known: Catalog, id: Any) -> bool:
    message = known[id]
    assert message is not None
    forms = _forms(message.string)
    return all(forms) and len(forms) == (known.num_plurals if len(_forms(id)) > 1 else 1)


def _forms(text: Any) -> list[str]:
    """The singular and the plurals of a message or its translation."""
    return [text] if isinstance(text, str) else [*text]


def _places(text: str) -> set[str]:
    return {match.group(0) for match in PYTHON_FORMAT.finditer(text)} - {"%%"}


def _own_words(source: str) -> Iterator[str]:
    """Words that stand in a template outside of its expressions, tags and code."""
    source = re.sub(r"\{%-?\s*trans\b.*?endtrans\s*-?%\}", "", source, flags=re.DOTALL)
    tokens = environment().lex(source)
    text = "".join(
        token if kind == "data" else " " if kind.endswith("_end") else "" for _, kind, token in tokens
    )
    text = re.sub(r"<(code|script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->|<!doctype html>", "", text)
    for name in SPOKEN:
        for value in re.findall(rf'\s{name}="([^"]*)"', text):
            yield from re.findall(r"[^\W\d_][\w-]+", value if "width=device" not in value else "")
    yield from re.findall(r"[^\W\d_][\w-]+", re.sub(r"&\w+;", "", re.sub(r"<[^>]*>", "", text)))
