"""The view of one product as a pure fold over its enriched reviews: what the scripts in the store must equal.

The end state depends on which events arrived, not on their order or number. Only integers are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from stream_app.records import LABELS, RATING_MISMATCH, EnrichedReview, Evidence, ProductText, TextBasis, Themes
from stream_app.steps.aspect_counts import AspectTally, Said, plus_said, said_of_aspects
from stream_app.steps.hazards import speaks_of_hazard, with_hazard
from stream_app.steps.highlights import without_reviews
from stream_app.steps.kept_sentences import kept_key, kept_mentions, kept_sentences, kept_spans

MAX_SENTENCES = 64
HOUR_MS = 3_600_000
BUCKET_DAYS = 37  # what a trend compares (35 days before today), and two days for clocks and time zones to disagree in

Tally = tuple[int, ...]
"""negative, neutral, positive, unknown, how many of 1 to 5 stars, P(negative) x 10,000 summed."""

EMPTY_TALLY: Tally = (0,) * 10
_P_NEGATIVE = 9


class Contribution(NamedTuple):
    """What one revision of a review adds; a deletion adds nothing and stays as a marker.

    ``label``: index into the tally, 0 negative to 3 unknown. ``star``: 1 to 5, 0 without. ``hour``: since 1970, UTC.
    ``said``: of aspects; ``mismatch``: its words are against its stars. Older contributions have neither.
    """

    revision: int
    deleted: int
    enrichment_version: int
    hour: int = 0
    label: int = 0
    star: int = 0
    p_negative: int = 0
    said: Said = ()
    mismatch: bool = False

    def replaces(self, other: Contribution) -> bool:
        """The order of the revisions of one review. Equal ones are duplicates: the first stands."""
        return self[:3] > other[:3]  # guarantee: equal-is-a-duplicate-in-the-fold

    def duplicates(self, other: Contribution) -> bool:
        """The same revision of the review, whatever else differs, such as the date."""
        return self[:3] == other[:3]

    def tally(self) -> Tally:
        """The contribution as a tally of one review."""
        counted = [0] * len(EMPTY_TALLY)
        counted[self.label] = 1
        if self.star:
            counted[3 + self.star] = 1
        counted[_P_NEGATIVE] = self.p_negative
        return tuple(counted)


def contribution_of(review: EnrichedReview) -> Contribution:
    """What the view keeps of this revision."""
    order = (review.revision, int(review.kind == "deleted"), review.enrichment_version)
    if review.kind == "deleted":
        return Contribution(*order)
    sentiment = review.sentiment
    return Contribution(
        *order,
        hour=review.created_at_ms // HOUR_MS,
        label=LABELS.index(sentiment.label) if sentiment else len(LABELS),
        star=review.rating or 0,
        p_negative=_p_negative(review),
        said=said_of_aspects(review),
        mismatch=RATING_MISMATCH in review.flags,
    )


def sentence_of(review: EnrichedReview) -> Evidence | None:
    """What a product's text may quote of the review; None where the review has no text."""
    if review.kind == "deleted" or not review.text:
        return None
    kept = kept_spans(review.text, review.key_sentence)
    return Evidence(
        review_id=review.review_id,
        revision=review.revision,
        created_at_ms=review.created_at_ms,
        label=review.sentiment.label if review.sentiment else None,
        p_negative=_p_negative(review),
        rating=review.rating,
        sentence=kept_sentences(review.text, kept),
        language=review.language,
        mentions=kept_mentions(kept, review.opinions or ()),
        key=kept_key(kept, review.key_sentence),
    )


def oldest_day_kept(newest_ms: int) -> int:
    """The first day (since 1970, UTC) whose buckets are kept when the newest review is of ``newest_ms``."""
    return newest_ms // (24 * HOUR_MS) - BUCKET_DAYS


@dataclass(slots=True)
class ProductState:
    """Everything that the view holds of one product.

    ``newest_ms``: the largest ``created_at`` of any revision that arrived, whether it still stands or not: buckets are
    dropped relative to it, so that what is kept does not depend on the order of arrival. A duplicate's does not count:
    without ``created_at`` it is dated by its record, so a review that is published again would pass for a new one.
    ``arrived``: how often a review was added that was not there before; only ever grows, unlike the counts.
    ``cited``: the revision of each review that the text rests on; once one of them is edited or deleted, the text is
    withdrawn. ``text_arrived``, ``text_totals``: ``arrived`` and ``totals`` when what the text is made of was read;
    ``text_made_at_ms`` is kept when it is withdrawn. ``themes``: places in standing reviews; None before they were
    made. ``text_changed``: ``changes`` when a text was written last, or a review was edited or deleted, which a summary
    may quote. ``published``: those of the summary that was published last, 0 before the first, -1 where it is of the
    view before a rebuild and says something else than this; ``published_at_ms``: when. ``aspects``: of all time;
    ``aspect_days``: of the days (since 1970, UTC) that are kept. ``hazards``: the newest reviews of these that speak of
    one, and their hours (since 1970, UTC). ``mismatches``: how many are one.
    """

    product_id: str
    version: int = 0
    totals: Tally = EMPTY_TALLY
    buckets: dict[int, Tally] = field(default_factory=dict)
    newest_ms: int | None = None
    arrived: int = 0
    held: dict[str, Contribution] = field(default_factory=dict)
    sentences: dict[str, Evidence] = field(default_factory=dict)
    text: ProductText | None = None
    texts: int = 0
    text_arrived: int = 0
    text_totals: Tally = EMPTY_TALLY
    text_made_at_ms: int | None = None
    text_changed: int = 0
    published: int = 0
    published_at_ms: int = 0
    cited: dict[str, int] = field(default_factory=dict)
    themes: Themes | None = None
    aspects: dict[str, AspectTally] = field(default_factory=dict)
    aspect_days: dict[int, dict[str, AspectTally]] = field(default_factory=dict)
    hazards: dict[str, int] = field(default_factory=dict)
    mismatches: int = 0

    @property
    def changes(self) -> int:
        """Grows with each change of the state, texts included: the published state_version within its generation."""
        return self.version + self.texts

    def apply(self, review: EnrichedReview) -> bool:
        """Fold one event in; False where the same or a larger revision is held: nothing that is counted changes."""
        new, old = contribution_of(review), self.held.get(review.review_id)
        if not new.deleted and (old is None or not new.duplicates(old)):
            self._drop_old_buckets(review.created_at_ms)
        if old is not None and not new.replaces(old):
            return False
        self.held[review.review_id] = new
        was_counted = old is not None and not old.deleted
        if old is not None and was_counted:
            self._add(old, -1)
            self.themes = without_reviews(self.themes, {review.review_id})
        if not new.deleted:
            self._add(new, 1)
            self.arrived += not was_counted
        self._keep_sentence(review)
        self._note_hazard(review)
        self.version += 1
        if old is not None and was_counted and (new.deleted or new.revision != old.revision):
            self.text_changed = self.changes
        if review.review_id in self.cited and (new.deleted or new.revision != self.cited[review.review_id]):
            self._withdraw_text()
        return True

    def newest_sentences(self) -> list[Evidence]:
        """The sentences held, newest first."""
        return newest_first(self.sentences.values())

    def basis(self) -> TextBasis:
        """What a text that is made now is made of."""
        return TextBasis(self.arrived, self.totals)

    def write_text(
        self,
        text: ProductText,
        revisions: dict[str, int],
        themes: Themes | None = None,
        basis: TextBasis | None = None,
    ) -> bool:
        """Write unless a cited review is no longer held in the revision given, or the product is unknown; ``themes``
        without the places that no longer stand. ``basis``: None: as it is now.
        """
        if self.version == 0 or cited_changed(revisions, self.held):
            return False
        self.text, self.cited, self.text_made_at_ms = text, dict(revisions), text.made_at_ms
        if basis is None or basis.arrived > self.arrived:  # of a state that the server forgot
            basis = self.basis()
        self.text_arrived, self.text_totals = basis.arrived, basis.totals
        read = {place.review_id: place.revision for one in themes.themes for place in one.places} if themes else {}
        gone = {one for one, revision in read.items() if cited_changed({one: revision}, self.held)}
        self.themes = without_reviews(themes, gone) or Themes(0, text.made_at_ms, ())
        self.texts += 1
        self.text_changed = self.changes
        return True

    def note_published(self, changes: int, now_ms: int) -> None:
        """products.summaries has the product's summary as of ``changes``."""
        self.published, self.published_at_ms = changes, now_ms

    def _withdraw_text(self) -> None:
        """It quotes what no review says any more: the next reader of the state must not find it."""
        self.text, self.cited = None, {}
        self.text_arrived, self.text_totals = 0, EMPTY_TALLY

    def _add(self, contribution: Contribution, sign: int) -> None:
        tally = contribution.tally()
        self.totals = _plus(self.totals, tally, sign)
        self.mismatches += sign * contribution.mismatch
        self.aspects = plus_said(self.aspects, contribution.said, sign)
        hour = contribution.hour
        if self.newest_ms is None or hour // 24 < oldest_day_kept(self.newest_ms):
            return
        bucket = _plus(self.buckets.get(hour, EMPTY_TALLY), tally, sign)
        if bucket == EMPTY_TALLY:
            del self.buckets[hour]
        else:
            self.buckets[hour] = bucket
        of_the_day = plus_said(self.aspect_days.pop(hour // 24, {}), contribution.said, sign)
        if of_the_day:
            self.aspect_days[hour // 24] = of_the_day

    def _drop_old_buckets(self, created_at_ms: int) -> None:
        if self.newest_ms is not None and created_at_ms <= self.newest_ms:
            return
        self.newest_ms = created_at_ms
        oldest = oldest_day_kept(created_at_ms)
        self.buckets = {hour: tally for hour, tally in self.buckets.items() if hour // 24 >= oldest}
        self.aspect_days = {day: tallies for day, tallies in self.aspect_days.items() if day >= oldest}
        self.hazards = {review_id: hour for review_id, hour in self.hazards.items() if hour // 24 >= oldest}

    def _note_hazard(self, review: EnrichedReview) -> None:
        hour = review.created_at_ms // HOUR_MS
        is_kept = self.newest_ms is not None and hour // 24 >= oldest_day_kept(self.newest_ms)
        is_hazard = is_kept and speaks_of_hazard(review)
        self.hazards = with_hazard(self.hazards, review.review_id, hour if is_hazard else None)

    def _keep_sentence(self, review: EnrichedReview) -> None:
        self.sentences.pop(review.review_id, None)
        sentence = sentence_of(review)
        if sentence is None:
            return
        self.sentences[review.review_id] = sentence
        if len(self.sentences) > MAX_SENTENCES:
            del self.sentences[self.newest_sentences()[-1].review_id]


def newest_first(sentences: Iterable[Evidence]) -> list[Evidence]:
    """Newest first; of the same time, the larger review_id (by its UTF-8 bytes) first."""
    return sorted(sentences, key=lambda item: (item.created_at_ms, item.review_id.encode()), reverse=True)


def cited_changed(cited: Mapping[str, int], held: Mapping[str, Contribution]) -> bool:
    """Was a review that a text cites edited or deleted since? ``held`` needs the cited reviews only."""
    now = {review_id: held.get(review_id) for review_id in cited}
    return any(one is None or one.deleted or one.revision != cited[review_id] for review_id, one in now.items())


def _p_negative(review: EnrichedReview) -> int:
    return round(review.sentiment.scores[0] * 10_000) if review.sentiment else 0


def _plus(tally: Tally, other: Tally, sign: int) -> Tally:
    return tuple(a + sign * b for a, b in zip(tally, other, strict=True))
