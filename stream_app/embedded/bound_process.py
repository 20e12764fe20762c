"""Binds a process to the one that starts it: the system kills it when its starter ends, however that ends.

Run as a script it asks the system for that, then runs a command in its own place: same pid, same files. A `preexec_fn`
would ask without a script, but may wait for ever for a lock that another thread of the starter held at the fork.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def bound(command: Sequence[str]) -> list[str]:
    """Return the command to start instead: the system kills it when the thread that started it ends.

    The same command off Linux, where it outlives its starter. Called in the process that starts it.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def _run(parent: int, command: Sequence[str]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # it may have ended before we asked
    # guarantee: orphan-does-not-begin
    if os.getppid() != parent:
        sys.exit(1)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and a command that is run would, too
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], list(command))
    except OSError as error:
        sys.exit(f"{command[0]} cannot be run: {error.strerror}")


if __name__ == "__main__":
    _run(int(sys.argv[1]), sys.argv[2:])
