"""What each role is: the topics that it reads and writes, its consumer group, and whether it follows the view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Topic = Literal["reviews", "enriched", "alerts", "summaries", "signals", "dead_letter"]
"""A topic by its property of ``kafka.topics.Topics``."""


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """One role. ``reads`` is empty for a role without a consumer group."""

    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...]
    follows_view: bool = True
    """Does it work on one generation of the view, and end when a rebuild switches to another?"""
    group_per_generation: bool = False
    """Does each generation of the view have a consumer group of its own?"""


MAKES_THE_VIEW = "summarize"
"""The role that applies enriched reviews to the view."""

ROLES = {
    "enrich": RoleSpec(("reviews",), ("enriched", "alerts", "dead_letter"), follows_view=False),
    MAKES_THE_VIEW: RoleSpec(("enriched",), ("alerts", "dead_letter"), group_per_generation=True),
    "describe": RoleSpec((), ("summaries", "signals")),
    "notify": RoleSpec(("alerts",), ("dead_letter",)),
}

CONSUMING_ROLES = tuple(role for role, spec in ROLES.items() if spec.reads)
"""The roles with a consumer group."""
