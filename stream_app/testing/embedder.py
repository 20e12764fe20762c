"""A fake of ports.Embedder: the vector is a function of the sentence's words."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stream_app.ports import ConfigurationError
from stream_app.steps.summary_text import content_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WIDTH = 64


class FakeEmbedder:
    """Sentences are the nearer the more content words they share.

    ``damaged``: raise ConfigurationError, as an encoder whose files are gone
    ``embedded``: the sentences that were given, call by call
    """

    def __init__(self, languages: frozenset[str] = frozenset({"en", "zh"})) -> None:
        self.languages = languages
        self.damaged = False
        self.embedded: list[list[str]] = []

    def embed(self, texts: Sequence[str], language: str) -> NDArray[np.float32]:
        if self.damaged:
            raise ConfigurationError("the encoder is damaged, as asked for")
        self.embedded.append(list(texts))
        vectors = np.zeros((len(texts), _WIDTH), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            row[0] = 0.1  # a text without content words has a vector, too
            for word in content_words(text):
                row[1 + zlib.crc32(word.encode()) % (_WIDTH - 1)] += 1
        lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / lengths
