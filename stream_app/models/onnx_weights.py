"""Recovers a BERT's weights, under the names that transformers gives them, from its ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_UNNAMED = "onnx::"  # the exporter's prefix of a weight that it transposed for a MatMul


def recover_weights(file: Path) -> dict[str, NDArray[Any]]:
    """Return name -> values of every weight in the graph.

    Embeddings, biases and LayerNorms keep their names. A linear layer's weight is [out, in] in transformers. In the
    graph it is the second input, [in, out], of a MatMul whose name is the layer's path:

        /encoder/layer.0/attention/self/query/MatMul(x, onnx::MatMul_1525) → encoder.layer.0.attention.self.query.weight

    Raise ValueError where no name is found for a weight, or two weights have the same name.
    """
    import onnx  # only who fetches a model has it

    graph = onnx.load(str(file), load_external_data=False).graph
    values = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    weights = {name: value for name, value in values.items() if not name.startswith(_UNNAMED)}
    unplaced = values.keys() - weights.keys()
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in values:
            continue
        layer, _, _ = node.name.strip("/").rpartition("/")
        name = f"{layer.replace('/', '.')}.weight"
        if name in weights:
            raise ValueError(f"{file.name} has two weights for {name}")
        weights[name] = np.ascontiguousarray(values[node.input[1]].T)
        unplaced.discard(node.input[1])
    if unplaced:
        raise ValueError(f"{file.name} has weights that no MatMul reads: {', '.join(sorted(unplaced))}")
    return weights
