"""A worker's last error survives its process, and recording it never holds the worker up."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from stream_app.roles.last_errors import LastErrors, error_left, file_of, secrets_of
from stream_app.settings import Settings
from tests.waiting import wait_until

AWAY = "redis://user:hunter22@127.0.0.1:1/0"
LOGGED = {"event": "process_ends", "level": "critical", "reason": f"cannot reach {AWAY}"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, redis=SecretStr(AWAY), state_folder=str(tmp_path))


def test_error_is_on_disk_while_redis_is_away(settings: Settings) -> None:
    errors = LastErrors(settings, "enrich", "enrich@host:1")
    errors.start()
    began = time.monotonic()
    errors.take(LOGGED)
    errors.flush()
    waited = time.monotonic() - began
    wait_until(lambda: error_left(settings, "enrich") is not None, 30, "the error is on disk")
    left = error_left(settings, "enrich")
    assert left is not None
    assert left.words == "process ends: cannot reach ********"
    assert error_left(settings, "notify") is None
    assert waited < 10  # it asks for a quarter of a second


def test_error_without_a_disk_and_without_redis_is_given_up(settings: Settings) -> None:
    (Path(settings.state_folder) / "last-errors").write_text("no folder")
    errors = LastErrors(settings, "enrich", "enrich@host:1")
    errors.start()
    errors.take(LOGGED)
    errors.flush()
    assert error_left(settings, "enrich") is None


def test_file_that_was_cut_short_is_none(settings: Settings) -> None:
    file = file_of(settings, "enrich")
    file.parent.mkdir(parents=True)
    file.write_bytes(b'{"role": "enr')
    assert error_left(settings, "enrich") is None


def test_secrets_of_the_settings_are_known() -> None:
    """The URL without a password is an address, and useful."""
    made = Settings(
        _env_file=None,
        redis=SecretStr("redis://u:p%40ss@h:1/0"),
        kafka_password=SecretStr("sesame"),
    )
    assert secrets_of(made) == {"redis://u:p%40ss@h:1/0", "p%40ss", "p@ss", "sesame"}
    assert secrets_of(Settings(_env_file=None, redis=SecretStr("redis://h:1/0"))) == set()


def test_bug_that_ends_a_worker_is_recorded_without_its_words(settings: Settings) -> None:
    """What the exception says may be a review's text."""
    program = f"""
from stream_app import telemetry
from stream_app.kafka.fatal import fatal
from stream_app.roles.last_errors import LastErrors
from stream_app.settings import Settings
settings = Settings(_env_file=None, redis={AWAY!r}, state_folder={settings.state_folder!r})
telemetry.configure("INFO", False)
errors = LastErrors(settings, "enrich", "enrich@host:1")
telemetry.report_errors_to(errors.take, errors.flush)
errors.start()
try:
    int("my name is Ada")
except ValueError as error:
    fatal(error)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    left = error_left(settings, "enrich")
    assert left is not None
    assert left.words.startswith("process ends: ValueError at <string>:")
    assert "Ada" not in left.words
    assert left.next_step == "", "what stands above is in its log"
