"""The BERT that is fine-tuned: one pass reads a review's sentiment and each sentence's, its hazard and its aspects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification
from transformers.utils import ModelOutput

from stream_app.records import LABELS

HEADS = ("pooler", "classifier", "sentence_classifier", "aspect_projection")
"""The modules that a base encoder lacks."""
SENTENCE_HEADS = ("sentence_classifier", "aspect_projection")
HAZARD = len(LABELS)
"""The column of ``sentence_classifier`` that says whether someone was or could have been hurt."""
_ASPECT_SCALE = 12.0
_ASPECT_BIAS = -3.0


@dataclass
class MultiTaskOutput(ModelOutput):  # type: ignore[misc]
    """``logits``: [texts, 3]. Of each span: ``sentence_logits`` [spans, 4], ``projected`` [spans, width]."""

    logits: torch.Tensor
    sentence_logits: torch.Tensor | None = None
    projected: torch.Tensor | None = None


class MultiTaskBert(BertForSequenceClassification):  # type: ignore[misc]
    """A sequence classifier of LABELS with two more heads, which read the mean vector of a sentence's tokens.

    ``sentence_classifier``: [width] → LABELS and hazard. ``aspect_projection``: [width] → the space of the prototypes,
    the base encoder's vectors of the aspects' descriptions, so that an aspect can be added without training.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.sentence_classifier = nn.Linear(config.hidden_size, len(LABELS) + 1)
        self.aspect_projection = nn.Linear(config.hidden_size, config.hidden_size)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        spans: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> MultiTaskOutput:
        """Read texts and, where ``spans`` are given, their sentences.

        ``spans``: [spans, 3], integers: the text's row, the first token, the token behind the last. The others are
        what BERT's tokenizer returns, as ``transformers.pipeline`` passes it on.
        """
        out = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        logits = self.classifier(out.pooler_output)
        if spans is None:
            return MultiTaskOutput(logits)
        vectors = span_means(out.last_hidden_state, spans)
        return MultiTaskOutput(logits, self.sentence_classifier(vectors), self.aspect_projection(vectors))


def span_means(hidden: torch.Tensor, spans: torch.Tensor) -> torch.Tensor:
    """Mean vectors [spans, width] of ``hidden`` [texts, tokens, width], whose values are fp32 or become so.

    By sums of all tokens before each: a span costs two look-ups, however long it is.
    """
    before = nn.functional.pad(hidden.float().cumsum(dim=1), (0, 0, 1, 0))
    row, first, end = spans.unbind(dim=1)
    return (before[row, end] - before[row, first]) / (end - first).clamp(min=1)[:, None]


def aspect_logits(projected: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
    """Logits [sentences, aspects]: cosine with each prototype, scaled. ``prototypes``: [aspects, width], length 1."""
    return _ASPECT_SCALE * nn.functional.normalize(projected, dim=-1) @ prototypes.T + _ASPECT_BIAS


def prototypes_of(vectors: torch.Tensor) -> torch.Tensor:
    """Prototypes from the embeddings [aspects, width] of descriptions: what they all share is taken out.

    Cosines between an encoder's embeddings lie close together: without their mean they tell the aspects apart.
    """
    return nn.functional.normalize(vectors - vectors.mean(dim=0), dim=-1)


def embed(base: Any, tokenizer: Any, texts: Sequence[str]) -> torch.Tensor:
    """Embeddings [texts, width] by a base encoder: its first token's vector."""
    batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = base(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    vectors: torch.Tensor = hidden[:, 0].clone()
    return vectors
