"""Finds the alerts that are due for a review, and publishes them at once, out of order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stream_app import contract, telemetry
from stream_app.ports import Acks
from stream_app.records import Alert, SentenceScores, Sentiment
from stream_app.roles.enrich.fired_alerts import FiredAlerts
from stream_app.roles.enrich.open_review import NO_ALERT, DueAlert, OpenReview
from stream_app.settings import EnrichSettings
from stream_app.steps import alert_rules
from stream_app.steps.alert_ids import alert_id_of


class Alerts:
    """The alert rules of single reviews. An alert fires again only at a higher severity."""

    def __init__(self, settings: EnrichSettings, topic: str, fired: FiredAlerts, acks: Acks) -> None:
        self._topic = topic
        self._fired = fired
        self._acks = acks
        self._threshold = settings.alert_threshold
        self._max_age_ms = int(settings.alert_max_age_hours * 3_600_000)

    def is_candidate(self, review: OpenReview, now_ms: int) -> bool:
        """May the review raise an alert? Candidates go to BERT first, before a burst or a backlog of other reviews."""
        return alert_rules.is_alert_candidate(
            review.review,
            review.prepared,
            produced_at_ms=review.produced_at_ms,
            max_age_ms=self._max_age_ms,
            now_ms=now_ms,
        )

    def by_words(self, review: OpenReview, now_ms: int) -> DueAlert:
        """Apply the rule ``safety``, which needs words and stars alone."""
        alert_id = alert_id_of(review.review, "safety")
        return self._due(
            alert_rules.safety(
                review.review,
                review.prepared,
                produced_at_ms=review.produced_at_ms,
                before=self._fired.before(alert_id, review.in_flight.epoch),
                max_age_ms=self._max_age_ms,
                now_ms=now_ms,
            )
        )

    def by_stars(self, review: OpenReview, now_ms: int) -> DueAlert:
        """Apply the rule ``negative_review`` to a review that no model reads."""
        return self._due(
            alert_rules.negative_by_stars(
                review.review,
                review.prepared,
                produced_at_ms=review.produced_at_ms,
                before=self._fired_for(review),
                max_age_ms=self._max_age_ms,
                now_ms=now_ms,
            )
        )

    def by_model(
        self, review: OpenReview, sentiment: Sentiment | None, sentences: Sequence[SentenceScores], now_ms: int
    ) -> DueAlert:
        """Apply the rules that need the model: ``safety`` by what it learned, else ``negative_review``."""
        if sentiment is None:
            return NO_ALERT
        hazard = self._by_hazard(review, sentiment, sentences, now_ms)
        return self._by_sentiment(review, sentiment, sentences, now_ms) if hazard.found is None else hazard

    def _by_hazard(
        self, review: OpenReview, sentiment: Sentiment, sentences: Sequence[SentenceScores], now_ms: int
    ) -> DueAlert:
        if not sentences:
            return NO_ALERT
        return self._due(
            alert_rules.learned_safety(
                review.review,
                review.prepared,
                sentiment,
                sentences,
                produced_at_ms=review.produced_at_ms,
                before=self._fired.before(alert_id_of(review.review, "safety"), review.in_flight.epoch),
                max_age_ms=self._max_age_ms,
                now_ms=now_ms,
            )
        )

    def _by_sentiment(
        self, review: OpenReview, sentiment: Sentiment, sentences: Sequence[SentenceScores], now_ms: int
    ) -> DueAlert:
        if not alert_rules.is_negative(sentiment, self._threshold):
            return NO_ALERT
        return self._due(
            alert_rules.negative_review(
                review.review,
                review.prepared,
                sentiment,
                sentences,
                produced_at_ms=review.produced_at_ms,
                before=self._fired_for(review),
                threshold=self._threshold,
                max_age_ms=self._max_age_ms,
                now_ms=now_ms,
            )
        )

    def publish(
        self, review: OpenReview, due: DueAlert, now_ms: int, rule: Callable[[OpenReview, int], DueAlert]
    ) -> None:
        """Publish the alert. ``rule`` is applied again if one of the same id fired since, in the same batch."""
        in_flight = review.in_flight
        if isinstance(due.found, Alert) and self._fired.before(due.found.alert_id, in_flight.epoch):
            due = rule(review, now_ms)
        found, message = due
        if isinstance(found, alert_rules.Suppressed):
            telemetry.alert_suppressed(found.rule, found.reason)  # guarantee: suppressed-alerts-are-counted
        elif found is not None and message is not None:
            telemetry.alert_raised(found.rule, found.severity)
            self._acks.publish_early(in_flight, [message])
            self._fired.sent(found, in_flight.epoch)

    def _due(self, found: Alert | alert_rules.Suppressed | None) -> DueAlert:
        return DueAlert(found, contract.alert_message(self._topic, found) if isinstance(found, Alert) else None)

    def _fired_for(self, review: OpenReview) -> alert_rules.Fired | None:
        """Return the graver of the last firings of ``safety`` and ``negative_review`` for this review.

        An edit that raises ``negative_review`` no higher than that needs no further alert.
        """
        epoch = review.in_flight.epoch
        safety = self._fired.before(alert_id_of(review.review, "safety"), epoch)
        negative = self._fired.before(alert_id_of(review.review), epoch)
        if safety is None or negative is None:
            return safety or negative
        return negative if alert_rules.is_graver(negative.severity, safety.severity) else safety
