"""Erases reviews, in place, from the topics that hold their words, after their deletion was processed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from stream_app import contract
from stream_app.contract import Identity, NamedReview
from stream_app.kafka.groups import committed_offsets, members, set_forward
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.rewrite import Survey, copy_kept, delete_originals, survey, verify_copies
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import list_topics
from stream_app.ports import ConfigurationError, Progress
from stream_app.records import RawRecord
from stream_app.role_table import CONSUMING_ROLES
from stream_app.settings import KafkaSettings

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """The partitions to rewrite, by topic; topics without any are left out."""

    rewritten: Mapping[str, Mapping[int, Survey]]

    def dropped(self, topic: str) -> int:
        return sum(one.dropped for one in self.rewritten[topic].values())

    def changed(self, topic: str) -> int:
        """The records that are kept without what they quote."""
        return sum(one.changed for one in self.rewritten[topic].values())

    def kept(self, topic: str) -> int:
        return sum(one.kept for one in self.rewritten[topic].values())


@dataclass(slots=True)
class _Newest:
    """The newest state of each of the reviews, as the log has it."""

    states: dict[Identity, NamedReview] = field(default_factory=dict)

    def see(self, named: NamedReview) -> None:
        known = self.states.get(named.identity)
        if known is None or named.order > known.order:
            self.states[named.identity] = named


class Erasure:
    """One run of `stream-app erase`. It may end at any line, in any way: the next run continues. Steps:

    1. `enrich`, `summarize` and `notify` are found stopped
    2. the topics are read: each review's newest state must be its deletion, without words
    3. `summarize` and `notify` have read all of the partitions that will be rewritten, and the newest summary of each
       product cites no erased review

    then, for reviews.enriched, reviews.alerts and the dead letter, of each partition that holds words of an erased
    review:

    4. what is kept is copied to the partition's end. Killed here: the next run skips these copies
    5. the copies are read back and compared
    6. the reading role's group is set behind the copies, of which it has read the originals. Killed here: as before;
       what is published meanwhile lies behind the copies, too, and is read
    7. all before the copies is deleted. Killed here: nothing is left to do in this topic
    """

    def __init__(self, settings: KafkaSettings, erased: Collection[Identity], progress: Progress) -> None:
        """``settings`` with the number of the active generation."""
        self._settings = settings
        self._erased = frozenset(erased)
        self._progress = progress
        topics = Topics(settings.topic_prefix)
        self._enriched = topics.enriched
        self._summaries = topics.summaries
        self._read_by: dict[str, str | None] = {
            topics.enriched: "summarize",
            topics.alerts: "notify",
            topics.dead_letter: None,
        }

    def plan(self) -> Plan:
        """Return what ``run`` would do. Raises ConfigurationError if it is refused, BrokerUnavailable."""
        self._refuse_members()
        self._refuse_compacted()
        newest = _Newest()
        rewritten: dict[str, dict[int, Survey]] = {}
        for topic in self._read_by:
            found = survey(
                self._settings,
                topic,
                lambda record, topic=topic: self._keep(topic, record, newest),  # type: ignore[misc]
                lambda count, topic=topic: self._progress.advanced(f"{topic} read", count, count),  # type: ignore[misc]
            )
            if touched := {number: one for number, one in found.items() if one.dropped or one.changed}:
                rewritten[topic] = touched
        self._refuse_undeleted(newest)  # guarantee: erased-only-when-deleted
        for topic, touched in rewritten.items():
            self._refuse_unread(topic, touched)
        self._refuse_cited()
        return Plan(rewritten)

    def run(self, plan: Plan) -> None:
        """Do steps 4 to 7. Raises BrokerUnavailable or ConfigurationError; nothing is lost then, run it again."""
        for topic, touched in plan.rewritten.items():
            total = plan.kept(topic)
            hashes = copy_kept(
                self._settings,
                topic,
                touched,
                lambda record, topic=topic: self._keep(topic, record),  # type: ignore[misc]
                lambda count, topic=topic, total=total: self._progress.advanced(f"{topic} copied", count, total),  # type: ignore[misc]
            )
            self._refuse_members()
            verify_copies(self._settings, topic, touched, hashes)  # guarantee: copies-are-compared
            if (reader := self._read_by[topic]) is not None:
                # guarantee: erasure-moves-the-groups
                set_forward(self._settings, reader, {number: one.end + one.kept for number, one in touched.items()})
            delete_originals(self._settings, topic, touched)
            self._progress.say(f"{topic}: {plan.dropped(topic)} records erased, {total} kept.")

    def _keep(self, topic: str, record: RawRecord, newest: _Newest | None = None) -> RawRecord | None:
        """The record without the words of erased reviews; None where nothing of it is to stay."""
        named = contract.named_review(record)
        if named is not None and named.identity in self._erased:
            if topic != self._enriched:
                return None
            if newest is not None:
                newest.see(named)
            return record if named.is_marker else None  # guarantee: erasure-keeps-the-deletion
        if topic == self._enriched:
            return record
        # the rest of an alert about a product stays: a rebuild reads which were raised
        return contract.without_quotes(record, self._erased)  # guarantee: erased-review-is-quoted-by-no-alert

    # ---- what is refused

    def _refuse_members(self) -> None:
        running = [role for role in CONSUMING_ROLES if members(self._settings, role)]
        if running:
            raise ConfigurationError(
                f"These roles run: {', '.join(running)}. Stop all workers of {', '.join(CONSUMING_ROLES)}; one that "
                f"was killed counts for {self._settings.session_timeout_seconds:.0f} s more. The API and "
                "`describe` may keep running."
            )

    def _refuse_compacted(self) -> None:
        for facts in list_topics(self._settings):
            if facts.name in self._read_by and facts.retention == "compacted":
                raise ConfigurationError(f"{facts.name} is compacted, which it must not be; see `stream-app check`.")

    def _refuse_undeleted(self, newest: _Newest) -> None:
        standing = [one for one in self._erased if one not in newest.states or not newest.states[one].is_marker]
        if standing:
            raise ConfigurationError(
                f"{_list(standing)}: no deletion is the newest state in {self._enriched}. Publish the deletions first "
                "(`stream-app publish FILE`) and let `enrich` and `summarize` read them."
            )

    def _refuse_unread(self, topic: str, touched: Mapping[int, Survey]) -> None:
        reader = self._read_by[topic]
        if reader is None:
            return
        committed = committed_offsets(self._settings, reader)
        behind = [number for number, one in touched.items() if committed.get(number, -1) < one.last_original]
        if behind:
            raise ConfigurationError(
                f"`{reader}` has not read all of {topic} yet (partitions {', '.join(map(str, behind))}). Start it "
                "until it has, with `enrich` stopped; then stop it and run this again."
            )

    def _refuse_cited(self) -> None:
        """Raise ConfigurationError while the newest summary of a product shows words of an erased review: its text
        was made from it, or an aspect quotes it.
        """
        products = {product_id.encode(): product_id for product_id, _ in self._erased}
        newest: dict[str, bytes | None] = {}
        for record in read_to_end(self._settings, self._summaries):
            if record.key in products:
                newest[products[record.key]] = record.value
        cited = [one for one in self._erased if one[1] in cited_in(newest.get(one[0]))]
        if cited:
            raise ConfigurationError(
                f"{_list(cited)}: the newest record of the product in {self._summaries} cites it. Let `describe` run: "
                "it publishes the withdrawal within a minute."
            )


def cited_in(value: bytes | None) -> set[str]:
    """The reviews whose words stand in a record of products.summaries: in its text, or as other quotes."""
    try:
        summary = contract.decode_product_summary(value) if value else None
    except (KeyError, TypeError, ValueError):  # written by another producer
        return set()
    if summary is None:
        return set()
    quotes = [one.quote.review_id for one in (summary.aspects or {}).values() if one.quote]
    if summary.highlights:
        quotes += [one.quote.review_id for one in (*summary.highlights.praise, *summary.highlights.complaints)]
    # guarantee: erasure-sees-quotes
    return {*(summary.text.evidence if summary.text else ()), *quotes}


def _list(reviews: Collection[Identity]) -> str:
    shown = ", ".join(f"{product_id}/{review_id}" for product_id, review_id in sorted(reviews)[:_SHOWN])
    return shown if len(reviews) <= _SHOWN else f"{shown} and {len(reviews) - _SHOWN} more"
