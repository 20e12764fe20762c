"""The window of tokens before T5: halved by late answers, grown by those in time, within its bounds."""

from __future__ import annotations

from stream_app.steps.summary_window import SummaryWindow


def test_window_begins_with_the_most_and_never_grows_beyond() -> None:
    window = SummaryWindow(100)
    window.answered_in_time(40)
    assert window.tokens == 100


def test_late_answers_halve_the_window_but_leave_a_token_of_it() -> None:
    window = SummaryWindow(100)
    found = []
    for _ in range(8):
        window.answered_late()
        found.append(window.tokens)
    assert found == [50, 25, 12, 6, 3, 1, 1, 1]


def test_window_grows_by_no_more_than_the_text_that_was_in_time() -> None:
    """A text as large as the window doubles it; a smaller one adds the share of itself that it was of the window."""
    window = SummaryWindow(1000)
    for _ in range(4):
        window.answered_late()
    assert window.tokens == 62
    window.answered_in_time(62)
    assert window.tokens == 124
    window.answered_in_time(31)
    assert window.tokens == 124 + 31 * 31 // 124
    window.answered_in_time(500)
    assert window.tokens == 131 + 500


def test_large_window_grows_with_small_texts_too() -> None:
    """60 * 60 tokens are less than the window."""
    window = SummaryWindow(10_000)
    window.answered_late()
    for _ in range(100):
        window.answered_in_time(60)
    assert window.tokens == 5100
