"""Reading a topic to its end from brokers that answer no more."""

from __future__ import annotations

import pytest

from stream_app.kafka import reader
from stream_app.kafka.reader import read_to_end
from stream_app.ports import BrokerUnavailable
from stream_app.settings import Settings


def test_brokers_that_send_nothing_are_not_waited_for_beyond_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """They said where the topic ends, and were gone before its records were fetched."""
    monkeypatch.setattr(reader, "begin_offsets", lambda settings, topic: {0: 0})
    monkeypatch.setattr(reader, "end_offsets", lambda settings, topic: {0: 1})
    monkeypatch.setattr(reader, "ADMIN_SECONDS", 0.1)
    away = Settings(_env_file=None, brokers="127.0.0.1:9", publish_patience_seconds=1)
    with pytest.raises(BrokerUnavailable, match=r"Kafka at 127\.0\.0\.1:9 does not answer"):
        list(read_to_end(away, "topic"))
