"""The role itself: the way of a review from its record to what is published."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from stream_app import telemetry
from stream_app.kafka.crash_memory import CrashMemory
from stream_app.kafka.topics import Topics
from stream_app.models.tuned import Loaded
from stream_app.ports import Acks, AlertHistory, InFlightRecord, ModelFailed
from stream_app.records import Message, Partition, RawRecord, Rejected, Scores, Sentiment
from stream_app.roles.enrich.alerts import Alerts
from stream_app.roles.enrich.classifiers import Classifiers
from stream_app.roles.enrich.fired_alerts import FiredAlerts
from stream_app.roles.enrich.messages import Messages
from stream_app.roles.enrich.open_review import DueAlert, OpenReview
from stream_app.roles.enrich.outgoing import Outgoing
from stream_app.roles.enrich.quarantine import Quarantine
from stream_app.roles.enrich.reader import HEALTHY_SCORES, Reader
from stream_app.roles.enrich.summaries import Summaries
from stream_app.roles.record_errors import RecordErrors
from stream_app.settings import EnrichSettings, ModelSettings
from stream_app.steps import assemble, prepare
from stream_app.steps.language import load_detector
from stream_app.steps.safety import safety_terms

_FETCH_WAIT_MS = {"cuda": 20, "cpu": 50}  # at the broker, while the device is busy
_ALERT_HISTORY_SECONDS = 30.0  # Kafka answers in a second or two; without the history alerts may be published twice
_ALERT_HANDOVER_SECONDS = 2.0  # a fraction of a second, mostly: after each rebalance the first reviews wait for it
_YIELD_EVERY = 100  # records decoded before the event loop gets a turn: about 5 ms


class Enrich:
    """ports.StreamRole. The steps of one review:

    1. decoded; a reject or a deletion is finished at once
    2. the alert of rule safety, if due, is published: it needs words and stars alone. A review that no model reads is
       finished, with an alert by its stars
    3. BERT, in the batcher's threads; alert candidates have priority
       the review's alert, if due, is published (out of order: it does not wait for T5): of rule safety where a
       sentence speaks of a hazard that no term names, else of rule negative_review
    4. T5 for long reviews; best_effort waits ``summary_wait_ms`` for it, then takes the best sentence
    5. finished: published when every earlier offset of the partition is finished too

    Reviews that may have killed a previous owner of their partition (``crash_memory``) are computed by a child process,
    without T5: their summary is their best sentence. All others continue meanwhile.
    """

    def __init__(
        self,
        settings: EnrichSettings,
        load: Callable[[ModelSettings], Loaded],
        *,
        crashes: CrashMemory,
        max_message_bytes: int,
        now_ms: Callable[[], int],
        fatal: Callable[[BaseException], None],
        alert_history: Callable[[Callable[[RawRecord], None]], AlertHistory] | None = None,
    ) -> None:
        """``alert_history`` makes a reader that passes the alerts published so far, and later ones, to its argument.

        None: alerts of other processes stay unknown.
        """
        self._settings = settings
        self._load = load
        self._crashes = crashes
        self._max_message_bytes = max_message_bytes
        self._now_ms = now_ms
        self._fatal = fatal
        self._fired = FiredAlerts()
        self._epoch = -1
        self._alert_history = alert_history(self._fired.seen) if alert_history else None
        self._record_errors = RecordErrors("enrich")

    # ---- ports.StreamRole

    async def start(self, acks: Acks) -> None:
        if self._alert_history is not None:
            self._alert_history.start()  # it reads while the models load
        telemetry.models_are_loaded(
            "enrich",
            sentiment_model=self._settings.sentiment_model,
            sentiment_models=self._settings.sentiment_models,
            summary_model="off" if self._settings.summaries == "off" else self._settings.summary_model,
            backend=self._settings.backend,
            device=self._settings.device,
        )
        loaded = await asyncio.to_thread(self._load, self._settings)
        # the first review would wait for them, and the event loop with it
        await asyncio.to_thread(safety_terms)
        await asyncio.to_thread(load_detector)
        self._build(loaded, acks)
        if self._alert_history is not None:
            await self._alert_history.caught_up(_ALERT_HISTORY_SECONDS)  # guarantee: alerts-of-others-are-known

    def _build(self, loaded: Loaded, acks: Acks) -> None:
        """Make the parts of the role around the loaded models, and start their threads."""
        settings, bert = self._settings, loaded.sentiment
        t5 = None if settings.summaries == "off" else loaded.summary
        topics = Topics(settings.topic_prefix)
        self._alerts = Alerts(settings, topics.alerts, self._fired, acks)
        self._sentiment = Classifiers(loaded, self._scored, settings, self._fatal)
        messages = Messages(settings, self._sentiment.name_for, t5.model.name if t5 else None, self._max_message_bytes)
        languages = self._sentiment.languages
        self._reader = Reader(settings, topics.reviews, languages, self._alerts, messages, self._now_ms)
        self._outgoing = Outgoing(acks, messages, self._record_errors, self._reader.healthy_review, self._now_ms)
        self._sentiment.start()
        self._fetch_wait_ms = _FETCH_WAIT_MS[bert.device]
        rate = bert.tokens_per_second
        self._fetch_wait_tokens = int(rate * self._fetch_wait_ms / 1000) if rate else bert.batch_tokens
        self._summaries: Summaries | None = None
        if t5 is not None:
            self._summaries = Summaries(settings, t5, bert, self._sentiment, self._outgoing, self._fatal)
            self._summaries.start()
        self._quarantine = Quarantine(
            settings,
            self._load,
            self._crashes,
            self._outgoing,
            self._sentiment,
            cleared=self._cleared,
            compute=self._compute_alone,
            is_idle=self._device_is_idle,
            fatal=self._fatal,
        )

    async def take(self, in_flight_records: list[InFlightRecord]) -> None:
        await self._know_alerts_of(in_flight_records)
        for start in range(0, len(in_flight_records), _YIELD_EVERY):
            await self._quarantine.until_done()
            self._submit(self._opened(in_flight_records[start : start + _YIELD_EVERY], self._now_ms()))
            await asyncio.sleep(0)

    async def _know_alerts_of(self, in_flight_records: Sequence[InFlightRecord]) -> None:
        """After a rebalance, read what the previous owners of the partitions have published, before their next reviews.

        They committed a review when its alert was acknowledged; this process may not have read it back yet, above all
        where it was suspended. Without it an edit would fire the alert again.
        """
        epoch = max((one.epoch for one in in_flight_records), default=self._epoch)
        if epoch == self._epoch:
            return
        self._epoch = epoch
        if self._alert_history is not None:
            await self._alert_history.reach_end(_ALERT_HANDOVER_SECONDS)  # guarantee: alerts-of-predecessors-are-known

    def has_room(self) -> bool:
        return self._sentiment.has_room() and (self._summaries is None or self._summaries.has_room())

    def fetch_wait_ms(self) -> int:
        """While the device is busy for as long as the broker would wait, waiting costs no throughput, and each fetch
        costs as much as a review. Alert candidates wait that much longer.
        """
        return self._fetch_wait_ms if self._sentiment.unfinished_tokens > self._fetch_wait_tokens else 0

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        def unwanted(review: OpenReview) -> bool:
            return review.in_flight.partition in partitions

        self._quarantine.drop()
        for review in self._sentiment.drop_waiting(unwanted):
            self._outgoing.close(review)
        if self._summaries is not None:
            self._summaries.drop_waiting(unwanted)

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        await self._outgoing.until_finished(partitions)

    async def stop(self) -> None:
        models = [one for one in (self._sentiment, self._summaries) if one is not None]
        for one in models:
            one.stop()
        self._quarantine.stop()
        endings: list[Callable[[], object]] = [one.join for one in models]
        if self._alert_history is not None:
            endings.append(self._alert_history.stop)
        await asyncio.gather(*map(asyncio.to_thread, endings))

    # ---- before the models

    def _opened(self, in_flight_records: Sequence[InFlightRecord], now_ms: int) -> list[OpenReview]:
        """Return the reviews that are ready for the models; the other records are finished."""
        read = self._record_errors.attempt(
            in_flight_records,
            lambda some: self._reader.read(some, now_ms),
            in_flight_of=lambda in_flight: in_flight,
            reject=self._outgoing.reject,
            healthy=self._reader.healthy_record,
        )
        opened = []
        for in_flight, found in read:
            if isinstance(found, Rejected):
                self._outgoing.reject(in_flight, found)
                continue
            key = found.key if isinstance(found, Message) else found.review.product_id.encode()
            if in_flight.record.key != key:
                telemetry.key_mismatched()
            if isinstance(found, Message):
                self._outgoing.publish_deletion(in_flight, found, now_ms)
            else:
                opened.append(found)
                if found.hazard is not None:  # guarantee: safety-needs-no-model
                    self._alerts.publish(found, found.hazard, now_ms, self._alerts.by_words)
                if found.by_stars is not None:  # guarantee: stars-alarm-where-no-model-reads
                    self._alerts.publish(found, found.by_stars, now_ms, self._alerts.by_stars)
        self._outgoing.opened(opened)
        return opened

    def _submit(self, reviews: Sequence[OpenReview]) -> None:
        for_model, candidates = [], []
        for review in reviews:
            if not review.prepared.supported:
                review.sentiment_missing = prepare.UNSUPPORTED_LANGUAGE
                self._outgoing.publish([(review, None)])
            elif self._quarantine.is_candidate(review):  # guarantee: candidates-do-not-reach-this-device
                candidates.append(review)
            else:
                for_model.append((review, review.prepared.model_text))
        self._sentiment.submit(for_model)
        self._quarantine.submit(candidates)

    # ---- after BERT

    def _scored(self, results: Sequence[tuple[OpenReview, Scores | ModelFailed]]) -> None:
        ready: list[tuple[OpenReview, str | None]] = []
        for_summary = []
        for review in self._with_sentiment(results):
            if self._summaries is not None and self._summaries.needs(review):
                for_summary.append(review)
            else:
                ready.append((review, None))
        self._outgoing.publish(ready)
        if self._summaries is not None and for_summary:
            self._summaries.submit(for_summary)

    def _with_sentiment(self, results: Sequence[tuple[OpenReview, Scores | ModelFailed]]) -> list[OpenReview]:
        """Return the reviews that BERT answered, with their alerts published; the others are finished."""
        now_ms = self._now_ms()
        judged = self._record_errors.attempt(
            results,
            lambda some: [self._judged(review, scores, now_ms) for review, scores in some],
            in_flight_of=lambda result: result[0].in_flight,
            reject=lambda result, rejected: self._outgoing.give_up(result[0], rejected),
            healthy=lambda: (self._reader.healthy_review(), HEALTHY_SCORES),
        )
        answered = []
        for (review, scores), found in judged:
            if isinstance(found, Rejected):
                self._outgoing.give_up(review, found)
                continue
            review.sentiment, due = found
            if isinstance(scores, Scores):
                review.truncated, review.sentences = scores.truncated, scores.sentences
            self._alerts.publish(review, due, now_ms, self._by_model)
            answered.append(review)
        return answered

    def _judged(
        self, review: OpenReview, scores: Scores | ModelFailed, now_ms: int
    ) -> tuple[Sentiment, DueAlert] | Rejected:
        """Return the sentiment and the alert that is due."""
        if isinstance(scores, ModelFailed):
            return Rejected(review.in_flight.record, scores.reason, scores.detail)
        sentiment = assemble.sentiment_of(scores)
        return sentiment, self._alerts.by_model(review, sentiment, scores.sentences, now_ms)

    def _by_model(self, review: OpenReview, now_ms: int) -> DueAlert:
        return self._alerts.by_model(review, review.sentiment, review.sentences, now_ms)

    # ---- poison-pill candidates

    def _cleared(self, results: Sequence[tuple[OpenReview, Scores | ModelFailed]]) -> None:
        """Publish candidates that were computed without a death. T5 is not asked: it may have been the cause."""
        # guarantee: candidates-skip-t5
        self._outgoing.publish([(review, None) for review in self._with_sentiment(results)])

    def _compute_alone(self, review: OpenReview) -> None:
        review.alone = True
        self._sentiment.submit([(review, review.prepared.model_text)])

    def _device_is_idle(self) -> bool:
        return not self._sentiment.unfinished_tokens and (self._summaries is None or self._summaries.is_idle())
