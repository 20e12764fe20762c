"""A fake of ports.Explainer."""

from __future__ import annotations

import threading
from collections.abc import Callable

from stream_app.records import Explanation, ModelName, NotExplained, Review, Sentiment, WordWeight, WordWeights


class FakeExplainer:
    """Finds every review negative, because of its first word. ``asked``: the texts, as they came.

    ``gate``: while it is clear, it computes until it is set or the caller gives up.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def explain(
        self, review: Review, *, words: bool, gives_up: Callable[[], bool] = lambda: False
    ) -> Explanation | NotExplained:
        self.asked.append(review.text)
        while not self.gate.wait(0.001):
            if gives_up():
                return NotExplained("too_slow", "not in time", "Ask again.")
        if not review.text:
            return NotExplained("empty_text", "nothing is left", "Give a text.")
        first = WordWeight(0, len(review.text.split()[0]), 1.5)
        return Explanation(
            review.text,
            0,
            review.language or "en",
            ModelName("fake", "1"),
            Sentiment("negative", 0.9, (0.9, 0.06, 0.04)),
            False,
            (),
            (),
            (),
            WordWeights((first,), 2.2, 0.7, 0.0, True) if words else None,
        )
