"""A process bound to its starter: what it inherits, and that it ends with it. Only where the system can do that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stream_app.embedded.bound_process import bound
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems bind no process to its parent")

STARTER = """
import subprocess, sys, time
from stream_app.embedded.bound_process import bound
print(subprocess.Popen(bound(["sleep", "60"])).pid, flush=True)
time.sleep(60)
"""


def ended(pid: int) -> bool:
    """Gone, or a zombie that nobody has waited for."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_process_is_killed_when_its_starter_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        wait_until(lambda: psutil.Process(pid).name() == "sleep", 20, "the command runs in the place of the script")
        starter.kill()
    wait_until(lambda: ended(pid), 10, f"process {pid} lives on")


def test_process_that_lost_its_starter_before_it_asked_does_not_begin(tmp_path: Path) -> None:
    made = tmp_path / "made"
    command = bound(["touch", str(made)])
    command[command.index(str(os.getpid()))] = str(os.getppid())  # of another starter
    assert subprocess.run(command, check=False).returncode == 1
    assert not made.exists()


def test_command_keeps_pid_environment_output_and_exit_code() -> None:
    script = "import os; print(os.getpid(), os.environ['WHO'], flush=True); os._exit(7)"
    with subprocess.Popen(
        bound([sys.executable, "-c", script]), env={**os.environ, "WHO": "me"}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.communicate()[0] == f"{process.pid} me\n"
    assert process.returncode == 7


def test_command_ignores_no_signals_that_its_starter_does_not() -> None:
    """Python ignores SIGPIPE for itself; a server that inherited that would write into closed pipes for ever."""
    seen = subprocess.run(
        bound(["sh", "-c", "grep SigIgn /proc/self/status"]), capture_output=True, text=True, check=True
    )
    ignored = int(seen.stdout.split()[1], 16)
    assert not ignored & 1 << (signal.SIGPIPE - 1)
    assert not ignored & 1 << (signal.SIGXFSZ - 1)


def test_command_that_is_missing_is_named() -> None:
    done = subprocess.run(bound(["no-such-command"]), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "no-such-command cannot be run: No such file or directory\n"
