"""Keeps what people do about recent alerts: acknowledgements and mutes. Both are of no generation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import orjson

from stream_app.records import SEVERITIES, Acknowledgement, Alert, Handling, Mute, Severity
from stream_app.steps.handling import handling_of, mute_key
from stream_app.store.alert_packing import unpack_alert
from stream_app.store.keys import MAX_MUTES, MAX_RECENT_ALERTS, Keys
from stream_app.store.packing import known_fields
from stream_app.store.scripts import ACKNOWLEDGE_ALERT, MUTE_ALERT
from stream_app.store.server import Server


class AlertHandling:
    """What is done about the recent alerts of one generation."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._alerts = keys.alerts
        self._namespace = keys.namespace

    async def of(self, alerts: Sequence[Alert], now_ms: int) -> list[Handling]:
        """See ports.SummaryReader."""
        if not alerts:
            return []
        acknowledged, muted = await self._server.run(
            [
                ("HMGET", self._namespace.acknowledged, *(one.alert_id for one in alerts)),
                ("HMGET", self._namespace.muted, *map(mute_key, alerts)),
            ]
        )
        return [
            handling_of(alert, _acknowledgement(acknowledgement), _mute(mute), now_ms)
            for alert, acknowledgement, mute in zip(alerts, acknowledged, muted, strict=True)
        ]

    async def acknowledge(self, alert_id: str, by: str, note: str | None, now_ms: int) -> bool:
        """See ports.AlertDesk."""
        return await self._acknowledge(alert_id, orjson.dumps({"by": by, "at_ms": now_ms, "note": note}), now_ms)

    async def unacknowledge(self, alert_id: str) -> bool:
        """See ports.AlertDesk."""
        return await self._acknowledge(alert_id, b"", 0)

    async def mute(self, alert_id: str, mute: Mute, now_ms: int) -> bool:
        """See ports.AlertDesk."""
        return await self._mute(alert_id, orjson.dumps(mute), mute.until_ms, now_ms)

    async def unmute(self, alert_id: str) -> bool:
        """See ports.AlertDesk."""
        return await self._mute(alert_id, b"", 0, 0)

    async def newly_acknowledged(self, limit: int) -> list[tuple[str, Alert | None]]:
        """See ports.SummaryStore."""
        [ids] = await self._server.run([("ZRANGE", self._namespace.newly_acknowledged, 0, limit - 1)])
        [packed] = await self._server.run([("HMGET", self._alerts, *ids)]) if ids else [[]]
        return [(one.decode(), unpack_alert(alert) if alert else None) for one, alert in zip(ids, packed, strict=True)]

    async def note_announced(self, alert_ids: Sequence[str]) -> None:
        """See ports.SummaryStore."""
        await self._server.run([("ZREM", self._namespace.newly_acknowledged, *alert_ids)])

    async def _acknowledge(self, alert_id: str, packed: bytes, now_ms: int) -> bool:
        keys = (self._alerts, self._namespace.acknowledged, self._namespace.newly_acknowledged)
        arguments = (alert_id, packed, " ".join(SEVERITIES), now_ms, MAX_RECENT_ALERTS)
        [known] = await self._server.run([ACKNOWLEDGE_ALERT.call(keys, arguments)])
        return bool(known)

    async def _mute(self, alert_id: str, packed: bytes, until_ms: int, now_ms: int) -> bool:
        keys = (self._alerts, self._namespace.muted, self._namespace.mute_ends)
        [known] = await self._server.run([MUTE_ALERT.call(keys, (alert_id, packed, until_ms, now_ms, MAX_MUTES))])
        return bool(known)


def _acknowledgement(packed: bytes | None) -> Acknowledgement | None:
    if packed is None:
        return None
    severity, _, fields = packed.partition(b"\n")
    return Acknowledgement(
        **known_fields(Acknowledgement, orjson.loads(fields)), severity=cast(Severity, severity.decode())
    )


def _mute(packed: bytes | None) -> Mute | None:
    return None if packed is None else Mute(**known_fields(Mute, orjson.loads(packed)))
