"""Caches the newest results of one loaded model by text, so that "Great product" is computed once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Result = TypeVar("Result")

LONGEST_TEXT = 300
"""Characters. Longer reviews seldom repeat; with this limit the memory of a cache is bounded by its number of texts."""


class ResultCache(Generic[Result]):
    """Evicts the least recently used text. Any thread. It belongs to one model, so that an answer never outlives the
    revision that gave it.
    """

    def __init__(self, max_texts: int) -> None:
        """``max_texts``: 0 keeps nothing."""
        self._max_texts = max_texts
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, text: str) -> Result | None:
        """Return the result of exactly this text, or None."""
        if not self._results:
            return None
        with self._lock:
            result = self._results.get(text)
            if result is not None:
                self._results.move_to_end(text)
            return result

    def keep(self, text: str, result: Result) -> None:
        """Cache the result of a text that is not too long."""
        if len(text) > LONGEST_TEXT or not self._max_texts:
            return
        with self._lock:
            self._results[text] = result
            self._results.move_to_end(text)
            if len(self._results) > self._max_texts:
                self._results.popitem(last=False)
