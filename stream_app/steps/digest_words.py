"""Puts a digest into words, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Literal, Protocol

from stream_app.records import Clause, Counts, DigestText, Label, value
from stream_app.steps.aspects import Aspect, aspects_in_use
from stream_app.steps.product_text import shortened

Quantity = Literal["most", "many", "some", "few", "one"]

_LONGEST_QUOTE = 120


@value
class Share:
    """So many ``reviews`` of ``of`` reviews."""

    reviews: int
    of: int

    @property
    def quantity(self) -> Quantity:
        """The word for it: most (more than half), many (a quarter), some (a tenth), a few, one."""
        if self.reviews == 1:
            return "one"
        if 2 * self.reviews > self.of:
            return "most"
        if 4 * self.reviews >= self.of:
            return "many"
        return "some" if 10 * self.reviews >= self.of else "few"


@value
class Point:
    """What reviews complain of or praise: an aspect, or without one a sentence that says it (``quote``).

    ``recent``: most of them did in the last week. ``must_be_told``: a digest without it would be too friendly.
    """

    label: Label
    aspect: str | None
    share: Share
    recent: bool
    evidence: tuple[str, ...]
    quote: str | None = None
    must_be_told: bool = False

    @property
    def count(self) -> int:
        """How many reviews."""
        return self.share.reviews


Trend = tuple[str, tuple[str, ...]]
"""better or worse; the reviews that show it."""


def texts_of(
    counts: Counts, overall: tuple[str, ...], points: Sequence[Point], trend: Trend | None
) -> dict[str, DigestText]:
    """The text by language; it is its clauses, one after the other. ``overall``: the evidence of the first sentence."""
    return {language: _text(words, counts, overall, points, trend) for language, words in _WORDS.items()}


def _text(
    words: _Words, counts: Counts, overall: tuple[str, ...], points: Sequence[Point], trend: Trend | None
) -> DigestText:
    sentences = [[Clause(words.counted(counts), overall)]]
    labels: tuple[Label, ...] = ("positive", "negative")
    for label in labels if counts.positive >= counts.negative else reversed(labels):
        told = [one for one in points if one.label == label]
        sentences.append([*words.told(label, [one for one in told if one.aspect])])
        sentences.append([*words.quoted([one for one in told if one.quote])])
    given = [(5 - index, count) for index, count in enumerate(reversed(counts.stars)) if count]
    if given and not any(sentences[1:]):
        sentences.append([Clause(words.starred(given), overall)])
    if trend is not None:
        sentences.append([Clause(words.trends[trend[0]], trend[1])])
    clauses: list[Clause] = []
    for sentence in filter(None, sentences):
        first, *others = sentence
        clauses += [Clause(words.between * bool(clauses) + first.text, first.evidence), *others]
    return DigestText("".join(one.text for one in clauses), tuple(clauses))


class _Words(Protocol):
    """How a language says it. ``between``: two sentences."""

    @property
    def between(self) -> str: ...
    @property
    def trends(self) -> Mapping[str, str]: ...
    def counted(self, counts: Counts) -> str: ...
    def told(self, label: Label, points: Sequence[Point]) -> Iterator[Clause]: ...
    def quoted(self, points: Sequence[Point]) -> Iterator[Clause]: ...
    def starred(self, given: Sequence[tuple[int, int]]) -> str: ...


class _English:
    between = " "
    trends: Mapping[str, str] = {
        "worse": "The reviews of the last week are worse than those of the four weeks before.",
        "better": "The reviews of the last week are better than those of the four weeks before.",
    }
    _SUBJECTS: Mapping[Quantity, str] = {"most": "most", "many": "many", "some": "some", "few": "a few", "one": "one"}
    _STARS = ("", "one star", "two stars", "three stars", "four stars", "five stars")

    def counted(self, counts: Counts) -> str:
        parts = [(count, word) for count, word in _sentiments(counts, ("positive", "negative", "mixed")) if count]
        if len(parts) == 1 and parts[0][0] == counts.reviews:
            return f"All {counts.reviews:,} reviews are {parts[0][1]}."
        (first, word), *others = parts
        verb = "is" if first == 1 else "are"
        listed = [f"{first:,} {verb} {word}", *(f"{count:,} {word}" for count, word in others)]
        return f"Of {counts.reviews:,} reviews, {_listed(listed)}."

    def told(self, label: Label, points: Sequence[Point]) -> Iterator[Clause]:
        """Many complain about the smell (12), some about the delivery (5) and the sound (4), and one about the look."""
        about = "about " if label == "negative" else ""
        groups = [(quantity, [*of]) for quantity, of in groupby(points, lambda one: one.share.quantity)]
        last = " and " if len(points) == len(groups) == 2 else ", and "
        for number, (quantity, group) in enumerate(groups):
            is_one = quantity == "one" and len(group) == 1
            subject = self._SUBJECTS[quantity] if is_one or quantity != "one" else "single reviews"
            if number == 0:
                verb = ("complain" if label == "negative" else "praise") + "s" * is_one
                begins = f"{subject[0].upper()}{subject[1:]} {verb} {about}"
            else:
                begins = f"{last if number == len(groups) - 1 else ', '}{subject} {about}"
            for at, point in enumerate(group):
                joint = begins if at == 0 else " and " if at == len(group) - 1 else ", "
                ends = "." if number == len(groups) - 1 and at == len(group) - 1 else ""
                yield Clause(f"{joint}{aspect_words(point.aspect, 'en')}{self._number(point)}{ends}", point.evidence)

    def quoted(self, points: Sequence[Point]) -> Iterator[Clause]:
        for at, point in enumerate(points):
            verb = " says the like" if point.count == 1 else " say the like"
            begins = (
                f"Of {point.share.of:,} recent reviews, " if at == 0 else " and " if at == len(points) - 1 else ", "
            )
            ends = "." * (at == len(points) - 1)
            said = f"{point.count:,}{verb * (at == 0)} of “{_cut(point.quote)}”"
            yield Clause(f"{begins}{said}{ends}", point.evidence)

    def starred(self, given: Sequence[tuple[int, int]]) -> str:
        (star, first), *others = given
        parts = [f"{first:,} {'gives' if first == 1 else 'give'} {self._STARS[star]}"]
        parts += [f"{count:,} {self._STARS[star]}" for star, count in others]
        return f"{_listed(parts)}."

    def _number(self, point: Point) -> str:
        if point.share.quantity == "one":
            return ""
        of = f" of {point.share.of:,}" * (point.share.quantity == "few")
        return f" ({point.count:,}{of}{', most of them in the last week' * point.recent})"


class _Chinese:
    between = ""
    trends: Mapping[str, str] = {"worse": "最近一周的评价比之前四周差。", "better": "最近一周的评价比之前四周好。"}
    _SUBJECTS: Mapping[Quantity, str] = {
        "most": "大多数人",
        "many": "不少人",
        "some": "有些人",
        "few": "少数人",
        "one": "有一人",
    }
    _STARS = ("", "一星", "二星", "三星", "四星", "五星")

    def counted(self, counts: Counts) -> str:
        parts = [(count, word) for count, word in _sentiments(counts, ("好评", "差评", "中评")) if count]
        if len(parts) == 1 and parts[0][0] == counts.reviews:
            return f"{counts.reviews:,} 条评价全部是{parts[0][1]}。"
        return f"{counts.reviews:,} 条评价中，" + "，".join(f"{word} {count:,} 条" for count, word in parts) + "。"

    def told(self, label: Label, points: Sequence[Point]) -> Iterator[Clause]:
        verb = "抱怨" if label == "negative" else "称赞"
        groups = [(quantity, [*of]) for quantity, of in groupby(points, lambda one: one.share.quantity)]
        for number, (quantity, group) in enumerate(groups):
            subject = "各有一人" if quantity == "one" and len(group) > 1 else self._SUBJECTS[quantity]
            begins = "，" * bool(number) + subject + verb
            for at, point in enumerate(group):
                joint = begins if at == 0 else "和" if at == len(group) - 1 else "、"
                ends = "。" if number == len(groups) - 1 and at == len(group) - 1 else ""
                yield Clause(f"{joint}{aspect_words(point.aspect, 'zh')}{self._number(point)}{ends}", point.evidence)

    def quoted(self, points: Sequence[Point]) -> Iterator[Clause]:
        for at, point in enumerate(points):
            begins = f"最近的 {point.share.of:,} 条评价中，" if at == 0 else "，"
            ends = "。" * (at == len(points) - 1)
            yield Clause(f"{begins}{point.count:,} 条说“{_cut(point.quote)}”{ends}", point.evidence)

    def starred(self, given: Sequence[tuple[int, int]]) -> str:
        return "，".join(f"{self._STARS[star]} {count:,} 条" for star, count in given) + "。"

    def _number(self, point: Point) -> str:
        if point.share.quantity == "one":
            return ""
        number = (
            f"{point.share.of:,} 条中的 {point.count:,} 条" if point.share.quantity == "few" else f"{point.count:,} 条"
        )
        return f"（{number}{'，多数在最近一周' * point.recent}）"


_WORDS: Mapping[str, _Words] = {"en": _English(), "zh": _Chinese()}


def aspect_words(aspect: str | None, language: str) -> str:
    """How a sentence names the aspect: its phrase, else its name; by its id where no file of aspects knows it."""
    return _phrases(aspects_in_use()).get((aspect, language)) or (aspect or "").replace("_", " ")


@lru_cache(maxsize=4)
def _phrases(aspects: tuple[Aspect, ...]) -> dict[tuple[str | None, str], str]:
    return {(one.id, language): phrase for one in aspects for language, phrase in {**one.name, **one.phrase}.items()}


def _sentiments(counts: Counts, words: tuple[str, str, str]) -> list[tuple[int, str]]:
    """What most reviews are comes first, and what is neither good nor bad last."""
    good, bad, mixed = zip((counts.positive, counts.negative, counts.neutral), words, strict=True)
    return [good, bad, mixed] if good[0] >= bad[0] else [bad, good, mixed]


def _listed(parts: Sequence[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _cut(quote: str | None) -> str:
    text = (quote or "").rstrip(" .。")
    return text if len(text) <= _LONGEST_QUOTE else shortened(text, _LONGEST_QUOTE)
