"""Facts on paper: a sheet as a tagged PDF (PDF/UA-1), for eyes, screen readers and printers. Pure, but for
the fonts of the machine.

What is printed is others' text: it reaches the layout as values, never as markup, and the layout may read no
file but itself. A character that no font has is never an empty box: it is printed as �, and the sheet says
so.
"""

import ast
import io
import json
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import segno
import typst

LAYOUT = Path(__file__).parent / "layouts" / "sheet.typ"
FACES = Path(__file__).parent / "web" / "assets" / "fonts"
FONTS = ("NanumGothic", "Libertinus Serif")
"""Hangul and Latin, the same on every machine; typst looks for what they lack in all others that it knows."""
CODES = ("DejaVu Sans Mono",)
"""It comes with typst, and so does Libertinus."""
LONGEST = 1000
"""Characters of one text that are printed: the rest is where the sheet's code leads."""
STAND_IN = "\ufffd"

_LACKING = re.compile(r'the text `("(?:[^"\\]|\\.)+")` could not be displayed')
_RUST_ESCAPE = re.compile(r"\\u\{([0-9a-f]+)\}")
_LONG_WORD = re.compile(r"\S{33,}")
_TURNS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C])


class Fact(msgspec.Struct, frozen=True):
    """A label and what stands under it: a `code` in letters of equal width, other people's words in their
    `language` (ISO 639-1), where it is known."""

    label: str
    text: str
    code: bool = False
    language: str = ""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A heading, facts under it, and numbered steps."""

    title: str
    facts: list[Fact] = []
    steps: list[str] = []


class Enclosed(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON file that travels inside of the PDF."""

    name: str
    content: str
    label: str


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """What a sheet says, in `language` (ISO 639-1). `address` is printed, and as a QR code that is called
    `address_label`; `lacking` is added where a character is printed as �."""

    language: str
    title: str
    lead: list[str]
    sections: list[Section]
    foot: str
    address: str
    address_label: str
    lacking: str
    enclosed: list[Enclosed] = []


def write(sheet: Sheet) -> bytes:
    """The PDF. Raises typst.TypstError where the layout itself is wrong."""
    said = _said(sheet)
    try:
        return _compile(said)
    except typst.TypstError as error:
        if not (lacking := _lacking(error)):
            raise
    said["lead"].append(sheet.lacking)
    return _compile(_without(said, lacking))


def code(address: str) -> segno.QRCode:
    """The QR code of an address."""
    return segno.make_qr(address, error="m")


def _said(sheet: Sheet) -> dict[str, Any]:
    """What the layout is given."""
    picture = io.BytesIO()
    code(sheet.address).save(picture, kind="svg", svgclass=None, lineclass=None)
    return {
        "language": sheet.language,
        "fonts": [*FONTS],
        "code-fonts": [*CODES],
        "title": _printable(sheet.title),
        "lead": [_printable(each) for each in sheet.lead],
        "sections": [_section(each) for each in sheet.sections],
        "foot": _printable(sheet.foot),
        "code": {
            "picture": picture.getvalue().decode(),
            "label": _printable(sheet.address_label),
            "address": _characters(sheet.address),
        },
        "enclosed": msgspec.to_builtins(sheet.enclosed),
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "title": _printable(section.title),
        "facts": [
            {
                "label": _printable(each.label),
                "text": _characters(each.text) if each.code else _printable(each.text),
                "code": each.code,
                "language": each.language or None,
            }
            for each in section.facts
        ],
        "steps": [_printable(each) for each in section.steps],
    }


def _printable(text: str) -> str:
    """As it may stand in a column: words have places where they break."""
    return _LONG_WORD.sub(
        lambda word: "\u200b".join(word[0][i : i + 16] for i in range(0, len(word[0]), 16)), _characters(text)
    )


def _characters(text: str) -> str:
    """Up to an end, without controls and without what turns the direction of what follows."""
    cut = text[:LONGEST] + "…" if len(text) > LONGEST else text
    return "".join(map(_character, cut.translate(_TURNS)))


def _character(character: str) -> str:
    if character.isspace():
        return " "
    return STAND_IN if unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co") else character


def _without(said: Any, lacking: set[str]) -> Any:
    """The same with � for what no font has; what is enclosed stays as it is."""
    match said:
        case str():
            return "".join(STAND_IN if each in lacking else each for each in said)
        case list():
            return [_without(each, lacking) for each in said]
        case dict():
            return {
                name: each if name in ("enclosed", "fonts", "code-fonts") else _without(each, lacking)
                for name, each in said.items()
            }
    return said


def _compile(said: dict[str, Any]) -> bytes:
    return typst.compile(
        LAYOUT,
        root=LAYOUT.parent,
        font_paths=_fonts(),
        ignore_system_fonts=True,  # `_fonts` has them
        sys_inputs={"sheet": json.dumps(said)},
        pdf_standards="ua-1",
    )


def _lacking(error: typst.TypstError) -> set[str]:
    """The characters that the error is about: of each text all, since a cluster is one text."""
    quoted = _LACKING.findall(error.diagnostic)
    return {each for text in quoted for each in _unquoted(text)}


def _unquoted(text: str) -> str:
    """A string as Rust quotes it."""
    escaped = _RUST_ESCAPE.sub(lambda match: f"\\U{int(match.group(1), 16):08x}", text)
    return str(ast.literal_eval(escaped))


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(font_paths=[FACES])
