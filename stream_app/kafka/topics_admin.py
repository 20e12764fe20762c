"""Creates and describes the topics, and identifies a topic's log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from stream_app.kafka.admin import ADMIN_SECONDS, admin_client, reach, unavailable
from stream_app.kafka.offsets import begin_offsets, end_offsets
from stream_app.kafka.topics import Topics
from stream_app.ports import ConfigurationError
from stream_app.settings import KafkaSettings
from stream_app.steps.log_identity import LogIdentity

_DAY_MS = 86_400_000
_NO_ID_GIVEN = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.UNSUPPORTED_VERSION,
    KafkaError._UNSUPPORTED_FEATURE,
)
_NO_TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAA"  # the UUID of zeros: a topic of before Kafka 2.8


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """One of our topics as the brokers have it. ``messages`` counts offsets: after compaction it is too large."""

    name: str
    partitions: int
    messages: int
    retention: str


def create_topics(settings: KafkaSettings) -> dict[str, bool]:
    """Create the missing topics, and return for each topic whether it was created. Existing ones are not changed.

    Returns when a broker knows all of them: the controller answers before the brokers know what it created.
    Raises BrokerUnavailable, or ConfigurationError when the brokers refuse (too few brokers, missing rights).
    """
    topics = Topics(settings.topic_prefix)
    configs = topics.configs(settings.replication)
    there = reach(settings, lambda admin: admin.list_topics(timeout=ADMIN_SECONDS)).topics
    missing = [name for name in topics.all() if name not in there]
    made = dict.fromkeys(topics.all(), False)
    if not missing:
        return made
    # one partition count for all: they are keyed
    new = [NewTopic(name, settings.partitions, settings.replication, config=configs[name]) for name in missing]
    for name, future in reach(
        settings, lambda admin: admin.create_topics(new, operation_timeout=ADMIN_SECONDS)
    ).items():
        try:
            future.result()
            made[name] = True
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_ALREADY_EXISTS:  # another client created it meanwhile
                continue
            raise ConfigurationError(
                f"Topic {name} cannot be made: {error.args[0].str()}. Replication is {settings.replication} "
                "(STREAM_APP_REPLICATION): as many brokers are needed."
            ) from error
    reach(settings, lambda admin: _demand(topics.all(), admin))
    return made


def _demand(names: Iterable[str], admin: AdminClient) -> None:
    """Raise KafkaException while the broker that answers does not know one of the topics, or its leader."""
    there = admin.list_topics(timeout=ADMIN_SECONDS).topics
    if any(name not in there or there[name].error is not None for name in names):
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))


def _configs(resources: Sequence[ConfigResource], admin: AdminClient) -> dict[str, Any]:
    """By topic, its configuration."""
    found = admin.describe_configs(list(resources), request_timeout=ADMIN_SECONDS)
    return {resource.name: future.result(ADMIN_SECONDS) for resource, future in found.items()}


def demand_topic(settings: KafkaSettings, topic: str, *, within_seconds: float) -> None:
    """Raise BrokerUnavailable if no broker answers in this time, ConfigurationError if the topic is missing."""
    try:
        there = admin_client(settings).list_topics(topic, timeout=within_seconds).topics[topic]
    except KafkaException as error:
        raise unavailable(settings, error) from error
    if there.error is not None:
        raise ConfigurationError(f"Topic {topic} does not exist: `stream-app topics create` makes it.")


def list_topics(settings: KafkaSettings) -> list[TopicFacts]:
    """Describe our topics that exist, in the order of the data flow."""
    topics = Topics(settings.topic_prefix)
    there = reach(settings, lambda admin: admin.list_topics(timeout=ADMIN_SECONDS)).topics
    names = [name for name in topics.all() if name in there]
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    configs = reach(settings, lambda admin: _configs(resources, admin)) if names else {}
    facts = []
    for name in names:
        begins, ends = begin_offsets(settings, name), end_offsets(settings, name)
        messages = sum(ends.values()) - sum(begins.values())
        facts.append(TopicFacts(name, len(there[name].partitions), messages, _retention(configs[name])))
    return facts


def log_identity(settings: KafkaSettings, topic: str = "") -> LogIdentity:
    """Identify the log of ``topic`` (full name; default: the enriched reviews, from which the view is made).

    Raises BrokerUnavailable, or ConfigurationError when the topic is missing.
    """
    topic = topic or Topics(settings.topic_prefix).enriched
    metadata = reach(settings, lambda client: client.list_topics(timeout=ADMIN_SECONDS))
    if topic not in metadata.topics:
        raise ConfigurationError(f"Topic {topic} does not exist: `stream-app topics create` makes it.")
    return LogIdentity(metadata.cluster_id or "", topic, reach(settings, lambda client: _topic_id(client, topic)))


def _topic_id(client: AdminClient, topic: str) -> str:
    """Return the topic's id; "" if the broker is too old to have ids, or the user may not describe the topic."""
    [described] = client.describe_topics(TopicCollection([topic]), request_timeout=ADMIN_SECONDS).values()
    try:
        found = described.result(ADMIN_SECONDS).topic_id
    except KafkaException as error:
        if error.args[0].code() in _NO_ID_GIVEN:
            return ""
        raise
    topic_id = "" if found is None else str(found)
    return "" if topic_id == _NO_TOPIC_ID else topic_id


def retention_ms(settings: KafkaSettings, topic: str) -> int | None:
    """Return the shortest time a record is kept; None if unknown (no right to ask, or retention by size)."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        [described] = reach(settings, lambda admin: admin.describe_configs([resource])).values()
        config = described.result(ADMIN_SECONDS)
    except (KafkaException, TimeoutError):
        return None
    if any(setting not in config for setting in ("retention.ms", "retention.bytes", "cleanup.policy")):
        return None  # not every Kafka service shows all of them
    kept = int(config["retention.ms"].value)
    if config["cleanup.policy"].value != "delete" or int(config["retention.bytes"].value) >= 0:
        return None
    return 2**62 if kept < 0 else kept


def _retention(config: Mapping[str, Any]) -> str:
    if "cleanup.policy" in config and "compact" in config["cleanup.policy"].value:
        return "compacted"
    if "retention.ms" not in config:  # not every Kafka service shows it
        return "not said"
    ms = int(config["retention.ms"].value)
    return "for ever" if ms < 0 else f"{ms / _DAY_MS:g} days"
