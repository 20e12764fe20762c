"""Workers follow the active view: they end when it changes, and only then."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from redis import Redis

from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.roles.exit_codes import EXIT_VIEW_SWITCHED
from stream_app.settings import Settings
from stream_app.store.keys import Namespace
from tests.waiting import wait_until

GENERATIONS = Namespace.of(Settings()).generations

# a role that works until SIGTERM, and says which view it works on; "hangs": it ends as one whose thread goes on does
WORKER = """
import signal, sys, threading
from stream_app.exit_now import exit_stopped
from stream_app.roles.follow import follow_view
from stream_app.settings import Settings

def work(settings):
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    print("on", settings.group("summarize"), flush=True)
    while not stopped.wait(0.1): pass
    print("finished", flush=True)
    if "hangs" in sys.argv:
        exit_stopped()

follow_view(Settings(_env_file=None, redis=sys.argv[1], redis_patience_seconds=30), work)
"""


class Worker:
    def __init__(self, url: str, *options: str) -> None:
        command = [sys.executable, "-c", WORKER, url, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self.log: list[str] = []
        assert self.process.stdout is not None
        lines = self.process.stdout
        self._reading = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reading.start()

    def _read(self, lines: Iterator[str]) -> None:
        for line in lines:
            ours = line.startswith(("on ", "finished"))
            (self.lines if ours else self.log).append(line.strip())

    def ends(self) -> int:
        code = self.process.wait(60)
        self._reading.join(5)
        return code


@pytest.fixture
def worker(fresh_valkey: EmbeddedValkey, request: pytest.FixtureRequest) -> Iterator[Worker]:
    with Redis.from_url(fresh_valkey.url) as client:
        client.hset(GENERATIONS, "active", 3)
    started = Worker(fresh_valkey.url, *getattr(request, "param", ()))
    yield started
    started.process.kill()
    started.process.wait()


@pytest.mark.parametrize("worker", [(), ("hangs",)], indirect=True)
def test_worker_ends_in_order_when_another_view_becomes_active(worker: Worker, fresh_valkey: EmbeddedValkey) -> None:
    """It finishes what it has, and its exit code asks for a new start."""
    wait_until(lambda: worker.lines, 60, "it works")
    with Redis.from_url(fresh_valkey.url) as client:
        client.hset(GENERATIONS, "active", 4)

    assert worker.ends() == EXIT_VIEW_SWITCHED
    assert worker.lines == ["on stream-app.summarize.g3", "finished"]


def test_worker_that_is_asked_to_stop_ends_with_0(worker: Worker) -> None:
    wait_until(lambda: worker.lines, 60, "it works")
    worker.process.send_signal(signal.SIGTERM)

    assert worker.ends() == 0
    assert worker.lines[-1] == "finished"


def test_worker_works_on_while_redis_is_away(worker: Worker, fresh_valkey: EmbeddedValkey) -> None:
    """Nothing is known then: the role itself is patient, and so is this."""
    wait_until(lambda: worker.lines, 60, "it works")
    fresh_valkey.stop()

    with pytest.raises(subprocess.TimeoutExpired):
        worker.process.wait(3)
    fresh_valkey.start()
    with Redis.from_url(fresh_valkey.url) as client:
        client.hset(GENERATIONS, "active", 4)
    assert worker.ends() == EXIT_VIEW_SWITCHED, "it follows again"


def test_worker_asked_to_stop_before_redis_answers_ends_at_once_with_0() -> None:
    """It consumed nothing yet."""
    started = Worker("redis://127.0.0.1:1/0")
    try:
        wait_until(lambda: started.log, 60, "it says that Redis is away")
        with pytest.raises(subprocess.TimeoutExpired):
            started.process.wait(1)
        started.process.send_signal(signal.SIGTERM)
        assert started.ends() == 0
        assert started.lines == []
    finally:
        started.process.kill()
