"""Lies to a bidder's own browser. They are told in a real one, by tests/browser/test_bid.py."""

from tests.lies.catalogue import Catcher, Entry, Who, entry


def shown(name: str, who: Who, words: str, done: str) -> None:
    ENTRIES[name] = entry(name, who, done, Catcher.PAGE, words)


ENTRIES: dict[str, Entry] = {}
NOT_IN_THE_LOG = "What the service shows does not stand so in its public log, as outside witnesses know it"

shown(
    "notice changed for one bidder",
    Who.SERVICE,
    NOT_IN_THE_LOG,
    "One bidder is shown a notice that says something else than everybody's.",
)
shown(
    "forged signature under the notice",
    Who.BETWEEN,
    "Something that the service shows is not signed by whose word it is said to be",
    "The notice is passed on with a signature that its officer never made.",
)
shown(
    "service under other keys",
    Who.BETWEEN,
    "The service is no longer the one that this browser came to know",
    "Somebody takes the service's place, with authorities of its own.",
)
shown(
    "somebody else's receipt",
    Who.SERVICE,
    NOT_IN_THE_LOG,
    "A bidder is given the receipt of another bid in answer to its own.",
)
