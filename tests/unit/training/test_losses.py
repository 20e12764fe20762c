"""The loss makes its tensors where the answers are."""

from __future__ import annotations

import torch

from stream_app.models.multitask import MultiTaskOutput
from stream_app.records import LABELS
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
