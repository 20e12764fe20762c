"""What is said of topics that are not as they should be, and which of it keeps a role from starting."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream_app.kafka import admin, topic_check
from stream_app.kafka.topic_check import TopicState, check_topics_of, judge, look_at_topics
from stream_app.kafka.topics import Topics
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

TOPICS = Topics("shop.")
SPECS = {spec.name: spec for spec in TOPICS.specs()}
SETTINGS = Settings(_env_file=None, topic_prefix="shop.", brokers="kafka:9092")
DEFAULTS = {
    "max.message.bytes": "1048588",
    "cleanup.policy": "delete",
    "retention.ms": "604800000",
    "retention.bytes": "-1",
    "min.insync.replicas": "1",
    "max.compaction.lag.ms": str(2**63 - 1),
    "segment.ms": "604800000",
}


def state_of(name: str, replication: int = 1, **changed: str) -> TopicState:
    """As `topics create` makes it, but for what is changed (dots written as underscores)."""
    changes = {key.replace("_", "."): value for key, value in changed.items()}
    return TopicState(6, replication, {**DEFAULTS, **SPECS[name].config(replication), **changes})


@pytest.mark.parametrize("name", TOPICS.all())
@pytest.mark.parametrize("replication", [1, 3])
def test_topic_as_it_is_made_is_as_it_should_be(name: str, replication: int) -> None:
    assert judge(SPECS[name], state_of(name, replication), TOPICS) == []


@pytest.mark.parametrize("name", [TOPICS.enriched, TOPICS.summaries, TOPICS.dead_letter])
def test_topic_that_is_too_small_for_what_is_published_keeps_a_role_from_starting(name: str) -> None:
    [finding] = judge(SPECS[name], state_of(name, max_message_bytes="1048588"), TOPICS)
    assert finding.fatal
    said = finding.message("kafka:9092")
    assert f"Topic {name} has max.message.bytes=1048588" in said
    assert "`stream-app topics create` sets max.message.bytes=2097152" in said


def test_how_large_reviews_may_be_is_the_shops_choice() -> None:
    assert judge(SPECS[TOPICS.reviews], state_of(TOPICS.reviews, max_message_bytes="1000"), TOPICS) == []


@pytest.mark.parametrize(
    ("name", "fatal"),
    [(TOPICS.enriched, True), (TOPICS.alerts, True), (TOPICS.dead_letter, True), (TOPICS.reviews, False)],
)
def test_compaction_that_would_remove_records_is_said_with_the_command_and_not_repaired(name: str, fatal: bool) -> None:
    [finding] = judge(SPECS[name], state_of(name, cleanup_policy="compact"), TOPICS)
    assert (finding.fatal, finding.repairable) == (fatal, False)
    assert (
        f"`kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name {name} "
        "--add-config cleanup.policy=delete`"
    ) in finding.message("kafka:9092")


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_summaries_that_are_deleted_are_a_warning_and_repaired(policy: str) -> None:
    [finding] = judge(SPECS[TOPICS.summaries], state_of(TOPICS.summaries, cleanup_policy=policy), TOPICS)
    assert (finding.fatal, finding.repairable, finding.wanted) == (False, True, "compact")


@pytest.mark.parametrize(("lag_ms", "said"), [(str(2**63 - 1), True), ("86400001", True), ("3600000", False)])
def test_summaries_whose_old_records_may_stay_for_ever_are_a_warning_and_repaired(lag_ms: str, said: bool) -> None:
    """They quote reviews that may be deleted since."""
    findings = judge(SPECS[TOPICS.summaries], state_of(TOPICS.summaries, max_compaction_lag_ms=lag_ms), TOPICS)
    assert [(f.fatal, f.repairable, f.setting, f.wanted) for f in findings] == (
        [(False, True, "max.compaction.lag.ms", "86400000")] if said else []
    )


@pytest.mark.parametrize("name", [TOPICS.enriched, TOPICS.alerts, TOPICS.dead_letter])
def test_segment_setting_that_a_killed_erasure_left_is_a_warning_and_repaired(name: str) -> None:
    [finding] = judge(SPECS[name], state_of(name, segment_ms="1"), TOPICS)
    assert (finding.fatal, finding.repairable, finding.wanted) == (False, True, "604800000")
    assert "`stream-app erase` was killed" in finding.message("kafka:9092")


def test_enriched_reviews_that_are_deleted_one_day_are_a_warning() -> None:
    state = state_of(TOPICS.enriched, retention_ms="604800000", retention_bytes="1000")
    findings = judge(SPECS[TOPICS.enriched], state, TOPICS)
    assert [(f.setting, f.fatal, f.repairable) for f in findings] == [
        ("retention.ms", False, False),
        ("retention.bytes", False, False),
    ]


@pytest.mark.parametrize(("replication", "weak"), [(1, False), (2, False), (3, True), (4, True)])
def test_acknowledgement_of_one_copy_among_three_is_a_warning_and_repaired(replication: int, weak: bool) -> None:
    findings = judge(SPECS[TOPICS.reviews], state_of(TOPICS.reviews, replication, min_insync_replicas="1"), TOPICS)
    assert [(f.fatal, f.repairable, f.setting, f.wanted) for f in findings] == (
        [(False, True, "min.insync.replicas", "2")] if weak else []
    )


@pytest.mark.parametrize("name", TOPICS.all())
@pytest.mark.parametrize("setting", DEFAULTS)
def test_setting_that_a_kafka_service_does_not_show_keeps_no_role_from_starting(name: str, setting: str) -> None:
    """Some lack min.insync.replicas or retention.bytes."""
    shown = dict(state_of(name, 3).config or {})
    del shown[setting]
    assert judge(SPECS[name], TopicState(6, 3, shown), TOPICS) == []
    assert judge(SPECS[name], TopicState(6, 3, {**shown, setting: None}), TOPICS) == []


class Brokers:
    """An AdminClient: topics by name, each a configuration or the error code that is answered instead."""

    def __init__(self, topics: dict[str, Any], hidden: frozenset[str] = frozenset()) -> None:
        self.topics = topics
        self.hidden = hidden  # their configuration may not be described
        self.asked: list[set[str]] = []

    def describe_topics(self, names: Any, request_timeout: float) -> dict[str, Future[Any]]:
        asked = [
            name for name in SPECS if name in {one.topic if hasattr(one, "topic") else one for one in names.topic_names}
        ]
        self.asked.append(set(asked))
        partition = SimpleNamespace(replicas=[1, 2, 3])
        return {
            name: _answer(
                self.topics.get(name, KafkaError.UNKNOWN_TOPIC_OR_PART), SimpleNamespace(partitions=[partition])
            )
            for name in asked
        }

    def describe_configs(self, resources: Any, request_timeout: float) -> dict[Any, Future[Any]]:
        answers = {}
        for one in resources:
            config = {key: SimpleNamespace(value=value) for key, value in self.topics[one.name].items()}
            code = KafkaError.TOPIC_AUTHORIZATION_FAILED if one.name in self.hidden else None
            answers[one] = _answer(code, config)
        return answers


def _answer(code: Any, value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(code, int):
        future.set_exception(KafkaException(KafkaError(code)))
    else:
        future.set_result(value)
    return future


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_check, "_LOOK_AGAIN_SECONDS", 0.0)


def good() -> dict[str, Any]:
    return {name: {**DEFAULTS, **spec.config(3)} for name, spec in SPECS.items()}


def brokers(monkeypatch: pytest.MonkeyPatch, topics: dict[str, Any], *hidden: str) -> Brokers:
    made = Brokers(topics, frozenset(hidden))
    monkeypatch.setattr(admin, "admin_client", lambda settings: made)
    return made


@pytest.mark.parametrize(
    ("role", "missing"),
    [
        ("enrich", "reviews"),
        ("enrich", "enriched"),
        ("enrich", "alerts"),
        ("enrich", "dead_letter"),
        ("summarize", "enriched"),
        ("summarize", "dead_letter"),
        ("notify", "dead_letter"),
        ("describe", "summaries"),
    ],
)
def test_role_does_not_start_without_a_topic_that_it_needs(
    monkeypatch: pytest.MonkeyPatch, role: str, missing: str
) -> None:
    topics = good()
    name = getattr(TOPICS, missing)
    del topics[name]
    brokers(monkeypatch, topics)
    with pytest.raises(ConfigurationError, match=f"Topic {name} does not exist: `stream-app topics create` makes it."):
        check_topics_of(SETTINGS, role)


def test_role_looks_at_its_own_topics_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = brokers(monkeypatch, good())
    check_topics_of(SETTINGS, "notify")
    assert made.asked == [{TOPICS.alerts, TOPICS.dead_letter}]


def test_topic_that_a_broker_learns_of_late_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = good()
    late = topics.pop(TOPICS.dead_letter)
    made = brokers(monkeypatch, topics)
    monkeypatch.setattr(
        "stream_app.kafka.topic_check.time.sleep", lambda seconds: topics.update({TOPICS.dead_letter: late})
    )
    check_topics_of(SETTINGS, "notify")
    assert len(made.asked) == 2


def test_missing_rights_are_said_and_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = good() | {TOPICS.alerts: KafkaError.TOPIC_AUTHORIZATION_FAILED}
    brokers(monkeypatch, topics, TOPICS.dead_letter)
    warned: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "stream_app.kafka.topic_check.telemetry.topic_is_misconfigured", lambda *what: warned.append(what)
    )

    check_topics_of(SETTINGS, "notify")

    assert [topic for topic, _ in warned] == [TOPICS.alerts, TOPICS.dead_letter]
    assert "grant Describe" in warned[0][1]
    assert "grant DescribeConfigs" in warned[1][1]


@pytest.mark.parametrize("code", [KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE])
def test_brokers_that_do_not_describe_topics_stop_nothing(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    brokers(monkeypatch, good() | {TOPICS.alerts: code, TOPICS.dead_letter: code})
    assert [(f.topic, f.fatal) for f in look_at_topics(SETTINGS, [TOPICS.alerts, TOPICS.dead_letter])] == [
        (TOPICS.alerts, False),
        (TOPICS.dead_letter, False),
    ]


def test_what_is_fatal_comes_first_and_everything_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = good()
    topics[TOPICS.reviews]["min.insync.replicas"] = "1"
    topics[TOPICS.dead_letter]["max.message.bytes"] = "1048588"
    del topics[TOPICS.enriched]
    brokers(monkeypatch, topics)
    assert [(f.topic, f.fatal) for f in look_at_topics(SETTINGS, TOPICS.all())] == [
        (TOPICS.enriched, True),
        (TOPICS.dead_letter, True),
        (TOPICS.reviews, False),
    ]
    with pytest.raises(ConfigurationError) as refused:
        check_topics_of(SETTINGS, "enrich")
    assert TOPICS.enriched in str(refused.value)
    assert TOPICS.dead_letter in str(refused.value)
