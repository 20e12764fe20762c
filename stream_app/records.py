"""The values that travel: records of Kafka, the models' answers, messages, and the state in Redis.

Times are integers, milliseconds since 1970 in UTC (``*_ms``); only ``contract`` turns them into RFC 3339 and back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple, TypeVar, dataclass_transform
from urllib.parse import quote

Kind = Literal["created", "edited", "deleted"]
Label = Literal["negative", "neutral", "positive"]
SummaryMethod = Literal["abstractive", "extractive", "own_text", "none"]
ProductRule = Literal["negative_spike", "rating_drop", "safety_cluster"]
Rule = Literal["negative_review", "safety", ProductRule, "recovered"]
Reason = Literal["sentiment", "stars", "terms", "hazard", "ended", "withdrawn"]
Severity = Literal["info", "warning", "critical"]

LABELS: tuple[Label, Label, Label] = ("negative", "neutral", "positive")
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
RAISED_SEVERITIES: dict[ProductRule, Severity] = {
    "negative_spike": "warning",
    "rating_drop": "warning",
    "safety_cluster": "critical",
}

RATING_MISMATCH = "rating_mismatch"
"""The flag of an enriched review whose words are surely against its stars."""

FINAL_REVISION = 2**53 - 1
"""The revision of a deletion that names none: nothing can follow it. Also JSON's largest safe integer."""


EARLIEST_MS = 946_684_800_000
"""2000-01-01T00:00:00Z. No review is older: an earlier time comes of a clock that was never set."""

MAX_AHEAD_MS = 24 * 3_600_000
"""A record's timestamp that is further ahead of the reader's clock than a day is not used."""


_Value = TypeVar("_Value")


@dataclass_transform(frozen_default=True)
def value(of: type[_Value]) -> type[_Value]:
    """A dataclass that is not changed. The type checker ensures it: ``frozen=True`` would make it three times slower
    to construct, and every review is several values.
    """
    return dataclass(slots=True, unsafe_hash=True)(of)


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int


class Position(NamedTuple):
    """Where an enriched review came from: the input record."""

    topic: str
    partition: int
    offset: int


class EscapedName(str):
    """A header's name that is not UTF-8, with such bytes as ``\\xff``. ``sent``: its bytes as they were sent."""

    __slots__ = ("sent",)
    sent: bytes

    def __new__(cls, sent: bytes) -> EscapedName:
        name = super().__new__(cls, sent.decode("utf-8", "backslashreplace"))
        name.sent = sent
        return name


class RawRecord(NamedTuple):
    """A record as the broker gave it: bytes untouched. A header's name that is not UTF-8 is an EscapedName."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    def plausible_timestamp_ms(self, now_ms: int) -> int | None:
        """The record's timestamp where it can be true: since EARLIEST_MS, at most MAX_AHEAD_MS after ``now_ms``.

        None otherwise: a producer may send any 64-bit number, and -1 stands for none.
        """
        # guarantee: wild-clock-rejects-nothing-less
        return self.timestamp_ms if EARLIEST_MS <= self.timestamp_ms <= now_ms + MAX_AHEAD_MS else None


class UnopenedBatch(RawRecord):
    """Stands for all records of a batch that would take too much memory; ``offset`` is that of the last one. It has
    neither key nor value.
    """

    __slots__ = ()


class Message(NamedTuple):
    """A record to be published. A None value is a tombstone (compacted topics)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


_HEADER_BYTES = 10  # of the lengths of a header's name and value, as librdkafka counts them
_RECORD_BYTES = 36  # of a record's own fields, at most


def size_of(message: Message | RawRecord) -> int:
    """Bytes of a record as librdkafka counts them against ``message.max.bytes``: key, value, headers, and what Kafka
    writes around each. Never less than what the record takes in an uncompressed batch.
    """
    size = _RECORD_BYTES + len(message.key or b"") + len(message.value or b"")
    for name, value in message.headers:  # a loop: three times as fast as a sum, and every message passes here
        # a shop may send null headers
        # guarantee: sizes-as-librdkafka-counts
        size += (len(name) if name.isascii() else len(name.encode())) + len(value or b"") + _HEADER_BYTES
    return size


_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch  # what ids are mostly made of


def percent_encoded(identity: str) -> str:
    """``identity`` as a part of a larger id or key: all but the unreserved characters of RFC 3986 are encoded."""
    return identity if _UNRESERVED(identity) else _quoted(identity)


@lru_cache(maxsize=4096)  # a product has many reviews
def _quoted(identity: str) -> str:
    return quote(identity, safe="")


@value
class Review:
    """An accepted review.v1. Identity is (product_id, review_id); a larger revision replaces a smaller one."""

    product_id: str
    review_id: str
    revision: int
    kind: Kind
    created_at_ms: int
    updated_at_ms: int | None = None
    rating: int | None = None
    title: str | None = None
    text: str = ""
    language: str | None = None


@value
class Rejected:
    """A record that cannot be processed: it is published to the dead letter topic with its original bytes."""

    record: RawRecord
    reason: str
    detail: str


@value
class ModelName:
    """Which model answered. ``revision`` identifies the weights."""

    name: str
    revision: str


@value
class SentenceScores:
    """The classifier's answer for a sentence, ``text[start:end]`` of what it read, in Unicode code points.

    ``probabilities``: of LABELS; None by a classifier that learned hazards alone. ``hazard``: the probability that
    someone was or could have been hurt. ``aspects``: ids of what it speaks of.
    """

    start: int
    end: int
    probabilities: tuple[float, float, float] | None
    hazard: float
    aspects: tuple[str, ...] = ()


@value
class Scores:
    """The classifier's answer for one text: probabilities that sum to 1, and whether it read only the beginning.

    ``sentences``: those that it read, in order; none by a classifier that judges whole texts alone.
    """

    negative: float
    neutral: float
    positive: float
    truncated: bool = False
    sentences: tuple[SentenceScores, ...] = ()


@value
class Sentiment:
    """Label of the largest probability, that probability, and all of them (4 decimals), in the order of LABELS."""

    label: Label
    confidence: float
    scores: tuple[float, float, float]


@value
class WordWeight:
    """What a word, ``text[start:end]`` of what a classifier read, adds to the log-odds of its label.

    Negative: it takes from them. Unicode code points.
    """

    start: int
    end: int
    weight: float


@value
class WordWeights:
    """What every word adds to the log-odds of the label, ln(P / (1 - P)), in the order of the text.

    Those of the text are ``with_words``, those of the same number of blanks ``without_words``. The weights sum to the
    difference but for ``error``, which is negligible where ``complete``.
    """

    words: tuple[WordWeight, ...]
    with_words: float
    without_words: float
    error: float
    complete: bool


@value
class Explanation:
    """What a classifier says of a review, and why. ``text``: what it read, ``text[text_start:]`` without the title.

    ``flags`` and ``safety_words``: as of an enriched review. ``words``: None where nobody asked.
    """

    text: str
    text_start: int
    language: str
    model: ModelName
    sentiment: Sentiment
    truncated: bool
    sentences: tuple[SentenceScores, ...]
    flags: tuple[str, ...]
    safety_words: tuple[str, ...]
    words: WordWeights | None = None


@value
class NotExplained:
    """Why there is no explanation, and what to do. ``reason``: a reject reason, unsupported_language or too_slow."""

    reason: str
    detail: str
    next_step: str


@value
class Span:
    """A piece of the enriched review's text: ``text[start:end]``, in Unicode code points."""

    start: int
    end: int


@value
class Opinion:
    """A sentence of an enriched review that tells something: its label with the probability, what it speaks of.

    ``aspects``: ids. ``hazard``: it says that someone was or could have been hurt.
    """

    span: Span
    label: Label
    confidence: float
    aspects: tuple[str, ...] = ()
    hazard: bool = False


@value
class EnrichedReview:
    """enriched-review.v1: the review, cleaned and masked, with the models' answers. A deletion has no text.

    ``opinions``: in the order of the text; None: its sentences were not judged.
    """

    kind: Kind
    product_id: str
    review_id: str
    revision: int
    enrichment_version: int
    created_at_ms: int
    enriched_at_ms: int
    input: Position
    updated_at_ms: int | None = None
    rating: int | None = None
    title: str | None = None
    text: str | None = None
    language: str | None = None
    truncated: bool = False
    sentiment: Sentiment | None = None
    sentiment_missing: str | None = None
    summary: str | None = None
    summary_method: SummaryMethod = "none"
    key_sentence: Span | None = None
    opinions: tuple[Opinion, ...] | None = None
    flags: tuple[str, ...] = ()
    safety_words: tuple[str, ...] = ()
    sentiment_model: ModelName | None = None
    summary_model: ModelName | None = None


@value
class BadShare:
    """How many of a product's reviews are bad. The times: of the first hour counted and behind the last one."""

    reviews: int
    bad: int
    begins_ms: int | None = None
    ends_ms: int | None = None


@value
class AlertQuote:
    """A sentence of a review; None where it may not be quoted any more."""

    review_id: str
    revision: int
    rating: int | None
    sentence: str | None


@value
class Alert:
    """alert.v1: something turned bad (or well again), and why. ``alert_id`` is deterministic, and the same at any
    severity.

    Of a product: ``window`` has turned bad, compared with ``baseline``; ``quotes`` of its reviews; ``recovered_from``:
    by which rule it had alarmed that is well again; ``aspect``: whose spike it is, or which explains the product's.
    """

    alert_id: str
    rule: Rule
    severity: Severity
    product_id: str
    created_at_ms: int
    raised_at_ms: int
    review_id: str | None = None
    revision: int | None = None
    rating: int | None = None
    p_negative: float | None = None
    sentence: str | None = None
    safety_words: tuple[str, ...] = ()
    reason: Reason | None = None
    window: BadShare | None = None
    baseline: BadShare | None = None
    quotes: tuple[AlertQuote, ...] = ()
    recovered_from: ProductRule | None = None
    aspect: str | None = None

    @property
    def episode(self) -> str:
        """Of a product: what it is about, ``negative_spike`` or, of an aspect alone, ``negative_spike:quality``."""
        parts = self.alert_id.split("|")
        return parts[0] if self.rule != "recovered" else parts[2] if len(parts) > 2 else ""


@value
class Acknowledgement:
    """Who takes care of an alert, since when. ``severity``: the one that it had then."""

    by: str
    at_ms: int
    note: str | None
    severity: Severity


@value
class Mute:
    """Who wants no deliveries of a rule about a product, and until when."""

    by: str
    at_ms: int
    until_ms: int
    note: str | None = None


@value
class Handling:
    """What people do about an alert now: None is nothing."""

    acknowledged: Acknowledgement | None = None
    muted: Mute | None = None


@value
class Counts:
    """What a window of time holds. ``unknown``: without a sentiment. ``stars``: how many of 1, 2, 3, 4, 5."""

    reviews: int = 0
    negative: int = 0
    neutral: int = 0
    positive: int = 0
    unknown: int = 0
    stars: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    p_negative_sum: int = 0  # probability x 10,000, summed: integers, so that order never matters

    @property
    def mean_rating(self) -> float | None:
        """Mean of the stars given (1 to 5), None when there are none."""
        rated = sum(self.stars)
        return sum(star * n for star, n in enumerate(self.stars, start=1)) / rated if rated else None

    @property
    def net_sentiment(self) -> float | None:
        """(positive - negative) / reviews with a sentiment: -1 to 1, None without any."""
        judged = self.negative + self.neutral + self.positive
        return (self.positive - self.negative) / judged if judged else None


class Mention(NamedTuple):
    """A kept sentence with an opinion: ``sentence[start:end]`` of its Evidence, its label, and ids of its aspects.

    ``begins``: where it begins in the text of the enriched review; None in what was kept before that was noted.
    """

    start: int
    end: int
    label: Label
    aspects: tuple[str, ...]
    begins: int | None = None


@value
class Evidence:
    """What the view keeps of a review's text: what a product's text, and its aspects, may quote.

    ``sentence``: its first sentences and its key sentence, one a line (steps/kept_sentences). ``language``: None in
    what was kept before it was noted; so are ``mentions`` empty. ``key``: where the key sentence stands in it.
    """

    review_id: str
    revision: int
    created_at_ms: int
    label: Label | None
    p_negative: int  # x 10,000
    rating: int | None
    sentence: str
    language: str | None = None
    mentions: tuple[Mention, ...] = ()
    key: tuple[int, int] | None = None


class Place(NamedTuple):
    """A sentence of a review, by where it begins in the text of the enriched review."""

    review_id: str
    revision: int
    begins: int


@value
class Theme:
    """Sentences of different reviews that say the same, all of one label.

    ``aspect``: what most of them speak of. ``places``: one per review; the first is quoted, then those nearest to it.
    """

    label: Label
    aspect: str | None
    places: tuple[Place, ...]


@value
class Themes:
    """What people praise and what they complain of, in places instead of words. ``read``: of how many reviews."""

    read: int
    made_at_ms: int
    themes: tuple[Theme, ...]


@value
class ProductText:
    """Headline and text of a product, with the reviews that it rests on and how it was made."""

    headline: str
    text: str
    method: SummaryMethod
    evidence: tuple[str, ...]  # review ids
    model: ModelName | None
    made_at_ms: int


STATE_VERSIONS_PER_GENERATION = 2**32
"""More changes than a product has in one generation; 2^21 generations leave state_version a safe integer of JSON."""


def state_version_of(generation: int, changes: int) -> int:
    """The published ``state_version`` after ``changes`` of a product in this generation of the view.

    A rebuild counts from 0 again, usually fewer changes: with the generation in front it never falls.
    """
    return generation * STATE_VERSIONS_PER_GENERATION + changes  # guarantee: state-version-never-falls


def changes_of(state_version: int) -> int:
    """How many changes of the product within its generation a published ``state_version`` names."""
    return state_version % STATE_VERSIONS_PER_GENERATION


@value
class AspectCounts:
    """How many reviews mention an aspect, how many criticize and how many praise it; some do both, some neither."""

    mentions: int = 0
    negative: int = 0
    positive: int = 0

    @property
    def net(self) -> float | None:
        """(positive - negative) / mentions: -1 to 1, None without any."""
        return (self.positive - self.negative) / self.mentions if self.mentions else None


@value
class Quote:
    """A sentence of a standing review, in its own words."""

    review_id: str
    revision: int
    label: Label
    text: str


@value
class AspectSummary:
    """What reviews say of one aspect. Keys of ``windows``: 30d (the current UTC day and the 30 before it), all."""

    windows: dict[str, AspectCounts]
    quote: Quote | None


@value
class PlacedQuote:
    """A sentence of a standing review in its own words: ``[start:end]`` of the text of the enriched review."""

    review_id: str
    revision: int
    start: int
    end: int
    text: str


@value
class Highlight:
    """What ``reviews`` reviews say. ``evidence``: ids of these, at most 20, the quoted one first."""

    reviews: int
    aspect: str | None
    quote: PlacedQuote
    evidence: tuple[str, ...]


@value
class Highlights:
    """What people praise and complain of, most reviews first. ``read``: of how many reviews, when it was made."""

    read: int
    made_at_ms: int
    praise: tuple[Highlight, ...]
    complaints: tuple[Highlight, ...]


Change = Literal["better", "worse", "none", "too_few"]


@value
class Comparison:
    """A number of the last 7 days against that of the 28 before; None: of no reviews.

    ``recent_reviews``, ``before_reviews``: how many it is of. ``p_value``: how likely a difference as large, either
    way, is by chance alone; None where there are too few to say.
    """

    recent: float | None
    recent_reviews: int
    before: float | None
    before_reviews: int
    p_value: float | None
    change: Change


@value
class Trend:
    """The last 7 days (the current UTC day and the 7 before it) against the 28 days before them.

    ``recent_from_ms``, ``before_from_ms``: the first moment of each. ``negative``: share of the reviews with a
    sentiment. ``stars``: their mean. ``aspects``: by id, share of the mentions that criticize.
    """

    recent_from_ms: int
    before_from_ms: int
    negative: Comparison
    stars: Comparison
    aspects: dict[str, Comparison]


DigestReason = Literal["too_few", "unsupported_language", "evidence_withdrawn"]


@value
class Clause:
    """A part of a digest's text, and ids of the reviews that it rests on, at most 20."""

    text: str
    evidence: tuple[str, ...]


@value
class DigestText:
    """The clauses, and all of them as one text."""

    text: str
    clauses: tuple[Clause, ...]


@value
class Digest:
    """What customers say, composed of the counts when it is read. ``texts``: by language; None with a ``reason``.

    ``from_ms``, ``to_ms``: when the oldest and the newest of the reviews were written whose sentences are kept.
    """

    reason: DigestReason | None
    reviews: int
    from_ms: int | None
    to_ms: int | None
    reviews_since_text: int | None
    low_evidence: bool
    texts: dict[str, DigestText] | None
    flag_url: str | None = None


@value
class ProductSummary:
    """What a product page shows, as of ``as_of_ms``. Keys of ``windows``: 24h, 7d, 30d, all.

    ``aspects``: by id. ``reviews_since_text``: how many came since the text was made; None without a text. These,
    ``trend``, ``highlights`` and ``digest`` are None in what was published before there were any. ``mismatches``:
    reviews whose words are against their stars; ``recent_reviews``: those of the current UTC day and the N days before
    it, by N. These two are not published: signals are made of them.
    """

    product_id: str
    as_of_ms: int
    state_version: int  # see state_version_of; grows with each change: the base of the ETag
    windows: dict[str, Counts]
    last_review_at_ms: int | None
    text: ProductText | None
    low_evidence: bool
    aspects: dict[str, AspectSummary] | None = None
    trend: Trend | None = None
    highlights: Highlights | None = None
    digest: Digest | None = None
    reviews_since_text: int | None = None
    mismatches: int = 0
    recent_reviews: dict[int, int] = field(default_factory=dict)

    @property
    def generation(self) -> int:
        """The generation of the view that it was read from; 0 for what was published before it was counted in."""
        return self.state_version // STATE_VERSIONS_PER_GENERATION


@value
class Estimate:
    """A posterior mean, and the ends of its 95 % credible interval."""

    value: float
    low: float
    high: float


@value
class TopAspect:
    """The aspect that most reviews praise (or criticize): how many do, of how many that mention it."""

    aspect: str
    reviews: int
    mentions: int


@value
class ProductSignals:
    """What other teams join on, as of ``as_of_ms``; see steps/signals.py.

    ``score``: stars. ``negative_share``: of the ``judged`` reviews, those with a sentiment; ``negative``: their number.
    ``mismatch_share``: of the ``rated`` ones, those with stars; None without any. ``reviews_per_day``: by days.
    """

    product_id: str
    as_of_ms: int
    state_version: int
    reviews: int
    low_evidence: bool
    score: Estimate
    rated: int
    negative_share: Estimate
    negative: int
    judged: int
    trend: Change
    praise: TopAspect | None
    complaint: TopAspect | None
    mismatches: int
    mismatch_share: float | None
    reviews_per_day: dict[int, float]
    last_review_at_ms: int | None

    @property
    def generation(self) -> int:
        """The generation of the view that it was read from."""
        return self.state_version // STATE_VERSIONS_PER_GENERATION
