"""Which classifiers a worker loads, and for which language."""

from __future__ import annotations

from typing import Any

import pytest

from stream_app.models import loading
from stream_app.models.languages import models_of_languages
from stream_app.models.tuned import TunedModel
from stream_app.ports import ConfigurationError
from stream_app.records import Scores
from stream_app.settings import Settings
from stream_app.testing.models import AnsweringModel


@pytest.mark.parametrize(
    ("stated", "models"),
    [
        ("", {}),
        ("zh=my-folder", {"zh": "my-folder"}),
        (" zh = a/b@1 , yue=./c ,", {"zh": "a/b@1", "yue": "./c"}),
    ],
)
def test_models_are_named_by_language(stated: str, models: dict[str, str]) -> None:
    assert models_of_languages(stated) == models


@pytest.mark.parametrize("stated", ["zh", "zh=", "=model", "Chinese=model", "zh-CN=model", "zh=a,zh=b"])
def test_entry_that_names_no_language_and_model_is_refused(stated: str) -> None:
    with pytest.raises(ConfigurationError, match="STREAM_APP_SENTIMENT_MODELS"):
        models_of_languages(stated)


def test_further_model_reads_its_language_whatever_the_first_one_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(settings: Settings) -> Any:
        asked.append((settings.sentiment_model, settings.model_languages))
        return settings.sentiment_model

    monkeypatch.setattr(loading, "load_sentiment_model", load)
    settings = Settings(_env_file=None, summaries="off", sentiment_models="zh=mine", model_languages="en,de")

    loaded = loading.load_models(settings)

    assert loaded.sentiment_of_language == {"zh": "mine"}
    assert sorted(asked) == [("bundled", "en,de"), ("mine", "zh")]


@pytest.mark.parametrize(
    ("reads_label", "languages", "further", "line"),
    [
        (True, {"en"}, "", ""),
        (False, {"en"}, "", "The zip broke"),
        (True, {"en"}, "en=mine", "The zip broke"),  # by the classifier that labels English reviews
        (True, {"zh"}, "", "The zip broke"),  # none reads English
    ],
)
def test_lines_of_a_summarizer_that_reads_labels_are_judged_by_the_classifier_of_its_language(
    monkeypatch: pytest.MonkeyPatch, reads_label: bool, languages: set[str], further: str, line: str
) -> None:
    def classifier(settings: Settings) -> TunedModel[Scores]:
        scores = Scores(1.0, 0.0, 0.0) if settings.sentiment_model == "mine" else Scores(0.0, 0.0, 1.0)
        model = AnsweringModel(lambda text: scores, languages=frozenset(languages))
        return TunedModel(model, 512, 512, tokens_per_second=200.0)

    summarizer = AnsweringModel(lambda text: "The zip broke", languages=frozenset({"en"}))
    tuned = TunedModel(summarizer, 512, 512, tokens_per_second=100.0, reads_label=reads_label)
    monkeypatch.setattr(loading, "load_sentiment_model", classifier)
    monkeypatch.setattr(loading, "load_summary_model", lambda settings, background: tuned)
    summary = loading.load_models(Settings(_env_file=None, sentiment_models=further)).summary
    assert summary is not None
    assert summary.model.run(summary.model.tokenize(["negative: The zip broke after a day."])) == [line]
    is_judged = summary.model is not summarizer
    assert is_judged is (reads_label and "en" in languages)
    assert summary.tokens_per_second == (pytest.approx(1 / (1 / 100 + 0.3 / 200)) if is_judged else 100)
