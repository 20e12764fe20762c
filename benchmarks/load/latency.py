"""The latencies of alerts and enriched reviews in one load."""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson
import psutil
from rich.console import Console

from benchmarks.load.enrich_worker import DRAIN_SECONDS, EnrichWorker, Lines, wait_until_enriched
from benchmarks.load.open_loop import Spread, percentile, poisson_times, spread
from benchmarks.load.review_load import Listener, Matched, Sent, match, sending
from stream_app.kafka.topics import Topics
from stream_app.settings import Settings

_LOOK_SECONDS = 0.25
_ALERT_THRESHOLD = Settings.model_fields["alert_threshold"].default
_MIN_WORDS = Settings.model_fields["summary_min_words"].default
console = Console(stderr=True)


@dataclass(frozen=True)
class Look:
    """The worker at one moment of a load; ``at`` in seconds from its begin. ``waiting``: sent and not enriched yet."""

    at: float
    waiting: int
    rss_bytes: int


@dataclass(frozen=True)
class LoadRun:
    """One load. Latencies in ms from the time that a review was due.

    ``raised_ms``: until the worker had the alert; the rest of ``alert_ms`` is publishing and reading.
    ``alert_ms_by_fifth``: medians of the alerts of each fifth of the load. ``late_ms``: the producer's own.
    ``growth``: reviews a second by which the queue grew in the second half of the load.
    ``summaries_wanted``: reviews that are long enough for T5; ``summaries_late``: of those, published without waiting
    for it any longer. ``device_busy``: seconds of model runs ÷ the load's seconds, by model (2.0: two cores' worth).
    ``missing``: reviews without an enriched one, and alarming ones without an alert, when the load was over.
    """

    name: str
    summaries: str
    rate: float
    share_of_capacity: float
    seconds: float
    sent: int
    alert_ms: Spread
    raised_ms: Spread
    enriched_ms: Spread
    late_ms: Spread
    alert_ms_by_fifth: list[float]
    looks: list[Look]
    growth: float
    summaries_wanted: int
    summaries_late: int
    methods: dict[str, int]
    device_busy: dict[str, float]
    missing: int
    unexpected: int
    drained_after_seconds: float

    @property
    def peak_waiting(self) -> int:
        return max((look.waiting for look in self.looks), default=0)

    @property
    def peak_rss_bytes(self) -> int:
        return max((look.rss_bytes for look in self.looks), default=0)


def load_worker(
    worker: EnrichWorker, lines: Lines, name: str, rate: float, share: float, seconds: float, seed: int
) -> LoadRun:
    console.print(f"{name}: {rate:.1f} reviews/s for {seconds:g} s …")
    after = poisson_times(rate, seconds, seed)
    chosen = lines.next(len(after))
    before = worker.metrics()
    looks: list[Look] = []
    measured = psutil.Process(worker.process.pid)
    with Listener(worker.settings) as listener:
        began = time.monotonic() + 0.5
        with sending(chosen, [began + at for at in after], worker.settings) as (sent, done):
            while not done.is_set() or time.monotonic() < began + seconds:
                worker.check()
                waiting = len(sent.due) - listener.enriched
                looks.append(Look(time.monotonic() - began, waiting, measured.memory_info().rss))
                time.sleep(_LOOK_SECONDS)  # between two looks
        ended = time.monotonic()
        used = _counted(before, worker.metrics(), ended - began)
        wait_until_enriched(worker, listener, len(chosen), DRAIN_SECONDS)
        drained = time.monotonic() - ended
        _until_alerts_stand_still(listener)
        late = _late(worker.metrics()) - _late(before)
    due = {orjson.loads(line.value)["review_id"]: at for line, at in zip(chosen, sent.due, strict=True)}
    matched = match(due, listener.arrived, Topics(worker.settings.topic_prefix), time.time() - time.monotonic())
    return _run_of(name, worker.settings, rate, share, seconds, sent, due, matched, looks, used, late, drained)


def _until_alerts_stand_still(listener: Listener) -> None:
    """Alerts are published before their review is, but on other partitions: they may be read a little later."""
    seen = -1
    while seen != listener.alerts:
        seen = listener.alerts
        time.sleep(0.5)  # between two looks


def _counted(before: dict[str, float], after: dict[str, float], seconds: float) -> dict[str, float]:
    """Share of the time that each model computed."""
    name = re.compile(r'stream_app_model_busy_seconds_total\{model="(.+)"\}')
    return {
        found[1]: (after[key] - before.get(key, 0.0)) / seconds for key in sorted(after) if (found := name.match(key))
    }


def _late(metrics: dict[str, float]) -> int:
    return int(metrics.get("stream_app_summaries_late_total", 0))


def _run_of(
    name: str,
    settings: Settings,
    rate: float,
    share: float,
    seconds: float,
    sent: Sent,
    due: dict[str, float],
    matched: Matched,
    looks: list[Look],
    used: dict[str, float],
    late: int,
    drained: float,
) -> LoadRun:
    alarming = {
        review_id
        for review_id, review in matched.reviews.items()
        if review.sentiment is not None and review.sentiment.scores[0] >= _ALERT_THRESHOLD
    }
    return LoadRun(
        name=name,
        summaries=settings.summaries,
        rate=rate,
        share_of_capacity=share,
        seconds=seconds,
        sent=len(due),
        alert_ms=_ms(matched.alert.values()),
        raised_ms=_ms(matched.raised.values()),
        enriched_ms=_ms(matched.enriched.values()),
        late_ms=_ms(handed - at for handed, at in zip(sent.handed_over, sent.due, strict=True)),
        alert_ms_by_fifth=by_fifth(due, matched.alert),
        looks=looks,
        growth=growth(looks),
        summaries_wanted=sum(len((review.text or "").split()) >= _MIN_WORDS for review in matched.reviews.values()),
        summaries_late=late,
        methods=dict(Counter(review.summary_method for review in matched.reviews.values())),
        device_busy=used,
        missing=len(due.keys() - matched.enriched.keys()) + len(alarming - matched.alert.keys()),
        unexpected=matched.unexpected,
        drained_after_seconds=drained,
    )


def by_fifth(due: dict[str, float], latencies: dict[str, float]) -> list[float]:
    """Median ms of each fifth of the load's reviews, in the order in which they were due; NaN where none has one."""
    in_order = sorted(due, key=due.__getitem__)
    cuts = [round(len(in_order) * part / 5) for part in range(6)]
    return [
        percentile(sorted(1000 * latencies[one] for one in in_order[start:end] if one in latencies), 0.5)
        for start, end in itertools.pairwise(cuts)
    ]


def growth(looks: Sequence[Look]) -> float:
    """Reviews a second by which the queue grew, from the middle look to the last one."""
    if len(looks) < 3:
        return 0.0
    middle, last = looks[len(looks) // 2], looks[-1]
    return (last.waiting - middle.waiting) / (last.at - middle.at)


def _ms(seconds: Iterable[float]) -> Spread:
    return spread(1000 * one for one in seconds)
