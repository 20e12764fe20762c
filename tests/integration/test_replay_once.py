"""`stream-app dead-letter replay` publishes each original once, whatever happens in between."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from confluent_kafka import Producer

from stream_app import contract
from stream_app.kafka.blocking_producer import republish
from stream_app.kafka.reader import read_to_end
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.records import Message, RawRecord, Rejected
from stream_app.settings import Settings
from tests.integration.dead_letter_shop import EXAMPLES, REASONS, Shop, delete_all, keep_for, place_of, place_of_line


def test_replayed_twice_each_original_is_there_once_more(shop: Shop) -> None:
    """The same key, value, headers and partition, and whose replay it is; the second run skips them all."""
    kinds = [name for name in REASONS if REASONS[name] in ("wrong_type", "not_utf8", "missing_field")]
    values = [(EXAMPLES / name).read_bytes() for name in kinds]
    for product in (b"kettle", b"pan", b"", None):
        shop.send(values, key=product)
    shop.write([Message(shop.topics.reviews, b"kettle", b"{", (("trace", b"1"), ("trace", b"2")))])
    originals = list(read_to_end(shop.settings, shop.topics.reviews))
    assert shop.reject() == len(originals)

    assert f"{len(originals)} replayed to {shop.topics.reviews}" in shop.run("replay", "--all")
    assert "Nothing to replay" in (again := shop.run("replay", "--all"))

    assert f"left: {len(originals)} replayed before" in again
    wanted = {f"{r.topic}/{r.partition}/{r.offset}".encode(): r for r in originals}
    assert shop.replayed() == dict.fromkeys(wanted, 1)
    for record in read_to_end(shop.settings, shop.topics.reviews):
        *headers, (name, whose) = record.headers or [("", b"")]
        if name == contract.HEADER_REPLAY_OF:
            original = wanted[whose]
            assert (record.key, record.value, tuple(headers)) == (original.key, original.value, original.headers)
            assert original.key is None or record.partition == original.partition


def test_replay_that_fails_again_is_a_dead_letter_of_its_own(shop: Shop) -> None:
    """It says so in the list, and is replayed once, without its predecessor."""
    shop.send([b"{"])
    shop.reject()
    shop.run("replay", "--all")
    assert shop.reject() == 1

    first, second = shop.listed()
    assert (first["replay_of"], second["replay_of"]) == (None, f"{shop.topics.reviews}/{place_of_line(first)}")
    assert "left: 1 replayed before" in shop.run("replay", "--all")
    assert shop.replayed() == {f"{shop.topics.reviews}/{place_of_line(line)}".encode(): 1 for line in (first, second)}
    assert "left: 2 replayed before" in shop.run("replay", "--all")


def test_record_with_two_dead_letters_is_replayed_once(shop: Shop) -> None:
    """A role that died between a dead letter and its commit has written it again; also when only the copy is asked."""
    shop.send([b"{", b"[]"])
    shop.reject(twice=True)
    dead_letters = [dead_letter for dead_letter in shop.dead_letters() if dead_letter.reason == "not_json"]
    assert len(dead_letters) == 2

    shop.run("replay", "--at", place_of(dead_letters[0]))
    assert "left: 1 replayed before" in shop.run("replay", "--at", place_of(dead_letters[1]))
    said = shop.run("replay", "--all")

    assert "left: 2 replayed before" in said
    assert "left: 1 written twice" in said
    assert sorted(shop.replayed().values()) == [1, 1]


def test_replay_stamped_by_a_clock_that_is_behind_is_found(shop: Shop) -> None:
    """Dead letters are written on one machine and replayed on another."""
    shop.send([b"{"])
    shop.reject()
    [dead_letter] = shop.dead_letters()
    message = contract.replay_message(dead_letter)
    five_minutes_ago = int(time.time() * 1000) - 5 * 60_000
    producer = Producer({"bootstrap.servers": shop.settings.brokers})
    producer.produce(
        message.topic, message.value, message.key, headers=list(message.headers), timestamp=five_minutes_ago
    )
    assert producer.flush(10) == 0

    assert "left: 1 replayed before" in shop.run("replay", "--all")


def test_dead_letters_go_back_to_the_topic_they_came_from(shop: Shop) -> None:
    """Whichever role rejected them; never to a topic that is not ours."""
    topics = shop.topics
    for topic in (topics.reviews, topics.enriched, topics.alerts):
        record = RawRecord(topic, 0, 0, 0, b"kettle", b"{")
        shop.write([contract.dead_letter_message(topics.dead_letter, Rejected(record, "not_json", "no"))])
    for foreign in ("payments", topics.dead_letter, topics.summaries):
        record = RawRecord(foreign, 0, 0, 0, b"x", b"{")
        shop.write([contract.dead_letter_message(topics.dead_letter, Rejected(record, "not_json", "no"))])
    shop.write([Message(topics.dead_letter, None, b"hello")])
    dead_letters = shop.dead_letters()

    with pytest.raises(ConfigurationError, match="names no topic of ours"):
        shop.run("replay", *(word for dead_letter in dead_letters for word in ("--at", place_of(dead_letter))))
    assert shop.replayed().total() == 0
    assert "1 replayed" in shop.run("replay", "--topic", "reviews.alerts")
    said = shop.run("replay", "--all")

    assert "left: 4 of somebody else" in said
    for topic in (topics.reviews, topics.enriched, topics.alerts):
        assert shop.replayed(topic) == {f"{topic}/0/0".encode(): 1}
    assert shop.ends()[topics.dead_letter] == 7
    assert shop.ends()[topics.summaries] == 0


def test_refused_dead_letter_does_not_hold_up_the_others(shop: Shop) -> None:
    """Too large for the topic that it should go to: it is named, the rest is replayed, also in the next run."""
    for value in (b"{", os.urandom(1_200_000), b"{ "):
        rejected = Rejected(RawRecord(shop.topics.reviews, 0, len(value), 0, b"kettle", value), "not_json", "no")
        shop.write([contract.dead_letter_message(shop.topics.dead_letter, rejected)])

    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"refused 1 of them: \d:1 \(.*too large"):
            shop.run("replay", "--all")
        assert sorted(shop.replayed().values()) == [1, 1]


_DIES_IN_THE_MIDDLE = """
import os, signal, sys
from stream_app.commands import dead_letter_replay
from stream_app.__main__ import main
from stream_app.kafka.offsets import end_offsets
from tests.waiting import wait_until
handed_over = int(sys.argv.pop(1))
publish = dead_letter_replay.republish
def dies(settings, messages, on_done):
    def until_death():
        for number, message in enumerate(messages):
            if number == 0:
                before = end_offsets(settings, message.topic)
            if number == handed_over:
                wait_until(lambda: end_offsets(settings, message.topic) != before, 20, "nothing reached the topic")
                os.kill(os.getpid(), signal.SIGKILL)
            yield message
    publish(settings, until_death(), on_done)
dead_letter_replay.republish = dies
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_killed_run_is_continued_by_the_next(shop: Shop) -> None:
    """Killed twice while it publishes, some of it in the topic and not acknowledged: in the end each is there once."""
    total, handed_over = 6_000, 2_000
    record = RawRecord(shop.topics.reviews, 0, 0, 0, None, b"")
    shop.write(
        contract.dead_letter_message(
            shop.topics.dead_letter,
            Rejected(record._replace(offset=number, key=b"product-%d" % number, value=b"{" * 200), "not_json", "no"),
        )
        for number in range(total)
    )
    reached = 0
    for _ in range(2):
        command = [sys.executable, "-c", _DIES_IN_THE_MIDDLE, str(handed_over), *shop.arguments("replay", "--all")]
        killed = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert killed.returncode == -9, killed.stderr
        found = shop.replayed().total()
        assert reached < found <= reached + handed_over  # the fault was really in the middle
        reached = found

    finished = subprocess.run(
        [sys.executable, "-m", "stream_app", *shop.arguments("replay", "--all")],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )

    assert f"{total - reached} replayed to" in finished.stdout
    assert f"left: {reached} replayed before" in finished.stdout
    assert shop.replayed() == {f"{shop.topics.reviews}/0/{number}".encode(): 1 for number in range(total)}


def test_dead_letter_older_than_what_its_topic_holds_is_left_and_said(shop: Shop) -> None:
    """Whether it was replayed cannot be known any more; --again is for callers who know that it was not."""
    shop.send([b"{", b"[]"])
    shop.reject()
    keep_for(shop, shop.topics.reviews, 1)
    delete_all(shop, shop.topics.reviews)

    assert "left: 2 perhaps replayed before" in shop.run("replay", "--all")
    shop.send([b'{"product_id": "kettle", "review_id": "1", "text": "good"}'])
    assert "left: 2 perhaps replayed before" in shop.run("replay", "--all")
    assert shop.replayed().total() == 0
    assert "2 replayed" in shop.run("replay", "--again", "--all")


def test_dead_letter_that_was_deleted_is_not_taken_for_the_next_one(shop: Shop) -> None:
    """A place names one dead letter for ever."""
    shop.send([b"{"])
    shop.reject()
    [gone] = shop.dead_letters()
    delete_all(shop, shop.topics.dead_letter)
    shop.send([b"[]"])
    shop.reject()

    with pytest.raises(ConfigurationError, match="No dead letter is at"):
        shop.run("show", place_of(gone))


def test_dead_letter_that_came_back_is_proof_when_its_replay_is_gone(shop: Shop) -> None:
    """Dead letters are kept longer than reviews."""
    shop.send([b"{"])
    shop.reject()
    shop.run("replay", "--all")
    shop.reject()
    delete_all(shop, shop.topics.reviews)

    first, _ = shop.dead_letters()
    assert "left: 1 replayed before" in shop.run("replay", "--at", place_of(first))


@pytest.mark.parametrize("later", [[], [b"[]"]], ids=["empty", "with newer records"])
def test_dead_letter_younger_than_the_retention_is_replayed(shop: Shop, later: list[bytes]) -> None:
    """Reviews are kept seven days: whatever was deleted, a replay of this dead letter was not."""
    shop.send([b"{"])
    shop.reject()
    delete_all(shop, shop.topics.reviews)
    shop.send(later)

    assert "1 replayed" in shop.run("replay", "--all")
    assert "left: 1 replayed before" in shop.run("replay", "--all")


def test_away_broker_ends_a_replay_after_patience() -> None:
    """Not never: a person waits."""
    settings = Settings(_env_file=None, brokers="127.0.0.1:1", publish_patience_seconds=1)
    republished: list[int] = []

    with pytest.raises(BrokerUnavailable, match="STREAM_APP_PUBLISH_PATIENCE_SECONDS"):
        republish(settings, [Message("t", None, b"1")], lambda number, _: republished.append(number))
    assert republished == []
