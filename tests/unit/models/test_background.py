"""The threads of a best-effort summarizer yield; everybody else's do not."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from stream_app.models.background import in_background
from stream_app.models.device import DeviceChoice
from stream_app.models.summarizer import find_summarizer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")


def _niceness() -> dict[int, int]:
    """Of each thread of this process."""
    threads = [int(one.name) for one in Path("/proc/self/task").iterdir()]
    return {one: os.getpriority(os.PRIO_PROCESS, one) for one in threads}


@pytest.mark.parametrize("background", [False, True])
def test_only_threads_of_a_summarizer_in_the_background_yield_to_others(background: bool) -> None:
    before = _niceness()
    choice = DeviceChoice("cpu", "fp32", 1, "", "ctranslate2", workers=2, background=background)

    summarizer = find_summarizer("bundled").on(choice)

    started = {one: nice for one, nice in _niceness().items() if one not in before}
    usual = before[threading.get_native_id()]
    assert sum(nice > usual for nice in started.values()) == (2 if background else 0)
    assert all(nice == before[one] for one, nice in _niceness().items() if one in before)
    assert summarizer.canary()


def test_whoever_makes_something_in_the_background_gets_it_or_its_error() -> None:
    assert in_background(lambda: 7) == 7
    with pytest.raises(ValueError, match="no such model"):
        in_background(lambda: (_ for _ in ()).throw(ValueError("no such model")))
