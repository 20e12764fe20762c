"""Scores what a multi-task classifier says of labelled sentences: their sentiment, hazards and aspects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from stream_app.models.multitask import HAZARD, aspect_logits
from stream_app.records import LABELS
from stream_app.training.batches import UNKNOWN, Tokenized, tensors, tokenized
from stream_app.training.examples import LabelledSentence, together

_BATCH_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class SentencePredictions:
    """What a model says of ``sentences``, row by row, and what is true, as ``batches.tensors`` has it.

    ``logits``: [sentences, LABELS and hazard]. ``aspects``: probabilities [sentences, aspects].
    """

    sentences: list[LabelledSentence]
    logits: np.ndarray
    aspects: np.ndarray
    truth: Mapping[str, np.ndarray]


def score_sentences(
    model: Any,
    tokenizer: Any,
    groups: Sequence[Sequence[LabelledSentence]],
    aspects: Sequence[str],
    prototypes: torch.Tensor,
    max_tokens: int,
) -> dict[str, float]:
    """Scores of what is labelled, from 0 to 1, and how many sentences that were.

    sentiment_*: accuracy and macro-F1 of the labels that the file has; where it has no neutral ones, between negative
    and positive. hazard_*: at probability 0.5. aspects_*: micro-averaged, at 0.5.
    """
    predicted = predict_sentences(model, tokenizer, groups, aspects, prototypes, max_tokens)
    if predicted is None:
        return {}
    truth = predicted.truth
    return (
        _sentiment(predicted.logits[:, : len(LABELS)], truth)
        | _binary("hazard", predicted.logits[:, HAZARD] > 0, truth["hazard"] > 0, truth["hazard_weight"] == 1)
        | _binary("aspects", predicted.aspects > 0.5, truth["aspects"] > 0, truth["aspects_weight"] == 1)
    )


def predict_sentences(
    model: Any,
    tokenizer: Any,
    groups: Sequence[Sequence[LabelledSentence]],
    aspects: Sequence[str],
    prototypes: torch.Tensor,
    max_tokens: int,
) -> SentencePredictions | None:
    """The model's answers to the sentences of ``groups``, each group read as one text; in order of their length.

    Sentences behind ``max_tokens`` are left out. None: there is no sentence.
    """
    number = {name: index for index, name in enumerate(aspects)}
    sentences: list[LabelledSentence] = []
    found: list[dict[str, Any]] = []
    for batch in _batches(tokenized([together(group) for group in groups], tokenizer, max_tokens)):
        inputs = tensors(batch, number, tokenizer.pad_token_id)
        device = prototypes.device
        with torch.inference_mode():
            out = model(
                input_ids=inputs["ids"].to(device),
                attention_mask=inputs["mask"].to(device),
                spans=inputs["spans"].to(device),
            )
            of_aspects = aspect_logits(out.projected.float(), prototypes).sigmoid().cpu().numpy()
        found.append({"out": out.sentence_logits.float().cpu().numpy(), "aspects": of_aspects, "truth": inputs})
        sentences += [sentence for one in batch for sentence in one.example.sentences]
    if not sentences:
        return None
    names = [name for name in found[0]["truth"] if name not in ("ids", "mask")]
    return SentencePredictions(
        sentences,
        np.concatenate([one["out"] for one in found]),
        np.concatenate([one["aspects"] for one in found]),
        {name: torch.cat([one["truth"][name] for one in found]).numpy() for name in names},
    )


def _batches(examples: Sequence[Tokenized]) -> list[list[Tokenized]]:
    """In order of length, so that little is padded."""
    batches: list[list[Tokenized]] = [[]]
    for one in sorted(examples, key=lambda one: len(one.ids)):
        if not one.spans:
            continue
        if (len(batches[-1]) + 1) * len(one.ids) > _BATCH_TOKENS:
            batches.append([])
        batches[-1].append(one)
    return [batch for batch in batches if batch]


def _sentiment(logits: np.ndarray, truth: Mapping[str, np.ndarray]) -> dict[str, float]:
    from sklearn.metrics import f1_score

    known = truth["span_labels"] != UNKNOWN
    if not known.any():
        return {}
    logits, labels = logits[known].copy(), truth["span_labels"][known]
    logits[truth["span_two_sided"][known], LABELS.index("neutral")] = -np.inf
    judged = logits.argmax(axis=1)
    return {
        "sentiment_sentences": int(known.sum()),
        "sentiment_accuracy": float((judged == labels).mean()),
        "sentiment_macro_f1": float(f1_score(labels, judged, average="macro", labels=sorted(set(labels.tolist())))),
    }


def _binary(name: str, judged: np.ndarray, truth: np.ndarray, known: np.ndarray) -> dict[str, float]:
    judged, truth = judged[known], truth[known]
    if not known.any():
        return {}
    right = float((judged & truth).sum())
    precision, recall = right / max(1.0, float(judged.sum())), right / max(1.0, float(truth.sum()))
    return {
        f"{name}_sentences": int(known.sum()),
        f"{name}_precision": precision,
        f"{name}_recall": recall,
        f"{name}_f1": 2 * precision * recall / (precision + recall) if right else 0.0,
    }
