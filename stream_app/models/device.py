"""Which device there is and what it can do: measured once, then remembered per machine."""

from __future__ import annotations

import fcntl
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ctranslate2
import orjson
import torch

from stream_app.models.memory import bound_caches
from stream_app.ports import ConfigurationError

Precision = Literal["fp32", "bf16", "int8"]
Backend = Literal["torch", "ctranslate2"]

BF16_MUST_GAIN = 1.5  # below this, rounding buys little: a CPU also compiles each new shape of a run in bf16
_AUTOTUNE = 6  # raised whenever something else is measured, so that older answers are not used
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
        """How many of the workers do not slow each other down: a GPU computes one run after another."""
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
        # cuDNN's attention builds a plan for each new shape, and shapes hardly ever come twice: most likely why T5's
        # first run of a shape took 0.5 to 1.2 s in bf16 on an H100, and the second 0.2 s. The others ask for no plan
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


def remembered(key: str, measure: Callable[[], Any]) -> Any:
    """The answer that was measured on this machine before, else a new measurement; a broken file is measured anew."""
    if (known := recalled(key)) is not None:
        return known
    answer = measure()
    remember(key, answer)
    return answer


def recalled(key: str) -> Any:
    """The answer that was measured on this machine with these libraries before; None: none."""
    try:
        return orjson.loads(_measured().read_bytes())[_machine()][key]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _measured() -> Path:
    return cache_folder() / "measured.json"


def _machine() -> str:
    return f"{_processor()} torch {torch.__version__} ctranslate2 {ctranslate2.__version__} sweep {_AUTOTUNE}"


def remember(key: str, answer: Any) -> None:
    """``answer`` is what JSON holds."""
    file = _measured()
    try:
        known = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        known = {}
    if not isinstance(known, dict):
        known = {}
    known.setdefault(_machine(), {})[key] = answer
    temporary = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2))
        temporary.replace(file)
    except OSError:
        return  # a read-only home: it is measured again next time


@contextmanager
def measuring() -> Iterator[None]:
    """Only one process of this machine measures at a time: the others would slow it down, and find its answer then."""
    with ExitStack() as held:
        try:
            cache_folder().mkdir(parents=True, exist_ok=True)
            file = held.enter_context((cache_folder() / "measuring.lock").open("wb"))
            fcntl.flock(file, fcntl.LOCK_EX)  # gone with the process, however it ends
        except OSError:
            pass  # a home that is read-only, or without locks
        yield


def cache_folder() -> Path:
    """Where measurements and converted models are kept."""
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
