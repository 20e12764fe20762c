"""`stream-app status`: what is wrong is said with the next command, and what is busy is not called wrong."""

from __future__ import annotations

from typing import Any

import pytest

from stream_app.commands.status_lines import Line, describe_line, error_lines, role_line
from stream_app.kafka.group_status import GroupStatus
from stream_app.steps.last_error import LastError
from stream_app.store.backlog import Backlog
from stream_app.store.workers import Seen

NOW_MS = 1_767_225_605_000


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


def described(found: Backlog, *seen: tuple[str, int], view_step: str = "") -> Line:
    return describe_line(found, [Seen(worker, at_ms) for worker, at_ms in seen], NOW_MS, view_step)


def test_describe_is_wrong_without_a_heartbeat() -> None:
    """It is in no consumer group: with nothing due its absence would not show. A killed one is named."""
    idle = Backlog(0, 0.0, 0)
    assert described(idle, ("describe@h:1", NOW_MS - 2_000)).next_step == ""
    none = described(idle)
    assert none.words.startswith("0 workers")
    assert none.next_step.startswith("no worker. Start `stream-app worker describe`")
    killed = described(idle, ("describe@h:1", NOW_MS - 40_000), ("describe@h:0", NOW_MS - 90_000))
    assert "the last one was describe@h:1 40 s ago: it ended with an error, was killed, or hangs" in killed.next_step
    assert described(idle, view_step="`stream-app rebuild`").next_step == "waits for the view: `stream-app rebuild`"


def test_describe_is_wrong_when_products_wait_too_long() -> None:
    beat = ("describe@h:1", NOW_MS)
    assert described(Backlog(3, 5.0, 1), beat).next_step == ""
    assert "`stream-app worker describe`" in described(Backlog(3, 90.0, 0), beat).next_step
    assert "1 product due" in described(Backlog(1, 5.0, 0), beat).words


def test_last_error_of_each_role_is_shown_as_past() -> None:
    """Newest first; it makes nothing wrong now."""
    errors = [
        LastError("notify", "notify@h:2", NOW_MS - 7_300_000, "view was lost", "run `stream-app rebuild`"),
        LastError("enrich", "enrich@h:1", NOW_MS - 5_000, "process ends: ValueError"),
    ]
    first, second = error_lines(errors, NOW_MS)
    assert first.words == "enrich, 5 s ago (2026-01-01 00:00:00 UTC, enrich@h:1): process ends: ValueError"
    assert second.words.startswith("notify, 2 h ago")
    assert second.words.endswith("view was lost (its advice: run `stream-app rebuild`)")
    assert [first.next_step, second.next_step] == ["", ""]
    assert first.facts["worker"] == "enrich@h:1"
