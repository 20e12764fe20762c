"""What other systems join on: estimates that are drawn to the prior, the top aspects, velocity."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from stream_app.records import AspectCounts, AspectSummary, Comparison, Counts, Estimate, TopAspect, Trend
from stream_app.steps.signals import STARS_PRIOR, score, share, signals_of
from stream_app.steps.spikes import PRIOR
from tests.unit.api.samples import NOW_MS, summary

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
MIDNIGHT = NOW_MS // DAY_MS * DAY_MS


def stars(*counts: int) -> Counts:
    return Counts(stars=counts)  # type: ignore[arg-type]


def aspect(mentions: int, negative: int, positive: int) -> AspectSummary:
    counts = AspectCounts(mentions, negative, positive)
    return AspectSummary({"30d": AspectCounts(), "all": counts}, None)


def test_score_begins_at_the_prior_and_ends_at_the_mean() -> None:
    prior = score(stars(0, 0, 0, 0, 0))
    assert prior.value == pytest.approx(4.285, abs=0.005)
    assert sum(STARS_PRIOR[:2]) == pytest.approx(PRIOR[0])
    assert sum(STARS_PRIOR) == pytest.approx(sum(PRIOR))
    assert score(stars(1, 0, 0, 0, 0)).value > 4, "one bad review is no verdict"
    assert score(stars(20, 0, 0, 0, 0)).value < 3
    assert score(stars(0, 100_000, 0, 0, 0)) == Estimate(2.0004, 2.0002, 2.0006)


def test_score_is_the_posterior_mean_of_stars_with_its_standard_error() -> None:
    """By the formula of the docstring, written out."""
    counts = (3, 1, 4, 10, 22)
    alpha = [n + prior for n, prior in zip(counts, STARS_PRIOR, strict=True)]
    total = sum(alpha)
    mean = sum(k * a for k, a in enumerate(alpha, 1)) / total
    variance = (sum(k * k * a for k, a in enumerate(alpha, 1)) / total - mean**2) / (total + 1)

    found = score(stars(*counts))
    assert found.value == pytest.approx(mean, abs=1e-4)
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(variance), abs=1e-3)


def test_more_reviews_narrow_the_intervals() -> None:
    widths = [one.high - one.low for n in (0, 1, 10, 100, 1000) for one in [score(stars(n, 0, 0, n, 8 * n))]]
    shares = [one.high - one.low for n in (10, 100, 1000) for one in [share(n, 10 * n)]]

    assert shares == sorted(shares, reverse=True)
    assert widths[2:] == sorted(widths[2:], reverse=True)


@pytest.mark.parametrize(("negative", "judged"), [(0, 0), (12, 100), (300, 1000), (5, 5), (0, 100)])
def test_interval_of_the_share_holds_95_percent_of_the_posterior(negative: int, judged: int) -> None:
    """By numerical integration of the beta density."""
    a, b = PRIOR[0] + negative, PRIOR[1] + judged - negative
    found = share(negative, judged)
    steps = 100_000
    density = [
        math.exp((a - 1) * math.log(x) + (b - 1) * math.log1p(-x) - _log_beta(a, b)) / steps
        for x in ((i + 0.5) / steps for i in range(steps))
    ]
    below = sum(density[: round(found.low * steps)])
    above = sum(density[round(found.high * steps) :])

    assert found.value == pytest.approx(a / (a + b), abs=1e-4)
    assert below == pytest.approx(0.025, abs=0.005)
    assert above == pytest.approx(0.025, abs=0.005)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def test_counts_that_cannot_be_do_not_raise() -> None:
    """As after an edit by an older version: one product must not stop the others."""
    broken = Counts(-1, -1, 0, 0, 0, (-1, 0, 0, 0, 0))
    found = signals_of(replace(summary("p"), windows={"all": broken}, mismatches=-1))

    assert found.negative_share.value > 0
    assert found.score.low >= 1


def test_top_aspects_are_those_that_most_reviews_praise_and_criticize() -> None:
    aspects = {"look": aspect(9, 4, 5), "smell": aspect(4, 4, 0), "price": aspect(5, 0, 5), "fit": aspect(1, 1, 0)}
    found = signals_of(summary("p", aspects=aspects))

    assert found.praise == TopAspect("look", 5, 9), "of equals the first id"
    assert found.complaint == TopAspect("look", 4, 9)
    alone = signals_of(summary("p", aspects={"fit": aspect(1, 1, 0)}))
    assert (alone.praise, alone.complaint) == (None, None), "one review is no theme"
    assert signals_of(summary("p", aspects=None)).praise is None


@pytest.mark.parametrize(
    ("negative", "in_stars", "expected"),
    [
        ("worse", "better", "worse"),
        ("none", "worse", "none"),
        ("too_few", "worse", "worse"),
        ("too_few", "too_few", "too_few"),
    ],
)
def test_trend_is_of_the_words_and_of_the_stars_where_too_few_have_any(
    negative: str, in_stars: str, expected: str
) -> None:
    words, ratings = (Comparison(None, 0, None, 0, None, one) for one in (negative, in_stars))  # type: ignore[arg-type]

    assert signals_of(summary("p", trend=Trend(0, 0, words, ratings, {}))).trend == expected
    assert signals_of(summary("p", trend=None)).trend == "too_few"


def test_velocity_is_by_the_days_passed_and_the_same_within_an_hour() -> None:
    def rates(at_ms: int) -> dict[int, float]:
        return signals_of(summary("p", as_of_ms=at_ms, recent_reviews={7: 14, 28: 28})).reviews_per_day

    assert rates(MIDNIGHT + 23 * HOUR_MS) == {7: 14 / 8, 28: pytest.approx(28 / 29, abs=1e-4)}
    assert rates(MIDNIGHT)[7] == pytest.approx(14 / (7 + 1 / 24), abs=1e-4)
    assert rates(MIDNIGHT + 5 * HOUR_MS) == rates(MIDNIGHT + 6 * HOUR_MS - 1)


def test_share_of_mismatches_is_of_the_reviews_with_stars() -> None:
    assert signals_of(summary("p", mismatches=3)).mismatch_share == 0.25
    nobody = replace(summary("p"), windows={"all": Counts(3, 0, 0, 3)})
    assert signals_of(nobody).mismatch_share is None
