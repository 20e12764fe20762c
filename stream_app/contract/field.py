"""Single fields of parsed JSON: the value, or a TypeError or ValueError where it is none of that kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from stream_app.contract.json_bytes import shown
from stream_app.contract.times import from_rfc3339
from stream_app.records import FINAL_REVISION, ModelName, Span

MAX_ID_CHARACTERS = 128
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def known(value: Any, values: tuple[Any, ...], fall_back: Any) -> Any:
    """The value of an enum, or its fall-back where a later version may have added one."""
    return value if value in values else fall_back


def object_of(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise TypeError(f"{shown(value)} is no object")
    return value


def boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError(f"{shown(value)} is neither true nor false")
    return value


def text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"{shown(value)} is no string")
    return value


def identifier(value: Any) -> str:
    """A product_id or review_id."""
    if not 0 < len(text(value)) <= MAX_ID_CHARACTERS or CONTROL.search(value):
        raise ValueError(f"{shown(value)} is no id")
    return cast(str, value)


def list_of(value: Any) -> list[Any]:
    if type(value) is not list:
        raise TypeError(f"{shown(value)} is no list")
    return value


def texts(values: Any) -> tuple[str, ...]:
    return tuple(map(text, list_of(values))) if values is not None else ()


def integer(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{shown(value)} is no integer from 0")
    return value


def revision(value: Any) -> int:
    if integer(value) > FINAL_REVISION:
        raise ValueError(f"{shown(value)} is beyond 2^53 - 1")
    return cast(int, value)


def optional_number(value: Any) -> float | None:
    if value is not None and type(value) not in (int, float):
        raise TypeError(f"{shown(value)} is no number")
    return None if value is None else float(value)


def probability(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise TypeError(f"{shown(value)} is no probability")
    return float(value)


def optional_text(value: Any) -> str | None:
    return None if value is None else text(value)


def optional_identifier(value: Any) -> str | None:
    return None if value is None else identifier(value)


def optional_revision(value: Any) -> int | None:
    return None if value is None else revision(value)


def optional_probability(value: Any) -> float | None:
    return None if value is None else probability(value)


def optional_stars(value: Any) -> int | None:
    if value is not None and not 1 <= integer(value) <= 5:
        raise ValueError(f"{value} is no number of stars")
    return cast("int | None", value)


def optional_span(fields: Mapping[str, Any] | None) -> Span | None:
    return None if fields is None else Span(integer(fields["start"]), integer(fields["end"]))


def ms(value: Any) -> int:
    """A date and time."""
    return from_rfc3339(text(value))


def optional_ms(value: Any) -> int | None:
    return None if value is None else ms(value)


def optional_model(fields: Mapping[str, Any] | None) -> ModelName | None:
    return None if fields is None else ModelName(text(fields["name"]), text(fields["revision"]))
