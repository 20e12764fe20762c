"""Loads what the settings name, each with the token budgets that suit this device.

torch and transformers are imported only when something is loaded: roles without models start fast and stay small.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from stream_app.ports import TextModel
from stream_app.records import Scores
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.models.device import DeviceChoice

Result = TypeVar("Result")

THREADS_OF_A_WORKER = 1
"""On a CPU one single-threaded worker per core beats one worker with all cores: small models leave little to split, and
threads of two models that wait for each other's turn burn the cores.
"""


@dataclass(frozen=True, slots=True)
class Sized(Generic[Result]):
    """A model, how many tokens one run and one batch of it should hold here, and how many threads should run it."""

    model: TextModel[Result]
    run_tokens: int
    batch_tokens: int
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Loaded:
    """The models of a worker; None where it needs none."""

    sentiment: Sized[Scores]
    summary: Sized[str] | None


def device_of(settings: Settings) -> DeviceChoice:
    """Where models run with these settings, and why. Raises ConfigurationError."""
    from stream_app.models.device import choose_device

    return choose_device(settings.device, settings.precision, settings.threads or THREADS_OF_A_WORKER)


def load_models(settings: Settings) -> Loaded:
    """Both models, or the classifier alone where summaries are off. Raises ConfigurationError."""
    summary = None if settings.summaries == "off" else load_summary_model(settings)
    return Loaded(load_sentiment_model(settings), summary)


def load_sentiment_model(settings: Settings) -> Sized[Scores]:
    """The classifier that the settings name. Raises ConfigurationError."""
    from stream_app.models.classifier import load_classifier

    _quieten()
    choice = device_of(settings)
    classifier = load_classifier(settings.sentiment_model, choice)
    if settings.model_languages != "auto":
        named = frozenset(settings.model_languages.replace(" ", "").split(","))
        classifier.languages = None if named == {"any"} else named
    return _sized(classifier, choice)


def load_summary_model(settings: Settings) -> Sized[str]:
    """The summarizer that the settings name. Raises ConfigurationError."""
    from stream_app.models.summarizer import load_summarizer

    _quieten()
    choice = device_of(settings)
    return _sized(load_summarizer(settings.summary_model, choice), choice)


def _sized(model: TextModel[Result], choice: DeviceChoice) -> Sized[Result]:
    from stream_app.models.device import measure_budget

    budget = measure_budget(model, choice)
    workers = 1 if choice.device == "cuda" else max(1, len(os.sched_getaffinity(0)) // choice.threads)
    return Sized(model, budget.run_tokens, budget.batch_tokens, workers)


def _quieten() -> None:
    """transformers reports the head that we replace as missing, and draws a bar per file."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
