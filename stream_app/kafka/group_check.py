"""Compares the committed offsets of the roles' consumer groups with what the topics still hold."""

from __future__ import annotations

from stream_app.kafka.groups import committed_offsets, topic_of
from stream_app.kafka.offsets import begin_offsets, log_ends
from stream_app.settings import KafkaSettings


def lost_positions(settings: KafkaSettings, role: str) -> list[str]:
    """Return a sentence per partition whose committed offset is outside the log, in the role's group.

    Raises BrokerUnavailable, or ConfigurationError when the topic is missing.
    """
    topic, group = topic_of(settings, role), settings.group(role)
    committed = committed_offsets(settings, role)
    begins, ends = begin_offsets(settings, topic), log_ends(settings, topic)
    findings = []
    for number, offset in sorted(committed.items()):
        if offset < begins[number]:  # guarantee: commits-are-compared-with-what-is-left
            findings.append(
                f"{group}: {topic}-{number} begins at {begins[number]} and is committed at {offset}: retention removed "
                f"{begins[number] - offset} records that were not read. Raise the retention or add workers."
            )
        elif offset > ends[number]:
            findings.append(
                f"{group}: {topic}-{number} ends at {ends[number]} and is committed at {offset}: it was recreated or "
                "lost its end. The role reads it from its beginning."
            )
    return findings
