"""What a section of `make bench` is given, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BACKLOG_REVIEWS = {"cpu": 4000, "cuda": 40_000}  # of a backlog


@dataclass(frozen=True)
class Options:
    """``quick``: sizes that mean nothing; does it run at all?"""

    input: Path
    quick: bool
    repeats: int
    frameworks: bool
    device: str

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@dataclass(frozen=True)
class Measured:
    """What a section found: its text in Markdown, numbers for the head of results.json, and bars for the plot."""

    text: str
    numbers: dict[str, float]
    bars: dict[str, list[float]]
