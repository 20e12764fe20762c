"""What a worker takes of memory is bounded: behind a slow review, and by what little compressed bytes may stand for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stream_app import contract
from stream_app.kafka.groups import lag
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings
from tests.integration.scripted_program import PROGRAM
from tests.reliability.testbed.raw_producer import ZSTD, RawInput, RawProducer
from tests.reliability.testbed.scripted_models import Troubles
from tests.waiting import wait_until

MIB = 2**20
_STILL_SECONDS = 3.0
HEAD = b'{"product_id": "p", "review_id": "slow", "text": "The kettle works, p0100."}'


def deletions(count: int) -> Iterator[list[RawInput]]:
    """In batches of a thousand."""
    for first in range(0, count, 1000):
        ids = range(first, min(first + 1000, count))
        yield [
            RawInput(b"p", b'{"product_id": "p", "review_id": "r%d", "deleted": true, "revision": 1}' % number)
            for number in ids
        ]


class Growing:
    """A worker, and the most that it had in memory."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._log = folder / "log"
        environment = {
            **os.environ,
            **{f"STREAM_APP_{name.upper()}": str(getattr(settings, name)) for name in settings.model_fields_set},
            "STREAM_APP_STATE_FOLDER": str(folder / "state"),
            "TROUBLES": str(folder / "troubles"),
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([*PROGRAM, "worker", "enrich"], env=environment, stdout=log, stderr=log)
        self._memory = psutil.Process(self.process.pid).memory_info
        self._most, self._most_since = 0, 0.0

    @property
    def rss(self) -> int:
        """Bytes."""
        return int(self._memory().rss)

    @property
    def peak_mib(self) -> int:
        """The most it ever had, for however short a time."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024

    def stands_still(self) -> bool:
        """Has it not grown for a while? What was produced is either taken by then, or will not be."""
        if (rss := self.rss) > self._most + MIB:
            self._most, self._most_since = rss, time.monotonic()
        return time.monotonic() - self._most_since > _STILL_SECONDS

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()[-2000:]
        return "role_became_ready" in self._log.read_text()


@pytest.mark.parametrize(
    ("count", "limit_mib"), [(60_000, 8), pytest.param(300_000, 128, marks=pytest.mark.slow)], ids=["small", "default"]
)
def test_worker_with_a_slow_head_grows_by_a_bounded_amount(
    kafka: str, topic_prefix: str, tmp_path: Path, count: int, limit_mib: int
) -> None:
    """By at most twice the limit and a poll; once the head is through, all comes out. Without bound it would be 10 KiB
    a deletion.
    """
    settings = Settings(
        _env_file=None, brokers=kafka, topic_prefix=topic_prefix, partitions=1, unreleased_bytes=limit_mib * MIB
    )
    topics = Topics(topic_prefix)
    create_topics(settings)
    troubles = Troubles(tmp_path / "troubles")
    troubles.begin("hangs")
    worker = Growing(settings, tmp_path)
    try:
        wait_until(worker.is_ready, 60, "the worker is ready")
        before = worker.rss
        with RawProducer(kafka) as producer:
            producer.send(topics.reviews, [RawInput(b"p", HEAD)])
            wait_until(lambda: troubles.has_taken_effect("hangs"), 20, "the head is on the device")
            for batch in deletions(count):
                producer.send(topics.reviews, batch)
        wait_until(worker.stands_still, 60, "it grows no more")
        grown = (worker.rss - before) / MIB
        assert sum(end_offsets(settings, topics.enriched).values()) == 0, "the head is still there"
        print(f"grown by {grown:.0f} MiB", file=sys.stderr)
        assert grown < 2 * limit_mib + 40

        troubles.end("hangs")
        wait_until(lambda: lag(settings, "enrich") == 0, 120, "all is published and committed")
        assert sum(end_offsets(settings, topics.enriched).values()) == count + 1
        assert (worker.rss - before) / MIB < 2 * limit_mib + 200, "nor by what is published in one go"
    finally:
        worker.process.kill()
        worker.process.wait()


@pytest.mark.timeout(120)
def test_batch_that_decompresses_to_more_than_the_memory_is_rejected_and_others_go_on(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    """20 KB on the wire, 600 MB in memory. It would end every worker of a small machine, before any note names it."""
    settings = Settings(_env_file=None, brokers=kafka, topic_prefix=topic_prefix, partitions=1)
    topics = Topics(topic_prefix)
    create_topics(settings)
    worker = Growing(settings, tmp_path)
    try:
        wait_until(worker.is_ready, 60, "the worker is ready")
        before = worker.peak_mib
        with RawProducer(kafka) as producer:
            at = producer.send(topics.reviews, [RawInput(b"p", bytes(300_000_000))] * 2, codec=ZSTD)
            producer.send(topics.reviews, [RawInput(b"p", HEAD)])
        wait_until(lambda: worker.is_ready() and lag(settings, "enrich") == 0, 60, "it gets past the batch")
        [rejected] = [contract.read_dead_letter(one) for one in read_to_end(settings, topics.dead_letter)]
        assert (rejected.reason, rejected.origin and rejected.origin.offset) == ("batch_too_large", at + 1)
        assert rejected.lacks_original, "it is not replayed"
        assert sum(end_offsets(settings, topics.enriched).values()) == 1
        grown = worker.peak_mib - before
        print(f"grown by {grown} MiB at most", file=sys.stderr)
        assert grown < 350
    finally:
        worker.process.kill()
        worker.process.wait()
