"""A worker joins while another one has hundreds of records at work: these are finished first, and committed."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.kafka.conftest import Stage
from tests.integration.kafka.test_faust_adapter import (
    assert_in_order_within_epochs,
    assert_nothing_missing,
    last_published_plus_one,
)
from tests.waiting import wait_until

CHUNK = 3_000


def test_what_is_at_work_when_a_worker_joins_is_published_once(stage: Callable[[int], Stage]) -> None:
    """Without being finished and committed it would be done again by the partition's next owner."""
    s = stage(4)
    total = CHUNK
    s.produce(range(total))
    slowly = {"work_seconds": 0.5, "room": 400, "settings": {"max_poll_records": 200}}  # about 1,500 a second
    first = s.start(**slowly)
    wait_until(lambda: s.outputs() >= 200, 20, "the first worker publishes")
    second = s.start_only(**slowly)

    def has_joined() -> bool:
        """There is work left until it has, however long a process takes to start."""
        nonlocal total
        if total - s.outputs() < CHUNK:
            s.produce(range(total, total + CHUNK))
            total += CHUNK
        return bool(second.events("took"))

    wait_until(has_joined, 60, "the second worker has partitions")
    assert s.outputs() < total, "it joined in the middle"

    wait_until(lambda: s.outputs() >= total, 40, "everything is published")
    assert (first.stop(), second.stop()) == (0, 0)

    published = s.published()
    assert_nothing_missing(published, total)
    assert len(published) == total, f"{len(published) - total} published twice"
    assert_in_order_within_epochs(published)
    assert s.committed() == last_published_plus_one(published)
