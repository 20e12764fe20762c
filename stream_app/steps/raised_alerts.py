"""What the published alerts say of episodes: which of them a view has raised, and which are over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import get_args

from stream_app.records import Alert, ProductRule
from stream_app.steps.episodes import Mark
from stream_app.steps.fold import HOUR_MS

_RULES: frozenset[str] = frozenset(get_args(ProductRule))


class RaisedEpisodes:
    """Of each product and name of an episode the alert that was raised last, and whether it is over.

    Alerts come in any order, and may come repeatedly. Bounded by those that alarmed since the topic's beginning.
    """

    def __init__(self, alerts: Iterable[Alert] = ()) -> None:
        self._last: dict[str, dict[str, tuple[int, Mark, bool]]] = {}
        self._news: set[str] = set()
        for alert in alerts:
            self.note(alert)

    def note(self, alert: Alert) -> None:
        """Alerts of reviews are passed over, and what another producer wrote under an id that is none of ours."""
        is_over, begun = alert.rule == "recovered", _hour_of(alert.alert_id)
        if (alert.recovered_from if is_over else alert.rule) not in _RULES or begun is None:
            return
        last = alert.window.ends_ms // HOUR_MS - 1 if alert.window and alert.window.ends_ms else begun
        start = alert.window.begins_ms // HOUR_MS if alert.window and alert.window.begins_ms else begun
        of_product = self._last.setdefault(alert.product_id, {})
        raised_at_ms, held, was_over = of_product.get(alert.episode, (-1, None, False))
        if held is not None and held.begun == begun:
            is_over = is_over or was_over
            start, last = min(start, held.start), max(last, held.last)
        elif alert.raised_at_ms < raised_at_ms:
            return
        of_product[alert.episode] = max(alert.raised_at_ms, raised_at_ms), Mark(start, last, "raised", begun), is_over
        self._news.add(alert.product_id)

    def adopted(self, product_id: str, marks: Mapping[str, Mark]) -> dict[str, Mark]:
        """The marks of a view that was rebuilt, with what the alerts say: that an episode was raised, or is over."""
        after = dict(marks)
        for name, (_, raised, is_over) in self._last.get(product_id, {}).items():
            held = after.get(name)
            if is_over:
                is_newer = held is not None and held.start > raised.last
                was_known = held is not None and held.state == "over" and held.last >= raised.last
                if not is_newer and not was_known:  # guarantee: rebuilt-view-knows-what-is-over
                    after[name] = raised._replace(state="over")
            elif held is None or held.state != "raised":  # guarantee: rebuilt-view-knows-what-was-raised
                after[name] = raised
        return after

    def take_news(self) -> set[str]:
        """The products of which something was noted since the last call."""
        news, self._news = self._news, set()
        return news


def _hour_of(alert_id: str) -> int | None:
    """…|2026-05-01T12 -> the hour since 1970."""
    try:
        at = datetime.strptime(alert_id.rpartition("|")[2], "%Y-%m-%dT%H").replace(tzinfo=UTC)
    except ValueError:
        return None
    return round(at.timestamp()) * 1000 // HOUR_MS
