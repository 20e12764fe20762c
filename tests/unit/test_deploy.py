"""The files of `deploy/` and the documents name settings that exist; compose gives them to every process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from stream_app.commands.unknown_variables import unknown_variables
from stream_app.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = [
    *(ROOT / "deploy" / name for name in ("compose.yaml", "Dockerfile", "env.example")),
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "stream-app"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_variable_that_is_named_is_a_setting(file: Path) -> None:
    """`STREAM_APP_API_…` and its like stand for several."""
    names = re.findall(r"STREAM_APP_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_…])", file.read_text(encoding="utf-8"))
    assert unknown_variables(set(names), "none") == []


def test_example_of_the_environment_is_valid(tmp_path: Path) -> None:
    """Each line, those that are commented out too: names exist, values are of the right kind."""
    lines = (ROOT / "deploy" / "env.example").read_text(encoding="utf-8").splitlines()
    file = tmp_path / "env"
    file.write_text("\n".join(line.removeprefix("#") for line in lines if re.match(r"#?STREAM_APP_", line)))
    assert unknown_variables((), str(file)) == []
    assert Settings(_env_file=str(file)).metrics_port == 9100


def test_compose_reads_the_environment_file_and_keeps_models() -> None:
    """For every process of ours."""
    assert {name: service.get("env_file") for name, service in OURS.items()} == {
        key: [{"path": ".env", "required": False}] for key in OURS
    }
    for name in set(OURS) - {"topics"}:
        assert OURS[name]["volumes"] == ["models:/home/stream/.cache"], name
        assert OURS[name]["environment"]["STREAM_APP_METRICS_PORT"] == "9100"
    used = {one.split(":")[0] for service in COMPOSE["services"].values() for one in service.get("volumes", ())}
    assert used == set(COMPOSE["volumes"])


def test_compose_names_what_the_internal_port_is_known_as() -> None:
    """It listens on 0.0.0.0 there, where any name is answered, and browsers reach it by loopback (DNS rebinding)."""
    names = OURS["api"]["environment"]["STREAM_APP_API_INTERNAL_ALLOWED_HOSTS"]
    assert names == "${STREAM_APP_API_INTERNAL_ALLOWED_HOSTS:-api}"
    assert any(port.startswith("127.0.0.1:") and port.endswith(":8081") for port in OURS["api"]["ports"])


def test_compose_wins_over_what_the_example_says_of_servers() -> None:
    """Copied as it is, it names brokers that compose does not start, with passwords."""
    example = (ROOT / "deploy" / "env.example").read_text(encoding="utf-8")
    of_servers = {
        "STREAM_APP_BROKERS",
        "STREAM_APP_KAFKA_SECURITY_PROTOCOL",
        "STREAM_APP_REDIS",
        "STREAM_APP_REPLICATION",
    }
    assert of_servers <= set(re.findall(r"^(STREAM_APP_\w+)=", example, re.MULTILINE))
    assert all(of_servers <= set(service["environment"]) for service in OURS.values())
