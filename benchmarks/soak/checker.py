"""Check a soak: which process grew, and whether Redis holds as much as its reviews account for. Pure functions.

Warm-up is over when the models have run on texts of every length, pools are filled and the recent alerts are complete;
only later samples count. Growth is computed twice, from the medians of the first and the last quarter and from a
line through all samples (Theil-Sen), because memory grows in steps. The larger value counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.soak.samples import Ending, Sample, ViewSample
from stream_app.store.reads import SUMMARIES_KEPT

MAX_GROWTH = 0.05
MAX_REDIS_ERROR = 0.25
MAX_LAG_SECONDS = 60.0
MORE_FILES = 2
"""A pool of connections to Redis opens its second one only when two calls meet, and keeps it; each has two ends."""
FEWEST_SAMPLES = 8
STORE, API = "valkey", "api"
"""The processes that are meant to grow: by their reviews, and by the summaries that were looked up; no more."""
KEPT_SUMMARY_BYTES = 28_000
"""What a process that answers look-ups keeps of each of the products asked for last: measured 20,600 with 16 aspects
and 64 reviews (tracemalloc).
"""
KEYS_PER_PRODUCT = 5
KEYS_BESIDES = 140  # due and leased by 64 shards, products, alerts, their times, generations
_MOST_PAIRS = 400  # points of a Theil-Sen fit, whose pairs are their square


@dataclass(frozen=True, slots=True)
class Row:
    """One process after the warm-up: medians of the first and of the last quarter, and the fitted line."""

    name: str
    rss_first: float
    rss_last: float
    rss_fitted: tuple[float, float]
    unique_growth: float
    open_files: tuple[float, float]
    threads: tuple[float, float]
    pids: int

    @property
    def ends(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Resident memory at first and at last: by the medians, and by the line."""
        return (self.rss_first, self.rss_last), self.rss_fitted

    @property
    def growth(self) -> float:
        """Share by which the resident memory grew: by the medians or by the line, whichever says more."""
        return max(last / first - 1 for first, last in self.ends)


@dataclass(frozen=True, slots=True)
class RedisRow:
    """How much the data set grew after the warm-up, measured and as computed from what it holds."""

    first: ViewSample
    last: ViewSample

    @property
    def measured_bytes(self) -> int:
        return self.last.bytes - self.first.bytes

    @property
    def computed_bytes(self) -> int:
        return self.last.computed_bytes - self.first.computed_bytes

    @property
    def error(self) -> float:
        """By which share of the computed growth the measured one is off."""
        return (self.measured_bytes - self.computed_bytes) / max(1, self.computed_bytes)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The table and everything that is wrong; nothing wrong: the soak passed."""

    rows: list[Row]
    redis: RedisRow | None
    most_lag: dict[str, int]
    failures: list[str]


def theil_sen(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(slope, intercept) of the line whose slope is the median of all pairs' slopes: single outliers move nothing.

    At least two points with different x, else ValueError.
    """
    every = -(-len(points) // _MOST_PAIRS)
    points = points[::every]
    slopes = [(y2 - y1) / (x2 - x1) for i, (x1, y1) in enumerate(points) for x2, y2 in points[i + 1 :] if x2 != x1]
    if not slopes:
        raise ValueError("a line needs two points with different x")
    slope = statistics.median(slopes)
    return slope, statistics.median(y - slope * x for x, y in points)


def quarters(values: Sequence[float]) -> tuple[float, float]:
    """The medians of the first and of the last quarter."""
    size = max(1, len(values) // 4)
    return statistics.median(values[:size]), statistics.median(values[-size:])


def row_of(name: str, samples: Sequence[Sample]) -> Row:
    """The row of one process from samples that all have it. At least two."""
    looks = [sample.processes[name] for sample in samples]
    rss_first, rss_last = quarters([look.rss_bytes for look in looks])
    unique_first, unique_last = quarters([look.unique_bytes for look in looks])
    slope, intercept = theil_sen([(s.seconds, s.processes[name].rss_bytes) for s in samples])
    began, ended = intercept + slope * samples[0].seconds, intercept + slope * samples[-1].seconds
    return Row(
        name,
        rss_first,
        rss_last,
        (began, ended),
        unique_last / unique_first - 1 if unique_first else 0.0,
        quarters([look.open_files for look in looks]),
        quarters([look.threads for look in looks]),
        len({look.pid for look in looks}),
    )


def check(
    samples: Sequence[Sample],
    *,
    warm_up_seconds: float,
    rate: float,
    ending: Ending | None,
    troubles: Sequence[str] = (),
) -> Verdict:
    """The verdict on everything sampled. ``troubles``: what was said of processes that died or did not stop."""
    failures = list(troubles)
    missing = sorted({name for sample in samples for name in sample.processes})
    gaps = {name for name in missing if any(name not in sample.processes for sample in samples)}
    failures += [f"{name} was gone in {sum(name not in s.processes for s in samples)} samples" for name in sorted(gaps)]
    for name in missing:
        pids = list(dict.fromkeys(s.processes[name].pid for s in samples if name in s.processes))
        if len(pids) > 1:
            failures.append(f"{name} was started again: processes {', '.join(map(str, pids))}")
    warm = [sample for sample in samples if sample.seconds >= warm_up_seconds]
    rows: list[Row] = []
    if len(warm) < FEWEST_SAMPLES:
        failures.append(f"only {len(warm)} samples after the warm-up: at least {FEWEST_SAMPLES} are needed")
    else:
        rows = [row_of(name, warm) for name in warm[0].processes if name not in gaps]
    redis = _redis_row(warm)
    for row in rows:
        failures += _of_process(row, redis)
    if rows:
        failures += _of_redis(redis)
    lags = [sample.lag for sample in warm if sample.lag]
    most_lag = {role: max(lag.get(role, 0) for lag in lags) for role in (lags[0] if lags else ())}
    for role, most in most_lag.items():
        if most > rate * MAX_LAG_SECONDS:
            failures.append(f"{role} was {most} records behind: more than {MAX_LAG_SECONDS:.0f} s of the feed")
    failures += _of_ending(ending)
    return Verdict(rows, redis, most_lag, failures)


def _redis_row(samples: Sequence[Sample]) -> RedisRow | None:
    views = [sample.view for sample in samples if sample.view is not None]
    return RedisRow(views[0], views[-1]) if len(views) >= 2 else None


def _of_process(row: Row, redis: RedisRow | None) -> list[str]:
    failures = []
    due = _due_bytes(row.name, redis)
    if any(last - first > MAX_GROWTH * first + due for first, last in row.ends):
        beyond = f" beyond the {due / row.rss_first:.1%} allowed for its data" if due else ""
        failures.append(f"{row.name} grew by {row.growth:.1%}{beyond}; at most {MAX_GROWTH:.0%}")
    for what, (first, last), more in (("open files", row.open_files, MORE_FILES), ("threads", row.threads, 0)):
        if last > first + more:
            failures.append(f"{row.name} has {last:g} {what}, after the warm-up {first:g}")
    return failures


def _due_bytes(name: str, redis: RedisRow | None) -> float:
    """By how much a process may grow for what it holds more than after the warm-up."""
    if redis is None:
        return 0.0
    if name == STORE:  # its data set is checked on its own
        return redis.measured_bytes
    kept = min(redis.last.products, SUMMARIES_KEPT) - min(redis.first.products, SUMMARIES_KEPT)
    return kept * KEPT_SUMMARY_BYTES if name == API else 0.0


def _of_redis(redis: RedisRow | None) -> list[str]:
    if redis is None:
        return ["the view in Redis was not seen twice after the warm-up"]
    failures = []
    if abs(redis.error) > MAX_REDIS_ERROR:
        failures.append(
            f"Redis grew by {redis.measured_bytes:,} bytes, computed {redis.computed_bytes:,}: "
            f"{redis.error:+.0%}, at most ±{MAX_REDIS_ERROR:.0%}"
        )
    most = redis.last.products * KEYS_PER_PRODUCT + KEYS_BESIDES
    if redis.last.keys > most:
        failures.append(f"Redis has {redis.last.keys} keys; {redis.last.products} products have at most {most}")
    return failures


def _of_ending(ending: Ending | None) -> list[str]:
    if ending is None:
        return ["the account of the run could not be made"]
    failures = []
    if not ending.caught_up:
        failures.append("the roles did not catch up at the end")
    if ending.lost:
        failures.append(f"{len(ending.lost)} lost, the first: {', '.join(ending.lost[:20])}")
    if ending.published != ending.enriched + ending.dead_lettered:
        failures.append(
            f"{ending.published} published, but {ending.enriched} enriched and {ending.dead_lettered} dead letters"
        )
    if ending.applied != ending.enriched:
        failures.append(f"{ending.enriched} enriched, but {ending.applied} applied")
    if ending.held_reviews != ending.distinct_reviews:
        failures.append(
            f"Redis holds {ending.held_reviews} reviews; {ending.distinct_reviews} different ones were sent"
        )
    return failures
