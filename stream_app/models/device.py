"""Chooses device, precision and token budgets from what this machine can do: measured once, then remembered."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
import torch

from stream_app.models.memory import bound_caches
from stream_app.ports import ConfigurationError, OutOfDeviceMemory, TextModel

Precision = Literal["fp32", "bf16"]

BATCH_SECONDS = 0.25
"""Device time of one batch: what newer reviews wait for at most."""

_BF16_MUST_GAIN = 1.5  # below this, rounding buys little: a CPU also compiles each new shape of a run in bf16
_MATMUL_SECONDS = 0.2  # per precision: enough to see past neighbours on the same machine
_ENOUGH = 0.95  # of the best throughput: a smaller run answers sooner
_RUN_SIZES: dict[str, tuple[int, ...]] = {
    "cpu": (256, 512, 1024, 2048, 4096),
    "cuda": (1024, 4096, 16384, 32768, 65536),
}
_SWEEP_TEXT = (
    "The zip broke after two days and the shop did not answer, which is a pity because I liked the colour. " * 3
)


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Where a model runs, with how many threads and in which precision, and why (a sentence for people)."""

    device: str
    precision: Precision
    threads: int
    reason: str

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bf16" else torch.float32


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens one run and one batch may hold, and the throughput that this follows from (one worker)."""

    run_tokens: int
    batch_tokens: int
    tokens_per_second: float


def choose_device(device: str = "auto", precision: str = "auto", threads: int = 0) -> DeviceChoice:
    """``device``: auto, cpu or cuda. ``precision``: auto, fp32 or bf16. ``threads``: of a CPU, 0 for all of ours.

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
    chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    threads = threads or len(os.sched_getaffinity(0))
    if chosen == "cpu":
        torch.set_num_threads(threads)
    where = torch.cuda.get_device_name() if chosen == "cuda" else f"CPU, {threads} thread(s) a worker"
    if precision in ("fp32", "bf16"):
        return DeviceChoice(chosen, "bf16" if precision == "bf16" else "fp32", threads, f"{where}; {precision} as set")
    gain = bf16_gain(chosen)
    measured = f"bf16 multiplies matrices {gain:.1f} x as fast as fp32"
    best: Precision = "bf16" if gain >= _BF16_MUST_GAIN else "fp32"
    return DeviceChoice(chosen, best, threads, f"{where}; {best}, because {measured}")


def bf16_gain(device: str) -> float:
    """How many times faster this device multiplies matrices in bf16 than in fp32. Measured once per machine."""

    def measure() -> float:
        return _matmul_seconds(device, torch.float32) / _matmul_seconds(device, torch.bfloat16)

    return float(_remembered(f"bf16 gain {device} {torch.get_num_threads()}", measure))


def measure_budget(model: TextModel[Any], choice: DeviceChoice) -> Budget:
    """Times the model on runs of growing size; the smallest that is nearly as fast as the best becomes the budget.

    Takes about a second, once per machine and model.
    """

    def measure() -> dict[str, float]:
        [text] = model.tokenize([_SWEEP_TEXT])
        model.run([text])
        rates: dict[int, float] = {}
        for size in _RUN_SIZES[choice.device]:
            run = [text] * max(1, size // text.length)
            try:
                seconds = min(_seconds(lambda run=run: model.run(run)) for _ in range(2))  # type: ignore[misc]
            except OutOfDeviceMemory:
                break
            rates[size] = len(run) * text.length / seconds
            if seconds > BATCH_SECONDS:
                break
        best = max(rates.values())
        run_tokens = min(size for size, rate in rates.items() if rate >= _ENOUGH * best)
        return asdict(Budget(run_tokens, max(run_tokens, int(rates[run_tokens] * BATCH_SECONDS)), rates[run_tokens]))

    key = f"budget {choice.device} {choice.precision} {choice.threads} {model.name.name} {model.name.revision}"
    return Budget(**_remembered(key, measure))


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def _matmul_seconds(device: str, dtype: torch.dtype) -> float:
    left = torch.ones(256, 384, dtype=dtype, device=device)
    right = torch.ones(384, 1536, dtype=dtype, device=device)

    def multiply() -> None:
        torch.mm(left, right)
        synchronize(device)

    multiply()
    seconds = [_seconds(multiply)]
    while len(seconds) < 50 and sum(seconds) < _MATMUL_SECONDS:
        seconds.append(_seconds(multiply))
    return min(seconds)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _remembered(key: str, measure: Callable[[], Any]) -> Any:
    """The answer that was measured on this machine before, else a new measurement; a broken file is measured anew."""
    file = _cache_folder() / "measured.json"
    machine = f"{_processor()} torch {torch.__version__}"
    try:
        known = orjson.loads(file.read_bytes())
        return known[machine][key]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        answer = measure()
    _remember(file, machine, key, answer)
    return answer


def _remember(file: Path, machine: str, key: str, answer: Any) -> None:
    try:
        known = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        known = {}
    known.setdefault(machine, {})[key] = answer
    temporary = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2))
        temporary.replace(file)
    except OSError:
        return  # a read-only home: it is measured again next time


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stream-app"


def _processor() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    wanted = {"model name", "model", "cpu family"}
    return " ".join(sorted({line.split(":", 1)[1].strip() for line in lines if line.split("\t")[0] in wanted}))
