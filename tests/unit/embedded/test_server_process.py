from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from stream_app.embedded.server_process import ServerProcess, did_not_start, find_server, log_of, start_server
from stream_app.ports import ConfigurationError
from tests.waiting import wait_until

_ADDRESS = "127.0.0.1:20000"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = start_server(["sleep", "60"], tmp_path, _ADDRESS, detached=True)
    yield process
    process.kill()


def test_running_server_is_found_by_its_folder(server: ServerProcess) -> None:
    found = find_server(server.folder)

    assert found is not None
    assert (found.pid, found.address, found.running) == (server.pid, _ADDRESS, True)


def test_stopped_server_is_not_found(server: ServerProcess) -> None:
    server.stop(grace_seconds=5)

    assert not server.running
    assert find_server(server.folder) is None


def test_killed_server_is_not_found_though_its_file_is_there(server: ServerProcess) -> None:
    server.kill()

    assert (server.folder / "server.json").exists()
    assert find_server(server.folder) is None


def test_stranger_with_the_pid_of_a_server_of_ours_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(json.dumps({"pid": os.getpid(), "address": _ADDRESS}))

    assert find_server(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "{}", '{"pid": 1}'])
def test_file_cut_short_by_a_crash_names_no_server(tmp_path: Path, content: str) -> None:
    (tmp_path / "server.json").write_text(content)

    assert find_server(tmp_path) is None


def test_second_server_in_the_same_folder_is_refused(server: ServerProcess) -> None:
    with pytest.raises(ConfigurationError, match=rf"process {server.pid} .* stop it"):
        start_server(["sleep", "60"], server.folder, _ADDRESS, detached=True)


def test_server_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    server = start_server([sys.executable, "-c", stubborn], tmp_path, _ADDRESS, detached=True)
    wait_until(lambda: "deaf" in log_of(tmp_path).read_text(), 30, "the server ignores SIGTERM")
    began = time.monotonic()

    server.stop(grace_seconds=0.2)

    assert time.monotonic() - began >= 0.2
    assert not server.running


def _ended(process: ServerProcess) -> bool:
    return not process.running


def test_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    for word in ("first", "second"):
        process = start_server(["echo", word], tmp_path, _ADDRESS, detached=True)
        wait_until(partial(_ended, process), 30, "echo ends")

    assert (tmp_path / "server.log.previous").read_text() == "first\n"
    assert log_of(tmp_path).read_text() == "second\n"


def test_failed_start_shows_the_end_of_the_log_and_what_to_do(tmp_path: Path) -> None:
    log_of(tmp_path).write_text("".join(f"line {number}\n" for number in range(100)))

    message = str(did_not_start("Valkey", tmp_path, "the server ended"))

    assert message.startswith("Valkey did not start: the server ended.")
    assert "line 99" in message
    assert "line 80" not in message
    assert "empty data folder" in message
