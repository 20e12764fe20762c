"""What happens to processes in production: frozen for a while, stopped at the wrong moment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stream_app.embedded.kafka import EmbeddedKafka
from tests.integration.kafka.conftest import Stage
from tests.integration.kafka.test_faust_adapter import assert_in_order_within_epochs, assert_nothing_missing
from tests.waiting import wait_until

MakeStage = Callable[[int], Stage]


def test_worker_frozen_for_longer_than_its_session_comes_back_and_nothing_is_lost(stage: MakeStage) -> None:
    s = stage(2)
    frozen, other = s.start(work_seconds=0.3), s.start(work_seconds=0.3)
    s.produce(range(4000))
    wait_until(lambda: frozen.events("took") and other.events("took"), 20, "both work")
    frozen.process.send_signal(signal.SIGSTOP)
    s.produce(range(4000, 6000))
    wait_until(lambda: len({r.value for r in s.published()}) == 6000, 40, "the other one takes over, past the session")
    frozen.process.send_signal(signal.SIGCONT)
    drains = len(other.events("drop_waiting"))
    wait_until(lambda: len(other.events("drop_waiting")) > drains, 20, "the woken worker joins again")
    took = len(frozen.events("took"))
    s.produce(range(6000, 8000))
    wait_until(lambda: len({r.value for r in s.published()}) == 8000, 30, "everything is published")
    wait_until(lambda: len(frozen.events("took")) > took, 30, "it works again")
    assert (frozen.stop(), other.stop()) == (0, 0)

    published = s.published()
    assert_nothing_missing(published, 8000)
    assert_in_order_within_epochs(published)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.15, 0.4, 1.0])
def test_sigterm_at_any_moment_of_the_start_ends_the_process_with_0(stage: MakeStage, seconds: float) -> None:
    s = stage(1)
    s.produce(range(100))
    worker = s.start_only(work_seconds=0.2)
    wait_until(lambda: worker.events("started"), 60, "the role is started, the group is not joined yet")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began >= seconds, 5, "the moment comes")
    assert worker.stop(timeout=30.0) == 0, worker.log()
    assert s.committed().get(0, 0) == s.outputs()


@pytest.mark.parametrize("kill", [signal.SIGSTOP, signal.SIGKILL])
def test_sigterm_while_no_broker_answers_ends_the_process_with_0(
    kill: signal.Signals, tmp_path: Path, topic_prefix: str
) -> None:
    """In time, well below the grace period of a container: what is not committed comes again."""
    broker = EmbeddedKafka(tmp_path / "kafka", port=0)
    broker.start()
    stage = Stage(broker.address, topic_prefix, tmp_path)
    try:
        stage.create(3)
        stage.produce(range(3000))
        worker = stage.start(work_seconds=0.5)
        wait_until(lambda: stage.outputs() >= 200, 30, "200 outputs")
        [server] = broker.processes
        os.kill(server.pid, kill)
        time.sleep(2.0)  # requests are in flight

        assert worker.stop(timeout=30.0) == 0, worker.log()
    finally:
        stage.close()
        if kill is signal.SIGSTOP:
            os.kill(server.pid, signal.SIGCONT)
        broker.stop()
