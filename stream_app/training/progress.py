"""One progress bar for long loops, on stderr."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def tracked(items: Iterable[Item], what: str, total: int) -> Iterable[Item]:
    """The items, with a bar that shows how many are done and how long the rest takes; silent without a terminal."""
    console = Console(stderr=True)
    return track(items, what, total=total, console=console, disable=not console.is_terminal)
