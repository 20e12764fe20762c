"""Measures how near the sentences of a product are to each other, by their vectors where a language has an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app import telemetry
from stream_app.models.result_cache import ResultCache
from stream_app.ports import ConfigurationError, Embedder
from stream_app.steps.anchor_sentences import ANCHORS
from stream_app.steps.nearness import Nearness, by_language, by_shared_words
from stream_app.steps.product_sentences import Quotable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CACHED_SENTENCES = 20_000  # 1.5 to 2 KB each, so 40 MB; a product has at most 384, and a fifth of them new
_NEAREST_ANCHORS = 3  # of a kind, averaged: one alone is a matter of its words
# similarities from which two sentences say the same: in all, and beyond what all sentences of the product share
_ALIKE, _ALIKE_BEYOND = 0.70, 0.45
_GENERAL_SENTENCES = 8  # as many as these weigh the anchors, as a product's few sentences have little in common alone
_DECIMALS = 3  # vectors differ in the sixth by what is computed together: the same reviews must give the same text


class SentenceSpace:
    """Vectors are cached by sentence: what is said again, or stays in an edited review, is not computed again.

    One thread at a time.
    """

    def __init__(self, embedder: Embedder | None) -> None:
        """``embedder``: None where no encoder is fetched; then shared words are the measure."""
        self._embedder = embedder
        self._languages = frozenset() if embedder is None else embedder.languages & ANCHORS.keys()
        self._vectors: dict[str, ResultCache[NDArray[np.float32]]] = {}
        self._anchors: dict[str, Sequence[NDArray[np.float32]]] = {}

    def measure(self, found: Sequence[Quotable]) -> Nearness:
        """By vectors where the language of a sentence has an encoder, else by shared words. Blocks: seconds at most."""
        return by_language(found, self._measure)

    def _measure(self, language: str, found: Sequence[Quotable]) -> Nearness:
        if self._embedder is not None and language in self._languages:
            try:
                return self._by_vectors(self._embedder, language, [one.text for one in found])
            except ConfigurationError as error:  # its files were removed or damaged after the start
                telemetry.encoder_is_missing(language, str(error))
                self._languages -= {language}
        return by_shared_words(found)

    def _by_vectors(self, embedder: Embedder, language: str, texts: Sequence[str]) -> Nearness:
        if language not in self._anchors:
            anchors = ANCHORS[language]
            kinds = (anchors.praise, anchors.complaint, anchors.story)
            self._anchors[language] = [embedder.embed(kind, language) for kind in kinds]
        vectors = self._embedded(embedder, language, texts)
        praise, complaint, story = (_nearest(vectors @ anchors.T) for anchors in self._anchors[language])
        general = np.concatenate(self._anchors[language]).mean(axis=0)
        between = np.clip(vectors @ vectors.T, 0, 1)
        return Nearness(
            between=_rounded(between),
            telling=_rounded(np.maximum(praise, complaint) - story),
            praise=_rounded(praise - complaint),
            alike=_rounded(np.minimum(between / _ALIKE, _beyond_the_product(vectors, general) / _ALIKE_BEYOND)),
        )

    def _embedded(self, embedder: Embedder, language: str, texts: Sequence[str]) -> NDArray[np.float32]:
        cache = self._vectors.setdefault(language, ResultCache(_CACHED_SENTENCES))
        known = {text: vector for text in texts if (vector := cache.get(text)) is not None}
        new = list(dict.fromkeys(text for text in texts if text not in known))
        if new:
            for text, vector in zip(new, embedder.embed(new, language), strict=True):
                cache.keep(text, vector)
                known[text] = vector
        return np.stack([known[text] for text in texts])


def _nearest(similarities: NDArray[np.float32]) -> NDArray[np.float32]:
    """[texts, anchors] to the mean of the nearest anchors of each text."""
    nearest: NDArray[np.float32] = np.sort(similarities, axis=1)[:, -_NEAREST_ANCHORS:].mean(axis=1)
    return nearest


def _beyond_the_product(vectors: NDArray[np.float32], general: NDArray[np.float32]) -> NDArray[np.float32]:
    """[texts, texts]: similarities of what distinguishes each text from an average one of its product."""
    average = (vectors.sum(axis=0) + _GENERAL_SENTENCES * general) / (len(vectors) + _GENERAL_SENTENCES)
    own = vectors - average
    own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-6)
    similarities: NDArray[np.float32] = own @ own.T
    return similarities


def _rounded(values: NDArray[np.float32]) -> list[Any]:
    rounded: list[Any] = values.astype(np.float64).round(_DECIMALS).tolist()
    return rounded
