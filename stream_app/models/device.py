"""Finds the device that models run on, and measures what it can do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from stream_app.models.measurement_cache import remembered
from stream_app.models.memory import bound_caches
from stream_app.ports import ConfigurationError

Precision = Literal["fp32", "bf16", "int8"]
Backend = Literal["torch", "ctranslate2"]

BF16_MUST_GAIN = 1.5  # below this, rounding buys little: a CPU also compiles each new shape in bf16
_MATMUL_SECONDS = 0.2  # per precision: enough to see past neighbours on the same machine


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Where and how a model runs, and why (a sentence for people).

    ``threads``: of a CPU for one computation. ``workers``: how many computations run at the same time.
    ``background``: its threads yield to the others of this process.
    """

    device: str
    precision: Precision
    threads: int
    reason: str
    backend: Backend = "torch"
    workers: int = 1
    background: bool = False

    @property
    def at_full_speed(self) -> int:
        """How many of the workers do not slow each other down: a GPU computes one micro-batch after another."""
        return 1 if self.device == "cuda" else self.workers

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bf16" else torch.float32


def find_device(device: str = "auto", threads: int = 0) -> tuple[str, int, str]:
    """(cpu or cuda, threads of one computation, what it is in words). ``threads``: 0 for all cores of ours.

    Sets torch's number of threads and the bounds of its caches for this process.
    Raises ConfigurationError for a device that isn't there.
    """
    bound_caches()
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigurationError(f"Device {device!r} is unknown. Set STREAM_APP_DEVICE to auto, cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            "Device cuda is not available to torch. Set STREAM_APP_DEVICE=cpu, or install a driver that fits "
            f"torch {torch.__version__}."
        )
    if device != "cpu" and torch.cuda.is_available():
        # cuDNN's attention builds a plan for each new shape, and shapes seldom repeat: most likely why T5's first
        # micro-batch of a shape took 0.5 to 1.2 s in bf16 on an H100, and the second 0.2 s. The others need no plan
        torch.backends.cuda.enable_cudnn_sdp(False)
        return "cuda", 1, torch.cuda.get_device_name()
    threads = threads or cores()
    torch.set_num_threads(threads)
    return "cpu", threads, f"CPU, {threads} thread(s) a worker"


def choose_device(device: str = "auto", precision: str = "auto", threads: int = 0) -> DeviceChoice:
    """Where torch computes, for training; bf16 where it is measured to be worth it, unless ``precision`` is set.

    Raises ConfigurationError for a device that isn't there.
    """
    chosen, threads, where = find_device(device, threads)
    if precision in ("fp32", "bf16"):
        return DeviceChoice(chosen, "bf16" if precision == "bf16" else "fp32", threads, f"{where}; {precision} as set")
    gain = bf16_gain(chosen)
    measured = f"bf16 multiplies matrices {gain:.1f} x as fast as fp32"
    best: Precision = "bf16" if gain >= BF16_MUST_GAIN else "fp32"
    return DeviceChoice(chosen, best, threads, f"{where}; {best}, because {measured}")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def bf16_gain(device: str) -> float:
    """How many times faster this device multiplies matrices in bf16 than in fp32. Measured once per machine."""

    def measure() -> float:
        return _matmul_seconds(device, torch.float32) / _matmul_seconds(device, torch.bfloat16)

    return float(remembered(f"bf16 gain {device} {torch.get_num_threads()}", measure))


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def give_back_memory() -> None:
    """What torch keeps of a GPU's memory for later, to other streams and processes."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _matmul_seconds(device: str, dtype: torch.dtype) -> float:
    left = torch.ones(256, 384, dtype=dtype, device=device)
    right = torch.ones(384, 1536, dtype=dtype, device=device)

    def multiply() -> None:
        torch.mm(left, right)
        synchronize(device)

    multiply()
    seconds = [seconds_of(multiply)]
    while len(seconds) < 50 and sum(seconds) < _MATMUL_SECONDS:
        seconds.append(seconds_of(multiply))
    return min(seconds)


def seconds_of(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
