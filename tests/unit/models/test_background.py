"""The threads of a best-effort summarizer yield; everybody else's do not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from stream_app.models.background import THREADS_CAN_YIELD, in_background
from stream_app.models.device import DeviceChoice
from stream_app.models.summarizer import find_summarizer
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(not THREADS_CAN_YIELD, reason="here a thread has no priority of its own")


def _niceness() -> dict[int, int]:
    """Of each thread of this process."""
    found = {}
    for one in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended since
            found[int(one.name)] = os.getpriority(os.PRIO_PROCESS, int(one.name))
    return found


def _nice_since(before: dict[int, int]) -> int:
    """How many threads began since then that are nicer than this one."""
    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    return sum(nice > usual for one, nice in _niceness().items() if one not in before)


@pytest.mark.parametrize("background", [False, True])
def test_only_threads_of_a_summarizer_in_the_background_yield_to_others(background: bool) -> None:
    if background and os.nice(0) == 19:
        pytest.skip("no thread can be nicer than this process")
    before = _niceness()
    choice = DeviceChoice("cpu", "fp32", 1, "", "ctranslate2", workers=2, background=background)

    summarizer = find_summarizer("bundled").on(choice)

    # the thread that made it may take a moment to end
    wait_until(lambda: _nice_since(before) == (2 if background else 0), 30, "its two threads, and no others, yield")
    assert all(nice == before[one] for one, nice in _niceness().items() if one in before)
    assert summarizer.canary()


def test_whoever_makes_something_in_the_background_gets_it_or_its_error() -> None:
    assert in_background(lambda: 7) == 7
    with pytest.raises(ValueError, match="no such model"):
        in_background(lambda: (_ for _ in ()).throw(ValueError("no such model")))


@pytest.mark.parametrize(("of_the_process", "in_it"), [(0, 10), (5, 15), (15, 19)])
def test_threads_in_the_background_of_a_process_that_is_nice_already_are_nicer_still(
    of_the_process: int, in_it: int
) -> None:
    code = (
        "import os, threading; from stream_app.models.background import in_background; "
        "print(in_background(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))"
    )
    own = os.getpriority(os.PRIO_PROCESS, 0)
    done = subprocess.run(
        ["nice", "-n", str(of_the_process), sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert int(done.stdout) == min(19, in_it + own)
