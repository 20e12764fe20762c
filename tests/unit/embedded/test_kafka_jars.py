from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stream_app.embedded import kafka_jars
from stream_app.ports import ConfigurationError


class _Maven:
    """Maven Central, as far as jgo shows it: each jar's bytes are its coordinate."""

    def __init__(self, repo_cache: Path) -> None:
        self._folder = repo_cache

    def create_dependency(self, coordinate: str) -> Any:
        return SimpleNamespace(artifact=SimpleNamespace(resolve=lambda: self._resolve(coordinate)))

    def _resolve(self, coordinate: str) -> Path:
        self._folder.mkdir(exist_ok=True)
        jar = self._folder / f"{coordinate.replace(':', '-')}.jar"
        jar.write_text(coordinate)
        return jar


class _UnreachableMaven(_Maven):
    def _resolve(self, coordinate: str) -> Path:
        raise ConnectionError("Name or service not known")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAM_APP_CACHE", str(tmp_path))
    monkeypatch.setattr("jgo.maven.MavenContext", _Maven)
    return tmp_path


@pytest.fixture
def two_locked_jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "jars.lock"
    lines = [f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in ("org.a:one:1", "org.b:two:2")]
    lock.write_text("".join(lines))
    monkeypatch.setattr(kafka_jars, "_LOCK_FILE", lock)


@pytest.mark.usefixtures("two_locked_jars")
def test_jars_are_fetched_once_and_then_found(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    folder = kafka_jars.fetch(said.append)

    assert sorted(jar.name for jar in folder.iterdir()) == ["org.a-one-1.jar", "org.b-two-2.jar"]
    assert said[0].startswith("Fetching Apache Kafka")
    assert said[-1] == "  2 of 2 jars"
    monkeypatch.setattr("jgo.maven.MavenContext", _UnreachableMaven)
    said.clear()
    assert kafka_jars.fetch(said.append) == folder
    assert said == []


def test_jar_that_differs_from_the_locked_one_is_refused(cache: Path) -> None:
    with pytest.raises(ConfigurationError, match="not the file that we know"):
        kafka_jars.fetch(lambda line: None)

    assert not (cache / f"kafka-{kafka_jars.KAFKA_VERSION}").exists()


def test_maven_central_out_of_reach_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jgo.maven.MavenContext", _UnreachableMaven)

    with pytest.raises(ConfigurationError, match="Check the network and try again"):
        kafka_jars.fetch(lambda line: None)

    assert not (cache / f"kafka-{kafka_jars.KAFKA_VERSION}").exists()


def test_lock_file_names_the_version_that_we_run() -> None:
    assert f"  org.apache.kafka:kafka_2.13:{kafka_jars.KAFKA_VERSION}\n" in kafka_jars._LOCK_FILE.read_text()
