"""Remembers which alerts fired, and their severity."""

from __future__ import annotations

from collections import OrderedDict

from stream_app import contract
from stream_app.records import Alert, RawRecord
from stream_app.steps.alert_ids import without_severity
from stream_app.steps.alert_rules import Fired, fired, is_graver

MAX_KNOWN = 100_000
"""Alerts that are remembered, those published last; about 20 MB."""

_MAX_SENT = 20_000  # between their publication and the moment when they are read back: a second or two


class FiredAlerts:
    """Two memories, because an alert that the broker may not have must be published again when its review comes again.

    What was read from the topic of alerts, where every worker's alerts are, stays known. What this process sent counts
    only for reviews of the same epoch: the offset of its review is not committed before the broker has the alert, so
    nothing is lost by not publishing it again meanwhile. After a rebalance the review comes again, here or elsewhere,
    and with it the alert, unless it has been read back by then.

    ``seen`` is for one thread (the follower's), the rest for another (the event loop's).
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, Fired] = OrderedDict()
        self._sent: OrderedDict[str, Fired] = OrderedDict()
        self._epoch = -1

    def before(self, alert_id: str, epoch: int) -> Fired | None:
        """Return the gravest known firing of this alert, for a review of ``epoch``."""
        known = self._known.get(alert_id)
        sent = self._sent.get(alert_id) if epoch == self._epoch else None  # guarantee: unacknowledged-alert-comes-again
        if known is None or sent is None:
            return known or sent
        return sent if is_graver(sent.severity, known.severity) else known

    def sent(self, alert: Alert, epoch: int) -> None:
        """Note that the alert was sent to the broker, for a review of ``epoch``."""
        if epoch != self._epoch:
            if epoch < self._epoch:
                return  # its review was taken away: the alert goes nowhere
            self._sent, self._epoch = OrderedDict(), epoch
        _remember(self._sent, alert.alert_id, fired(alert), _MAX_SENT)

    def seen(self, record: RawRecord) -> None:
        """Note an alert that was read from its topic. Never raises, whatever the record holds."""
        alert = contract.decode_alert(record)
        if isinstance(alert, Alert):
            _remember(self._known, without_severity(alert.alert_id), fired(alert), MAX_KNOWN)


def _remember(alerts: OrderedDict[str, Fired], alert_id: str, new: Fired, at_most: int) -> None:
    """Note it as the newest, with the gravest severity it had; beyond the limit the oldest go."""
    old = alerts.get(alert_id)
    alerts[alert_id] = old if old and not is_graver(new.severity, old.severity) else new
    alerts.move_to_end(alert_id)
    if len(alerts) > at_most:
        alerts.popitem(last=False)
