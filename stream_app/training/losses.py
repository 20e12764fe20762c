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
    unknown. A teacher's scores of sentences are a task of their own, so that few labels of people count as much as
    the teacher's many.
    """
    of_labels = _of_labels(out.logits.float(), batch["labels"], batch["two_sided"], label_smoothing, class_weights)
    of_scores = _of_scores(out.logits.float(), batch["scores"])
    labelled, taught = _is_labelled(batch["labels"]), _is_taught(batch["scores"])
    share = torch.where(labelled & taught, teacher_share, 1.0)
    loss = _mean(share * of_scores + torch.where(taught, 1 - share, 1.0) * of_labels, labelled | taught)
    if out.sentence_logits is None or not len(batch["spans"]):
        return loss
    sentences = out.sentence_logits.float()
    of_three = sentences[:, : len(LABELS)]
    of_sentences = _mean(
        _of_labels(of_three, batch["span_labels"], batch["span_two_sided"], 0.0), _is_labelled(batch["span_labels"])
    ) + _mean(_of_scores(of_three, batch["span_scores"]), _is_taught(batch["span_scores"]))
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
    """Cross entropy of each row, 0 where no label is known. In files that know no neutral reviews, the answer "neutral"
    is neither right nor wrong.
    """
    losses = logits.new_zeros(len(labels))
    logits = logits.masked_fill(
        two_sided[:, None] & (torch.arange(logits.shape[1], device=logits.device) == _NEUTRAL),
        torch.finfo(logits.dtype).min / 4,
    )
    three, two = (_is_labelled(labels) & kind for kind in (~two_sided, two_sided))
    losses[three] = F.cross_entropy(
        logits[three], labels[three], class_weights, label_smoothing=label_smoothing, reduction="none"
    )
    # smoothed, it would ask for a share of "neutral"
    losses[two] = F.cross_entropy(logits[two], labels[two], reduction="none")
    return losses


def _of_scores(logits: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Cross entropy of each row to a teacher's ``scores``, 0 where these are zeros: it said nothing."""
    return F.cross_entropy(logits, scores, reduction="none")


def _is_labelled(labels: torch.Tensor) -> torch.Tensor:
    return labels != UNKNOWN


def _is_taught(scores: torch.Tensor) -> torch.Tensor:
    return scores.sum(dim=1) > 0


def _mean(losses: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    return losses.sum() / of.sum().clamp(min=1)


def _weighted(losses: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    total = weights.sum()
    return (losses * weights).sum() / total if total > 0 else losses.sum() * 0.0
