"""Releases merged: objects by their fields, lists of objects by their ids, everything else by the newest;
null removes (OCDS 1.1, "Merging").

Merging cannot take an object out of a list, nor an object out of another: whatever a release has said of one
stays, emptied of its fields at most.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]


class Keyed(dict[str, Json]):
    """A list while it is merged: its objects by id, in the order in which they came."""


def merge(releases: Iterable[Mapping[str, Any]]) -> Json:
    """What these releases come to, oldest first. Takes time by what is said, not by what was said before."""
    merged: Json = {}
    for release in releases:
        _merge(merged, release)
    thawed: Json = _thawed(merged)
    return thawed


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Json:
    """The least that leads from `before` to `after` by merging; nothing where they are alike. Whatever is in
    a list of objects `before` has to be there in `after`."""
    found: Json = {name: _removed(each) for name, each in before.items() if name not in after}
    for name, each in after.items():
        if each != before.get(name):
            found[name] = _changed(before.get(name), each)
    return found


def _changed(before: Any, after: Any) -> Any:
    if isinstance(before, dict) and isinstance(after, dict):
        return changes(before, after)
    if before and _is_keyed(before) and _is_keyed(after):
        known = {each["id"]: each for each in before}
        return [
            {"id": each["id"], **changes(known.get(each["id"], {}), each)}
            for each in after
            if each != known.get(each["id"])
        ]
    return after


def _removed(value: Any) -> Any:
    return {name: _removed(each) for name, each in value.items()} if isinstance(value, dict) else None


def _merge(into: Json, said: Mapping[str, Any]) -> None:
    for name, value in said.items():
        if value is None:
            into.pop(name, None)
        elif value in ({}, []):
            continue
        elif isinstance(value, dict):
            _merge(into.setdefault(name, {}), value)
        elif _is_keyed(value):
            kept = into.setdefault(name, Keyed())
            for each in value:
                _merge(kept.setdefault(each["id"], {}), each)
        else:
            into[name] = value


def _thawed(value: Any) -> Any:
    if isinstance(value, Keyed):
        return [_thawed(each) for each in value.values()]
    return {name: _thawed(each) for name, each in value.items()} if isinstance(value, dict) else value


def _is_keyed(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) and "id" in each for each in value)
