"""The loss makes its tensors where the answers are."""

from __future__ import annotations

import pytest
import torch

from stream_app.models.multitask import MultiTaskOutput
from stream_app.records import LABELS
from stream_app.training.batches import UNKNOWN
from stream_app.training.losses import loss_of


def test_no_tensor_is_made_on_another_device_than_that_of_the_answers() -> None:
    """On a GPU a tensor on the CPU ended the first step. Here the default device is another one than the answers'."""
    batch = {
        "labels": torch.tensor([0, 2]),
        "two_sided": torch.tensor([True, False]),
        "scores": torch.tensor([[0.7, 0.1, 0.2], [0.0, 0.0, 0.0]]),
        "spans": torch.zeros((0, 3), dtype=torch.long),
    }
    weights = torch.ones(len(LABELS))
    logits = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    with torch.device("meta"):
        loss = loss_of(
            MultiTaskOutput(logits, None, None),
            batch,
            torch.zeros((0, 4), device="cpu"),
            class_weights=weights,
            label_smoothing=0.05,
            teacher_share=0.5,
            sentence_share=0.5,
        )
    assert loss.device.type == "cpu"
    assert 0 < float(loss) < 2


def test_a_teachers_scores_of_sentences_cost_the_cross_entropy_to_them() -> None:
    teacher = torch.tensor([[0.8, 0.1, 0.1], [0.0, 0.0, 0.0]])
    batch = {
        "labels": torch.tensor([UNKNOWN]),
        "two_sided": torch.tensor([False]),
        "scores": torch.zeros((1, 3)),
        "spans": torch.tensor([[0, 1, 2], [0, 2, 3]]),
        "span_labels": torch.tensor([UNKNOWN, UNKNOWN]),
        "span_two_sided": torch.tensor([False, False]),
        "span_scores": teacher,
        "hazard": torch.zeros(2),
        "hazard_weight": torch.zeros(2),
        "aspects": torch.zeros((2, 0)),
        "aspects_weight": torch.zeros(2),
    }

    def loss(first: list[float], second: list[float]) -> float:
        answers = torch.tensor([[*first, 0.0], [*second, 0.0]])
        found = loss_of(
            MultiTaskOutput(torch.zeros((1, 3)), answers, torch.zeros((2, 4))),
            batch,
            torch.zeros((0, 4)),
            class_weights=torch.ones(len(LABELS)),
            label_smoothing=0.0,
            teacher_share=0.7,
            sentence_share=0.5,
        )
        return float(found)

    as_taught = teacher[0].log().tolist()
    entropy = float(-(teacher[0] * teacher[0].log()).sum())
    assert loss(as_taught, [0.0, 0.0, 0.0]) == pytest.approx(0.5 * entropy)
    assert loss([0.0, 0.0, 2.0], [0.0, 0.0, 0.0]) > 0.5 * entropy + 0.1
    assert loss(as_taught, [5.0, 0.0, 0.0]) == pytest.approx(0.5 * entropy), "of the second it said nothing"


def test_a_teacher_is_the_whole_of_a_text_without_label_and_its_share_of_one_with_label() -> None:
    teacher = torch.tensor([[0.6, 0.2, 0.2], [0.2, 0.2, 0.6], [0.0, 0.0, 0.0]])
    labels = torch.tensor([0, UNKNOWN, 2])
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.5, 0.0, 0.0], [0.0, 1.0, 3.0]])

    def loss(rows: list[int]) -> float:
        batch = {
            "labels": labels[rows],
            "two_sided": torch.zeros(len(rows), dtype=torch.bool),
            "scores": teacher[rows],
            "spans": torch.zeros((0, 3), dtype=torch.long),
        }
        found = loss_of(
            MultiTaskOutput(logits[rows]),
            batch,
            torch.zeros((0, 4)),
            class_weights=torch.ones(len(LABELS)),
            label_smoothing=0.0,
            teacher_share=0.7,
            sentence_share=0.5,
        )
        return float(found)

    minus_log = -logits.log_softmax(dim=1)
    soft = (teacher * minus_log).sum(dim=1)
    expected = [0.7 * soft[0] + 0.3 * minus_log[0, 0], soft[1], minus_log[2, 2]]
    assert [loss([0]), loss([1]), loss([2])] == pytest.approx([float(one) for one in expected])
    assert loss([0, 1, 2]) == pytest.approx(float(sum(expected)) / 3), "whatever else is in the batch"
