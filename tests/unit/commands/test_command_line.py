"""The command line: every command explains itself, and importing it costs no model."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from stream_app.__main__ import _COMMANDS, app

SUBCOMMANDS = [[name] for name in _COMMANDS] + [
    ["services", "start"],
    ["services", "stop"],
    ["services", "status"],
    ["services", "fetch"],
    ["topics", "create"],
    ["topics", "list"],
    ["train", "sentiment"],
    ["train", "summary"],
    ["evaluate", "sentiment"],
    ["evaluate", "summary"],
    ["alerts", "receivers"],
    ["alerts", "test"],
    ["alerts", "enable"],
    ["models", "fetch"],
    ["models", "list"],
    ["models", "show"],
    ["models", "export"],
]


@pytest.mark.parametrize("command", SUBCOMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    """--help answers, and says what the command is for."""
    result = CliRunner().invoke(app, [*command, "--help"])

    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output
    assert len(result.output.split("\n\n")) >= 2


def test_help_of_the_whole_lists_every_command() -> None:
    """A newcomer sees all there is, with a line each."""
    result = CliRunner().invoke(app, ["--help"])

    assert [name for name in _COMMANDS if name not in result.output] == []


def test_help_imports_no_model_and_no_broker_client() -> None:
    """`stream-app --help` answers at once."""
    code = (
        "import sys; from typer.testing import CliRunner; from stream_app.__main__ import app;"
        "CliRunner().invoke(app, ['--help']); CliRunner().invoke(app, ['publish', '--help']);"
        "print([m for m in ('torch', 'transformers', 'faust', 'confluent_kafka', 'redis') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "[]"


def test_wrong_setting_is_one_message_and_exit_code_2() -> None:
    """No traceback for what a person can fix; the message names the setting."""
    result = subprocess.run(
        [sys.executable, "-m", "stream_app", "settings"],
        capture_output=True,
        text=True,
        env={"STREAM_APP_PARTITIONS": "many", "PATH": "/usr/bin:/bin"},
        check=False,
    )

    assert result.returncode == 2
    assert "STREAM_APP_PARTITIONS" in result.stderr
    assert "Traceback" not in result.stderr


def test_settings_never_show_a_password() -> None:
    """Neither the URL's nor Kafka's."""
    result = subprocess.run(
        [sys.executable, "-m", "stream_app", "settings"],
        capture_output=True,
        text=True,
        env={
            "STREAM_APP_REDIS": "redis://user:hunter2@cache:6379/0",
            "STREAM_APP_KAFKA_PASSWORD": "swordfish",
            "PATH": "/usr/bin:/bin",
            "COLUMNS": "200",
        },
        check=True,
    )

    assert "hunter2" not in result.stdout
    assert "swordfish" not in result.stdout
    assert "cache:6379" in result.stdout
