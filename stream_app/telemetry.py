"""One function per thing that happens: its log line and its metric together. Names are in the past tense."""

from __future__ import annotations

import logging
import sys

import structlog
from prometheus_client import Counter, Gauge, Histogram

log = structlog.get_logger("stream_app")

_received = Counter("stream_app_records_received_total", "Records taken from Kafka", ["role"])
_rejected = Counter("stream_app_reviews_rejected_total", "Records sent to the dead letter", ["reason"])
_published = Counter("stream_app_messages_published_total", "Messages acknowledged by the broker", ["topic"])
_applied = Counter("stream_app_reviews_applied_total", "Reviews applied to the view", ["outcome"])
_alerts = Counter("stream_app_alerts_raised_total", "Alerts raised", ["rule", "severity"])
_key_mismatch = Counter("stream_app_key_mismatches_total", "Messages whose key is not their product_id")
_late_summaries = Counter("stream_app_summaries_late_total", "Reviews published before T5 answered")
_unavailable = Counter("stream_app_dependency_unavailable_total", "Failed tries to reach a dependency", ["dependency"])
_latency = Histogram(
    "stream_app_enrich_seconds",
    "From the record's timestamp to the enriched review's publication",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
_look_ups = Histogram(
    "stream_app_api_seconds",
    "From a request to the beginning of its answer",
    ["route", "status"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1),
)
_ready = Gauge("stream_app_ready", "1 when the role takes records", ["role"])


def configure(level: str, as_json: bool) -> None:
    """Log lines to stderr: for people by default, JSON where machines read them."""
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def records_received(role: str, count: int) -> None:
    _received.labels(role).inc(count)


def review_rejected(reason: str, topic: str, partition: int, offset: int) -> None:
    _rejected.labels(reason).inc()
    log.warning("review_rejected", reason=reason, topic=topic, partition=partition, offset=offset)


def message_published(topic: str, count: int = 1) -> None:
    _published.labels(topic).inc(count)


def review_applied(changed: bool) -> None:
    _applied.labels("changed" if changed else "duplicate").inc()


def alert_raised(rule: str, severity: str) -> None:
    _alerts.labels(rule, severity).inc()


def key_mismatched() -> None:
    _key_mismatch.inc()


def summary_was_late() -> None:
    _late_summaries.inc()


def review_enriched(seconds: float) -> None:
    _latency.observe(seconds)


def look_up_answered(route: str, status: int, seconds: float) -> None:
    _look_ups.labels(route, str(status)).observe(seconds)


def role_became_ready(role: str, **facts: object) -> None:
    _ready.labels(role).set(1)
    log.info("role_became_ready", role=role, **facts)


def dependency_unavailable(dependency: str, error: str, retry_in_seconds: float) -> None:
    _unavailable.labels(dependency).inc()
    log.warning(
        "dependency_unavailable",
        dependency=dependency,
        error=error,
        retry_in_seconds=round(retry_in_seconds, 2),
    )


def dependency_returned(dependency: str) -> None:
    log.info("dependency_returned", dependency=dependency)


def process_ends(reason: str) -> None:
    log.critical("process_ends", reason=reason, next_step="see the error above; nothing unfinished was committed")
