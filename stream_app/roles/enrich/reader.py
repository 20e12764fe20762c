"""Decodes and prepares records: a review that is ready for the models, the message of a deletion, or a reject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stream_app import contract
from stream_app.ports import InFlightRecord
from stream_app.records import Message, Partition, RawRecord, Rejected, Review, Scores
from stream_app.roles.enrich.alerts import Alerts
from stream_app.roles.enrich.messages import Messages
from stream_app.roles.enrich.open_review import OpenReview
from stream_app.settings import EnrichSettings
from stream_app.steps import assemble, prepare

HEALTHY_SCORES = Scores(0.0, 0.0, 1.0)
_HEALTHY_REVIEW = (
    b'{"product_id": "healthy", "review_id": "healthy", "rating": 5, "text": "It works well, I use it every day."}'
)


class Reader:
    """The steps before the models, for the records of one poll."""

    def __init__(
        self,
        settings: EnrichSettings,
        topic: str,
        languages: frozenset[str] | None,
        alerts: Alerts,
        messages: Messages,
        now_ms: Callable[[], int],
    ) -> None:
        """``languages``: those that the sentiment model reads; None: any."""
        self._settings = settings
        self._topic = topic
        self._languages = languages
        self._alerts = alerts
        self._messages = messages
        self._now_ms = now_ms

    def read(self, records: Sequence[InFlightRecord], now_ms: int) -> list[OpenReview | Message | Rejected]:
        """Return one result per record: a review for the models, the message of a deletion, or a reject."""
        found: list[Any] = [self._decoded(in_flight, now_ms) for in_flight in records]
        accepted = [at for at, review in enumerate(found) if type(review) is Review]
        prepared = prepare.prepare_all([found[at] for at in accepted], self._languages)
        for at, ready in zip(accepted, prepared, strict=True):
            if isinstance(ready, prepare.Unusable):
                found[at] = Rejected(records[at].record, ready.reason, ready.detail)
            else:
                produced_at_ms = records[at].record.plausible_timestamp_ms(now_ms)
                found[at] = opened = OpenReview(records[at], found[at], ready, produced_at_ms)
                opened.high_priority = self._alerts.is_candidate(opened, now_ms)
                if ready.safety_words:
                    opened.hazard = self._alerts.by_words(opened, now_ms)
                if not ready.supported:
                    opened.by_stars = self._alerts.by_stars(opened, now_ms)
        return found

    def healthy_record(self) -> InFlightRecord:
        """Return a record without faults, which raises no alert. A failure on it is a bug of ours."""
        record = RawRecord(self._topic, 0, 0, self._now_ms(), None, _HEALTHY_REVIEW)
        return InFlightRecord(record, Partition(self._topic, 0), epoch=-1)

    def healthy_review(self) -> OpenReview:
        """Return the review of ``healthy_record``, with a sentiment."""
        [review] = self.read([self.healthy_record()], self._now_ms())
        assert isinstance(review, OpenReview)
        review.sentiment = assemble.sentiment_of(HEALTHY_SCORES)
        return review

    def _decoded(self, in_flight: InFlightRecord, now_ms: int) -> Review | Message | Rejected:
        review = contract.decode_review(
            in_flight.record,
            now_ms=now_ms,
            max_future_ms=self._settings.max_future_seconds * 1000,
            max_text_characters=self._settings.max_text_characters,
        )
        if isinstance(review, Rejected) or review.kind != "deleted":
            return review
        return self._messages.deletion(in_flight, review, now_ms)
