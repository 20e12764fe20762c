"""Fixtures of the tests of what stands on Kafka's clients."""

from __future__ import annotations

from typing import Any

import pytest

from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.records import Message


@pytest.fixture
def produced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The values, as numbers, of the messages that librdkafka took, in order."""
    produced: list[int] = []
    take = ConfluentPublisher._produce

    def remember(self: ConfluentPublisher, message: Message, delivery: Any) -> bool:
        taken = take(self, message, delivery)
        if taken:
            produced.append(int(message.value or b"-1"))
        return taken

    monkeypatch.setattr(ConfluentPublisher, "_produce", remember)
    return produced
