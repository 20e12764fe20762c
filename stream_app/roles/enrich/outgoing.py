"""Publishes what a review leads to, in order, and knows which reviews are not finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from stream_app import telemetry
from stream_app.ports import Acks, InFlightRecord
from stream_app.records import Message, Partition, Rejected
from stream_app.roles.enrich.messages import Messages
from stream_app.roles.enrich.open_review import OpenReview
from stream_app.roles.record_errors import RecordErrors


class Outgoing:
    """Every open review ends here, once: published, rejected, or closed without either."""

    def __init__(
        self,
        acks: Acks,
        messages: Messages,
        record_errors: RecordErrors,
        healthy: Callable[[], OpenReview],
        now_ms: Callable[[], int],
    ) -> None:
        """``healthy`` makes a review without faults: a failure on it is a bug of ours."""
        self._acks = acks
        self._messages = messages
        self._record_errors = record_errors
        self._healthy = healthy
        self._now_ms = now_ms
        self._open: set[OpenReview] = set()
        self._something_finished = asyncio.Event()

    def opened(self, reviews: Iterable[OpenReview]) -> None:
        """These reviews are open from now on."""
        self._open.update(reviews)

    async def until_finished(self, partitions: frozenset[Partition]) -> None:
        """Return when no review of these partitions is open."""
        while any(review.in_flight.partition in partitions for review in self._open):
            self._something_finished.clear()
            await self._something_finished.wait()

    def publish(self, reviews: Sequence[tuple[OpenReview, str | None]]) -> None:
        """Finish these reviews, each with T5's answer, or None: its own words."""
        now_ms = self._now_ms()
        made = self._record_errors.attempt(
            reviews,
            lambda some: [self._messages.enriched(one, abstract, now_ms) for one, abstract in some],
            in_flight_of=lambda review: review[0].in_flight,
            reject=lambda review, rejected: self.give_up(review[0], rejected),
            healthy=lambda: (self._healthy(), None),
        )
        finished = []
        for (review, _), message in made:
            if isinstance(message, Rejected):
                self.give_up(review, message)
                continue
            self.close(review)
            _count(review.produced_at_ms, now_ms)
            finished.append((review.in_flight, [message]))
        self._acks.finish_all(finished)

    def publish_deletion(self, in_flight: InFlightRecord, message: Message, now_ms: int) -> None:
        """Finish a deletion."""
        _count(in_flight.record.plausible_timestamp_ms(now_ms), now_ms)
        self._acks.finish(in_flight, [message])

    def give_up(self, review: OpenReview, rejected: Rejected) -> None:
        """Finish an open review with a dead letter."""
        self.close(review)
        self.reject(review.in_flight, rejected)

    def reject(self, in_flight: InFlightRecord, rejected: Rejected) -> None:
        """Finish a record with a dead letter."""
        record = rejected.record
        telemetry.review_rejected(rejected.reason, record.topic, record.partition, record.offset)
        self._acks.finish(in_flight, [self._messages.dead_letter(rejected)])  # guarantee: reject-is-published

    def close(self, review: OpenReview) -> None:
        """Forget an open review."""
        review.finished = True
        self._open.discard(review)
        self._something_finished.set()


def _count(produced_at_ms: int | None, now_ms: int) -> None:
    if produced_at_ms is not None:  # else one record would move the sum of all latencies by thousands of years
        telemetry.review_enriched(max(0, now_ms - produced_at_ms) / 1000)
