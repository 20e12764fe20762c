"""Bytes to JSON values, and why they are none."""

from __future__ import annotations

import json
import re

import orjson

_SURROGATE = re.compile("[\ud800-\udfff]")


def shown(value: object) -> str:
    """A value for a message: short, whatever it is. Lists and objects may be nested too deep, or too long, for repr."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def why_not_json(value: bytes, error: orjson.JSONDecodeError) -> tuple[str, str]:
    """(reason, detail) of bytes that orjson refused; off the hot path."""
    try:
        text = value.decode()
    except UnicodeDecodeError as wrong:
        return "not_utf8", f"byte {wrong.start} is not UTF-8; send JSON in UTF-8"
    if "depth limit" in str(error) or "recursion" in str(error).lower():
        return "too_deep", "the JSON is nested deeper than 1,024 levels; send the review's fields alone"
    if _has_lone_surrogate(text):
        return "lone_surrogate", "a string has half of a surrogate pair, which is no character; cut texts at characters"
    return "not_json", str(error)


def _has_lone_surrogate(text: str) -> bool:
    """Is it JSON but for strings like "\\ud83d"? Python's parser takes these."""
    try:
        parsed = json.loads(text, parse_constant=_refuse)
        return _SURROGATE.search(json.dumps(parsed, ensure_ascii=False)) is not None
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> None:
    """NaN and Infinity, which Python's parser takes too, are no JSON."""
    raise ValueError(constant)
