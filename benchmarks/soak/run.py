"""`make soak MINUTES=30`: run the whole system under steady load, and fail if a process or Redis grows.

Kafka, Valkey, all roles and the API with the bundled models, in processes of their own, as `stream-app up` runs them.
After the last review has passed, everything published is accounted for. Appends its result to soak.md and draws
soak.png. Exit code 1 when anything failed; Ctrl-C stops the feed early, and the samples so far are checked.
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
from dataclasses import asdict
from pathlib import Path

import orjson
import psutil
from pydantic import SecretStr
from rich.console import Console

from benchmarks.load.workload import SAMPLE
from benchmarks.soak.checker import check
from benchmarks.soak.feed import State, feeding, is_answered, reading
from benchmarks.soak.report import append, plot, report
from benchmarks.soak.samples import Ending, Sample
from benchmarks.soak.sampling import (
    TICK_SECONDS,
    TOPIC_ROLES,
    look_at_view,
    sample_now,
    server_processes,
    take_samples,
    view_parts,
)
from benchmarks.soak.traffic import Traffic
from stream_app.commands.processes import Processes, stopped_by_signal
from stream_app.commands.run_report import Offsets, account, starting_point
from stream_app.embedded.services import Services
from stream_app.kafka.groups import lag
from stream_app.kafka.topics_admin import create_topics
from stream_app.role_table import ROLES
from stream_app.settings import Settings
from stream_app.store.summaries import RedisSummaryStore

HERE = Path(__file__).parents[1]
_GENERATION = 1
_START_SECONDS = 300.0
_CATCH_UP_SECONDS = 180.0
_LONGEST_WARM_UP_SECONDS = 300.0
# Kafka's heap, all of it from the start: else it grows towards its bound for hours, whatever Kafka holds on to
_WHOLE_HEAP = "-Xms256m -XX:+AlwaysPreTouch"
console = Console(stderr=True)


def main() -> None:
    options = _options()
    seconds = options.minutes * 60
    warm_up = options.warm_up * 60 if options.warm_up is not None else min(seconds / 3, _LONGEST_WARM_UP_SECONDS)
    state = State()
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
            servers = server_processes(services)
            with feeding(settings, traffic, state, options.rate), reading(processes.page, traffic, state, options):
                take_samples(settings, processes, servers, state, samples, seconds, stopped, options.every)
            console.print("The feed has ended; waiting for the last reviews …")
            caught_up = _caught_up(settings, processes)
            with contextlib.suppress(psutil.NoSuchProcess):
                samples.append(sample_now(settings, processes, servers, samples[-1].seconds + options.every, deep=True))
            ending = _ending(settings, since, traffic, caught_up)
            parts = view_parts(settings)
    if options.samples:
        options.samples.write_bytes(b"".join(orjson.dumps(asdict(sample)) + b"\n" for sample in samples))
    if state.reads_failed:
        state.troubles.append(f"{state.reads_failed} of {state.reads} reads of the API failed")
    verdict = check(samples, warm_up_seconds=warm_up, rate=options.rate, ending=ending, troubles=state.troubles)
    text = report(verdict, ending, parts, samples, state.reads, options, warm_up)
    print(text)
    append(text, options.output / "soak.md")
    plot(samples, warm_up, options.output / "soak.png")
    sys.exit(1 if verdict.failures else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long reviews are fed, warm-up included")
    parser.add_argument("--warm-up", type=float, help="minutes that do not count; default: a third, at most five")
    parser.add_argument("--rate", type=float, default=20.0, help="reviews a second")
    parser.add_argument("--reads", type=float, default=4.0, help="API reads a second")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--input", type=Path, default=SAMPLE, help="reviews whose sentences make up the texts")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of soak.md and soak.png")
    parser.add_argument("--logs", type=Path, help="keep the processes' logs in this folder")
    parser.add_argument("--samples", type=Path, help="write every sample to this file, a JSON object a line")
    return parser.parse_args()


def _wait_until_ready(settings: Settings, processes: Processes, logs: Path, stopped: threading.Event) -> None:
    """Until every role says that it takes records and the API answers. Raises RuntimeError after five minutes."""
    until = time.monotonic() + _START_SECONDS
    while not (
        all("role_became_ready" in (logs / f"{role}.log").read_text(errors="replace") for role in ROLES)
        and is_answered(f"{processes.page}readyz")
    ):
        if stopped.is_set():
            raise KeyboardInterrupt
        if time.monotonic() > until:
            tails = "\n".join(f"── {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs.glob("*.log"))
            raise RuntimeError(f"the roles were not ready after {_START_SECONDS:.0f} s; their logs end with\n{tails}")
        processes.keep_running()
        time.sleep(TICK_SECONDS)  # between two looks at the logs


def _caught_up(settings: Settings, processes: Processes) -> bool:
    until = time.monotonic() + _CATCH_UP_SECONDS
    while any(lag(settings, role) for role in TOPIC_ROLES):
        if time.monotonic() > until:
            return False
        processes.keep_running()
        time.sleep(TICK_SECONDS)  # between two looks at the offsets
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
