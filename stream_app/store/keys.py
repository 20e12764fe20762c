"""Every key name of the view, written once; keys that one script touches share a hash tag, for Redis Cluster."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import NamedTuple

from stream_app.records import percent_encoded
from stream_app.settings import ProcessSettings

DUE_SHARDS = 64
MAX_RECENT_ALERTS = 5_000
"""As many as wait for one receiver (steps/delivery_queue): the words of those come from here."""

MAX_MUTES = 5_000
"""Mutes that stand at a time; beyond it those go that end first."""

_VERSION = "v1"

_RECENT = "{recent}"  # the hash tag of the recent alerts and of what people do about them: one script reads both

ORIGIN = "origin:"
"""Field of the generations hash, before a generation's number: the log that it is made from."""


class ProductKeys(NamedTuple):
    """The keys of one product.

    state             hash: totals, one field per UTC day with a packed tally per hour, version, text, ...
    reviews           hash: review_id → packed contribution, or a deletion's marker
    sentences         hash: review_id → packed evidence
    sentence_times    sorted set: review_id by created_at (ms)
    outbox            hash: alert_id → "<version>\\n<review_id>\\n<alert.v1 as JSON>", the review that raised it; of an
                      alert about the product the reviews that it quotes, a tab behind each, and a fourth line: the
                      alert without their words
    alert_words       hash: review_id → "<revision> <raised_at> <packed words>" that a recent alert quotes
    """

    state: str
    reviews: str
    sentences: str
    sentence_times: str
    outbox: str
    alert_words: str


class ReceiverKeys(NamedTuple):
    """The keys of one receiver of alerts. They are of no generation: a rebuild leaves what waits alone.

    waiting           hash: ref → packed alert without the words of its review, and when it was queued
    queued            sorted set: ref by the time (ms) it was queued
    info, warning, critical   sorted sets, by severity: ref by the time (ms) of its next try
    handled           sorted set: ref by the time (ms) that it was queued or suppressed: the newest ones
    cool_downs        sorted set: rule, severity and product by the time (ms) until which others are suppressed
    suppressed        hash: reason → alerts that the next message will count
    state             string: the ReceiverState as JSON
    lease             string: which process delivers to it; gone soon after that process is
    """

    waiting: str
    queued: str
    info: str
    warning: str
    critical: str
    handled: str
    cool_downs: str
    suppressed: str
    state: str
    lease: str


@dataclass(frozen=True, slots=True)
class Namespace:
    """What begins every key of one installation: those that share a server never meet. ``start``: without the colon."""

    start: str

    @classmethod
    def of(cls, settings: ProcessSettings) -> Namespace:
        """Topic prefix and app name are percent-encoded: no character in them moves a hash tag, fakes a part, or means
        anything in a glob pattern.
        """
        named = (settings.topic_prefix, settings.app_name)  # guarantee: installation-in-every-key
        return cls(":".join((*(percent_encoded(name) for name in named), _VERSION)))

    @property
    def generations(self) -> str:
        """Hash, one for all generations: which one is active, being built, left over (see generations.py)."""
        return f"{self.start}:{{generations}}"

    @property
    def workers(self) -> str:
        """Sorted set: processes that are in no consumer group, by the time (ms) they were seen (workers.py)."""
        return f"{self.start}:{{workers}}"

    @property
    def worker_errors(self) -> str:
        """Hash: role → its last error as JSON."""
        return f"{self.workers}:errors"

    @property
    def acknowledged(self) -> str:
        """Hash: alert_id → "<severity>\\n<packed acknowledgement>", of recent alerts. Of no generation."""
        return f"{self.start}:acknowledged:{_RECENT}"

    @property
    def newly_acknowledged(self) -> str:
        """Sorted set: alert_id by the time (ms) of an acknowledgement that `notify` has not announced to receivers."""
        return f"{self.start}:newly_acknowledged:{_RECENT}"

    @property
    def muted(self) -> str:
        """Hash: "<rule>|<product_id>" → packed mute. Of no generation."""
        return f"{self.start}:muted:{_RECENT}"

    @property
    def mute_ends(self) -> str:
        """Sorted set: "<rule>|<product_id>" by the time (ms) when its mute ends."""
        return f"{self.start}:mute_ends:{_RECENT}"

    @property
    def receivers(self) -> str:
        """Set: receivers of alerts that anything waits for or waited for."""
        return f"{self.start}:{{receivers}}"

    def receiver(self, name: str) -> ReceiverKeys:
        """The keys of one receiver share a hash tag."""
        tag = f"{self.start}:receiver:{{{percent_encoded(name)}}}"
        return ReceiverKeys(*(f"{tag}:{part}" for part in ReceiverKeys._fields))

    @property
    def rebuild_claim(self) -> str:
        """String: who rebuilds now; gone soon after that process is."""
        return f"{self.generations}:claim"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one generation of the view."""

    namespace: Namespace
    generation: int

    @classmethod
    def of(cls, settings: ProcessSettings) -> Keys:
        """Raises ValueError where ``settings.generation`` names none."""
        return cls(Namespace.of(settings), settings.fixed_generation)

    @property
    def _prefix(self) -> str:
        return f"{self.namespace.start}:g{self.generation}"  # guarantee: generation-in-every-key

    @property
    def all(self) -> str:
        """A glob pattern that every key of this generation matches, and no other key."""
        return f"{self._prefix}:*"

    def product(self, product_id: str) -> ProductKeys:
        """The product_id is percent-encoded: braces in it would move the hash tag, colons would imitate a part."""
        tag = f"{self._prefix}:{{{percent_encoded(product_id)}}}"
        return ProductKeys(*(f"{tag}:{part}" for part in ProductKeys._fields))

    def due(self, shard: int) -> str:
        """Sorted set: product_id by the time (ms) from which its text or its publication may be due."""
        return f"{self._prefix}:due:{{{shard}}}"

    def leased(self, shard: int) -> str:
        """Sorted set: product_id by the end (ms) of the lease of the process that makes its text or publishes it."""
        return f"{self._prefix}:leased:{{{shard}}}"

    def unfinished(self, shard: int) -> str:
        """Hash: product_id → how many claims in a row ended without being finished: their processes died."""
        return f"{self._prefix}:unfinished:{{{shard}}}"

    @property
    def progress(self) -> str:
        """Hash: partition of reviews.enriched → the offset behind the last event of it that is applied."""
        return f"{self._prefix}:progress"

    @property
    def products(self) -> str:
        """Sorted set: product_id by the time (ms) when something of it arrived last."""
        return f"{self._prefix}:products"

    @property
    def alerts(self) -> str:
        """Hash: alert_id → packed alert, the recent ones, without the words of a review."""
        return f"{self._prefix}:alerts:{_RECENT}"

    @property
    def alert_times(self) -> str:
        """Sorted set: alert_id by raised_at (ms)."""
        return f"{self._prefix}:alert_times:{_RECENT}"


def due_shard(product_id: str) -> int:
    """Which of the due sets a product belongs to; the same in every process."""
    return zlib.crc32(product_id.encode()) % DUE_SHARDS
