"""Workers of `enrich` on hosts that keep nothing, each with a disk that no other process had."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson

from stream_app import contract
from stream_app.commands.options import environment_of
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.groups import lag
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.records import EnrichedReview, RawRecord
from stream_app.settings import Settings
from tests.integration.scripted_program import PROGRAM
from tests.reliability.testbed.scripted_models import Troubles
from tests.waiting import wait_until

PRODUCTS = 40


class Hosts:
    """``start`` brings up another host with one worker; ``close`` ends those that run."""

    def __init__(self, kafka: str, topic_prefix: str, folder: Path) -> None:
        self.settings = Settings(brokers=kafka, topic_prefix=topic_prefix, partitions=4, session_timeout_seconds=6.0)
        self.topics = Topics(topic_prefix)
        self.troubles = Troubles(folder / "troubles")
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        create_topics(self.settings)

    def start(self) -> subprocess.Popen[bytes]:
        host = self.folder / f"host-{len(self.workers) + 1}"
        host.mkdir()
        environment = {
            **environment_of(self.settings),
            "TROUBLES": str(self.folder / "troubles"),
            "HOME": str(host),
            "XDG_STATE_HOME": str(host / "state"),
            "STREAM_APP_STATE_FOLDER": str(host / "state"),
        }
        with (host / "log").open("wb") as log:
            self.workers.append(
                subprocess.Popen([*PROGRAM, "worker", "enrich"], env=environment, stdout=log, stderr=log)
            )
        return self.workers[-1]

    def log(self, number: int = 0) -> str:
        """Of a host, from 1; of the newest where none is named."""
        return (self.folder / f"host-{number or len(self.workers)}" / "log").read_text()

    @property
    def running(self) -> list[subprocess.Popen[bytes]]:
        return [worker for worker in self.workers if worker.poll() is None]

    @property
    def deaths(self) -> list[int]:
        """Exit codes of those that ended, in the order of their starts."""
        return [code for code in (worker.poll() for worker in self.workers) if code is not None]

    def publish(self, names: list[str], text: Callable[[str], str], product: str | None = None) -> None:
        with BlockingProducer(self.settings) as producer:
            for number, name in enumerate(names):
                product_id = product or f"p{number % PRODUCTS}"
                review = {"product_id": product_id, "review_id": name, "text": text(name), "rating": 3}
                producer.send(product_id.encode(), orjson.dumps(review))

    def enriched(self) -> Counter[str]:
        found = [contract.decode_enriched(record) for record in read_to_end(self.settings, self.topics.enriched)]
        return Counter(review.review_id for review in found if isinstance(review, EnrichedReview))

    def rejected(self) -> list[tuple[str, str]]:
        """(review_id, reason) of each dead letter."""
        return [
            (orjson.loads(record.value or b"")["review_id"], _header(record, contract.HEADER_ERROR_REASON))
            for record in read_to_end(self.settings, self.topics.dead_letter)
        ]

    def wait_until_done(self, seconds: float) -> None:
        def done() -> bool:
            assert self.workers[-1].poll() is None, self.log()[-3000:]
            return lag(self.settings, "enrich") == 0

        wait_until(done, seconds, f"it did not catch up, see {self.folder}")

    def close(self) -> None:
        for worker in self.running:
            worker.kill()
            worker.wait()


def _header(record: RawRecord, name: str) -> str:
    return dict(record.headers)[name].decode()
