"""Names and configurations of the topics."""

from __future__ import annotations

from dataclasses import dataclass

from stream_app.role_table import ROLES

KIB = 1024
MIB = 1024 * KIB
_DAY_MS = 24 * 3600 * 1000
FOR_EVER = -1

ROLL_AT_ONCE_MS = 1
"""segment.ms of a topic for the second in which `stream-app erase` begins new segments."""

MAX_REVIEW_BYTES = 1 * MIB
MAX_MESSAGE_BYTES = 2 * MIB
_COPIES_WITH_MIN_ISR_2 = 3


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic of ours as it should be. None: the broker's default, or the shop's choice."""

    name: str
    max_message_bytes: int | None = None
    retention_ms: int | None = None
    cleanup_policy: str = "delete"
    max_compaction_lag_ms: int | None = None

    def config(self, replication: int) -> dict[str, str]:
        """As the broker takes it when the topic is created with this many copies."""
        config = {}
        if (in_sync := min_insync_replicas(replication)) > 1:  # else the broker's default, which may be stricter
            config["min.insync.replicas"] = str(in_sync)
        if self.max_message_bytes is not None:
            config["max.message.bytes"] = str(self.max_message_bytes)
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        if self.retention_ms == FOR_EVER:
            config["retention.bytes"] = str(FOR_EVER)
        if self.cleanup_policy != "delete":
            config["cleanup.policy"] = self.cleanup_policy
        if self.max_compaction_lag_ms is not None:  # guarantee: old-summaries-go
            config["max.compaction.lag.ms"] = str(self.max_compaction_lag_ms)
        return config


def min_insync_replicas(replication: int) -> int:
    """With 1, acks=all is the word of one broker: its disk alone may hold what was acknowledged. With 2 of 3 copies one
    broker may be away; with 2 of 2 none could.
    """
    return 2 if replication >= _COPIES_WITH_MIN_ISR_2 else 1  # guarantee: two-copies-of-three


@dataclass(frozen=True, slots=True)
class Topics:
    """Full names of the six topics. ``prefix``: a namespace put before each, may be empty."""

    prefix: str = ""

    @property
    def reviews(self) -> str:
        return f"{self.prefix}reviews"

    @property
    def enriched(self) -> str:
        return f"{self.prefix}reviews.enriched"

    @property
    def alerts(self) -> str:
        return f"{self.prefix}reviews.alerts"

    @property
    def summaries(self) -> str:
        return f"{self.prefix}products.summaries"

    @property
    def signals(self) -> str:
        return f"{self.prefix}products.signals"

    @property
    def dead_letter(self) -> str:
        return f"{self.prefix}reviews.dead-letter"

    def all(self) -> tuple[str, ...]:
        """In the order in which data flows."""
        return tuple(spec.name for spec in self.specs())

    def specs(self) -> tuple[TopicSpec, ...]:
        """In the order in which data flows.

        Record timestamps are the time of producing (LogAppendTime would hide the producer's delay; an event's own
        time would let retention delete old reviews at once), so CreateTime stays as it is.
        """
        return (
            TopicSpec(self.reviews, MAX_REVIEW_BYTES),
            # kept without limit: the view in Redis is rebuilt from it
            TopicSpec(self.enriched, MAX_MESSAGE_BYTES, FOR_EVER),  # guarantee: enriched-reviews-are-kept
            TopicSpec(self.alerts, retention_ms=30 * _DAY_MS),
            # compacted once a day even where little changes: older summaries may quote a review that was deleted since
            TopicSpec(self.summaries, MAX_MESSAGE_BYTES, cleanup_policy="compact", max_compaction_lag_ms=_DAY_MS),
            TopicSpec(self.signals, MAX_MESSAGE_BYTES, cleanup_policy="compact", max_compaction_lag_ms=_DAY_MS),
            TopicSpec(self.dead_letter, MAX_MESSAGE_BYTES, 30 * _DAY_MS),
        )

    def configs(self, replication: int = 1) -> dict[str, dict[str, str]]:
        """Topic configuration by full name, as the broker takes it."""
        return {spec.name: spec.config(replication) for spec in self.specs()}

    def read_by(self, role: str) -> tuple[str, ...]:
        """Return the topics that the role consumes."""
        return tuple(getattr(self, name) for name in ROLES[role].reads) if role in ROLES else ()

    def written_by(self, role: str) -> tuple[str, ...]:
        """Return the topics that the role publishes to."""
        return tuple(getattr(self, name) for name in ROLES[role].writes) if role in ROLES else ()
