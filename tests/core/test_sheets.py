"""Facts on paper: what is printed, for whom, and that nobody's text is more than text."""

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import segno
import typst
from hypothesis import given, settings
from hypothesis import strategies as st

from procurement import sheets
from procurement.sheets import Enclosed, Fact, Section, Sheet
from tests.pdf import Pdf

ID = "ab" * 32
ADDRESS = f"https://openseal.example/tenders/ocds-0s3al1-x/receipts/{ID}"
LACKING = "No font has the letters where a stand-in is."
GOTHIC = "\U00010348"
"""A letter of a script that no font of anybody's office has."""


def a_sheet(text: str = "School desks", **changes: Any) -> Sheet:
    said: dict[str, Any] = {
        "language": "en",
        "title": "A receipt",
        "lead": ["It is taken."],
        "sections": [
            Section(
                title="What", facts=[Fact("Title", text, language="ko"), Fact("Id", "ab" * 32, code=True)]
            ),
            Section(title="Then", steps=["Keep it.", "Check it."]),
        ],
        "foot": "Openseal",
        "address": ADDRESS,
        "address_label": "QR code",
        "lacking": LACKING,
    }
    return Sheet(**said | changes)


def printed(text: str) -> str:
    """What stands under the title's label."""
    return Pdf(sheets.write(a_sheet(text))).text.split("Title", 1)[1].split(f"Id{ID}")[0]


def blankless(text: str) -> str:
    return re.sub(r"[\s\u200b]+", "", text)


def test_a_sheet_says_everything_in_its_order() -> None:
    said = Pdf(sheets.write(a_sheet())).text
    parts = ["Areceipt", "Itistaken.", ADDRESS, "What", "Schooldesks", f"Id{ID}", "Then", "1.Keepit."]
    places = [said.index(each) for each in [*parts, "2.Checkit.", "Openseal·1/1"]]
    assert places == sorted(places)
    assert LACKING not in said


def test_a_sheet_is_tagged_and_says_its_language_and_title() -> None:
    data = sheets.write(a_sheet(language="es", title="Un recibo"))
    for expected in (
        b"<pdfuaid:part>1</pdfuaid:part>",
        b"/MarkInfo<</Marked true",
        b"/StructTreeRoot",
        b"/Lang(es)",
        b"/DisplayDocTitle true",
        b"/Alt(QR code)",
        b"Un recibo</rdf:li></rdf:Alt></dc:title>",
    ):
        assert expected in data, expected


def test_the_code_is_the_address() -> None:
    drawn = Pdf(sheets.write(a_sheet())).qr()
    assert drawn == [[*row] for row in segno.make_qr(ADDRESS, error="m").matrix]
    assert drawn != [[*row] for row in segno.make_qr(ADDRESS[:-1] + "c", error="m").matrix]


def test_files_travel_inside() -> None:
    content = '{"receipt":"한글 \\u0000 #read(\\"/etc/passwd\\")"}'
    data = sheets.write(a_sheet(enclosed=[Enclosed(name="receipt.json", content=content, label="Signed")]))
    assert Pdf(data).files == {"receipt.json": content.encode()}


@pytest.mark.parametrize(
    "hostile",
    [
        '#read("/etc/passwd")',
        '"#read("/etc/passwd")"',
        '#import sys: inputs; #eval("1") #include "sheet.typ"',
        "= Heading *bold* _it_ `raw` $x^2$ @ref <label> [content] // comment",
        "\\u{41} \\ {{ }} %(name)s ${x} <script>alert(1)</script>",
        '","code":true},{"label":"x"',
    ],
)
def test_markup_is_text(hostile: str) -> None:
    assert printed(hostile) == blankless(hostile)
    assert "root:" not in Pdf(sheets.write(a_sheet(hostile))).text


def test_the_layout_can_read_no_file_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if somebody's text came to be markup."""
    layout = tmp_path / "sheet.typ"
    layout.write_text('#set document(title: "x")\n#read("/etc/passwd")\n')
    monkeypatch.setattr(sheets, "LAYOUT", layout)
    with pytest.raises(typst.TypstError, match="not found"):
        sheets.write(a_sheet())


@pytest.mark.parametrize(
    "text", ["한글 책상 구매", "áéíñ ¿Qué?", "漢字", "שלום עולם", "Ελληνικά", "e\u0301" * 50]
)
def test_letters_that_a_font_has_are_printed(text: str) -> None:
    said = unicodedata.normalize("NFC", printed(text))  # from right to left in the order of the page
    assert sorted(said) == sorted(unicodedata.normalize("NFC", blankless(text)))


def test_what_no_font_has_is_marked_and_said() -> None:
    said = Pdf(sheets.write(a_sheet(f"Desks {GOTHIC} and 책상"))).text
    assert "Desks\ufffdand책상" in said
    assert blankless(LACKING) in said


def test_korean_needs_no_font_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    fonts = typst.Fonts(include_system_fonts=False, font_paths=[sheets.FACES])
    monkeypatch.setattr(sheets, "_fonts", lambda: fonts)
    said = Pdf(sheets.write(a_sheet("책상 ½ € ñ"))).text
    assert "Title책상½€ñ" in said
    assert blankless(LACKING) not in said


@pytest.mark.parametrize("text", ["\x00\x07\x1b[31m", "\ud83d", "\ue000", "a\nb\tc\r\u2028d"])
def test_controls_and_halves_of_characters_are_none_of_the_papers(text: str) -> None:
    assert re.fullmatch(r"[\ufffd\[31mabcd]+", printed(text))


def test_nothing_turns_what_follows_around() -> None:
    assert printed("abc \u202egnp.exe\u2066 def\u200f") == "abcgnp.exedef"


def test_a_text_without_end_has_one_on_paper_and_stays_on_it() -> None:
    assert printed("x" * 10_000) == "x" * sheets.LONGEST + "…"
    assert len(sheets.write(a_sheet("책" * 10_000))) < 100_000


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200))
def test_whatever_it_is_a_sheet_comes_of_it(text: str) -> None:
    sections = [Section(title="What", facts=[Fact(text, text), Fact("Id", text, code=True)], steps=[text])]
    data = sheets.write(a_sheet(lead=[text], sections=sections, foot=text, address_label=text or "x"))
    assert Pdf(data).qr()
