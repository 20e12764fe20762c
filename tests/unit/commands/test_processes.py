"""The supervisor: what dies is started again, what is stopped is gone."""

import os
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_app.commands.processes import PROGRAM, Child, Processes, members_of, settings_of
from stream_app.commands.workers import app
from stream_app.ports import ConfigurationError
from stream_app.role_table import ROLES
from stream_app.settings import Settings
from tests.waiting import wait_until


def child(code: str) -> Child:
    return Child("sleeper", [sys.executable, "-c", code], dict(os.environ), None)


def test_dead_process_is_started_again_after_a_pause() -> None:
    """And it is printed, with the exit code."""
    said: list[str] = []
    sleeper = child("import time; time.sleep(60)")
    sleeper.start()
    first = sleeper.pid
    assert first is not None
    os.kill(first, 9)

    def running_again() -> bool:
        sleeper.keep_running(said.append)
        return sleeper.pid not in (None, first)

    wait_until(running_again, 30, "the process was not started again")
    sleeper.terminate()
    assert sleeper.join(time.monotonic() + 30)
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
    assert sleeper.join(time.monotonic() + 30)
    assert said == ["sleeper ended to follow a rebuilt view; starting it again."] * 3


def test_process_that_cannot_run_as_configured_is_not_started_again() -> None:
    """Exit code 2 is for a person to fix: starting again would only repeat the message."""
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
    wait_until(ready.exists, 30, "the child did not come up")

    sleeper.terminate()

    assert not sleeper.join(time.monotonic() + 0.3)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def started(enrich: int, **settings: int) -> dict[str, Settings]:
    """The settings of each worker, by its name."""
    found = settings_of(members_of(tuple(ROLES), enrich), Settings(_env_file=None, **settings))  # type: ignore[arg-type]
    return {member.name: own for member, own in found.items()}


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})


def test_further_processes_of_enrich_are_numbered_behind_the_others() -> None:
    """The first of each role keeps the name that it has alone."""
    assert [member.name for member in members_of(tuple(ROLES), 3)] == [*ROLES, "enrich-2", "enrich-3"]
    assert [member.name for member in members_of(["summarize"], 3)] == ["summarize"]


def test_each_process_gets_its_number() -> None:
    """By it a restarted one finds what its predecessor noted."""
    assert [(name, own.worker_number) for name, own in started(3).items() if name.startswith("enrich")] == [
        ("enrich", 1),
        ("enrich-2", 2),
        ("enrich-3", 3),
    ]


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize(
    ("enrich", "threads", "workers"), [(1, 0, 0), (2, 0, 2), (3, 0, 1), (4, 0, 1), (8, 0, 1), (2, 2, 1)]
)
def test_processes_of_enrich_share_the_cores(enrich: int, threads: int, workers: int) -> None:
    """A thread per core over all of them, but at least one each; alone, the machine decides."""
    own = started(enrich, threads=threads)
    assert {own[name].device_workers for name in own if name.startswith("enrich")} == {workers}
    assert own["describe"].device_workers == 0


@pytest.mark.usefixtures("four_cores")
def test_number_of_model_workers_that_is_set_stands() -> None:
    """For a machine that has other work too."""
    assert started(2, device_workers=3)["enrich-2"].device_workers == 3


def test_each_worker_has_a_metrics_port_of_its_own() -> None:
    """One more `enrich` changes those of no other."""
    ports = {name: own.metrics_port for name, own in started(2, metrics_port=9100).items()}
    assert ports == {"enrich": 9100, "summarize": 9101, "describe": 9102, "notify": 9103, "enrich-2": 9104}
    assert {own.metrics_port for own in started(2).values()} == {0}


def test_no_process_of_enrich_is_refused_in_words() -> None:
    """On the command line and behind it."""
    with pytest.raises(ConfigurationError, match="ask for 1 or more"):
        members_of(tuple(ROLES), 0)
    refused = CliRunner().invoke(app, ["up", "--enrich", "0"])
    assert refused.exit_code == 2
    assert "--enrich" in refused.output


def test_processes_have_names_logs_and_settings_of_their_own(tmp_path: Path) -> None:
    """Each log shows the settings of its process."""
    show = "import os; print([os.environ[f'STREAM_APP_{name}'] for name in ('WORKER_NUMBER', 'METRICS_PORT')])"
    settings = Settings(_env_file=None, metrics_port=9100)
    program = (PROGRAM[0], "-c", show)
    with Processes(
        settings, say=print, log_folder=tmp_path, roles=["enrich"], enrich=2, with_api=False, program=program
    ) as processes:
        assert list(processes.pids()) == ["enrich", "enrich-2"]
        logs = [tmp_path / "enrich.log", tmp_path / "enrich-2.log"]
        wait_until(lambda: all(log.read_text().endswith("\n") for log in logs), 30, "nothing in the logs")
    assert processes.metrics_ports == {"enrich": 9100, "enrich-2": 9101}
    assert [log.read_text() for log in logs] == ["['1', '9100']\n", "['2', '9101']\n"]
