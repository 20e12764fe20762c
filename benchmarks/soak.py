"""`make soak MINUTES=30`: runs the whole system under a steady feed and sees whether any of it grows.

Kafka, Valkey, all roles and the API with the bundled models, in processes of their own, as `stream-app up` runs them.
After the last review has passed, everything published is accounted for. Appends its result to soak.md and draws
soak.png. Exit code 1 when anything failed; Ctrl-C stops the feed early and judges what there is.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import orjson
import psutil
import redis
from pydantic import SecretStr
from rich.console import Console
from rich.live import Live

from benchmarks import soak_checker
from benchmarks.report import processor
from benchmarks.soak_checker import MANY_REVIEWS, Ending, ProcessSample, Sample, Verdict, ViewSample, judge
from benchmarks.soak_traffic import Traffic
from benchmarks.workload import SAMPLE
from stream_app.commands.processes import ROLES, Processes, stopped_by_signal
from stream_app.commands.run_report import Offsets, account, starting_point
from stream_app.embedded.services import Services
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.groups import lag
from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings
from stream_app.store.keys import Keys, ProductKeys
from stream_app.store.summaries import RedisSummaryStore

HERE = Path(__file__).parent
_GENERATION = 1
_TOPIC_ROLES = ("enrich", "summarize", "notify")
_START_SECONDS = 300.0
_CATCH_UP_SECONDS = 180.0
_TICK_SECONDS = 0.5
_LOOK_EVERY = 6  # samples between two looks into Redis and at the lags, which cost more than one at the processes
_LINE_SECONDS = 30.0  # between two progress lines where there is no terminal
_LONGEST_WARM_UP_SECONDS = 300.0
# Kafka's heap, all of it from the start: else it grows towards its bound for hours, whatever Kafka holds on to
_WHOLE_HEAP = "-Xms256m -XX:+AlwaysPreTouch"
console = Console(stderr=True)


@dataclass
class _State:
    """What the threads of one soak share: counters that one thread writes and others read."""

    published: int = 0
    reads: int = 0
    reads_failed: int = 0
    troubles: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Hears of processes that ended, were started again, or did not stop."""
        console.print(line)
        self.troubles.append(line)


def main() -> None:
    options = _options()
    seconds = options.minutes * 60
    warm_up = options.warm_up * 60 if options.warm_up is not None else min(seconds / 3, _LONGEST_WARM_UP_SECONDS)
    state = _State()
    samples: list[Sample] = []
    ending: Ending | None = None
    parts: dict[str, tuple[int, int, int]] = {}
    console.print(
        f"seed {options.seed}, {options.rate:g} reviews/s for {options.minutes:g} min, warm-up {warm_up:.0f} s"
    )
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stream-app-soak-")))
        stopped = stack.enter_context(stopped_by_signal())
        os.environ["JAVA_TOOL_OPTIONS"] = _WHOLE_HEAP
        services = stack.enter_context(Services(folder, kafka_port=0, valkey_port=0, say=console.print))
        settings = Settings(
            brokers=services.brokers,
            redis=SecretStr(services.redis),
            generation=_GENERATION,
            state_folder=str(folder / "state"),
            api_port=0,
            api_internal_port=0,
        )
        create_topics(settings)
        since = starting_point(settings)
        traffic = Traffic(options.input, options.seed)
        logs = options.logs or folder / "logs"
        with Processes(settings, say=state.say, log_folder=logs) as processes:
            _wait_until_ready(settings, processes, logs, stopped)
            servers = _servers(services)
            with _feeding(settings, traffic, state, options.rate), _reading(processes.page, traffic, state, options):
                _sample(settings, processes, servers, state, samples, seconds, stopped, options.every)
            console.print("The feed has ended; waiting for the last reviews …")
            caught_up = _caught_up(settings, processes)
            with contextlib.suppress(psutil.NoSuchProcess):
                samples.append(_look(settings, processes, servers, samples[-1].seconds + options.every, deep=True))
            ending = _ending(settings, since, traffic, caught_up)
            parts = view_parts(settings)
    if options.samples:
        options.samples.write_bytes(b"".join(orjson.dumps(asdict(sample)) + b"\n" for sample in samples))
    if state.reads_failed:
        state.troubles.append(f"{state.reads_failed} of {state.reads} reads of the API failed")
    verdict = judge(samples, warm_up_seconds=warm_up, rate=options.rate, ending=ending, troubles=state.troubles)
    text = report(verdict, ending, parts, samples, state.reads, options, warm_up)
    print(text)
    append(text, options.output / "soak.md")
    plot(samples, warm_up, options.output / "soak.png")
    sys.exit(1 if verdict.failures else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long reviews are fed, warm-up included")
    parser.add_argument("--warm-up", type=float, help="minutes not judged; default: a third, at most five")
    parser.add_argument("--rate", type=float, default=20.0, help="reviews a second")
    parser.add_argument("--reads", type=float, default=4.0, help="API reads a second")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews whose sentences make up the texts")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of soak.md and soak.png")
    parser.add_argument("--logs", type=Path, help="keep the processes' logs in this folder")
    parser.add_argument("--samples", type=Path, help="write every sample to this file, a JSON object a line")
    return parser.parse_args()


# ---- the load


@contextlib.contextmanager
def _feeding(settings: Settings, traffic: Traffic, state: _State, rate: float) -> Iterator[None]:
    """Reviews at a steady rate, from a thread; at the end waits until the broker has acknowledged all."""

    def producer(stop: threading.Event) -> None:
        with BlockingProducer(settings) as producer:
            began = time.monotonic()
            while not stop.is_set():
                while (pause := began + state.published / rate - time.monotonic()) > 0 and not stop.is_set():
                    time.sleep(min(pause, 0.2))  # the pace of the feed
                producer.send(*traffic.next(datetime.now(UTC)))
                state.published += 1

    with _thread("feed", producer, state):
        yield


@contextlib.contextmanager
def _reading(page: str, traffic: Traffic, state: _State, options: argparse.Namespace) -> Iterator[None]:
    """Look-ups of known and unknown products, lists and alerts, each on a connection of its own."""
    chance = random.Random(options.seed)

    def read(stop: threading.Event) -> None:
        while not stop.wait(1 / options.reads):
            path = chance.choices(
                (
                    f"v1/products/{quote(traffic.product(chance))}/summary",
                    f"v1/products/unknown-{state.reads}/summary",
                    "v1/products?limit=20",
                    "v1/alerts",
                    f"nothing/here/{state.reads}",
                ),
                (80, 5, 5, 5, 5),
            )[0]
            state.reads += 1
            state.reads_failed += not _answered(page + path)

    with _thread("reads", read, state):
        yield


def _answered(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            answer.read()
        return True
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 404
    except OSError:
        return False


@contextlib.contextmanager
def _thread(name: str, work: Callable[[threading.Event], None], state: _State) -> Iterator[None]:
    """Run ``work`` beside the block; what it raises is a trouble of the run, not lost with its thread."""
    stop = threading.Event()

    def run() -> None:
        try:
            work(stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, the samples taken so far are still judged
            state.say(f"the thread of the {name} ended: {error!r}")

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


# ---- the samples


def _sample(
    settings: Settings,
    processes: Processes,
    servers: Mapping[str, psutil.Process],
    state: _State,
    samples: list[Sample],
    seconds: float,
    stopped: threading.Event,
    every: float,
) -> None:
    """Add a sample every so often until the time is over or somebody stops it; keeps the processes running."""
    began = time.monotonic()
    next_line = 0.0
    live = Live(console=console, refresh_per_second=2) if console.is_terminal else contextlib.nullcontext()
    with live as shown:
        while (at := time.monotonic() - began) < seconds and not stopped.wait(_TICK_SECONDS):
            processes.keep_running()
            if at < len(samples) * every:
                continue
            samples.append(_look(settings, processes, servers, at, deep=len(samples) % _LOOK_EVERY == 0))
            line = _progress(samples, state, seconds)
            if isinstance(shown, Live):
                shown.update(line)
            elif at >= next_line:
                console.print(line, soft_wrap=True)
                next_line += _LINE_SECONDS


def _look(
    settings: Settings, processes: Processes, servers: Mapping[str, psutil.Process], seconds: float, *, deep: bool
) -> Sample:
    looks = {}
    for name, pid in processes.pids().items():
        with contextlib.suppress(psutil.NoSuchProcess):
            if pid is not None:
                looks[name] = look_at(psutil.Process(pid))
    for name, server in servers.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            looks[name] = look_at(server)
    if not deep:
        return Sample(seconds, looks)
    return Sample(seconds, looks, {role: lag(settings, role) for role in _TOPIC_ROLES}, look_at_view(settings))


def look_at(process: psutil.Process) -> ProcessSample:
    """One process as it is now. Raises psutil.NoSuchProcess when it is gone."""
    with process.oneshot():
        memory = process.memory_full_info()
        return ProcessSample(process.pid, memory.rss, memory.uss, process.num_fds(), process.num_threads())


def look_at_view(settings: Settings) -> ViewSample:
    """What Redis holds of the view, counted key by key."""
    keys = Keys.of(settings)
    with redis.Redis.from_url(settings.redis.get_secret_value()) as client:
        products = [keys.product(one.decode()) for one in client.zrange(keys.products, 0, -1)]
        with client.pipeline(transaction=False) as pipeline:
            for product in products:
                pipeline.hlen(product.reviews).hlen(product.sentences)
            counts = pipeline.execute()
        reviews, sentences = counts[::2], counts[1::2]
        memory = client.info("memory")
        return ViewSample(
            bytes=memory["used_memory"]
            - memory["used_memory_startup"]
            - memory["mem_clients_normal"]
            - memory["mem_aof_buffer"]
            - memory.get("used_memory_scripts", 0),
            keys=client.dbsize(),
            products=len(products),
            reviews_few=sum(count for count in reviews if count <= MANY_REVIEWS),
            reviews_many=sum(count for count in reviews if count > MANY_REVIEWS),
            sentences=sum(sentences),
            alerts=client.hlen(keys.alerts),
        )


def view_parts(settings: Settings) -> dict[str, tuple[int, int, int]]:
    """By kind of key: how many keys, their bytes (`MEMORY USAGE`), and how many items are in them."""
    sizes = {"hash": "hlen", "zset": "zcard"}
    parts: dict[str, tuple[int, int, int]] = {}
    with redis.Redis.from_url(settings.redis.get_secret_value()) as client:
        for key in client.scan_iter(Keys.of(settings).all, count=1000):
            of_a_product = key.decode().endswith(ProductKeys._fields)
            part = key.decode().rsplit(":", 1)[-1] if of_a_product else key.decode().split(":")[4]
            kind = client.type(key).decode()
            items = getattr(client, sizes[kind])(key) if kind in sizes else 1
            keys, total, inside = parts.get(part, (0, 0, 0))
            parts[part] = keys + 1, total + client.memory_usage(key, samples=0), inside + items
    return dict(sorted(parts.items(), key=lambda part: -part[1][1]))


def _progress(samples: list[Sample], state: _State, seconds: float) -> str:
    now = samples[-1]
    memory = "  ".join(f"{name} {look.rss_bytes / 1e6:.0f}" for name, look in now.processes.items())
    deep = next(sample for sample in reversed(samples) if sample.lag)
    behind = "/".join(str(deep.lag[role]) for role in _TOPIC_ROLES)
    held = f"{deep.view.reviews} in Redis" if deep.view else ""
    return (
        f"{now.seconds / 60:5.1f} of {seconds / 60:g} min  published {state.published}  {held}  "
        f"behind {behind}  reads {state.reads}  MB: {memory}"
    )


def _servers(services: Services) -> dict[str, psutil.Process]:
    valkey = services.valkey.process
    assert valkey is not None  # it was started
    brokers = services.kafka.processes
    return {"kafka": psutil.Process(brokers[0].pid), soak_checker.STORE: psutil.Process(valkey.pid)}


# ---- beginning and end


def _wait_until_ready(settings: Settings, processes: Processes, logs: Path, stopped: threading.Event) -> None:
    """Until every role says that it takes records and the API answers. Raises RuntimeError after five minutes."""
    until = time.monotonic() + _START_SECONDS
    while not (
        all("role_became_ready" in (logs / f"{role}.log").read_text(errors="replace") for role in ROLES)
        and _answered(f"{processes.page}readyz")
    ):
        if stopped.is_set():
            raise KeyboardInterrupt
        if time.monotonic() > until:
            tails = "\n".join(f"── {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs.glob("*.log"))
            raise RuntimeError(f"the roles were not ready after {_START_SECONDS:.0f} s; their logs end with\n{tails}")
        processes.keep_running()
        time.sleep(_TICK_SECONDS)  # between two looks at the logs


def _caught_up(settings: Settings, processes: Processes) -> bool:
    until = time.monotonic() + _CATCH_UP_SECONDS
    while any(lag(settings, role) for role in _TOPIC_ROLES):
        if time.monotonic() > until:
            return False
        processes.keep_running()
        time.sleep(_TICK_SECONDS)  # between two looks at the offsets
    return True


def _ending(settings: Settings, since: Offsets, traffic: Traffic, caught_up: bool) -> Ending:
    found = account(settings, since, RedisSummaryStore.from_settings(settings), seconds=1.0)
    return Ending(
        found.published,
        found.enriched,
        found.dead_lettered,
        found.applied,
        found.lost,
        caught_up,
        held_reviews=look_at_view(settings).reviews,
        distinct_reviews=traffic.accepted,
    )


# ---- the result


def report(
    verdict: Verdict,
    ending: Ending | None,
    parts: Mapping[str, tuple[int, int, int]],
    samples: list[Sample],
    reads: int,
    options: argparse.Namespace,
    warm_up: float,
) -> str:
    """A section of soak.md."""
    minutes = (samples[-1].seconds if samples else 0.0) / 60
    lines = [
        f"## {datetime.now(UTC).date().isoformat()}: {minutes:.1f} min at {options.rate:g} reviews/s, "
        + ("passed" if not verdict.failures else f"{len(verdict.failures)} failed"),
        "",
        f"{processor()}, {len(os.sched_getaffinity(0))} cores. Warm-up {warm_up / 60:.1f} min, {len(samples)} samples, "
        f"{reads} reads of the API, seed {options.seed}.",
        "",
        *soak_checker.table(verdict),
        "",
    ]
    if verdict.redis:
        lines.append(soak_checker.redis_sentence(verdict.redis))
    if parts:
        shown = ", ".join(
            f"{name} {size / 1000:,.0f} KB in {keys:,} keys ({size / items:.0f} an item)"
            for name, (keys, size, items) in parts.items()
            if items
        )
        lines.append(f"By kind of key: {shown}.")
    if ending:
        lines.append(
            f"Published {ending.published:,} = enriched {ending.enriched:,} + dead letter {ending.dead_lettered:,}; "
            f"applied {ending.applied:,}; lost {len(ending.lost)}; Redis holds {ending.held_reviews:,} of "
            f"{ending.distinct_reviews:,} different reviews."
        )
    lines.append("Most records behind: " + ", ".join(f"{role} {most}" for role, most in verdict.most_lag.items()) + ".")
    lines += ["", *(f"- **failed**: {failure}" for failure in verdict.failures)]
    return "\n".join(lines).rstrip() + "\n"


def append(section: str, file: Path) -> None:
    """Add the section at the end of the file; a new file gets its head first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    head = (
        "# Soak\n\nAppended by `make soak`. Growth: medians of the first and last quarter after the warm-up, or a line "
        "through all samples, whichever grows more.\nThe plot is of the last run.\n\n![memory over time](soak.png)\n"
    )
    before = file.read_text(encoding="utf-8") if file.exists() else head
    file.write_text(f"{before}\n{section}", encoding="utf-8")


def plot(samples: list[Sample], warm_up: float, file: Path) -> None:
    """RSS of every process relative to the end of the warm-up, and Redis' data measured and computed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    for name in samples[0].processes if samples else ():
        points = [(s.seconds / 60, s.processes[name].rss_bytes / 1e6) for s in samples if name in s.processes]
        left.plot(*zip(*points, strict=True), label=name)
    left.set(xlabel="minutes", ylabel="resident memory, MB", ylim=(0, None))
    views = [(sample.seconds / 60, sample.view) for sample in samples if sample.view is not None]
    base = next((view.bytes - view.computed_bytes for at, view in views if at * 60 >= warm_up), 0)
    right.plot([at for at, _ in views], [view.bytes / 1e6 for _, view in views], label="measured")
    computed = [(view.computed_bytes + base) / 1e6 for _, view in views]
    right.plot([at for at, _ in views], computed, "--", label="computed from what it holds")
    right.set(xlabel="minutes", ylabel="data in Redis, MB", ylim=(0, None))
    for axis in (left, right):
        axis.axvspan(0, warm_up / 60, color="#eeeeee")
        if samples:
            axis.legend(fontsize="small")
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
