"""Keeps poison-pill candidates from this process's device: a child computes them, or they are computed alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from stream_app.kafka.crash_memory import CrashMemory
from stream_app.models.bisection import DeviceBroken
from stream_app.models.languages import settings_of_language
from stream_app.models.tuned import Loaded
from stream_app.ports import ModelFailed
from stream_app.records import Rejected, Scores
from stream_app.roles.enrich.classifiers import Classifiers
from stream_app.roles.enrich.isolation import Isolation
from stream_app.roles.enrich.one_by_one import OneByOne
from stream_app.roles.enrich.open_review import OpenReview, position_of
from stream_app.roles.enrich.outgoing import Outgoing
from stream_app.settings import ModelSettings


class Quarantine:
    """The candidates, reviews that may have killed a previous owner of their partition.

    A candidate that kills two processes while it is alone on their device is rejected as `kills_worker`.
    """

    def __init__(
        self,
        settings: ModelSettings,
        load: Callable[[ModelSettings], Loaded],
        crashes: CrashMemory,
        outgoing: Outgoing,
        classifiers: Classifiers,
        *,
        cleared: Callable[[Sequence[tuple[OpenReview, Scores | ModelFailed]]], None],
        compute: Callable[[OpenReview], None],
        is_idle: Callable[[], bool],
        fatal: Callable[[BaseException], None],
    ) -> None:
        """``cleared`` gets the results of the child; ``compute`` submits a review to this process's device."""
        self._loop = asyncio.get_running_loop()
        self._crashes = crashes
        self._outgoing = outgoing
        self._classifiers = classifiers
        # one each, since a child has one classifier
        self._isolations = {
            language: Isolation(
                load,
                settings if language is None else settings_of_language(settings, language),
                on_results=lambda results: self._on_loop(cleared, results),
                on_killer=lambda review: self._on_loop(self._reject, review),
                on_impossible=lambda reviews: self._on_loop(self._one_by_one.add, reviews),
                fatal=fatal,
            )
            for language in (None, *classifiers.own_languages)
        }
        self._one_by_one: OneByOne[OpenReview] = OneByOne(
            crashes,
            lambda review: position_of(review.in_flight),
            lambda review: review.in_flight.epoch,
            is_idle=is_idle,
            check_device=self._check_device,
            compute=compute,
            is_finished=lambda review: review.finished,
            reject=self._reject,
            forget=outgoing.close,
            fatal=fatal,
        )
        self.until_done = self._one_by_one.until_done

    def is_candidate(self, review: OpenReview) -> bool:
        """May this review have killed a process?"""
        return self._crashes.has_candidates and self._crashes.is_candidate(position_of(review.in_flight))

    def submit(self, reviews: Sequence[OpenReview]) -> None:
        """Have candidates computed."""
        for_children: dict[str | None, list[tuple[OpenReview, str]]] = {}
        one_by_one = []
        for review in reviews:
            if self._crashes.in_a_loop(review.in_flight.partition):  # guarantee: crash-loop-leaves-the-child-out
                one_by_one.append(review)
            else:
                language = review.prepared.language if review.prepared.language in self._isolations else None
                for_children.setdefault(language, []).append((review, review.prepared.model_text))
        for language, items in for_children.items():
            self._isolations[language].submit(items)
        if one_by_one:
            self._one_by_one.add(one_by_one)

    def drop(self) -> None:
        """Forget all candidates: the next owner of these partitions finds them again."""
        for isolation in self._isolations.values():
            for review in isolation.drop():
                self._outgoing.close(review)
        for review in self._one_by_one.drop():
            self._outgoing.close(review)

    def stop(self) -> None:
        """End the child processes."""
        for isolation in self._isolations.values():
            isolation.stop()

    def _reject(self, review: OpenReview) -> None:
        if not review.finished:
            reason = "two processes died while this review was alone on their device"
            self._outgoing.give_up(review, Rejected(review.in_flight.record, "kills_worker", reason))

    async def _check_device(self) -> None:
        """Raise DeviceBroken if the canary fails: the next review must not be blamed for a broken device."""
        for model in self._classifiers.models:
            if not await asyncio.to_thread(model.canary):
                raise DeviceBroken("the sentiment model fails on a text that it knows")

    def _on_loop(self, handle: Callable[[Any], None], found: Any) -> None:
        self._loop.call_soon_threadsafe(handle, found)
