"""What commands and logs say: in words, once, with the next step."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest
from typer.testing import CliRunner

from stream_app.__main__ import app
from stream_app.commands.processes import Processes
from stream_app.settings import Settings
from stream_app.store.server_errors import in_words


def test_version_is_printed() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout.split()[0]) == (0, "stream-app")
    assert done.stdout.split()[1][0].isdigit()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            "Error 111 connecting to 127.0.0.1:1. Connect call failed ('127.0.0.1', 1).",
            "connection refused at 127.0.0.1:1",
        ),
        ("Error -2 connecting to cache:6379. Name or service not known.", "at cache:6379"),
    ],
)
def test_refused_connection_is_said_in_words(error: str, words: str) -> None:
    """Not by a number."""
    said = in_words(ConnectionError(error))
    assert words in said
    assert "`stream-app check`" in said
    assert "Error" not in said
    assert in_words(ConnectionError("Timeout reading from socket")) == "Timeout reading from socket"


def test_outage_is_logged_at_once_then_now_and_then_and_its_end_too() -> None:
    """With what to do; every try is counted all the same."""
    code = (
        "from stream_app import telemetry as t; t.configure('INFO', True);"
        "[t.dependency_unavailable('redis', 'away', 1.0) for _ in range(50)];"
        "t.dependency_unavailable('kafka', 'x', 1.0);"
        "t.dependency_returned('redis'); t.dependency_unavailable('redis', 'again', 1.0);"
        "from prometheus_client import REGISTRY as r;"
        "print(r.get_sample_value('stream_app_dependency_unavailable_total', {'dependency': 'redis'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line.get("error")) for line in lines] == [
        ("dependency_unavailable", "away"),
        ("dependency_unavailable", "x"),
        ("dependency_returned", None),
        ("dependency_unavailable", "again"),
    ]
    assert all("stream-app check" in line["next_step"] for line in lines if "error" in line)
    assert float(done.stdout) == 51


def test_answer_ends_an_outage_that_is_over_once() -> None:
    """Not one of which a try failed a moment ago: of several brokers one may be away and the others answer."""
    code = (
        "from stream_app import telemetry as t; t.configure('INFO', True);"
        "clock = [100.0]; t.time.monotonic = lambda: clock[0];"
        "t.dependency_answered('kafka');"
        "t.dependency_unavailable('kafka', 'away', 1.0);"
        "t.dependency_answered('kafka'); clock[0] += 10;"
        "t.dependency_answered('kafka'); t.dependency_answered('kafka')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    events = [orjson.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["dependency_unavailable", "dependency_returned"]


def test_stopping_is_not_silent() -> None:
    """It may take twenty seconds."""
    said: list[str] = []
    program = (sys.executable, "-c", "import time; time.sleep(60)")
    with Processes(Settings(_env_file=None), say=said.append, roles=["notify"], with_api=False, program=program):
        assert said == []
    assert [line.split(":")[0] for line in said] == ["Stopping"]


def test_addresses_are_printed_once() -> None:
    """By `up`, not again by the API that it starts."""
    processes = Processes(Settings(_env_file=None), say=lambda _: None, roles=[], with_api=True)
    assert processes._children[0]._command[-1] == "--quiet"
