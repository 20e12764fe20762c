"""The queues in which alerts wait for their receivers, in Redis: delivery.queue.DeliveryQueue.

An entry holds no words of reviews: these stand with their product and go with a deletion (recent.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from stream_app import telemetry
from stream_app.records import SEVERITIES
from stream_app.settings import RedisSettings
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
from stream_app.store.delivery_packing import pack_waiting, time_of, unpack_receiver_state, unpack_waiting
from stream_app.store.keys import Namespace, ReceiverKeys
from stream_app.store.server import Script, Server

_ADD = Script("add_delivery")
_REMOVE = Script("remove_deliveries")
_HOLD = Script("hold_receiver")
_END_ROUND = Script("end_delivery_round")
_FORGET = Script("forget_receiver")
_UNREADABLE_STEPS_BACK_MS = 600_000
_REMEMBERED = 20_000  # refs and cool-downs of a receiver, 120 bytes each


class DeliveryQueues:
    """See delivery.queue.DeliveryQueue. Every script touches the keys of one receiver, so a cluster serves as well."""

    def __init__(self, server: Server, namespace: Namespace) -> None:
        self._server = server
        self._namespace = namespace
        self._unreadable: set[tuple[str, bytes]] = set()  # that were logged

    @classmethod
    def from_settings(cls, settings: RedisSettings) -> DeliveryQueues:
        """Connects at the first call. Raises ConfigurationError when the URL is not one."""
        return cls(Server.from_settings(settings, (_ADD, _REMOVE, _HOLD, _END_ROUND, _FORGET)), Namespace.of(settings))

    async def cool_downs(self, asked: Sequence[tuple[str, str]]) -> list[int | None]:
        answers = await self._server.run(
            [("ZSCORE", self._namespace.receiver(receiver).cool_downs, key) for receiver, key in asked]
        )
        return [None if one is None else int(float(one)) for one in answers]

    async def handled(self, asked: Sequence[tuple[str, str]]) -> list[bool]:
        answers = await self._server.run(
            [("ZSCORE", self._namespace.receiver(receiver).handled, ref) for receiver, ref in asked]
        )
        return [one is not None for one in answers]

    async def add(self, additions: Sequence[Addition], now_ms: int) -> list[bool]:
        if not additions:
            return []
        names = sorted({one.receiver for one in additions})
        await self._server.run([("SADD", self._namespace.receivers, *names)])  # first: nothing waits unseen
        return [bool(one) for one in await self._server.run([self._add(one, now_ms) for one in additions])]

    async def hold(self, receiver: str, owner: str, lease_ms: int) -> bool:
        [held] = await self._server.run([_HOLD.call((self._namespace.receiver(receiver).lease,), (owner, lease_ms))])
        return bool(held)

    async def release(self, receiver: str, owner: str) -> None:
        await self.hold(receiver, owner, 0)

    async def status(self, receiver: str) -> QueueStatus:
        keys = self._namespace.receiver(receiver)
        state, waiting, oldest, suppressed, last = await self._server.run(
            [
                ("GET", keys.state),
                ("HLEN", keys.waiting),
                ("ZRANGE", keys.queued, 0, 0, "WITHSCORES"),
                ("HMGET", keys.suppressed, *SUPPRESSIONS),
                ("ZRANGE", keys.handled, -1, -1, "WITHSCORES"),
            ]
        )
        counts = zip(SUPPRESSIONS, suppressed, strict=True)
        return QueueStatus(
            unpack_receiver_state(state),
            waiting,
            time_of(oldest),
            time_of(last),
            tuple((reason, int(count)) for reason, count in counts if count),
        )

    async def due(self, receiver: str, now_ms: int, most: int) -> list[Waiting]:
        keys = self._namespace.receiver(receiver)
        by_severity = await self._server.run(
            [
                ("ZRANGEBYSCORE", getattr(keys, one), *bounds, "WITHSCORES", "LIMIT", 0, most)
                for one in reversed(SEVERITIES)
                for bounds in (("-inf", now_ms), (f"({believed_until_ms(one, now_ms)}", "+inf"))
            ]
        )
        found = [
            (ref, int(float(at))) for reply in by_severity for ref, at in zip(reply[::2], reply[1::2], strict=True)
        ]
        entries = await self._entries(receiver, [ref for ref, _ in found[:most]])
        later = now_ms + _UNREADABLE_STEPS_BACK_MS
        unreadable = [_bytes(one.ref) for one in entries if isinstance(one, Unreadable)]
        # guarantee: unreadable-entries-block-nobody
        await self._server.run([("ZADD", key, "XX", later, ref) for ref in unreadable for key in _by_severity(keys)])
        times = dict(found)
        return [replace(one, due_at_ms=times[one.ref.encode()]) for one in entries if isinstance(one, Waiting)]

    async def waiting_alone(self, receiver: str, refs: Sequence[str]) -> set[str]:
        if not refs:
            return set()
        key, asked = self._namespace.receiver(receiver).waiting, [_bytes(ref) for ref in refs]
        [packed] = await self._server.run([("HMGET", key, *asked)])
        # what does not wait may be queued by now: unlike in _entries, nothing is removed
        found = [self._unpacked(receiver, ref, one) for ref, one in zip(asked, packed, strict=True) if one is not None]
        return {one.ref for one in found if isinstance(one, Waiting) and one.digest_at_ms is None}

    async def expired(self, receiver: str, due_before_ms: int, most: int) -> list[Waiting | Unreadable]:
        keys = self._namespace.receiver(receiver)
        [refs] = await self._server.run([("ZRANGEBYSCORE", keys.queued, "-inf", f"({due_before_ms}", "LIMIT", 0, most)])
        return await self._entries(receiver, refs)

    async def least(self, receiver: str, most: int) -> list[Waiting | Unreadable]:
        keys = self._namespace.receiver(receiver)
        by_severity = await self._server.run([("ZRANGE", key, 0, most - 1) for key in _by_severity(keys)])
        return await self._entries(receiver, [ref for reply in by_severity for ref in reply][:most])

    async def remove(
        self,
        receiver: str,
        refs: Sequence[str | bytes],
        *,
        counted: Mapping[Suppression, int] | None = None,
        given_up: bool = False,
    ) -> None:
        if not refs:
            return
        keys = self._namespace.receiver(receiver)
        pairs = [part for pair in (counted or {}).items() for part in pair]
        touched = (*keys[:6], keys.suppressed)
        arguments = ("1" if given_up else "0", len(pairs) // 2, *pairs, *map(_bytes, refs))
        await self._server.run([_REMOVE.call(touched, arguments)])

    async def suppress(self, receiver: str, refs: Sequence[str], reason: Suppression) -> None:
        await self.remove(receiver, refs, counted={reason: -len(refs)})  # subtracted: one more for each

    async def end_round(
        self, receiver: str, owner: str, failed: Sequence[tuple[Sequence[Waiting], int]], state: ReceiverState
    ) -> bool:
        keys = self._namespace.receiver(receiver)
        await self._server.run([("SADD", self._namespace.receivers, receiver)])
        times = [part for message, due_at_ms in failed for one in message for part in (one.ref, due_at_ms)]
        touched = (keys.lease, keys.state, keys.queued, *_by_severity(keys))
        [ended] = await self._server.run([_END_ROUND.call(touched, (owner, orjson.dumps(state), *times))])
        return bool(ended)

    async def note(self, receiver: str, state: ReceiverState) -> None:
        await self._server.run(
            [
                ("SADD", self._namespace.receivers, receiver),
                ("SET", self._namespace.receiver(receiver).state, orjson.dumps(state)),
            ]
        )

    async def receivers(self) -> list[str]:
        [names] = await self._server.run([("SMEMBERS", self._namespace.receivers)])
        return sorted(name.decode() for name in names)

    async def forget(self, receiver: str) -> None:
        await self._server.run([("SREM", self._namespace.receivers, receiver)])
        [forgotten] = await self._server.run([_FORGET.call(self._namespace.receiver(receiver), ())])
        if not forgotten:
            await self._server.run([("SADD", self._namespace.receivers, receiver)])

    async def close(self) -> None:
        await self._server.close()

    def _add(self, addition: Addition, now_ms: int) -> Any:
        keys = self._namespace.receiver(addition.receiver)
        waiting = addition.waiting
        key, until_ms = addition.cool_down or ("", 0)
        touched = (
            keys.waiting,
            keys.queued,
            getattr(keys, waiting.alert.severity),
            keys.handled,
            keys.cool_downs,
            keys.suppressed,
        )
        arguments = (waiting.ref, now_ms, waiting.due_at_ms, pack_waiting(waiting), addition.suppressed or "")
        return _ADD.call(touched, (*arguments, key, until_ms, _REMEMBERED))

    async def _entries(self, receiver: str, refs: Sequence[bytes]) -> list[Waiting | Unreadable]:
        """What is there of these. A ref without an entry leaves the sorted sets, where it would stand for ever."""
        if not refs:
            return []
        [packed] = await self._server.run([("HMGET", self._namespace.receiver(receiver).waiting, *refs)])
        found = [self._unpacked(receiver, ref, one) for ref, one in zip(refs, packed, strict=True) if one is not None]
        await self.remove(receiver, [ref for ref, one in zip(refs, packed, strict=True) if one is None])
        return found

    def _unpacked(self, receiver: str, ref: bytes, packed: bytes) -> Waiting | Unreadable:
        try:
            return unpack_waiting(ref, packed)
        except (ValueError, TypeError, LookupError, AttributeError) as error:  # guarantee: unreadable-entry-waits
            if (receiver, ref) not in self._unreadable and len(self._unreadable) < _REMEMBERED:
                self._unreadable.add((receiver, ref))
                telemetry.waiting_alert_is_unreadable(receiver, error)
            return Unreadable(ref.decode(errors="surrogateescape"), packed)


def _bytes(ref: str | bytes) -> bytes:
    """A damaged ref may be no UTF-8."""
    return ref if isinstance(ref, bytes) else ref.encode(errors="surrogateescape")


def _by_severity(keys: ReceiverKeys) -> tuple[str, ...]:
    """The sorted sets of a receiver, the least severe first."""
    return tuple(getattr(keys, one) for one in SEVERITIES)
