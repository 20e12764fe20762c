"""Scores the texts of products against summaries that people wrote, beside two simple ways of choosing sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from stream_app.models.sentence_space import SentenceSpace
from stream_app.ports import ConfigurationError, TextModel
from stream_app.records import Evidence, Position, Review, Scores
from stream_app.steps.assemble import assemble, sentiment_of
from stream_app.steps.fold import sentence_of
from stream_app.steps.nearness import by_shared_words
from stream_app.steps.prepare import Prepared, prepare_all
from stream_app.steps.product_sentences import Quotable, quotable
from stream_app.steps.product_text import choose, text_of
from stream_app.training.evaluate import answers

_ROUGE = ("rouge1", "rouge2", "rougeL")
_DAMPING = 0.85  # LexRank's: as published (Erkan and Radev 2004)
_ITERATIONS = 50


@dataclass(frozen=True, slots=True)
class Product:
    """Texts of its reviews, and what people wrote of them."""

    product_id: str
    reviews: list[str]
    references: list[str]


@dataclass(frozen=True, slots=True)
class TextScores:
    """F1 of ROUGE in percent (with stemmer; mean over the references, then over the products), and words a text."""

    rouge1: float
    rouge2: float
    rougeL: float
    words: float


def read_products(path: Path) -> list[Product]:
    """JSON lines with product_id, reviews (texts, or objects with text or clauses) and summaries (texts, or lists)."""
    products = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
            reviews = [_text(review) for review in row["reviews"]]
            references = [one if isinstance(one, str) else " ".join(one) for one in row["summaries"]]
            products.append(Product(str(row["product_id"]), reviews, references))
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{path}, line {number}: {error!r}. A line has product_id, reviews and summaries."
            ) from error
    if not products:
        raise ConfigurationError(f"{path} has no products.")
    return products


def evidence_of(
    texts: Sequence[str],
    classifier: TextModel[Scores],
    ratings: Sequence[int | None] = (),
    *,
    with_opinions: bool = False,
) -> list[Evidence]:
    """What the view would keep of these reviews of one product, after `enrich`. ``with_opinions``: of its sentences."""
    reviews = [
        Review("p", f"r{number:04d}", 0, "created", 0, rating=rating, text=text)
        for number, (text, rating) in enumerate(zip(texts, ratings or [None] * len(texts), strict=True))
    ]
    prepared = [one if isinstance(one, Prepared) else None for one in prepare_all(reviews, classifier.languages)]
    read = [one for one in prepared if one is not None]
    found = iter(answers(classifier, [one.model_text for one in read]))
    kept = []
    for review, one in zip(reviews, prepared, strict=True):
        if one is None:
            continue
        scores = next(found)
        enriched = assemble(
            review,
            one,
            sentiment=sentiment_of(scores) if one.supported else None,
            sentiment_missing=None if one.supported else "unsupported_language",
            truncated=False,
            sentences=scores.sentences if with_opinions and one.supported else (),
            abstract=None,
            with_summary=False,
            min_words=0,
            sentiment_model=None,
            summary_model=None,
            enrichment_version=1,
            now_ms=0,
            position=Position("reviews", 0, 0),
        )
        kept.append(sentence_of(enriched))
    return [one for one in kept if one is not None]


def score_texts(
    products: Sequence[Product], classifier: TextModel[Scores], space: SentenceSpace, words: int | None = None
) -> dict[str, Any]:
    """Scores of the product's own choice, of LexRank and of first sentences, each of about ``words`` words.

    ``words``: by default the mean length of the references. All three choose from the same kept sentences.
    """
    references = [one for product in products for one in product.references]
    words = words or round(sum(len(one.split()) for one in references) / len(references))
    texts: dict[str, list[str]] = {"choice": [], "lexrank": [], "first_sentences": []}
    for product in products:
        found = quotable(evidence_of(product.reviews, classifier))
        choice = choose(found, space.measure(found), words)
        texts["choice"].append("" if choice is None else text_of(choice.sentences))
        texts["lexrank"].append(_filled(_by_lexrank(found), words))
        texts["first_sentences"].append(_filled(_first_of_each(found), words))
    return {
        "products": len(products),
        "words": words,
        **{name: rouge_of(of_all, [product.references for product in products]) for name, of_all in texts.items()},
    }


def rouge_of(texts: Sequence[str], references: Sequence[Sequence[str]]) -> TextScores:
    """As published results are scored: rouge_score with stemmer."""
    from rouge_score.rouge_scorer import RougeScorer

    score: Callable[[str, str], Any] = RougeScorer(_ROUGE, use_stemmer=True).score
    rows = [
        np.mean([[score(one, text)[kind].fmeasure for kind in _ROUGE] for one in of_one], axis=0)
        for text, of_one in zip(texts, references, strict=True)
    ]
    rouge1, rouge2, rouge_l = (round(100 * float(value), 2) for value in np.mean(rows, axis=0))
    return TextScores(rouge1, rouge2, rouge_l, round(float(np.mean([len(text.split()) for text in texts])), 1))


def _text(review: Any) -> str:
    if isinstance(review, str):
        return review
    return str(review["text"]) if "text" in review else " ".join(one["text"] for one in review["clauses"])


def _filled(found: Iterator[Quotable], words: int) -> str:
    """Sentences in this order as long as they fit."""
    chosen: list[str] = []
    left = words
    for one in found:
        length = len(one.text.split())
        if length <= left or not chosen:
            chosen.append(one.text)
            left -= length
    return " ".join(chosen)


def _first_of_each(found: Sequence[Quotable]) -> Iterator[Quotable]:
    seen: set[str] = set()
    for one in found:
        if one.review.review_id not in seen:
            seen.add(one.review.review_id)
            yield one


def _by_lexrank(found: Sequence[Quotable]) -> Iterator[Quotable]:
    """Continuous LexRank over shared content words: the stationary distribution of a walk between near sentences."""
    near = np.array(by_shared_words(found).between)
    totals = near.sum(axis=1, keepdims=True)
    steps = np.divide(near, totals, out=np.full_like(near, 1 / len(near)), where=totals > 0)
    rank = np.full(len(near), 1 / len(near))
    for _ in range(_ITERATIONS):
        rank = (1 - _DAMPING) / len(near) + _DAMPING * rank @ steps
    return (found[index] for index in np.argsort(-rank, kind="stable"))
