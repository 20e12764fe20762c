"""How near the sentences of a product are to each other, and what each of them does: the measures of their choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stream_app.records import value
from stream_app.steps.product_sentences import Quotable
from stream_app.steps.summary_text import content_words, leaning

_ALIKE_BY_WORDS = 0.55  # "Works great." and "It works great with my amp."


@value
class Nearness:
    """Of n sentences. Numbers are rounded by who measures them, so that equal reviews give equal texts.

    ``between``: n rows of n similarities, 0 (nothing in common) to 1; 0 where the languages differ
    ``telling``: larger where a sentence says something of the product, smaller where it tells a story
    ``praise``: larger where a sentence praises, smaller where it complains
    ``alike``: n rows of n: from 1 on two sentences say the same, and are not only about the same kind of product
    """

    between: Sequence[Sequence[float]]
    telling: Sequence[float]
    praise: Sequence[float]
    alike: Sequence[Sequence[float]]


Measure = Callable[[str, Sequence[Quotable]], Nearness]
"""The nearness of sentences in one language."""


def by_language(found: Sequence[Quotable], measure: Measure) -> Nearness:
    """Measure the sentences of each language by themselves."""
    between = [[0.0] * len(found) for _ in found]
    alike = [[0.0] * len(found) for _ in found]
    telling, praise = [0.0] * len(found), [0.0] * len(found)
    for language in dict.fromkeys(one.language for one in found):
        members = [index for index, one in enumerate(found) if one.language == language]
        of_language = measure(language, [found[index] for index in members])
        for place, index in enumerate(members):
            telling[index], praise[index] = of_language.telling[place], of_language.praise[place]
            for at, other in enumerate(members):
                between[index][other] = of_language.between[place][at]
                alike[index][other] = of_language.alike[place][at]
    return Nearness(between, telling, praise, alike)


def by_shared_words(found: Sequence[Quotable]) -> Nearness:
    """The measure where no encoder is at hand: content words in common (the cosine of their sets), and words of praise
    and of blame.
    """
    words = [content_words(one.text) for one in found]
    between = [[_cosine(own, other) for other in words] for own in words]
    praise = [float(leaning(one.text)) for one in found]
    alike = [[round(similarity / _ALIKE_BY_WORDS, 3) for similarity in row] for row in between]
    return Nearness(between, [0.0] * len(found), praise, alike)


def _cosine(own: frozenset[str], other: frozenset[str]) -> float:
    return round(len(own & other) / (len(own) * len(other)) ** 0.5, 3) if own and other else 0.0
