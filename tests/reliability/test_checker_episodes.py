"""The checker of alerts about products can fail."""

from __future__ import annotations

import json

from tests.reliability.chaos.checker_episodes import wrong_episodes
from tests.reliability.chaos.published import Published
from tests.reliability.test_checker import Record
from tests.reliability.testbed.messages import ALERTS


def wrong(*alerts: tuple[str, int, int]) -> list[str]:
    """``alerts``: id, first hour and end of what it is about."""
    published = Published()
    published.take(
        Record(
            ALERTS,
            b"p",
            json.dumps(
                {
                    "alert_id": alert_id,
                    "severity": "warning",
                    "product_id": "p",
                    "window": {"begins_at": f"2026-05-01T{begins:02}:00", "ends_at": f"2026-05-01T{ends:02}:00"},
                }
            ).encode(),
            [],
        )
        for alert_id, begins, ends in alerts
    )
    return wrong_episodes(published, {"p"})


FIRST = ("negative_spike|p|2026-05-01T03", 3, 9)
OVER = ("recovered|p|negative_spike|2026-05-01T03", 3, 9)


def test_episode_that_alarms_again_under_another_name_is_wrong() -> None:
    again = ("negative_spike|p|2026-05-01T05", 5, 10)
    assert wrong(FIRST, again) == [f"alert {again[0]} was published in the hours of {FIRST[0]}"]
    assert wrong(FIRST, FIRST, OVER, again) == []
    assert wrong(FIRST, ("negative_spike|p|2026-05-01T10", 10, 12)) == []
    assert wrong(FIRST, ("negative_spike:quality|p|2026-05-01T05", 5, 10)) == []


def test_end_of_what_did_not_begin_is_wrong() -> None:
    end = ("recovered|p|rating_drop|2026-05-01T03", 3, 9)
    assert wrong(FIRST, OVER) == []
    assert wrong(FIRST, end) == [f"alert {end[0]} was published, and none that it had begun"]
