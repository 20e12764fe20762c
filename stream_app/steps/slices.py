"""Counts a slice of a product's kept reviews, by language, stars and time, with what they say of aspects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stream_app.records import LABELS, AspectCounts, Counts, Evidence, Label, value
from stream_app.steps.aspect_counts import AspectTally
from stream_app.steps.aspect_summary import quoted_mentions
from stream_app.steps.fold import EMPTY_TALLY, HOUR_MS
from stream_app.steps.product_summary import WINDOW_HOURS, counts_of

WINDOWS = (*WINDOW_HOURS, "all")
"""Windows of a summary."""


@value
class Filter:
    """Which reviews are in a slice: of these languages, with these stars, in this one of WINDOWS. Empty: any.

    A review without stars is in no slice by stars; one whose language was not noted is in none by language.
    """

    languages: tuple[str, ...] = ()
    stars: tuple[int, ...] = ()
    window: str = "all"

    def holds(self, review: Evidence, now_ms: int) -> bool:
        """Is the review in the slice as of ``now_ms``? Windows are those of a summary: whole hours."""
        hours = WINDOW_HOURS.get(self.window)
        hour, now_hour = review.created_at_ms // HOUR_MS, now_ms // HOUR_MS
        return (
            (not self.languages or review.language in self.languages)
            and (not self.stars or review.rating in self.stars)
            and (hours is None or now_hour - hours <= hour <= now_hour)
        )


@value
class SliceQuote:
    """A sentence of a review, ``[start:end]`` of its enriched text; both None where that was not noted yet."""

    review_id: str
    revision: int
    label: Label
    start: int | None
    end: int | None
    text: str


@value
class AspectOfSlice:
    """What the reviews of a slice say of an aspect, by their kept sentences; one of these."""

    counts: AspectCounts
    quote: SliceQuote


@value
class ReviewSlice:
    """``counts`` and ``aspects`` (by id, the most mentioned first) of the reviews in it. ``kept_reviews``: of how many.

    ``from_ms``, ``to_ms``: when the oldest and the newest in it were written; None without any.
    """

    kept_reviews: int
    counts: Counts
    from_ms: int | None
    to_ms: int | None
    aspects: dict[str, AspectOfSlice]


def slice_of(kept: Sequence[Evidence], chosen: Filter, now_ms: int) -> ReviewSlice:
    """The slice of these reviews as of ``now_ms``. ``kept``: what is kept of the product's newest reviews."""
    found = [review for review in kept if chosen.holds(review, now_ms)]
    times = [review.created_at_ms for review in found]
    return ReviewSlice(
        kept_reviews=len(kept),
        counts=_counts(found),
        from_ms=min(times, default=None),
        to_ms=max(times, default=None),
        aspects=_aspects(found),
    )


def _counts(reviews: Iterable[Evidence]) -> Counts:
    tally = [*EMPTY_TALLY]
    for review in reviews:
        tally[len(LABELS) if review.label is None else LABELS.index(review.label)] += 1
        if review.rating is not None:
            tally[len(LABELS) + review.rating] += 1
        tally[-1] += review.p_negative
    return counts_of(tuple(tally))


def _aspects(reviews: Sequence[Evidence]) -> dict[str, AspectOfSlice]:
    tallies: dict[str, AspectTally] = {}
    for review in reviews:
        labels: dict[str, set[Label]] = {}
        for mention in review.mentions:
            for aspect in mention.aspects:
                labels.setdefault(aspect, set()).add(mention.label)
        for aspect, said in labels.items():
            mentions, negative, positive = tallies.get(aspect, (0, 0, 0))
            tallies[aspect] = mentions + 1, negative + ("negative" in said), positive + ("positive" in said)
    quoted = quoted_mentions(tallies, reviews)
    found = {}
    for aspect, tally in sorted(tallies.items(), key=lambda one: (-one[1][0], one[0])):
        review, mention = quoted[aspect]
        text = review.sentence[mention.start : mention.end]
        end = None if mention.begins is None else mention.begins + len(text)
        quote = SliceQuote(review.review_id, review.revision, mention.label, mention.begins, end, text)
        found[aspect] = AspectOfSlice(AspectCounts(*tally), quote)
    return found
