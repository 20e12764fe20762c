"""Log lines say which worker they are of."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest


@pytest.mark.parametrize(("worker", "said"), [("enrich-2", "enrich-2"), ("", None)])
def test_log_line_names_its_worker_where_there_are_several(worker: str, said: str | None) -> None:
    """`up` starts many processes that write to one terminal."""
    code = (
        "import sys, logging; from stream_app import telemetry; telemetry.configure('INFO', True, worker=sys.argv[1]);"
        "telemetry.store_policy_was_hidden(); logging.getLogger('aiokafka').warning('of a library')"
    )
    done = subprocess.run([sys.executable, "-c", code, worker], capture_output=True, text=True, check=True)

    ours, of_a_library = done.stderr.splitlines()
    assert orjson.loads(ours).get("worker") == said
    assert of_a_library == " ".join(word for word in ("WARNING", worker, "aiokafka: of a library") if word)


def test_clock_that_disagrees_is_said_with_both_times() -> None:
    code = (
        "from stream_app import telemetry; telemetry.configure('INFO', True);"
        "telemetry.clock_disagrees('enrich', -300.0, 1_790_000_000_000)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    line = orjson.loads(done.stderr)
    assert (line["level"], line["event"], line["ahead_seconds"]) == ("error", "clock_disagrees", -300.0)
    assert line["own_time"] == "2026-09-21T14:13:20+00:00"
    assert line["time_by_records"] == "2026-09-21T14:18:20+00:00"
