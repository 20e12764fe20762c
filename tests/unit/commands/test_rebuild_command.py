"""The command `stream-app rebuild` on a machine that does not suit it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stream_app.commands import rebuild
from stream_app.commands.rebuild import Workers
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings


def test_log_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    """As in a container whose file system is read-only."""
    (tmp_path / "state").write_text("no folder")
    workers = Workers(1, tmp_path / "state" / "rebuild.log", print)

    with pytest.raises(ConfigurationError, match="STREAM_APP_STATE_FOLDER"):
        workers.start(Settings(_env_file=None), silently=True)


def test_workers_that_stand_still_are_reported_once_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    clock = iter([100.0, 161.0, 170.0, 222.0, 230.0])
    monkeypatch.setattr(rebuild, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    workers = Workers(1, tmp_path / "rebuild.log", said.append)
    for progressed in (True, False, False, False, True):
        workers.keep_running(progressed=progressed)
    words = f"No review was applied for 60 s; still trying. {tmp_path / 'rebuild.log'} says what waits."
    assert said == [words, words]


def test_signal_ends_a_rebuild_that_lost_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `asyncio.wait_for` loses it before Python 3.12, where the answer comes at the same moment."""
    monkeypatch.setattr(rebuild, "_CANCEL_AGAIN_SECONDS", 0.05)
    lost: list[bool] = []

    async def work() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            lost.append(True)
        await asyncio.sleep(10)
        return 1

    assert asyncio.run(rebuild._until_signalled(work())) is None
    assert lost == [True]


def test_signal_ends_a_rebuild_whose_thread_waits_for_kafka() -> None:
    program = """
import asyncio, sys, time
from stream_app.__main__ import main
from stream_app.rebuild.rebuild import Rebuild

async def run(rebuild):
    print("waits", flush=True)
    await asyncio.to_thread(time.sleep, 60)

Rebuild.run = run
sys.argv = ["stream-app", "rebuild"]
main()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == "waits\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 1
            assert "Stopped before the end. Run `stream-app rebuild` again" in process.stderr.read()
        finally:
            process.kill()


def test_worker_whose_end_was_waited_for_in_vain_is_waited_for_again(tmp_path: Path) -> None:
    """The first wait is cancelled by the signal; a worker that is killed while it commits stays in its group."""
    may_end = threading.Event()
    joined: list[float] = []

    class Draining:
        def terminate(self) -> None:
            pass

        def join(self, deadline: float) -> None:
            may_end.wait(10)
            joined.append(deadline)

    async def stop_twice() -> None:
        workers: Any = Workers(1, tmp_path / "rebuild.log", print)
        workers._children = [Draining()]
        first = asyncio.create_task(workers.stop())
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.wait([first])
        second = asyncio.create_task(workers.stop())
        await asyncio.sleep(0.05)
        assert not second.done()
        may_end.set()
        await second
        assert workers._children == []

    asyncio.run(stop_twice())
    assert len(joined) == 2
