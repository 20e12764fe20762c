"""Explains what the classifiers of the settings answer to a review."""

from __future__ import annotations

from collections.abc import Callable

import torch

from stream_app.models.attribution import GivenUp, attribute
from stream_app.models.classifier import Classifier, LoadedClassifier
from stream_app.models.device import cores
from stream_app.models.languages import models_of_languages, settings_of_language
from stream_app.models.memory import bound_caches
from stream_app.models.transformer import TokenIds, computing
from stream_app.records import LABELS, Explanation, NotExplained, Review, Sentiment, WordWeights
from stream_app.settings import EnrichSettings, ModelSettings
from stream_app.steps.assemble import doubts_of, sentiment_of
from stream_app.steps.language import is_supported
from stream_app.steps.prepare import UNSUPPORTED_LANGUAGE, Prepared, Unusable, prepare
from stream_app.steps.words import word_weights


class ClassifierExplainer:
    """ports.Explainer: reads a review as `enrich` does, but in fp32 on a CPU, whatever the workers compute with."""

    def __init__(
        self, settings: EnrichSettings, find: Callable[[ModelSettings], LoadedClassifier], *, threads: int
    ) -> None:
        """``find``: the classifier that settings name; nothing is loaded before it is needed.

        ``threads``: of torch in this process, which is set now; 0: one per core.
        """
        self._settings = settings
        self._find = find
        self._languages = models_of_languages(settings.sentiment_models)
        self._readers: dict[str | None, _Reader] = {}
        bound_caches()
        torch.set_num_threads(threads or cores())

    def load(self) -> None:
        """Load every classifier now, not with the first text that needs it. Raises ConfigurationError."""
        for language in (None, *self._languages):
            self._reader(language)

    def explain(
        self, review: Review, *, words: bool, gives_up: Callable[[], bool] = lambda: False
    ) -> Explanation | NotExplained:
        """See ports.Explainer. Raises ConfigurationError where the classifier of its language cannot be loaded."""
        if gives_up():
            return _too_slow()
        longest = self._settings.max_text_characters
        if (length := max(len(review.text), len(review.title or ""))) > longest:
            return NotExplained(
                "text_too_long",
                f"{length} characters; at most {longest} are read (STREAM_APP_MAX_TEXT_CHARACTERS)",
                "Shorten it. `enrich` rejects such a review.",
            )
        prepared = prepare(review, None)
        if isinstance(prepared, Unusable):
            return NotExplained(
                prepared.reason, prepared.detail, "Give a text with words. `enrich` rejects such a review."
            )
        own = prepared.language if prepared.language in self._languages else None
        reader = self._reader(own)
        if own is None and not is_supported(prepared.language, reader.classifier.languages):
            return self._unsupported(prepared.language, reader.classifier.languages)
        try:
            return reader.read(prepared, words, gives_up)
        except GivenUp:
            return _too_slow()

    def _reader(self, language: str | None) -> _Reader:
        if language not in self._readers:
            settings: ModelSettings = self._settings
            if language is not None:
                settings = settings_of_language(settings, language)
            self._readers[language] = _Reader(self._find(settings))
        return self._readers[language]

    def _unsupported(self, language: str, of_first: frozenset[str] | None) -> NotExplained:
        read = ", ".join(sorted((of_first or frozenset()).union(self._languages)))
        return NotExplained(
            UNSUPPORTED_LANGUAGE,
            f"no classifier here reads {language}, the language of this text; they read {read}",
            f"Name one that does: STREAM_APP_SENTIMENT_MODELS={language}=MODEL. Until then reviews in {language} have "
            "no sentiment. Where the language was recognized wrongly, state the right one.",
        )


class _Reader:
    """One classifier."""

    def __init__(self, found: LoadedClassifier) -> None:
        found.model.requires_grad_(False)  # gradients are asked of texts, never of weights
        self._found = found
        self.classifier: Classifier = found.as_loaded()

    def read(self, prepared: Prepared, words: bool, gives_up: Callable[[], bool]) -> Explanation:
        """Raises GivenUp."""
        text = prepared.model_text
        [tokens] = self.classifier.tokenize([text])
        [scores] = self.classifier.run([tokens])
        sentiment = sentiment_of(scores)
        return Explanation(
            text,
            prepared.text_start,
            prepared.language,
            self.classifier.name,
            sentiment,
            scores.truncated,
            scores.sentences,
            (*prepared.flags, *doubts_of(sentiment, None), *(("truncated",) if scores.truncated else ())),
            prepared.safety_words,
            self._words(text, sentiment, gives_up) if words else None,
        )

    def _words(self, text: str, sentiment: Sentiment, gives_up: Callable[[], bool]) -> WordWeights:
        tokenizer = self.classifier.tokenize
        [tokens] = tokenizer([text])
        assert isinstance(tokens, TokenIds)
        pieces = tokenizer.pieces(text)
        blank = self._found.tokenizer.mask_token_id or self._found.tokenizer.pad_token_id or 0
        baseline = [number if piece is None else blank for number, piece in zip(tokens.ids, pieces, strict=True)]
        label = LABELS.index(sentiment.label)
        means_label = [of_output == label for of_output in self._found.label_of_output]
        with computing():
            found = attribute(self._found.model, tokens.ids, baseline, means_label, gives_up, self._found.temperature)
        weighed = [(piece, weight) for piece, weight in zip(pieces, found.of_tokens, strict=True) if piece is not None]
        return WordWeights(
            word_weights(text, [piece for piece, _ in weighed], [weight for _, weight in weighed]),
            found.of_text,
            found.of_baseline,
            found.error,
            found.is_complete,
        )


def _too_slow() -> NotExplained:
    return NotExplained(
        "too_slow", "it was not explained in the time that there is", "Shorten the text, or ask without words."
    )
