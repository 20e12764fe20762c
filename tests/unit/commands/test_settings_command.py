"""`stream-app settings` shows every setting whole, and a mistyped variable is not ignored in silence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream_app.commands.options import environment_of
from stream_app.commands.unknown_variables import WARNED, unknown_variables
from stream_app.settings import Settings, variable_of


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream_app", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(Path.cwd()), **variables},
        cwd=folder,
        check=False,
    )


@pytest.mark.parametrize("columns", ["80", "20"])
def test_settings_are_shown_whole_in_any_width(tmp_path: Path, columns: str) -> None:
    """A name that is cut cannot be set, a meaning that is cut says nothing."""
    shown = run(tmp_path, "settings", COLUMNS=columns).stdout

    assert [name for name in Settings.model_fields if f"\n{variable_of(name)}=" not in f"\n{shown}"] == []
    assert [field.description for field in Settings.model_fields.values() if str(field.description) not in shown] == []


def test_settings_for_programs_are_an_object_each(tmp_path: Path) -> None:
    shown = run(tmp_path, "settings", "--json", STREAM_APP_PARTITIONS="7", STREAM_APP_KAFKA_PASSWORD="swordfish")
    found = {setting["variable"]: setting for setting in map(json.loads, shown.stdout.splitlines())}

    assert list(found) == [variable_of(name) for name in Settings.model_fields]
    assert (found["STREAM_APP_PARTITIONS"]["value"], found["STREAM_APP_PARTITIONS"]["default"]) == (7, 6)
    assert found["STREAM_APP_KAFKA_PASSWORD"]["value"] == "********"


def test_every_setting_has_a_meaning() -> None:
    """Of more than a word."""
    assert [
        name for name, field in Settings.model_fields.items() if len(str(field.description or "").split()) < 2
    ] == []


def test_mistyped_variable_is_warned_of_once_with_the_nearest_name(tmp_path: Path) -> None:
    """In the environment and in .env; the command runs on."""
    (tmp_path / ".env").write_text("STREAM_APP_PARTITION=9\nOTHER=1\n")

    done = run(tmp_path, "settings", STREAM_APP_SUMARIES="off", STREAM_APP_CACHE=str(tmp_path))

    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "stream-app: STREAM_APP_SUMARIES (in the environment) is no setting and is ignored; did you mean "
        "STREAM_APP_SUMMARIES?",
        "stream-app: STREAM_APP_PARTITION (in .env of this folder) is no setting and is ignored; did you mean "
        "STREAM_APP_PARTITIONS?",
    ]
    assert run(tmp_path, "settings", STREAM_APP_SUMARIES="off", **{WARNED: "1"}).stderr == ""


def test_processes_of_a_command_do_not_warn_again() -> None:
    """`up` starts six, on one terminal."""
    assert WARNED in environment_of(Settings(_env_file=None))
    assert WARNED not in os.environ


def test_variable_in_lower_case_is_a_setting_too() -> None:
    """As the settings themselves take it."""
    assert unknown_variables(["stream_app_brokers", "STREAM_APP_REDIS", "PATH"], "no such file") == []


@pytest.mark.parametrize(("variable", "value"), [("STREAM_APP_PARTITIONS", "many"), ("STREAM_APP_LOG_LEVEL", "LOUD")])
def test_error_of_a_setting_names_its_variable_and_not_its_value(tmp_path: Path, variable: str, value: str) -> None:
    done = run(tmp_path, "settings", **{variable: value})

    assert done.returncode == 2
    assert variable in done.stderr
    assert value not in done.stderr
