"""How values look inside the view's keys: integers separated by spaces, and JSON that no script ever reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import orjson

from stream_app.records import Evidence, Mention, ModelName, ProductText, Themes
from stream_app.steps.aspect_counts import AspectTally, Polarity, Said
from stream_app.steps.fold import EMPTY_TALLY, Contribution, ProductState, Tally
from stream_app.store.theme_packing import unpack_themes

_INTEGERS_PER_HOUR = 1 + len(EMPTY_TALLY)
_INTEGERS_OF_A_CONTRIBUTION = 7
_SAID = re.compile(r"([-*+.])([A-Za-z]+)")
_NO_ASPECTS: Mapping[str, str] = {}
_DAYS_KEPT = 16_384  # about 1 KB each

DUE_FIELDS = (
    "version",
    "texts",
    "totals",
    "arrived",
    "text_arrived",
    "text_totals",
    "text_made_at",
    "text_changed",
    "published",
    "published_at",
    "highlights_made_at",
)
"""The fields of the state hash that decide what is due: ``text_totals`` is there while a text stands."""

_CITED = b"cited:"
_ASPECTS_OF_A_DAY = b"aspects:"
_HAZARD = b"hazard:"
_NO_THEMES_READ = Themes(0, 0, ())
_NO_TEXT_READ = ProductText("", "", "none", (), None, 0)


def pack_integers(values: Tally) -> str:
    """``1 0 1 …``: what the scripts add and compare."""
    return " ".join(map(str, values))


def pack_contribution(contribution: Contribution) -> str:
    """Its integers; the script adds what it says of aspects (``pack_said``), in short, and ``!`` for a mismatch."""
    return " ".join(map(str, contribution[:_INTEGERS_OF_A_CONTRIBUTION]))


def pack_said(said: Said) -> str:
    """``-durability +quality``."""
    return " ".join(polarity + aspect for polarity, aspect in said)


def unpack_tally(packed: bytes | None) -> Tally:
    """A missing one is empty."""
    return tuple(map(int, packed.split())) if packed else EMPTY_TALLY


def unpack_contribution(packed: bytes, aspect_ids: Mapping[str, str] = _NO_ASPECTS) -> Contribution:
    """The contribution, or the marker of a deletion. ``aspect_ids``: of its product (``unpack_aspect_ids``); without
    them what it says of aspects is left out.
    """
    parts = packed.split()
    contribution = Contribution(*map(int, parts[:_INTEGERS_OF_A_CONTRIBUTION]))  # type: ignore[arg-type]
    for short in parts[_INTEGERS_OF_A_CONTRIBUTION:]:
        said = _unpack_said(short.decode(), aspect_ids)
        contribution = contribution._replace(said=said, mismatch=short.endswith(b"!"))
    return contribution


def unpack_aspect_ids(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    """The aspects of a state hash: letter -> id."""
    named = fields.get(b"aspect_letters", b"").decode().split()
    return {letter: aspect for aspect, _, letter in (one.partition("=") for one in named)}


def pack_evidence(evidence: Evidence | None) -> bytes:
    """Nothing where there is no sentence."""
    return orjson.dumps(evidence, default=list) if evidence else b""  # mentions as lists


def unpack_evidence(packed: bytes) -> Evidence:
    fields = known_fields(Evidence, orjson.loads(packed))
    mentions = [
        Mention(start, end, label, tuple(ids), *begins)
        for start, end, label, ids, *begins in fields.pop("mentions", ())
    ]
    key = fields.pop("key", None)
    return Evidence(**fields, mentions=tuple(mentions), key=None if key is None else (key[0], key[1]))


def pack_text(text: ProductText) -> bytes:
    return orjson.dumps(text)


def unpack_text(packed: bytes) -> ProductText:
    fields = orjson.loads(packed)
    model = fields.pop("model")
    return ProductText(**fields | {"evidence": tuple(fields["evidence"])}, model=ModelName(**model) if model else None)


def known_fields(kind: type[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without those that a newer version wrote."""
    return {name: fields[name] for name in kind.__dataclass_fields__ if name in fields}


def reviews_in(tally: bytes) -> int:
    """How many standing reviews a packed tally counts: negative, neutral, positive, unknown."""
    return sum(unpack_tally(tally)[:4])


def unpack_state(product_id: str, fields: Mapping[bytes, bytes]) -> ProductState:
    """The state hash as the fold knows it, without the reviews' contributions and sentences (keys of their own)."""
    text, newest, themes = (fields.get(name) for name in (b"text", b"newest", b"highlights"))
    aspect_ids = unpack_aspect_ids(fields)
    return ProductState(
        product_id,
        version=int(fields.get(b"version", 0)),
        totals=unpack_tally(fields.get(b"totals")),
        buckets=_unpack_buckets(fields),
        newest_ms=int(newest) if newest else None,
        arrived=int(fields.get(b"arrived", 0)),
        text=unpack_text(text) if text else None,
        texts=int(fields.get(b"texts", 0)),
        **_integers_about_text(fields),
        cited={
            name.removeprefix(_CITED).decode(): int(revision)
            for name, revision in fields.items()
            if name.startswith(_CITED)
        },
        themes=unpack_themes(themes) if themes else None,
        aspects=_unpack_aspects(fields.get(b"aspects", b""), aspect_ids),
        aspect_days={
            int(name.removeprefix(_ASPECTS_OF_A_DAY)): _unpack_aspects(packed, aspect_ids)
            for name, packed in fields.items()
            if name.startswith(_ASPECTS_OF_A_DAY)
        },
        mismatches=int(fields.get(b"mismatches", 0)),
        hazards={
            name.removeprefix(_HAZARD).decode(): int(hour) for name, hour in fields.items() if name.startswith(_HAZARD)
        },
    )


def unpack_due_state(product_id: str, values: Sequence[bytes | None]) -> ProductState:
    """The values of DUE_FIELDS as the state that the rules of steps/due.py need; of text and themes only that there are
    some.
    """
    fields = {name.encode(): value for name, value in zip(DUE_FIELDS, values, strict=True) if value is not None}
    return ProductState(
        product_id,
        version=int(fields.get(b"version", 0)),
        totals=unpack_tally(fields.get(b"totals")),
        arrived=int(fields.get(b"arrived", 0)),
        text=_NO_TEXT_READ if b"text_totals" in fields else None,
        texts=int(fields.get(b"texts", 0)),
        themes=_NO_THEMES_READ if b"highlights_made_at" in fields else None,
        **_integers_about_text(fields),
    )


def _integers_about_text(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    made_at = fields.get(b"text_made_at")
    return {
        "text_arrived": int(fields.get(b"text_arrived", 0)),
        "text_totals": unpack_tally(fields.get(b"text_totals")),
        "text_made_at_ms": None if made_at is None else int(made_at),
        "text_changed": int(fields.get(b"text_changed", 0)),
        "published": int(fields.get(b"published", 0)),
        "published_at_ms": int(fields.get(b"published_at", 0)),
    }


def split_days(fields: Mapping[bytes, bytes]) -> tuple[dict[int, bytes], dict[bytes, bytes]]:
    """The packed days of a state hash by day (since 1970, UTC), and its other fields."""
    days: dict[int, bytes] = {}
    others: dict[bytes, bytes] = {}
    for name, packed in fields.items():
        if name.lstrip(b"-").isdigit():
            days[int(name)] = packed
        else:
            others[name] = packed
    return days, others


def _unpack_aspects(packed: bytes, aspect_ids: Mapping[str, str]) -> dict[str, AspectTally]:
    """``;<letter> <mentions> <negative> <positive>;…`` -> aspect id: tally."""
    return {aspect_ids[letter]: tally for letter, tally in _tallies_by_letter(packed)}


@lru_cache(maxsize=_DAYS_KEPT)
def _tallies_by_letter(packed: bytes) -> tuple[tuple[str, AspectTally], ...]:
    """Kept by content: days that are over seldom change."""
    found = []
    for tally in packed.decode().split(";")[1:]:
        letter, mentions, negative, positive = tally.split(" ")
        found.append((letter, (int(mentions), int(negative), int(positive))))
    return tuple(found)


def _unpack_said(short: str, aspect_ids: Mapping[str, str]) -> Said:
    """``-AC*D`` -> what it says of each aspect, in the order that it was in."""
    if not aspect_ids:
        return ()
    return tuple(
        (cast(Polarity, polarity), aspect_ids[letter])
        for polarity, letters in _SAID.findall(short)
        for letter in letters
    )


def _unpack_buckets(fields: Mapping[bytes, bytes]) -> dict[int, Tally]:
    """``;<hour of the day> <tally>;…`` of each day field → hour since 1970: tally. A busy product has 800 of them."""
    buckets: dict[int, Tally] = {}
    for day, packed in split_days(fields)[0].items():
        integers = map(int, packed.replace(b";", b" ").split())
        for hour, *tally in zip(*[integers] * _INTEGERS_PER_HOUR, strict=True):
            buckets[24 * day + hour] = tuple(tally)
    return buckets
