"""How values look inside the view's keys: integers separated by spaces, and JSON that no script ever reads."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from stream_app.records import Alert, Evidence, ModelName, ProductText
from stream_app.steps.fold import EMPTY_TALLY, Contribution, ProductState, Tally

_INTEGERS_PER_HOUR = 1 + len(EMPTY_TALLY)

TEXT_FIELDS = (b"totals", b"arrived", b"text", b"text_arrived", b"cited")
"""The fields of the state hash that say whether a text is due."""


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
    return orjson.dumps(alert)


def unpack_alert(packed: bytes) -> Alert:
    fields = orjson.loads(packed)
    return Alert(**fields | {"safety_words": tuple(fields["safety_words"])})


def reviews_in(tally: bytes) -> int:
    """How many standing reviews a packed tally counts: negative, neutral, positive, unknown."""
    return sum(unpack_tally(tally)[:4])


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
        text_arrived=int(fields.get(b"text_arrived", 0)),
        cited=orjson.loads(fields.get(b"cited", b"{}")),
    )


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
