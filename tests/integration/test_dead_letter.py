"""`stream-app dead-letter` on a real broker: dead letters of every kind, replayed once, whatever happens in between."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from typer.testing import CliRunner, Result

from stream_app import contract
from stream_app.__main__ import app
from stream_app.kafka.blocking_producer import BlockingProducer, republish
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics, retention_ms
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.records import Message, RawRecord, Rejected
from stream_app.settings import Settings
from tests.waiting import wait_until

EXAMPLES = contract.schema_folder() / "examples" / "invalid"
REASONS: dict[str, str] = json.loads((EXAMPLES / "reasons.json").read_text())


class Shop:
    """A broker's topics under a prefix, the reviews sent to them, and a stand-in for the role that rejects."""

    def __init__(self, brokers: str, prefix: str) -> None:
        self.settings = Settings(
            _env_file=None, brokers=brokers, topic_prefix=prefix, partitions=3, publish_patience_seconds=20
        )
        self.topics = Topics(prefix)
        create_topics(self.settings)
        self._rejected: set[tuple[str, int, int]] = set()

    def send(self, values: Iterable[bytes | None], key: bytes | None = b"kettle") -> None:
        with BlockingProducer(self.settings) as producer:
            for value in values:
                producer.send(key, value)

    def reject(self, topic: str | None = None, *, twice: bool = False) -> int:
        """Letters for what is new in a topic and cannot be read, as a role writes them; twice: as after a crash."""
        rejects = []
        for record in read_to_end(self.settings, topic or self.topics.reviews):
            place = record[:3]
            if place in self._rejected:
                continue
            self._rejected.add(place)
            found = contract.decode_review(
                record, now_ms=int(time.time() * 1000), max_future_ms=300_000, max_text_characters=20_000
            )
            if isinstance(found, Rejected):
                rejects += [found] * (1 + twice)
        self.write(contract.dead_letter_message(self.topics.dead_letter, rejected) for rejected in rejects)
        return len(rejects)

    def write(self, messages: Iterable[Message]) -> None:
        def done(_: int, refusal: str | None) -> None:
            assert refusal is None

        republish(self.settings, messages, done)

    def ends(self) -> dict[str, int]:
        return {name: sum(end_offsets(self.settings, name).values()) for name in self.topics.all()}

    def replayed(self, topic: str | None = None) -> Counter[bytes]:
        """Whose replays a topic holds, and how many of each."""
        headers = (dict(record.headers) for record in read_to_end(self.settings, topic or self.topics.reviews))
        return Counter(found[contract.HEADER_REPLAY_OF] for found in headers if contract.HEADER_REPLAY_OF in found)

    def dead_letters(self) -> list[contract.DeadLetter]:
        return [contract.read_dead_letter(record) for record in read_to_end(self.settings, self.topics.dead_letter)]

    def arguments(self, *arguments: str) -> list[str]:
        servers = ["--brokers", self.settings.brokers, "--topic-prefix", self.settings.topic_prefix]
        return ["dead-letter", *arguments, *servers]

    def run(self, *arguments: str) -> str:
        """What the command prints; raises what it raises."""
        result = self.result(*arguments)
        if result.exception is not None:
            raise result.exception
        return result.stdout

    def result(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, self.arguments(*arguments))

    def listed(self, *arguments: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.run("list", "--json", *arguments).splitlines()]


@pytest.fixture
def shop(kafka: str, topic_prefix: str) -> Shop:
    return Shop(kafka, topic_prefix)


def place_of(dead_letter: contract.DeadLetter) -> str:
    return f"{dead_letter.record.partition}:{dead_letter.record.offset}"


def test_every_kind_of_bad_input_is_listed_and_shown(shop: Shop) -> None:
    """By reason, with its place of origin; its bytes come out as they went in."""
    shop.send([*((EXAMPLES / name).read_bytes() for name in REASONS), None])
    assert shop.reject() == len(REASONS) + 1

    wanted = Counter(REASONS.values()) + Counter({"tombstone": 1})
    assert Counter(line["reason"] for line in shop.listed()) == wanted
    assert {line["reason"] for line in shop.listed("--reason", "wrong_type", "--reason", "tombstone")} == {
        "wrong_type",
        "tombstone",
    }
    table = shop.run("list")
    assert table.splitlines()[-1].startswith(f"{len(REASONS) + 1} dead letters: 4 wrong_type, 3 ")
    for dead_letter in shop.dead_letters():
        assert dead_letter.origin is not None
        shown = shop.run("show", place_of(dead_letter))
        assert f"reason       {dead_letter.reason}\n" in shown
        assert f"{dead_letter.origin.topic} {dead_letter.origin.partition}:{dead_letter.origin.offset}" in shown
        if dead_letter.record.value is not None:
            partition, offset = place_of(dead_letter).split(":")
            assert shop.result("show", partition, offset, "--raw").stdout_bytes == dead_letter.record.value
        else:
            with pytest.raises(ConfigurationError, match="the original has none"):
                shop.run("show", place_of(dead_letter), "--raw")


def test_list_shows_the_newest_and_counts_all(shop: Shop) -> None:
    """A screen is short; the count is not."""
    assert "nothing was rejected" in shop.run("list")
    shop.send([b"{"] * 3)
    shop.reject()
    shop.send([b"[]"])
    shop.reject()

    assert [line["reason"] for line in shop.listed("--limit", "2")] == ["not_json", "not_an_object"]
    assert "4 dead letters, the newest 1 shown (--limit 0: all): 3 not_json, 1 not_an_object" in shop.run(
        "list", "--limit", "1"
    )
    assert "None of the 4 dead letters matches. Their reasons: 3 not_json" in shop.run("list", "--reason", "too_deep")
    assert len(shop.listed("--since", "1h")) == 4
    assert shop.listed("--until", "1h") == []
    assert "no dead letters from then" in shop.run("list", "--since", "0s")


def test_letter_that_is_not_there_is_said(shop: Shop) -> None:
    """The error states how to find one. Nothing is replayed if one of several is wrong."""
    shop.send([b"{"])
    shop.reject()
    [dead_letter] = shop.dead_letters()
    before = shop.ends()

    for missing in ("2:17", "77:0"):
        with pytest.raises(ConfigurationError, match="dead-letter list"):
            shop.run("show", missing)
        with pytest.raises(ConfigurationError, match=f"No dead letter is at {missing}"):
            shop.run("replay", "--at", missing, "--at", place_of(dead_letter))
    with pytest.raises(ConfigurationError, match="leave --reason"):
        shop.run("replay", "--at", place_of(dead_letter), "--reason", "not_json")
    assert shop.ends() == before


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


def test_dry_run_publishes_nothing(shop: Shop) -> None:
    """And says what would be done."""
    shop.send([b"{", b"[]"])
    shop.reject()
    before = shop.ends()

    said = shop.run("replay", "--dry-run")

    assert f"Would replay 2 dead letters to {shop.topics.reviews}: 1 not_json, 1 not_an_object" in said
    assert shop.ends() == before


@pytest.mark.parametrize("command", ["list", "replay"])
def test_mistyped_reason_is_answered_with_the_reasons_there_are(shop: Shop, command: str) -> None:
    """Nothing would match it; a reason of another version may be there."""
    shop.send([b"{"])
    shop.reject()
    shop.write(
        [
            contract.dead_letter_message(
                shop.topics.dead_letter, Rejected(RawRecord("t", 0, 0, 0, b"", b"{}"), "new", "")
            )
        ]
    )

    with pytest.raises(ConfigurationError, match=r"Did you mean not_json.*there: 1 .*, 1 .*wrong_type"):
        shop.run(command, "--reason", "notjson")
    assert shop.run(command, "--reason", "new")
    if command == "replay":
        said = shop.run("replay", "--reason", "too_deep")
        assert "none of the 2 dead letters matches. Their reasons: 1 " in said


def test_replay_of_everything_must_be_said(shop: Shop) -> None:
    """A script that forgot its filter replays nothing."""
    shop.send([b"{", b"[]"])
    shop.reject()
    before = shop.ends()

    with pytest.raises(ConfigurationError, match=r"--reason.*--all"):
        shop.run("replay", "--yes")
    with pytest.raises(ConfigurationError, match="leave it away"):
        shop.run("replay", "--all", "--reason", "not_json")
    assert shop.ends() == before
    assert "2 replayed" in shop.run("replay", "--all")


def test_tail_names_a_dead_letter_as_show_takes_it(shop: Shop) -> None:
    """Its partition too, for people and for programs."""
    shop.send([b"{"])
    shop.reject()
    [dead_letter] = shop.dead_letters()
    servers = ["--brokers", shop.settings.brokers, "--topic-prefix", shop.settings.topic_prefix, "--until-end"]

    line = CliRunner().invoke(app, ["tail", "dead-letter", *servers]).stdout
    found = json.loads(CliRunner().invoke(app, ["tail", "dead-letter", "--json", *servers]).stdout)

    assert place_of(dead_letter) in line
    assert f"{found['partition']}:{found['offset']}" == place_of(dead_letter)


def test_replay_chooses_by_reason_place_and_limit(shop: Shop) -> None:
    """The limit counts what is left to do, so that the same command goes on."""
    shop.send([b"{", b"[]", b"{", b"{"])
    shop.reject()
    dead_letters = shop.dead_letters()

    shop.run("replay", "--reason", "not_an_object")
    assert shop.replayed() == {f"{shop.topics.reviews}/{dead_letters[1].record.partition}/1".encode(): 1}
    said = [shop.run("replay", "--reason", "not_json", "--limit", "1") for _ in range(2)]
    assert "left: 2 beyond --limit" in said[0]
    assert "left: 1 beyond --limit" in said[1]
    assert shop.replayed().total() == 3
    shop.run("replay", "--at", place_of(dead_letters[3]))
    assert "Nothing to replay" in shop.run("replay", "--all")
    assert "1 replayed" in shop.run("replay", "--at", place_of(dead_letters[3]), "--again")
    assert sorted(shop.replayed().values()) == [1, 1, 1, 2]


def test_replay_that_fails_again_is_a_letter_of_its_own(shop: Shop) -> None:
    """It says so in the list, and is replayed once, without its predecessor."""
    shop.send([b"{"])
    shop.reject()
    shop.run("replay", "--all")
    assert shop.reject() == 1

    first, second = shop.listed()
    assert (first["replay_of"], second["replay_of"]) == (None, f"{shop.topics.reviews}/{_place(first)}")
    assert "left: 1 replayed before" in shop.run("replay", "--all")
    assert shop.replayed() == {f"{shop.topics.reviews}/{_place(line)}".encode(): 1 for line in (first, second)}
    assert "left: 2 replayed before" in shop.run("replay", "--all")


def _place(line: dict[str, object]) -> str:
    origin = line["origin"]
    assert isinstance(origin, dict)
    return f"{origin['partition']}/{origin['offset']}"


def test_record_with_two_letters_is_replayed_once(shop: Shop) -> None:
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
    """Letters are written on one machine and replayed on another."""
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


def test_several_letters_are_replayed_after_a_question(shop: Shop) -> None:
    """On a terminal; a script is not asked, nor who says --yes."""
    shop.send([b"{", b"[]", b"{ "])
    shop.reject()

    no, said = on_a_terminal(shop.arguments("replay"), "n\n")
    assert (no, f"3 dead letters to {shop.topics.reviews}?" in said) == (1, True)
    assert shop.replayed().total() == 0
    assert on_a_terminal(shop.arguments("replay", "--limit", "1"), "")[0] == 0
    assert shop.replayed().total() == 1
    assert on_a_terminal(shop.arguments("replay", "--dry-run"), "")[0] == 0
    assert on_a_terminal(shop.arguments("replay"), "y\n")[0] == 0
    assert shop.replayed().total() == 3


def on_a_terminal(arguments: list[str], answer: str) -> tuple[int, str]:
    """Exit code and what is printed, to a person who answers so."""
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    done = subprocess.run(
        [sys.executable, "-m", "stream_app", *arguments],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the terminal's other end is closed
        while piece := os.read(ours, 65536):
            said += piece
    os.close(ours)
    return done.returncode, said.decode()


def test_tombstones_are_replayed_only_when_named(shop: Shop) -> None:
    """They cannot become anything else, and in a compacted topic they would erase what came after them."""
    shop.send([None])
    shop.reject()

    assert "left: 1 tombstones" in shop.run("replay", "--all")
    assert shop.replayed().total() == 0
    assert "1 replayed" in shop.run("replay", "--reason", "tombstone")
    [replayed] = [r for r in read_to_end(shop.settings, shop.topics.reviews) if r.headers]
    assert (replayed.key, replayed.value) == (b"kettle", None)


def test_letters_go_back_to_the_topic_they_came_from(shop: Shop) -> None:
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


def test_letter_whose_original_was_too_large_is_not_replayed_as_a_tombstone(shop: Shop) -> None:
    """The bytes are not here; the message says where they may be."""
    rejected = Rejected(RawRecord(shop.topics.reviews, 1, 5, 0, b"kettle", None), "text_too_long", "long")
    shop.write([contract.dead_letter_message(shop.topics.dead_letter, rejected)])
    [dead_letter] = shop.dead_letters()

    assert "left: 1 without their whole original" in shop.run("replay", "--all")
    with pytest.raises(ConfigurationError, match=f"look for it in {shop.topics.reviews} at 1:5"):
        shop.run("replay", "--at", place_of(dead_letter))
    assert shop.ends()[shop.topics.reviews] == 0


def test_what_was_left_out_is_shown_and_the_rest_is_not_replayed(shop: Shop) -> None:
    """A record of 2.5 MB of headers came compressed: its value is here, its headers are not."""
    record = RawRecord(shop.topics.reviews, 1, 5, 0, b"kettle", b"{", (("trace", b"x" * 2_500_000),))
    shop.write([contract.dead_letter_message(shop.topics.dead_letter, Rejected(record, "not_json", "no"))])
    [dead_letter] = shop.dead_letters()

    shown = shop.run("show", place_of(dead_letter))
    assert "left out     headers;bytes=2500005;sha256=" in shown
    assert shown.endswith("value        1 bytes\n{\n")
    assert shop.listed()[0]["lacks_original"] is True
    assert "left: 1 without their whole original" in shop.run("replay", "--all")
    assert shop.ends()[shop.topics.reviews] == 0


def test_refused_letter_does_not_hold_up_the_others(shop: Shop) -> None:
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


def delete_all(shop: Shop, topic: str) -> None:
    """What retention does, at once."""
    admin = AdminClient({"bootstrap.servers": shop.settings.brokers})
    ends = end_offsets(shop.settings, topic)
    for future in admin.delete_records([TopicPartition(topic, number, end) for number, end in ends.items()]).values():
        future.result(10)
    wait_until(lambda: list(read_to_end(shop.settings, topic)) == [], 30, "records are still there")


def keep_for(shop: Shop, topic: str, milliseconds: int) -> None:
    """Set the topic's retention; the broker deletes nothing by it within minutes."""
    entry = ConfigEntry("retention.ms", str(milliseconds), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": shop.settings.brokers})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)
    wait_until(lambda: retention_ms(shop.settings, topic) == milliseconds, 30, "the retention did not change")


def test_letter_older_than_what_its_topic_holds_is_left_and_said(shop: Shop) -> None:
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


def test_letter_that_was_deleted_is_not_taken_for_the_next_one(shop: Shop) -> None:
    """A place names one dead letter for ever."""
    shop.send([b"{"])
    shop.reject()
    [gone] = shop.dead_letters()
    delete_all(shop, shop.topics.dead_letter)
    shop.send([b"[]"])
    shop.reject()

    with pytest.raises(ConfigurationError, match="No dead letter is at"):
        shop.run("show", place_of(gone))


def test_letter_that_came_back_is_proof_when_its_replay_is_gone(shop: Shop) -> None:
    """Letters are kept longer than reviews."""
    shop.send([b"{"])
    shop.reject()
    shop.run("replay", "--all")
    shop.reject()
    delete_all(shop, shop.topics.reviews)

    first, _ = shop.dead_letters()
    assert "left: 1 replayed before" in shop.run("replay", "--at", place_of(first))


@pytest.mark.parametrize("later", [[], [b"[]"]], ids=["empty", "with newer records"])
def test_letter_younger_than_the_retention_is_replayed(shop: Shop, later: list[bytes]) -> None:
    """Reviews are kept seven days: whatever was deleted, a replay of this dead letter was not."""
    shop.send([b"{"])
    shop.reject()
    delete_all(shop, shop.topics.reviews)
    shop.send(later)

    assert "1 replayed" in shop.run("replay", "--all")
    assert "left: 1 replayed before" in shop.run("replay", "--all")


def test_broker_that_goes_away_is_one_message_with_the_next_step(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is certain, and that a second run goes on."""
    shop.send([b"{"])
    shop.reject()

    def away(settings: Settings, messages: Iterable[Message], on_done: object) -> None:
        raise BrokerUnavailable("Kafka does not answer.")

    monkeypatch.setattr("stream_app.commands.dead_letter_replay.republish", away)

    with pytest.raises(BrokerUnavailable, match=r"0 of 1 are replayed for certain. Run the same command again"):
        shop.run("replay", "--all")


def test_away_broker_ends_a_replay_after_patience() -> None:
    """Not never: a person waits."""
    settings = Settings(_env_file=None, brokers="127.0.0.1:1", publish_patience_seconds=1)
    republished: list[int] = []

    with pytest.raises(BrokerUnavailable, match="STREAM_APP_PUBLISH_PATIENCE_SECONDS"):
        republish(settings, [Message("t", None, b"1")], lambda number, _: republished.append(number))
    assert republished == []
