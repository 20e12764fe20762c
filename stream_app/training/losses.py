"""What the classifier's answers cost: of reviews, of sentences, and against a teacher's probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional as F

from stream_app.models.multitask import HAZARD, MultiTaskOutput, aspect_logits
from stream_app.records import LABELS
from stream_app.training.batches import UNKNOWN

_NEUTRAL = LABELS.index("neutral")


def loss_of(
    out: MultiTaskOutput,
    batch: Mapping[str, torch.Tensor],
    prototypes: torch.Tensor,
    *,
    class_weights: torch.Tensor,
    label_smoothing: float,
    teacher_share: float,
    sentence_share: float,
) -> torch.Tensor:
    """The loss of a batch: the reviews' plus ``sentence_share`` times that of each sentence task.

    ``class_weights``: of LABELS, for reviews whose file knows all three. Where a teacher's scores are known they make
    ``teacher_share`` of a review's loss (Hinton et al. 2015, without a temperature), and all of it where its label is
    unknown. A teacher's scores of sentences are a task of their own.
    """
    loss = _of_labels(out.logits.float(), batch["labels"], batch["two_sided"], label_smoothing, class_weights)
    soft = _of_scores(out.logits, batch["scores"])
    if soft is not None:
        known = batch["labels"] != UNKNOWN
        share = teacher_share if known.any() else 1.0
        loss = share * soft + (1 - share) * loss
    if out.sentence_logits is None or not len(batch["spans"]):
        return loss
    sentences = out.sentence_logits.float()
    of_sentences = _of_labels(sentences[:, : len(LABELS)], batch["span_labels"], batch["span_two_sided"], 0.0)
    soft = _of_scores(sentences[:, : len(LABELS)], batch["span_scores"])
    if soft is not None:
        of_sentences = of_sentences + soft
    of_hazards = _weighted(
        F.binary_cross_entropy_with_logits(sentences[:, HAZARD], batch["hazard"], reduction="none"),
        batch["hazard_weight"],
    )
    assert out.projected is not None
    of_aspects = _weighted(
        F.binary_cross_entropy_with_logits(
            aspect_logits(out.projected.float(), prototypes), batch["aspects"], reduction="none"
        ).sum(dim=1),
        batch["aspects_weight"],
    )
    return loss + sentence_share * (of_sentences + of_hazards + of_aspects)


def balancing_weights(counts: Sequence[int]) -> torch.Tensor:
    """A weight per class: the square root of how much rarer it is than it would be among equals, 1 on average.

    The root: with the whole of it the rarest class, neutral, is answered too often.
    """
    numbers = torch.tensor(counts, dtype=torch.float32).clamp(min=1)
    weights = (numbers.sum() / len(numbers) / numbers).sqrt()
    return weights * numbers.sum() / (weights * numbers).sum()


def _of_labels(
    logits: torch.Tensor,
    labels: torch.Tensor,
    two_sided: torch.Tensor,
    label_smoothing: float,
    class_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross entropy; where a file knows no neutral reviews, the answer "neutral" is neither right nor wrong."""
    known = labels != UNKNOWN
    if not known.any():
        return logits.sum() * 0.0
    logits = logits.masked_fill(
        two_sided[:, None] & (torch.arange(logits.shape[1], device=logits.device) == _NEUTRAL),
        torch.finfo(logits.dtype).min / 4,
    )
    three = known & ~two_sided
    two = known & two_sided
    total = logits.new_zeros(())
    if three.any():
        total = total + F.cross_entropy(
            logits[three], labels[three], class_weights, label_smoothing=label_smoothing, reduction="sum"
        )
    if two.any():  # smoothed, it would ask for a share of "neutral"
        total = total + F.cross_entropy(logits[two], labels[two], reduction="sum")
    return total / known.sum()


def _of_scores(logits: torch.Tensor, scores: torch.Tensor) -> torch.Tensor | None:
    """Cross entropy to a teacher's ``scores``, whose rows are zeros where it said nothing; None: it said nothing."""
    taught = scores.sum(dim=1) > 0
    return F.cross_entropy(logits.float()[taught], scores[taught]) if taught.any() else None


def _weighted(losses: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    total = weights.sum()
    return (losses * weights).sum() / total if total > 0 else losses.sum() * 0.0
