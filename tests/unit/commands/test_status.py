"""`stream-app status`: what is wrong is said with the next command, and what is busy is not called wrong."""

from __future__ import annotations

from typing import Any

import pytest

from stream_app.commands.status import describe_line, role_line
from stream_app.kafka.group_status import GroupStatus
from stream_app.store.backlog import Backlog


def group(**changes: Any) -> GroupStatus:
    fields: dict[str, Any] = {
        "role": "enrich",
        "group": "stream-app.enrich",
        "state": "stable",
        "members": 2,
        "partitions": 6,
        "assigned": 6,
        "lag_records": 0,
        "lag_seconds": 0.0,
        "done_per_second": 5.0,
        "arriving_per_second": 5.0,
    }
    return GroupStatus(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, ""),
        ({"lag_records": 40, "lag_seconds": 8.0}, ""),
        ({"lag_records": 9000, "lag_seconds": 600.0, "done_per_second": 90.0}, ""),
        ({"lag_records": 9000, "lag_seconds": 600.0}, "start another `stream-app worker enrich`"),
        ({"lag_records": 1, "lag_seconds": 61.0, "done_per_second": 0.0}, "see the log of enrich"),
        ({"members": 0, "assigned": 0, "state": "empty"}, "`stream-app worker enrich`, or `stream-app up`"),
        ({"assigned": 3, "state": "preparing_rebalancing"}, ""),
    ],
)
def test_role_that_is_behind_for_good_is_wrong(changes: dict[str, Any], step: str) -> None:
    """One that catches up, or is being rebalanced, is not."""
    line = role_line(group(**changes))
    assert step in line.next_step
    assert bool(step) == bool(line.next_step)


def test_role_that_waits_for_a_lost_view_is_not_to_be_started() -> None:
    line = role_line(group(role="summarize", members=0, assigned=0, state="empty"), "`stream-app rebuild`")
    assert line.next_step == "waits for the view: `stream-app rebuild`"


def test_describe_is_wrong_when_products_wait_too_long() -> None:
    """It is in no consumer group."""
    assert describe_line(Backlog(0, 0.0, 0)).next_step == ""
    assert describe_line(Backlog(3, 5.0, 1)).next_step == ""
    assert "`stream-app worker describe`" in describe_line(Backlog(3, 90.0, 0)).next_step
    assert "1 product due" in describe_line(Backlog(1, 5.0, 0)).words
