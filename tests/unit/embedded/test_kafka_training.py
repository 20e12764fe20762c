"""The JVM's AOT cache of the embedded Kafka: made once, used only where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_app.embedded import kafka, kafka_jars, kafka_training


class _Broker:
    """An embedded broker whose JVM writes its cache at the end, if at all."""

    writes = True
    started = 0

    def __init__(self, folder: Path, *, port: int, java_options: list[str]) -> None:
        [self._option] = java_options

    def start(self) -> None:
        type(self).started += 1

    @property
    def processes(self) -> list[_Broker]:
        return [self]

    def stop(self, seconds: float) -> None:
        if self.writes:
            Path(self._option.removeprefix("-XX:AOTCacheOutput=")).write_bytes(b"classes")


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[_Broker]:
    class Broker(_Broker):
        pass

    monkeypatch.setenv("STREAM_APP_CACHE", str(tmp_path))
    monkeypatch.setattr(kafka_jars, "fetch", lambda say: tmp_path)
    monkeypatch.setattr(kafka_training, "EmbeddedKafka", Broker)
    return Broker


def test_cache_is_made_once_and_used_from_then_on(broker: type[_Broker]) -> None:
    assert kafka._aot_options() == []
    for _ in range(2):
        kafka_training.train(print)
    assert broker.started == 1
    assert kafka._aot_options()[0] == f"-XX:AOTCache={kafka_jars.aot_cache()}"


def test_jvm_that_writes_no_cache_is_reported_and_starts_go_on_without(broker: type[_Broker]) -> None:
    broker.writes = False
    said: list[str] = []
    kafka_training.train(said.append)
    assert "starts stay as slow as they were" in said[-1]
    assert kafka._aot_options() == []
