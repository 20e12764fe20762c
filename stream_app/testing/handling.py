"""A fake of what people do about recent alerts, for the fakes of stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stream_app.records import SEVERITIES, Acknowledgement, Alert, Handling, Mute
from stream_app.steps.handling import handling_of, mute_key
from stream_app.store.keys import MAX_MUTES


class MemoryAlertHandling:
    """What ports.AlertDesk adds to a reader. ``alert_of``: the recent alert of an id; raises while away."""

    def __init__(self, alert_of: Callable[[str], Alert | None]) -> None:
        self._alert_of = alert_of
        self._acknowledged: dict[str, Acknowledgement] = {}
        self._muted: dict[str, Mute] = {}
        self._newly_acknowledged: dict[str, None] = {}

    async def recent_alert(self, alert_id: str) -> Alert | None:
        return self._alert_of(alert_id)

    async def handling(self, alerts: Sequence[Alert], now_ms: int) -> list[Handling]:
        self._alert_of("")
        self._acknowledged = {one: by for one, by in self._acknowledged.items() if self._alert_of(one)}
        return [
            handling_of(alert, self._acknowledged.get(alert.alert_id), self._muted.get(mute_key(alert)), now_ms)
            for alert in alerts
        ]

    async def acknowledge(self, alert_id: str, by: str, note: str | None, now_ms: int) -> bool:
        alert = self._alert_of(alert_id)
        if alert is None:
            return False
        held = self._acknowledged.get(alert_id)
        if held is None or SEVERITIES.index(held.severity) < SEVERITIES.index(alert.severity):
            self._acknowledged[alert_id] = Acknowledgement(by, now_ms, note, alert.severity)
            self._newly_acknowledged[alert_id] = None
        return True

    async def unacknowledge(self, alert_id: str) -> bool:
        self._acknowledged.pop(alert_id, None)
        self._newly_acknowledged.pop(alert_id, None)
        return self._alert_of(alert_id) is not None

    async def newly_acknowledged(self, limit: int) -> list[tuple[str, Alert | None]]:
        return [(one, self._alert_of(one)) for one in self._newly_acknowledged][:limit]

    async def note_announced(self, alert_ids: Sequence[str]) -> None:
        for alert_id in alert_ids:
            self._newly_acknowledged.pop(alert_id, None)

    async def mute(self, alert_id: str, mute: Mute, now_ms: int) -> bool:
        alert = self._alert_of(alert_id)
        if alert is None:
            return False
        standing = self._muted | {mute_key(alert): mute}
        by_end = sorted(standing.items(), key=lambda one: (one[1].until_ms, one[0].encode()))
        self._muted = dict([one for one in by_end if one[1].until_ms > now_ms][-MAX_MUTES:])
        return True

    async def unmute(self, alert_id: str) -> bool:
        alert = self._alert_of(alert_id)
        if alert is None:
            return False
        self._muted.pop(mute_key(alert), None)
        return True
