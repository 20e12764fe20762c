"""Which products of the sample stream alarm, and by which review."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from stream_app.records import Alert, EnrichedReview, Label, Opinion
from stream_app.settings import Settings
from stream_app.steps.aspects import load_aspects
from stream_app.steps.aspects.keywords import aspects_by_keyword
from stream_app.steps.fold import ProductState
from stream_app.steps.product_alert import alert_of
from stream_app.steps.product_alerts import Marks, Policy, verdict
from stream_app.steps.sentences import sentences
from tests.behaviour.enriched import HOUR_MS, enriched
from tests.unit.embedded.test_sample import LINES, broken, parsed

ASPECTS = load_aspects()


def as_read(message: dict[str, Any]) -> EnrichedReview:
    """What `enrich` would make of it with a model that believes the stars, and finds aspects by keywords."""
    at_ms = round(datetime.fromisoformat(message["created_at"]).timestamp() * 1000)
    label = {1: "negative", 2: "negative", 3: "neutral"}.get(message["rating"], "positive")
    return enriched(
        message["review_id"],
        message["product_id"],
        created_at_ms=at_ms,
        rating=message["rating"],
        text=message["text"],
        label=label,
        key_sentence=None,
        opinions=opinions_by_keyword(message, label),
    )


def opinions_by_keyword(message: dict[str, Any], label: str) -> tuple[Opinion, ...]:
    """The sentences with a keyword of an aspect, all of them as bad or good as the review."""
    text, language = message["text"], message.get("language", "en")
    found = [(span, aspects_by_keyword(text[span.start : span.end], language, ASPECTS)) for span in sentences(text)]
    return tuple(Opinion(span, cast(Label, label), 0.9, aspects) for span, aspects in found if aspects)


def alarmed() -> list[tuple[str, Alert]]:
    """(the review that was applied last, the alert), judged after each review as it comes."""
    states: dict[str, ProductState] = {}
    marks: dict[str, Marks] = {}
    raised = []
    for message in parsed(LINES):
        if broken(message) or message.get("deleted"):
            continue
        review = as_read(message)
        state = states.setdefault(review.product_id, ProductState(review.product_id))
        state.apply(review)
        now_ms = state.newest_ms or 0
        policy = Policy(accepted=Settings(_env_file=None).spike_false_alarms_of_a_rule, max_age_ms=48 * HOUR_MS)
        hours = {review.created_at_ms // HOUR_MS}
        marks[review.product_id], findings = verdict(state, marks.get(review.product_id, {}), hours, policy, now_ms)
        for one in findings:
            if (alert := alert_of(one, state, state.newest_sentences(), now_ms)) is not None:
                raised.append((review.review_id, alert))
    return raised


def test_bad_batches_and_the_products_that_turn_bad_alarm_and_no_others() -> None:
    by_spike = {alert.product_id: review_id for review_id, alert in alarmed() if alert.rule == "negative_spike"}

    assert by_spike == {
        "charger-volt65": "charger-031",  # the sixth review of the batch, within sixteen hours
        "dogfood-bosco": "dogfood-033",  # the sixth
        "earbuds-air2": "earbuds-031",
        "shoes-stride4": "shoes-008",
    }


def test_shoes_recover_and_nothing_else_does() -> None:
    recovered = [
        (review_id, alert.product_id, alert.reason) for review_id, alert in alarmed() if alert.rule == "recovered"
    ]

    assert recovered == [("shoes-023", "shoes-stride4", "ended")]


def test_alert_of_the_bad_batch_says_what_was_counted_names_the_aspect_and_quotes_its_reviews() -> None:
    [alert] = [
        alert for _, alert in alarmed() if alert.product_id == "charger-volt65" and alert.rule == "negative_spike"
    ]

    assert alert.aspect == "safety"
    assert alert.sentence == (
        "6 of 6 reviews since 2026-06-14 06:00 UTC are negative, 1 of 25 reviews before. It is about safety: of 6 "
        "reviews of these days 4 criticize it, 0 of 24 reviews before."
    )
    assert {one.review_id for one in alert.quotes} < {f"charger-{number:03d}" for number in range(26, 32)}
    assert all(one.sentence for one in alert.quotes)
