"""The processor time and the memory of processes, and whether they share the weights of their models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_MB = 1e6


@dataclass(frozen=True)
class Memory:
    """Megabytes (10^6 bytes) of all processes of `enrich` together, after a run.

    ``proportional`` (PSS) counts a page that n processes share as 1/n in each, so its sum is what the machine spends;
    ``unique`` (USS) would come free if one ended. ``weights_mapped`` is what is resident of mapped *.safetensors files,
    ``weights_private`` the part of it that was written to, so that each process has a copy. ``device``: what a GPU's
    used memory grew by; 0 without one.
    """

    proportional: float
    unique: float
    weights_mapped: float
    weights_private: float
    device: float


def memory_of(workers: Sequence[psutil.Process], device_growth: int = 0) -> Memory:
    """What these processes take now; ``device_growth``: by how many bytes ``device_bytes`` grew."""
    full = [worker.memory_full_info() for worker in workers]
    weights = [_mapped_weights(worker.pid) for worker in workers]
    return Memory(
        sum(one.pss for one in full) / _MB,
        sum(one.uss for one in full) / _MB,
        sum(mapped for mapped, _ in weights) / _MB,
        sum(private for _, private in weights) / _MB,
        device_growth / _MB,
    )


def _mapped_weights(pid: int) -> tuple[int, int]:
    """Bytes of weights files that are mapped and resident, and of those, how many are this process's own copies."""
    resident = private = 0
    of_weights = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            of_weights = line.endswith(".safetensors")
        elif of_weights:
            name, _, rest = line.partition(":")
            resident += 1024 * int(rest.split()[0]) if name == "Rss" else 0
            private += 1024 * int(rest.split()[0]) if name == "Anonymous" else 0
    return resident, private


def device_bytes() -> int:
    """What is used of a GPU's memory, by anybody; 0 without one."""
    import torch

    if not torch.cuda.is_available():
        return 0
    free, total = torch.cuda.mem_get_info()
    return int(total - free)


def cpu_seconds(process: psutil.Process) -> float:
    """Processor time of the process so far, user and system."""
    times = process.cpu_times()
    return float(times.user + times.system)
