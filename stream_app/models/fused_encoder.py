"""A classifier's packed forward pass on a GPU, in as few kernels as torch has for it.

    embeddings ─► norm ─► [ one product for q, k, v ─► attention ─► product added to x ─► norm
                            ─► product with GELU ─► product added to x ─► norm ] a layer ─► head on the first tokens

On an H100 the bare products take two thirds of the time; every other kernel that passes over the tokens costs
3 to 7 % of a layer. So what a product can do on its way out, it does: add a bias, add what it is added to, or GELU.

A small micro-batch takes the GPU a millisecond, but Python several to launch it kernel by kernel, while the event loop
waits for Python. So small micro-batches are CUDA graphs, recorded once for a few sizes and launched whole.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.attention.varlen import varlen_attn
from transformers.activations import ACT2FN

from stream_app.models.architectures import BERTS, ROBERTAS
from stream_app.models.device import DeviceChoice
from stream_app.models.encoders import Encoded
from stream_app.models.transformer import MAX_INPUT_TOKENS, TokenIds
from stream_app.ports import MicroBatchPlan
from stream_app.steps.batch_plan import Packed

_GRAPH_TOKENS = (256, 512, 1024, 2048, 4096, 8192)
_GRAPH_TOKENS_A_TEXT = 16  # how many texts a graph has room for; many tiny texts take a larger one


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)


@dataclass(frozen=True, slots=True)
class _Layer:
    """Weights are [in, out]. ``from_attention`` and ``down`` have no bias: it is in what they are added to."""

    qkv: torch.Tensor
    qkv_bias: torch.Tensor
    from_attention: torch.Tensor
    attention_norm: _Norm
    up: torch.Tensor
    up_bias: torch.Tensor
    down: torch.Tensor
    norm: _Norm


@dataclass(frozen=True, slots=True)
class _Graph:
    """A recorded forward pass over ``tokens`` tokens of at most ``texts`` texts; what it reads and writes has its place
    in the GPU's memory. ``given``: as _packed gives it. ``logits``: [texts, outputs]. ``hidden``: [tokens, width].
    """

    tokens: int
    texts: int
    given: torch.Tensor
    logits: torch.Tensor
    hidden: torch.Tensor
    recorded: torch.cuda.CUDAGraph


class FusedEncoder:
    """A classifier of the PACKABLE architectures over packed micro-batches.

    A block computes norm(x + f(x) W + b). A matrix product can add x in place, but then no bias; so b is added where x
    is made, by the norm before: x' = x + b. What else reads x, the linear layer (U, c) at the beginning of f, takes
    c - b U for its bias: x' U + c - b U = x U + c.

    GELU is the one that the product's kernel has, by tanh: at most 0.0005 from the one by erf.
    """

    plan: MicroBatchPlan = Packed()

    def __init__(self, model: Any, choice: DeviceChoice) -> None:
        """``model``: a ...ForSequenceClassification in fp32 on the CPU; it stays as it is."""
        config, base = model.config, model.base_model
        self._device, self._dtype = choice.device, choice.dtype
        self._heads: int = config.num_attention_heads
        self._activation = ACT2FN[config.hidden_act]
        self._gelu = config.hidden_act in ("gelu", "gelu_new", "gelu_pytorch_tanh")
        self._first_position = config.pad_token_id + 1 if config.model_type in ROBERTAS else 0
        self._pooler = self._moved(copy.deepcopy(base.pooler)) if config.model_type in BERTS else None
        self._classifier = self._moved(copy.deepcopy(model.classifier))
        self._streams = threading.local()
        self._one_replays = threading.Lock()
        with torch.inference_mode():
            embeddings, layers = base.embeddings, list(base.encoder.layer)
            self._words = self._moved(embeddings.word_embeddings.weight)
            # one token type alone is ever used
            positions = embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
            self._positions = self._moved(positions)
            self._embedding_norm = self._norm(embeddings.LayerNorm, layers[0].attention.output.dense.bias)
            nexts = [layer.attention.output.dense.bias for layer in layers[1:]]
            self._layers = [
                self._layer(layer, after) for layer, after in zip(layers, [*nexts, torch.zeros(())], strict=True)
            ]
            self._graphs: list[_Graph] = []
            if self._device == "cuda":
                torch.cuda.synchronize()  # the weights are there before another stream reads them
                self._record()

    def _moved(self, what: Any) -> Any:
        return what.to(device=self._device, dtype=self._dtype)

    def _norm(self, norm: Any, added: torch.Tensor) -> _Norm:
        return _Norm(self._moved(norm.weight), self._moved(norm.bias + added), norm.eps)

    def _layer(self, layer: Any, added_after: torch.Tensor) -> _Layer:
        """``added_after``: the bias that the next layer wants in this one's answer."""
        attention, out = layer.attention.self, layer.attention.output
        parts = (attention.query, attention.key, attention.value)
        qkv = torch.cat([part.weight for part in parts]).t()
        qkv_bias = torch.cat([part.bias for part in parts]) - out.dense.bias @ qkv
        up, down = layer.intermediate.dense, layer.output.dense
        return _Layer(
            self._moved(qkv),
            self._moved(qkv_bias),
            self._moved(out.dense.weight.t()),
            self._norm(out.LayerNorm, down.bias),
            self._moved(up.weight.t()),
            self._moved(up.bias - down.bias @ up.weight.t()),
            self._moved(down.weight.t()),
            self._norm(layer.output.LayerNorm, added_after),
        )

    def logits(self, batch: Sequence[TokenIds]) -> torch.Tensor:
        return self._computed_by_a_stream(batch, hidden_too=False)[0]

    def encode(self, batch: Sequence[TokenIds]) -> Encoded:
        logits, hidden = self._computed_by_a_stream(batch, hidden_too=True)
        return Encoded(logits, hidden, [0, *accumulate(tokens.length for tokens in batch)][:-1])

    def _computed_by_a_stream(
        self, batch: Sequence[TokenIds], *, hidden_too: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(logits, hidden states); each thread has a stream of its own, so that one prepares while another computes.

        Logits reach the CPU last: then the thread's stream has done all that was asked of it, and any other stream may
        read the hidden states.
        """
        lengths = [tokens.length for tokens in batch]
        total = sum(lengths)
        with torch.cuda.stream(self._stream()):
            # a text of no tokens, as those behind the last are, begins at a token: one more than there are
            for graph in self._graphs:
                if total < graph.tokens and len(batch) <= graph.texts:
                    return self._replayed(graph, batch, lengths, hidden_too=hidden_too)
            given = self._packed(batch, lengths, total, len(batch)).to(self._device, non_blocking=True)
            logits, hidden = self._forward(given, total, max(lengths))
            return logits.float().cpu(), hidden

    def _replayed(
        self, graph: _Graph, batch: Sequence[TokenIds], lengths: list[int], *, hidden_too: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        host = self._packed(batch, lengths, graph.tokens, graph.texts)
        with self._one_replays:
            graph.given.copy_(host, non_blocking=True)
            graph.recorded.replay()
            # a copy: the next replay writes over the graph's own
            hidden = graph.hidden[: sum(lengths)].clone() if hidden_too else graph.hidden
            return graph.logits[: len(batch)].float().cpu(), hidden

    def _record(self) -> None:
        longest = min(MAX_INPUT_TOKENS, len(self._positions) - self._first_position)
        pool, stream = None, torch.cuda.Stream()  # type: ignore[no-untyped-call]
        for tokens in _GRAPH_TOKENS:
            texts = tokens // _GRAPH_TOKENS_A_TEXT
            given = torch.zeros(2 * tokens + texts + 1, dtype=torch.int32, device=self._device)
            torch.cuda.synchronize()
            with torch.cuda.stream(stream):
                self._forward(given, tokens, longest)  # libraries choose their kernels at the first call
            torch.cuda.synchronize()
            recorded = torch.cuda.CUDAGraph()
            with torch.cuda.graph(recorded, pool=pool, stream=stream, capture_error_mode="thread_local"):
                logits, hidden = self._forward(given, tokens, longest)
            pool = recorded.pool()  # one at a time is replayed: they may share their memory
            self._graphs.append(_Graph(tokens, texts, given, logits, hidden, recorded))

    def _stream(self) -> torch.cuda.Stream | None:
        if self._device != "cuda":
            return None
        if not hasattr(self._streams, "mine"):
            self._streams.mine = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        mine: torch.cuda.Stream = self._streams.mine
        return mine

    def _packed(self, batch: Sequence[TokenIds], lengths: list[int], tokens: int, texts: int) -> torch.Tensor:
        """Token ids [tokens], their positions [tokens], where each text begins and the end [texts + 1]: one int32
        vector, so one copy. ``tokens`` and ``texts`` may be more than there are: what is behind them is no text's.
        """
        total = sum(lengths)
        sizes = [tokens, tokens, texts + 1]
        host = torch.zeros(sum(sizes), dtype=torch.int32, pin_memory=self._device == "cuda")
        ids, positions, bounds = (part.numpy() for part in torch.split(host, sizes))
        ids[:total] = np.fromiter(chain.from_iterable(one.ids for one in batch), np.int32, total)
        np.cumsum(lengths, out=bounds[1 : len(batch) + 1])
        bounds[len(batch) + 1 :] = total
        positions[:total] = np.arange(self._first_position, self._first_position + total)
        positions[:total] -= np.repeat(bounds[: len(batch)], lengths)
        return host

    def _forward(self, given: torch.Tensor, tokens: int, longest: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(logits [texts, outputs], hidden states [tokens, width]) of what _packed gave.

        ``longest``: no text has more tokens.
        """
        ids, positions, bounds = given[:tokens], given[tokens : 2 * tokens], given[2 * tokens :]
        x = self._embedding_norm(F.embedding(ids, self._words) + F.embedding(positions, self._positions))
        for layer in self._layers:
            x = self._computed(layer, x, bounds, longest)
        first = x.index_select(0, bounds[:-1])[:, None]  # [texts, 1, width]
        return self._classifier(first if self._pooler is None else self._pooler(first)), x

    def _computed(self, layer: _Layer, x: torch.Tensor, bounds: torch.Tensor, longest: int) -> torch.Tensor:
        """[tokens, width], of the layer; overwrites ``x``."""
        qkv = torch.addmm(layer.qkv_bias, x, layer.qkv).view(len(x), 3, self._heads, -1)
        query, key, value = qkv.unbind(1)
        attended = varlen_attn(query, key, value, bounds, bounds, longest, longest)
        assert isinstance(attended, torch.Tensor)
        x = layer.attention_norm(x.addmm_(attended.reshape(x.shape), layer.from_attention))
        if self._gelu:
            inner = torch._addmm_activation(layer.up_bias, x, layer.up, use_gelu=True)
        else:
            inner = self._activation(torch.addmm(layer.up_bias, x, layer.up))
        return layer.norm(x.addmm_(inner, layer.down))
