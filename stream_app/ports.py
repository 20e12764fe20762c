"""What the roles need from outside, as protocols with their errors; adapters in models, kafka and store fulfil them.

    Unavailable            a server is away: retry with jitter, bounded
    ├─ StoreUnavailable    Redis or Valkey
    └─ BrokerUnavailable   Kafka
    OutOfDeviceMemory      a batch was too large for the device: halve the budget
    ConfigurationError     something a person must fix; the message states what to do
    └─ ViewLost            Redis has lost the view: nothing may be written until a rebuild has made it again

Any other exception is a bug: it is caught nowhere, the process ends, nothing is committed, Kafka redelivers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from stream_app.records import (
    Alert,
    Counts,
    EnrichedReview,
    Evidence,
    Explanation,
    Handling,
    Message,
    ModelName,
    Mute,
    NotExplained,
    Partition,
    ProductRule,
    ProductSummary,
    ProductText,
    RawRecord,
    Review,
    Themes,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Result = TypeVar("Result")


class Unavailable(Exception):
    """A dependency cannot be reached now."""


class StoreUnavailable(Unavailable):
    """Redis or Valkey cannot be reached, or refuses for now (loading, read-only, out of memory)."""


class BrokerUnavailable(Unavailable):
    """Kafka cannot be reached now."""


class OutOfDeviceMemory(Exception):
    """The batch did not fit on the device."""


class ConfigurationError(Exception):
    """A person must change something; the message states what."""


VIEW_WAS_LOST = "The view was lost, the log was not: run `stream-app rebuild`."
"""What the API and `product` report to operators; they see Redis alone."""


class ViewLost(ConfigurationError):
    """The view in Redis is gone although its log was read: what is applied now would be counted into an empty one."""

    def __init__(self) -> None:
        super().__init__("The view is empty, the log is not: run `stream-app rebuild`.")


# ---- models


class Tokens(Protocol):
    """One tokenized text."""

    @property
    def length(self) -> int: ...
    @property
    def truncated(self) -> bool: ...


class MicroBatchPlan(Protocol):
    """How a batch becomes micro-batches, by what differing lengths cost a model. Implemented in steps/batch_plan."""

    @property
    def packs(self) -> bool:
        """Are texts computed end to end, nothing padded, so that micro-batches are full?"""
        ...

    def cut(self, lengths: Sequence[int], micro_batch_tokens: int) -> list[list[int]]:
        """Indices of ``lengths`` (tokens per text, at least 1), each in exactly one micro-batch of
        at most ``micro_batch_tokens``; a longer text is alone.
        """
        ...

    def padding(self, lengths: Sequence[int]) -> float:
        """What a micro-batch of these lengths computes for nothing, in tokens."""
        ...


class TextModel(Protocol[Result]):
    """A model that answers one text with one result: a classifier (Scores) or a summarizer (str)."""

    @property
    def name(self) -> ModelName: ...
    @property
    def languages(self) -> frozenset[str] | None:
        """Languages it was trained for, as ISO 639-1 codes; None: any."""
        ...

    @property
    def plan(self) -> MicroBatchPlan:
        """Which texts it should compute together."""
        ...

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """One Tokens per text; may be called during ``run``."""
        ...

    def run(self, batch: Sequence[Tokens]) -> list[Result]:
        """Return one result per input in the same order. Raises OutOfDeviceMemory, or whatever the model raised."""
        ...

    def canary(self) -> bool:
        """Does a fixed text still give the answer it gave when the model was loaded? False: the device is broken."""
        ...


class Explainer(Protocol):
    """Says what a classifier answers to a review, and which of its words made the answer."""

    def explain(
        self, review: Review, *, words: bool, gives_up: Callable[[], bool] = lambda: False
    ) -> Explanation | NotExplained:
        """Only title, text and language of ``review`` are read. Blocks, with ``words`` for seconds. One call at a time.

        ``gives_up``: asked again and again, may be from another thread; once it is True the answer is ``too_slow``.
        """
        ...


class Embedder(Protocol):
    """Gives each sentence a vector, so that sentences that say the same are near to each other."""

    @property
    def languages(self) -> frozenset[str]:
        """Languages that it reads, as ISO 639-1 codes."""
        ...

    def embed(self, texts: Sequence[str], language: str) -> NDArray[np.float32]:
        """[texts, width]: vectors of length 1, comparable within a language; blocks. Any thread, one at a time.

        Raises ConfigurationError if what it needs for this language is gone or damaged.
        """
        ...


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """The model fails on this one text, while the canary passes."""

    reason: str
    detail: str


# ---- Kafka


@dataclass(slots=True, eq=False)
class InFlightRecord:
    """One input record in flight, with its partition and epoch, which give its place in the order."""

    record: RawRecord
    partition: Partition
    epoch: int


class Acks(Protocol):
    """Publishes the messages of in-flight records, in offset order per partition, and tracks what may be committed.

    Records of an older epoch (the partition was revoked since) are ignored by all calls.
    """

    def publish_early(self, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        """Publish at once, out of order (alerts). The record is acknowledged only after these are delivered too."""
        ...

    def finish(self, in_flight: InFlightRecord, messages: Sequence[Message]) -> None:
        """Finish a record. Its messages are published when every earlier record of the partition is finished."""
        ...

    def finish_all(self, finished: Iterable[tuple[InFlightRecord, Sequence[Message]]]) -> None:
        """As ``finish`` of each, and cheaper."""
        ...


class Publisher(Protocol):
    """Publishes with acks=all; a message that can't be delivered ends the process."""

    def publish(self, messages: Iterable[Message], on_delivered: Callable[[], None]) -> None:
        """``on_delivered`` is called on the event loop, once, after the broker acknowledged all of them."""
        ...


class AlertHistory(Protocol):
    """Reads the topic of alerts from a bounded distance back, and follows it, in a thread of its own."""

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    async def caught_up(self, patience_seconds: float) -> bool:
        """Wait until all that was published before the start is read. False: Kafka refused, or patience was spent."""
        ...

    async def reach_end(self, patience_seconds: float) -> bool:
        """Wait until all that was published before this call is read. False as above."""
        ...

    def stop(self) -> None:
        """End, and wait for it."""
        ...


class StreamRole(Protocol):
    """What a role implements for the Faust adapter. All methods run on the event loop but ``fetch_wait_ms``."""

    async def start(self, acks: Acks) -> None:
        """Load models, check the store. Called once before the first record; ready when it returns."""
        ...

    async def take(self, in_flight_records: list[InFlightRecord]) -> None:
        """The records of one poll, in offset order within each partition. The next poll waits for it to return."""
        ...

    def has_room(self) -> bool:
        """May more be fetched? Asked before each poll: cheap."""
        ...

    def fetch_wait_ms(self) -> int:
        """How long the broker may hold records back until there are many, as each poll has its price; 0: not at all.

        Asked before each request on the consumer's thread: cheap, and without locks that the loop may hold.
        """
        ...

    def drop_waiting(self, partitions: frozenset[Partition]) -> None:
        """The partitions are being taken away: forget what has not started; it is redelivered elsewhere."""
        ...

    async def finish_started(self, partitions: frozenset[Partition]) -> None:
        """Return when started work of these partitions is finished (``Acks.finish`` called). Bounded by the caller."""
        ...

    async def stop(self) -> None:
        """The process ends; release threads and connections."""
        ...


# ---- the view


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

        Whoever reads on behind the last one misses none that changes meanwhile, unless the clocks of the processes
        that apply reviews differ.
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
    ) -> list[Judged]:
        """Whether the products of these reviews, which were applied just now, have turned bad or are well again.

        By their state alone; what is found is noted with its alert in one step, so each episode alarms once. Returned
        are the products of which something was noted. ``false_alarms``: accepted per product and month, of one rule.
        What is older than ``max_age_ms`` does not alarm. ``encode``: the alert as an outbox holds it.
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

    async def write_text(
        self, product_id: str, text: ProductText, revisions: dict[str, int], themes: Themes | None = None
    ) -> bool:
        """Write unless evidence it cites changed: ``revisions`` maps each cited review to the revision that was read.

        With it, in the same step, its ``themes``, without the places in reviews that changed; None: it has none.
        False: refused. In both cases the product is to be published, and stays ours until ``finish_due``.
        """
        ...

    async def finish_due(self, published: Mapping[str, int | None], now_ms: int) -> None:
        """Note which state version of each product products.summaries has now (None: the view does not know the product
        any more), and give our leases back. One is due again at once where its state has changed since, or where its
        text is still due. A lease that ended meanwhile is another process's, and stays.
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


# ---- commands


class Progress(Protocol):
    """Shows how far a long command is."""

    def say(self, what: str) -> None:
        """Show a sentence."""
        ...

    def advanced(self, step: str, done: int, total: int) -> None:
        """Show the progress of a step."""
        ...
