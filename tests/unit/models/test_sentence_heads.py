"""Sentences are judged by the pass that judges the text, as training judged them, by every encoder."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from stream_app.models import derived, fused_encoder
from stream_app.models.base_encoder import base_encoder_folder
from stream_app.models.classifier import LoadedClassifier, find_classifier
from stream_app.models.device import Backend, DeviceChoice, Precision
from stream_app.models.encoders import PaddedEncoder
from stream_app.models.fused_encoder import FusedEncoder
from stream_app.models.multitask import HAZARD, MultiTaskBert, aspect_logits
from stream_app.models.sentence_heads import (
    ASPECT_THRESHOLD,
    NAMED_ASPECT_THRESHOLD,
    SentenceHeads,
    SentenceTokenIds,
    SentenceTokenizer,
    contradictions_below,
    hazard_threshold,
    learned_aspects,
    learned_tasks,
)
from stream_app.records import ModelName, SentenceScores
from stream_app.steps.aspects import Aspect
from stream_app.steps.sentences import sentences
from stream_app.training.batches import tensors, tokenized
from stream_app.training.examples import Example, LabelledSentence
from tests.unit.models.test_encoders import attend_one_by_one

ASPECTS = ("durability", "value", "sound")
TEXTS = [
    "The zip broke. I was angry! It cost 3.5 dollars, though.",
    "good",
    "Great lid\nIt fits. The kettle was good and the lid broke after two days, which I did not expect.",
    "U.S. made. Distortion.Rich harmonics",
]


@pytest.fixture(scope="module")
def found() -> LoadedClassifier:
    """Two layers of the base encoder with random heads."""
    torch.manual_seed(3)
    base = base_encoder_folder()
    model = derived.new_model(base, 2).eval()
    for name in ("sentence_classifier", "aspect_projection"):
        torch.nn.init.normal_(getattr(model, name).weight, std=0.5)
    tokenizer = derived.tokenizer_of(base)
    inputs = tensors(tokenized([example_of(TEXTS[0])], tokenizer, 512), {}, 0)
    with torch.no_grad():
        projected = model(inputs["ids"], inputs["mask"], inputs["spans"]).projected
        model.aspect_projection.bias -= projected.mean(dim=0)
    prototypes = torch.nn.functional.normalize(projected - projected.mean(dim=0), dim=-1)  # an aspect for each sentence
    heads = SentenceHeads(model, ASPECTS, prototypes)
    return LoadedClassifier(model, tokenizer, ModelName("two-layers", "unknown"), None, frozenset({"fp32"}), heads)


def example_of(text: str) -> Example:
    """Its sentences are labelled by nothing."""
    spans = [(span.start, span.end) for span in sentences(text)]
    return Example(text, spans=tuple(spans), sentences=tuple(LabelledSentence(text[a:b]) for a, b in spans))


def by_training(found: LoadedClassifier, text: str, max_tokens: int = 512) -> list[SentenceScores]:
    """What the training's own code makes of the text's sentences."""
    example = example_of(text)
    inputs = tensors(tokenized([example], found.tokenizer, max_tokens), {}, 0)
    model = cast("MultiTaskBert", found.model)
    with torch.inference_mode():
        out = model(inputs["ids"], inputs["mask"], inputs["spans"])
        assert found.sentence_heads is not None
        aspects = aspect_logits(out.projected, found.sentence_heads._prototypes).sigmoid() > ASPECT_THRESHOLD
        labels = out.sentence_logits[:, :3].softmax(-1).tolist()
        hazards = out.sentence_logits[:, HAZARD].sigmoid().tolist()
    return [
        SentenceScores(*span, tuple(of), hazard, tuple(name for name, on in zip(ASPECTS, row, strict=True) if on))
        for span, of, hazard, row in zip(example.spans, labels, hazards, aspects, strict=False)
    ]


def assert_same(found: Sequence[SentenceScores], expected: Sequence[SentenceScores], tolerance: float) -> None:
    assert [(one.start, one.end) for one in found] == [(one.start, one.end) for one in expected]
    for left, right in zip(found, expected, strict=True):
        assert left.probabilities == pytest.approx(right.probabilities, abs=tolerance)
        assert left.hazard == pytest.approx(right.hazard, abs=tolerance)
        if tolerance < 1e-3:  # else one may be on the edge
            assert left.aspects == right.aspects


@pytest.mark.parametrize(
    ("backend", "precision", "tolerance"),
    [("torch", "fp32", 1e-4), ("torch", "bf16", 0.05), ("ctranslate2", "fp32", 1e-4), ("ctranslate2", "int8", 0.25)],
)
def test_sentences_are_judged_as_in_training(
    found: LoadedClassifier, cpu: DeviceChoice, backend: Backend, precision: Precision, tolerance: float
) -> None:
    """In one micro-batch of differing lengths and numbers of sentences."""
    classifier = found.on(replace(cpu, backend=backend, precision=precision))
    scores = classifier.run(classifier.tokenize(TEXTS))

    assert [len(one.sentences) for one in scores] == [3, 1, 3, 3]
    assert [one.aspects for one in scores[0].sentences] == [("durability",), ("value",), ("sound",)]
    for text, of in zip(TEXTS, scores, strict=True):
        assert_same(of.sentences, by_training(found, text), tolerance)
        assert sum(of.sentences[0].probabilities or ()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("of_review", "doubtful"),
    [
        ((0.04, 0.06, 0.90), [True, False, False, False]),
        ((0.90, 0.06, 0.04), [False, False, True, False]),
        ((0.10, 0.11, 0.79), [False, False, False, False]),  # not sure enough
        ((0.04, 0.90, 0.06), [False, False, False, False]),  # contradicted by neither
    ],
)
def test_sentences_that_contradict_a_sure_review_are_doubtful(
    found: LoadedClassifier, of_review: tuple[float, float, float], doubtful: list[bool]
) -> None:
    """By a model whose card says so; of the last sentence nothing is known."""
    heads = SentenceHeads(found.model, ASPECTS, torch.zeros(3, 384), contradictions_below=0.8)
    judged = tuple(SentenceScores(0, 1, of, 0.0) for of in ((0.9, 0.1, 0.0), (0.1, 0.8, 0.1), (0.1, 0.0, 0.9), None))

    assert [one.doubtful for one in heads._with_doubts(judged, of_review)] == doubtful


def test_sentences_are_compared_with_their_own_review(found: LoadedClassifier, cpu: DeviceChoice) -> None:
    """In a micro-batch of reviews that are surely negative and surely positive in turns."""
    heads = copy.copy(found.sentence_heads)
    assert heads is not None
    heads._contradictions_below = 0.8
    classifier = found.on(cpu)
    batch = cast("list[SentenceTokenIds]", classifier.tokenize(TEXTS))
    reviews = [(0.9, 0.1, 0.0), (0.0, 0.1, 0.9)] * 2
    with torch.inference_mode():
        encoded = classifier.encoder.encode(batch)
        scores = heads.scores(encoded, batch, reviews)
        believed = cast(SentenceHeads, found.sentence_heads).scores(encoded, batch, reviews)

    doubts = []
    for of, review in zip(scores, reviews, strict=True):
        for one in of:
            assert one.probabilities is not None
            opposite = 2 if review[0] > review[2] else 0
            doubts.append(one.doubtful)
            assert one.doubtful == (one.probabilities.index(max(one.probabilities)) == opposite)
    assert set(doubts) == {True, False}
    assert {one.doubtful for of in believed for one in of} == {False}


@pytest.mark.parametrize(
    ("card", "below"), [('{"contradictions_below": 0.7}', 0.7), ("{}", 2.0), ("[]", 2.0), ("", 2.0)]
)
def test_card_states_until_when_a_sentence_may_contradict_its_review(tmp_path: Path, card: str, below: float) -> None:
    (tmp_path / "card.json").write_text(card)
    assert contradictions_below(tmp_path) == below


def test_a_padded_encoder_judges_them_too(found: LoadedClassifier, cpu: DeviceChoice) -> None:
    classifier = found.on(cpu)
    classifier.encoder = PaddedEncoder(found.model, 0, cpu)
    for text, of in zip(TEXTS, classifier.run(classifier.tokenize(TEXTS)), strict=True):
        assert_same(of.sentences, by_training(found, text), 1e-4)


def test_what_a_gpu_computes_in_few_kernels_judges_them_too(
    found: LoadedClassifier, cpu: DeviceChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it but attention's kernel and the recorded graphs."""
    monkeypatch.setattr(fused_encoder, "varlen_attn", attend_one_by_one)
    classifier = found.on(cpu)
    classifier.encoder = FusedEncoder(found.model, cpu)
    for text, of in zip(TEXTS, classifier.run(classifier.tokenize(TEXTS)), strict=True):
        assert_same(of.sentences, by_training(found, text), 0.01)  # another GELU


def test_the_label_of_a_text_is_the_same_with_and_without_sentences(found: LoadedClassifier, cpu: DeviceChoice) -> None:
    without = replace(found, sentence_heads=None)
    backends: tuple[Backend, ...] = ("torch", "ctranslate2")
    for backend in backends:
        choice = replace(cpu, backend=backend)
        some, others = (
            [(one.negative, one.neutral, one.positive) for one in of.run(of.tokenize(TEXTS))]
            for of in (found.on(choice), without.on(choice))
        )
        for one, other in zip(some, others, strict=True):
            assert one == pytest.approx(other, abs=1e-6)
    bare = without.on(cpu)
    assert [one.sentences for one in bare.run(bare.tokenize(TEXTS))] == [()] * len(TEXTS)


def test_a_text_is_read_to_where_it_is_cut(found: LoadedClassifier, cpu: DeviceChoice) -> None:
    """The sentence that the model read a part of ends there; later ones are not judged."""
    classifier = found.on(cpu)
    classifier.tokenize = SentenceTokenizer(found.tokenizer, 12)
    text = "The zip broke. I was angry because nobody answered. Never again. Never."
    [tokens] = cast("list[SentenceTokenIds]", classifier.tokenize([text]))
    [scores] = classifier.run([tokens])

    assert scores.truncated
    assert [text[one.start : one.end] for one in scores.sentences] == [
        "The zip broke.",
        "I was angry because nobody answered",
    ]
    assert list(tokens.bounds) == [1, 5, 11]
    assert scores.sentences[0].hazard == pytest.approx(by_training(found, text, 12)[0].hazard, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("It broke. \u200d\u200dReally. Yes.", ["It broke.", "\u200d\u200dReally.", "Yes."]),
        ("It broke.\n\u200d\u200d\nYes.", ["It broke.", "Yes."]),  # a line without a token
        ("It broke.\n\u200d", ["It broke."]),
    ],
)
def test_characters_that_the_tokenizer_drops_shift_no_sentence(
    found: LoadedClassifier, cpu: DeviceChoice, text: str, read: list[str]
) -> None:
    [scores] = (classifier := found.on(cpu)).run(classifier.tokenize([text]))

    assert [text[one.start : one.end] for one in scores.sentences] == read


def test_a_text_without_a_token_has_no_sentences(found: LoadedClassifier, cpu: DeviceChoice) -> None:
    classifier = found.on(cpu)
    nothing, something = classifier.run(classifier.tokenize(["\u200d", "It broke."]))

    assert nothing.sentences == ()
    assert len(something.sentences) == 1
    assert [one.sentences for one in classifier.run(classifier.tokenize(["\u200d"]))] == [()]


def test_scores_pass_through_a_pipe(found: LoadedClassifier, cpu: DeviceChoice) -> None:
    """An isolated process sends them so."""
    classifier = found.on(cpu)
    [scores] = classifier.run(classifier.tokenize([TEXTS[0]]))

    assert pickle.loads(pickle.dumps(scores)) == scores


def test_a_head_says_nothing_of_what_it_did_not_learn(found: LoadedClassifier, cpu: DeviceChoice) -> None:
    """Its weights are random there."""
    heads = found.sentence_heads
    assert heads is not None
    of_hazards = SentenceHeads(found.model, ASPECTS, heads._prototypes, frozenset({"hazard"}))
    of_others = SentenceHeads(found.model, ASPECTS, heads._prototypes, frozenset({"sentiment", "aspects"}))
    hazards, others = (
        classifier.run(classifier.tokenize(TEXTS[:1]))[0].sentences
        for classifier in (replace(found, sentence_heads=one).on(cpu) for one in (of_hazards, of_others))
    )
    expected = by_training(found, TEXTS[0])
    assert [(one.probabilities, one.aspects) for one in hazards] == [(None, ())] * 3
    assert [one.hazard for one in hazards] == pytest.approx([one.hazard for one in expected], abs=1e-4)
    assert [one.hazard for one in others] == [0.0] * 3
    assert [one.aspects for one in others] == [one.aspects for one in expected]


def test_keywords_decide_where_the_head_knows_no_such_aspect_and_help_it_where_it_does(
    found: LoadedClassifier, cpu: DeviceChoice
) -> None:
    heads = found.sentence_heads
    assert heads is not None
    named = [Aspect(id_, {"en": id_}, {"en": id_}, {"en": words}) for id_, words in _KEYWORDS.items()]
    with_words = SentenceHeads(found.model, ASPECTS, heads._prototypes, named=named)
    classifier = replace(found, sentence_heads=with_words).on(cpu)
    helped = 0
    for text, scores in zip(TEXTS, classifier.run(classifier.tokenize(TEXTS)), strict=True):
        for sentence, probabilities in zip(scores.sentences, aspect_probabilities(found, text), strict=True):
            words = set(re.findall(r"\w+", text[sentence.start : sentence.end].lower()))
            has = {id_ for id_, keywords in _KEYWORDS.items() if words & {*keywords}}
            sure = {id_ for id_, p in zip(ASPECTS, probabilities, strict=True) if p > ASPECT_THRESHOLD}
            possible = {id_ for id_, p in zip(ASPECTS, probabilities, strict=True) if p > NAMED_ASPECT_THRESHOLD}
            helped += len((possible & has) - sure)
            assert set(sentence.aspects) == sure | (possible & has) | (has - set(ASPECTS))
    assert helped


_COMMON = ("it", "was", "the", "good", "made", "great", "rich")
_KEYWORDS = {"fastener": ("zip", "zipper"), "durability": _COMMON, "value": _COMMON, "sound": ("lid", *_COMMON)}


def aspect_probabilities(found: LoadedClassifier, text: str) -> list[list[float]]:
    example = example_of(text)
    inputs = tensors(tokenized([example], found.tokenizer, 512), {}, 0)
    assert found.sentence_heads is not None
    with torch.inference_mode():
        projected = cast("MultiTaskBert", found.model)(inputs["ids"], inputs["mask"], inputs["spans"]).projected
        return aspect_logits(projected, found.sentence_heads._prototypes).sigmoid().tolist()


@pytest.mark.parametrize(
    ("card", "learned"),
    [
        (b'{"scores": {"held_out_sentences": {"a": {"hazard_sentences": 9}}}}', {"hazard"}),
        (
            b'{"scores": {"held_out_sentences": {"a": {"sentiment_sentences": 9}, "b": {"aspects_sentences": 1}}}}',
            {"sentiment", "aspects"},
        ),
        (b'{"scores": {"whole_reviews": {}}}', set()),
        (b'{"scores": {"held_out_sentences": [1]}}', set()),
        (b"{", set()),
        (None, set()),
    ],
)
def test_what_a_classifier_learned_of_sentences_is_what_its_card_has_scores_of(
    tmp_path: Path, card: bytes | None, learned: set[str]
) -> None:
    if card is not None:
        (tmp_path / "card.json").write_bytes(card)
    assert learned_tasks(tmp_path) == learned


def test_foreign_and_older_classifiers_judge_whole_texts_alone(
    classifier_folder: Callable[[dict[int, str]], Path], cpu: DeviceChoice
) -> None:
    """Of theirs there are no sentences, rather than those of heads that learned nothing."""
    folder = str(classifier_folder({0: "NEGATIVE", 1: "POSITIVE"}))
    classifier: Any = find_classifier(folder).on(cpu)
    [scores] = classifier.run(classifier.tokenize(["good . bad ."]))

    assert scores.sentences == ()


@pytest.mark.parametrize(
    ("card", "threshold"), [('{"hazard_threshold": 0.4}', 0.4), ("{}", 0.8), ("[]", 0.8), ("", 0.8)]
)
def test_the_card_states_how_sure_of_a_hazard_the_model_must_be(tmp_path: Path, card: str, threshold: float) -> None:
    (tmp_path / "card.json").write_text(card)
    assert hazard_threshold(tmp_path) == threshold


@pytest.mark.parametrize(
    ("card", "aspects"),
    [('{"learned_aspects": ["sound", "look"]}', {"sound", "look"}), ("{}", None), ("[]", None), ("", None)],
)
def test_card_says_which_aspects_the_training_had_examples_of(
    tmp_path: Path, card: str, aspects: set[str] | None
) -> None:
    (tmp_path / "card.json").write_text(card)
    assert learned_aspects(tmp_path) == aspects


def test_hazards_as_learned_are_those_of_no_threshold(found: LoadedClassifier, cpu: DeviceChoice) -> None:
    def hazards(heads: SentenceHeads) -> list[float]:
        model = replace(found, sentence_heads=heads).on(cpu)
        return [one.hazard for scores in model.run(model.tokenize(TEXTS)) for one in scores.sentences]

    assert found.sentence_heads is not None
    aspects = (ASPECTS, found.sentence_heads._prototypes)
    shifted = SentenceHeads(found.model, *aspects, hazard_threshold=0.9)
    assert hazards(shifted) != pytest.approx(hazards(found.sentence_heads))
    assert hazards(shifted.with_hazards_as_learned()) == pytest.approx(hazards(found.sentence_heads))
