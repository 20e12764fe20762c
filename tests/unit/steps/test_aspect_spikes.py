"""When an aspect of a product alarms, and when it is named by the product's alert instead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from stream_app.records import Alert, BadShare, EnrichedReview, Opinion, Span
from stream_app.steps.aspect_spikes import aspect_days, explaining_aspect
from stream_app.steps.episode_search import ASPECTS_PART, searched
from stream_app.steps.fold import ProductState
from stream_app.steps.spikes import Episode, Share
from tests.behaviour.enriched import DAY_MS, HOUR_MS, NOW_MS, deletion, enriched, opinion
from tests.unit.steps.test_product_alerts import HEALTHY, Product, bad

MIDNIGHT = NOW_MS // DAY_MS * DAY_MS


def late(number: int, **changes: Any) -> EnrichedReview:
    """A content customer's complaint of the delivery; three an hour."""
    text = "I like it. It came two weeks late."
    fields: dict[str, Any] = {"created_at_ms": NOW_MS - number * HOUR_MS // 3, "rating": 4, "text": text}
    liked = Opinion(Span(0, 10), "positive", 0.9, ("quality",))
    criticized = Opinion(Span(11, 34), "negative", 0.9, ("delivery",))
    fields |= {"key_sentence": None, "opinions": (liked, criticized)}
    return enriched(f"late {number}", **fields | changes)


def burnt(number: int, *aspects: str) -> EnrichedReview:
    return bad(number, opinions=(opinion("negative", *aspects),))


PRAISED = [replace(one, opinions=(opinion("positive", "quality"),)) for one in HEALTHY]
LATE = [late(number) for number in range(20)]


def test_complaints_of_content_customers_alarm_by_their_aspect() -> None:
    product = Product()
    assert product.take(PRAISED) == []
    [alert] = product.take(LATE)

    assert (alert.alert_id, alert.rule, alert.aspect, alert.severity, alert.reason) == (
        "negative_spike:delivery|a%20b|2027-01-15T00",
        "negative_spike",
        "delivery",
        "warning",
        "sentiment",
    )
    assert alert.episode == "negative_spike:delivery"
    assert alert.window == BadShare(20, 20, MIDNIGHT, NOW_MS // HOUR_MS * HOUR_MS + HOUR_MS)
    assert alert.baseline == BadShare(60, 0, None, MIDNIGHT)
    assert alert.sentence == "20 of 20 reviews since 2027-01-15 00:00 UTC criticize delivery, 0 of 60 reviews before."
    assert {one.sentence for one in alert.quotes} == {"It came two weeks late."}
    assert product.take(LATE) == []


def test_aspect_recovers_under_its_own_name() -> None:
    product = Product(now_ms=NOW_MS + 2 * DAY_MS)
    product.take([*PRAISED, *LATE])
    good = [enriched(f"later {n}", created_at_ms=NOW_MS + DAY_MS + n * HOUR_MS // 3) for n in range(30)]
    [alert] = product.take(good)

    assert (alert.alert_id, alert.aspect) == ("recovered|a%20b|negative_spike:delivery|2027-01-15T00", "delivery")
    assert alert.episode == "negative_spike:delivery"
    assert {mark.state for mark in product.marks.values()} == {"over"}


def test_aspect_whose_complaints_are_deleted_recovers_as_withdrawn() -> None:
    product = Product()
    product.take([*PRAISED, *LATE])

    [alert] = product.take([deletion(one.review_id) for one in LATE])
    assert (alert.reason, alert.aspect) == ("withdrawn", "delivery")


def test_spike_of_the_product_names_the_aspect_that_explains_it_in_one_alert() -> None:
    product = Product()
    product.take(PRAISED)
    [alert] = product.take([burnt(number, "safety", *(["look"] if number < 3 else [])) for number in range(16)])

    assert (alert.alert_id, alert.aspect) == ("negative_spike|a%20b|2027-01-15T00", "safety")
    assert alert.sentence == (
        "16 of 16 reviews since 2027-01-15 00:00 UTC are negative, 0 of 60 reviews before. It is about safety: of 16 "
        "reviews of these days 16 criticize it, 0 of 60 reviews before."
    )
    assert product.marks["negative_spike:safety"].state == "covered"
    assert [one for one in product.outcomes if one[1] == "raised"] == [("negative_spike", "raised")]


def test_spike_that_an_aspect_raised_before_explains_does_not_alarm_too() -> None:
    product = Product()
    product.take([*PRAISED, *LATE])
    assert product.take([bad(n, opinions=(opinion("negative", "delivery"),)) for n in range(12)]) == []
    assert product.marks["negative_spike"].state == "covered"

    other = Product()
    other.take([*PRAISED, *LATE])
    assert [one.rule for one in other.take([burnt(n, "safety") for n in range(20)])][1:] == ["negative_spike"]


def test_mixed_complaints_name_no_aspect() -> None:
    product = Product()
    aspects = ("safety", "look", "delivery", "sound")
    [alert] = product.take([*PRAISED, *(burnt(number, aspects[number % 4]) for number in range(8))])

    assert alert.rule == "negative_spike"
    assert alert.aspect is None
    assert "It is about" not in (alert.sentence or "")


def test_aspect_that_was_criticized_as_often_before_explains_nothing() -> None:
    state = ProductState("p")
    for number in range(60):
        for at, days_ago in enumerate((10, 11, 0)):
            changes: dict[str, Any] = {"created_at_ms": NOW_MS - days_ago * DAY_MS}
            changes |= {} if number % 3 else {"opinions": None}
            state.apply(late(3 * number + at, **changes))
    hour = NOW_MS // HOUR_MS
    episode = Episode(hour, hour, hour, False, Share(45, 60), Share(1, 120))

    assert explaining_aspect(state, episode) is None


def test_aspects_share_the_false_alarms_that_are_accepted() -> None:
    """What suffices where one aspect is spoken of does not where many are."""
    state = ProductState("p")
    for one in [*PRAISED, *LATE]:
        state.apply(one)
    least = next(10.0**-n for n in range(1, 30) if not aspect_episodes(state, 10.0**-n))
    assert aspect_episodes(state, 10 * least)
    others = ("look", "sound", "value", "comfort", "service", "function", "material", "packaging")
    praise = opinion("positive", *others)
    for number in range(10):
        state.apply(enriched(f"more {number}", created_at_ms=NOW_MS - 20 * DAY_MS, opinions=(praise,)))
    assert len(state.aspects) == 10
    assert not aspect_episodes(state, 3 * least)


def test_reviews_from_before_aspects_were_counted_are_no_baseline() -> None:
    """Else the usual complaints would begin an episode when the version that counts them is installed."""
    state = ProductState("p")
    for number in range(300):
        state.apply(enriched(f"old {number}", created_at_ms=NOW_MS - (number + 60) * HOUR_MS * 4, opinions=None))
    for one in LATE[:6]:
        state.apply(one)

    older, days = aspect_days(state, "delivery")
    assert older == Share(0, 0)
    assert [(one.bad, one.reviews) for one in days] == [(6, 6)]


def aspect_episodes(state: ProductState, accepted: float) -> set[str]:
    """``accepted``: of all aspects."""
    found = searched(state, {}, accepted / ASPECTS_PART)
    return {name for name, one in found.items() if ":" in name and one.newest is not None}


def raised(alerts: list[Alert]) -> list[str]:
    return [one.alert_id for one in alerts]


def test_order_of_arrival_does_not_change_what_alarms() -> None:
    forwards, backwards = Product().take([*PRAISED, *LATE]), Product().take([*LATE[::-1], *PRAISED[::-1]])
    assert raised(forwards) == raised(backwards) == ["negative_spike:delivery|a%20b|2027-01-15T00"]


def test_running_spike_of_an_aspect_outlasts_the_first_mention_of_others() -> None:
    """They share the accepted false alarms from then on: it would not be found any more."""
    product = Product()
    product.take(PRAISED)
    number = next(n for n in range(40) if product.take([late(n)]))
    others = ("look", "sound", "value", "comfort", "service", "function", "material", "packaging")
    more = [enriched("more", created_at_ms=NOW_MS, opinions=(opinion("positive", *others),))]

    assert product.take(more) == []
    assert "negative_spike:delivery" not in aspect_episodes(product.state, ASPECTS_PART * product.policy.accepted)
    assert product.marks["negative_spike:delivery"].state == "raised", number
