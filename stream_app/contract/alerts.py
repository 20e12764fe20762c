"""alert.v1, to bytes and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import orjson

from stream_app.contract import field
from stream_app.contract.decoding import decoded
from stream_app.contract.times import from_rfc3339, to_rfc3339
from stream_app.records import (
    Alert,
    AlertQuote,
    BadShare,
    Handling,
    ProductRule,
    RawRecord,
    Reason,
    Rejected,
    Rule,
    Severity,
)

ALERT = "alert.v1"

HEADER_RECEIVER = "stream-app-receiver"
"""Of a dead letter of an alert that could not be delivered, and of its replay: the receiver, by its name."""


def encode_alert(alert: Alert) -> bytes:
    """alert.v1 as JSON."""
    return orjson.dumps(_fields(alert))


def encode_listed_alert(alert: Alert, handling: Handling) -> bytes:
    """alert.v1 as JSON, with what people do about it: as the API lists it. No topic has these fields."""
    acknowledged, muted = handling.acknowledged, handling.muted
    return orjson.dumps(
        _fields(alert)
        | {
            "acknowledged": acknowledged
            and {"by": acknowledged.by, "at": to_rfc3339(acknowledged.at_ms), "note": acknowledged.note},
            "muted": muted and {"by": muted.by, "until": to_rfc3339(muted.until_ms), "note": muted.note},
        }
    )


def _fields(alert: Alert) -> dict[str, Any]:
    return {
        "schema": ALERT,
        "alert_id": alert.alert_id,
        "rule": alert.rule,
        "severity": alert.severity,
        "product_id": alert.product_id,
        "review_id": alert.review_id,
        "revision": alert.revision,
        "created_at": to_rfc3339(alert.created_at_ms),
        "raised_at": to_rfc3339(alert.raised_at_ms),
        "rating": alert.rating,
        "p_negative": alert.p_negative,
        "sentence": alert.sentence,
        "safety_words": alert.safety_words,
        "reason": alert.reason,
        **_of_product(alert),
    }


def _of_product(alert: Alert) -> dict[str, Any]:
    """Nothing of an alert about a review."""
    said = (alert.window, alert.baseline, alert.recovered_from, alert.aspect)
    if not alert.quotes and all(one is None for one in said):
        return {}
    return {
        "window": _share(alert.window),
        "baseline": _share(alert.baseline),
        "quotes": alert.quotes,
        "recovered_from": alert.recovered_from,
        "aspect": alert.aspect,
    }


def _share(share: BadShare | None) -> dict[str, Any] | None:
    if share is None:
        return None
    return {
        "reviews": share.reviews,
        "bad": share.bad,
        "begins_at": None if share.begins_ms is None else to_rfc3339(share.begins_ms),
        "ends_at": None if share.ends_ms is None else to_rfc3339(share.ends_ms),
    }


def decode_alert(record: RawRecord) -> Alert | Rejected:
    """The alert in a record; unknown severities become warning, unknown rules negative_review, unknown reasons none."""
    return decoded(record, alert_from)


def alert_from(fields: Mapping[str, Any]) -> Alert:
    """The alert of parsed JSON. Raises KeyError, TypeError or ValueError when it is none."""
    return Alert(
        alert_id=field.text(fields["alert_id"]),
        rule=field.known(fields["rule"], get_args(Rule), "negative_review"),
        severity=field.known(fields["severity"], get_args(Severity), "warning"),
        product_id=field.identifier(fields["product_id"]),
        created_at_ms=from_rfc3339(fields["created_at"]),
        raised_at_ms=from_rfc3339(fields["raised_at"]),
        review_id=field.optional_identifier(fields.get("review_id")),
        revision=field.optional_revision(fields.get("revision")),
        rating=field.optional_stars(fields.get("rating")),
        p_negative=field.optional_probability(fields.get("p_negative")),
        sentence=field.optional_text(fields.get("sentence")),
        safety_words=field.texts(fields.get("safety_words")),
        reason=_reason(fields.get("reason")),
        window=_share_from(fields.get("window")),
        baseline=_share_from(fields.get("baseline")),
        quotes=tuple(map(_quote_from, field.list_of(fields.get("quotes") or []))),
        recovered_from=_product_rule(fields.get("recovered_from")),
        aspect=field.optional_text(fields.get("aspect")),
    )


def receiver_named(record: RawRecord) -> str | None:
    """The receiver that alone is to get the alert in a record; None: those that the rules name."""
    found = next((value for name, value in record.headers if name == HEADER_RECEIVER), None)
    return None if found is None else found.decode("utf-8", "replace")


def _share_from(fields: Mapping[str, Any] | None) -> BadShare | None:
    if fields is None:
        return None
    return BadShare(
        reviews=field.integer(fields["reviews"]),
        bad=field.integer(fields["bad"]),
        begins_ms=field.optional_ms(fields.get("begins_at")),
        ends_ms=field.optional_ms(fields.get("ends_at")),
    )


def _quote_from(fields: Mapping[str, Any]) -> AlertQuote:
    return AlertQuote(
        review_id=field.identifier(fields["review_id"]),
        revision=field.revision(fields["revision"]),
        rating=field.optional_stars(fields.get("rating")),
        sentence=field.optional_text(fields.get("sentence")),
    )


def _product_rule(given: Any) -> ProductRule | None:
    known: tuple[ProductRule, ...] = get_args(ProductRule)
    return next((rule for rule in known if rule == given), None)


def _reason(given: Any) -> Reason | None:
    known: tuple[Reason, ...] = get_args(Reason)
    return next((reason for reason in known if reason == given), None)
