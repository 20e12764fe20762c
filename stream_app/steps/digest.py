"""Chooses what a product's digest says: how many reviews are good and bad, and what they complain of and praise.

Every number is a count of the summary. Nothing is stored: the digest is a function of what a summary holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from stream_app.records import (
    AspectSummary,
    Counts,
    Digest,
    DigestReason,
    Evidence,
    Highlights,
    Label,
    Trend,
    percent_encoded,
    value,
)
from stream_app.steps.aspects import added_ids
from stream_app.steps.digest_words import Point, Share, texts_of

FEWEST_REVIEWS = 5
"""With fewer a digest would tell of single people."""
A_SHARE_THAT_COUNTS = 10
"""A complaint that a tenth of the reviews have is always in the text, and so is one that a tenth of the reviews that
were read for the highlights have."""

_HAZARD = "safety"
_MOST_SINGLE_COMPLAINTS = 2  # of one review each, where bad reviews complain of different things
_MOST_PRAISE = 4
_MOST_EVIDENCE = 8  # ids of reviews behind a clause: each is there once per language
_FEWEST_FOR_MOST_OF_THEM = 3  # "most of them in the last week" is told of at least so many
_FIFTH = 5  # of the text's praise and complaints: so far apart they lean to one side

_ToldBy = dict[tuple[Label, str], list[str]]
"""The newest reviews that praise (criticize) an aspect."""


@value
class Said:
    """What a digest is made from: the summary's parts, and the sentences that are kept of standing reviews.

    ``withdrawn``: highlights were made, and no review stands any more that they rested on.
    """

    windows: dict[str, Counts]
    aspects: dict[str, AspectSummary]
    trend: Trend
    highlights: Highlights | None
    evidence: Sequence[Evidence]
    withdrawn: bool


def digest_of(said: Said, reviews_since_text: int | None, low_evidence: bool, flag_url: str | None = None) -> Digest:
    """The digest, or the reason why there is none."""
    counts = said.windows["all"]
    newest = sorted(said.evidence, key=lambda one: (one.created_at_ms, one.review_id.encode()), reverse=True)
    points = chosen_points(said, newest)
    reason = _reason(said, counts, points)
    return Digest(
        reason=reason,
        reviews=counts.reviews,
        from_ms=newest[-1].created_at_ms if newest else None,
        to_ms=newest[0].created_at_ms if newest else None,
        reviews_since_text=reviews_since_text,
        low_evidence=low_evidence,
        texts=None if reason else texts_of(counts, _overall(newest), points, _trend(said.trend, newest)),
        flag_url=flag_url,
    )


def flag_url_of(template: str, product_id: str) -> str | None:
    """Where a reader reports the digest: ``{product_id}`` of the template, percent-encoded. None without a template."""
    return template.replace("{product_id}", percent_encoded(product_id)) if template else None


def chosen_points(said: Said, newest: Sequence[Evidence]) -> list[Point]:
    """What the text says of complaints and of praise, the more frequent first. ``newest``: the evidence, newest first.

    1. complaints: all that must be told (``A_SHARE_THAT_COUNTS``), else the most frequent one of at least two reviews;
       else, where a tenth of the reviews are negative, the two most frequent. Always a hazard, however few tell of it
    2. praise: the most frequent, of a tenth of the reviews each; else the most frequent one of at least two
    3. the text leans as the reviews do: where most of them are negative praise is left out until complaints weigh
       more, where most are positive further praise is added. A complaint is never left out for that.
    """
    counts = said.windows["all"]
    told_by = _told_by(newest)
    all_complaints = [*_points("negative", said, told_by)]
    complaints = [point for point in all_complaints if point.must_be_told]
    complaints = complaints or [one for one in all_complaints if one.aspect and one.count > 1][:1]
    if not complaints and _is_frequent(counts.negative, counts.reviews):
        complaints = [one for one in all_complaints if one.aspect][:_MOST_SINGLE_COMPLAINTS]
    if not any(one.aspect == _HAZARD for one in complaints):
        complaints += [one for one in all_complaints if one.aspect == _HAZARD]
        complaints.sort(key=lambda one: (one.aspect is None, -one.count, one.aspect or ""))
    may_be_one = counts.reviews < 2 * FEWEST_REVIEWS
    all_praise = [one for one in _points("positive", said, told_by) if one.count > 1 or may_be_one]
    frequent = [one for one in all_praise if _is_frequent(one.count, counts.reviews)]
    praise = frequent[:_MOST_PRAISE] or all_praise[:1]
    while praise and leaning(complaints, praise) > 0 > _leaning(counts.positive, counts.negative):
        praise.pop()
    while len(praise) < len(all_praise) and leaning(complaints, praise) < 0 < _leaning(
        counts.positive, counts.negative
    ):
        praise = all_praise[: len(praise) + 1]
    return [*complaints, *praise]


def leaning(complaints: Iterable[Point], praise: Iterable[Point]) -> int:
    """1 where what is told is praise by far, -1 where it is complaints, 0 between."""
    return _leaning(sum(one.count for one in praise), sum(one.count for one in complaints))


def _leaning(good: int, bad: int) -> int:
    if _FIFTH * abs(good - bad) <= good + bad:
        return 0
    return 1 if good > bad else -1


def _reason(said: Said, counts: Counts, points: Sequence[Point]) -> DigestReason | None:
    if counts.reviews < FEWEST_REVIEWS:
        return "too_few"
    if 2 * counts.unknown > counts.reviews:
        return "unsupported_language"
    if said.withdrawn and not points:
        return "evidence_withdrawn"
    return None


def _points(label: Label, said: Said, told_by: _ToldBy) -> Iterator[Point]:
    """Each aspect that is criticized (praised), the most frequent first, then highlights that are of no aspect."""
    counts = said.windows["all"]
    found = []
    for aspect, one in said.aspects.items():
        tally = one.windows["all"]
        count = tally.negative if label == "negative" else tally.positive
        if 0 < count <= counts.reviews:
            must = label == "negative" and (
                _is_frequent(count, counts.reviews) or _is_told_often(aspect, said.highlights)
            )
            recent = _is_recent(aspect, count, said) if label == "negative" else False
            ids = told_by.get((label, aspect), ())
            found.append(Point(label, aspect, Share(count, counts.reviews), recent, tuple(ids), must_be_told=must))
    yield from sorted(found, key=lambda one: (-one.count, one.aspect or ""))
    highlights = said.highlights
    if highlights is None or label != "negative":
        return
    for highlight in highlights.complaints:
        if highlight.aspect is None or highlight.aspect not in said.aspects:
            must = _is_frequent(highlight.reviews, highlights.read)
            share = Share(highlight.reviews, highlights.read)
            yield Point(label, None, share, False, highlight.evidence, highlight.quote.text, must_be_told=must)


def _is_frequent(count: int, of: int) -> bool:
    return count * A_SHARE_THAT_COUNTS >= of


def _is_told_often(aspect: str, highlights: Highlights | None) -> bool:
    if highlights is None:
        return False
    return any(one.aspect == aspect and _is_frequent(one.reviews, highlights.read) for one in highlights.complaints)


def _is_recent(aspect: str, count: int, said: Said) -> bool:
    """Do most of those who criticize it do so in the last week, while most reviews are older?"""
    of_week = said.trend.aspects.get(aspect)
    if of_week is None or of_week.recent is None or count < _FEWEST_FOR_MOST_OF_THEM:
        return False
    recent = round(of_week.recent * of_week.recent_reviews)
    if recent == count and aspect in added_ids():  # earlier reviews were not read for it
        return False
    return 2 * recent > count and 2 * said.windows["7d"].reviews <= said.windows["all"].reviews


def _told_by(newest: Sequence[Evidence]) -> _ToldBy:
    """In one pass, as a changed product is read at every look-up."""
    found: _ToldBy = {}
    for one in newest:
        for mention in one.mentions:
            for aspect in mention.aspects:
                ids = found.setdefault((mention.label, aspect), [])
                if len(ids) < _MOST_EVIDENCE and (not ids or ids[-1] != one.review_id):
                    ids.append(one.review_id)
    return found


def _overall(newest: Sequence[Evidence]) -> tuple[str, ...]:
    """The newest reviews, of each sentiment one at least: praise alone is no evidence."""
    of_each = {one.label: one.review_id for one in reversed(newest)}
    return tuple(dict.fromkeys([*of_each.values(), *(one.review_id for one in newest)]))[:_MOST_EVIDENCE]


def _trend(trend: Trend, newest: Sequence[Evidence]) -> tuple[str, tuple[str, ...]] | None:
    """better or worse, and the reviews of the last week."""
    change = trend.negative.change if trend.negative.change in ("better", "worse") else trend.stars.change
    if change not in ("better", "worse"):
        return None
    recent = [one.review_id for one in newest if one.created_at_ms >= trend.recent_from_ms]
    return change, tuple(recent[:_MOST_EVIDENCE])
