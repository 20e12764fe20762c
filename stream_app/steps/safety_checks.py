"""What a file of safety terms must not have: lines that find nothing, or not what was meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

KINDS = frozenset(
    """fire smoke burn shock explosion battery cut injury allergy choking poison contamination counterfeit fall brakes
    unsafe""".split()
)
_NOT_KINDS = {"words": None, "negation": frozenset({"before", "unless", "stops", "words"})}
_OF_KIND = frozenset({"terms", "harmless"})


class BadLineError(ValueError):
    """``line``: as it is in the file."""

    def __init__(self, problem: str, line: str) -> None:
        super().__init__(f"{problem}: {line!r}")
        self.line = line


def check(file: Mapping[str, Any]) -> None:
    """Raises BadLineError with the first line that cannot be meant so."""
    for name, table in file.items():
        if name not in KINDS and name not in _NOT_KINDS:
            raise BadLineError("unknown kind of hazard", f"[{name}]")
        keys = _NOT_KINDS.get(name, _OF_KIND)
        for key in table:
            if keys is not None and key not in keys:
                raise BadLineError(f"[{name}] has no", key)
        if name in KINDS:
            for key in sorted(table):
                _check_lines(table[key])
        else:
            for line in table.values():
                if isinstance(line, str):
                    _check_alternatives(line.split("|"), line)


def _check_lines(lines: list[str]) -> None:
    seen = set()
    for line in lines:
        parts = line.split()
        if line in seen:
            raise BadLineError("line is there twice", line)
        seen.add(line)
        if line != " ".join(parts):
            raise BadLineError("spaces at an end, or more than one between words", line)
        if not parts or parts[0] == "..." or parts[-1] == "...":
            raise BadLineError('a word must stand before and after "..."', line)
        for part, following in zip(parts, [*parts[1:], ""], strict=True):
            if part == following == "...":
                raise BadLineError('"..." twice', line)
            if part != "...":
                _check_alternatives(part.split("|"), line)


def _check_alternatives(alternatives: list[str], line: str) -> None:
    for one in alternatives:
        if one.strip() != one or "" in one.split("_") or not re.search(r"\w", one):
            raise BadLineError(
                'words are alternatives without spaces around "|", joined by single "_" in a phrase', line
            )
        if re.search(r"\*[\w'-]", one.replace("_", " ")):
            raise BadLineError('"*" stands at the end of a word', line)
    if len(set(alternatives)) < len(alternatives):
        twice = next(one for one in alternatives if alternatives.count(one) > 1)
        raise BadLineError(f"{twice!r} is there twice", line)
