"""Events of records: received, rejected, enriched, published, applied; alerts and the texts of products."""

from __future__ import annotations

from prometheus_client import Counter

from stream_app.records import Alert
from stream_app.telemetry.logs import log, places
from stream_app.telemetry.quick_histogram import QuickHistogram

_received = Counter("stream_app_records_received_total", "Records taken from Kafka", ["role"])
_rejected = Counter("stream_app_reviews_rejected_total", "Records sent to the dead letter", ["reason"])
_published = Counter("stream_app_messages_published_total", "Messages acknowledged by the broker", ["topic"])
_applied = Counter("stream_app_reviews_applied_total", "Reviews applied to the view", ["outcome"])
_late_summaries = Counter("stream_app_summaries_late_total", "Reviews published before T5 answered")
_key_mismatch = Counter("stream_app_key_mismatches_total", "Messages whose key is not their product_id")
_latency = QuickHistogram(
    "stream_app_enrich_seconds",
    "From the record's timestamp to the enriched review's publication",
    bounds=(0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
_texts = Counter(
    "stream_app_product_texts_total", "Product texts made, by method; outdated: refused; failed: by a bug", ["method"]
)
_without_t5 = Counter("stream_app_headlines_without_t5_total", "Headlines made without T5 after unfinished claims")
_alerts = Counter("stream_app_alerts_raised_total", "Alerts raised", ["rule", "severity"])
_suppressed = Counter(
    "stream_app_alerts_suppressed_total",
    "Alerts that did not fire though their rule holds, by reason",
    ["rule", "reason"],
)
_judging_failed = Counter(
    "stream_app_products_not_judged_total", "Products whose alerts were not decided, because of a bug"
)


def records_received(role: str, count: int) -> None:
    _received.labels(role).inc(count)


def review_rejected(reason: str, topic: str, partition: int, offset: int) -> None:
    _rejected.labels(reason).inc()  # guarantee: rejects-are-counted
    log.warning("review_rejected", reason=reason, topic=topic, partition=partition, offset=offset)


def record_failed(role: str, topic: str, partition: int, offset: int, error: BaseException) -> None:
    """An exception that a record triggered: types and places. Its message may hold what a person wrote."""
    log.error(
        "record_failed",
        role=role,
        topic=topic,
        partition=partition,
        offset=offset,
        error=type(error).__name__,
        traceback=places(error),
        next_step="report this as a bug, with the traceback; the record is in the dead letter as internal_error",
    )


def message_published(topic: str, count: int = 1) -> None:
    _published.labels(topic).inc(count)


def reviews_applied(changed: int, total: int) -> None:
    _applied.labels("changed").inc(changed)
    _applied.labels("duplicate").inc(total - changed)


def key_mismatched() -> None:
    _key_mismatch.inc()


def summaries_were_late(count: int) -> None:
    _late_summaries.inc(count)


def review_enriched(seconds: float) -> None:
    _latency.observe(seconds)


def alert_raised(rule: str, severity: str) -> None:
    _alerts.labels(rule, severity).inc()


def alert_suppressed(rule: str, reason: str) -> None:
    _suppressed.labels(rule, reason).inc()


def product_judging_failed(product_id: str, error: BaseException) -> None:
    """An exception that a product's state triggered, as ``record_failed`` logs those of records."""
    _judging_failed.inc()
    log.error(
        "product_judging_failed",
        product_id=product_id,
        error=type(error).__name__,
        traceback=places(error),
        next_step="report this as a bug, with the traceback; the product raises no alerts of its own until it is fixed",
    )


def alert_notified(alert: Alert) -> None:
    """Log it without the review's words: they are personal data, for the receivers of alerts alone."""
    log.warning(
        "alert_notified",
        rule=alert.rule,
        severity=alert.severity,
        product_id=alert.product_id,
        review_id=alert.review_id,
        p_negative=alert.p_negative,
        safety_words=",".join(alert.safety_words),
    )


def product_described(product_id: str, method: str) -> None:
    _texts.labels(method).inc()
    log.debug("product_described", product_id=product_id, method=method)


def product_text_failed(product_id: str, error: BaseException) -> None:
    """An exception that a product's sentences triggered, as ``record_failed`` logs those of records."""
    _texts.labels("failed").inc()
    log.error(
        "product_text_failed",
        product=product_id,
        error=type(error).__name__,
        traceback=places(error),
        next_step="report this as a bug, with the traceback; the product has no text until its reviews change",
    )


def t5_was_left_out(product_id: str, unfinished: int) -> None:
    _without_t5.inc()
    log.warning(
        "t5_was_left_out",
        product_id=product_id,
        unfinished_claims=unfinished,
        why="the processes that made this product's text ended before they finished it",
        next_step="see why `describe` ended; the product's headline is a sentence of a review meanwhile",
    )


def product_text_was_outdated(product_id: str) -> None:
    _texts.labels("outdated").inc()
