"""Computes the summary of a product from its state: counts, aspects, trend, text, highlights, and the digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stream_app.records import Counts, ProductSummary, state_version_of
from stream_app.steps.aspect_summary import aspects_of
from stream_app.steps.digest import Said, digest_of, flag_url_of
from stream_app.steps.fold import EMPTY_TALLY, HOUR_MS, ProductState, Tally
from stream_app.steps.highlights import highlights_of, is_withdrawn
from stream_app.steps.trend import trend

LOW_EVIDENCE_REVIEWS = 5
VELOCITY_DAYS = (7, 28)
WINDOW_HOURS = {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}


def summarize(state: ProductState, now_ms: int, generation: int = 1, flag_url: str = "") -> ProductSummary:
    """The product of this generation of the view as of ``now_ms``.

    A window of H hours holds the hour of ``now_ms`` and the H hours before it.
    So no review of the last H hours is missing, and some that are up to one hour older are counted too. The clock
    may lag the newest review by at most two days; earlier hours may be dropped already.
    """
    tallies, days = window_tallies(state.buckets, now_ms), day_tallies(state.buckets)
    return summary_of(state, now_ms, tallies, days, generation, flag_url)


def summary_of(
    state: ProductState,
    now_ms: int,
    tallies: Mapping[str, Tally],
    days: Mapping[int, Tally],
    generation: int,
    flag_url: str = "",
) -> ProductSummary:
    """As ``summarize``, of a state whose hours are summed already: ``tallies`` as of ``window_tallies``, ``days`` as of
    ``day_tallies``. ``flag_url``: a template, see ``digest.flag_url_of``.
    """
    everything = counts_of(state.totals)
    windows = {name: counts_of(tally) for name, tally in tallies.items()} | {"all": everything}
    today = now_ms // (24 * HOUR_MS)
    aspects = aspects_of(state.aspects, state.aspect_days, state.sentences.values(), today)
    compared = trend(days, state.aspect_days, today)
    highlights = highlights_of(state.themes, state.sentences)
    low_evidence = everything.reviews < LOW_EVIDENCE_REVIEWS
    since_text = None if state.text is None else state.arrived - state.text_arrived
    said = Said(
        windows, aspects, compared, highlights, [*state.sentences.values()], is_withdrawn(state.themes, highlights)
    )
    return ProductSummary(
        product_id=state.product_id,
        as_of_ms=now_ms,
        state_version=state_version_of(generation, state.changes),
        windows=windows,
        last_review_at_ms=state.newest_ms if everything.reviews else None,
        text=state.text,
        low_evidence=low_evidence,
        aspects=aspects,
        trend=compared,
        highlights=highlights,
        digest=digest_of(said, since_text, low_evidence, flag_url_of(flag_url, state.product_id)),
        reviews_since_text=since_text,
        mismatches=state.mismatches,
        recent_reviews={
            before: sum(sum(tally[:4]) for day, tally in days.items() if today - before <= day <= today)
            for before in VELOCITY_DAYS
        },
    )


def window_tallies(buckets: Mapping[int, Tally], now_ms: int) -> dict[str, Tally]:
    """The sum of each window's hours (since 1970, UTC) as of ``now_ms``, by the window's name."""
    now_hour = now_ms // HOUR_MS
    tallies, total, newer_than = {}, EMPTY_TALLY, now_hour + 1
    for name, hours in WINDOW_HOURS.items():  # each window holds the one before it
        since = now_hour - hours
        total = _total(total, (tally for hour, tally in buckets.items() if since <= hour < newer_than))
        tallies[name], newer_than = total, since
    return tallies


def day_tallies(buckets: Mapping[int, Tally]) -> dict[int, Tally]:
    """The sum of each day's hours; days and hours since 1970, UTC."""
    days: dict[int, list[Tally]] = {}
    for hour, tally in buckets.items():
        days.setdefault(hour // 24, []).append(tally)
    return {day: _total(EMPTY_TALLY, tallies) for day, tallies in days.items()}


def counts_of(tally: Tally) -> Counts:
    """A tally with names."""
    negative, neutral, positive, unknown, one, two, three, four, five, p_negative_sum = tally
    return Counts(
        reviews=negative + neutral + positive + unknown,
        negative=negative,
        neutral=neutral,
        positive=positive,
        unknown=unknown,
        stars=(one, two, three, four, five),
        p_negative_sum=p_negative_sum,
    )


def tally_of(counts: Counts) -> Tally:
    """The inverse of ``counts_of``."""
    return (
        counts.negative,
        counts.neutral,
        counts.positive,
        counts.unknown,
        *counts.stars,
        counts.p_negative_sum,
    )


def _total(first: Tally, tallies: Iterable[Tally]) -> Tally:
    return tuple(map(sum, zip(first, *tallies, strict=True)))
