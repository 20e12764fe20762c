"""When a product turned bad, by its hour tallies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.records import EnrichedReview
from stream_app.steps import spikes
from stream_app.steps.beta_binomial import likelihood_ratio
from stream_app.steps.fold import ProductState
from stream_app.steps.rated_hours import low_star_hours, negative_hours
from stream_app.steps.spikes import Episode, Hour, Noted, Share
from tests.behaviour.enriched import DAY_MS, HOUR_MS, NOW_MS, deletion, enriched, events, without_contradictions

ACCEPTED = 0.0005
FIRST = 20_000 * 24
NOTHING = Share(0, 0)


def hours_of(*reviews: str) -> list[Hour]:
    """A review an hour: ``.`` is a good one, ``x`` a bad one."""
    return [Hour(FIRST + hour, int(one == "x"), 1) for hour, one in enumerate("".join(reviews))]


def found(*reviews: str, older: Share = NOTHING) -> Episode | None:
    return spikes.newest_episode(older, hours_of(*reviews), ACCEPTED)


HEALTHY = ".........x" * 10


def test_healthy_product_has_no_episode() -> None:
    assert found(HEALTHY * 7) is None


def test_bad_batch_is_found_where_it_begins_and_says_what_it_is_compared_with() -> None:
    episode = found(HEALTHY, "xx.xxx.xxx")

    assert episode is not None
    assert (episode.start, episode.is_over) == (FIRST + 99, False)  # the last healthy one was bad, too
    assert (episode.window, episode.before) == (Share(9, 11), Share(9, 99))


@pytest.mark.parametrize("bad", [1, 2, 3, 4])
def test_fewer_than_five_bad_reviews_are_no_spike(bad: int) -> None:
    """However surely a product with 10,000 good reviews never had one."""
    assert found("x" * bad, older=Share(0, 10_000)) is None


def test_five_bad_reviews_are_a_spike_of_a_product_that_had_hardly_any() -> None:
    assert found("x" * 5, older=Share(20, 10_000)) is not None


def test_young_product_is_compared_with_what_products_are_like() -> None:
    assert found("x..x..x..x..x") is None  # many bad ones, as some products have from the beginning
    assert found("xxxxxxxx") is not None


def test_product_that_gets_better_or_a_little_worse_never_alarms() -> None:
    assert found(HEALTHY, "." * 500) is None
    assert found(".......x.." * 90, older=Share(80, 1000)) is None  # 8 % before, 10 % now
    assert found("...x" * 60, "." * 400) is None


def test_episode_that_goes_on_is_not_over_and_one_that_ended_is() -> None:
    bad = "xx.xxx.xxx" * 3
    ended = found(HEALTHY, bad, HEALTHY)

    assert ended is not None
    assert ended.is_over
    assert found(HEALTHY, bad, "x.x.x.x.x.") == replace(
        ended, last=FIRST + 139, is_over=False, window=Share(30, 41), detected=ended.detected
    )
    assert ended.last < FIRST + 129 + 40


def test_second_episode_is_another_one_compared_with_what_was_normal() -> None:
    bad = "xx.xxx.xxx" * 3
    second = found(HEALTHY, bad, HEALTHY, bad)

    assert second is not None
    assert second.start > FIRST + 200
    assert second.before.bad / second.before.reviews < 0.15


@given(st.permutations(range(60)))
def test_order_of_the_reviews_of_an_hour_does_not_exist(order: list[int]) -> None:
    """All in one hour: only counts are known."""
    bad: dict[str, Any] = {"label": "negative", "rating": 1}
    reviews = [enriched(f"{n}", created_at_ms=NOW_MS - (n % 3) * HOUR_MS, **(bad if n < 20 else {})) for n in order]

    assert judged(reviews) == judged(sorted(reviews, key=lambda one: one.review_id))


def judged(deliveries: Iterable[EnrichedReview]) -> tuple[Episode | None, Episode | None]:
    state = ProductState("p")
    for event in deliveries:
        state.apply(event)
    counted = (negative_hours(state), low_star_hours(state))
    negative, stars = (spikes.newest_episode(*one, 0.5) for one in counted)
    return negative, stars


@given(st.lists(events, max_size=10).map(without_contradictions), st.data())
def test_order_and_repetition_of_events_do_not_change_what_is_found(
    deliveries: list[EnrichedReview], data: st.DataObject
) -> None:
    batch = [enriched(f"bad {n}", label="negative", rating=1, created_at_ms=NOW_MS - n * HOUR_MS) for n in range(9)]
    again = data.draw(st.permutations([*batch, *deliveries, *deliveries[:3]]))

    assert judged(again) == judged([*batch, *deliveries])


def test_deleted_and_edited_evidence_takes_the_episode_away() -> None:
    batch = [enriched(f"{n}", label="negative", rating=1, created_at_ms=NOW_MS - n * HOUR_MS) for n in range(9)]
    assert None not in judged(batch)

    fixed = [replace(one, revision=1, kind="edited", rating=5, sentiment=enriched().sentiment) for one in batch[:6]]
    assert judged([*batch, *fixed]) == (None, None)
    assert judged([*batch, *(deletion(one.review_id) for one in batch[:6])]) == (None, None)


def test_what_is_older_than_the_kept_days_is_the_share_before() -> None:
    old = [enriched(f"old {n}", created_at_ms=NOW_MS - 50 * DAY_MS) for n in range(30)]
    new = [enriched(f"new {n}", label="negative", rating=2, created_at_ms=NOW_MS - n * HOUR_MS) for n in range(8)]
    negative, stars = judged([*new, *old])

    assert negative is not None
    assert (negative.before, negative.window) == (Share(0, 30), Share(8, 8))
    assert stars == negative


def test_reviews_without_stars_or_without_a_sentiment_count_where_they_can() -> None:
    unread = [enriched(f"{n}", label=None, rating=1, created_at_ms=NOW_MS - n * HOUR_MS) for n in range(9)]
    negative, stars = judged(unread)

    assert negative is None
    assert stars is not None


@pytest.mark.parametrize("bad", [0, 3, 40, 200])
def test_many_reviews_of_an_hour_weigh_as_much_as_the_same_ones_apart(bad: int) -> None:
    one_by_one = 1.0
    for number in range(200):
        worse, before = (
            (2.5 + min(number, bad), 9.0 + max(0, number - bad)),
            (1.5 + min(number, bad), 18.0 + max(0, number - bad)),
        )
        one_by_one *= likelihood_ratio(worse, before, int(number < bad), int(number >= bad))

    assert likelihood_ratio((2.5, 9.0), (1.5, 18.0), bad, 200 - bad) == pytest.approx(one_by_one)


def test_any_number_of_reviews_has_an_answer() -> None:
    million = 10**6
    hours = [Hour(FIRST + hour, bad, 2 * million) for hour, bad in enumerate((10, million, 0, 2 * million, 3))]

    assert spikes.newest_episode(Share(0, million**2), hours, ACCEPTED) is not None
    assert spikes.newest_episode(Share(10, 10), hours[:1], 1e-12) is None
    assert spikes.newest_episode(Share(0, 0), [], ACCEPTED) is None


def test_kept_days_that_begin_later_leave_a_spike_where_it_is() -> None:
    """A day is dropped with each day that comes: its reviews are the older ones then, and none alarms again."""
    hours = hours_of(HEALTHY, HEALTHY, "xx.xxx.xxx")
    whole = spikes.newest_episode(Share(20, 200), hours, ACCEPTED)
    moved = spikes.newest_episode(Share(20 + 5, 200 + 50), hours[50:], ACCEPTED)

    assert whole is not None
    assert moved == whole


SPIKE = "xx.xxx.xxx"


def as_noted(episode: Episode | None) -> Noted:
    assert episode is not None
    return Noted(episode.start, episode.last, episode.basis)


def now(noted: Noted, hours: list[Hour], older: Share = NOTHING) -> Episode | None:
    return spikes.noted_episode(noted, older, hours, ACCEPTED)


def test_noted_episode_is_found_with_what_it_was_found_with() -> None:
    """By the 129th review twice as much evidence is asked for: what was over would go on, by what came since."""
    evidence = [HEALTHY, "..........", "x" * 7]
    noted = as_noted(found(*evidence))
    assert now(noted, hours_of(*evidence)) == found(*evidence)
    assert found(*evidence[:-1], "x" * 6) is None, "it is barely enough"
    for number in range(12):
        assert len("".join(evidence)) + 3 * 4 == 129
        episode, again = now(noted, hours_of(*evidence, "..x" * number)), found(*evidence, "..x" * number)
        assert episode is not None
        assert (episode.start, episode.detected) == (noted.start, noted.last)
        assert episode.is_over == (number >= 2)
        assert again is not None
        assert (number != 4) or not again.is_over, "that would alarm again"


def test_noted_episode_outlasts_days_that_are_dropped_and_late_good_reviews() -> None:
    hours = hours_of(HEALTHY, "x" * 8)
    noted = as_noted(spikes.newest_episode(Share(200, 2000), hours, ACCEPTED))
    assert now(noted, hours[90:], Share(10, 5000)) is not None
    late = [one._replace(reviews=one.reviews + 2) for one in hours]
    assert spikes.newest_episode(Share(200, 2000), late, ACCEPTED) is None
    assert now(noted, late, Share(200, 2000)) is not None
    relieved = now(noted, [one._replace(reviews=one.reviews + 20) for one in hours], Share(200, 2000))
    assert relieved is not None
    assert relieved.is_over


def test_noted_episode_is_gone_when_its_bad_reviews_are() -> None:
    noted = as_noted(found(HEALTHY, "x" * 12))
    assert now(noted, hours_of(HEALTHY, "." + "x" * 11)) is not None, "enough are left"
    assert now(noted, hours_of(HEALTHY, "." * 12)) is None
    assert now(noted, hours_of(HEALTHY, "." * 9 + "xxx")) is None
    assert now(noted, hours_of(HEALTHY, "." * 12, HEALTHY, "x" * 30)) is None, "that is another one"


def test_episode_of_which_nothing_but_its_alert_is_known_is_found_by_the_least_evidence() -> None:
    noted = as_noted(found(HEALTHY, "x" * 12))._replace(basis=None)
    assert now(noted, hours_of(HEALTHY, "x" * 12)) is not None
    assert now(noted, hours_of(HEALTHY, "x" * 3 + "." * 9)) is None


def test_hours_of_an_episode_that_is_over_are_evidence_for_no_other() -> None:
    bad = [HEALTHY, SPIKE * 3]
    over = found(*bad, HEALTHY)
    assert over is not None
    closed = Noted(over.start, over.last)
    for hours in (hours_of(*bad), hours_of(*bad, HEALTHY)):
        assert spikes.newest_episode(NOTHING, hours, ACCEPTED, closed=closed) is None
    again = spikes.newest_episode(NOTHING, hours_of(*bad, HEALTHY, SPIKE * 3), ACCEPTED, closed=closed)
    assert again is not None
    assert again.start > over.last
    assert again.before.bad / again.before.reviews < 0.15
    # nor does one go on that ended by other evidence than these hours
    last = hours_of(*bad)[-1].hour
    ended = Noted(over.start, last)
    another = spikes.newest_episode(NOTHING, hours_of(*bad, SPIKE * 3), ACCEPTED, closed=ended)
    assert another is not None
    assert another.start > last
