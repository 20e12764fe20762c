"""A clock that disagrees with the records is said loudly; delay, backlog and single producers are not taken for it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from faust.types import TP

from stream_app.kafka.clock_check import ClockCheck
from stream_app.kafka.consumer_thread import Polled
from stream_app.records import RawRecord

P0 = TP("reviews", 0)
NOW_MS = 1_790_000_000_000


def polled(timestamp_ms: int | None = None, *, at_end: bool = True) -> Polled:
    """A poll with one record of that timestamp, or none."""
    made = Polled(1)
    if timestamp_ms is not None:
        made[P0] = [RawRecord("reviews", 0, 0, timestamp_ms, None, b"")]
    made.at_end = frozenset({P0} if at_end else ())
    return made


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    said: list[float] = []
    monkeypatch.setattr(
        "stream_app.kafka.clock_check.telemetry.clock_disagrees", lambda role, ahead, now_ms: said.append(ahead)
    )
    return said


def run(ahead_seconds: Iterable[float], *, at_end: bool = True, delay_seconds: float = 1.0) -> None:
    """Polls a second apart; each brings a record that was appended ``delay_seconds`` ago, by a clock that is so much
    behind ours.
    """
    check = ClockCheck("enrich")
    check.look(polled(at_end=at_end), NOW_MS, 0.0)
    for second, ahead in enumerate(ahead_seconds, start=1):
        now_ms = NOW_MS + 1000 * second
        check.look(polled(now_ms - int(1000 * (ahead + delay_seconds)), at_end=at_end), now_ms, float(second))


@pytest.mark.parametrize("ahead", [300.0, -300.0, 62.0, -62.0, 86_400.0])
def test_clock_that_is_ahead_or_behind_by_more_than_a_minute_is_said_once_in_five_minutes(
    said: list[float], ahead: float
) -> None:
    run([ahead] * 200)
    assert len(said) == 1
    assert said[0] == pytest.approx(ahead, abs=1.1)
    run([ahead] * 400)
    assert len(said) == 3


@pytest.mark.parametrize("ahead", [0.0, 50.0, -50.0])
def test_clock_that_agrees_within_a_minute_is_fine(said: list[float], ahead: float) -> None:
    run([ahead] * 50)
    assert said == []


def test_backlog_is_no_clock(said: list[float]) -> None:
    """Its records are old, and were appended long ago."""
    run([0.0] * 50, at_end=False, delay_seconds=3600.0)
    assert said == []


def test_long_wait_between_two_polls_is_no_clock(said: list[float]) -> None:
    """While there is no room nothing is polled: what is polled then may be as old as the wait."""
    check = ClockCheck("enrich")
    for number in range(20):
        check.look(polled(), NOW_MS + 600_000 * number, 600.0 * number)
        check.look(polled(NOW_MS + 600_000 * number + 1), NOW_MS + 600_000 * (number + 1), 600.0 * (number + 1))
    assert said == []


def test_one_producer_with_a_wrong_clock_among_others_is_not_taken_for_ours(said: list[float]) -> None:
    run([0.0, 7200.0, 0.0] * 20)
    assert said == []


def test_few_records_do_not_make_a_judgement(said: list[float]) -> None:
    run([300.0] * 4)
    assert said == []
