"""Pauses between tries."""

from __future__ import annotations

from stream_app.steps.backoff import MAX_RETRY_AFTER_MS, pause_of_message_ms, pause_of_receiver_ms


def test_pauses_of_a_receiver_double_up_to_ten_minutes() -> None:
    assert [pause_of_receiver_ms(failures, 0.0) for failures in (1, 2, 3, 7, 8, 10**9)] == [
        5_000,
        10_000,
        20_000,
        320_000,
        600_000,
        600_000,
    ]


def test_jitter_takes_up_to_half_of_a_pause_away() -> None:
    assert pause_of_receiver_ms(2, 0.5) == 7_500
    assert 5_000 < pause_of_receiver_ms(2, 0.999) < 5_010
    assert pause_of_message_ms(8_000, 0.5) == 6_000


def test_receiver_gets_the_time_that_it_asks_for_up_to_an_hour() -> None:
    assert pause_of_receiver_ms(1, 0.5, 60_000) == 60_000
    assert pause_of_receiver_ms(8, 0.0, 60_000) == 600_000
    assert pause_of_receiver_ms(1, 0.0, 10**15) == MAX_RETRY_AFTER_MS == 3_600_000


def test_message_steps_back_for_as_long_as_it_has_waited() -> None:
    """So its pauses double. A clock that was put back counts as no time."""
    assert [pause_of_message_ms(waited, 0.0) for waited in (-9, 0, 20_000, 10**9)] == [5_000, 5_000, 20_000, 600_000]
