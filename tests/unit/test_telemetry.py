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
