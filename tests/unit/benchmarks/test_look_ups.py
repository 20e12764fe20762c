"""The view that look-ups are measured on, and the verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from benchmarks.load.http_bench import LookUpRun
from benchmarks.load.http_load import HttpAnswers
from benchmarks.load.open_loop import Spread
from benchmarks.load.view import made_reviews
from benchmarks.sections.look_ups import highest_rate

DAY_MS = 86_400_000
NOW_MS = 1_760_000_000_000


def run(rate: float, p99: float, errors: int = 0) -> LookUpRun:
    ms = Spread(100, 1, 1, p99, p99, p99)
    answers = HttpAnswers(100, rate, ms, replace(ms, p99=0.1), {"200": 100}, errors, 900, 0.1)
    return LookUpRun(f"{rate}/s", rate, 1, answers, 0.5, 0.1)


def test_view_holds_the_reviews_asked_for_and_every_product_has_one() -> None:
    """The first product has the most; all are of the last 30 days."""
    reviews = list(made_reviews([1.0, 0.5, 0.1], 200, NOW_MS, seed=1))
    counts = Counter(review.product_id for review in reviews)

    assert len(reviews) == len({review.review_id for review in reviews}) == 200
    assert [product for product, _ in counts.most_common()] == ["product-00000", "product-00001", "product-00002"]
    assert all(NOW_MS - 30 * DAY_MS < review.created_at_ms <= NOW_MS for review in reviews)


def test_same_seed_makes_the_same_view() -> None:
    """Two runs measure the same thing."""
    assert list(made_reviews([1.0, 0.5], 50, NOW_MS, seed=1)) == list(made_reviews([1.0, 0.5], 50, NOW_MS, seed=1))


def test_highest_rate_is_within_5_ms_and_without_errors() -> None:
    """A rate that fails does not count, however high."""
    assert highest_rate([run(500, 1.0), run(1000, 5.0), run(1500, 5.1), run(2000, 4.0, errors=1)]) == 1000
    assert highest_rate([run(500, 9.0)]) == 0
