"""What the models answer to a text, with what explains it."""

from __future__ import annotations

from typing import Literal

from stream_app.records.immutable import value

Label = Literal["negative", "neutral", "positive"]

LABELS: tuple[Label, Label, Label] = ("negative", "neutral", "positive")


@value
class ModelName:
    """Which model answered. ``revision`` identifies the weights."""

    name: str
    revision: str


@value
class SentenceScores:
    """The classifier's answer for a sentence, ``text[start:end]`` of what it read, in Unicode code points.

    ``probabilities``: of LABELS; None by a classifier that learned hazards alone. ``hazard``: the probability that
    someone was or could have been hurt. ``aspects``: ids of what it speaks of. ``doubtful``: it contradicts a review of
    whose sentiment the classifier is sure; most often it is misread.
    """

    start: int
    end: int
    probabilities: tuple[float, float, float] | None
    hazard: float
    aspects: tuple[str, ...] = ()
    doubtful: bool = False


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
