"""Reviews per second through Kafka, `enrich`, Kafka, `summarize` and Valkey, as the broker's timestamps tell it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pydantic import SecretStr

from benchmarks.workload import Workload
from stream_app.commands.options import environment_of
from stream_app.commands.publish import send
from stream_app.embedded.server_process import die_with
from stream_app.embedded.services import Services
from stream_app.kafka.admin import create_topics, end_offsets, lag, read_to_end
from stream_app.kafka.feed import Feed
from stream_app.kafka.topics import Topics
from stream_app.settings import Settings


def end_to_end(work: Workload, services: Services, *, with_summaries: bool, run: str) -> float:
    """Publish everything, start the two roles on that backlog, and time the enriched topic from first to last record.

    The models are loaded before the first record, so loading is not in it. Waits until the view has everything too.
    """
    settings = Settings(
        brokers=services.brokers,
        redis=SecretStr(services.redis),
        topic_prefix=f"bench-{run}.",
        generation=int(time.time()),
        summaries="always" if with_summaries else "off",
        redis_settle_seconds=1.0,
        cached_texts=0,  # the backlog repeats itself: known texts would cost nothing
    )
    create_topics(settings)
    with Feed(settings) as feed:
        send(work.lines, feed, rate=0, on_sent=lambda: None)
    topics = Topics(settings.topic_prefix)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        roles = [
            subprocess.Popen(
                [sys.executable, "-m", "stream_app", "worker", role],
                env=environment_of(settings),
                stdout=log,
                stderr=log,
                preexec_fn=die_with(os.getpid()),
            )
            for role in ("enrich", "summarize")
        ]
        try:
            _wait(settings, topics, roles, len(work.lines), Path(folder) / "log")
        finally:
            for role in roles:
                role.send_signal(signal.SIGTERM)
            for role in roles:
                role.wait(30)
    return _rate([record.timestamp_ms for record in read_to_end(settings, topics.enriched)])


def _wait(
    settings: Settings, topics: Topics, roles: list[subprocess.Popen[bytes]], total: int, log: Path, limit: float = 900
) -> None:
    until = time.monotonic() + limit
    while sum(end_offsets(settings, topics.enriched).values()) < total or lag(settings, "summarize"):
        if time.monotonic() > until or any(role.poll() is not None for role in roles):
            raise RuntimeError(f"the roles did not finish; their log ends with\n{log.read_text()[-3000:]}")
        time.sleep(0.5)  # between two looks at the offsets


def _rate(timestamps_ms: list[int]) -> float:
    """Records per second after the first batch: those of the first timestamp only start the clock."""
    first, last = min(timestamps_ms), max(timestamps_ms)
    return sum(at > first for at in timestamps_ms) / ((last - first) / 1000)
