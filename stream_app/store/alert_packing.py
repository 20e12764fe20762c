"""How alerts, the episodes of products and outboxes look inside the view's keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import orjson

from stream_app.records import Alert, AlertQuote, BadShare
from stream_app.steps.episodes import Mark, MarkState
from stream_app.steps.product_alert import quoted
from stream_app.steps.product_alerts import episode_names
from stream_app.steps.spikes import Basis, Share
from stream_app.store.packing import known_fields, unpack_evidence


def pack_alert(alert: Alert) -> bytes:
    """Without the words of reviews: of the one that it is about they stand with its product (``pack_alert_words``),
    those that it quotes are the sentences held of them.
    """
    wordless = replace(alert, sentence=None, safety_words=()) if alert.review_id else alert
    return orjson.dumps(without_quoted_words(wordless))  # guarantee: list-of-alerts-quotes-nobody


def without_quoted_words(alert: Alert) -> Alert:
    """An alert about a product, with the reviews that it quotes, without what they say."""
    return replace(alert, quotes=tuple(replace(one, sentence=None) for one in alert.quotes))


def pack_alert_words(alert: Alert) -> bytes:
    """What the alert quotes of its review."""
    return orjson.dumps([alert.sentence, alert.safety_words])


def unpack_alert(packed: bytes) -> Alert:
    """Also one of a version that had no alerts of products."""
    fields = known_fields(Alert, orjson.loads(packed))
    window, baseline = (fields.get(name) for name in ("window", "baseline"))
    return Alert(
        **fields
        | {
            "safety_words": tuple(fields["safety_words"]),
            "window": BadShare(**window) if window else None,
            "baseline": BadShare(**baseline) if baseline else None,
            "quotes": tuple(AlertQuote(**one) for one in fields.get("quotes", ())),
        }
    )


def with_alert_words(alert: Alert, kept: bytes | None) -> Alert:
    """The alert with the words kept of its review (``<revision> <raised_at> <words>``), if they are of its revision."""
    if kept is None:
        return alert
    revision, _, words = kept.split(b" ", 2)
    if int(revision) != (alert.revision or 0):
        return alert
    sentence, safety_words = orjson.loads(words)
    return replace(alert, sentence=sentence, safety_words=tuple(safety_words))


def with_quotes(alert: Alert, sentences: Sequence[bytes | None]) -> Alert:
    """The alert with the sentences held of the reviews that it quotes, where they are of the revision quoted."""
    quotes = []
    for quote, packed in zip(alert.quotes, sentences, strict=True):
        held = unpack_evidence(packed) if packed else None
        is_same = held is not None and held.revision == quote.revision
        quotes.append(replace(quote, sentence=quoted(held, alert.rule, alert.aspect) if held and is_same else None))
    return replace(alert, quotes=tuple(quotes))


def unpack_outbox(fields: Sequence[bytes]) -> tuple[tuple[str, bytes], ...]:
    """Outbox fields and their values, one after the other: (alert_id, alert), oldest first."""
    waiting = []
    for alert_id, held in zip(fields[::2], fields[1::2], strict=True):
        version, _, alert, *_ = held.split(b"\n")
        waiting.append((int(version), alert_id.decode(), alert))
    return tuple((alert_id, alert) for _, alert_id, alert in sorted(waiting))


def mark_fields() -> list[str]:
    """The fields of the state hash that hold the marks of ``episode_names``, in their order."""
    return [mark_field(name) for name in episode_names()]


def mark_field(name: str) -> str:
    """The field of the state hash that holds the mark of an episode."""
    return f"episode:{name}"


def pack_mark(mark: Mark | None) -> str:
    """``<start> <last> <state> <begun>``, and the eight integers of a basis; nothing where there is none."""
    if mark is None:
        return ""
    *parts, basis = mark
    if basis is not None:
        parts += [basis.detected, *basis.seen, basis.threshold, *basis.older, *basis.normal]
    return " ".join(map(str, parts))


def is_of_open(packed: bytes) -> bool:
    """Does the episode of this packed mark go on, as far as the view knows?"""
    return b" over " not in packed


def unpack_marks(values: Sequence[bytes | None]) -> dict[str, Mark]:
    """The values of ``mark_fields``."""
    return {name: _unpack_mark(packed) for name, packed in zip(episode_names(), values, strict=True) if packed}


def _unpack_mark(packed: bytes) -> Mark:
    start, last, state, begun, *basis = packed.decode().split(" ")
    mark = Mark(int(start), int(last), cast(MarkState, state), int(begun))
    if not basis:
        return mark
    detected, bad, reviews, threshold, *before = map(int, basis)
    older, normal = Share(*before[:2]), Share(*before[2:])
    return mark._replace(basis=Basis(detected, Share(bad, reviews), threshold, older, normal))
