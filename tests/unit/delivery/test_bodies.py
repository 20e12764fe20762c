"""What is posted, against JSON written out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import orjson
import pytest

from stream_app import contract
from stream_app.delivery.bodies import body_of, wording
from stream_app.delivery.receivers import HttpKind, HttpReceiver, Notification
from stream_app.records import Alert, ProductRule
from tests.schemas import validator
from tests.unit.delivery.samples import HOSTILE, NEGATIVE, RECOVERED, SAFETY, SPIKE, notification


def body(kind: HttpKind, message: Notification) -> Any:
    return orjson.loads(body_of(HttpReceiver("ops", kind, "https://example.com", routing_key="key"), message))


def test_generic_body_is_the_alerts_as_they_are_published() -> None:
    alert = {
        "schema": "alert.v1",
        "alert_id": "safety|p-1|r-1",
        "rule": "safety",
        "severity": "critical",
        "product_id": "p-1",
        "review_id": "r-1",
        "revision": 3,
        "created_at": "2026-05-01T09:30:00.000Z",
        "raised_at": "2026-05-01T10:00:01.100Z",
        "rating": 2,
        "p_negative": None,
        "sentence": "I burned <my> hand & arm!",
        "safety_words": ["burn"],
        "reason": "terms",
    }

    assert body("webhook", notification(SAFETY, suppressed={"cool_down": 3})) == {
        "schema": "alert-delivery.v1",
        "alerts": [alert],
        "suppressed": {"cool_down": 3, "quiet_hours": 0, "muted": 0, "acknowledged": 0},
        "test": False,
    }


def test_generic_body_fits_its_schema_whatever_it_holds() -> None:
    for message in (notification(SAFETY, NEGATIVE, is_test=True), notification(HOSTILE), notification(RECOVERED)):
        posted = body("webhook", message)
        validator("alert-delivery.v1").validate(posted)
        for alert in posted["alerts"]:
            validator("alert.v1").validate(alert)


def test_alertmanager_body() -> None:
    message = notification(SAFETY, suppressed={"quiet_hours": 1}, product_url="https://shop.example/{product_id}")

    assert body("alertmanager", message) == {
        "version": "4",
        "groupKey": "msg_1",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "ops",
        "groupLabels": {},
        "commonLabels": {"alertname": "safety", "product_id": "p-1", "review_id": "r-1", "severity": "critical"},
        "commonAnnotations": {
            "summary": "safety (burn) – product p-1",
            "description": "I burned <my> hand & arm!\nreview r-1\n2 stars\n"
            "1 alert not delivered in quiet hours since the message before.",
        },
        "externalURL": "",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "safety", "product_id": "p-1", "review_id": "r-1", "severity": "critical"},
                "annotations": {
                    "summary": "safety (burn) – product p-1",
                    "description": "I burned <my> hand & arm!\nreview r-1\n2 stars\n"
                    "1 alert not delivered in quiet hours since the message before.",
                },
                "startsAt": "2026-05-01T10:00:01.100Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://shop.example/p-1",
                "fingerprint": "e57a722dab41684c",
            }
        ],
    }


def test_recovery_resolves_the_spike_in_alertmanagers_form() -> None:
    [fired], [ended] = (body("alertmanager", notification(one))["alerts"] for one in (SPIKE, RECOVERED))

    assert (ended["status"], ended["endsAt"]) == ("resolved", "2026-05-01T10:00:01.100Z")
    assert body("alertmanager", notification(RECOVERED))["status"] == "resolved"
    assert fired["fingerprint"] == ended["fingerprint"]


def test_alert_that_becomes_graver_keeps_its_fingerprint() -> None:
    [milder], [graver] = (
        body("alertmanager", notification(Alert(**{**_fields(SAFETY), "severity": one})))["alerts"]
        for one in ("info", "critical")
    )
    assert milder["fingerprint"] == graver["fingerprint"]


def test_pagerduty_event() -> None:
    assert body("pagerduty", notification(NEGATIVE, product_url="https://shop.example/?id={product_id}")) == {
        "routing_key": "key",
        "event_action": "trigger",
        "dedup_key": "negative_review|p-2|r-2",
        "client": "stream-app",
        "links": [{"href": "https://shop.example/?id=p-2", "text": "p-2"}],
        "payload": {
            "summary": "WARNING: negative review – product p-2",
            "source": "p-2",
            "severity": "warning",
            "timestamp": "2026-05-01T10:00:01.105Z",
            "class": "negative_review",
            "custom_details": {"alerts": [orjson.loads(contract.encode_alert(NEGATIVE))], "remarks": []},
        },
    }


def test_acknowledgement_at_pagerduty_names_the_incident_alone() -> None:
    """No words and no name: whoever is on call reads there that it is taken care of."""
    assert body("pagerduty", replace(notification(NEGATIVE), acknowledges=True)) == {
        "routing_key": "key",
        "event_action": "acknowledge",
        "dedup_key": NEGATIVE.alert_id,
    }


def test_recovery_resolves_the_incident_of_the_spike_at_pagerduty() -> None:
    event = body("pagerduty", notification(RECOVERED))

    assert (event["event_action"], event["dedup_key"]) == ("resolve", SPIKE.alert_id)


def test_alert_about_a_product_quotes_its_reviews() -> None:
    assert wording.facts(SPIKE) == ["“It broke & <smokes>.”"]
    assert "It broke &amp; &lt;smokes&gt;." in orjson.dumps(body("slack", notification(SPIKE))).decode()


@pytest.mark.parametrize("rule", get_args(ProductRule))
def test_recovery_of_each_rule_resolves_its_alert(rule: ProductRule) -> None:
    alert = replace(SPIKE, rule=rule, alert_id=f"{rule}|p-1|2026-05-01T08")
    over = replace(RECOVERED, recovered_from=rule, alert_id=f"recovered|p-1|{rule}|2026-05-01T08")
    [fired], [ended] = (body("alertmanager", notification(one))["alerts"] for one in (alert, over))

    assert fired["fingerprint"] == ended["fingerprint"]
    fired, ended = (body("pagerduty", notification(one)) for one in (alert, over))
    assert (fired["dedup_key"], ended["dedup_key"]) == (alert.alert_id, alert.alert_id)
    assert (fired["event_action"], ended["event_action"]) == ("trigger", "resolve")


def test_digest_is_an_incident_of_its_own_at_pagerduty() -> None:
    event = body("pagerduty", notification(RECOVERED, NEGATIVE))

    assert (event["event_action"], event["dedup_key"]) == ("trigger", "msg_1")
    assert event["payload"]["summary"] == "WARNING: 2 alerts about 2 products"


def test_pagerduty_event_keeps_the_limits_of_the_service() -> None:
    event = body("pagerduty", notification(HOSTILE))

    assert len(body_of(HttpReceiver("ops", "pagerduty", ""), notification(*[HOSTILE] * 20))) < 512_000
    assert len(event["dedup_key"]) <= 255
    assert len(event["payload"]["summary"]) <= 1024
    assert event["dedup_key"] == body("pagerduty", notification(HOSTILE))["dedup_key"]


def test_slack_blocks() -> None:
    message = notification(
        SAFETY, suppressed={"cool_down": 2, "quiet_hours": 1}, product_url="https://shop.example/{product_id}"
    )

    assert body("slack", message) == {
        "text": "CRITICAL: safety (burn) – product p-1",
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": "CRITICAL: safety (burn) – product p-1", "emoji": False},
            },
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": "<https://shop.example/p-1|safety (burn) – product p-1>\n"
                    ">I burned &lt;my&gt; hand &amp; arm!",
                    "verbatim": True,
                },
            },
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "review r-1, 2 stars", "verbatim": True}]},
            {
                "type": "context",
                "elements": [
                    {
                        "type": "mrkdwn",
                        "text": "2 alerts not delivered by a cool-down since the message before. "
                        "1 alert not delivered in quiet hours since the message before.",
                        "verbatim": True,
                    }
                ],
            },
        ],
    }


def test_slack_blocks_keep_the_limits_of_the_service() -> None:
    """Long words, and characters that become five; a message that breaks a limit is refused as a whole."""
    message = notification(
        *[HOSTILE] * 20, suppressed={"cool_down": 10**9}, product_url="https://shop.example/{product_id}", is_test=True
    )
    posted = body("slack", message)

    assert len(posted["blocks"]) <= 50
    assert len(posted["blocks"][0]["text"]["text"]) <= 150
    texts = [one["text"] for block in posted["blocks"][1:] for one in block.get("elements", [block.get("text")])]
    assert max(map(len, texts)) <= 3000
    assert len(posted["text"]) <= 3000
    cut = posted["blocks"][1]["text"]["text"]
    assert cut.endswith("&amp;…")
    assert len(cut) > 1500


def test_slack_makes_neither_links_nor_mentions_of_what_people_write() -> None:
    alert = Alert("x", "negative_review", "info", "p<!channel>", 0, 0, review_id="r", sentence="<!here> <@U1>\n> &lt;")
    posted = body("slack", notification(alert))

    assert posted["blocks"][1]["text"]["text"] == (
        "*negative review – product p&lt;!channel&gt;*\n>&lt;!here&gt; &lt;@U1&gt; &gt; &amp;lt;"
    )


def _fields(alert: Alert) -> dict[str, Any]:
    return {name: getattr(alert, name) for name in Alert.__dataclass_fields__}
