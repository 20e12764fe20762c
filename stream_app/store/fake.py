"""ports.SummaryStore in memory, for tests: the same fold, the same rules, and a switch that makes it unreachable."""

from __future__ import annotations

from collections.abc import Sequence

from stream_app.ports import Applied, StoreUnavailable, ViewLost
from stream_app.records import Alert, EnrichedReview, Evidence, ProductSummary, ProductText
from stream_app.steps.alert_rules import is_graver
from stream_app.steps.fold import ProductState, cited_changed, summarize, text_due_at
from stream_app.store.keys import MAX_RECENT_ALERTS


class MemorySummaryStore:
    """One generation of the view. While ``away``, every call raises StoreUnavailable; what is held stays.

    ``lost``: the view's origin is gone.
    ``outboxes``: alerts that wait for publication, by product; put them there to test who publishes them.
    """

    def __init__(self, *, text_min_interval_ms: int = 60_000, generation: int = 1) -> None:
        self.away = False
        self.lost = False
        self.starts = 1
        self.outboxes: dict[str, dict[str, bytes]] = {}
        self._text_min_interval_ms = text_min_interval_ms
        self._generation = generation
        self._states: dict[str, ProductState] = {}
        self._arrived_at: dict[str, int] = {}
        self._due: dict[str, int] = {}
        self._leases: dict[str, int] = {}
        self._unfinished: dict[str, int] = {}
        self._alerts: dict[str, Alert] = {}

    async def check(self) -> None:
        self._reach()

    async def apply(self, reviews: Sequence[EnrichedReview], now_ms: int) -> list[Applied]:
        self._reach()
        results = []
        for review in reviews:
            product_id = review.product_id
            state = self._states.setdefault(product_id, ProductState(product_id))
            changed = state.apply(review)
            results.append(Applied(changed, tuple(self.outboxes.get(product_id, {}).items())))
            self._arrived_at[product_id] = now_ms
            self._due.setdefault(product_id, now_ms)
        return results

    async def clear_outbox(self, product_id: str, alert_ids: Sequence[str]) -> None:
        self._reach()
        for alert_id in alert_ids:
            self.outboxes.get(product_id, {}).pop(alert_id, None)

    async def read(self, product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
        self._reach()
        states = [self._states.get(product_id) for product_id in product_ids]
        return [summarize(state, now_ms, self._generation) if state else None for state in states]

    async def product_ids(self, limit: int) -> list[str]:
        self._reach()
        newest_first = sorted(self._arrived_at, key=lambda one: (self._arrived_at[one], one.encode()), reverse=True)
        return newest_first[:limit]

    async def claim_due(self, now_ms: int, limit: int, lease_ms: int) -> list[str]:
        self._reach()
        for product_id in [one for one, ends_at in self._leases.items() if ends_at <= now_ms]:
            del self._leases[product_id]
            self._due[product_id] = now_ms
            self._unfinished[product_id] = self._unfinished.get(product_id, 0) + 1
        claimed: list[str] = []
        for product_id in sorted(self._due, key=self._due.__getitem__):
            if self._due[product_id] > now_ms or product_id in self._leases or len(claimed) == limit:
                continue
            del self._due[product_id]
            due_at = self._text_due_at(product_id)
            if due_at is not None and due_at <= now_ms:
                self._leases[product_id] = now_ms + lease_ms
                claimed.append(product_id)
            elif due_at is not None:
                self._due[product_id] = due_at
        return claimed

    async def unfinished_claims(self, product_id: str) -> int:
        self._reach()
        return self._unfinished.get(product_id, 0)

    async def try_again(self, product_id: str) -> None:
        self._reach()
        if (ends_at := self._leases.pop(product_id, None)) is not None:
            self._due[product_id] = ends_at
            self._unfinished.pop(product_id, None)

    async def evidence(self, product_id: str) -> tuple[int, list[Evidence]]:
        self._reach()
        state = self._states.get(product_id, ProductState(product_id))
        return state.version, state.newest_sentences()

    async def write_text(self, product_id: str, text: ProductText, revisions: dict[str, int]) -> bool:
        self._reach()
        return self._states.get(product_id, ProductState(product_id)).write_text(text, revisions)

    async def not_due(self, product_id: str, version: int) -> None:
        self._reach()
        if self._leases.pop(product_id, None) is None:
            return
        self._unfinished.pop(product_id, None)
        if self._states[product_id].version != version:
            self._due[product_id] = 0

    async def revisions(self, product_id: str, review_ids: Sequence[str]) -> list[int | None]:
        self._reach()
        held = self._states.get(product_id, ProductState(product_id)).held
        return [held[review_id].revision if review_id in held else None for review_id in review_ids]

    async def incarnation(self) -> str:
        self._reach()
        if self.lost:
            raise ViewLost
        return str(self.starts)

    async def record_alerts(self, alerts: Sequence[Alert]) -> list[bool]:
        self._reach()
        answers = []
        for alert in alerts:
            held = self._alerts.get(alert.alert_id)
            if held is None or is_graver(alert.severity, held.severity):
                self._alerts[alert.alert_id] = alert
            answers.append(self._alerts[alert.alert_id] == alert)
        kept = sorted(self._alerts.values(), key=lambda one: (one.raised_at_ms, one.alert_id))[-MAX_RECENT_ALERTS:]
        self._alerts = {one.alert_id: one for one in kept}
        return answers

    async def recent_alerts(self, limit: int) -> list[Alert]:
        self._reach()
        return list(self._alerts.values())[::-1][:limit]

    async def close(self) -> None:
        return

    def _text_due_at(self, product_id: str) -> int | None:
        state = self._states[product_id]
        return text_due_at(state, cited_changed(state.cited, state.held), self._text_min_interval_ms)

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailable("the store in memory is switched off")
