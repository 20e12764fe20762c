"""What the roles, the API and the commands need from the view in Redis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream_app.records import (
    Alert,
    Counts,
    EnrichedReview,
    Evidence,
    Handling,
    Mute,
    ProductRule,
    ProductSummary,
    ProductText,
    TextBasis,
    Themes,
)


@dataclass(frozen=True, slots=True)
class Applied:
    """What one apply did. ``outbox``: alerts still to be published (returned also for duplicates), oldest first."""

    changed: bool
    outbox: tuple[tuple[str, bytes], ...] = ()  # (alert_id, alert.v1 as JSON)


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of a product. ``raised``: alerts that were put into its outbox; ``outbox``: all that it holds, as
    in ``Applied``; ``suppressed``: rules that hold and do not alarm, and why.
    """

    product_id: str
    outbox: tuple[tuple[str, bytes], ...] = ()
    raised: tuple[Alert, ...] = ()
    suppressed: tuple[tuple[ProductRule, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DueProduct:
    """A claimed product: its summary is to be published, where ``text_is_due`` after a new text was made."""

    product_id: str
    text_is_due: bool


class SummaryReader(Protocol):
    """What readers need of the view in Redis. Every call raises StoreUnavailable when the server is away."""

    async def read(self, product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
        """Summaries as of ``now_ms``; None where the product is unknown. One round trip for all,
        and a second one for those that changed since they were read last."""
        ...

    async def product_ids(self, limit: int) -> list[str]:
        """Known products, the most recently changed first."""
        ...

    async def changed_since(self, place: tuple[int, str], limit: int) -> list[tuple[int, str]]:
        """(when something of it arrived last, in ms; product_id) of known products, in this order, behind ``place``.

        A product is entered with the time at which a process began to apply its reviews, by that process's clock: it
        may appear before a place that was already read.
        """
        ...

    async def recent_alerts(self, limit: int) -> list[Alert]:
        """Newest first."""
        ...

    async def days(self, product_id: str) -> dict[int, Counts] | None:
        """The counts of each UTC day (since 1970) that the view holds by day and that has reviews; None: unknown."""
        ...

    async def evidence(self, product_id: str) -> tuple[int, list[Evidence]]:
        """(how many events changed the product, what is kept of its newest reviews, newest first)."""
        ...

    async def handling(self, alerts: Sequence[Alert], now_ms: int) -> list[Handling]:
        """What people do about each of these alerts at ``now_ms``. One round trip."""
        ...


class AlertDesk(SummaryReader, Protocol):
    """What people do about recent alerts. Every call may be repeated, and changes nothing more then.

    It is of no generation of the view: a rebuild leaves it as it is.
    """

    async def recent_alert(self, alert_id: str) -> Alert | None:
        """The one of this id; None where it is not among the recent ones."""
        ...

    async def acknowledge(self, alert_id: str, by: str, note: str | None, now_ms: int) -> bool:
        """Note who takes care of it. An earlier acknowledgement stands, unless the alert is graver by now.

        False: it is not among the recent alerts.
        """
        ...

    async def unacknowledge(self, alert_id: str) -> bool:
        """Nobody takes care of it. False as above."""
        ...

    async def mute(self, alert_id: str, mute: Mute, now_ms: int) -> bool:
        """Mute alerts of this one's rule and product; a mute that stands is replaced. False as above."""
        ...

    async def unmute(self, alert_id: str) -> bool:
        """End that mute. False as above."""
        ...


class SummaryStore(AlertDesk, Protocol):
    """The rolling view in Redis. Every call raises StoreUnavailable when the server is away."""

    async def check(self) -> None:
        """Raises ConfigurationError when the server would forget (maxmemory-policy), StoreUnavailable when away."""
        ...

    async def apply(self, reviews: Sequence[EnrichedReview], now_ms: int) -> list[Applied]:
        """Apply each (identity, revision, enrichment_version) once, atomically; one pipeline for all of them.

        Also enters the products among the due ones, after the apply, for duplicates too: an event that was applied but
        not acknowledged comes again, and enters its product then.
        """
        ...

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
        """Whether the products of these reviews, which were applied just now, have turned bad or are well again.

        By their state alone; what is found is noted with its alert in one step, so each episode alarms once. Returned
        are the products of which something was noted. ``false_alarms``: accepted per product and month, of one rule.
        What is older than ``max_age_ms`` does not alarm. ``encode``: the alert as an outbox holds it.
        ``published``: alerts that are out, where the server may have forgotten their episodes.
        """
        ...

    async def clear_outbox(self, product_id: str, alert_ids: Sequence[str]) -> None:
        """These alerts were acknowledged by the broker."""
        ...

    async def claim_due(self, now_ms: int, texts: int, publications: int, lease_ms: int) -> list[DueProduct]:
        """Products that something is due of, by the rules of steps/due.py; each is ours until the lease ends.

        At most ``texts`` of those whose text is due, and ``publications`` of the others. Where more texts are due,
        those of them whose counts are to be published are among the others.
        """
        ...

    async def unfinished_claims(self, product_id: str) -> int:
        """How many claims in a row ended without ``finish_due``: their processes died."""
        ...

    async def text_basis(self, product_id: str) -> tuple[TextBasis, list[Evidence]]:
        """What a text is made of, to be handed to ``write_text``, and what is kept of the newest reviews, newest first.

        A review that is applied meanwhile may be among the latter alone, never among the former alone.
        """
        ...

    async def write_text(
        self,
        product_id: str,
        text: ProductText,
        revisions: dict[str, int],
        themes: Themes | None = None,
        basis: TextBasis | None = None,
    ) -> bool:
        """Write unless evidence it cites changed: ``revisions`` maps each cited review to the revision that was read.

        Reviews that arrived after ``basis`` was read count as new ones since the text; None: it was read just now.
        With it, in the same step, its ``themes``, without the places in reviews that changed; None: it has none.
        False: refused. In both cases the product is to be published, and stays ours until ``finish_due``.
        """
        ...

    async def finish_due(self, published: Mapping[str, int | None], now_ms: int) -> None:
        """Note which state version of each product products.summaries has now (None: the view does not know the product
        any more), and give our leases back. One is due again at once where its state has changed since, or where its
        text is still due. A lease that ended meanwhile is another process's, and stays; its product is due as well,
        since what we published may be older than what that process publishes.
        """
        ...

    async def give_back_due(self, due_at_ms: int) -> None:
        """Give back what we claimed and will not finish, as this process stops: due again then, and not counted as an
        unfinished claim.
        """
        ...

    async def revisions(self, product_id: str, review_ids: Sequence[str]) -> list[int | None]:
        """The revision that the view holds of each review (its deletion's too); None where it never saw one."""
        ...

    async def server_identity(self) -> str:
        """Changes when the server restarted or another one took over: what was applied shortly before may be gone.

        Raises ViewLost where the view's origin is gone, with all that was applied: nothing may be written, nor
        acknowledged of what was written since this was asked last.
        """
        ...

    async def note_progress(self, reached: Mapping[int, int], acknowledged: Mapping[int, int]) -> None:
        """Note, after an apply, how far each partition of the log is applied: its number → the offset behind the last
        event. ``acknowledged``: the same of what this process acknowledged.

        Raises ViewLost where the view holds less than was acknowledged: the server came back with older data. From then
        on the view counts as lost, for every process.
        """
        ...

    async def progress(self) -> dict[int, int]:
        """How far each partition of the log is applied, as it was noted."""
        ...

    async def record_alerts(self, alerts: Sequence[Alert]) -> list[bool]:
        """Keep them among the recent ones, each alert_id once: a graver one replaces the one that stands.

        For each: is it kept? False where another one of its id stands. One that comes again is kept, as it was.
        """
        ...

    async def newly_acknowledged(self, limit: int) -> list[tuple[str, Alert | None]]:
        """Ids of acknowledged alerts that were not announced to receivers, the earliest first, each with its alert;
        None where that is no longer among the recent ones.
        """
        ...

    async def note_announced(self, alert_ids: Sequence[str]) -> None:
        """The acknowledgements of these wait for the receivers that are to learn of them."""
        ...

    async def with_alert_words(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Add to recent alerts what they quote of their reviews, unless these were edited or deleted since."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
