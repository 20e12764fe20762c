"""Compares the topics as the brokers have them with what the roles need, and repairs what may be repaired."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from stream_app import telemetry
from stream_app.kafka.admin import reach
from stream_app.kafka.topics import FOR_EVER, ROLL_AT_ONCE_MS, Topics, TopicSpec, min_insync_replicas
from stream_app.ports import ConfigurationError
from stream_app.settings import KafkaSettings

_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 1.0  # a broker may learn late of a topic that was just made or repaired
_BROKERS_SEGMENT_MS = str(7 * 24 * 3600 * 1000)  # Kafka's default
_FORBIDDEN = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)
_UNSUPPORTED = (KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a topic that is not as it should be.

    ``problem``: the predicate of a sentence about the topic.
    ``fatal``: records would be lost or could not be written; a role that reads or writes it must not start.
    ``setting``, ``wanted``: the topic configuration that repairs it; empty where none does.
    ``repairable``: `stream-app topics create` sets it, because that only widens what the topic holds or promises.
    """

    topic: str
    problem: str
    fatal: bool = False
    setting: str = ""
    wanted: str = ""
    repairable: bool = False

    def message(self, brokers: str) -> str:
        """A sentence that names topic, setting and command."""
        return f"Topic {self.topic} {self.problem}. {self._command(brokers)}".rstrip()

    def _command(self, brokers: str) -> str:
        if self.repairable:
            return f"`stream-app topics create` sets {self.setting}={self.wanted}."
        if not self.setting:
            return ""
        return (
            f"`kafka-configs.sh --bootstrap-server {brokers} --alter --entity-type topics --entity-name {self.topic} "
            f"--add-config {self.setting}={self.wanted}` changes it."
        )


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the brokers describe it. ``config`` is None where we may not ask."""

    partitions: int
    replication: int
    config: Mapping[str, str | None] | None


def look_at_topics(settings: KafkaSettings, names: Iterable[str]) -> list[Finding]:
    """What is wrong with these topics (full names), worst first.

    Where rights are missing that is a finding too, not an error. Raises BrokerUnavailable.
    """
    specs = {spec.name: spec for spec in Topics(settings.topic_prefix).specs()}
    findings: list[Finding] = []
    for name, state in _states(settings, list(names)).items():
        if isinstance(state, Finding):
            findings.append(state)
        else:
            findings += judge(specs.get(name, TopicSpec(name)), state, Topics(settings.topic_prefix))
    return sorted(findings, key=lambda finding: not finding.fatal)


def check_topics_of(settings: KafkaSettings, role: str, also: Sequence[str] = ()) -> None:
    """Before ``role`` starts: warns of what is not as it should be in the topics that it reads and writes.

    Raises ConfigurationError where it would lose records or could not publish, BrokerUnavailable.
    """
    topics = Topics(settings.topic_prefix)
    names = dict.fromkeys((*also, *topics.read_by(role), *topics.written_by(role)))
    findings = look_at_topics(settings, names)
    if any(finding.fatal for finding in findings):
        time.sleep(_LOOK_AGAIN_SECONDS)
        findings = look_at_topics(settings, names)
    for finding in findings:
        if not finding.fatal:
            telemetry.topic_is_misconfigured(finding.topic, finding.message(settings.brokers))
    fatal = [finding.message(settings.brokers) for finding in findings if finding.fatal]
    if fatal:
        raise ConfigurationError("\n".join(fatal))


def repair_topics(settings: KafkaSettings) -> tuple[list[Finding], list[Finding]]:
    """(what was repaired, what is left), over all topics of ours. Never changes partitions or replication.

    Raises BrokerUnavailable, or ConfigurationError when the brokers refuse.
    """
    findings = look_at_topics(settings, Topics(settings.topic_prefix).all())
    wanted: dict[str, list[ConfigEntry]] = {}
    for finding in findings:
        if finding.repairable:
            entry = ConfigEntry(finding.setting, finding.wanted, incremental_operation=AlterConfigOpType.SET)
            wanted.setdefault(finding.topic, []).append(entry)
    resources = [
        ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries) for name, entries in wanted.items()
    ]

    def alter(admin: AdminClient) -> None:
        for resource, done in admin.incremental_alter_configs(resources, request_timeout=_SECONDS).items():
            try:
                done.result(_SECONDS)
            except KafkaException as error:
                if error.args[0].code() not in _FORBIDDEN:
                    raise
                raise ConfigurationError(
                    f"{resource.name}: the brokers refuse to change it: {error.args[0].str()}."
                ) from error

    if resources:
        reach(settings, alter)
    return [one for one in findings if one.repairable], [one for one in findings if not one.repairable]


def judge(spec: TopicSpec, state: TopicState, topics: Topics) -> list[Finding]:
    """What is wrong with a topic that exists. A setting that these brokers do not have, or do not show, is none: not
    every Kafka service has all of them.
    """
    name, config = spec.name, state.config
    if config is None:
        return [Finding(name, "does not show its configuration: grant DescribeConfigs, or compare it yourself")]
    findings: list[Finding] = []
    is_input = name == topics.reviews
    size = _number(config, "max.message.bytes")
    if spec.max_message_bytes is not None and size is not None and size < spec.max_message_bytes and not is_input:
        problem = f"has max.message.bytes={size}, and what is published there up to {spec.max_message_bytes} bytes"
        findings.append(_repairable(name, problem, "max.message.bytes", str(spec.max_message_bytes), fatal=True))
    policy = config.get("cleanup.policy") or ""
    is_compacted = name in (topics.summaries, topics.signals)
    if is_compacted and policy and policy != spec.cleanup_policy:
        problem = f"has cleanup.policy={policy}: the newest record of a product may be deleted"
        findings.append(_repairable(name, problem, "cleanup.policy", spec.cleanup_policy))
    elif name in topics.all() and not is_compacted and "compact" in policy:
        # not the input: how the shop keeps its reviews is its own choice
        problem = f"has cleanup.policy={policy}: all but the newest record of each product are removed"
        findings.append(Finding(name, problem, not is_input, "cleanup.policy", "delete"))
    if spec.retention_ms == FOR_EVER:
        for setting in ("retention.ms", "retention.bytes"):
            kept = _number(config, setting)
            if "delete" in policy and kept is not None and kept >= 0:
                problem = f"has {setting}={kept}: a view that is rebuilt will lack what was deleted"
                findings.append(Finding(name, problem, setting=setting, wanted=str(FOR_EVER)))
    lag, longest = _number(config, "max.compaction.lag.ms"), spec.max_compaction_lag_ms
    if longest is not None and lag is not None and lag > longest:
        problem = f"has max.compaction.lag.ms={lag}: words of deleted reviews may stay in old summaries"
        findings.append(_repairable(name, problem, "max.compaction.lag.ms", str(longest)))
    if not is_input and _number(config, "segment.ms") == ROLL_AT_ONCE_MS:
        problem = (
            f"has segment.ms={ROLL_AT_ONCE_MS}, a file for nearly each record: `stream-app erase` was killed, and its "
            "next run takes it back"
        )
        findings.append(_repairable(name, problem, "segment.ms", _BROKERS_SEGMENT_MS))
    in_sync, needed = _number(config, "min.insync.replicas"), min_insync_replicas(state.replication)
    if in_sync is not None and in_sync < needed:
        problem = f"has min.insync.replicas={in_sync} with {state.replication} copies: one lost disk may lose records"
        findings.append(_repairable(name, problem, "min.insync.replicas", str(needed)))
    return findings


def _number(config: Mapping[str, str | None], setting: str) -> int | None:
    """None where it is not among what the brokers show."""
    shown = config.get(setting)
    return int(shown) if shown else None


def _repairable(topic: str, problem: str, setting: str, wanted: str, *, fatal: bool = False) -> Finding:
    """What `stream-app topics create` sets."""
    return Finding(topic, problem, fatal, setting, wanted, repairable=True)


def _states(settings: KafkaSettings, names: list[str]) -> dict[str, TopicState | Finding]:
    """Each topic as it is, or what keeps us from seeing it."""

    def describe(admin: AdminClient) -> dict[str, TopicState | Finding]:
        states: dict[str, TopicState | Finding] = {}
        for name, future in admin.describe_topics(TopicCollection(names), request_timeout=_SECONDS).items():
            try:
                described = future.result(_SECONDS)
            except KafkaException as error:
                states[name] = _unseen(name, error)
                continue
            copies = min((len(partition.replicas) for partition in described.partitions), default=0)
            states[name] = TopicState(len(described.partitions), copies, None)
        return states

    states = reach(settings, describe) if names else {}
    seen = [name for name, state in states.items() if isinstance(state, TopicState)]
    for name, config in _configs(settings, seen).items():
        state = states[name]
        assert isinstance(state, TopicState)
        states[name] = TopicState(state.partitions, state.replication, config)
    return states


def _unseen(name: str, error: KafkaException) -> Finding:
    """Raises what is no answer about this topic."""
    code = error.args[0].code()
    if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return Finding(name, "does not exist: `stream-app topics create` makes it", fatal=True)
    if code in _FORBIDDEN:
        return Finding(name, "may not be described by this user: grant Describe, or compare it yourself")
    if code in _UNSUPPORTED:
        return Finding(name, "cannot be compared, because these brokers do not describe topics: compare it yourself")
    raise error


def _configs(settings: KafkaSettings, names: list[str]) -> dict[str, Mapping[str, str | None] | None]:
    """The effective configuration by topic; None if it may not be read, or the brokers do not report it."""

    def describe(admin: AdminClient) -> dict[str, Any]:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        return {one.name: future for one, future in admin.describe_configs(resources, request_timeout=_SECONDS).items()}

    found: dict[str, Mapping[str, str | None] | None] = {}
    for name, future in (reach(settings, describe) if names else {}).items():
        try:
            found[name] = {key: entry.value for key, entry in future.result(_SECONDS).items()}
        except (KafkaException, TimeoutError):
            found[name] = None
    return found
