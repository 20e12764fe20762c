"""aiokafka's fetcher, which waits as the role allows and reports positions that the log no longer has."""

from __future__ import annotations

from typing import Any

from aiokafka.consumer.fetcher import Fetcher

from stream_app import telemetry
from stream_app.ports import StreamRole
from stream_app.records import Partition

_LONG_POLL_MS = 500
_SHORT_POLL_MS = 50
_FETCH_MIN_BYTES = 256 * 1024


class PatientFetcher(Fetcher):  # type: ignore[misc]
    """Sets how long the broker waits: long where that delays no other partition, and for many records where the role
    allows it. Faust fixes 1500 ms, and one byte, for all.

    aiokafka has one fetch under way per broker, for those partitions of which it holds no records. The others are
    fetched again only when that one ends: with a long wait idle partitions would hold back a busy one. Where none is
    held, all are asked for, and the first record ends the wait; unless the role lets the broker gather.
    """

    role: StreamRole

    reached: dict[Partition, int]
    """Where each partition was read last; empty for those without a position."""

    restarted: dict[Partition, int]
    """See ``consumer_thread.Polled``; taken by the next poll."""

    async def _update_fetch_positions(self, assignment: Any, node_id: Any, tps: Any) -> Any:
        """Report a position that the broker does not have. aiokafka sets it to the first record, logged at INFO."""
        waiting = {tp: Partition(*tp) for tp in tps if assignment.state_value(tp).awaiting_reset}
        result = await super()._update_fetch_positions(assignment, node_id, tps)
        for tp, partition in waiting.items():
            state, before = assignment.state_value(tp), self.reached.get(partition)
            if before is None or not state.has_valid_position:
                continue  # no commit, or no answer of the broker yet
            self.reached[partition] = state.position  # guarantee: loss-is-said-after-a-seek
            if state.position > before:
                # guarantee: loss-by-retention-is-said
                telemetry.records_lost_to_retention(*partition, before, state.position)
            elif state.position < before:
                telemetry.log_no_longer_reaches(*partition, before, state.position)
                self.restarted[partition] = state.position
            # else a seek came before the answer: what it leads to is compared with `before` again
        return result

    def _get_actions_per_node(self, assignment: Any) -> Any:
        """Make the fetch requests, with the wait that the role allows."""
        fetch_wait_ms = self.role.fetch_wait_ms()
        self._fetch_min_bytes = _FETCH_MIN_BYTES if fetch_wait_ms else 1
        self._fetch_max_wait_ms = fetch_wait_ms or (_SHORT_POLL_MS if self._records else _LONG_POLL_MS)
        return super()._get_actions_per_node(assignment)
