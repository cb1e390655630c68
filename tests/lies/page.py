"""The catalogue as a page for readers."""

from itertools import groupby

from tests.lies.catalogue import Catcher, Entry, catalogue

HEAD = """# A catalogue of lies

What somebody with genuine keys could try, who would catch it, and in which words. Each of these lies is
told on purpose by the tests in [`tests/lies/`](../tests/lies/), with real signatures, logs and records, and
has to be caught in the words that stand here; the same without the lie has to pass. In the words … stands
for a name or a number; after them the program may say more for experts. `python -m tests.lies > docs/lies.md`
writes this page.
"""
SECTIONS = {
    Catcher.VERIFY: """## Caught by `openseal verify`

By anybody who has an award record, offline; with `--all`, by anybody who goes through all records of a
service. The verdict says at which of thirteen steps a record is refused, in these words, and what that means.
""",
    Catcher.MONITOR: """## Caught by `openseal monitor`

By anybody who follows the whole log, since no single record shows it.
""",
    Catcher.MIRROR: """## Caught by `openseal mirror`

By anybody who keeps a copy of the log and of the records, and who is shown something else later.
""",
    Catcher.PAGE: """## Caught by the page in the browser

By the bidder, whose own browser checks what the service says before it shows it.
""",
}


def page() -> str:
    """The page, Markdown."""
    parts = [HEAD]
    for caught, entries in groupby(catalogue(), key=lambda each: each.caught):
        parts += [SECTIONS[caught], _table(list(entries))]
    return "\n".join(parts)


def _table(entries: list[Entry]) -> str:
    rows = ["| lie | who lies | what is done | how it is named |", "| --- | --- | --- | --- |"]
    rows += [f"| {each.name} | {each.who} | {each.done} | “{each.words}” |" for each in entries]
    return "\n".join(rows) + "\n"
