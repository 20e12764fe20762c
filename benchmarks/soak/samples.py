"""What is sampled during a soak, and what is counted at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# docs/operations.md, "Memory of Redis", on Valkey; a test holds these numbers against that page.
REVIEW_BYTES_FEW = 43
REVIEW_BYTES_MANY = 59
PRODUCT_BYTES = 1900
SENTENCE_BYTES = 390
ALERT_BYTES = 830
MANY_REVIEWS = 128  # a hash of more fields than this is a hash table (hash-max-listpack-entries)


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One look at a process. ``unique_bytes``: what would be free again if it ended, files it maps left out."""

    pid: int
    rss_bytes: int
    unique_bytes: int
    open_files: int
    threads: int


@dataclass(frozen=True, slots=True)
class ViewSample:
    """What Redis holds, counted: ``reviews_few`` stand in products of at most MANY_REVIEWS reviews.

    ``bytes``: memory of the data set, without that of clients and buffers.
    """

    bytes: int
    keys: int
    products: int
    reviews_few: int
    reviews_many: int
    sentences: int
    alerts: int

    @property
    def reviews(self) -> int:
        return self.reviews_few + self.reviews_many

    @property
    def computed_bytes(self) -> int:
        """What docs/operations.md says that this many reviews, products, sentences and alerts take."""
        return (
            self.reviews_few * REVIEW_BYTES_FEW
            + self.reviews_many * REVIEW_BYTES_MANY
            + self.products * PRODUCT_BYTES
            + self.sentences * SENTENCE_BYTES
            + self.alerts * ALERT_BYTES
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at everything, ``seconds`` after the feed began. ``lag``: records not committed, by role."""

    seconds: float
    processes: Mapping[str, ProcessSample]
    lag: Mapping[str, int] = field(default_factory=dict)
    view: ViewSample | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What the account of the run says, made after the last review has passed; ``caught_up``: it did pass in time."""

    published: int
    enriched: int
    dead_lettered: int
    applied: int
    lost: Sequence[str]
    caught_up: bool
    held_reviews: int
    distinct_reviews: int
