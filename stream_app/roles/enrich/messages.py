"""Makes the messages of enriched reviews and deletions, and rejects those that would be too large."""

from __future__ import annotations

from collections.abc import Callable

from stream_app import contract
from stream_app.kafka.topics import Topics
from stream_app.ports import InFlightRecord
from stream_app.records import EnrichedReview, Message, ModelName, Rejected, Review, size_of
from stream_app.roles.enrich.open_review import OpenReview, position_of
from stream_app.settings import EnrichSettings
from stream_app.steps import assemble

_AROUND_VALUE_BYTES = 8 * 1024  # more than key and headers of an enriched review have: ids have 128 characters at most


class Messages:
    """The messages to be published, with the names of the models and the version that they state."""

    def __init__(
        self,
        settings: EnrichSettings,
        sentiment_model: Callable[[str | None], ModelName],
        summary_model: ModelName | None,
        max_message_bytes: int,
    ) -> None:
        """``sentiment_model``: the name of the one that reads a language."""
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._sentiment_model = sentiment_model
        self._summary_model = summary_model
        self._max_message_bytes = max_message_bytes

    def enriched(self, review: OpenReview, abstract: str | None, now_ms: int) -> Message | Rejected:
        """Make the message of an enriched review. ``abstract``: T5's answer; None: the review's own words."""
        enriched = assemble.assemble(
            review.review,
            review.prepared,
            sentiment=review.sentiment,
            sentiment_missing=review.sentiment_missing,
            truncated=review.truncated,
            sentences=review.sentences,
            abstract=abstract,
            with_summary=self._settings.summaries != "off",
            min_words=self._settings.summary_min_words,
            sentiment_model=self._sentiment_model(review.prepared.language),
            summary_model=self._summary_model,
            enrichment_version=self._settings.enrichment_version,
            now_ms=now_ms,
            position=position_of(review.in_flight),
        )
        return self._bounded(review.in_flight, enriched)

    def deletion(self, in_flight: InFlightRecord, review: Review, now_ms: int) -> Message | Rejected:
        """Make the message of a deletion."""
        version = self._settings.enrichment_version
        deleted = assemble.deletion(review, enrichment_version=version, now_ms=now_ms, position=position_of(in_flight))
        return self._bounded(in_flight, deleted)

    def dead_letter(self, rejected: Rejected) -> Message:
        """Make the message of a reject, with the original bytes."""
        return contract.dead_letter_message(self._topics.dead_letter, rejected, self._max_message_bytes)

    def _bounded(self, in_flight: InFlightRecord, enriched: EnrichedReview) -> Message | Rejected:
        message = contract.enriched_message(self._topics.enriched, enriched)
        # the publisher counts every message anyway: here only those that may be too large
        may_exceed = len(message.value or b"") > self._max_message_bytes - _AROUND_VALUE_BYTES
        if may_exceed and size_of(message) > self._max_message_bytes:  # guarantee: too-large-is-a-reject
            return Rejected(in_flight.record, "message_too_large", "its enriched form exceeds 2 MiB")
        return message
