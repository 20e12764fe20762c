"""A fake of ports.SummaryStore: the same fold and the same rules in memory, and a switch that makes it unreachable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from stream_app.ports import Applied, DueProduct, Judged, StoreUnavailable, ViewLost
from stream_app.records import (
    Alert,
    Counts,
    EnrichedReview,
    Evidence,
    ProductSummary,
    ProductText,
    TextBasis,
    Themes,
    changes_of,
)
from stream_app.steps.alert_rules import is_graver
from stream_app.steps.due import (
    latest_due_at,
    publication_due_at,
    publication_waits_for_no_text,
    text_due_at,
    unless_clock_was_ahead,
)
from stream_app.steps.fold import HOUR_MS, ProductState
from stream_app.steps.product_alert import alert_of, quoted
from stream_app.steps.product_alerts import SUPPRESSED, Marks, Policy, verdict
from stream_app.steps.product_summary import counts_of, day_tallies, summarize
from stream_app.steps.raised_alerts import RaisedEpisodes
from stream_app.store.keys import MAX_RECENT_ALERTS
from stream_app.testing.handling import MemoryAlertHandling


class MemorySummaryStore(MemoryAlertHandling):
    """One generation of the view. While ``away``, every call raises StoreUnavailable; what is held stays.

    ``lost``: the view's origin is gone.
    ``outboxes``: alerts that wait for publication, by product; put them there to test who publishes them.
    ``episodes``: of products that have turned bad.
    """

    def __init__(
        self,
        *,
        text_min_interval_ms: int = 60_000,
        publication_interval_ms: int = 50_000,
        generation: int = 1,
        flag_url: str = "",
    ) -> None:
        super().__init__(self._recent_alert)
        self.away = False
        self.lost = False
        self.starts = 1
        self.outboxes: dict[str, dict[str, bytes]] = {}
        self.episodes: dict[str, Marks] = {}
        self._text_min_interval_ms = text_min_interval_ms
        self._publication_interval_ms = publication_interval_ms
        self._generation = generation
        self._flag_url = flag_url
        self._states: dict[str, ProductState] = {}
        self._arrived_at: dict[str, int] = {}
        self._due: dict[str, int] = {}
        self._leases: dict[str, int] = {}
        self._unfinished: dict[str, int] = {}
        self._of_text: set[str] = set()
        self._progress: dict[int, int] = {}
        self._alerts: dict[str, Alert] = {}  # with their words, as long as the view holds no later revision

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
            stands_at = self._due.get(product_id, now_ms)
            self._due[product_id] = min(stands_at, now_ms)
        return results

    async def judge(
        self,
        reviews: Sequence[EnrichedReview],
        now_ms: int,
        *,
        false_alarms: float,
        max_age_ms: int,
        encode: Callable[[Alert], bytes],
        published: Sequence[Alert] = (),
    ) -> list[Judged]:
        self._reach()
        polled: dict[str, set[int]] = {}
        for review in reviews:
            polled.setdefault(review.product_id, set()).add(review.created_at_ms // HOUR_MS)
        found = []
        for product_id, hours in polled.items():
            state = self._states.get(product_id, ProductState(product_id))
            held = self.episodes.get(product_id, {})
            known = RaisedEpisodes(published).adopted(product_id, held)
            after, findings = verdict(state, known, hours, Policy(false_alarms, max_age_ms), now_ms)
            if after == held and not findings:
                continue
            self.episodes[product_id] = after
            evidence = state.newest_sentences()
            raised = [alert for one in findings if (alert := alert_of(one, state, evidence, now_ms)) is not None]
            outbox = self.outboxes.setdefault(product_id, {})
            for alert in raised:
                outbox.setdefault(alert.alert_id, encode(alert))
            suppressed = [(one.rule, one.outcome) for one in findings if one.outcome in SUPPRESSED]
            found.append(Judged(product_id, tuple(outbox.items()), tuple(raised), tuple(suppressed)))
        return found

    async def clear_outbox(self, product_id: str, alert_ids: Sequence[str]) -> None:
        self._reach()
        for alert_id in alert_ids:
            self.outboxes.get(product_id, {}).pop(alert_id, None)

    async def read(self, product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
        self._reach()
        states = [self._states.get(product_id) for product_id in product_ids]
        return [summarize(state, now_ms, self._generation, self._flag_url) if state else None for state in states]

    async def days(self, product_id: str) -> dict[int, Counts] | None:
        self._reach()
        state = self._states.get(product_id)
        if state is None:
            return None
        days = {day: counts_of(tally) for day, tally in day_tallies(state.buckets).items()}
        return {day: counts for day, counts in days.items() if counts.reviews}

    async def product_ids(self, limit: int) -> list[str]:
        self._reach()
        newest_first = sorted(self._arrived_at, key=lambda one: (self._arrived_at[one], one.encode()), reverse=True)
        return newest_first[:limit]

    async def changed_since(self, place: tuple[int, str], limit: int) -> list[tuple[int, str]]:
        self._reach()
        behind = place[0], place[1].encode()
        found = sorted((at, product_id.encode()) for product_id, at in self._arrived_at.items())
        return [(at, one.decode()) for at, one in found if (at, one) > behind][:limit]

    async def claim_due(self, now_ms: int, texts: int, publications: int, lease_ms: int) -> list[DueProduct]:
        self._reach()
        for product_id in [one for one, ends_at in self._leases.items() if not 0 < ends_at - now_ms <= 2 * lease_ms]:
            del self._leases[product_id]
            self._due[product_id] = now_ms
            self._unfinished[product_id] = self._unfinished.get(product_id, 0) + 1
        claimed: list[DueProduct] = []
        latest = latest_due_at(now_ms, self._text_min_interval_ms, self._publication_interval_ms)
        for product_id in [one for one, due_at in self._due.items() if due_at > latest]:
            self._due[product_id] = now_ms
        for product_id in sorted(self._due, key=self._due.__getitem__):
            if self._due[product_id] > now_ms or product_id in self._leases:
                continue
            del self._due[product_id]
            text_at, publication_at = self._due_times(product_id, now_ms)
            text_is_due = text_at is not None and text_at <= now_ms
            publishes_first = publications > 0 and publication_waits_for_no_text(self._states[product_id])
            if text_is_due and texts and not publishes_first:
                texts -= 1
            elif publication_at is not None and publication_at <= now_ms and publications:
                publications -= 1
                text_is_due = False
            else:
                self._enter_again(product_id, now_ms, now_ms)
                continue
            self._leases[product_id] = now_ms + lease_ms
            claimed.append(DueProduct(product_id, text_is_due))
            (self._of_text.add if text_is_due else self._of_text.discard)(product_id)
        return claimed

    async def unfinished_claims(self, product_id: str) -> int:
        self._reach()
        return self._unfinished.get(product_id, 0)

    async def evidence(self, product_id: str) -> tuple[int, list[Evidence]]:
        self._reach()
        state = self._states.get(product_id, ProductState(product_id))
        return state.version, state.newest_sentences()

    async def text_basis(self, product_id: str) -> tuple[TextBasis, list[Evidence]]:
        self._reach()
        state = self._states.get(product_id, ProductState(product_id))
        return state.basis(), state.newest_sentences()

    async def write_text(
        self,
        product_id: str,
        text: ProductText,
        revisions: dict[str, int],
        themes: Themes | None = None,
        basis: TextBasis | None = None,
    ) -> bool:
        self._reach()
        return self._states.get(product_id, ProductState(product_id)).write_text(text, revisions, themes, basis)

    async def finish_due(self, published: Mapping[str, int | None], now_ms: int) -> None:
        self._reach()
        for product_id, version in published.items():
            if version is not None and product_id in self._states:
                self._states[product_id].note_published(changes_of(version), now_ms)
            if self._leases.pop(product_id, None) is not None and product_id in self._of_text:
                self._unfinished.pop(product_id, None)
            if product_id in self._states:
                self._enter_again(product_id, 0, now_ms)

    async def give_back_due(self, due_at_ms: int) -> None:
        self._reach()
        for product_id in list(self._leases):
            del self._leases[product_id]
            self._due[product_id] = min(due_at_ms, self._due.get(product_id, due_at_ms))

    async def revisions(self, product_id: str, review_ids: Sequence[str]) -> list[int | None]:
        self._reach()
        held = self._states.get(product_id, ProductState(product_id)).held
        return [held[review_id].revision if review_id in held else None for review_id in review_ids]

    async def server_identity(self) -> str:
        self._reach()
        if self.lost:
            raise ViewLost
        return str(self.starts)

    async def note_progress(self, reached: Mapping[int, int], acknowledged: Mapping[int, int]) -> None:
        self._reach()
        if any(self._progress.get(number, 0) < acknowledged.get(number, 0) for number in reached):
            self.lost = True
            raise ViewLost
        self._progress |= {number: max(at, self._progress.get(number, 0)) for number, at in reached.items()}

    async def progress(self) -> dict[int, int]:
        self._reach()
        return dict(self._progress)

    async def record_alerts(self, alerts: Sequence[Alert]) -> list[bool]:
        self._reach()
        answers = []
        for alert in alerts:
            held = self._alerts.get(alert.alert_id)
            if held is None or is_graver(alert.severity, held.severity):
                self._alerts[alert.alert_id] = alert
            kept = self._alerts[alert.alert_id]
            answers.append((kept.severity, kept.raised_at_ms) == (alert.severity, alert.raised_at_ms))
        newest = sorted(self._alerts.values(), key=lambda one: (one.raised_at_ms, one.alert_id))[-MAX_RECENT_ALERTS:]
        self._alerts = {one.alert_id: one for one in newest}
        return answers

    async def recent_alerts(self, limit: int) -> list[Alert]:
        self._reach()
        return [self._without_old_words(alert) for alert in self._alerts.values()][::-1][:limit]

    async def with_alert_words(self, alerts: Sequence[Alert]) -> list[Alert]:
        self._reach()
        kept = {(one.product_id, one.review_id, one.revision): one for one in self._alerts.values()}
        return [self._with_words_of(alert, kept) for alert in alerts]

    async def close(self) -> None:
        return

    def _recent_alert(self, alert_id: str) -> Alert | None:
        self._reach()
        alert = self._alerts.get(alert_id)
        return None if alert is None else self._without_old_words(alert)

    def _with_words_of(self, alert: Alert, kept: Mapping[tuple[str, str | None, int | None], Alert]) -> Alert:
        quoting = kept.get((alert.product_id, alert.review_id, alert.revision))
        if alert.review_id is None:
            return self._without_old_words(alert)
        if quoting is None:
            return alert
        quoting = self._without_old_words(quoting)
        return replace(alert, sentence=quoting.sentence, safety_words=quoting.safety_words)

    def _due_times(self, product_id: str, now_ms: int) -> tuple[int | None, int | None]:
        """When its text is to be made, and when its summary is to be published."""
        state, text_ms, publication_ms = (
            self._states[product_id],
            self._text_min_interval_ms,
            self._publication_interval_ms,
        )
        return (
            unless_clock_was_ahead(text_due_at(state, text_ms), text_ms, now_ms),
            unless_clock_was_ahead(publication_due_at(state, publication_ms), publication_ms, now_ms),
        )

    def _enter_again(self, product_id: str, not_before_ms: int, now_ms: int) -> None:
        times = [at for at in self._due_times(product_id, now_ms) if at is not None]
        if times:
            due_at = max(min(times), not_before_ms)
            self._due[product_id] = min(self._due.get(product_id, due_at), due_at)

    def _without_old_words(self, alert: Alert) -> Alert:
        state = self._states.get(alert.product_id)
        sentences = state.sentences if state else {}
        quotes = []
        for one in alert.quotes:
            held_now = sentences.get(one.review_id)
            is_same = held_now is not None and held_now.revision == one.revision
            quotes.append(
                replace(one, sentence=quoted(held_now, alert.rule, alert.aspect) if held_now and is_same else None)
            )
        alert = replace(alert, quotes=tuple(quotes))
        held = state.held.get(alert.review_id) if state and alert.review_id else None
        if held is None or (held.revision, held.deleted) <= (alert.revision or 0, 0):
            return alert
        return replace(alert, sentence=None, safety_words=())

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailable("the store in memory is switched off")
