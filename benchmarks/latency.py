"""How long an alert and an enriched review take, at a fifth of what a worker can do, near its limit, and beyond it.

A real `enrich` worker with the bundled models on a real broker. First a backlog says what it can do (its capacity);
then reviews come at random times fixed beforehand (Poisson), and each one's latency counts from the time it was due:
to the moment its alert, and its enriched review, can be read by a consumer.
Then T5 is one of T5-small's shape with 4 beams. What it can do is measured by a worker that waits for it
(`summaries=always`); at three times that rate a `best_effort` worker is compared with one without T5.

    python -m benchmarks.latency                     # about 6 minutes
    python -m benchmarks.latency --input reviews.jsonl --seconds 60
    python -m benchmarks.latency --seconds 5 --backlog 300 --no-overload
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
from rich.console import Console

from benchmarks.open_loop import Spread, percentile, poisson_times, spread
from benchmarks.own_broker import own_broker
from benchmarks.review_load import Arrived, Listener, Matched, Sent, match, sending
from benchmarks.workload import SAMPLE, workload
from stream_app.commands.options import environment_of
from stream_app.commands.review_files import Line
from stream_app.embedded.free_port import free_port
from stream_app.embedded.server_process import die_with
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings, Summaries

SHARES = (0.2, 0.8, 1.2)
T5_OVERLOAD = 3.0
_WARM_UP = 60  # reviews
_LOOK_SECONDS = 0.25
_READY_SECONDS = 180.0
_DRAIN_SECONDS = 240.0
_TAIL_SECONDS = 2.0  # twice what a review waits for its summary
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


@dataclass(frozen=True)
class T5Overload:
    """The same load on a best_effort worker, whose T5 cannot keep up, and on one without T5.

    Capacities in reviews a second, on a backlog: ``t5_capacity`` of a worker that waits for T5 (`always`),
    ``bert_capacity`` of one without it (`off`). The loads' share of capacity is that of ``bert_capacity``.
    """

    t5_capacity: float
    bert_capacity: float
    with_t5: LoadRun
    without_t5: LoadRun


@dataclass(frozen=True)
class Latency:
    """All loads of one run. ``capacity``: reviews a second of a best_effort worker on a backlog."""

    mix: str
    seed: int
    capacity: float
    loads: list[LoadRun]
    overload: T5Overload | None

    def load(self, share: float) -> LoadRun:
        """The load at this share of capacity. Raises StopIteration when there is none."""
        return next(load for load in self.loads if load.share_of_capacity == share)


def latency(
    brokers: str,
    *,
    input: Path = SAMPLE,
    seconds: float = 30,
    backlog: int = 4000,
    shares: Sequence[float] = SHARES,
    overload: bool = True,
    seed: int = 1,
) -> Latency:
    """Everything, on these brokers, in topics of its own. ``seconds``: of each load; ``backlog``: reviews.

    Without ``overload`` one worker is started instead of four. Raises RuntimeError when a worker dies or does not get
    through what it was given.
    """
    lines = _Lines(input)
    with _worker(brokers, "best_effort") as worker:
        _warm_up(worker, lines)
        capacity = _capacity(worker, lines, backlog)
        loads = []
        for number, share in enumerate(shares):
            name = f"{share:.0%} of capacity"
            loads.append(_load(worker, lines, name, share * capacity, share, seconds, seed + number))
    compared = _overload(brokers, lines, seconds, backlog, seed + len(shares)) if overload else None
    return Latency(lines.source, seed, capacity, loads, compared)


def _overload(brokers: str, lines: _Lines, seconds: float, backlog: int, seed: int) -> T5Overload:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        t5 = {"summary_model": _t5_small(Path(folder)), "summary_beams": 4}
        with _worker(brokers, "always", **t5) as worker:
            _warm_up(worker, lines)
            t5_capacity = _capacity(worker, lines, max(_WARM_UP, backlog // 20))
        with _worker(brokers, "off") as worker:
            _warm_up(worker, lines)
            bert_capacity = _capacity(worker, lines, backlog)
            rate = T5_OVERLOAD * t5_capacity
            share = rate / bert_capacity
            without_t5 = _load(worker, lines, "the same without T5", rate, share, seconds, seed)
        with _worker(brokers, "best_effort", **t5) as worker:
            _warm_up(worker, lines)
            with_t5 = _load(worker, lines, f"{T5_OVERLOAD:.0%} of T5's capacity", rate, share, seconds, seed)
    return T5Overload(t5_capacity, bert_capacity, with_t5, without_t5)


def _t5_small(folder: Path) -> str:
    """A T5 of T5-small's shape that was never trained, with the bundled tokenizer: it costs what a real one costs."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    from stream_app.models.loading import silence_libraries
    from stream_app.models.summarizer import find_summarizer

    silence_libraries()
    tokenizer = find_summarizer("bundled").tokenizer
    torch.manual_seed(0)  # the same hash each time: it is converted once
    config = T5Config(vocab_size=len(tokenizer), decoder_start_token_id=0)  # the defaults are T5-small's
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


class _Lines:
    """Reviews of a mix, every one under an id of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._given = 0
        self.source = ""

    def next(self, count: int) -> list[Line]:
        made = workload(self._path, self._given + count)
        lines = made.lines[self._given :]
        self._given += count
        self.source = re.sub(r" repeated to \d+$", " repeated", made.source)
        return lines


# ---- the worker


@dataclass(frozen=True)
class _Worker:
    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        if self.process.poll() is not None:
            raise RuntimeError(f"the worker ended; its log ends with\n{self.log.read_text()[-3000:]}")

    def metrics(self) -> dict[str, float]:
        """Its counters by name and labels, as Prometheus writes them."""
        url = f"http://127.0.0.1:{self.settings.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


@contextmanager
def _worker(brokers: str, summaries: Summaries, **models: Any) -> Iterator[_Worker]:
    """`stream-app worker enrich` on topics of its own, until the end of the block. ``models``: settings."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        settings = Settings(
            brokers=brokers,
            topic_prefix=f"latency-{uuid.uuid4().hex[:8]}.",
            summaries=summaries,
            cached_texts=0,  # the mix repeats its reviews, more often than any shop's customers do
            metrics_port=free_port(0, "metrics", console.print),
            state_folder=folder,
            **models,
        )
        create_topics(settings)
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "stream_app", "worker", "enrich"],
                env=environment_of(settings),
                stdout=out,
                stderr=out,
                preexec_fn=die_with(os.getpid()),
            )
        try:
            yield _Worker(settings, process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _warm_up(worker: _Worker, lines: _Lines) -> None:
    """Returns when the models have answered once."""
    console.print(f"starting a worker, summaries={worker.settings.summaries} …")
    _at_once(worker, lines.next(_WARM_UP), _READY_SECONDS)


def _capacity(worker: _Worker, lines: _Lines, backlog: int) -> float:
    """Reviews a second while a backlog waits."""
    console.print(f"capacity: {backlog} reviews at once …")
    arrived = _at_once(worker, lines.next(backlog), _DRAIN_SECONDS)
    enriched = Topics(worker.settings.topic_prefix).enriched
    rate = rate_of([one.at for one in arrived if one.topic == enriched])
    console.print(f"  {rate:.1f} reviews/s")
    return rate


def rate_of(times: Sequence[float]) -> float:
    """Events per second after the first ones and before the last two seconds (at most half the time): BERT is
    through by then, and the last reviews wait for T5.

    Not of a stretch in the middle. Reviews that may alarm overtake the others, but are published behind them: at first
    a backlog comes out more slowly than the device computes it, and later faster.
    """
    first, last = (min(times), max(times)) if times else (0.0, 0.0)
    lasted = (last - first) - min(_TAIL_SECONDS, (last - first) / 2)
    counted = sum(first < at <= first + lasted for at in times)
    if not counted:
        raise RuntimeError(f"{len(times)} reviews are too few to measure a rate")
    return counted / lasted


def _at_once(worker: _Worker, lines: list[Line], seconds: float) -> list[Arrived]:
    """Send all of them now; what came of it when all of them are enriched."""
    with Listener(worker.settings) as listener, sending(lines, [0.0] * len(lines), worker.settings):
        _until_enriched(worker, listener, len(lines), seconds)
    return listener.arrived


def _until_enriched(worker: _Worker, listener: Listener, count: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while listener.enriched < count:
        worker.check()
        if time.monotonic() > until:
            raise RuntimeError(f"{listener.enriched} of {count} reviews were enriched in {seconds:.0f} s")
        time.sleep(0.05)  # between two looks


# ---- one load


def _load(worker: _Worker, lines: _Lines, name: str, rate: float, share: float, seconds: float, seed: int) -> LoadRun:
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
        _until_enriched(worker, listener, len(chosen), _DRAIN_SECONDS)
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


# ---- for people


def table(found: Latency) -> str:
    """The loads as Markdown, latencies in ms."""
    overload = found.overload
    lines = [
        f"Mix: {found.mix}. Capacity: {found.capacity:.0f} reviews/s with best_effort. "
        "Latency in ms from the time a review was due.",
        "",
        "| load | reviews/s | alerts | p50 | p90 | p99 | max | raised p50 | enriched p50 | p90 | p99 | max "
        "| summaries late | waiting at most | growth/s | BERT, T5 busy | RSS |",
        "|" + "---|" * 17,
    ]
    for run in (*found.loads, *((overload.with_t5, overload.without_t5) if overload else ())):
        alert, enriched = run.alert_ms, run.enriched_ms
        cells = [
            run.name,
            f"{run.rate:.0f}",
            str(alert.count),
            *(f"{ms:.0f}" for ms in (alert.p50, alert.p90, alert.p99, alert.max, run.raised_ms.p50)),
            *(f"{ms:.0f}" for ms in (enriched.p50, enriched.p90, enriched.p99, enriched.max)),
            f"{run.summaries_late} of {run.summaries_wanted}",
            str(run.peak_waiting),
            f"{run.growth:.1f}",
            ", ".join(f"{busy:.2f}" for busy in run.device_busy.values()),
            f"{run.peak_rss_bytes / 1e6:.0f} MB",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for run in found.loads:
        if run.share_of_capacity > 1:
            medians = " → ".join(f"{ms / 1000:.1f}" for ms in run.alert_ms_by_fifth)
            lines += ["", f"At {run.name} the median alert of each fifth of the load takes {medians} s."]
    if overload:
        lines += [
            "",
            f"T5's capacity (T5-small's shape, 4 beams) is that of a worker that waits for it: "
            f"{overload.t5_capacity:.1f} reviews/s. A worker without T5 does {overload.bert_capacity:.0f}.",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews to repeat; default: the sample stream")
    parser.add_argument("--seconds", type=float, default=30, help="of each load")
    parser.add_argument("--backlog", type=int, default=4000, help="reviews that say what a worker can do")
    parser.add_argument("--shares", type=float, nargs="*", default=SHARES, help="loads, as shares of the capacity")
    parser.add_argument("--no-overload", dest="overload", action="store_false", help="leave out the loads about T5")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the raw values instead of a table")
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    with own_broker(console.print) as address:
        found = latency(address, **options)
    print(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2).decode() if as_json else table(found))


if __name__ == "__main__":
    main()
