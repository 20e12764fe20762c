"""The classifiers of the role: one for most reviews, and further ones for languages of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from stream_app.models.batcher import Batcher
from stream_app.models.tuned import Loaded
from stream_app.ports import ModelFailed, TextModel
from stream_app.records import ModelName, Scores
from stream_app.roles.enrich.batchers import make_batcher, waiting_limit
from stream_app.roles.enrich.open_review import OpenReview
from stream_app.settings import EnrichSettings


class Classifiers:
    """A batcher per classifier. Each review goes to the classifier of its language; as one batcher to the others."""

    def __init__(
        self,
        loaded: Loaded,
        handle: Callable[[Sequence[tuple[OpenReview, Scores | ModelFailed]]], None],
        settings: EnrichSettings,
        fatal: Callable[[BaseException], None],
    ) -> None:
        """``handle`` gets the results on the running event loop."""
        named = {"sentiment": loaded.sentiment} | {
            f"sentiment-{language}": tuned for language, tuned in loaded.sentiment_of_language.items()
        }
        self._batchers: list[Batcher[Scores]] = [
            make_batcher(
                name,
                tuned,
                handle,
                settings,
                waiting_tokens=waiting_limit(tuned, settings.waiting_tokens),
                fatal=fatal,
                priorities=True,
            )
            for name, tuned in named.items()
        ]
        self._first = self._batchers[0]
        self._of_language = dict(zip(loaded.sentiment_of_language, self._batchers[1:], strict=True))
        self.models: list[TextModel[Scores]] = [tuned.model for tuned in named.values()]
        self._names = {language: tuned.model.name for language, tuned in loaded.sentiment_of_language.items()}

    @property
    def languages(self) -> frozenset[str] | None:
        """Languages that one of them reads; None: any."""
        of_first = self.models[0].languages
        return None if of_first is None else of_first.union(self._of_language)

    def name_for(self, language: str | None) -> ModelName:
        """Return the name of the model that reads a language."""
        return self._names.get(language or "", self.models[0].name)

    @property
    def own_languages(self) -> list[str]:
        """Languages that have a classifier of their own."""
        return list(self._of_language)

    def start(self) -> None:
        """Start the threads of all."""
        for batcher in self._batchers:
            batcher.start()

    def submit(self, items: Sequence[tuple[OpenReview, str]]) -> None:
        """Take reviews with the text that the model reads."""
        if not self._of_language:
            self._first.submit(items)
            return
        of_batcher: dict[Batcher[Scores], list[tuple[OpenReview, str]]] = {}
        for item in items:
            batcher = self._of_language.get(item[0].prepared.language, self._first)
            of_batcher.setdefault(batcher, []).append(item)
        for batcher, its_items in of_batcher.items():
            batcher.submit(its_items)

    def has_room(self) -> bool:
        """Has each of them room? Any may be the one that the next reviews need."""
        return all(batcher.has_room() for batcher in self._batchers)

    @property
    def waiting_tokens(self) -> int:
        """Estimated tokens that wait."""
        return sum(batcher.waiting_tokens for batcher in self._batchers)

    @property
    def unfinished_tokens(self) -> int:
        """Estimated tokens without a result, those on the device included."""
        return sum(batcher.unfinished_tokens for batcher in self._batchers)

    def drop_waiting(self, unwanted: Callable[[OpenReview], bool]) -> list[OpenReview]:
        """Drop what is in no batch yet; return it."""
        return [review for batcher in self._batchers for review in batcher.drop_waiting(unwanted)]

    def wait_until_few(self, most: int, given_up: Callable[[], bool]) -> None:
        """As a batcher's, for one after the other: texts that come to the first meanwhile are not waited for."""
        for batcher in self._batchers:
            batcher.wait_until_few(most, given_up)

    def stop(self) -> None:
        """Drop what waits and let the threads end."""
        for batcher in self._batchers:
            batcher.stop()

    def join(self, seconds: float = 3.0) -> None:
        """Wait for the micro-batches in progress, ``seconds`` at most, all together. Blocks."""
        until = time.monotonic() + seconds
        for batcher in self._batchers:
            batcher.join(max(0.0, until - time.monotonic()))
