"""`stream-app rebuild` on real parts: the new view equals the old one, which serves meanwhile; killed, it goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

import psutil
import pytest
from confluent_kafka import Producer

from stream_app import contract
from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.kafka.client_config import producer_config
from stream_app.kafka.groups import lag
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.records import Message
from tests.behaviour.enriched import enriched
from tests.integration.place import Place, alert, reviews_of, summary_of
from tests.recount import differences
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(400)

REVIEWS = 600


def test_rebuilt_view_equals_the_old_one_which_serves_meanwhile(kafka: str, place: Place) -> None:
    """Every product, text and alert is in the new view, and what comes before and after the switch counts once."""
    products = [f"p{number}" for number in range(12)]
    place.publish_reviews(reviews_of(products, REVIEWS))
    place.publish([contract.alert_message(place.topics.alerts, alert(number)) for number in range(20)])
    with place.live() as live:
        place.caught_up(1, live.keep_running)
        wait_until(lambda: lag(place.settings, "notify") == 0, 30, "alerts are noted")
        wait_until(lambda: all(one[0].text for one in place.view(1).values()), 150, "every product has a text")
        wait_until(
            lambda: not any(place.redis.zcard(place.keys(1).leased(shard)) for shard in range(64)),
            30,
            "`describe` is done",
        )
        wait_until(lambda: place.unpublished(1) == [], 60, "all counts are published")
        before, shown_before = place.view(1), place.shown(1)
        published = end_offsets(place.settings, place.topics.summaries)
        answer_before = summary_of(live.page, "p3")
        state_version = answer_before["state_version"]

        rebuilding = place.rebuild()
        answers = 0
        extra = 0
        libraries: set[str] = set()
        while rebuilding.process.poll() is None:
            live.keep_running()
            counts = summary_of(live.page, "p3")
            assert counts["windows"]["all"] == answer_before["windows"]["all"]
            assert counts["text"] == answer_before["text"]
            assert counts["state_version"] >= state_version
            state_version = counts["state_version"]
            answers += 1
            if answers % 20 == 0:  # others arrive all the time
                place.publish_reviews(reviews_of(["new1", "new2"], 10, first=10_000 + extra, seed=extra))
                extra += 10
            if place.folded(2) and not libraries:
                libraries = rebuilding.libraries()
            time.sleep(0.05)
        assert rebuilding.ends() == 0, rebuilding.said()
        assert place.active() == 2
        assert "No `summarize` worker" not in rebuilding.said()

        place.publish_reviews(reviews_of(["new1", "new3"], 50, first=20_000))
        place.caught_up(2, live.keep_running)
        assert summary_of(live.page, "p3")["state_version"] > answer_before["state_version"]
        after = place.view(2)
        products_recounted, wrong = differences(kafka, place.topics.enriched, live.page)

    assert {product_id: after[product_id] for product_id in products} == before
    assert wrong == []
    assert products_recounted == len(after) == len(products) + 3
    assert [name for name in place.shown(2)[0] if not name.startswith(b"new")] == ordered_by_enrichment(products)
    assert [alert_id for alert_id in place.shown(2)[1] if b"|new" not in alert_id] == shown_before[1]
    assert place.keys_of(1) == []
    assert answers > 50
    assert extra > 0
    assert libraries, "the running rebuild was looked at"
    assert not [name for name in libraries if "torch" in name]
    again = {record.key for record in read_to_end(place.settings, place.topics.summaries, published)}
    assert len(again - {b"new1", b"new2", b"new3"}) < len(products), "texts that still hold were not made again"


def ordered_by_enrichment(products: Sequence[str]) -> list[bytes]:
    """Newest first, as ``reviews_of`` dates them: the last ones of REVIEWS numbers are the newest."""
    newest = {products[number % len(products)]: number for number in range(REVIEWS)}
    return [one.encode() for one in sorted(newest, key=lambda one: newest[one], reverse=True)]


@pytest.mark.slow
def test_rebuild_killed_in_the_middle_goes_on_where_it_was(kafka: str, place: Place) -> None:
    """kill -9 while it folds, again while its worker does, and once more after the switch: the end is the same."""
    products = [f"p{number}" for number in range(50)]
    place.publish_reviews(reviews_of(products, 25_000))
    events = sum(end_offsets(place.settings, place.topics.enriched).values())
    place.fold()
    before = place.view(1)

    first = place.rebuild()
    wait_until(lambda: 0 < place.folded(2) < events, 60, "it is in the middle")
    first.process.kill()
    assert first.ends() == -signal.SIGKILL
    in_the_middle = place.folded(2)
    assert 0 < in_the_middle < events, "it was killed too late to show anything"
    assert place.active() == 1

    second = place.rebuild()
    second.wait_for("Continuing with generation 2")
    children = wait_until(lambda: psutil.Process(second.process.pid).children(), 20, "it has a worker")
    os.kill(children[0].pid, signal.SIGKILL)
    second.wait_for("Switched", 120)
    second.process.kill()
    second.ends()
    assert "ended with exit code -9" in second.said()
    assert place.active() == 2
    assert place.keys_of(1), "it was killed before it deleted the old view"

    place.publish([contract.alert_message(place.topics.alerts, alert(1))])  # noted in the old view before its end

    third = place.rebuild()
    assert third.ends() == 0, third.said()
    assert "finishing that" in third.said()
    assert place.active() == 2
    assert place.keys_of(1) == []
    assert place.view(2) == before
    assert place.shown(2)[1] == [alert(1).alert_id.encode()]


@pytest.mark.slow
def test_what_the_old_view_did_not_get_to_has_its_effects_once_and_the_rest_none(place: Place) -> None:
    """A record that cannot be decoded goes to the dead letter when it is read for the first time, and never again."""
    place.publish([Message(place.topics.enriched, b"p", b"read by the old view"), *valid(place, "r1")])
    place.fold()
    assert dead_letters(place) == [b"read by the old view"]
    place.publish([Message(place.topics.enriched, b"p", b"read by the new view alone"), *valid(place, "r2")])

    rebuilding = place.rebuild()
    assert rebuilding.ends() == 0, rebuilding.said()

    assert dead_letters(place) == [b"read by the old view", b"read by the new view alone"]
    assert [summary[0].arrived for summary in place.view(2).values()] == [2]


def valid(place: Place, review_id: str) -> list[Message]:
    return [contract.enriched_message(place.topics.enriched, enriched(review_id))]


def dead_letters(place: Place) -> list[bytes | None]:
    """The dead letters, in order of arrival."""
    found = sorted(
        read_to_end(place.settings, place.topics.dead_letter), key=lambda dead_letter: dead_letter.timestamp_ms
    )
    return [dead_letter.value for dead_letter in found]


def test_rebuild_ends_at_transaction_markers_and_counts_nothing_that_was_rolled_back(place: Place) -> None:
    """Another system may publish enriched reviews in transactions; a partition then ends in a marker."""
    producer = Producer({**producer_config(place.settings), "transactional.id": place.topics.enriched})
    producer.init_transactions(30)
    for number, ends in enumerate((producer.commit_transaction, producer.abort_transaction)):
        producer.begin_transaction()
        for review in reviews_of([f"p{p}" for p in range(9)], 30, first=100 * number):
            message = contract.enriched_message(place.topics.enriched, review)
            producer.produce(message.topic, message.value, message.key, headers=list(message.headers))
        assert producer.flush(30) == 0
        ends(30)
    place.fold()
    before = place.view(1)
    assert sum(len(held[1]) for held in before.values()) == 30

    rebuilding = place.rebuild()

    assert rebuilding.ends() == 0, rebuilding.said()
    assert place.active() == 2
    assert place.view(2) == before


@pytest.mark.slow
def test_second_rebuild_is_refused_while_one_runs(place: Place) -> None:
    """Two at once would only take each other's partitions."""
    place.publish_reviews(reviews_of(["a"], 20_000))
    first = place.rebuild()
    first.wait_for("Building generation 2")

    second = place.rebuild()

    assert second.ends() == 2
    assert "A rebuild runs already" in second.said()
    assert first.ends() == 0, first.said()


def test_fixed_generation_is_no_ground_for_a_rebuild(place: Place) -> None:
    """Workers that name their generation would not follow."""
    place.settings = place.of(4)
    refused = place.rebuild()

    assert refused.ends() == 2
    assert "STREAM_APP_GENERATION" in refused.said()


def test_dry_run_says_what_would_be_done_and_does_nothing(place: Place) -> None:
    place.publish_reviews(reviews_of(["a"], 10, seed=1))
    events = sum(end_offsets(place.settings, place.topics.enriched).values())

    dry = place.rebuild("--dry-run")

    assert dry.ends() == 0
    assert f"build generation 2 from {events} events" in dry.said()
    assert "active: generation 1, but Redis holds nothing of it" in dry.said()
    assert place.redis.dbsize() == 0


def test_dry_run_while_redis_is_away_says_so_at_once(place: Place, fresh_valkey: EmbeddedValkey) -> None:
    """Not after the patience of a worker, which is minutes."""
    place.settings = place.settings.model_copy(update={"redis_patience_seconds": 600.0})
    fresh_valkey.stop()

    dry = place.rebuild("--dry-run")

    assert dry.ends(60) == 1
    assert "Does it run? `stream-app services start`" in dry.said()
