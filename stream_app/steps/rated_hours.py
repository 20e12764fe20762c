"""The hours of a product's state as the spike detector reads them."""

from __future__ import annotations

from stream_app.steps.fold import ProductState
from stream_app.steps.spikes import Hour, Share


def negative_hours(state: ProductState) -> tuple[Share, list[Hour]]:
    """(what lies before the kept days, the kept hours in order): negative ones of the reviews with a sentiment."""
    return _counted(state, slice(0, 1), slice(0, 3))


def low_star_hours(state: ProductState) -> tuple[Share, list[Hour]]:
    """(what lies before the kept days, the kept hours in order): one and two stars of the reviews with stars."""
    return _counted(state, slice(4, 6), slice(4, 9))


def _counted(state: ProductState, bad: slice, reviews: slice) -> tuple[Share, list[Hour]]:
    hours = [Hour(hour, sum(tally[bad]), sum(tally[reviews])) for hour, tally in sorted(state.buckets.items())]
    of_all = Share(sum(state.totals[bad]), sum(state.totals[reviews]))
    kept = [one for one in hours if one.reviews]
    older = Share(of_all.bad - sum(one.bad for one in kept), of_all.reviews - sum(one.reviews for one in kept))
    return older, kept
