"""What a PDF of ours says, read from its bytes: enough of the format for what typst writes, with nothing else
than the standard library."""

import re
import zlib
from collections.abc import Iterator

_OBJECT = re.compile(rb"(?:^|\n)(\d+) 0 obj\n(.*?)\nendobj", re.S)
_STREAM = re.compile(rb"(.*?)\nstream\r?\n(.*)\r?\nendstream", re.S)
_FONT = re.compile(rb"/(f\d+) (\d+) 0 R")
_INSIDE = rb"(?:[^\\()]|\\.)*"
for _ in range(3):  # brackets in pairs stand for themselves
    _INSIDE = rb"(?:[^\\()]|\\.|\(" + _INSIDE + rb"\))*"
_STRING = re.compile(rb"\((" + _INSIDE + rb")\)", re.S)
_SHOWN = re.compile(
    rb"/ActualText<FEFF(?P<actual>[0-9A-F]*)>.*?EMC"
    rb"|/(?P<font>f\d+) [\d.]+ Tf"
    rb"|(?P<glyphs>\(" + _INSIDE + rb"\)|\[(?:\(" + _INSIDE + rb"\)|[-\d. ]+)*\])TJ?",
    re.S | re.I,
)
_MAPPED = re.compile(r"<([0-9A-F]{4})> <([0-9A-F]+)>")
_FILE = re.compile(rb"/Filespec/F\((.*?)\).*?/EF<</F (\d+) 0 R")
_FIGURE = re.compile(rb"/Alt.*? cm(.*?)EMC", re.S)
_ESCAPED = re.compile(rb"\\([0-7]{1,3}|.)", re.S)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_STROKE = re.compile(rb"([\d.]+) ([\d.]+) m ([\d.]+) \2 l")


class Pdf:
    """A PDF whose objects lie in the open, each stream of it deflated or plain."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._objects = {int(number): body for number, body in _OBJECT.findall(data)}

    @property
    def text(self) -> str:
        """All that is printed, in the order of the pages, without blanks: lines break where they will."""
        return re.sub(r"[\s\u200b]+", "", "".join(map(self._shown, self._pages())))

    @property
    def files(self) -> dict[str, bytes]:
        """What travels inside, by name."""
        found = (
            re.search(rb"/Filespec/F\((.*?)\).*?/EF<</F (\d+) 0 R", each) for each in self._objects.values()
        )
        return {each[1].decode(): self._stream(int(each[2])) for each in found if each}

    def qr(self) -> list[list[int]]:
        """The modules of the one QR code, drawn as horizontal strokes: rows of 0 and 1, without border."""
        [figure] = [found for each in self._pages() for found in _FIGURE.findall(each)]
        strokes = [[float(number) for number in each] for each in _STROKE.findall(figure)]
        first = min(int(left) for left, *_ in strokes)
        size = max(int(right) for *_, right in strokes) - first
        rows = [[0] * size for _ in range(size)]
        for left, y, right in strokes:
            for column in range(int(left), int(right)):
                rows[int(y) - first][column - first] = 1
        return rows

    def _pages(self) -> Iterator[bytes]:
        for each in self._objects.values():
            if b"/Type/Page/" in each and (at := re.search(rb"/Contents (\d+) 0 R", each)):
                yield self._stream(int(at[1]))

    def _shown(self, page: bytes) -> str:
        said, letters = "", dict[int, str]()
        fonts = {
            name: self._letters(int(number))
            for each in self._objects.values()
            if b"/ProcSet" in each
            for name, number in _FONT.findall(each)
        }
        for found in _SHOWN.finditer(page):
            if found["actual"] is not None:
                said += bytes.fromhex(found["actual"].decode()).decode("utf-16-be")
            elif found["font"]:
                letters = fonts[found["font"]]
            else:
                glyphs = b"".join(map(_unescaped, _STRING.findall(found["glyphs"])))
                said += "".join(letters[int.from_bytes(each)] for each in _pairs(glyphs))
        return said

    def _letters(self, font: int) -> dict[int, str]:
        [mapping] = re.findall(rb"/ToUnicode (\d+) 0 R", self._objects[font])
        found = _MAPPED.findall(self._stream(int(mapping)).decode())
        return {int(glyph, 16): bytes.fromhex(text).decode("utf-16-be") for glyph, text in found}

    def _stream(self, number: int) -> bytes:
        found = _STREAM.fullmatch(self._objects[number])
        assert found is not None
        return zlib.decompress(found[2]) if b"/FlateDecode" in found[1] else found[2]


def _pairs(glyphs: bytes) -> Iterator[bytes]:
    return (glyphs[i : i + 2] for i in range(0, len(glyphs), 2))


def _unescaped(text: bytes) -> bytes:
    """A literal string's bytes."""
    return _ESCAPED.sub(_byte, text)


def _byte(escape: re.Match[bytes]) -> bytes:
    said = escape[1]
    return bytes([int(said, 8)]) if said.isdigit() else _LETTERS.get(said, said)
