"""What a rebuild publishes: nothing, but for what failed in it alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from stream_app import contract
from stream_app.ports import Acks, InFlightRecord
from stream_app.rebuild.replay import NothingFollows
from stream_app.records import Message, Partition, RawRecord, Rejected


class Finished:
    """ports.Acks that keeps the messages of each record."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.in_flight_records: list[Any] = []

    def finish(self, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        self.in_flight_records.append(in_flight)
        self.messages += messages


@pytest.mark.parametrize(("reason", "published"), [("internal_error", True), ("invalid_json", False)])
def test_review_that_failed_in_the_rebuild_alone_has_a_dead_letter(reason: str, published: bool) -> None:
    """Others have theirs since `summarize` read them first."""
    record = RawRecord("reviews.enriched", 0, 7, 0, b"k", b"{}")
    in_flight = InFlightRecord(record, Partition("reviews.enriched", 0), 1)
    message = contract.dead_letter_message("reviews.dead-letter", Rejected(record, reason, "why"))
    finished = Finished()
    NothingFollows(cast(Acks, finished)).finish_all([(in_flight, [message])])
    assert finished.in_flight_records == [in_flight]
    assert finished.messages == ([message] if published else [])
