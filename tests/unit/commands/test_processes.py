"""The supervisor: what dies is started again, what is stopped is gone."""

import os
import sys
import time
from pathlib import Path

import pytest

from stream_app.commands.processes import Child
from stream_app.ports import ConfigurationError
from tests.waiting import wait_until


def child(code: str) -> Child:
    return Child("sleeper", [sys.executable, "-c", code], dict(os.environ), None)


def test_dead_process_is_started_again_after_a_pause() -> None:
    """And the person is told, with the exit code."""
    said: list[str] = []
    sleeper = child("import time; time.sleep(60)")
    sleeper.start()
    first = sleeper.pid
    assert first is not None
    os.kill(first, 9)

    def running_again() -> bool:
        sleeper.keep_running(said.append)
        return sleeper.pid not in (None, first)

    wait_until(running_again, 10, "the process was not started again")
    sleeper.terminate()
    assert sleeper.join(time.monotonic() + 5)
    assert "exit code -9" in said[0]


def test_process_that_ends_to_follow_a_rebuilt_view_is_started_again_at_once() -> None:
    """Nothing was wrong, so it neither waits nor counts as a death."""
    said: list[str] = []
    sleeper = child("raise SystemExit(75)")
    for _ in range(3):
        if sleeper.pid is None:
            sleeper.start()
        pid = sleeper.pid
        assert pid is not None
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        sleeper.keep_running(said.append)
        assert sleeper.pid not in (None, pid)
    assert sleeper.join(time.monotonic() + 5)
    assert said == ["sleeper ended to follow a rebuilt view; starting it again."] * 3


def test_process_that_cannot_run_as_configured_is_not_started_again() -> None:
    """Exit code 2 is for a person to mend: starting again would only repeat the message."""
    sleeper = child("raise SystemExit(2)")
    sleeper.start()

    assert sleeper.pid is not None
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)

    with pytest.raises(ConfigurationError, match="its own message says why"):
        sleeper.keep_running(print)


def test_process_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """Nothing is left behind, however stubborn."""
    ready = tmp_path / "ready"
    code = f"import signal, time; signal.signal(15, lambda *_: None); open({str(ready)!r}, 'w'); time.sleep(60)"
    sleeper = child(code)
    sleeper.start()
    pid = sleeper.pid
    assert pid is not None
    wait_until(ready.exists, 10, "the child did not come up")

    sleeper.terminate()

    assert not sleeper.join(time.monotonic() + 0.3)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
