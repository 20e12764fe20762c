"""When a product's text is to be made, and when its summary is to be published: rules on the integers of its state."""

from __future__ import annotations

from stream_app.steps.fold import EMPTY_TALLY, ProductState, Tally

MIN_NEW_REVIEWS = 3
ENOUGH_NEW_REVIEWS = 50
_NEW_SHARE = 5  # a fifth
_MIN_COMPARED = 5
_Z_SQUARED = 9  # three standard errors: by chance alone about once in 370 comparisons

_AT_ONCE = 0
_CLOCKS_DIFFER_MS = 60_000
_LABELS_WITH_UNKNOWN = slice(0, 4)


def text_due_at(state: ProductState, min_interval_ms: int) -> int | None:
    """When (ms) the product's text is to be made, 0: at once; None: it needs none.

    It is due when the product has reviews and no text (none yet, or evidence that it cited was edited or deleted, which
    withdraws it), when there are enough new reviews, when the sentiment moved, or when it has a text but no highlights
    were ever made; never within ``min_interval_ms`` of the last one.
    """
    if state.text is None:
        needed = state.totals != EMPTY_TALLY
    else:
        # guarantee: sentiment-that-moved-makes-a-text-due
        needed = _enough_new_reviews(state) or sentiment_moved(state.text_totals, state.totals) or state.themes is None
    if not needed:
        return None
    return _AT_ONCE if state.text_made_at_ms is None else state.text_made_at_ms + min_interval_ms


def publication_due_at(state: ProductState, interval_ms: int) -> int | None:
    """When (ms) the product's summary is to be published, 0: at once; None: products.summaries has it.

    At once where a text was written since, or a review was edited or deleted, which the summary may quote, also before
    the view was rebuilt; changed counts alone at most once per ``interval_ms``.
    """
    never = not state.published
    # guarantee: unpublished-text-is-due
    if state.changes == state.published or (never and state.totals == EMPTY_TALLY):
        return None
    if never or state.text_changed > state.published:
        return _AT_ONCE
    return state.published_at_ms + interval_ms  # guarantee: counts-wait-for-their-interval


def publication_waits_for_no_text(state: ProductState) -> bool:
    """Does products.summaries have a summary of the product that may quote words that went since?"""
    return state.published != 0 and state.published < state.text_changed


def unless_clock_was_ahead(due_at: int | None, interval_ms: int, now_ms: int) -> int | None:
    """``due_at``, but at once where it lies more than a minute further ahead than an interval: it was counted from the
    time of a clock that was ahead.
    """
    if due_at is None or due_at <= now_ms + interval_ms + _CLOCKS_DIFFER_MS:
        return due_at
    return _AT_ONCE


def latest_due_at(now_ms: int, *intervals_ms: int) -> int:
    """The latest time at which a product may be due. One that stands later was entered by a clock that was ahead."""
    return now_ms + max(intervals_ms) + _CLOCKS_DIFFER_MS


def sentiment_moved(then: Tally, now: Tally) -> bool:
    """Is the share of negative reviews another one than ``then``, beyond chance?

    Two tests, each a two-proportion z-test with a pooled variance, |z| > 3, on at least 5 reviews with a sentiment on
    either side: what was added since against what there was then (new reviews), and all there is now against what
    there was then (edits, deletions, better models, which add nothing).
    """
    before, after = _negative_of_judged(then), _negative_of_judged(now)
    added = after[0] - before[0], after[1] - before[1]
    return _differ(before, added) or _differ(before, after)  # guarantee: edits-move-the-sentiment


def _enough_new_reviews(state: ProductState) -> bool:
    """At least max(3, min(a fifth of the reviews that stood when the text was made, 50))."""
    new, then = state.arrived - state.text_arrived, sum(state.text_totals[_LABELS_WITH_UNKNOWN])
    # guarantee: fifty-new-reviews-are-enough
    return new >= MIN_NEW_REVIEWS and (new >= ENOUGH_NEW_REVIEWS or new * _NEW_SHARE >= then)


def _negative_of_judged(tally: Tally) -> tuple[int, int]:
    negative, neutral, positive = tally[:3]
    return negative, negative + neutral + positive


def _differ(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """The test of ``sentiment_moved`` for (negative, judged) of two groups, without a division: z² > 9 in integers.

    z = (a/n - b/m) / sqrt(p (1 - p) (1/n + 1/m)), p = (a + b) / (n + m)
    """
    (a, n), (b, m) = one, other
    if min(n, m) < _MIN_COMPARED or not (0 <= a <= n and 0 <= b <= m):
        return False
    both, all_judged = a + b, n + m
    return (a * m - b * n) ** 2 * all_judged > _Z_SQUARED * n * m * both * (all_judged - both)
