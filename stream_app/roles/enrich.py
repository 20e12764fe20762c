"""The role that enriches: reviews in, enriched reviews, alerts and rejects out, in order per partition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from stream_app import contract, telemetry
from stream_app.kafka.crash_memory import CrashMemory
from stream_app.kafka.topics import Topics
from stream_app.models.batcher import Batcher, BatcherOptions, estimated_tokens
from stream_app.models.bisection import DeviceBroken
from stream_app.models.loading import Loaded, TunedModel
from stream_app.ports import Acks, AlertHistory, InFlightRecord, ModelFailed
from stream_app.records import (
    Alert,
    EnrichedReview,
    Message,
    ModelName,
    Partition,
    Position,
    RawRecord,
    Rejected,
    Review,
    Scores,
    Sentiment,
    size_of,
)
from stream_app.roles.fired_alerts import FiredAlerts
from stream_app.roles.isolation import Isolation
from stream_app.roles.one_by_one import OneByOne
from stream_app.roles.record_errors import RecordErrors
from stream_app.settings import Settings
from stream_app.steps import alert_rules, assemble, prepare
from stream_app.steps.safety import safety_terms
from stream_app.steps.summary_window import SummaryWindow

Result = TypeVar("Result")

_AROUND_VALUE_BYTES = 8 * 1024  # more than key and headers of an enriched review have: ids have 128 characters at most
_LINGER_SECONDS = 0.02  # on a GPU: a fifth of what an alert may take there
_FETCH_WAIT_MS = {"cuda": 20, "cpu": 50}  # at the broker, while the device is busy
_ALERT_HISTORY_SECONDS = 30.0  # what Kafka answers to in a second or two; without it alerts may come twice
_HEALTHY_REVIEW = (
    b'{"product_id": "healthy", "review_id": "healthy", "rating": 5, "text": "It works well, I use it every day."}'
)
_HEALTHY_SCORES = Scores(0.0, 0.0, 1.0)
_YIELD_EVERY = 100  # records decoded before the event loop gets a turn: about 5 ms


class _Due(NamedTuple):
    """What a rule says, and the alert's message: one that cannot be written rejects its review alone, if it is written
    where record errors are handled.
    """

    found: Alert | alert_rules.Suppressed | None
    message: Message | None


_NOTHING_DUE = _Due(None, None)


@dataclass(slots=True, eq=False)
class _Open:
    """A review between its arrival and its publication."""

    in_flight: InFlightRecord
    review: Review
    prepared: prepare.Prepared
    produced_at_ms: int | None  # its record's timestamp; None: unusable
    sentiment: Sentiment | None = None
    sentiment_missing: str | None = None
    truncated: bool = False
    high_priority: bool = False
    finished: bool = False
    hazard: _Due | None = None  # by the rule safety, which no model is asked for
    by_stars: _Due | None = None  # of a review that no model reads
    alone: bool = False  # on the device, by itself: a candidate that no child process could compute


class Enrich:
    """ports.StreamRole. Order of things for one review:

    1. decoded; a reject or a deletion is finished at once
    2. the alert of rule safety, if due, is published: it needs words and stars alone. A review that no model reads is
       finished, with an alert by its stars
    3. BERT, in the batcher's threads; reviews that may alarm go first
       its alert, if due, is published (out of order: nothing of T5 is in its way)
    4. T5 for long reviews; best_effort waits ``summary_wait_ms`` for it, then takes the best sentence
    5. finished: published when every earlier offset of the partition is finished too

    Reviews that may have killed a previous owner of their partition (``crash_memory``) are computed by a child process,
    without T5: their summary is their best sentence. All others go on meanwhile.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[Settings], Loaded],
        *,
        crashes: CrashMemory,
        max_message_bytes: int,
        now_ms: Callable[[], int],
        fatal: Callable[[BaseException], None],
        alert_history: Callable[[Callable[[RawRecord], None]], AlertHistory] | None = None,
    ) -> None:
        """``alert_history`` makes what hands the alerts published so far, and those to come, to its argument; None:
        alerts of other processes stay unknown.
        """
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._load = load
        self._crashes = crashes
        self._max_message_bytes = max_message_bytes
        self._now_ms = now_ms
        self._fatal = fatal
        self._alert_max_age_ms = int(settings.alert_max_age_hours * 3_600_000)
        self._fired = FiredAlerts()
        self._alert_history = alert_history(self._fired.seen) if alert_history else None
        self._open: set[_Open] = set()
        self._something_finished = asyncio.Event()
        self._record_errors = RecordErrors("enrich")

    # ---- ports.StreamRole

    async def start(self, acks: Acks) -> None:
        self._acks = acks
        self._loop = asyncio.get_running_loop()
        if self._alert_history is not None:
            self._alert_history.start()  # it reads while the models load
        telemetry.models_are_loaded(
            "enrich",
            sentiment_model=self._settings.sentiment_model,
            summary_model="off" if self._settings.summaries == "off" else self._settings.summary_model,
            backend=self._settings.backend,
            device=self._settings.device,
        )
        loaded = await asyncio.to_thread(self._load, self._settings)
        await asyncio.to_thread(safety_terms)  # the first review would wait for them, and the event loop with it
        self._classifier = loaded.sentiment.model
        self._sentiment: Batcher[Scores] = self._batcher(
            "sentiment",
            loaded.sentiment,
            self._scored,
            _waiting(loaded.sentiment, self._settings.waiting_tokens),
            high_priority=lambda review: review.high_priority,
        )
        self._sentiment.start()
        self._fetch_wait_ms = _FETCH_WAIT_MS[loaded.sentiment.device]
        rate = loaded.sentiment.tokens_per_second
        self._fetch_wait_tokens = int(rate * self._fetch_wait_ms / 1000) if rate else loaded.sentiment.batch_tokens
        self._summary: Batcher[str] | None = None
        self._summary_model: ModelName | None = None
        if loaded.summary is not None and self._settings.summaries != "off":
            self._summary_model = loaded.summary.model.name
            self._summary = self._summary_batcher(loaded.summary, loaded.sentiment.workers)
            self._bert_tokens_of_a_wait = self._tokens_of_a_wait(loaded.sentiment)
            self._summary.start()
        self._isolation = Isolation(
            self._load,
            self._settings,
            on_results=lambda results: self._on_loop(self._cleared, results),
            on_killer=lambda review: self._on_loop(self._kills, review),
            on_impossible=lambda reviews: self._on_loop(self._one_by_one.add, reviews),
            fatal=self._fatal,
        )
        self._one_by_one: OneByOne[_Open] = OneByOne(
            self._crashes,
            lambda review: _position(review.in_flight),
            is_idle=self._device_is_idle,
            check_device=self._check_device,
            compute=self._compute_alone,
            is_finished=lambda review: review.finished,
            reject=self._kills,
            fatal=self._fatal,
        )
        if self._alert_history is not None:
            await self._alert_history.caught_up(_ALERT_HISTORY_SECONDS)  # guarantee: alerts-of-others-are-known

    def _summary_batcher(self, tuned: TunedModel[str], bert_workers: int) -> Batcher[str]:
        """In best effort T5 begins a run on a CPU only when BERT has nothing to do (it would take half the cores from
        it); where T5's threads yield to BERT's, already when one of these has nothing to do. No review joins what would
        take longer than it waits, nor does a run: T5 would work for nobody.
        """
        # T5 is slower than BERT: a quarter waits several times as long
        waiting = _waiting(tuned, self._settings.waiting_tokens // 4)
        if self._settings.summaries != "best_effort":
            return self._batcher("summary", tuned, self._summarized, waiting)
        self._summary_window = SummaryWindow(min(waiting, self._tokens_of_a_wait(tuned)))
        # half of its share: BERT, which goes first, slows it down
        of_a_worker = max(1, self._summary_window.tokens // (2 * tuned.workers))
        tuned = replace(
            tuned,
            micro_batch_tokens=min(tuned.micro_batch_tokens, of_a_worker),
            batch_tokens=min(tuned.batch_tokens, of_a_worker),
        )
        after = self._sentiment if tuned.device == "cpu" else None
        beside = bert_workers - 1 if tuned.background else 0
        return self._batcher("summary", tuned, self._summarized, waiting, after=after, beside=beside)

    def _tokens_of_a_wait(self, tuned: TunedModel[Any]) -> int:
        """So many tokens this model computes while a review waits for its summary; no bound where it isn't measured."""
        if not tuned.tokens_per_second:
            return self._settings.waiting_tokens
        return int(tuned.tokens_per_second * self._settings.summary_wait_ms / 1000)

    def _batcher(
        self,
        name: str,
        tuned: TunedModel[Result],
        handle: Callable[[Sequence[tuple[_Open, Result | ModelFailed]]], None],
        waiting_tokens: int,
        after: Batcher[Scores] | None = None,
        beside: int = 0,
        high_priority: Callable[[_Open], bool] = lambda review: False,
    ) -> Batcher[Result]:
        """A batcher whose results come to ``handle`` on the event loop."""

        options = BatcherOptions(
            name=name,
            micro_batch_tokens=tuned.micro_batch_tokens,
            batch_tokens=tuned.batch_tokens,
            max_waiting_tokens=waiting_tokens,
            workers=tuned.workers,
            tokenizers=tuned.tokenizers,
            hang_seconds=self._settings.device_patience_seconds,
            cached_texts=self._settings.cached_texts,
            linger_seconds=_LINGER_SECONDS if tuned.device == "cuda" else 0.0,
            max_unfinished_ahead=beside,
        )
        return Batcher(
            tuned.model,
            options,
            on_done=lambda results: self._on_loop(handle, results),
            fatal=self._fatal,
            unwanted=lambda review: review.finished,
            high_priority=high_priority,
            yield_to=after,
        )

    def _on_loop(self, handle: Callable[[Any], None], found: Any) -> None:
        """From another thread."""
        self._loop.call_soon_threadsafe(handle, found)

    async def take(self, in_flight_records: list[InFlightRecord]) -> None:
        for start in range(0, len(in_flight_records), _YIELD_EVERY):
            await self._one_by_one.until_done()
            now_ms = self._now_ms()
            self._submit(self._opened(in_flight_records[start : start + _YIELD_EVERY], now_ms))
            await asyncio.sleep(0)

    def has_room(self) -> bool:
        if not self._sentiment.has_room():
            return False
        # guarantee: summaries-that-wait
        return self._summary is None or self._settings.summaries != "always" or self._summary.has_room()

    def fetch_wait_ms(self) -> int:
        """While the device has as much to do as the broker would gather for, it lacks nothing, and each fetch costs
        as much as a review. What overtakes the others waits so much longer.
        """
        return self._fetch_wait_ms if self._sentiment.unfinished_tokens > self._fetch_wait_tokens else 0

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        def unwanted(review: _Open) -> bool:
            return review.in_flight.partition in partitions

        # whoever gets these partitions next finds them among its candidates
        for review in (*self._isolation.drop(), *self._one_by_one.drop()):
            self._close(review)
        for review in self._sentiment.drop_waiting(unwanted):
            self._close(review)
        if self._summary is None:
            return
        for review in self._summary.drop_waiting(unwanted):
            if self._settings.summaries == "always":
                self._close(review)
            else:
                self._publish([(review, None)])

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        while any(review.in_flight.partition in partitions for review in self._open):
            self._something_finished.clear()
            await self._something_finished.wait()

    async def stop(self) -> None:
        batchers = [batcher for batcher in (self._sentiment, self._summary) if batcher is not None]
        for batcher in batchers:
            batcher.stop()
        self._isolation.stop()
        endings: list[Callable[[], object]] = [batcher.join for batcher in batchers]
        if self._alert_history is not None:
            endings.append(self._alert_history.stop)
        await asyncio.gather(*map(asyncio.to_thread, endings))

    # ---- the way of a review

    def _opened(self, in_flight_records: Sequence[InFlightRecord], now_ms: int) -> list[_Open]:
        """The reviews that are ready for the models; the others are finished."""
        read = self._record_errors.attempt(
            in_flight_records,
            lambda some: self._read(some, now_ms),
            in_flight_of=lambda in_flight: in_flight,
            reject=self._reject,
            healthy=self._healthy_in_flight,
        )
        opened = []
        for in_flight, found in read:
            if isinstance(found, Rejected):
                self._reject(in_flight, found)
                continue
            key = found.key if isinstance(found, Message) else found.review.product_id.encode()
            if in_flight.record.key != key:
                telemetry.key_mismatched()
            if isinstance(found, Message):
                self._enriched_at(in_flight.record.plausible_timestamp_ms(now_ms), now_ms)
                self._acks.finish(in_flight, [found])
            else:
                opened.append(found)
                if found.hazard is not None:  # guarantee: safety-needs-no-model
                    self._raise(found, found.hazard, now_ms, self._hazard)
                if found.by_stars is not None:  # guarantee: stars-alarm-where-no-model-reads
                    self._raise(found, found.by_stars, now_ms, self._by_stars)
        self._open.update(opened)
        return opened

    def _read(self, in_flight_records: Sequence[InFlightRecord], now_ms: int) -> list[_Open | Message | Rejected]:
        """One per slot: a review that is ready for the models, the message of a deletion, or why it is neither."""
        found: list[Any] = [self._decoded(in_flight, now_ms) for in_flight in in_flight_records]
        accepted = [at for at, review in enumerate(found) if type(review) is Review]
        prepared = prepare.prepare_all([found[at] for at in accepted], self._classifier.languages)
        for at, ready in zip(accepted, prepared, strict=True):
            if isinstance(ready, prepare.Unusable):
                found[at] = Rejected(in_flight_records[at].record, ready.reason, ready.detail)
            else:
                produced_at_ms = in_flight_records[at].record.plausible_timestamp_ms(now_ms)
                found[at] = opened = _Open(in_flight_records[at], found[at], ready, produced_at_ms)
                opened.high_priority = self._is_alert_candidate(opened, now_ms)
                if ready.safety_words:
                    opened.hazard = self._hazard(opened, now_ms)
                if not ready.supported:
                    opened.by_stars = self._by_stars(opened, now_ms)
        return found

    def _decoded(self, in_flight: InFlightRecord, now_ms: int) -> Review | Message | Rejected:
        settings = self._settings
        review = contract.decode_review(
            in_flight.record,
            now_ms=now_ms,
            max_future_ms=settings.max_future_seconds * 1000,
            max_text_characters=settings.max_text_characters,
        )
        if isinstance(review, Rejected) or review.kind != "deleted":
            return review
        deleted = assemble.deletion(
            review, enrichment_version=settings.enrichment_version, now_ms=now_ms, position=_position(in_flight)
        )
        return self._message(in_flight, deleted)

    def _healthy_in_flight(self) -> InFlightRecord:
        """A review that nothing is wrong with, and that raises no alert. Whatever fails on it is a bug of ours."""
        topic = self._topics.reviews
        record = RawRecord(topic, 0, 0, self._now_ms(), None, _HEALTHY_REVIEW)
        return InFlightRecord(record, Partition(topic, 0), epoch=-1)

    def _healthy_review(self) -> _Open:
        [review] = self._read([self._healthy_in_flight()], self._now_ms())
        assert isinstance(review, _Open)
        review.sentiment = assemble.sentiment_of(_HEALTHY_SCORES)
        return review

    def _submit(self, reviews: Sequence[_Open]) -> None:
        for_model, for_isolation, for_one_by_one = [], [], []
        for review in reviews:
            if not review.prepared.supported:
                review.sentiment_missing = prepare.UNSUPPORTED_LANGUAGE
                self._publish([(review, None)])
            # guarantee: candidates-do-not-reach-this-device
            elif self._crashes.has_candidates and self._crashes.is_candidate(_position(review.in_flight)):
                if self._crashes.in_a_loop(review.in_flight.partition):  # guarantee: crash-loop-leaves-the-child-out
                    for_one_by_one.append(review)
                else:
                    for_isolation.append((review, review.prepared.model_text))
            else:
                for_model.append((review, review.prepared.model_text))
        self._sentiment.submit(for_model)
        if for_isolation:
            self._isolation.submit(for_isolation)
        if for_one_by_one:
            self._one_by_one.add(for_one_by_one)

    # ---- poison-pill candidates

    def _cleared(self, results: Sequence[tuple[_Open, Scores | ModelFailed]]) -> None:
        """Computed without a death. T5 may have been what killed: it is not asked."""
        self._publish([(review, None) for review in self._with_sentiment(results)])  # guarantee: candidates-skip-t5

    def _kills(self, review: _Open) -> None:
        if review.finished:
            return
        reason = "two processes died while this review was alone on their device"
        self._give_up(review, Rejected(review.in_flight.record, "kills_worker", reason))

    def _compute_alone(self, review: _Open) -> None:
        review.alone = True
        self._sentiment.submit([(review, review.prepared.model_text)])

    def _device_is_idle(self) -> bool:
        return not self._sentiment.unfinished_tokens and not (self._summary and self._summary.unfinished_tokens)

    async def _check_device(self) -> None:
        """A device that is broken must not count as a death of the review that comes next."""
        if not await asyncio.to_thread(self._classifier.canary):
            raise DeviceBroken("the sentiment model fails on a text that it knows")

    def _scored(self, results: Sequence[tuple[_Open, Scores | ModelFailed]]) -> None:
        ready: list[tuple[_Open, str | None]] = []
        for_summary = []
        for review in self._with_sentiment(results):
            if self._needs_summary(review):
                for_summary.append(review)
            else:
                ready.append((review, None))
        self._publish(ready)
        if for_summary:
            self._to_summarize(for_summary)

    def _with_sentiment(self, results: Sequence[tuple[_Open, Scores | ModelFailed]]) -> list[_Open]:
        """The reviews that the classifier answered, with their alerts published; the others are finished."""
        now_ms = self._now_ms()
        judged = self._record_errors.attempt(
            results,
            lambda some: [self._judged(review, scores, now_ms) for review, scores in some],
            in_flight_of=lambda result: result[0].in_flight,
            reject=lambda result, rejected: self._give_up(result[0], rejected),
            healthy=lambda: (self._healthy_review(), _HEALTHY_SCORES),
        )
        answered = []
        for (review, _), found in judged:
            if isinstance(found, Rejected):
                self._give_up(review, found)
                continue
            review.sentiment, review.truncated, due = found
            self._raise(review, due, now_ms, self._by_sentiment)
            answered.append(review)
        return answered

    def _needs_summary(self, review: _Open) -> bool:
        if self._summary is None or review.alone:
            return False
        return prepare.needs_summary(review.prepared, self._settings.summary_min_words)

    def _judged(
        self, review: _Open, scores: Scores | ModelFailed, now_ms: int
    ) -> tuple[Sentiment, bool, _Due] | Rejected:
        """What the classifier said: sentiment, whether it read only the beginning, and the alert that is due."""
        if isinstance(scores, ModelFailed):
            return Rejected(review.in_flight.record, scores.reason, scores.detail)
        sentiment = assemble.sentiment_of(scores)
        return sentiment, scores.truncated, self._alert(review, sentiment, now_ms)

    def _to_summarize(self, reviews: list[_Open]) -> None:
        assert self._summary is not None
        if self._settings.summaries == "always":
            self._summary.submit([(review, review.prepared.summary_input) for review in reviews])
            return
        room = self._room_for_summaries()
        too_late = []
        for review in reviews:
            if not self._summary.is_cached(text := review.prepared.summary_input):
                if room <= 0:
                    too_late.append(review)
                room -= estimated_tokens(text)
        if too_late:
            self._give_up_summaries(too_late)
            reviews = [one for one in reviews if not one.finished]
        self._summary.submit([(review, review.prepared.summary_input) for review in reviews])
        self._loop.call_later(self._settings.summary_wait_ms / 1000, self._summaries_are_late, reviews)

    def _room_for_summaries(self) -> int:
        """About so many tokens more T5 can answer in time; none where BERT's queue is longer than a review waits."""
        assert self._summary is not None
        if self._sentiment.waiting_tokens > self._bert_tokens_of_a_wait:
            return 0
        return self._summary_window.tokens - self._summary.unfinished_tokens

    def _summaries_are_late(self, reviews: list[_Open]) -> None:
        if any(not review.finished for review in reviews):
            self._summary_window.answered_late()
            self._give_up_summaries(reviews)

    def _give_up_summaries(self, reviews: list[_Open]) -> None:
        """These go out with their best sentence, and T5 need not begin with them any more."""
        assert self._summary is not None
        late = {review for review in reviews if not review.finished}
        if not late:
            return
        self._summary.drop_waiting(late.__contains__)
        telemetry.summaries_were_late(len(late))
        self._publish([(review, None) for review in reviews if review in late])

    def _summarized(self, results: Sequence[tuple[_Open, str | ModelFailed]]) -> None:
        in_time = [(review, summary) for review, summary in results if not review.finished]
        self._publish([(one, None if isinstance(summary, ModelFailed) else summary) for one, summary in in_time])
        if self._settings.summaries == "best_effort":
            for review, _ in in_time:
                self._summary_window.answered_in_time(estimated_tokens(review.prepared.summary_input))

    # ---- what goes out

    def _is_alert_candidate(self, review: _Open, now_ms: int) -> bool:
        """These go first to BERT: their alerts wait neither for a burst of others nor for a backlog of old reviews."""
        return alert_rules.is_alert_candidate(
            review.review,
            review.prepared,
            produced_at_ms=review.produced_at_ms,
            max_age_ms=self._alert_max_age_ms,
            now_ms=now_ms,
        )

    def _alert(self, review: _Open, sentiment: Sentiment, now_ms: int) -> _Due:
        """What is due for it as far as known now, which ``_raise`` looks at again."""
        if not alert_rules.is_negative(sentiment, self._settings.alert_threshold):
            return _NOTHING_DUE
        return self._due(
            alert_rules.negative_review(
                review.review,
                review.prepared,
                sentiment,
                produced_at_ms=review.produced_at_ms,
                before=self._fired_for(review),
                threshold=self._settings.alert_threshold,
                max_age_ms=self._alert_max_age_ms,
                now_ms=now_ms,
            )
        )

    def _by_sentiment(self, review: _Open, now_ms: int) -> _Due:
        return self._alert(review, review.sentiment, now_ms) if review.sentiment else _NOTHING_DUE

    def _hazard(self, review: _Open, now_ms: int) -> _Due:
        alert_id = alert_rules.alert_id_of(review.review, "safety")
        return self._due(
            alert_rules.safety(
                review.review,
                review.prepared,
                produced_at_ms=review.produced_at_ms,
                before=self._fired.before(alert_id, review.in_flight.epoch),
                max_age_ms=self._alert_max_age_ms,
                now_ms=now_ms,
            )
        )

    def _by_stars(self, review: _Open, now_ms: int) -> _Due:
        return self._due(
            alert_rules.negative_by_stars(
                review.review,
                review.prepared,
                produced_at_ms=review.produced_at_ms,
                before=self._fired_for(review),
                max_age_ms=self._alert_max_age_ms,
                now_ms=now_ms,
            )
        )

    def _due(self, found: Alert | alert_rules.Suppressed | None) -> _Due:
        return _Due(found, contract.alert_message(self._topics.alerts, found) if isinstance(found, Alert) else None)

    def _fired_for(self, review: _Open) -> alert_rules.Fired | None:
        """How ``negative_review`` fired last for this review, or ``safety``, which is graver: an edit that says no more
        of the hazard is no news.
        """
        epoch = review.in_flight.epoch
        return self._fired.before(alert_rules.alert_id_of(review.review, "safety"), epoch) or self._fired.before(
            alert_rules.alert_id_of(review.review), epoch
        )

    def _raise(self, review: _Open, due: _Due, now_ms: int, again: Callable[[_Open, int], _Due]) -> None:
        """Publish the alert. One of the same id may have been raised since ``due`` was found, in the same batch: then
        ``again`` says what is due now.
        """
        in_flight = review.in_flight
        if isinstance(due.found, Alert) and self._fired.before(due.found.alert_id, in_flight.epoch):
            due = again(review, now_ms)
        found, message = due
        if isinstance(found, alert_rules.Suppressed):
            telemetry.alert_suppressed(found.rule, found.reason)
        elif found is not None and message is not None:
            telemetry.alert_raised(found.rule, found.severity)
            self._acks.publish_early(in_flight, [message])
            self._fired.sent(found, in_flight.epoch)

    def _publish(self, reviews: Sequence[tuple[_Open, str | None]]) -> None:
        """Finish these reviews, each with T5's answer, or None: its own words."""
        now_ms = self._now_ms()
        made = self._record_errors.attempt(
            reviews,
            lambda some: [
                self._message(one.in_flight, self._enriched(one, abstract, now_ms)) for one, abstract in some
            ],
            in_flight_of=lambda review: review[0].in_flight,
            reject=lambda review, rejected: self._give_up(review[0], rejected),
            healthy=lambda: (self._healthy_review(), None),
        )
        finished = []
        for (review, _), message in made:
            if isinstance(message, Rejected):
                self._give_up(review, message)
                continue
            self._close(review)
            self._enriched_at(review.produced_at_ms, now_ms)
            finished.append((review.in_flight, [message]))
        self._acks.finish_all(finished)

    def _enriched(self, review: _Open, abstract: str | None, now_ms: int) -> EnrichedReview:
        return assemble.assemble(
            review.review,
            review.prepared,
            sentiment=review.sentiment,
            sentiment_missing=review.sentiment_missing,
            truncated=review.truncated,
            abstract=abstract,
            with_summary=self._settings.summaries != "off",
            min_words=self._settings.summary_min_words,
            sentiment_model=self._classifier.name,
            summary_model=self._summary_model,
            enrichment_version=self._settings.enrichment_version,
            now_ms=now_ms,
            position=_position(review.in_flight),
        )

    def _message(self, in_flight: InFlightRecord, enriched: EnrichedReview) -> Message | Rejected:
        """What the slot leads to: its enriched review, or a reject where that is too large."""
        message = contract.enriched_message(self._topics.enriched, enriched)
        # the publisher counts every message anyway: here only those that may be too large
        may_exceed = len(message.value or b"") > self._max_message_bytes - _AROUND_VALUE_BYTES
        if may_exceed and size_of(message) > self._max_message_bytes:  # guarantee: too-large-is-a-reject
            return Rejected(in_flight.record, "message_too_large", "its enriched form exceeds 2 MiB")
        return message

    def _enriched_at(self, produced_at_ms: int | None, now_ms: int) -> None:
        if produced_at_ms is not None:  # else one record would move the sum of all latencies by thousands of years
            telemetry.review_enriched(max(0, now_ms - produced_at_ms) / 1000)

    def _give_up(self, review: _Open, rejected: Rejected) -> None:
        self._close(review)
        self._reject(review.in_flight, rejected)

    def _reject(self, in_flight: InFlightRecord, rejected: Rejected) -> None:
        record = rejected.record
        telemetry.review_rejected(rejected.reason, record.topic, record.partition, record.offset)
        message = contract.dead_letter_message(self._topics.dead_letter, rejected, self._max_message_bytes)
        self._acks.finish(in_flight, [message])  # guarantee: reject-is-published

    def _close(self, review: _Open) -> None:
        review.finished = True
        self._open.discard(review)
        self._something_finished.set()


def _waiting(tuned: TunedModel[Any], set_tokens: int) -> int:
    """How many tokens may wait: what is set, but on a GPU, whose batches may be larger, two batches at least."""
    return max(set_tokens, 2 * tuned.batch_tokens) if tuned.device == "cuda" else set_tokens


def _position(in_flight: InFlightRecord) -> Position:
    record = in_flight.record
    return Position(record.topic, record.partition, record.offset)
