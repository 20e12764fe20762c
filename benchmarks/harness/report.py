"""How values are reported: medians with their range, the processor's name and features."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from pathlib import Path


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def shown(values: Sequence[float], digits: int = 1) -> str:
    """Median (least - most)."""
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} – {max(values):,.{digits}f})"


def processor() -> str:
    """The processor's name and what decides its speed here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in lines if ":" in line}
    features = [
        one for one in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if one in facts["flags"].split()
    ]
    return f"{facts['model name']} family {facts['cpu family']} ({', '.join(features)})"
