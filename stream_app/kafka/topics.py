"""The topics' names and configurations, written once."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
_DAY_MS = 24 * 3600 * 1000
_FOR_EVER = "-1"

MAX_REVIEW_BYTES = 1 * MIB
MAX_MESSAGE_BYTES = 2 * MIB


@dataclass(frozen=True, slots=True)
class Topics:
    """Full names of the five topics. ``prefix``: a namespace put before each, may be empty."""

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
    def dead_letter(self) -> str:
        return f"{self.prefix}reviews.dead-letter"

    def all(self) -> tuple[str, ...]:
        """In the order in which data flows."""
        return (self.reviews, self.enriched, self.alerts, self.summaries, self.dead_letter)

    def configs(self) -> dict[str, dict[str, str]]:
        """Topic configuration by full name, as the broker takes it.

        Record timestamps are the time of producing (LogAppendTime would hide the producer's delay; an event's own
        time would let retention delete old reviews at once), so CreateTime stays as it is.
        """
        enriched_bytes = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
        return {
            self.reviews: {"max.message.bytes": str(MAX_REVIEW_BYTES)},
            # kept for ever: the view in Redis is rebuilt from it
            self.enriched: {**enriched_bytes, "retention.ms": _FOR_EVER, "retention.bytes": _FOR_EVER},
            self.alerts: {"retention.ms": str(30 * _DAY_MS)},
            self.summaries: {"cleanup.policy": "compact", **enriched_bytes},
            self.dead_letter: {**enriched_bytes, "retention.ms": str(30 * _DAY_MS)},
        }
