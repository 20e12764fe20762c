"""`stream-app erase FILE` that is killed like by `kill -9`: python -m tests.integration.killed_erase PLACE CALL FILE

PLACE is one of PLACES; the process ends as the function there is called for the CALL-th time (from 1), or in the middle
of what it waits for.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import admin

from stream_app import erasure
from stream_app.commands.erase import erase
from stream_app.kafka import copies, groups, segments

PROGRAM = (sys.executable, "-m", "tests.integration.killed_erase")
PLACES: dict[str, tuple[Any, str]] = {
    "survey": (erasure, "survey"),
    "segment.ms": (segments, "_set_segment_ms"),
    "put": (copies.CopyProducer, "put"),
    "flush": (copies.CopyProducer, "flush"),
    "verify": (erasure, "verify_copies"),
    "set_forward": (erasure, "set_forward"),
    "commit": (groups, "_commit"),
    "delete": (erasure, "delete_originals"),
    "delete_records": (admin.AdminClient, "delete_records"),
}


def main() -> None:
    place, call, file = sys.argv[1:]
    target, name = PLACES[place]
    setattr(target, name, _killed_at(getattr(target, name), int(call), asked_first=place == "delete_records"))
    erase(Path(file), dry_run=False)


def _killed_at(real: Callable[..., Any], call: int, *, asked_first: bool) -> Callable[..., Any]:
    """``asked_first``: the brokers have the request when the process ends, and the answer is lost."""
    calls = 0

    def killed(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < call:
            return real(*arguments, **named)
        if asked_first:
            for asked in real(*arguments, **named).values():
                asked.result(10)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    return killed


if __name__ == "__main__":
    main()
