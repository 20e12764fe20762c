"""Records as Kafka messages: key, value and headers of what we publish."""

from __future__ import annotations

from stream_app.contract.alerts import ALERT, encode_alert
from stream_app.contract.enriched import ENRICHED_REVIEW, encode_enriched
from stream_app.contract.product_signals import PRODUCT_SIGNALS, encode_product_signals
from stream_app.contract.product_summaries import PRODUCT_SUMMARY, encode_product_summary
from stream_app.contract.times import to_rfc3339
from stream_app.records import Alert, EnrichedReview, Message, ProductSignals, ProductSummary, percent_encoded

CONTENT_TYPE = b"application/json"
SOURCE = b"stream-app"


def enriched_message(topic: str, review: EnrichedReview) -> Message:
    """Keyed by product. ``ce_id`` is product/review/revision/deleted/enrichment_version, by which consumers drop
    duplicates: what orders the states of one review in the view distinguishes them here.
    """
    product = percent_encoded(review.product_id)
    deleted = 1 if review.kind == "deleted" else 0  # guarantee: deletion-has-an-id-of-its-own
    # guarantee: enrichment-has-an-id-of-its-own
    ce_id = f"{product}/{percent_encoded(review.review_id)}/{review.revision}/{deleted}/{review.enrichment_version}"
    headers = _cloud_event(ENRICHED_REVIEW, ce_id, review.enriched_at_ms, product)
    return Message(topic, review.product_id.encode(), encode_enriched(review), headers)


def alert_message(topic: str, alert: Alert) -> Message:
    """Keyed by product; ``ce_id`` is alert_id|severity, which is the same when it is published again."""
    ce_id = f"{alert.alert_id}|{alert.severity}"
    headers = _cloud_event(ALERT, ce_id, alert.raised_at_ms, percent_encoded(alert.product_id))
    return Message(topic, alert.product_id.encode(), encode_alert(alert), headers)


def product_summary_message(topic: str, summary: ProductSummary) -> Message:
    """Keyed by product: the topic is compacted, the last one stands. ``ce_id`` is product/generation/state_version."""
    product = percent_encoded(summary.product_id)
    ce_id = f"{product}/{summary.generation}/{summary.state_version}"
    headers = _cloud_event(PRODUCT_SUMMARY, ce_id, summary.as_of_ms, product)
    return Message(topic, summary.product_id.encode(), encode_product_summary(summary), headers)


def product_signals_message(topic: str, signals: ProductSignals) -> Message:
    """Keyed and identified as ``product_summary_message``: one of each is published of a state."""
    product = percent_encoded(signals.product_id)
    ce_id = f"{product}/{signals.generation}/{signals.state_version}"
    headers = _cloud_event(PRODUCT_SIGNALS, ce_id, signals.as_of_ms, product)
    return Message(topic, signals.product_id.encode(), encode_product_signals(signals), headers)


def _cloud_event(schema: str, ce_id: str, time_ms: int, subject: str) -> tuple[tuple[str, bytes], ...]:
    """CloudEvents 1.0, Kafka binding, binary mode."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", ce_id.encode()),
        ("ce_source", SOURCE),
        ("ce_type", schema.encode()),
        ("ce_subject", subject.encode()),
        ("ce_time", to_rfc3339(time_ms).encode()),
        ("content-type", CONTENT_TYPE),
    )
