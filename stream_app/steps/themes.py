"""Groups the sentences of a product's reviews that say the same: what people praise, and what they complain of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from stream_app.records import Label, Mention, Place, Theme, Themes, value
from stream_app.steps.nearness import Nearness
from stream_app.steps.product_sentences import Quotable
from stream_app.steps.sentence_style import gives_no_reason
from stream_app.steps.summary_text import word_count

MOST_THEMES = 5
"""Of praise, and of complaints."""
FEW_READ = 5
"""Where fewer reviews are read, what one of them says is a theme; else two at least must say it."""

_SAME_ASPECT = 0.95  # of the similarity is enough where two sentences speak of one aspect
_ONE_ASPECT = 1.04  # of it is needed where only one of them speaks of any
_WELL_SAID = 0.8  # of the most reviews that one sentence speaks for: of those that do, the best written is the quote
_QUOTED_WORDS = 4  # shorter ones say too little to be quoted, where a longer one is there
_SHORT_COST = 1.0
_MORE_COST = 0.5  # each aspect after the first


@value
class _Said:
    """A sentence that praises or complains. ``index``: among all sentences of the product."""

    index: int
    sentence: Quotable
    mention: Mention


def themes_of(found: Sequence[Quotable], nearness: Nearness, read: int, made_at_ms: int) -> Themes:
    """What several of the ``read`` reviews say, at most MOST_THEMES of each label, most reviews first.

    A theme is one sentence and those of other reviews that are near enough to it: so each review that is counted says
    what is quoted. The sentence that speaks for most reviews begins; what it took is left out of the next ones.
    """
    least = 1 if read < FEW_READ else 2
    themes: list[Theme] = []
    for label in ("positive", "negative"):
        themes += _of_label(label, _said(found, label, nearness), nearness, least)
    return Themes(read, made_at_ms, tuple(themes))


def _said(found: Sequence[Quotable], label: Label, nearness: Nearness) -> list[_Said]:
    """What praises (complains) by its own label, says of what, and tells of the product more than of its buyer."""
    return [
        _Said(index, one, one.mention)
        for index, one in enumerate(found)
        if one.mention is not None
        and one.mention.label == label
        and one.mention.begins is not None
        and not gives_no_reason(one.text)
        and (nearness.praise[index] if label == "positive" else -nearness.praise[index])
        >= max(0.0, -nearness.telling[index])  # a story is no praise, and no complaint
    ]


def _of_label(label: Label, said: Sequence[_Said], nearness: Nearness, least: int) -> Iterator[Theme]:
    near = {one.index: [other for other in said if _say_the_same(one, other, nearness)] for one in said}
    left = {one.index: one for one in said}
    for _ in range(MOST_THEMES):
        spoken_for = {
            index: len({other.sentence.review.review_id for other in near[index] if other.index in left})
            for index in left
        }
        most = max(spoken_for.values(), default=0)
        if most < least:
            return
        center = min(
            (one for one in left.values() if spoken_for[one.index] >= max(least, _WELL_SAID * most)),
            key=lambda one: (_quote_cost(one) - spoken_for[one.index] / most, *_identity(one)),
        )
        members = [other for other in near[center.index] if other.index in left]
        members.sort(key=lambda one: (one is not center, -nearness.alike[center.index][one.index], *_identity(one)))
        yield Theme(label, _aspect(members), tuple(_places(members)))
        for one in members:
            del left[one.index]


def _say_the_same(one: _Said, other: _Said, nearness: Nearness) -> bool:
    if one.index == other.index:
        return True
    similarity = nearness.alike[one.index][other.index]
    if similarity < _SAME_ASPECT:  # most pairs
        return False
    own, others = set(one.mention.aspects), set(other.mention.aspects)
    if own and others and not own & others:  # "the price is great", "the sound is great"
        return False
    needed = _SAME_ASPECT if own & others else _ONE_ASPECT if own or others else 1.0
    return similarity >= needed


def _quote_cost(one: _Said) -> float:
    """Of style, and of saying several things at once, which the others need not say."""
    more = max(0, len(one.mention.aspects) - 1)
    return one.sentence.cost + _SHORT_COST * (word_count(one.sentence.text) < _QUOTED_WORDS) + _MORE_COST * more


def _aspect(members: Sequence[_Said]) -> str | None:
    """The aspect that at least half of the sentences speak of; of several the most frequent."""
    counts = Counter(aspect for one in members for aspect in one.mention.aspects)
    aspect = min(counts, key=lambda one: (-counts[one], one), default=None)
    return aspect if aspect is not None and 2 * counts[aspect] >= len(members) else None


def _places(members: Sequence[_Said]) -> Iterator[Place]:
    seen: set[str] = set()
    for one in members:
        review = one.sentence.review
        if review.review_id not in seen and one.mention.begins is not None:
            seen.add(review.review_id)
            yield Place(review.review_id, review.revision, one.mention.begins)


def _identity(one: _Said) -> tuple[str, int]:
    return one.sentence.review.review_id, one.mention.begins or 0
