"""What reviews say of aspects, and how many say it: the Python twin of store/aspects.lua.

A review counts at most once per aspect and polarity. One that praises and criticizes an aspect is a single mention, and
counts as positive and as negative: it leaves the difference of both as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from stream_app.records import EnrichedReview
from stream_app.steps.aspects import known_ids

Polarity = Literal["-", "*", "+", "."]
"""Negative, both, positive, neither (a hazard stated without judging)."""

Said = tuple[tuple[Polarity, str], ...]
"""What a review says of aspects: (polarity, aspect id), in the order of polarities and ids, each aspect once."""

AspectTally = tuple[int, int, int]
"""How many reviews mention an aspect, how many of them criticize and how many praise it."""

_ORDER: tuple[Polarity, ...] = ("-", "*", "+", ".")
_NOTHING: AspectTally = (0, 0, 0)


def said_of_aspects(review: EnrichedReview) -> Said:
    """What the review's opinions say of the known aspects. Unknown ids are passed over, so that no producer can make
    the state of a product grow.
    """
    labels: dict[str, set[str]] = {}
    for opinion in review.opinions or ():
        for aspect in opinion.aspects:
            labels.setdefault(aspect, set()).add(opinion.label)
    # guarantee: unknown-aspects-are-passed-over
    said = [(_polarity(found), aspect) for aspect, found in labels.items() if aspect in known_ids()]
    return tuple(sorted(said, key=lambda one: (_ORDER.index(one[0]), one[1])))


def plus_said(tallies: Mapping[str, AspectTally], said: Said, sign: int) -> dict[str, AspectTally]:
    """The tallies by aspect id with a review added (``sign`` 1) or taken away (-1), without what nobody mentions."""
    changed = dict(tallies)
    for polarity, aspect in said:
        mentions, negative, positive = changed.pop(aspect, _NOTHING)
        mentions += sign
        if mentions > 0:
            changed[aspect] = mentions, negative + sign * (polarity in "-*"), positive + sign * (polarity in "+*")
    return changed


def total(*parts: Mapping[str, AspectTally]) -> dict[str, AspectTally]:
    """The sum of tallies by aspect id."""
    tallies: dict[str, list[AspectTally]] = {}
    for part in parts:
        for aspect, tally in part.items():
            tallies.setdefault(aspect, []).append(tally)
    return {aspect: tuple(map(sum, zip(*found, strict=True))) for aspect, found in tallies.items()}  # type: ignore[misc]


def _polarity(labels: set[str]) -> Polarity:
    if labels >= {"negative", "positive"}:
        return "*"
    return "-" if "negative" in labels else "+" if "positive" in labels else "."
