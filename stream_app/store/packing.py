"""How values look inside the view's keys: integers separated by spaces, and JSON that no script ever reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from stream_app.records import Alert, Evidence, ModelName, ProductText
from stream_app.steps.fold import EMPTY_TALLY, Contribution, ProductState, Tally

_INTEGERS_PER_HOUR = 1 + len(EMPTY_TALLY)

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
)
"""The fields of the state hash that decide what is due: ``text_totals`` is there while a text stands."""

_CITED = b"cited:"
_NO_TEXT_READ = ProductText("", "", "none", (), None, 0)


def pack_integers(values: Contribution | Tally) -> str:
    """``1 0 1 …``: what the scripts add and compare."""
    return " ".join(map(str, values))


def unpack_tally(packed: bytes | None) -> Tally:
    """A missing one is empty."""
    return tuple(map(int, packed.split())) if packed else EMPTY_TALLY


def unpack_contribution(packed: bytes) -> Contribution:
    """The contribution, or the marker of a deletion."""
    return Contribution(*map(int, packed.split()))


def pack_evidence(evidence: Evidence | None) -> bytes:
    """Nothing where there is no sentence."""
    return orjson.dumps(evidence) if evidence else b""


def unpack_evidence(packed: bytes) -> Evidence:
    return Evidence(**orjson.loads(packed))


def pack_text(text: ProductText) -> bytes:
    return orjson.dumps(text)


def unpack_text(packed: bytes) -> ProductText:
    fields = orjson.loads(packed)
    model = fields.pop("model")
    return ProductText(**fields | {"evidence": tuple(fields["evidence"])}, model=ModelName(**model) if model else None)


def pack_alert(alert: Alert) -> bytes:
    """Without the words of the review, if it is about one: they stand with its product (``pack_alert_words``)."""
    return orjson.dumps(replace(alert, sentence=None, safety_words=()) if alert.review_id else alert)


def pack_alert_words(alert: Alert) -> bytes:
    """What the alert quotes of its review."""
    return orjson.dumps([alert.sentence, alert.safety_words])


def unpack_alert(packed: bytes) -> Alert:
    fields = orjson.loads(packed)
    return Alert(**fields | {"safety_words": tuple(fields["safety_words"])})


def reviews_in(tally: bytes) -> int:
    """How many standing reviews a packed tally counts: negative, neutral, positive, unknown."""
    return sum(unpack_tally(tally)[:4])


def with_alert_words(alert: Alert, kept: bytes | None) -> Alert:
    """The alert with the words kept of its review (``<revision> <raised_at> <words>``), if they are of its revision."""
    if kept is None:
        return alert
    revision, _, words = kept.split(b" ", 2)
    if int(revision) != (alert.revision or 0):
        return alert
    sentence, safety_words = orjson.loads(words)
    return replace(alert, sentence=sentence, safety_words=tuple(safety_words))


def unpack_state(product_id: str, fields: Mapping[bytes, bytes]) -> ProductState:
    """The state hash as the fold knows it, without the reviews' contributions and sentences (keys of their own)."""
    text, newest = fields.get(b"text"), fields.get(b"newest")
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
    )


def unpack_due_state(product_id: str, values: Sequence[bytes | None]) -> ProductState:
    """The values of DUE_FIELDS as the state that the rules of steps/due.py need; of the text only that there is one."""
    fields = {name.encode(): value for name, value in zip(DUE_FIELDS, values, strict=True) if value is not None}
    return ProductState(
        product_id,
        version=int(fields.get(b"version", 0)),
        totals=unpack_tally(fields.get(b"totals")),
        arrived=int(fields.get(b"arrived", 0)),
        text=_NO_TEXT_READ if b"text_totals" in fields else None,
        texts=int(fields.get(b"texts", 0)),
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


def _unpack_buckets(fields: Mapping[bytes, bytes]) -> dict[int, Tally]:
    """``;<hour of the day> <tally>;…`` of each day field → hour since 1970: tally. A busy product has 800 of them."""
    buckets: dict[int, Tally] = {}
    for day, packed in split_days(fields)[0].items():
        integers = map(int, packed.replace(b";", b" ").split())
        for hour, *tally in zip(*[integers] * _INTEGERS_PER_HOUR, strict=True):
            buckets[24 * day + hour] = tuple(tally)
    return buckets
