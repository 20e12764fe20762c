"""Which log a view was made from: Kafka's cluster id and the topic's id, and in what two logs differ."""

from __future__ import annotations

from dataclasses import dataclass

_UNKNOWN = "not said"


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """A topic of a cluster. A topic that was deleted and made again has another id (KIP-516).

    ``topic_id``: "" where the brokers do not report it (before Kafka 2.8, or without the right to describe the topic).
    """

    cluster_id: str
    topic: str
    topic_id: str = ""

    def __str__(self) -> str:
        return f"cluster {self.cluster_id or _UNKNOWN}, topic {self.topic}, topic id {self.topic_id or _UNKNOWN}"


def is_another(recorded: LogIdentity, present: LogIdentity) -> bool:
    """Do they differ in what both know? Offsets of one then mean nothing in the other."""
    pairs = (
        (recorded.cluster_id, present.cluster_id),
        (recorded.topic, present.topic),
        (recorded.topic_id, present.topic_id),
    )
    return any(one != other for one, other in pairs if one and other)


def refusal(recorded: LogIdentity, present: LogIdentity) -> str:
    """For people: what differs, and what to do."""
    return (
        f"This view in Redis was made from {recorded}; you are connected to {present}. "
        "Set STREAM_APP_BROKERS, STREAM_APP_TOPIC_PREFIX or STREAM_APP_APP_NAME to those of the view, or make a new "
        "view from this log: `stream-app rebuild --accept-loss`."
    )
