"""The package's regular expressions, and texts that begin or end a match of each: what makes bad ones slow."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from random import Random
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import stream_app.contract
import stream_app.steps

_ROOMS = (stream_app.contract, stream_app.steps)
_SAMPLES = 12
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_LOOKS_ONLY = (op.AT, op.ASSERT, op.ASSERT_NOT, op.GROUPREF)
_MATCHED_BY_CATEGORY = {
    op.CATEGORY_DIGIT: "07",
    op.CATEGORY_SPACE: " \t\n\u3000",
    op.CATEGORY_WORD: "aZ5é中",
    op.CATEGORY_NOT_DIGIT: "a ",
    op.CATEGORY_NOT_SPACE: "a.",
    op.CATEGORY_NOT_WORD: " .!",
}
_SURROGATE = re.compile("[\ud800-\udfff]")  # no UTF-8 can hold one
_CANDIDATES = " a0.,-_<>/@é…中\u0301👍\n\x07"  # for classes that say what is not in them


def patterns() -> dict[str, re.Pattern[str]]:
    """Every pattern for text that a module of the contract or the steps holds, by name."""
    found: dict[str, re.Pattern[str]] = {}
    for room in _ROOMS:
        for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                members = value.items() if isinstance(value, dict) else [("", value)]
                found |= {
                    f"{module.name}.{name}{key}": one
                    for key, one in members
                    if isinstance(one, re.Pattern) and isinstance(one.pattern, str)
                }
    return found


def fragments(pattern: re.Pattern[str], rng: Random) -> list[str]:
    """Texts that match all of the pattern; where it repeats anything, also its beginnings and each of its pieces."""
    parsed = _parser.parse(pattern.pattern, pattern.flags)
    repeats = any(one in pattern.pattern for one in "*+?{")
    made: set[str] = set()
    for _ in range(_SAMPLES):
        pieces = list(_pieces(parsed, rng))
        made.add("".join(pieces))
        if repeats:
            made.update("".join(pieces[:end]) for end in range(1, len(pieces)))
            made.update(pieces)
    return sorted(text for text in made if text and not _SURROGATE.search(text))


def _pieces(parts: Iterable[Any], rng: Random) -> Iterator[str]:
    """What each part in turn may match, but for what it only looks at and for what groups match again."""
    for operation, argument in parts:
        if operation is op.LITERAL:
            yield chr(argument)
        elif operation is op.NOT_LITERAL:
            yield "y" if argument == ord("x") else "x"
        elif operation is op.ANY:
            yield "x"
        elif operation is op.IN:
            yield _member(argument, rng)
        elif operation is op.BRANCH:
            yield from _pieces(rng.choice(argument[1]), rng)
        elif operation is op.SUBPATTERN:
            yield from _pieces(argument[-1], rng)
        elif operation is op.ATOMIC_GROUP:
            yield from _pieces(argument, rng)
        elif operation in _REPEATS:
            least, most, repeated = argument
            times = rng.choice((least, min(most, max(least, 1) + 2), min(most, 70)))
            yield "".join("".join(_pieces(repeated, rng)) for _ in range(times))
        else:
            assert operation in _LOOKS_ONLY, f"{operation}: say here what it matches"


def _member(members: list[Any], rng: Random) -> str:
    """A character of a class."""
    if members[0][0] is op.NEGATE:
        return rng.choice([one for one in _CANDIDATES if not _is_in(one, members[1:])])
    operation, argument = rng.choice(members)
    if operation is op.LITERAL:
        return chr(argument)
    if operation is op.RANGE:
        return chr(rng.randint(*argument))
    return rng.choice(_MATCHED_BY_CATEGORY[argument])


def _is_in(one: str, members: list[Any]) -> bool:
    is_category = {
        op.CATEGORY_DIGIT: one.isdecimal(),
        op.CATEGORY_SPACE: one.isspace(),
        op.CATEGORY_WORD: one.isalnum() or one == "_",
        op.CATEGORY_NOT_DIGIT: not one.isdecimal(),
        op.CATEGORY_NOT_SPACE: not one.isspace(),
        op.CATEGORY_NOT_WORD: not (one.isalnum() or one == "_"),
    }
    for operation, argument in members:
        if operation is op.LITERAL and ord(one) == argument:
            return True
        if operation is op.RANGE and argument[0] <= ord(one) <= argument[1]:
            return True
        if operation is op.CATEGORY and is_category[argument]:
            return True
    return False


FRAGMENTS: list[str] = sorted(
    {text for name, pattern in sorted(patterns().items()) for text in fragments(pattern, Random(name))}
)
