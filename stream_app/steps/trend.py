"""Is a product getting better or worse? The last 7 days against the 28 before, with a test instead of a difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stream_app.records import Change, Comparison, Trend
from stream_app.steps.aspect_counts import AspectTally, total
from stream_app.steps.chance import p_value_of_ranks, p_value_of_shares
from stream_app.steps.fold import EMPTY_TALLY, Tally

RECENT_DAYS, BEFORE_DAYS = 7, 28
MIN_COMPARED = 8
"""In either period; with fewer the change is ``too_few``."""
SIGNIFICANT = 0.01
"""A change is reported from this p-value down. Of several aspects each needs that much divided by their number
(Bonferroni), else every hundredth aspect of a product would change by chance."""
_DAY_MS = 86_400_000
_STARS = slice(4, 9)
_DECIMALS = 4


def trend(days: Mapping[int, Tally], aspect_days: Mapping[int, Mapping[str, AspectTally]], today: int) -> Trend:
    """The trend as of ``today``, from tallies by day (since 1970, UTC). A period of N days before a day holds that day.

    Shares (of negative reviews, of mentions that criticize) are compared as ``p_value_of_shares`` does, stars as
    ``p_value_of_ranks`` does. Days of before that are no longer kept are missing.
    """
    recent_from = today - RECENT_DAYS
    before_from = recent_from - BEFORE_DAYS
    recent = _sum(tally for day, tally in days.items() if recent_from <= day <= today)
    before = _sum(tally for day, tally in days.items() if before_from <= day < recent_from)
    return Trend(
        recent_from_ms=recent_from * _DAY_MS,
        before_from_ms=before_from * _DAY_MS,
        negative=_shares(recent[0], sum(recent[:3]), before[0], sum(before[:3]), SIGNIFICANT),
        stars=_stars(recent[_STARS], before[_STARS]),
        aspects=_aspects(
            total(*(tallies for day, tallies in aspect_days.items() if recent_from <= day <= today)),
            total(*(tallies for day, tallies in aspect_days.items() if before_from <= day < recent_from)),
        ),
    )


def _aspects(recent: Mapping[str, AspectTally], before: Mapping[str, AspectTally]) -> dict[str, Comparison]:
    nobody = (0, 0, 0)
    pairs = {one: (recent.get(one, nobody), before.get(one, nobody)) for one in sorted({*recent, *before})}
    tested = sum(min(now[0], then[0]) >= MIN_COMPARED for now, then in pairs.values())
    return {
        aspect: _shares(now[1], now[0], then[1], then[0], SIGNIFICANT / max(1, tested))
        for aspect, (now, then) in pairs.items()
    }


def _shares(a: int, n: int, b: int, m: int, significant: float) -> Comparison:
    """Shares of what is bad. Counts that cannot be, as after an edit by an older version, are not compared."""
    may_compare = min(n, m) >= MIN_COMPARED and 0 <= a <= n and 0 <= b <= m
    p_value = p_value_of_shares(a, n, b, m) if may_compare else None
    return _comparison(_share(a, n), n, _share(b, m), m, p_value, significant, more_is_worse=True)


def _stars(recent: Tally, before: Tally) -> Comparison:
    n, m = sum(recent), sum(before)
    p_value = p_value_of_ranks(recent, before) if min(n, m) >= MIN_COMPARED and min(*recent, *before) >= 0 else None
    return _comparison(_mean(recent), n, _mean(before), m, p_value, SIGNIFICANT, more_is_worse=False)


def _comparison(
    recent: float | None,
    n: int,
    before: float | None,
    m: int,
    p_value: float | None,
    significant: float,
    *,
    more_is_worse: bool,
) -> Comparison:
    change: Change = "none"
    if p_value is None or recent is None or before is None:
        change = "too_few"
    elif p_value <= significant and recent != before:
        change = "worse" if (recent > before) == more_is_worse else "better"
    rounded = [None if one is None else round(one, _DECIMALS) for one in (recent, before, p_value)]
    return Comparison(rounded[0], n, rounded[1], m, rounded[2], change)


def _share(part: int, of: int) -> float | None:
    return part / of if of else None


def _mean(stars: Tally) -> float | None:
    return sum(star * n for star, n in enumerate(stars, start=1)) / sum(stars) if any(stars) else None


def _sum(tallies: Iterable[Tally]) -> Tally:
    return tuple(map(sum, zip(EMPTY_TALLY, *tallies, strict=True)))
