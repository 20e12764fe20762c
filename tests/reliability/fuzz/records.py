"""Send hostile Kafka records to running workers: no worker may end, and every record must have one outcome.

    python -m tests.reliability.fuzz.records --records 100000 [--seed N] [--into TOPIC]

Keys, headers (names that are not UTF-8, thousands of them, larger than a message may be), timestamps, values, nulls and
compression are hostile; what a broker refuses is left out. The workers are real processes with models that cost
nothing. Exits with 1 when a worker ended, a record ended nowhere, or was rejected for an exception (`internal_error`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from aiokafka.errors import KafkaError

from stream_app import contract
from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.kafka.groups import lag
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics, log_identity
from stream_app.records import RawRecord, Rejected
from stream_app.settings import Settings
from stream_app.store.generations import Generations
from tests.integration.scripted_program import PROGRAM
from tests.reliability.fuzz.corpus import EXAMPLES
from tests.reliability.fuzz.inputs import made
from tests.reliability.testbed.raw_producer import RawInput, RawProducer

PARTITIONS = 3
ROLES = {"reviews": "enrich", "reviews.enriched": "summarize", "reviews.alerts": "notify"}
_TARGETS = {"reviews": "review", "reviews.enriched": "enriched", "reviews.alerts": "alert"}
_BATCH_BYTES = 600 * 1024
_BATCH_RECORDS = 200
_AHEAD = 20_000  # records produced beyond what is committed
_STANDSTILL_SECONDS = 120.0
_SHOWN = 10
_NAMES = (b"trace", b"", b"\xff\xfe", b"\x00", b"a\x00b", b"\xed\xa0\x80", b"n" * 300, "naïve".encode(), b"\xc3")
_TIMESTAMPS = (-1, -2, 0, 1, -(10**15), -(2**62), 2**31, 946_684_799_999, 1_767_225_600_000)


def hostile(rng: random.Random, topic: str, now_ms: int) -> RawInput:
    """One record; about half of them have a value that its role can read."""
    headers: list[tuple[bytes, bytes | None]] = []
    kind = rng.random()
    if kind < 0.3:
        headers = [(rng.choice(_NAMES), rng.choice((None, b"", b"\xff", b"1"))) for _ in range(rng.randrange(1, 6))]
    elif kind < 0.302:
        headers = [(b"trace", b"h" * rng.choice((10_000, 1_000_000, 2_500_000)))]
    elif kind < 0.304:
        headers = [(rng.choice(_NAMES[:4]), b"")] * rng.choice((1_000, 20_000, 150_000))
    elif kind < 0.32:
        names = ("__connect.errors.topic", contract.HEADER_DROPPED, contract.HEADER_REPLAY_OF, "ce_id")
        headers = [(rng.choice(names).encode(), rng.choice((None, b"x", b"reviews/0/1")))]
    return RawInput(_key(rng), _value(rng, topic), tuple(headers), _timestamp(rng, now_ms))


def _key(rng: random.Random) -> bytes | None:
    kind = rng.random()
    if kind < 0.001:
        return b"k" * rng.choice((100_000, 1_000_000, 2_200_000))
    return rng.choice((None, b"", b"p", b"\xff", rng.randbytes(20)))


def _value(rng: random.Random, topic: str) -> bytes | None:
    kind = rng.random()
    if kind < 0.03:
        return None
    if kind < 0.001 + 0.03:
        return rng.choice((b"[", b"{", b'{"text": "', b"\xff")) * rng.choice((50_000, 400_000, 2_200_000))
    if kind < 0.5:
        return rng.choice(EXAMPLES[_TARGETS[topic]])
    return made(rng)[2]


def _timestamp(rng: random.Random, now_ms: int) -> int:
    return rng.choice(_TIMESTAMPS) if rng.random() < 0.2 else now_ms - rng.randrange(10_000)


@dataclass(slots=True)
class Report:
    """What became of the records. ``wrong``: what must not be, in words; the first of each kind."""

    sent: int = 0
    refused: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Fuzzed:
    """A worker of one role under records of its topic. Use it as a context manager."""

    def __init__(self, settings: Settings, topic: str, folder: Path) -> None:
        """``topic`` without its prefix. Topics and servers are there."""
        self._settings, self._name, self._role = settings, topic, ROLES[topic]
        self._topic = f"{settings.topic_prefix}{topic}"
        self._log = folder / f"{self._role}.log"
        environment = {
            **os.environ,
            "STREAM_APP_BROKERS": settings.brokers,
            "STREAM_APP_TOPIC_PREFIX": settings.topic_prefix,
            "STREAM_APP_REDIS": settings.redis.get_secret_value(),
            "STREAM_APP_GENERATION": str(settings.generation),
            "STREAM_APP_REDIS_SETTLE_SECONDS": "0.2",
            "STREAM_APP_STATE_FOLDER": str(folder / "state"),
            "STREAM_APP_LOG_LEVEL": "ERROR",  # a line per reject would be gigabytes
            "TROUBLES": str(folder / "troubles"),
        }
        with self._log.open("wb") as log:
            self._worker = subprocess.Popen([*PROGRAM, "worker", self._role], env=environment, stdout=log, stderr=log)
        self._where: dict[tuple[int, int], RawInput | None] = {}

    def __enter__(self) -> Fuzzed:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._worker.kill()
        self._worker.wait()

    def run(self, seed: int, records: int) -> Report:
        """Send ``records`` records, wait until all are committed, and count what became of each."""
        began, report = time.monotonic(), Report()
        with RawProducer(self._settings.brokers) as producer:
            for batch, partition, codec in _batches(seed, self._name, records):
                self._send(producer, batch, partition, codec, report)
                if report.sent % 5_000 < len(batch):
                    self._wait(report, _AHEAD)
                if report.wrong:
                    break
        self._wait(report, 0)
        self._check(report)
        report.seconds = time.monotonic() - began
        return report

    def _send(
        self, producer: RawProducer, batch: Sequence[RawInput], partition: int, codec: int, report: Report
    ) -> None:
        """What the broker refuses together is halved, and left out alone."""
        try:
            first = producer.send(self._topic, batch, partition=partition, codec=codec)
        except KafkaError:
            if len(batch) == 1:
                report.refused += 1
                return
            half = len(batch) // 2
            self._send(producer, batch[:half], partition, codec, report)
            self._send(producer, batch[half:], partition, codec, report)
            return
        report.sent += len(batch)
        self._where.update(dict.fromkeys((partition, first + at) for at in range(len(batch))))

    def _wait(self, report: Report, at_most: int) -> None:
        """Wait until at most ``at_most`` are uncommitted. A worker that ends or makes no progress is reported."""
        last, since = -1, time.monotonic()
        while not report.wrong and (left := lag(self._settings, self._role)) > at_most:
            if left != last:
                last, since = left, time.monotonic()
            if self._worker.poll() is not None:
                report.wrong.append(f"{self._role} ended with {self._worker.returncode}:\n{self._tail()}")
            elif time.monotonic() - since > _STANDSTILL_SECONDS:
                report.wrong.append(f"{self._role} stands still with {left} records uncommitted:\n{self._tail()}")
            time.sleep(0.2)
        if self._worker.poll() is not None and not report.wrong:
            report.wrong.append(f"{self._role} ended with {self._worker.returncode}:\n{self._tail()}")

    def _check(self, report: Report) -> None:
        ended = dict.fromkeys(self._where, "nowhere")
        for place, outcome in self._found():
            if place in ended:
                ended[place] = outcome if ended[place] in ("nowhere", outcome) else f"{ended[place]} and {outcome}"
        report.outcomes.update(ended.values())
        for outcome in set(ended.values()):
            if outcome == "nowhere" or " and " in outcome or "internal_error" in outcome:
                places = [f"{partition}:{offset}" for (partition, offset), one in ended.items() if one == outcome]
                report.wrong.append(f"{len(places)} records of {self._topic} ended {outcome}: {places[:_SHOWN]}")

    def _found(self) -> Iterator[tuple[tuple[int, int], str]]:
        """(partition and offset of a record, how it ended), for all that ended."""
        topics = Topics(self._settings.topic_prefix)
        for record in read_to_end(self._settings, topics.dead_letter):
            dead_letter = contract.read_dead_letter(record)
            if dead_letter.origin is not None and dead_letter.origin.topic == self._topic:
                yield dead_letter.origin[1:], f"rejected {dead_letter.reason}"
        if self._role == "enrich":
            for record in read_to_end(self._settings, topics.enriched):
                review = contract.decode_enriched(record)
                assert not isinstance(review, Rejected), review
                yield (review.input.partition, review.input.offset), "enriched"
            return
        decode = contract.decode_enriched if self._role == "summarize" else contract.decode_alert
        for record in read_to_end(self._settings, self._topic):  # nothing tells of what was applied but its commit
            if not isinstance(decode(RawRecord(*record)), Rejected):
                yield (record.partition, record.offset), "applied"

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


def _batches(seed: int, topic: str, records: int) -> Iterator[tuple[list[RawInput], int, int]]:
    """(records, partition, codec); a large record is alone."""
    rng, batch, size = random.Random(seed), list[RawInput](), 0
    for _ in range(records):
        record = hostile(rng, topic, int(time.time() * 1000))
        takes = len(record.key or b"") + len(record.value or b"")
        takes += sum(len(name) + len(value or b"") for name, value in record.headers)
        if batch and (size + takes > _BATCH_BYTES or len(batch) >= _BATCH_RECORDS):
            yield batch, rng.randrange(PARTITIONS), rng.randrange(5)
            batch, size = [], 0
        batch.append(record)
        size += takes
    if batch:
        yield batch, rng.randrange(PARTITIONS), rng.randrange(5)


def fuzz_topics(
    brokers: str, redis: str, prefix: str, folder: Path, shares: dict[str, int], seed: int
) -> dict[str, Report]:
    """Send records to each topic while a worker of its role runs. ``shares``: records by topic, without prefix."""
    reports = {}
    for number, (topic, records) in enumerate(shares.items()):
        settings = Settings(
            _env_file=None,
            brokers=brokers,
            redis=redis,
            topic_prefix=f"{prefix}{number}.",
            partitions=PARTITIONS,
            generation=1,
        )
        create_topics(settings)
        asyncio.run(_begin_view(settings))
        with Fuzzed(settings, topic, folder) as fuzzed:
            reports[topic] = fuzzed.run(seed, records)
    return reports


async def _begin_view(settings: Settings) -> None:
    """As `summarize` does at its first start: `notify` waits for it, and may run alone here."""
    generations = Generations.from_settings(settings)
    await generations.record_origin(settings.generation, log_identity(settings))
    await generations.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--into", choices=sorted(ROLES), help="this topic alone; else 8 of 10 go into reviews")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    shares = {topic: options.records * (8 if topic == "reviews" else 1) // 10 for topic in ROLES}
    if options.into:
        shares = {options.into: options.records}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        kafka, valkey = EmbeddedKafka(folder / "kafka", port=0), EmbeddedValkey(folder / "valkey", port=0)
        for server in (kafka, valkey):
            server.start()
            stack.callback(server.stop)
        reports = fuzz_topics(kafka.address, valkey.url, "fuzz", folder, shares, options.seed)
    for topic, report in reports.items():
        print(f"\n{topic}: {report.sent:,} records, {report.refused} refused by the broker, {report.seconds:.0f} s")
        for outcome, count in sorted(report.outcomes.items()):
            print(f"{count:>10,}  {outcome}")
        for wrong in report.wrong:
            print(f"WRONG: {wrong}")
    if any(report.wrong for report in reports.values()):
        return 1
    print(f"\n{sum(report.sent for report in reports.values()):,} records: no worker ended, each record ended once")
    return 0


if __name__ == "__main__":
    sys.exit(main())
