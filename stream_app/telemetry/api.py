"""Events of the API."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

_look_ups = Histogram(
    "stream_app_api_seconds",
    "From a request to the beginning of its answer",
    ["route", "status"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1),
)
_limited = Counter("stream_app_api_clients_limited_total", "Connections and streams refused or ended", ["limit"])

_handled = Counter("stream_app_alerts_handled_total", "Alerts that people acknowledged, muted or took back", ["action"])


def look_up_answered(route: str, status: int, seconds: float) -> None:
    _look_ups.labels(route, str(status)).observe(seconds)


def client_was_limited(limit: str) -> None:
    _limited.labels(limit).inc()


def alert_was_handled(action: str) -> None:
    """Counted alone: who did it is personal data."""
    _handled.labels(action).inc()
