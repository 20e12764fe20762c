"""Since when a topic holds everything, by what is left of its partitions and by its retention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from stream_app.kafka import history
from stream_app.records import RawRecord
from stream_app.settings import Settings

NOW_MS = 1_000_000
SETTINGS = Settings(_env_file=None)


@pytest.mark.parametrize(
    ("firsts", "kept_ms", "since_ms"),
    [
        ({0: (0, 700_000), 1: (0, None)}, 10, 0),  # nothing was ever deleted
        ({0: (5, 700_000), 1: (0, 100)}, None, 700_000),
        ({0: (5, 700_000), 1: (9, 800_000)}, None, 800_000),  # each partition may have held it
        ({0: (5, 700_000)}, 900_000, 100_000),  # its retention reaches further back
        ({0: (5, 700_000)}, 10, 700_000),  # a segment holds longer than its retention
        ({0: (5, None)}, 900_000, 100_000),
        ({0: (5, None)}, None, NOW_MS),
        ({0: (5, NOW_MS + 50)}, None, NOW_MS),  # stamped by a clock that is ahead
        ({0: (5, 700_000)}, 2**62, 0),  # kept for ever
    ],
)
def test_topic_is_complete_since(
    monkeypatch: pytest.MonkeyPatch,
    firsts: Mapping[int, tuple[int, int | None]],
    kept_ms: int | None,
    since_ms: int,
) -> None:
    """firsts: per partition, where it begins and the time of its first record, None when it is empty."""

    def read(_: object, topic: str, since: Mapping[int, int]) -> Iterator[RawRecord]:
        for number, (begin, time_ms) in firsts.items():
            if since[number] == begin and time_ms is not None:
                yield RawRecord(topic, number, begin, time_ms, None, None)

    monkeypatch.setattr(history, "offsets", lambda *_: {number: begin for number, (begin, _) in firsts.items()})
    monkeypatch.setattr(history, "end_offsets", lambda *_: dict.fromkeys(firsts, 99))
    monkeypatch.setattr(history, "read_to_end", read)
    monkeypatch.setattr(history, "retention_ms", lambda *_: kept_ms)

    assert history.complete_since(SETTINGS, "reviews", NOW_MS) == since_ms
