"""Looks at the brokers from outside: topics made and listed, offsets, lag, and reading without a consumer group."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import methodcaller
from typing import Any, TypeVar

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from stream_app.kafka.client_config import client_config, consumer_config
from stream_app.kafka.topics import Topics
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.records import RawRecord
from stream_app.settings import Settings
from stream_app.steps.log_identity import LogIdentity

_headers_of = methodcaller("headers")
"""Called from C, where CPython sees that an exception is set. A call that its interpreter has specialised, after the
eighth, gives the result with the null pointer instead, and the exception comes up somewhere later.
"""

HEADERS_UNREADABLE = "stream-app-headers-unreadable"
"""The only header of a record whose headers this reader cannot read. The roles read them, names escaped."""

_SECONDS = 10.0
_DAY_MS = 86_400_000
_PAUSE_SECONDS = 0.2
_BEING_CHOSEN = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)

_NOT_SAID = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.UNSUPPORTED_VERSION,
    KafkaError._UNSUPPORTED_FEATURE,
)
_NO_TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAA"  # the UUID of zeros: a topic of before Kafka 2.8

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic of ours as it is: ``messages`` counts offsets, so compaction and retention can make it too large."""

    name: str
    partitions: int
    messages: int
    retention: str


def check_brokers(settings: Settings) -> str:
    """A sentence about the cluster. Raises BrokerUnavailable."""
    metadata = reach(settings, lambda admin: admin.list_topics(timeout=_SECONDS))
    brokers = ", ".join(f"{broker.host}:{broker.port}" for broker in metadata.brokers.values())
    return f"{len(metadata.brokers)} broker(s): {brokers}"


def create_topics(settings: Settings) -> dict[str, bool]:
    """Make the topics that are missing; True per topic that was made. Existing ones stay as they are. When it returns,
    a broker tells of all: the controller answers before the brokers know what it made.

    Raises BrokerUnavailable, or ConfigurationError when the brokers refuse (too few of them, no rights).
    """
    topics = Topics(settings.topic_prefix)
    configs = topics.configs(settings.replication)
    there = reach(settings, lambda admin: admin.list_topics(timeout=_SECONDS)).topics
    missing = [name for name in topics.all() if name not in there]
    made = dict.fromkeys(topics.all(), False)
    if not missing:
        return made
    new = [
        NewTopic(
            name, settings.partitions, settings.replication, config=configs[name]
        )  # keyed topics: one count for all
        for name in missing
    ]
    for name, future in _admin(settings).create_topics(new, operation_timeout=_SECONDS).items():
        try:
            future.result()
            made[name] = True
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_ALREADY_EXISTS:  # somebody else was faster
                continue
            raise ConfigurationError(
                f"Topic {name} cannot be made: {error.args[0].str()}. Replication is {settings.replication} "
                "(STREAM_APP_REPLICATION): as many brokers are needed."
            ) from error
    reach(settings, lambda admin: _demand(topics.all(), admin))
    return made


def _demand(names: Iterable[str], admin: AdminClient) -> None:
    """Raises KafkaException while the broker that is asked does not know one of the topics, or who leads it."""
    there = admin.list_topics(timeout=_SECONDS).topics
    if any(name not in there or there[name].error is not None for name in names):
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))


def demand_topic(settings: Settings, topic: str, *, within_seconds: float) -> None:
    """Raises BrokerUnavailable when no broker answers in this time, ConfigurationError when the topic is missing."""
    try:
        there = _admin(settings).list_topics(topic, timeout=within_seconds).topics[topic]
    except KafkaException as error:
        raise _unavailable(settings, error) from error
    if there.error is not None:
        raise ConfigurationError(f"Topic {topic} does not exist: `stream-app topics create` makes it.")


def list_topics(settings: Settings) -> list[TopicFacts]:
    """The topics of ours that exist, in the order in which data flows."""
    topics = Topics(settings.topic_prefix)
    there = reach(settings, lambda admin: admin.list_topics(timeout=_SECONDS)).topics
    names = [name for name in topics.all() if name in there]
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    described = _admin(settings).describe_configs(resources) if names else {}
    configs = {resource.name: future.result() for resource, future in described.items()}
    facts = []
    for name in names:
        begins, ends = begin_offsets(settings, name), end_offsets(settings, name)
        messages = sum(ends.values()) - sum(begins.values())
        facts.append(TopicFacts(name, len(there[name].partitions), messages, _retention(configs[name])))
    return facts


def log_identity(settings: Settings, topic: str = "") -> LogIdentity:
    """Which log ``topic`` is (full name); by default that which the view is made from, the enriched reviews.

    Raises BrokerUnavailable, or ConfigurationError when the topic is missing.
    """
    topic = topic or Topics(settings.topic_prefix).enriched
    metadata = reach(settings, lambda client: client.list_topics(timeout=_SECONDS))
    if topic not in metadata.topics:
        raise ConfigurationError(f"Topic {topic} does not exist: `stream-app topics create` makes it.")
    return LogIdentity(metadata.cluster_id or "", topic, reach(settings, lambda client: _topic_id(client, topic)))


def _topic_id(client: AdminClient, topic: str) -> str:
    """ "" where the broker does not say it: too old, or we may not ask."""
    [described] = client.describe_topics(TopicCollection([topic]), request_timeout=_SECONDS).values()
    try:
        found = described.result(_SECONDS).topic_id
    except KafkaException as error:
        if error.args[0].code() in _NOT_SAID:
            return ""
        raise
    said = "" if found is None else str(found)
    return "" if said == _NO_TOPIC_ID else said


def end_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """Per partition, the offset to which consumers can read: that of the next message, or of the first one of an open
    transaction. The offsets just before it need not be records (transaction markers): whether a reader is there is
    judged by its position.
    """
    return offsets(settings, topic, OffsetSpec.latest())


def log_ends(settings: Settings, topic: str) -> dict[int, int]:
    """Per partition, the offset that the next message will have, open transactions included."""
    return offsets(settings, topic, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)


def held_back(settings: Settings, topic: str) -> int:
    """Offsets behind the beginning of an open transaction: consumers get these only when it ends, and have no lag."""
    readable = end_offsets(settings, topic)
    return sum(end - readable[number] for number, end in log_ends(settings, topic).items())


def begin_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """Per partition, the offset of the first message that is still there."""
    return offsets(settings, topic, OffsetSpec.earliest())


def offsets(
    settings: Settings, topic: str, at: OffsetSpec, isolation: IsolationLevel = IsolationLevel.READ_COMMITTED
) -> dict[int, int]:
    """Offsets per partition. Raises ConfigurationError when the topic is missing."""
    metadata = reach(settings, lambda client: client.list_topics(topic, timeout=_SECONDS)).topics[topic]
    if metadata.error is not None:
        raise ConfigurationError(f"Topic {topic} does not exist: `stream-app topics create` makes it.")
    asked = {TopicPartition(topic, number): at for number in metadata.partitions}

    def ask(client: AdminClient) -> dict[int, int]:
        found = client.list_offsets(asked, isolation_level=isolation, request_timeout=_SECONDS)
        return {partition.partition: future.result().offset for partition, future in found.items()}

    return reach(settings, ask)


def retention_ms(settings: Settings, topic: str) -> int | None:
    """For how long the topic keeps a record at least; None when that is not known (no right to ask, or by size)."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        [described] = _admin(settings).describe_configs([resource]).values()
        config = described.result(_SECONDS)
    except (KafkaException, TimeoutError):
        return None
    if any(setting not in config for setting in ("retention.ms", "retention.bytes", "cleanup.policy")):
        return None  # not every Kafka service shows all of them
    kept = int(config["retention.ms"].value)
    if config["cleanup.policy"].value != "delete" or int(config["retention.bytes"].value) >= 0:
        return None
    return 2**62 if kept < 0 else kept


def lag(settings: Settings, role: str) -> int:
    """How many records of its topic the role has not committed yet."""
    topic = topic_of(settings, role)
    committed = committed_offsets(settings, role)
    begins = begin_offsets(settings, topic)
    ends = end_offsets(settings, topic)
    return sum(max(0, end - max(committed.get(number, 0), begins[number])) for number, end in ends.items())


def committed_offsets(settings: Settings, role: str) -> dict[int, int]:
    """What the role's group committed, per partition; partitions without a commit are left out."""
    topic = topic_of(settings, role)
    partitions = [TopicPartition(topic, number) for number in end_offsets(settings, topic)]
    member = _member_of(settings, settings.group(role))
    found = reach(settings, lambda _: member.committed(partitions, timeout=_SECONDS))
    return {partition.partition: partition.offset for partition in found if partition.offset >= 0}


def read_to_end(settings: Settings, topic: str, since: Mapping[int, int] | None = None) -> Iterator[RawRecord]:
    """Every record from ``since`` (per partition; default: the beginning) to the end that the topic has now."""
    begins = begin_offsets(settings, topic)
    ends = end_offsets(settings, topic)
    starts = {number: max(begin, (since or {}).get(number, 0)) for number, begin in begins.items()}
    left = {number for number, start in starts.items() if start < ends[number]}
    for record in _read(settings, topic, {number: starts[number] for number in left}):
        if isinstance(record, int):  # the end of this partition
            left.discard(record)
        else:
            if record.offset < ends[record.partition]:
                yield record
            if record.offset + 1 >= ends[record.partition]:
                left.discard(record.partition)
        if not left:
            return


def read_from(settings: Settings, topic: str, *, from_end: bool) -> Iterator[RawRecord]:
    """Every record from the beginning, or those that come from now on; never ends by itself."""
    spec = OffsetSpec.latest() if from_end else OffsetSpec.earliest()
    return (record for record in _read(settings, topic, offsets(settings, topic, spec)) if not isinstance(record, int))


def newest(settings: Settings, topic: str) -> RawRecord | None:
    """The record with the latest timestamp among the last ones of each partition.

    A partition may end in offsets without a record (transaction markers, what was aborted or compacted away): then
    ever more of its end is read until there is one.
    """
    begins, ends = begin_offsets(settings, topic), end_offsets(settings, topic)
    without = {number for number, end in ends.items() if begins[number] < end}
    last: dict[int, RawRecord] = {}
    depth = 1
    while without:
        since = {number: ends[number] - depth if number in without else end for number, end in ends.items()}
        last |= {record.partition: record for record in read_to_end(settings, topic, since)}
        without = {number for number in without - last.keys() if since[number] > begins[number]}
        depth *= 8
    return max(last.values(), key=lambda record: record.timestamp_ms, default=None)


def _read(settings: Settings, topic: str, starts: Mapping[int, int]) -> Iterator[RawRecord | int]:
    """Records, and the number of a partition whenever its end is reached."""
    if not starts:
        return
    consumer = Consumer(consumer_config(settings))
    try:
        consumer.assign([TopicPartition(topic, number, offset) for number, offset in starts.items()])
        while True:
            # consume() waits until it has as many as it was asked for: ask for one, then for what is there
            for message in (*consumer.consume(1, timeout=0.5), *consumer.consume(499, timeout=0)):
                error = message.error()
                if error is None:
                    yield _record(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    yield message.partition()
                elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:
                    raise _unavailable(settings, KafkaException(error))
    finally:
        consumer.close()


def _record(message: Any) -> RawRecord:
    kind, timestamp = message.timestamp()
    return RawRecord(
        message.topic(),
        message.partition(),
        message.offset(),
        0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
        message.key(),
        message.value(),
        _headers(message),
    )


def _headers(message: Any) -> tuple[tuple[str, bytes], ...]:
    """The record's headers; one in their place, of this name, where a name among them is not UTF-8.

    confluent-kafka gives none of them then. A second call would give them with a null pointer among the names, which
    ends the process with SIGSEGV.
    """
    try:
        return tuple(_headers_of(message) or ())
    # guarantee: readers-survive-header-names
    except (UnicodeDecodeError, SystemError):  # the latter as CPython's "returned a result with an exception set"
        return ((HEADERS_UNREADABLE, b"the name of a header is not UTF-8"),)


@lru_cache(maxsize=8)
def _admin(settings: Settings) -> AdminClient:
    """One client per cluster, kept: a client that goes away while its answers are under way crashes the process."""
    return AdminClient(client_config(settings))


@lru_cache(maxsize=8)
def _member_of(settings: Settings, group: str) -> Consumer:
    """A consumer that asks for a group's offsets and never joins it.

    The admin client's own question (ListConsumerGroupOffsets) crashes librdkafka 2.16 when a commit is under way.
    """
    return Consumer({**consumer_config(settings), "group.id": group})


def topic_of(settings: Settings, role: str) -> str:
    """Full name of the topic that a role reads."""
    topics = Topics(settings.topic_prefix)
    return {"enrich": topics.reviews, "summarize": topics.enriched, "notify": topics.alerts}[role]


def reach(settings: Settings, ask: Callable[[AdminClient], Answer]) -> Answer:
    """The answer; asked again for a while when leaders or coordinators are just being chosen."""
    until = time.monotonic() + _SECONDS
    while True:
        try:
            return ask(_admin(settings))
        except KafkaException as error:
            if error.args[0].code() not in _BEING_CHOSEN or time.monotonic() > until:
                raise _unavailable(settings, error) from error
            time.sleep(_PAUSE_SECONDS)  # until the brokers agree
        except TimeoutError as error:  # of an answer's future: the client still waits for a broker
            no_answer = KafkaException(KafkaError(KafkaError._TIMED_OUT))
            raise _unavailable(settings, no_answer) from error


def _unavailable(settings: Settings, error: KafkaException) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"Kafka at {settings.brokers} does not answer as it should ({error.args[0].str()}). Does it run? "
        "`stream-app services start` starts one here; --brokers or STREAM_APP_BROKERS names another."
    )


def _retention(config: Mapping[str, Any]) -> str:
    if "cleanup.policy" in config and "compact" in config["cleanup.policy"].value:
        return "compacted"
    if "retention.ms" not in config:  # not every Kafka service shows it
        return "not said"
    ms = int(config["retention.ms"].value)
    return "for ever" if ms < 0 else f"{ms / _DAY_MS:g} days"
