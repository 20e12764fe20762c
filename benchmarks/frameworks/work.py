"""The work of the overhead benchmark for one review: all of `enrich` but the models, which cost nothing.

Imports only `contract`, `steps` and `records`, so that other frameworks run it in environments of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

from stream_app import contract
from stream_app.records import Alert, Message, ModelName, Position, RawRecord, Rejected, Scores
from stream_app.steps import alert_rules, assemble, prepare

MODEL = ModelName("noop", "costs nothing")
SUMMARY_MIN_WORDS = 20
ALERT_THRESHOLD = 0.8
_ALERT_MAX_AGE_MS = 48 * 3_600_000
_MAX_FUTURE_MS = 300_000
_MAX_TEXT_CHARACTERS = 20_000
_ENRICHMENT_VERSION = 1

_SCORES = (
    Scores(0.91, 0.06, 0.03),
    Scores(0.3, 0.5, 0.2),
    *[Scores(0.02, 0.08, 0.9)] * 6,
)


def noop_scores(text: str) -> Scores:
    """Scores that cost nothing and follow from the text: an eighth of the reviews is negative."""
    return _SCORES[len(text) % len(_SCORES)]


def enriched_and_alerts(
    topic: str,
    partition: int,
    offset: int,
    timestamp_ms: int,
    key: bytes | None,
    value: bytes | None,
    *,
    enriched_topic: str,
    alerts_topic: str,
    now_ms: int,
) -> list[Message]:
    """The messages that one record leads to: its alert, if one is due, and the enriched review, summaries off.

    Each by itself; a worker searches a hundred reviews at once for safety terms, which is 1 to 2 µs less for each.

    Raises ValueError for what would be rejected: the workload has none.
    """
    record = RawRecord(topic, partition, offset, timestamp_ms, key, value)
    review = contract.decode_review(
        record, now_ms=now_ms, max_future_ms=_MAX_FUTURE_MS, max_text_characters=_MAX_TEXT_CHARACTERS
    )
    if isinstance(review, Rejected):
        raise ValueError(f"offset {offset} is rejected: {review.detail}")
    prepared = prepare.prepare(review, None)
    if isinstance(prepared, prepare.Unusable):
        raise ValueError(f"offset {offset} is rejected: {prepared.detail}")
    sentiment = assemble.sentiment_of(noop_scores(prepared.model_text))
    alert = alert_rules.negative_review(
        review,
        prepared,
        sentiment,
        produced_at_ms=record.plausible_timestamp_ms(now_ms),
        before=None,
        threshold=ALERT_THRESHOLD,
        max_age_ms=_ALERT_MAX_AGE_MS,
        now_ms=now_ms,
    )
    enriched = assemble.assemble(
        review,
        prepared,
        sentiment=sentiment,
        sentiment_missing=None,
        truncated=False,
        abstract=None,
        with_summary=False,
        min_words=SUMMARY_MIN_WORDS,
        sentiment_model=MODEL,
        summary_model=None,
        enrichment_version=_ENRICHMENT_VERSION,
        now_ms=now_ms,
        position=Position(topic, partition, offset),
    )
    messages = [contract.alert_message(alerts_topic, alert)] if isinstance(alert, Alert) else []
    messages.append(contract.enriched_message(enriched_topic, enriched))
    return messages


def first_difference(inputs: Iterable[RawRecord], outputs: dict[Position, RawRecord]) -> str | None:
    """The first input whose enriched record is missing or has other key or bytes than the steps give; None: all equal.

    ``outputs``: enriched records by the position of their input. The time of enriching is taken from the output.
    """
    for record in inputs:
        position = Position(record.topic, record.partition, record.offset)
        output = outputs.get(position)
        if output is None:
            return f"{position} led to nothing"
        decoded = contract.decode_enriched(output)
        if isinstance(decoded, Rejected):
            return f"{position} led to {decoded.detail}"
        expected = enriched_and_alerts(
            *record[:6], enriched_topic=output.topic, alerts_topic="", now_ms=decoded.enriched_at_ms
        )[-1]
        if (output.key, output.value) != (expected.key, expected.value):
            return f"{position} led to {output.value!r}, not {expected.value!r}"
        if dict(output.headers).get("ce_id") != dict(expected.headers)["ce_id"]:
            return f"{position} led to the headers {output.headers}"
    return None
