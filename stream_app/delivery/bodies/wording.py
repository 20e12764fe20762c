"""An alert in words, for messages that people read."""

from __future__ import annotations

from stream_app.delivery.receivers import Notification
from stream_app.records import SEVERITIES, Alert, Severity, percent_encoded
from stream_app.steps.delivery_queue import Suppression

_RULES = {
    "safety": "safety",
    "negative_review": "negative review",
    "negative_spike": "many negative reviews",
    "rating_drop": "many reviews of one or two stars",
    "safety_cluster": "several reviews about hazards",
    "recovered": "recovered",
}
_SUPPRESSED: dict[Suppression, str] = {
    "cool_down": "by a cool-down",
    "quiet_hours": "in quiet hours",
    "muted": "while muted",
    "acknowledged": "once acknowledged",
}
_TEST = "This is a test of stream-app: nothing happened."


def heading(notification: Notification) -> str:
    """One line about the whole message: "CRITICAL: safety (burn) – product p-1"."""
    test = "TEST " if notification.is_test else ""
    alerts = notification.alerts
    if len(alerts) > 1:
        products = len({one.product_id for one in alerts})
        return f"{test}{gravest(alerts).upper()}: {len(alerts)} alerts about {_number(products, 'product')}"
    return f"{test}{alerts[0].severity.upper()}: {what(alerts[0])}"


def what(alert: Alert) -> str:
    """ "safety (burn) – product p-1"."""
    kinds = f" ({', '.join(alert.safety_words)})" if alert.safety_words else ""
    return on_one_line(f"{_RULES.get(alert.rule, alert.rule.replace('_', ' '))}{kinds} – product {alert.product_id}")


def facts(alert: Alert) -> list[str]:
    """What is known beside the rule and the sentence, for people."""
    known = []
    if alert.review_id is not None:
        known.append(f"review {alert.review_id}")
    if alert.rating is not None:
        known.append(_number(alert.rating, "star"))
    if alert.p_negative is not None:
        known.append(f"negative with probability {alert.p_negative:.2f}")
    known += [f"“{on_one_line(one.sentence)}”" for one in alert.quotes if one.sentence]
    return known


def remarks(notification: Notification) -> list[str]:
    """What was suppressed since the message before, and whether this one is a test."""
    counted = [
        f"{_number(count, 'alert')} not delivered {_SUPPRESSED[reason]} since the message before."
        for reason, count in notification.suppressed.items()
        if count
    ]
    return [*([_TEST] if notification.is_test else []), *counted]


def gravest(alerts: tuple[Alert, ...]) -> Severity:
    """The gravest severity among them."""
    return max((one.severity for one in alerts), key=SEVERITIES.index)


def product_link(notification: Notification, alert: Alert) -> str:
    """The address of the product's page; empty where the file of receivers names none."""
    return notification.product_url.replace("{product_id}", percent_encoded(alert.product_id))


def on_one_line(text: str) -> str:
    """With a space for each run of white space."""
    return " ".join(text.split())


def cut(text: str, most: int) -> str:
    """At most ``most`` characters; an ellipsis shows that some are missing."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
