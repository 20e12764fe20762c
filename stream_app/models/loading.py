"""Loads what the settings name, each with the token budgets that suit this device.

torch and transformers are imported only when something is loaded: roles without models start fast and stay small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from stream_app.models.judged_summarizer import JudgedSummarizer
from stream_app.models.languages import models_of_languages, settings_of_language
from stream_app.models.model_store import ModelStore, resolve
from stream_app.models.tuned import Loaded, TunedModel
from stream_app.ports import Embedder
from stream_app.records import Scores
from stream_app.settings import EnrichSettings, ModelSettings
from stream_app.steps.language import is_supported

if TYPE_CHECKING:
    from stream_app.models.classifier import LoadedClassifier
    from stream_app.models.explainer import ClassifierExplainer
    from stream_app.models.selection import ModelSource

Result = TypeVar("Result")

_JUDGED_TOKENS_ON_A_CPU = 128  # of lines at a time: an alert candidate may wait behind them
_LINE_SHARE = 0.3  # tokens that are judged for each that T5 reads: 0.21 and 0.31 of two sets of reviews (decision 43)


def load_models(settings: ModelSettings) -> Loaded:
    """The classifiers, and the summarizer where summaries are on. Raises ConfigurationError."""
    background = settings.summaries == "best_effort"
    summary = None if settings.summaries == "off" else load_summary_model(settings, background=background)
    sentiment, of_language = load_sentiment_model(settings), load_sentiment_models_of_languages(settings)
    return Loaded(sentiment, summary and _judged(summary, sentiment, of_language), of_language)


def _judged(
    summary: TunedModel[str], first: TunedModel[Scores], of_language: Mapping[str, TunedModel[Scores]]
) -> TunedModel[str]:
    """With its lines judged by the classifier that labels its reviews; where it reads labels, and one language."""
    languages = summary.model.languages or frozenset()
    if not summary.reads_label or len(languages) != 1:
        return summary
    [language] = languages
    classifier = of_language.get(language, first)
    if not is_supported(language, classifier.model.languages):
        return summary
    run_tokens = _JUDGED_TOKENS_ON_A_CPU if classifier.device == "cpu" else classifier.micro_batch_tokens
    return replace(
        summary,
        model=JudgedSummarizer(summary.model, classifier.model, run_tokens),
        tokens_per_second=_rate_with_judging(summary.tokens_per_second, classifier.tokens_per_second),
    )


def _rate_with_judging(reading: float, judging: float) -> float:
    """Tokens/s that T5 reads where its lines are judged, from the measured rates of both; 0: not measured."""
    return 1 / (1 / reading + _LINE_SHARE / judging) if reading and judging else 0.0


def load_sentiment_models_of_languages(settings: ModelSettings) -> dict[str, TunedModel[Scores]]:
    """The further classifiers that the settings name, by their language. Raises ConfigurationError."""
    return {
        language: load_sentiment_model(settings_of_language(settings, language))
        for language in models_of_languages(settings.sentiment_models)
    }


def load_sentiment_model(settings: ModelSettings) -> TunedModel[Scores]:
    """The classifier that the settings name. Raises ConfigurationError."""
    return _tuned(find_sentiment_model(settings), settings, alerts_wait=True)


def find_sentiment_model(settings: ModelSettings) -> LoadedClassifier:
    """The same, not yet on a device. Raises ConfigurationError."""
    from stream_app.models.classifier import find_classifier

    silence_libraries()
    store = ModelStore.of(settings)
    found = find_classifier(resolve(settings.sentiment_model, "classifier", store), store)
    if settings.model_languages != "auto":
        named = frozenset(settings.model_languages.replace(" ", "").split(","))
        found = replace(found, languages=None if named == {"any"} else named)
    return found


def load_summary_model(settings: ModelSettings, *, background: bool = False) -> TunedModel[str]:
    """The summarizer that the settings name; in the ``background`` if it can. Raises ConfigurationError."""
    from stream_app.models.summarizer import find_summarizer

    silence_libraries()
    name = resolve(settings.summary_model, "summarizer", ModelStore.of(settings))
    found = find_summarizer(name, settings.summary_beams)
    return replace(_tuned(found, settings, background=background), reads_label=found.reads_label)


def new_explainer(settings: EnrichSettings, *, threads: int) -> ClassifierExplainer:
    """An explainer by the classifiers that the settings name, which are loaded when they are needed.

    ``threads``: of torch in this process, which is set now; 0: one per core. Raises ConfigurationError.
    """
    from stream_app.models.explainer import ClassifierExplainer

    return ClassifierExplainer(settings, find_sentiment_model, threads=threads)


def load_embedder(settings: ModelSettings) -> Embedder | None:
    """The sentence encoders that are fetched; None where none is. What is missing is logged, once."""
    from stream_app.models.embedder import fetched_encoders

    silence_libraries()
    return fetched_encoders(settings)


def _tuned(found: ModelSource[Any], settings: ModelSettings, **needs: bool) -> TunedModel[Any]:
    """Put the model on its device, as ``select`` chooses."""
    from stream_app.models.device import cores
    from stream_app.models.selection import THREADS_OF_A_WORKER, select

    by_the_machine = max(1, cores() // (settings.threads or THREADS_OF_A_WORKER))
    return select(found, settings, settings.device_workers or by_the_machine, **needs)


def silence_libraries() -> None:
    """transformers reports the head that we replace as missing, and draws a bar per file."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
