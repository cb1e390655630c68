"""OCDS 1.1: the tender's statements in the words that open-contracting tools read, a release for each event.

Amounts are JSON numbers here and nowhere else; they have the digits of the statements. What the mapping
decides where OCDS leaves it open is in docs/formats.md.
"""

from procurement.ocds.facts import Facts, Person, called_for
from procurement.ocds.notice import method, rule_set, whole_value
from procurement.ocds.packages import (
    EXTENSIONS,
    LICENSE,
    OURS,
    extension_file,
    record_of,
    record_package,
    release_package,
)
from procurement.ocds.releases import Release, compiled, tell

__all__ = [
    "EXTENSIONS",
    "LICENSE",
    "OURS",
    "Facts",
    "Person",
    "Release",
    "called_for",
    "compiled",
    "extension_file",
    "method",
    "record_of",
    "record_package",
    "release_package",
    "rule_set",
    "tell",
    "whole_value",
]
