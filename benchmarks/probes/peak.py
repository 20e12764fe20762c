"""What a device can do at most: the measured rate of its matrix products, which every encoder is held against.

python -m benchmarks.probes.peak     how much of it the bundled classifier's products reach on this CPU in fp32, as JSON
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

_PEAK_SECONDS = 0.5
_MICRO_BATCH_TOKENS = (512, 1024)  # rows of the products of one run, as a worker's autotune chooses them


def flops_of(config: Any, lengths: Sequence[int]) -> float:
    """Floating-point operations of an encoder on texts of these lengths in tokens: two per multiply-add of its matrices
    (4 h² + 2 h i a layer and token) and of attention (2 L h a layer and token).
    """
    h, i, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    return float(sum(layers * length * 2 * (4 * h * h + 2 * h * i + 2 * length * h) for length in lengths))


def peak_flops(config: Any, device: str, precision: str, workers: int) -> float:
    """Operations per second of the fastest matrix product known here, of the shape of the encoder's largest, on all
    workers; on a GPU of a shape as its libraries are quoted with.

    Several libraries are tried: on some processors torch's default one uses half of the arithmetic units.
    """
    import torch

    torch.set_num_threads(1)  # what is prepared and compiled here is used by threads that have one
    products = _products(config, device, precision)
    # twice: it comes out lower in seconds that a neighbour takes
    return max(_rate(product, workers) for _ in range(2) for product in products)


def _rate(product: Callable[[], float], workers: int) -> float:
    """Operations per second on all workers."""
    product()
    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(lambda _: _repeated(product), range(workers)))


def _repeated(product: Callable[[], float]) -> float:
    """Operations per second of this thread alone, in about _PEAK_SECONDS."""
    import torch

    torch.set_num_threads(1)  # here: OpenMP keeps the number for each thread, and oneDNN asks OpenMP
    began = time.perf_counter()
    done = 0.0
    while (spent := time.perf_counter() - began) < _PEAK_SECONDS:
        done += product()
    return done / spent


def _products(config: Any, device: str, precision: str) -> list[Callable[[], float]]:
    """Functions that multiply matrices and say how many operations that took."""
    import torch

    from stream_app.models.encoders import PrepackedLinear, can_prepack

    shape = (1024, config.intermediate_size, config.hidden_size)
    rows, inner, columns = shape if device == "cpu" else (8192, 8192, 8192)
    operations = 2.0 * rows * inner * columns
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}[precision]
    # not ones or zeros: a GPU multiplies those faster
    left = torch.randint(-99, 99, (rows, inner), device=device).to(dtype)
    right = torch.randint(-99, 99, (inner, columns), device=device).to(dtype)

    def counted(multiply: Callable[[], Any]) -> Callable[[], float]:
        return _counted(multiply, operations, device)

    if precision == "int8":
        products = [counted(lambda: torch._int_mm(left, right))]  # without VNNI units it is not optimised at all
        if device == "cpu":
            with warnings.catch_warnings(action="ignore"):  # torch calls the module's place deprecated
                quantized = torch.ao.quantization.quantize_dynamic(
                    torch.nn.Sequential(torch.nn.Linear(inner, columns)).eval(), {torch.nn.Linear}, dtype=torch.qint8
                )
            given = torch.ones(rows, inner)
            products.append(counted(lambda: quantized(given)))
        return products
    products = [counted(lambda: torch.mm(left, right))]
    if device == "cpu":
        linear = torch.nn.Linear(inner, columns, dtype=dtype).eval()
        if can_prepack(dtype):
            prepacked = PrepackedLinear(linear, then_gelu=False)
            products.append(counted(lambda: prepacked(left)))
        if precision == "fp32":
            products += [counted(variant) for variant in _variants_in_fp32([linear], left)]
    return products


def _variants_in_fp32(layers: Sequence[Any], given: Any) -> list[Callable[[], Any]]:
    """Functions that multiply ``given`` with the weights of each of the linear layers, each by another library."""
    import numpy as np
    from torch.utils import mkldnn

    prepared, blocked = [mkldnn.to_mkldnn(layer) for layer in layers], given.to_mkldnn()
    arrays, array = [np.ascontiguousarray(layer.weight.detach().numpy().T) for layer in layers], given.numpy()
    return [
        lambda: [layer(given) for layer in layers],
        lambda: [layer(blocked) for layer in prepared],
        lambda: [array @ weights for weights in arrays],
    ]


def _counted(multiply: Callable[[], Any], operations: float, device: str = "cpu") -> Callable[[], float]:
    """Multiplies, waits for it, and says how many operations that took."""
    import torch

    def run() -> float:
        with torch.inference_mode():
            multiply()
        if device == "cuda":
            torch.cuda.synchronize()
        return operations

    return run


def products_share(config: Any, workers: int) -> float:
    """What an encoder of this shape would reach of the fp32 peak if it were nothing but the products with its weights,
    in runs of the better size, each by the fastest library known here.

    The peak is measured before and after: in seconds that a neighbour takes, it would come out too low.
    """
    before = peak_flops(config, "cpu", "fp32", workers)
    rate = max(_products_rate(config, rows, workers) for rows in _MICRO_BATCH_TOKENS)
    return rate / max(before, peak_flops(config, "cpu", "fp32", workers))


def _products_rate(config: Any, tokens: int, workers: int) -> float:
    """Operations per second of all layers' products, with weights of their own: they don't stay in a core's cache."""
    import torch

    hidden, inner = config.hidden_size, config.intermediate_size
    operations = seconds = 0.0
    for rows, columns in ((hidden, 3 * hidden), (hidden, hidden), (hidden, inner), (inner, hidden)):  # of the weights
        layers = [torch.nn.Linear(rows, columns).eval() for _ in range(config.num_hidden_layers)]
        variants = _variants_in_fp32(layers, torch.randn(tokens, rows))
        of_these = 2.0 * tokens * rows * columns * len(layers)
        operations += of_these
        seconds += of_these / max(_rate(_counted(variant, of_these), workers) for variant in variants)
    return operations / seconds


def main() -> None:
    from stream_app.models.classifier import find_classifier
    from stream_app.models.device import cores

    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    share = products_share(find_classifier("bundled").model.config, cores())
    print(orjson.dumps({"products_share": share}).decode())


if __name__ == "__main__":
    main()
