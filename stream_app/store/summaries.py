"""ports.SummaryStore on Redis or Valkey: the view of one generation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from stream_app.ports import Applied, DueProduct, Judged, ViewLost
from stream_app.records import (
    Alert,
    Counts,
    EnrichedReview,
    Evidence,
    Handling,
    Mute,
    ProductSummary,
    ProductText,
    TextBasis,
    Themes,
)
from stream_app.settings import ViewSettings
from stream_app.steps import fold
from stream_app.steps.hazards import MAX_HAZARDS, speaks_of_hazard
from stream_app.steps.product_alerts import Policy
from stream_app.steps.product_summary import counts_of
from stream_app.steps.raised_alerts import RaisedEpisodes
from stream_app.store import alert_packing, packing
from stream_app.store.changed_since import changed_since
from stream_app.store.due import DueProducts, Intervals
from stream_app.store.episodes import Episodes
from stream_app.store.handling import AlertHandling
from stream_app.store.keys import ORIGIN, Keys
from stream_app.store.reads import SummaryReads
from stream_app.store.recent import RecentAlerts
from stream_app.store.scripts import APPLY, NOTE_PROGRESS, SCRIPTS, WRITE_TEXT
from stream_app.store.server import Command, Server
from stream_app.store.theme_packing import pack_themes
from stream_app.store.windows import day_tallies


class RedisSummaryStore:
    """See ports.SummaryStore. Every script touches the keys of one product (or one shard), so a cluster serves as well.

    Every call raises StoreUnavailable when the server is away, and may then simply be made again.
    """

    def __init__(
        self, server: Server, keys: Keys, intervals: Intervals, flag_url: str = "", reuse_seconds: float = 0.0
    ) -> None:
        """``reuse_seconds``: see SummaryReads."""
        self._server = server
        self._keys = keys
        self._reads = SummaryReads(server, self._keys, flag_url, reuse_seconds)
        self._due = DueProducts(server, self._keys, intervals)
        self._alerts = RecentAlerts(server, self._keys)
        self._handling = AlertHandling(server, self._keys)
        self._episodes = Episodes(server, self._keys)

    @classmethod
    def from_settings(cls, settings: ViewSettings) -> Self:
        """Connects at the first call. Raises ConfigurationError when the URL is not one.

        ``settings.generation`` must name one: a writer that changed its view on the way would mix two logs' offsets.
        """
        return cls(
            Server.from_settings(settings, SCRIPTS),
            Keys.of(settings),
            Intervals(
                text_ms=round(settings.text_min_interval_seconds * 1000),
                publication_ms=round(settings.summary_interval_seconds * 1000),
                durable_ms=round(settings.redis_settle_seconds * 1000),
            ),
            settings.flag_url,
        )

    async def check(self) -> None:
        await self._server.check()

    async def apply(self, reviews: Sequence[EnrichedReview], now_ms: int) -> list[Applied]:
        """Order of things:

        1. every event is applied
        2. the products are entered among the known and the due ones, duplicates' too

        Entered after the apply, so that the process that claims the product sees what was applied; a crash in between
        loses no due product, because the event is not acknowledged and comes again.
        """
        replies = await self._server.run([apply_command(self._keys, review) for review in reviews])
        product_ids = sorted({review.product_id for review in reviews})  # guarantee: duplicates-are-due-too
        known = [part for product_id in product_ids for part in (now_ms, product_id)]
        if known:
            await self._server.run([("ZADD", self._keys.products, *known), *self._due.entries(product_ids, now_ms)])
        return [applied_of(reply) for reply in replies]

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
        raised_episodes = RaisedEpisodes(published)
        return await self._episodes.judge(reviews, Policy(false_alarms, max_age_ms), encode, now_ms, raised_episodes)

    async def clear_outbox(self, product_id: str, alert_ids: Sequence[str]) -> None:
        if alert_ids:
            await self._server.run([("HDEL", self._keys.product(product_id).outbox, *alert_ids)])

    async def read(self, product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
        return await self._reads.read(product_ids, now_ms)

    async def days(self, product_id: str) -> dict[int, Counts] | None:
        [fields] = await self._server.run([("HGETALL", self._keys.product(product_id).state)])
        if not fields:
            return None
        days = day_tallies(packing.split_days(fields)[0])
        return {day: counts for day, tally in days.items() if (counts := counts_of(tally)).reviews}

    async def product_ids(self, limit: int) -> list[str]:
        [found] = await self._server.run([("ZREVRANGE", self._keys.products, 0, limit - 1)])
        return _decoded(found)

    async def changed_since(self, place: tuple[int, str], limit: int) -> list[tuple[int, str]]:
        return await changed_since(self._server, self._keys, place, limit)

    async def claim_due(self, now_ms: int, texts: int, publications: int, lease_ms: int) -> list[DueProduct]:
        return await self._due.claim(now_ms, texts, publications, lease_ms)

    async def evidence(self, product_id: str) -> tuple[int, list[Evidence]]:
        """The version is read first: what is applied in between makes it look older than the sentences, never newer."""
        keys = self._keys.product(product_id)
        version, packed = await self._server.run([("HGET", keys.state, "version"), ("HVALS", keys.sentences)])
        return int(version or 0), fold.newest_first(map(packing.unpack_evidence, packed))

    async def text_basis(self, product_id: str) -> tuple[TextBasis, list[Evidence]]:
        """The state is read first: what is applied in between counts as come since the text, even if it is in it."""
        keys = self._keys.product(product_id)
        state = ("HMGET", keys.state, "arrived", "totals")
        (arrived, totals), packed = await self._server.run([state, ("HVALS", keys.sentences)])
        basis = TextBasis(int(arrived or 0), packing.unpack_tally(totals))
        return basis, fold.newest_first(map(packing.unpack_evidence, packed))

    async def write_text(
        self,
        product_id: str,
        text: ProductText,
        revisions: dict[str, int],
        themes: Themes | None = None,
        basis: TextBasis | None = None,
    ) -> bool:
        themes = themes or Themes(0, text.made_at_ms, ())
        arrived, totals = (basis.arrived, basis.totals) if basis else (None, None)
        command = write_text_command(self._keys, product_id, text, revisions, themes, totals, arrived)
        [written] = await self._server.run([command])
        return bool(written)

    async def finish_due(self, published: Mapping[str, int | None], now_ms: int) -> None:
        await self._due.finish(published, now_ms)

    async def give_back_due(self, due_at_ms: int) -> None:
        await self._due.give_back(due_at_ms)

    async def unfinished_claims(self, product_id: str) -> int:
        return await self._due.unfinished(product_id)

    async def revisions(self, product_id: str, review_ids: Sequence[str]) -> list[int | None]:
        return [state and state[0] for state in await self.states(product_id, review_ids)]

    async def states(self, product_id: str, review_ids: Sequence[str]) -> list[tuple[int, int, int] | None]:
        """(revision, deleted, enrichment_version) that the view holds of each review; None where it never saw one."""
        if not review_ids:
            return []
        [held] = await self._server.run([("HMGET", self._keys.product(product_id).reviews, *review_ids)])
        contributions = (packing.unpack_contribution(packed) if packed else None for packed in held)
        return [one and (one.revision, one.deleted, one.enrichment_version) for one in contributions]

    async def server_identity(self) -> str:
        origin = ("HEXISTS", self._keys.namespace.generations, f"{ORIGIN}{self._keys.generation}")
        server_identity, [is_there] = await self._server.server_identity(along_with=[origin])
        if not is_there:  # guarantee: lost-view-is-seen
            raise ViewLost
        return server_identity

    async def note_progress(self, reached: Mapping[int, int], acknowledged: Mapping[int, int]) -> None:
        parts = [part for number, at in reached.items() for part in (number, acknowledged.get(number, 0), at)]
        [noted] = await self._server.run([NOTE_PROGRESS.call((self._keys.progress,), parts)])
        if not noted:
            await self.disown()
            raise ViewLost

    async def disown(self) -> None:
        """The view lost a part of what was applied to it: from now on it counts as lost as a whole."""
        generations = self._keys.namespace.generations
        origin = f"{ORIGIN}{self._keys.generation}"
        await self._server.run([("HDEL", generations, origin), ("HSET", generations, "lost", 1)])

    async def progress(self) -> dict[int, int]:
        [held] = await self._server.run([("HGETALL", self._keys.progress)])
        return {int(number): int(at) for number, at in held.items()}

    async def record_alerts(self, alerts: Sequence[Alert]) -> list[bool]:
        return await self._alerts.record(alerts)

    async def recent_alerts(self, limit: int) -> list[Alert]:
        return await self._alerts.newest(limit)

    async def with_alert_words(self, alerts: Sequence[Alert]) -> list[Alert]:
        return await self._alerts.with_words(alerts)

    async def recent_alert(self, alert_id: str) -> Alert | None:
        return await self._alerts.one(alert_id)

    async def handling(self, alerts: Sequence[Alert], now_ms: int) -> list[Handling]:
        return await self._handling.of(alerts, now_ms)

    async def acknowledge(self, alert_id: str, by: str, note: str | None, now_ms: int) -> bool:
        return await self._handling.acknowledge(alert_id, by, note, now_ms)

    async def unacknowledge(self, alert_id: str) -> bool:
        return await self._handling.unacknowledge(alert_id)

    async def newly_acknowledged(self, limit: int) -> list[tuple[str, Alert | None]]:
        return await self._handling.newly_acknowledged(limit)

    async def note_announced(self, alert_ids: Sequence[str]) -> None:
        await self._handling.note_announced(alert_ids)

    async def mute(self, alert_id: str, mute: Mute, now_ms: int) -> bool:
        return await self._handling.mute(alert_id, mute, now_ms)

    async def unmute(self, alert_id: str) -> bool:
        return await self._handling.unmute(alert_id)

    async def close(self) -> None:
        self._reads.close()
        await self._server.close()


def apply_command(keys: Keys, review: EnrichedReview, alert_id: str = "", alert: bytes = b"") -> Command:
    """The script call that applies one event; ``alert`` (alert.v1 as JSON) enters the outbox if it changes anything."""
    contribution = fold.contribution_of(review)
    arguments = (
        review.review_id,
        packing.pack_contribution(contribution),
        review.created_at_ms,
        fold.oldest_day_kept(review.created_at_ms),
        packing.pack_evidence(fold.sentence_of(review)),
        fold.MAX_SENTENCES,
        alert_id,
        alert,
        packing.pack_said(contribution.said),
        MAX_HAZARDS if speaks_of_hazard(review) else "",
        "1" if contribution.mismatch else "",
    )
    return APPLY.call(keys.product(review.product_id), arguments)


def write_text_command(
    keys: Keys,
    product_id: str,
    text: ProductText,
    revisions: Mapping[str, int],
    themes: Themes | None,
    totals_then: fold.Tally | None = None,
    arrived_then: int | None = None,
    since_then: int = 0,
) -> Command:
    """The script call that writes a text. ``totals_then``: of the reviews when it was made, if not just now;
    ``arrived_then``: how many had arrived, None if that is not known: then ``since_then`` of those totals came later.

    ``themes``: None leaves those that are there.
    """
    product = keys.product(product_id)
    pairs = [part for pair in revisions.items() for part in pair]
    then = "" if totals_then is None else packing.pack_integers(totals_then)
    first, lines = pack_themes(themes) if themes else ("", [])
    made_at = themes.made_at_ms if themes else ""
    places = [part for line in lines for part in line]
    arrived = "" if arrived_then is None else arrived_then
    of_text = (packing.pack_text(text), text.made_at_ms, then, arrived, since_then)
    arguments = (*of_text, first, made_at, len(lines), *places, *pairs)
    return WRITE_TEXT.call((product.state, product.reviews), arguments)


def applied_of(reply: list[Any]) -> Applied:
    """What the script of ``apply_command`` answered."""
    changed, *outbox = reply
    return Applied(bool(changed), alert_packing.unpack_outbox(outbox))


def _decoded(texts: Iterable[bytes]) -> list[str]:
    return [text.decode() for text in texts]
