"""Classifiers are loaded by folder, from safetensors only, and classify each text alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from stream_app.models.classifier import Classifier, load_classifier
from stream_app.models.device import DeviceChoice
from stream_app.ports import ConfigurationError
from stream_app.records import Scores

Folder = Callable[[dict[int, str]], Path]
STARS = {index: f"{index + 1} star{'s' * (index > 0)}" for index in range(5)}


def as_tuple(scores: Scores) -> tuple[float, float, float]:
    return scores.negative, scores.neutral, scores.positive


def test_stars_are_summed_to_three_sentiments(classifier_folder: Folder, cpu: DeviceChoice) -> None:
    folder = classifier_folder(STARS)
    classifier = load_classifier(str(folder), cpu)
    [tokens] = classifier.tokenize(["the zip broke"])
    [scores] = classifier.run([tokens])
    plain = AutoModelForSequenceClassification.from_pretrained(str(folder))
    logits = plain(input_ids=torch.tensor([tokens.ids])).logits  # type: ignore[attr-defined]
    one, two, three, four, five = logits.softmax(-1)[0].tolist()
    assert as_tuple(scores) == pytest.approx((one + two, three, four + five), abs=1e-6)


def test_a_binary_classifier_is_never_neutral(classifier_folder: Folder, cpu: DeviceChoice) -> None:
    classifier = load_classifier(str(classifier_folder({0: "POSITIVE", 1: "NEGATIVE"})), cpu)
    [scores] = classifier.run(classifier.tokenize(["the zip broke"]))
    assert scores.neutral == 0
    assert scores.negative + scores.positive == pytest.approx(1)


def test_a_text_is_classified_the_same_alone_and_alongside_a_longer_one(
    classifier_folder: Folder, cpu: DeviceChoice
) -> None:
    classifier = load_classifier(str(classifier_folder(STARS)), cpu)
    short, long = classifier.tokenize(["the zip broke", "the kettle was good and the lid broke after two days ."])
    [alone] = classifier.run([short])
    alongside, _ = classifier.run([short, long])
    assert as_tuple(alone) == pytest.approx(as_tuple(alongside), abs=1e-5)


def test_what_is_longer_than_the_model_reads_is_cut_and_said(classifier_folder: Folder, cpu: DeviceChoice) -> None:
    classifier = load_classifier(str(classifier_folder(STARS)), cpu)
    fits, cut = classifier.tokenize(["good " * 63, "good " * 64])  # 64 positions, one of them for the end
    assert (fits.length, fits.truncated) == (64, False)
    assert (cut.length, cut.truncated) == (64, True)
    assert [scores.truncated for scores in classifier.run([fits, cut])] == [False, True]


def module_of(classifier: Classifier) -> Any:
    """The torch model of an encoder that has one."""
    return cast("Any", classifier.encoder).model


def test_the_canary_notices_a_device_that_answers_differently(classifier_folder: Folder, cpu: DeviceChoice) -> None:
    classifier = load_classifier(str(classifier_folder(STARS)), cpu)
    assert classifier.canary()
    with torch.no_grad():
        module_of(classifier).classifier.bias += torch.tensor([5.0, 0, 0, 0, 0])
    assert not classifier.canary()


def test_the_canary_notices_a_device_that_answers_nan(classifier_folder: Folder, cpu: DeviceChoice) -> None:
    classifier = load_classifier(str(classifier_folder(STARS)), cpu)
    with torch.no_grad():
        module_of(classifier).classifier.bias += float("nan")
    assert not classifier.canary()


def test_the_revision_follows_the_weights(classifier_folder: Folder, cpu: DeviceChoice) -> None:
    folder = classifier_folder(STARS)
    before = load_classifier(str(folder), cpu).name
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        last = weights.read(1)
        weights.seek(-1, 2)
        weights.write(bytes([last[0] ^ 1]))
    assert before.name == "classifier"
    assert load_classifier(str(folder), cpu).name.revision != before.revision


def test_pickled_weights_are_refused(classifier_folder: Folder, cpu: DeviceChoice) -> None:
    folder = classifier_folder(STARS)
    classifier = load_classifier(str(folder), cpu)
    (folder / "model.safetensors").unlink()
    torch.save(module_of(classifier).state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(ConfigurationError, match="STREAM_APP_SENTIMENT_MODEL"):
        load_classifier(str(folder), cpu)


def test_a_name_that_is_nowhere_is_refused(tmp_path: Path, cpu: DeviceChoice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigurationError, match="bundled"):
        load_classifier("nobody/no-such-model", cpu)
