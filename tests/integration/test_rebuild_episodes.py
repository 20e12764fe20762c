"""Products that have turned bad, and a rebuild: the same episodes, and no alert that the old view raised or owes."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from stream_app import contract
from stream_app.kafka.reader import read_to_end
from stream_app.records import Alert, EnrichedReview
from tests.behaviour.enriched import HOUR_MS, enriched
from tests.integration.place import Place
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

NOW_MS = time.time_ns() // 1_000_000


def healthy(product_id: str) -> list[EnrichedReview]:
    """Good reviews, from ten days to two days ago."""
    return [
        enriched(f"healthy {n}", product_id, created_at_ms=NOW_MS - (48 + 4 * n) * HOUR_MS, enriched_at_ms=NOW_MS)
        for n in range(50)
    ]


def batch(product_id: str, hours_ago: int) -> list[EnrichedReview]:
    """One bad review an hour, the last one so long ago."""
    return [
        enriched(
            f"bad {n}",
            product_id,
            label="negative",
            rating=1,
            created_at_ms=NOW_MS - (hours_ago + 7 - n) * HOUR_MS,
            enriched_at_ms=NOW_MS,
        )
        for n in range(8)
    ]


def good_again(product_id: str, hours_ago: int) -> list[EnrichedReview]:
    return [
        enriched(f"good {n}", product_id, created_at_ms=NOW_MS - hours_ago * HOUR_MS, enriched_at_ms=NOW_MS)
        for n in range(10)
    ]


def alert_ids(place: Place) -> Counter[str]:
    decoded = [contract.decode_alert(record) for record in read_to_end(place.settings, place.topics.alerts)]
    return Counter(one.alert_id for one in decoded if isinstance(one, Alert))


def hour(hours_ago: int) -> str:
    return f"{datetime.fromtimestamp((NOW_MS - hours_ago * HOUR_MS) / 1000, UTC):%Y-%m-%dT%H}"


def test_episode_that_is_open_and_one_that_ended_raise_no_alert_in_a_rebuild(place: Place) -> None:
    """And the open one ends in the new view, under the name of the old one's alert: it alone, not what it covered."""
    opened, ended = f"negative_spike|opened|{hour(9)}", f"negative_spike|ended|{hour(23)}"
    over = f"recovered|ended|negative_spike|{hour(23)}"
    with place.live() as live:
        for product_id, hours_ago in (("opened", 2), ("ended", 16)):
            place.publish_reviews([*healthy(product_id), *batch(product_id, hours_ago)])
        place.caught_up(1, live.keep_running)
        wait_until(lambda: set(alert_ids(place)) >= {opened, ended}, 60, "both alarm")
        place.publish_reviews(good_again("ended", 10))
        place.caught_up(1, live.keep_running)
        wait_until(lambda: over in alert_ids(place), 60, "one is over")
        before = alert_ids(place)
        episodes = place.episodes(1)

        rebuilding = place.rebuild()
        while rebuilding.process.poll() is None:
            live.keep_running()
            time.sleep(0.1)
        assert rebuilding.ends() == 0, rebuilding.said()
        assert place.active() == 2
        assert set(before) == {opened, ended, over}
        assert alert_ids(place) == before
        assert place.episodes(2) == episodes
        assert {name for name, _ in episodes} == {"opened"}

        place.publish_reviews([*batch("opened", 2), *good_again("opened", 1)])
        place.caught_up(2, live.keep_running)
        wait_until(lambda: len(alert_ids(place)) > len(before), 60, "it is over")
        assert set(alert_ids(place)) - set(before) == {f"recovered|opened|negative_spike|{hour(9)}"}


def test_alert_that_the_old_view_left_is_raised_once_after_the_switch(place: Place) -> None:
    """No worker runs: the old view has not read the batch, which the rebuild reads."""
    place.publish_reviews(healthy("p"))
    place.fold()
    place.publish_reviews(batch("p", 2))

    rebuilding = place.rebuild()
    assert rebuilding.ends() == 0, rebuilding.said()
    assert alert_ids(place) == {f"negative_spike|p|{hour(9)}": 1}
    assert place.redis.keys(f"{place.keys(2).product('p').outbox}") == []

    again = place.rebuild()
    assert again.ends() == 0, again.said()
    place.fold(3)
    assert alert_ids(place) == {f"negative_spike|p|{hour(9)}": 1}
