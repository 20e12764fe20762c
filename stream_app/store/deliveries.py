"""The queues in which alerts wait for their receivers, in Redis: delivery.queue.DeliveryQueue.

An entry holds no words of reviews: these stand with their product and go with a deletion (recent.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from stream_app import telemetry
from stream_app.records import SEVERITIES, Position
from stream_app.settings import RedisSettings
from stream_app.steps.delivery_queue import (
    SUPPRESSIONS,
    Addition,
    QueueStatus,
    ReceiverState,
    Suppression,
    Waiting,
    believed_until_ms,
)
from stream_app.store.alert_packing import pack_alert, unpack_alert
from stream_app.store.keys import Namespace
from stream_app.store.packing import known_fields
from stream_app.store.server import Script, Server

_ADD = Script("add_delivery")
_REMOVE = Script("remove_deliveries")
_HOLD = Script("hold_receiver")
_REMEMBERED = 20_000  # refs and cool-downs of a receiver, 120 bytes each


class DeliveryQueues:
    """See delivery.queue.DeliveryQueue. Every script touches the keys of one receiver, so a cluster serves as well."""

    def __init__(self, server: Server, namespace: Namespace) -> None:
        self._server = server
        self._namespace = namespace
        self._unreadable: set[bytes] = set()  # that were logged

    @classmethod
    def from_settings(cls, settings: RedisSettings) -> DeliveryQueues:
        """Connects at the first call. Raises ConfigurationError when the URL is not one."""
        return cls(Server.from_settings(settings, (_ADD, _REMOVE, _HOLD)), Namespace.of(settings))

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
            _unpacked_state(state),
            waiting,
            _time(oldest),
            _time(last),
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
        waiting = await self._waiting(receiver, [ref for ref, _ in found[:most]])
        times = dict(found)
        return [replace(one, due_at_ms=times[one.ref.encode()]) for one in waiting]

    async def expired(self, receiver: str, due_before_ms: int, most: int) -> list[Waiting]:
        keys = self._namespace.receiver(receiver)
        [refs] = await self._server.run([("ZRANGEBYSCORE", keys.queued, "-inf", f"({due_before_ms}", "LIMIT", 0, most)])
        return await self._waiting(receiver, refs)

    async def least(self, receiver: str, most: int) -> list[Waiting]:
        keys = self._namespace.receiver(receiver)
        by_severity = await self._server.run([("ZRANGE", getattr(keys, one), 0, most - 1) for one in SEVERITIES])
        return await self._waiting(receiver, [ref for reply in by_severity for ref in reply][:most])

    async def remove(
        self,
        receiver: str,
        refs: Sequence[str],
        *,
        counted: Mapping[Suppression, int] | None = None,
        given_up: bool = False,
    ) -> None:
        if not refs:
            return
        keys = self._namespace.receiver(receiver)
        pairs = [part for pair in (counted or {}).items() for part in pair]
        touched = (*keys[:6], keys.suppressed)
        arguments = ("1" if given_up else "0", len(pairs) // 2, *pairs, *refs)
        await self._server.run([_REMOVE.call(touched, arguments)])

    async def postpone(self, receiver: str, waiting: Sequence[Waiting], due_at_ms: int) -> None:
        keys = self._namespace.receiver(receiver)
        await self._server.run(
            [
                command
                for one in waiting
                for command in (
                    ("ZADD", getattr(keys, one.alert.severity), "XX", due_at_ms, one.ref),
                    ("ZADD", keys.queued, "XX", "LT", due_at_ms, one.ref),  # a clock was ahead when it was queued
                )
            ]
        )

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
        await self._server.run(
            [
                *(("DEL", key) for key in self._namespace.receiver(receiver)),
                ("SREM", self._namespace.receivers, receiver),
            ]
        )

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
        arguments = (waiting.ref, now_ms, waiting.due_at_ms, _packed(waiting), addition.suppressed or "")
        return _ADD.call(touched, (*arguments, key, until_ms, _REMEMBERED))

    async def _waiting(self, receiver: str, refs: Sequence[bytes]) -> list[Waiting]:
        if not refs:
            return []
        [packed] = await self._server.run([("HMGET", self._namespace.receiver(receiver).waiting, *refs)])
        found = []
        for ref, one in zip(refs, packed, strict=True):
            if one is None:
                continue
            try:
                found.append(_unpacked(ref, one))
            except (ValueError, TypeError, LookupError, AttributeError) as error:  # guarantee: unreadable-entry-waits
                if ref not in self._unreadable:
                    self._unreadable.add(ref)
                    telemetry.waiting_alert_is_unreadable(receiver, error)
        return found


def _packed(waiting: Waiting) -> bytes:
    return orjson.dumps(
        {
            "alert": orjson.Fragment(pack_alert(waiting.alert)),
            "place": tuple(waiting.place),
            "timestamp_ms": waiting.timestamp_ms,
            "queued_at_ms": waiting.queued_at_ms,
            "due_at_ms": waiting.due_at_ms,
            "digest_at_ms": waiting.digest_at_ms,
        }
    )


def _unpacked(ref: bytes, packed: bytes) -> Waiting:
    """Raises ValueError, TypeError, LookupError or AttributeError where this version did not write it."""
    fields = known_fields(Waiting, orjson.loads(packed))
    alert = unpack_alert(orjson.dumps(fields["alert"]))
    waiting = Waiting(**fields | {"alert": alert, "place": Position(*fields["place"])})
    if waiting.ref.encode() != ref:
        raise ValueError("it is another alert")
    return waiting


def _time(reply: Sequence[bytes]) -> int | None:
    """Of a sorted set's one member with its score; None of none."""
    return int(float(reply[1])) if reply else None


def _unpacked_state(packed: bytes | None) -> ReceiverState:
    try:
        return ReceiverState() if packed is None else ReceiverState(**known_fields(ReceiverState, orjson.loads(packed)))
    except (ValueError, TypeError, LookupError):
        return ReceiverState()  # it is tried, and then written again
