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


@pytest.mark.parametrize("reads_label", [True, False])
def test_lines_of_a_summarizer_that_reads_labels_are_judged(monkeypatch: pytest.MonkeyPatch, reads_label: bool) -> None:
    classifier: AnsweringModel[Scores] = AnsweringModel(lambda text: Scores(0.0, 0.0, 1.0))
    summarizer = AnsweringModel(lambda text: "The zip broke")
    monkeypatch.setattr(loading, "load_sentiment_model", lambda settings: TunedModel(classifier, 512, 512))
    monkeypatch.setattr(
        loading,
        "load_summary_model",
        lambda settings, background: TunedModel(summarizer, 512, 512, reads_label=reads_label),
    )
    summary = loading.load_models(Settings(_env_file=None, sentiment_models="")).summary
    assert summary is not None
    [line] = summary.model.run(summary.model.tokenize(["negative: The zip broke after a day."]))
    assert line == ("" if reads_label else "The zip broke")
