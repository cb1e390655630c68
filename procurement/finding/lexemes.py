"""Text as it is found by: lexemes of a PostgreSQL tsvector, made here, since what the server's own parser and
collations make of Korean depends on how it was built.

Written Korean runs words together or not as its writer likes, and hangs particles on them, so syllables are
taken in pairs: of 학교 책상 the pairs 학교, 교책, 책상 and the last one alone. Other scripts are taken by the
word, without accents, and found by how a word begins; of words that are joined, like those of an ocid, by how
the last one does, since all ocids begin alike.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import chain

MOST = 2000
"""Lexemes of one tender."""
MOST_ASKED = 20
"""Of one query."""
LONGEST = 64  # characters

_PAIRED = "가-힣ㄱ-ㆎ\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"  # Hangul, kana, Chinese characters
_RUN = re.compile(rf"([{_PAIRED}]+)|((?:(?![{_PAIRED}])[^\W_])+)")
_JOINED = re.compile(r"[-._/]+[^\W_]")
_GAP = re.compile(rf"(?<=[{_PAIRED}])\s+(?=[{_PAIRED}])")


def lexemes(texts: Iterable[str]) -> tuple[str, ...]:
    """What the texts are found by, each once: of very much the first."""
    found = dict.fromkeys(each for text in texts for each in _of_text(_GAP.sub("", _plain(text))))
    return tuple(found)[:MOST]


def query(text: str) -> str:
    """The tsquery that finds what has all of the words in `text`; empty where there is nothing in it that a
    text could have."""
    return " & ".join(chain.from_iterable(terms(text)))


def terms(text: str) -> tuple[tuple[str, ...], ...]:
    """A tsquery for each part of each word in `text`: of very many the first."""
    found, left = [], MOST_ASKED
    for word in dict.fromkeys(_asked(_plain(text))):
        found.append(word[:left])
        left -= len(word)
        if left <= 0:
            break
    return tuple(found)


def exactly(lexeme: str) -> str:
    """The tsquery for a lexeme."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def beginning(lexeme: str) -> str:
    """The tsquery for every lexeme that begins so."""
    return exactly(lexeme) + ":*"


def _plain(text: str) -> str:
    """Compatible characters as one, no case, no accents; syllables whole."""
    parts = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(each for each in parts if unicodedata.category(each) != "Mn")
    return unicodedata.normalize("NFC", bare)


def _of_text(text: str) -> Iterable[str]:
    for paired, word in _RUN.findall(text):
        yield from [*_pairs(paired), paired[-1]] if paired else [word[:LONGEST]]


def _asked(text: str) -> Iterable[tuple[str, ...]]:
    """By word what a text that has it has, all of it."""
    for found in _RUN.finditer(text):
        paired, word = found.groups()
        if paired:
            yield tuple(map(exactly, _pairs(paired))) if len(paired) > 1 else (beginning(paired),)
        elif len(word) == 1 or _JOINED.match(text, found.end()):  # one letter begins every other word
            yield (exactly(word[:LONGEST]),)
        else:
            yield (beginning(word[:LONGEST]),)


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]
