"""Compares two versions of a schema: what in the newer one breaks those who hold to the older one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Schema = dict[str, Any]

_LOWER_BOUNDS = ("minimum", "minLength", "minItems")
_UPPER_BOUNDS = ("maximum", "maxLength", "maxItems")
_EXACT = ("pattern", "format", "const")
_CHECKED = {*_LOWER_BOUNDS, *_UPPER_BOUNDS, *_EXACT, "type", "enum", "required", "properties", "items"}
_CHECKED |= {"additionalProperties", "if", "else"}
_WORDS = {"description", "title", "examples", "$schema", "$id"}
_FALL_BACK = "Unknown values: read as"


def breaks_readers(old: Schema, new: Schema, path: str = "") -> list[str]:
    """What a program that reads by ``old`` may meet in records written by ``new``, each with the field's path.

    Added fields break no reader, since readers ignore what they do not know; nor do values of an enum whose description
    states what unknown ones are read as.
    """
    return list(_differences(old, new, path, _meets))


def breaks_writers(old: Schema, new: Schema, path: str = "") -> list[str]:
    """What a program that writes by ``old`` sends that ``new`` refuses, each with the field's path."""
    return list(_differences(old, new, path, _refuses))


def unknown_keywords(schema: Schema) -> set[str]:
    """What this comparison does not look at: a schema that uses it needs a longer comparison."""
    found = set(schema) - _CHECKED - _WORDS
    for _, part in _parts(schema):
        found |= unknown_keywords(part)
    return found


def _parts(schema: Schema) -> Iterator[tuple[str, Schema]]:
    yield from ((f".{name}", part) for name, part in schema.get("properties", {}).items())
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield f"[{name}]", schema[name]


def _differences(
    old: Schema, new: Schema, path: str, compare: Callable[[Schema, Schema], Iterator[str]]
) -> Iterator[str]:
    yield from (f"{path or '(the whole)'}: {difference}" for difference in compare(old, new))
    parts = dict(_parts(new))
    for name, part in _parts(old):
        if name in parts:
            yield from _differences(part, parts[name], path + name, compare)


def _meets(old: Schema, new: Schema) -> Iterator[str]:
    """What records by ``new`` may hold that records by ``old`` did not, and what they may lack."""
    for name in sorted(set(old.get("properties", {})) - set(new.get("properties", {}))):
        yield f"{name} is gone"
    for name in sorted(set(old.get("required", ())) - set(new.get("required", ()))):
        yield f"{name} may be missing"
    yield from _allows_more(old, new)


def _refuses(old: Schema, new: Schema) -> Iterator[str]:
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{name} became required"
    if new.get("additionalProperties", True) is False and old.get("additionalProperties", True) is not False:
        yield "unknown fields are refused"
    if (old.get("if"), old.get("else")) != (new.get("if"), new.get("else")):
        yield "the condition is another one"
    for difference in _allows_more(new, old, fall_back_counts=False):
        yield f"reversed, {difference}"


def _allows_more(less: Schema, more: Schema, *, fall_back_counts: bool = True) -> Iterator[str]:
    """Values of this field itself that ``more`` allows and ``less`` does not."""
    if extra := _types(more) - _types(less):
        yield f"type may be {', '.join(sorted(extra))}"
    if "enum" in less and not (fall_back_counts and _FALL_BACK in less.get("description", "")):
        extra = set(map(str, more.get("enum", ["anything"]))) - set(map(str, less["enum"]))
        if extra:
            yield f"value may be {', '.join(sorted(extra))}"
    for name in _LOWER_BOUNDS:
        if name in less and more.get(name, float("-inf")) < less[name]:
            yield f"{name} {less[name]} became {more.get(name, 'none')}"
    for name in _UPPER_BOUNDS:
        if name in less and more.get(name, float("inf")) > less[name]:
            yield f"{name} {less[name]} became {more.get(name, 'none')}"
    for name in _EXACT:
        if name in less and more.get(name) != less[name]:
            yield f"{name} {less[name]!r} became {more.get(name)!r}"


def _types(schema: Schema) -> set[str]:
    named = schema.get("type", ["array", "boolean", "integer", "null", "number", "object", "string"])
    types = {named} if isinstance(named, str) else set(named)
    if "const" in schema or ("enum" in schema and "type" not in schema):
        return set()  # compared by value
    return types | {"integer"} if "number" in types else types
