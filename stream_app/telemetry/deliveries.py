"""Events of alerts on their way to receivers. Nothing of a receiver's address, secrets or answers is logged."""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import Counter, Gauge

from stream_app.telemetry.logs import log, places

_messages = Counter(
    "stream_app_deliveries_total", "Tries to deliver a message, by outcome: delivered, failed", ["receiver", "outcome"]
)
_suppressed = Counter(
    "stream_app_deliveries_suppressed_total",
    "Alerts that a receiver gets as a number only, by reason",
    ["receiver", "reason"],
)
_given_up = Counter(
    "stream_app_deliveries_given_up_total", "Alerts that went to the dead letter instead", ["receiver", "reason"]
)
_waiting = Gauge("stream_app_deliveries_waiting", "Alerts that wait for a receiver", ["receiver"])
_oldest = Gauge("stream_app_deliveries_oldest_seconds", "Age of the oldest alert that waits", ["receiver"])


def message_delivered(receiver: str, remark: str) -> None:
    _messages.labels(receiver, "delivered").inc()
    if remark:
        log.warning("message_delivered", receiver=receiver, remark=remark)


def delivery_failed(receiver: str, error: str, failures: int, retry_in_seconds: float) -> None:
    _messages.labels(receiver, "failed").inc()
    log.warning(
        "delivery_failed",
        receiver=receiver,
        error=error,
        failures_in_a_row=failures,
        retry_in_seconds=round(retry_in_seconds, 1),
        next_step=f"none at first: it is tried for 24 h; `stream-app alerts test {receiver}` tries now",
    )


def delivery_raised(receiver: str, error: BaseException) -> None:
    """A bug, in a message or at its delivery: types and places. The exception's words may hold what a person wrote."""
    log.error(
        "delivery_raised",
        receiver=receiver,
        error=type(error).__name__,
        traceback=places(error),
        next_step="report this as a bug, with the traceback; the alert is tried again, then a dead letter",
    )


def waiting_alert_is_unreadable(receiver: str, error: BaseException) -> None:
    log.error(
        "waiting_alert_is_unreadable",
        receiver=receiver,
        error=type(error).__name__,
        traceback=places(error),
        next_step="a newer version may have queued it, and delivers it: run that. Else report this as a bug. "
        "In 24 h it becomes a dead letter",
    )


def receiver_recovered(receiver: str) -> None:
    log.info("receiver_recovered", receiver=receiver)


def receiver_disabled(receiver: str) -> None:
    _messages.labels(receiver, "failed").inc()
    log.error(
        "receiver_disabled",
        receiver=receiver,
        why="it answered 410 Gone: it wants no more",
        next_step=f"correct its address, or remove it; then run `stream-app alerts enable {receiver}`",
    )


def alerts_given_up(receiver: str, reason: str, count: int) -> None:
    _given_up.labels(receiver, reason).inc(count)
    log.error(
        "alerts_given_up",
        receiver=receiver,
        reason=reason,
        alerts=count,
        next_step=f"`stream-app dead-letter list --reason {reason}`; a replay delivers them to this receiver alone",
    )


def alert_suppressed_for(receiver: str, reason: str) -> None:
    _suppressed.labels(receiver, reason).inc()


def deliveries_waiting(receiver: str, count: int, oldest_seconds: float) -> None:
    _waiting.labels(receiver).set(count)
    _oldest.labels(receiver).set(oldest_seconds)


def receiver_is_served_elsewhere(receiver: str) -> None:
    """Another process delivers to it, and exposes the series of its queue."""
    for gauge in (_waiting, _oldest):
        with suppress(KeyError):
            gauge.remove(receiver)
