"""How a long command shows its progress."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Shows how far a long command is."""

    def say(self, what: str) -> None:
        """Show a sentence."""
        ...

    def advanced(self, step: str, done: int, total: int) -> None:
        """Show the progress of a step."""
        ...
