"""Fakes of what delivers alerts: the queues in memory, and a sender that answers as a test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stream_app.ports import StoreUnavailable
from stream_app.records import SEVERITIES
from stream_app.steps.delivery_queue import (
    SUPPRESSIONS,
    Addition,
    QueueStatus,
    ReceiverState,
    Suppression,
    Unreadable,
    Waiting,
    believed_until_ms,
)


@dataclass(slots=True)
class _Queue:
    waiting: dict[str, Waiting] = field(default_factory=dict)
    first_due: dict[str, int] = field(default_factory=dict)
    handled: dict[str, int] = field(default_factory=dict)
    cool_downs: dict[str, int] = field(default_factory=dict)
    suppressed: dict[Suppression, int] = field(default_factory=dict)
    state: ReceiverState = ReceiverState()  # noqa: RUF009 - it is never changed
    owner: str | None = None


class MemoryDeliveryQueues:
    """delivery.queue.DeliveryQueue. While ``away``, every call raises StoreUnavailable. Leases do not end."""

    def __init__(self) -> None:
        self.away = False
        self._queues: dict[str, _Queue] = {}
        self._names: set[str] = set()

    async def cool_downs(self, asked: Sequence[tuple[str, str]]) -> list[int | None]:
        self._reach()
        return [self._of(receiver).cool_downs.get(key) for receiver, key in asked]

    async def handled(self, asked: Sequence[tuple[str, str]]) -> list[bool]:
        self._reach()
        return [ref in self._of(receiver).handled for receiver, ref in asked]

    async def add(self, additions: Sequence[Addition], now_ms: int) -> list[bool]:
        self._reach()
        return [self._add(one, now_ms) for one in additions]

    async def hold(self, receiver: str, owner: str, lease_ms: int) -> bool:
        self._reach()
        queue = self._of(receiver)
        queue.owner = queue.owner or owner
        return queue.owner == owner

    async def release(self, receiver: str, owner: str) -> None:
        self._reach()
        if self._of(receiver).owner == owner:
            self._of(receiver).owner = None

    async def status(self, receiver: str) -> QueueStatus:
        self._reach()
        queue = self._of(receiver)
        return QueueStatus(
            queue.state,
            len(queue.waiting),
            min((queue.first_due[ref] for ref in queue.waiting), default=None),
            max(queue.handled.values(), default=None),
            tuple((reason, queue.suppressed[reason]) for reason in SUPPRESSIONS if queue.suppressed.get(reason)),
        )

    async def due(self, receiver: str, now_ms: int, most: int) -> list[Waiting]:
        self._reach()
        found = [
            one
            for one in self._of(receiver).waiting.values()
            if not now_ms < one.due_at_ms <= believed_until_ms(one.alert.severity, now_ms)
        ]
        return sorted(found, key=lambda one: (-_gravity(one), one.due_at_ms, one.ref.encode()))[:most]

    async def waiting_alone(self, receiver: str, refs: Sequence[str]) -> set[str]:
        self._reach()
        waiting = self._of(receiver).waiting
        return {ref for ref in refs if ref in waiting and waiting[ref].digest_at_ms is None}

    async def expired(self, receiver: str, due_before_ms: int, most: int) -> list[Waiting | Unreadable]:
        self._reach()
        queue = self._of(receiver)
        found = sorted((queue.first_due[ref], ref.encode(), one) for ref, one in queue.waiting.items())
        return [*[one for first_due, _, one in found if first_due < due_before_ms][:most]]

    async def least(self, receiver: str, most: int) -> list[Waiting | Unreadable]:
        self._reach()
        found = self._of(receiver).waiting.values()
        return [*sorted(found, key=lambda one: (_gravity(one), one.due_at_ms, one.ref.encode()))[:most]]

    async def remove(
        self,
        receiver: str,
        refs: Sequence[str],
        *,
        counted: Mapping[Suppression, int] | None = None,
        given_up: bool = False,
    ) -> None:
        self._reach()
        queue = self._of(receiver)
        removed = [queue.waiting.pop(ref, None) for ref in refs]
        if given_up:
            for ref in refs:
                queue.handled.pop(ref, None)
        if any(one is not None for one in removed):
            for reason, count in (counted or {}).items():
                queue.suppressed[reason] = max(0, queue.suppressed.get(reason, 0) - count)

    async def suppress(self, receiver: str, refs: Sequence[str], reason: Suppression) -> None:
        await self.remove(receiver, refs, counted={reason: -len(refs)})

    async def end_round(
        self, receiver: str, owner: str, failed: Sequence[tuple[Sequence[Waiting], int]], state: ReceiverState
    ) -> bool:
        self._reach()
        queue = self._of(receiver)
        if queue.owner not in (None, owner):
            return False
        for message, due_at_ms in failed:
            for ref in [one.ref for one in message if one.ref in queue.waiting]:
                queue.waiting[ref] = replace(queue.waiting[ref], due_at_ms=due_at_ms)
                queue.first_due[ref] = min(queue.first_due[ref], due_at_ms)
        await self.note(receiver, state)
        return True

    async def note(self, receiver: str, state: ReceiverState) -> None:
        self._reach()
        self._names.add(receiver)
        self._of(receiver).state = state

    async def receivers(self) -> list[str]:
        self._reach()
        return sorted(self._names)

    async def forget(self, receiver: str) -> None:
        self._reach()
        if not self._of(receiver).waiting:
            self._queues.pop(receiver, None)
            self._names.discard(receiver)

    async def close(self) -> None:
        return

    def _add(self, addition: Addition, now_ms: int) -> bool:
        self._names.add(addition.receiver)
        queue, waiting = self._of(addition.receiver), addition.waiting
        if waiting.ref in queue.handled:
            return False
        queue.handled[waiting.ref] = now_ms
        if addition.suppressed is not None:
            queue.suppressed[addition.suppressed] = queue.suppressed.get(addition.suppressed, 0) + 1
            return True
        alert = waiting.alert
        without_words = replace(alert, sentence=None, safety_words=()) if alert.review_id else alert
        queue.waiting[waiting.ref] = replace(waiting, alert=without_words)
        queue.first_due[waiting.ref] = max(now_ms, waiting.due_at_ms)
        if addition.cool_down is not None:
            queue.cool_downs = {key: until for key, until in queue.cool_downs.items() if until > now_ms}
            queue.cool_downs[addition.cool_down[0]] = addition.cool_down[1]
        return True

    def _of(self, receiver: str) -> _Queue:
        return self._queues.setdefault(receiver, _Queue())

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailable("the queues in memory are switched off")


def _gravity(waiting: Waiting) -> int:
    return SEVERITIES.index(waiting.alert.severity)
