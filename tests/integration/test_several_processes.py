"""Several processes of `enrich` on one machine: one group, its partitions shared, nothing mixed and nothing lost."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import orjson
import psutil
import pytest

from benchmarks.harness.worker_metrics import free_ports, partitions_assigned
from stream_app import contract
from stream_app.commands.processes import Processes
from stream_app.commands.workers import spare_members
from stream_app.kafka import offsets
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.groups import lag
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.records import EnrichedReview
from stream_app.settings import Settings
from tests.integration.scripted_program import PROGRAM
from tests.reliability.testbed.scripted_models import HELD, KILLS, Troubles
from tests.waiting import wait_until

PARTITIONS = 4
PRODUCTS = 40


class Machine:
    """Two processes of `enrich` with models that cost nothing, and what was published to them."""

    def __init__(self, kafka: str, topic_prefix: str, folder: Path, troubles: Troubles) -> None:
        self.settings = Settings(
            brokers=kafka,
            topic_prefix=topic_prefix,
            state_folder=str(folder / "state"),
            partitions=PARTITIONS,
            session_timeout_seconds=6.0,
            summaries="off",
            metrics_port=free_ports(2),
        )
        self.said: list[str] = []
        self.logs = folder / "logs"
        self.troubles = troubles
        self.published = 0
        create_topics(self.settings)
        self.processes = Processes(
            self.settings,
            say=self.said.append,
            log_folder=self.logs,
            roles=("enrich",),
            enrich=2,
            with_api=False,
            program=PROGRAM,
        )

    def publish(self, count: int, text: str = "All good.") -> None:
        with BlockingProducer(self.settings) as producer:
            for number in range(self.published, self.published + count):
                product = f"p{number % PRODUCTS}"
                review = {"product_id": product, "review_id": f"r{number}", "text": text}
                producer.send(product.encode(), orjson.dumps(review))
        self.published += count

    def partitions(self) -> dict[str, int]:
        return {name: partitions_assigned(port) for name, port in self.processes.metrics_ports.items()}

    def wait_until_shared(self) -> None:
        def shared() -> bool:
            self.processes.keep_running()
            return self.partitions() == {"enrich": 2, "enrich-2": 2}

        wait_until(shared, 60, f"the partitions were not shared: {self.partitions()}, see {self.logs}")

    def wait_until_done(self, seconds: float = 60) -> None:
        def done() -> bool:
            self.processes.keep_running()
            return lag(self.settings, "enrich") == 0

        wait_until(done, seconds, f"enrich did not catch up; said {self.said}, see {self.logs}")

    def enriched(self) -> Counter[str]:
        """How often each review was published."""
        topic = Topics(self.settings.topic_prefix).enriched
        found = [contract.decode_enriched(record) for record in read_to_end(self.settings, topic)]
        return Counter(review.review_id for review in found if isinstance(review, EnrichedReview))

    def rejected(self) -> int:
        return sum(end_offsets(self.settings, Topics(self.settings.topic_prefix).dead_letter).values())

    def left_open(self) -> int:
        """Of how many partitions an owner died, by what their next owners said."""
        return sum(path.read_text().count("partition_was_left_open") for path in self.logs.glob("*"))


@pytest.fixture
def machine(kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    troubles = Troubles(tmp_path / "troubles")
    monkeypatch.setenv("TROUBLES", str(troubles.folder))
    return Machine(kafka, topic_prefix, tmp_path, troubles)


@pytest.mark.timeout(200)
def test_a_killed_member_comes_back_to_its_share_and_nothing_is_lost(machine: Machine) -> None:
    """Both have partitions before and after; SIGTERM leaves none of them running."""
    with machine.processes as processes:
        machine.wait_until_shared()
        machine.publish(400)
        wait_until(lambda: len(machine.enriched()) > 50, 30, "nothing was enriched")
        pids = processes.pids()
        killed = pids["enrich-2"]
        assert killed is not None
        machine.troubles.begin(HELD, "1")  # its partitions have records in flight when it dies, however fast it is
        machine.publish(400, "A text that no cache knows.")
        wait_until(lambda: f"{HELD}-{killed}" in machine.troubles, 30, "it was not held")
        os.kill(killed, signal.SIGKILL)
        machine.troubles.end(HELD)
        wait_until(lambda: not psutil.pid_exists(killed) or psutil.Process(killed).status() == "zombie", 30, "it lives")
        machine.wait_until_shared()
        machine.publish(400)
        machine.wait_until_done()
        assert machine.left_open() >= 1
        pids_at_the_end = processes.pids()

    assert machine.said[:-1] == ["enrich-2 ended with exit code -9; starting it again in 1 s."]
    assert machine.said[-1].startswith("Stopping")
    assert pids_at_the_end["enrich"] == pids["enrich"] != pids_at_the_end["enrich-2"] != killed
    assert [pid for pid in pids_at_the_end.values() if pid is None or psutil.pid_exists(pid)] == []
    assert set(machine.enriched()) == {f"r{number}" for number in range(1200)}
    assert machine.rejected() == 0


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_a_review_that_kills_is_found_although_it_wanders_between_the_members(machine: Machine) -> None:
    """Whoever has its partition next finds that the last owner died, isolates it, and rejects it alone."""
    with machine.processes:
        machine.wait_until_shared()
        machine.publish(200)
        machine.publish(1, KILLS)
        machine.publish(200)
        machine.wait_until_done(240)

    assert machine.rejected() == 1
    assert set(machine.enriched()) == {f"r{number}" for number in range(401) if number != 200}
    assert len(machine.said) == 1, machine.said


def test_more_members_than_partitions_are_warned_of(machine: Machine) -> None:
    """The spare ones are no mistake, but they do nothing."""
    assert spare_members(machine.settings, PARTITIONS) == ""
    assert "4 partition(s) for 6 processes of enrich: 2 will only stand by" in spare_members(machine.settings, 6)


def test_no_broker_is_no_reason_to_warn(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers wait for it themselves."""
    monkeypatch.setattr(offsets, "ADMIN_SECONDS", 0.5)
    nowhere = machine.settings.model_copy(update={"brokers": f"127.0.0.1:{free_ports(1)}"})

    assert spare_members(nowhere, 100) == ""
