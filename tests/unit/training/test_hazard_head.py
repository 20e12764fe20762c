"""The row for hazards that is fitted again tells the sentences apart, and each is seen alone and among others."""

from __future__ import annotations

import torch

from stream_app.training.examples import LabelledSentence, together
from stream_app.training.hazard_head import fitted_row, views


def test_the_fitted_row_tells_hazards_from_others() -> None:
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(200, 8, generator=generator)
    hazards = (vectors[:, 2] - vectors[:, 5] > 0.5).float()
    weights, bias = fitted_row(vectors, hazards)
    right = ((vectors @ weights + bias > 0) == (hazards > 0)).float().mean()
    assert right > 0.95
    assert weights[2] > 0 > weights[5]


def test_a_larger_penalty_keeps_the_row_small() -> None:
    vectors = torch.eye(4)
    hazards = torch.tensor([1.0, 0.0, 1.0, 0.0])
    small, large = (fitted_row(vectors, hazards, penalty)[0].norm() for penalty in (1.0, 0.001))
    assert small < large


def test_each_sentence_is_seen_alone_and_among_others() -> None:
    sentences = [LabelledSentence(f"sentence {number}.", hazard=number % 2 == 0) for number in range(20)]
    examples = views(sentences)
    seen = [one.text for example in examples for one in example.sentences]
    assert sorted(seen) == sorted([one.text for one in sentences] * 2)
    assert [len(example.sentences) for example in examples[:20]] == [1] * 20
    assert max(len(example.sentences) for example in examples[20:]) > 1


def test_chinese_sentences_are_read_together_with_commas() -> None:
    """As customers write them; others with spaces. The spans hold the sentences alone."""
    for texts, joined in ((("质量很好", "物流太慢"), "质量很好，物流太慢"), (("Nice.", "Slow."), "Nice. Slow.")):
        example = together([LabelledSentence(text) for text in texts])
        assert example.text == joined
        assert [example.text[start:end] for start, end in example.spans] == list(texts)
