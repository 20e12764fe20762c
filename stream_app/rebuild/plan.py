"""What `stream-app rebuild --dry-run` prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rebuild would do now.

    ``generation``: the one to be built; None: only leftovers are to be deleted.
    ``serves``: Redis holds the active view.
    """

    active: int
    serves: bool
    generation: int | None
    resumed: bool
    events: int
    done: int
    leftovers: tuple[int, ...]
