"""What a summary says of a product's aspects: counts of its windows, and a quote of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stream_app.records import AspectCounts, AspectSummary, Evidence, Label, Mention, Quote
from stream_app.steps.aspect_counts import AspectTally, total
from stream_app.steps.summary_text import word_count

WINDOW_DAYS = 30
_QUOTED_WORDS = 3
_NOTHING: AspectTally = (0, 0, 0)


def aspects_of(
    all_time: Mapping[str, AspectTally],
    days: Mapping[int, Mapping[str, AspectTally]],
    evidence: Iterable[Evidence],
    today: int,
) -> dict[str, AspectSummary]:
    """By id, the most mentioned first. ``days``: since 1970, UTC. ``evidence``: the sentences kept of standing reviews.

    The window of 30 days is the current day and the 30 before it: no review of the last 30 days is missing.
    """
    month = total(*(tallies for day, tallies in days.items() if today - WINDOW_DAYS <= day <= today))
    quotes = {
        aspect: Quote(item.review_id, item.revision, mention.label, item.sentence[mention.start : mention.end])
        for aspect, (item, mention) in quoted_mentions(all_time, evidence).items()
    }
    return {
        aspect: AspectSummary(
            {"30d": AspectCounts(*month.get(aspect, _NOTHING)), "all": AspectCounts(*tally)}, quotes.get(aspect)
        )
        for aspect, tally in sorted(all_time.items(), key=lambda one: (-one[1][0], one[0]))
    }


def quoted_mentions(
    tallies: Mapping[str, AspectTally], evidence: Iterable[Evidence]
) -> dict[str, tuple[Evidence, Mention]]:
    """The sentence to quote of each aspect that a kept sentence speaks of. Of those about the aspect it is the one that

    1. is of the label that most reviews of ``tallies`` give the aspect (of either, where as many praise as criticize)
    2. has three words or more: "Dangerous!" says less than what happened
    3. speaks of the fewest aspects
    4. is the newest; of equally new ones of the larger review_id, the first

    So it depends on what is kept alone, and goes with its review.
    """
    usual = {aspect: _usual_labels(tally) for aspect, tally in tallies.items()}
    best: dict[str, tuple[tuple[object, ...], Evidence, Mention]] = {}
    newest_first = sorted(evidence, key=lambda one: (one.created_at_ms, one.review_id.encode()), reverse=True)
    for item in newest_first:
        for mention in item.mentions:
            for aspect in mention.aspects:
                if aspect not in usual:
                    continue
                is_short = word_count(item.sentence[mention.start : mention.end]) < _QUOTED_WORDS
                cost = (mention.label not in usual[aspect], is_short, len(mention.aspects))
                if aspect not in best or cost < best[aspect][0]:
                    best[aspect] = cost, item, mention
    return {aspect: (item, mention) for aspect, (_, item, mention) in best.items()}


def _usual_labels(tally: AspectTally) -> tuple[Label, ...]:
    _, negative, positive = tally
    if negative == positive:
        return "negative", "positive"
    return ("negative",) if negative > positive else ("positive",)
