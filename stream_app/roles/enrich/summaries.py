"""Asks T5 for summaries, and in best effort gives up those that would come too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from stream_app import telemetry
from stream_app.models.batcher import estimated_tokens
from stream_app.models.tuned import TunedModel
from stream_app.ports import ModelFailed
from stream_app.records import Scores
from stream_app.roles.enrich.batchers import make_batcher, waiting_limit
from stream_app.roles.enrich.classifiers import Classifiers
from stream_app.roles.enrich.open_review import OpenReview
from stream_app.roles.enrich.outgoing import Outgoing
from stream_app.settings import EnrichSettings
from stream_app.steps import prepare
from stream_app.steps.language import is_supported
from stream_app.steps.summary_input import summary_input
from stream_app.steps.summary_window import SummaryWindow


class Summaries:
    """T5. ``always`` waits for its answer; ``best_effort`` waits ``summary_wait_ms``, then takes the best sentence.

    In best effort on a CPU, T5 begins a micro-batch only while BERT has nothing to do, since it would take half the
    cores; where T5's threads yield to BERT's, while one of these has nothing to do. No review is submitted, and no
    micro-batch is formed, that would take longer than a review waits: its answer would be dropped.
    """

    def __init__(
        self,
        settings: EnrichSettings,
        tuned: TunedModel[str],
        bert: TunedModel[Scores],
        classifiers: Classifiers,
        outgoing: Outgoing,
        fatal: Callable[[BaseException], None],
    ) -> None:
        self._outgoing = outgoing
        self._classifiers = classifiers
        self._languages = tuned.model.languages
        self._reads_label = tuned.reads_label
        self._min_words = settings.summary_min_words
        self._always = settings.summaries == "always"
        self._wait_seconds = settings.summary_wait_ms / 1000
        # T5 is slower than BERT: a quarter waits several times as long
        waiting = waiting_limit(tuned, settings.waiting_tokens // 4)
        self.window = SummaryWindow(min(waiting, _tokens_of_a_wait(tuned, settings)))
        self._bert_tokens_of_a_wait = _tokens_of_a_wait(bert, settings)
        after = None
        if not self._always:
            # half of its share: BERT, which goes first, slows it down
            of_a_worker = max(1, self.window.tokens // (2 * tuned.workers))
            tuned = replace(
                tuned,
                micro_batch_tokens=min(tuned.micro_batch_tokens, of_a_worker),
                batch_tokens=min(tuned.batch_tokens, of_a_worker),
            )
            after = classifiers if tuned.device == "cpu" else None
        self._batcher = make_batcher(
            "summary",
            tuned,
            self._answered,
            settings,
            waiting_tokens=waiting,
            fatal=fatal,
            yield_to=after,
            max_unfinished_ahead=bert.workers - 1 if tuned.background and not self._always else 0,
        )
        self.start, self.stop, self.join = self._batcher.start, self._batcher.stop, self._batcher.join

    def has_room(self) -> bool:
        """May more be fetched? In best effort a full queue holds nothing back."""
        return not self._always or self._batcher.has_room()  # guarantee: summaries-that-wait

    def is_idle(self) -> bool:
        """Is nothing waiting or computed?"""
        return not self._batcher.unfinished_tokens

    def needs(self, review: OpenReview) -> bool:
        """Is T5 to be asked for this review?"""
        reads = is_supported(review.prepared.language, self._languages)
        return reads and not review.alone and prepare.needs_summary(review.prepared, self._min_words)

    def submit(self, reviews: list[OpenReview]) -> None:
        """Ask for the summaries of these reviews; they are published with their answer, or without it in time."""
        if not self._always:
            reviews = self._in_time(reviews)
        self._batcher.submit([(review, self._input_of(review)) for review in reviews])
        if not self._always:
            asyncio.get_running_loop().call_later(self._wait_seconds, self._deadline, reviews)

    def drop_waiting(self, unwanted: Callable[[OpenReview], bool]) -> None:
        """Forget what has not started; in best effort publish it with its best sentence."""
        for review in self._batcher.drop_waiting(unwanted):
            if self._always:
                self._outgoing.close(review)
            else:
                self._outgoing.publish([(review, None)])

    def room(self) -> int:
        """Estimate how many more tokens T5 can answer in time; 0 while BERT's queue is longer than a review waits."""
        if self._classifiers.waiting_tokens > self._bert_tokens_of_a_wait:
            return 0
        return self.window.tokens - self._batcher.unfinished_tokens

    def _input_of(self, review: OpenReview) -> str:
        if not review.summary_input:
            review.summary_input = summary_input(
                review.prepared.text,
                review.sentiment.label if review.sentiment else None,
                review.sentences,
                review.prepared.text_start,
                reads_label=self._reads_label,
                truncated=review.truncated,
            )
        return review.summary_input

    def _in_time(self, reviews: list[OpenReview]) -> list[OpenReview]:
        """Give up what T5 would not answer in time; return the others."""
        room = self.room()
        too_late = []
        for review in reviews:
            if not self._batcher.is_cached(text := self._input_of(review)):
                if room <= 0:
                    too_late.append(review)
                room -= estimated_tokens(text)
        if not too_late:
            return reviews
        self._give_up(too_late)
        return [one for one in reviews if not one.finished]

    def _deadline(self, reviews: list[OpenReview]) -> None:
        if any(not review.finished for review in reviews):
            self.window.answered_late()
            self._give_up(reviews)

    def _give_up(self, reviews: list[OpenReview]) -> None:
        """Publish these with their best sentence; T5 does not begin with them any more."""
        late = {review for review in reviews if not review.finished}
        if not late:
            return
        self._batcher.drop_waiting(late.__contains__)
        telemetry.summaries_were_late(len(late))
        self._outgoing.publish([(review, None) for review in reviews if review in late])

    def _answered(self, results: Sequence[tuple[OpenReview, str | ModelFailed]]) -> None:
        in_time = [(review, summary) for review, summary in results if not review.finished]
        self._outgoing.publish([(one, None if isinstance(answer, ModelFailed) else answer) for one, answer in in_time])
        if not self._always:
            for review, _ in in_time:
                self.window.answered_in_time(estimated_tokens(self._input_of(review)))


def _tokens_of_a_wait(tuned: TunedModel[Any], settings: EnrichSettings) -> int:
    """Return the tokens that a model computes while a review waits for its summary; no bound if not measured."""
    if not tuned.tokens_per_second:
        return settings.waiting_tokens
    return int(tuned.tokens_per_second * settings.summary_wait_ms / 1000)
