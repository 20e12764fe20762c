"""Computes a classifier's logits: of texts packed end to end, of padded rows, or by CTranslate2.

Packed: the texts of a micro-batch lie one after another in one row, [1, tokens], without padding; only attention knows
where each begins. Padded: one row per text, [texts, longest]; what transformers does, for every architecture.
CTranslate2 takes padding out for all but attention.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import ctranslate2
import numpy as np
import torch
import torch.nn.functional as F
from transformers import AttentionInterface

from stream_app.models.architectures import BERTS, ROBERTAS
from stream_app.models.convert import options_of
from stream_app.models.device import DeviceChoice
from stream_app.models.transformer import TokenIds, padded
from stream_app.ports import MicroBatchPlan
from stream_app.steps.batch_plan import Packed, PaddedAttention, PaddedRows

_PACKED = "stream_app_packed"

_LOG2_E = math.log2(math.e)  # powers of 2 are computed faster than those of e
_LEAST_SUM = 2.0**-100
"""bf16 holds 2 to the -126 precisely: what is lost below is negligible to such a sum. Its inverse is the largest:
that leaves the products with the values as much below what overflows.
"""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a pass computed. ``logits``: [texts, outputs], fp32, in the CPU's memory.

    ``hidden``: [rows, width], the last hidden states, on the encoder's device in its precision. A text's tokens lie one
    after another; ``starts``: the row of each text's first.
    """

    logits: torch.Tensor
    hidden: torch.Tensor
    starts: Sequence[int]


class Encoder(Protocol):
    """``plan``: which texts it should compute together. Both methods may be called from several threads."""

    plan: MicroBatchPlan

    def logits(self, batch: Sequence[TokenIds]) -> torch.Tensor:
        """[texts, outputs], fp32, in the CPU's memory."""
        ...

    def encode(self, batch: Sequence[TokenIds]) -> Encoded:
        """The same with the last hidden states; of architectures whose head reads a pooler's answer (BERTS)."""
        ...


class PaddedEncoder:
    """The classifier as transformers runs it; ``model`` is a ...ForSequenceClassification on its device."""

    plan: MicroBatchPlan = PaddedRows()

    def __init__(self, model: Any, padding_id: int, choice: DeviceChoice) -> None:
        self.model = model
        self._padding_id = padding_id
        self._choice = choice

    def logits(self, batch: Sequence[TokenIds]) -> torch.Tensor:
        ids, mask = padded(batch, self._padding_id, self._choice)
        logits: torch.Tensor = self.model(input_ids=ids, attention_mask=mask).logits
        return logits.float().cpu()

    def encode(self, batch: Sequence[TokenIds]) -> Encoded:
        ids, mask = padded(batch, self._padding_id, self._choice)
        out = self.model.base_model(input_ids=ids, attention_mask=mask)
        logits = self.model.classifier(out.pooler_output).float().cpu()
        return Encoded(logits, out.last_hidden_state.flatten(0, 1), range(0, ids.numel(), ids.shape[1]))


class PackedEncoder:
    """A classifier of the PACKABLE architectures over packed micro-batches, on a CPU (on a GPU: fused_encoder)."""

    plan: MicroBatchPlan = Packed()

    def __init__(self, model: Any, choice: DeviceChoice) -> None:
        """``model`` is ours to change."""
        model.set_attn_implementation(_PACKED)
        if can_prepack(choice.dtype):
            _prepack(model)
        self.model = model
        self._pooled = model.config.model_type in BERTS
        self._first_position = model.config.pad_token_id + 1 if model.config.model_type in ROBERTAS else 0

    def logits(self, batch: Sequence[TokenIds]) -> torch.Tensor:
        return self.encode(batch).logits

    def encode(self, batch: Sequence[TokenIds]) -> Encoded:
        lengths = [tokens.length for tokens in batch]
        starts = [0, *accumulate(lengths)][:-1]
        ids = torch.tensor([[number for tokens in batch for number in tokens.ids]])
        first = self._first_position
        positions = torch.cat([torch.arange(first, first + length) for length in lengths])[None]
        base = self.model.base_model
        hidden = base.embeddings(input_ids=ids, position_ids=positions)
        hidden = base.encoder(hidden, attention_mask=None, lengths=lengths)[0]
        of_first_tokens = hidden[0, starts][:, None]  # [texts, 1, width]
        pooled = base.pooler(of_first_tokens) if self._pooled else of_first_tokens
        return Encoded(self.model.classifier(pooled).float().cpu(), hidden[0], starts)


class CTranslate2Encoder:
    """A classifier of the PACKABLE architectures on a CPU; ``folder``: its converted encoder, without the head."""

    def __init__(self, classifier: Any, config: Any, folder: Path, choice: DeviceChoice) -> None:
        """``classifier``: the head's module, as the architecture ``config.model_type`` has it."""
        self.classifier = classifier
        self._pooled = config.model_type in BERTS  # the other heads take the first token as the encoder leaves it
        self.plan: MicroBatchPlan = PaddedAttention(config.hidden_size)
        self._encoder = ctranslate2.Encoder(str(folder), **options_of(choice))

    def logits(self, batch: Sequence[TokenIds]) -> torch.Tensor:
        out = self._encoder.forward_batch([list(tokens.ids) for tokens in batch])
        return self._classified(out.pooler_output if self._pooled else out.last_hidden_state)

    def encode(self, batch: Sequence[TokenIds]) -> Encoded:
        out = self._encoder.forward_batch([list(tokens.ids) for tokens in batch])
        hidden = torch.from_numpy(np.array(out.last_hidden_state))  # [texts, longest, width]
        longest = hidden.shape[1]
        return Encoded(
            self._classified(out.pooler_output), hidden.flatten(0, 1), range(0, len(batch) * longest, longest)
        )

    def _classified(self, vectors: Any) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(torch.from_numpy(np.array(vectors)))
        return logits


class PrepackedLinear(torch.nn.Module):
    """A linear layer of an encoder on a CPU, its weights as oneDNN's kernels read them; a GELU after it costs nothing.

    ``torch.nn.Linear`` leaves fp32 to the BLAS library, which uses half of the units of some processors.
    """

    def __init__(self, linear: torch.nn.Linear, *, then_gelu: bool) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self._bias = None if linear.bias is None else linear.bias.detach()
        self._then: tuple[str, list[Any], str] = ("gelu", [], "none") if then_gelu else ("none", [], "")

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self._weight, self._bias, *self._then)
        return out


def can_prepack(dtype: torch.dtype) -> bool:
    """oneDNN refuses weights in bf16 where the processor has no AVX-512; torch computes them anyway, slowly."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _prepack(model: Any) -> None:
    """Replace the linear layers of a PACKABLE encoder, and the GELU after a layer's first one."""
    with torch.inference_mode():
        for layer in model.base_model.encoder.layer:
            fused = model.config.hidden_act == "gelu"
            for place in (layer.attention.self, layer.attention.output, layer.intermediate, layer.output):
                for name, linear in list(place.named_children()):
                    if isinstance(linear, torch.nn.Linear):
                        then_gelu = fused and place is layer.intermediate
                        setattr(place, name, PrepackedLinear(linear, then_gelu=then_gelu))
            if fused:
                layer.intermediate.intermediate_act_fn = torch.nn.Identity()


def _attend_packed(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    scaling: float,
    lengths: Sequence[int],
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface for one packed row: query, key and value are [1, heads, tokens, width]."""
    out = torch.empty_like(query.transpose(1, 2))  # [1, tokens, heads, width]
    start = 0
    for length in lengths:
        here = slice(start, start + length)
        out[:, here] = attend(query[:, :, here], key[:, :, here], value[:, :, here], scaling).transpose(1, 2)
        start += length
    return out, None


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float) -> torch.Tensor:
    """Attention of one text; all [1, heads, tokens, width].

    In bf16 by plain products: torch's own kernel is half as fast on a CPU's bf16 units. Half of their time would go to
    a softmax, which first looks for the largest score, so that no power overflows. Here the powers are computed without
    it, and a text whose sums come near the ends of what bf16 can hold is computed again, by the softmax.
    """
    if query.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(query, key, value, scale=scaling)
    queries, keys, values = (one[0].contiguous() for one in (query, key, value))
    keys = keys.transpose(1, 2)
    weights = torch.bmm(queries * (scaling * _LOG2_E), keys).exp2_()
    sums = weights.sum(-1, keepdim=True)
    least, most = (one.item() for one in sums.aminmax())
    if least > _LEAST_SUM and most < 1 / _LEAST_SUM:  # not so either where one is not a number
        return (torch.bmm(weights, values) / sums)[None]
    return torch.bmm(torch.bmm(queries * scaling, keys).softmax(-1), values)[None]


AttentionInterface.register(_PACKED, _attend_packed)
