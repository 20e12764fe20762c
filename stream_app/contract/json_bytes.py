"""Bytes to JSON values, and why they are none."""

from __future__ import annotations

import json
import re

import orjson

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def shown(value: object) -> str:
    """A value for a message: short, whatever it is."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def why_not_json(value: bytes, error: orjson.JSONDecodeError) -> tuple[str, str]:
    """(reason, detail) of bytes that orjson refused; off the hot path."""
    try:
        value.decode()
    except UnicodeDecodeError as wrong:
        return "not_utf8", f"byte {wrong.start} is not UTF-8"
    if "depth limit" in str(error) or "recursion" in str(error).lower():
        return "too_deep", "the JSON is nested deeper than 1,024 levels"
    if _SURROGATE_ESCAPE.search(value):
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            pass
        else:
            return "lone_surrogate", "a string has half of a surrogate pair, which is no character"
    return "not_json", str(error)
