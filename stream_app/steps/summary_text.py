"""Chooses the sentence that represents a review, and checks whether a summary is supported by its source."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import Stemmer

from stream_app.records import Label, Span
from stream_app.steps.clauses import clauses
from stream_app.steps.lexicon import (
    NEGATIONS,
    NEGATIVE_WORDS,
    POSITIVE_WORDS,
    STOP_WORDS,
)
from stream_app.steps.safety import safety_words_in_each
from stream_app.steps.sentences import sentences

MAX_SENTENCE_CHARACTERS = 300
_MAX_SENTENCES = 500  # that are weighed: each later one weighs less than the one before it, and none there could win

# a longer word is cut: it is no word, or one of a script without spaces, and stems are remembered
_WORD = re.compile(r"[^\W_]{1,64}(?:['’][^\W_]{1,64})?")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_NUMBER = re.compile(r"\d+")
_QUOTATION_MARK = re.compile(r'(?<!\d)"')  # not of 5" (inches)
_STEMMER = Stemmer.Stemmer("english", 0)  # 0: nothing cached, ``stem`` does


def word_count(text: str) -> int:
    """Words of a text; in scripts without spaces two characters count as a word."""
    if text.isascii() or not _CJK.search(text):
        return len(text.split())
    cjk = len(_CJK.findall(text))
    return len(_CJK.sub(" ", text).split()) + (cjk + 1) // 2


def clean_word_count(text: str) -> int:
    """``word_count`` of what ``clean`` and ``mask`` gave: not empty, with one white space between two words."""
    return text.count(" ") + text.count("\n") + 1 if text.isascii() else word_count(text)


def content_words(text: str) -> frozenset[str]:
    """The words that carry meaning, lower case, cut to their stems; CJK characters stand for themselves."""
    words = _WORD.findall(text.lower())
    if text.isascii() or not _CJK.search(text):
        return frozenset([stem(word) for word in words if word not in STOP_WORDS])
    others = {stem(word) for word in words if word not in STOP_WORDS and not _CJK.match(word)}
    return frozenset(others.union(_CJK.findall(text)))


@lru_cache(maxsize=50_000)  # quicker than the cache of the library
def stem(word: str) -> str:
    """The English stem, so that "break", "breaks" and "breaking" meet."""
    stemmed: str = _STEMMER.stemWord(word.replace("’", "'"))
    return stemmed


def best_sentence(text: str, title: str | None, label: Label | None, among: Sequence[Span] = ()) -> Span | None:
    """The sentence that represents the review best: shares words with the title and with the other sentences, is
    neither very short nor long, carries words of the review's sentiment, and early ones before late ones.

    ``among``: one that overlaps one of these, if there is one.
    """
    spans, words = _sentence_words(text, False)
    if len(spans) < 2:
        return shortened(text, spans[0]) if spans else None
    shared = Counter([word for of_one in words for word in of_one])
    wanted = content_words(title or "")
    weighty = _WEIGHTY.get(label, frozenset())

    def score(index: int) -> float:
        own, span = words[index], spans[index]
        length = word_count(text[span.start : span.end])
        fitting = 1.0 if 4 <= length <= 30 else 0.4
        central = sum([shared[word] for word in own]) - len(own)
        return fitting * (1 + central / (len(own) + 2) + len(own & wanted) + 0.7 * len(own & weighty)) - 0.05 * index

    fit = [
        index for index, span in enumerate(spans) if any(one.start < span.end and span.start < one.end for one in among)
    ]
    return shortened(text, spans[max(fit or range(len(spans)), key=score)])


@lru_cache(maxsize=1024)  # asked for the alert and for the enriched review, with at most a batch of others in between
def key_sentence(text: str, dangerous: bool) -> Span | None:
    """The sentence that weighs most in a complaint: safety words, then how much it complains, then early ones.

    ``dangerous``: may there be safety words? Then sentences stay whole, as a safety term may span two clauses.
    """
    spans, words = _sentence_words(text, dangerous)
    if len(spans) < 2:
        return shortened(text, spans[0]) if spans else None
    held = [text[span.start : span.end] for span in spans]
    kinds = safety_words_in_each(held) if dangerous else {}

    def weight(index: int) -> float:
        own = words[index]
        complaint = len(own & _NEGATIVE_STEMS) - 0.5 * len(own & _POSITIVE_STEMS)
        danger = 10 * len(kinds.get(index, ()))
        return danger + complaint / (1 + len(own) / 20) - 0.05 * index

    return shortened(text, spans[max(range(len(spans)), key=weight)])


@lru_cache(maxsize=128)  # one review is asked for its best sentence and for its key sentence, shortly one after another
def _sentence_words(text: str, whole: bool) -> tuple[list[Span], list[frozenset[str]]]:
    """The sentences, those that contrast by clause unless ``whole``, and the content words of each."""
    spans = (sentences if whole else clauses)(text)[:_MAX_SENTENCES]
    return spans, [content_words(text[span.start : span.end]) for span in spans]


def shortened(text: str, span: Span) -> Span:
    """At most MAX_SENTENCE_CHARACTERS, cut after a word."""
    if span.end - span.start <= MAX_SENTENCE_CHARACTERS:
        return span
    cut = text.rfind(" ", span.start + MAX_SENTENCE_CHARACTERS // 2, span.start + MAX_SENTENCE_CHARACTERS)
    return Span(span.start, cut if cut > 0 else span.start + MAX_SENTENCE_CHARACTERS)


def faithful(summary: str, source: str, label: Label | None) -> bool:
    """Does the source support the summary?

    1. each content word stands in the source, or is a common word of praise or blame that agrees with the label
    2. its praise and blame together do not contradict the label ("recommend" of "I can't recommend it")
    3. numbers are the source's; a negation needs one there
    4. it stands there word for word, or a third of its words carry meaning: "I have to be a great for the" does not
    5. what it quotes ends in it: 'Support says "reset them' does not
    """
    own = content_words(summary)
    if (
        not own
        or len(_QUOTATION_MARK.findall(summary)) % 2
        or summary.count("“") != summary.count("”")
        or (3 * len(own) < word_count(summary) and not is_copied(summary, source))
        or not own - content_words(source) <= _WEIGHTY.get(label, frozenset())
    ):
        return False
    balance = leaning(summary)
    if (label == "negative" and balance > 0) or (label == "positive" and balance < 0):
        return False
    if not set(_NUMBER.findall(summary)) <= set(_NUMBER.findall(source)):
        return False
    return not _negated(summary) or _negated(source)


def is_copied(summary: str, source: str) -> bool:
    """Does it stand in the source word for word, whatever its capitals, spaces and last full stop?"""
    line, text = (" ".join(one.lower().split()) for one in (summary, source))
    return line.rstrip(".!。！") in text


def leaning(text: str) -> int:
    """Words of praise less words of blame; a negation up to three words before inverts a word."""
    words = [word.replace("’", "'") for word in _WORD.findall(text.lower())]
    balance = 0
    for index, word in enumerate(words):
        stemmed = stem(word)
        sign = (stemmed in _POSITIVE_STEMS) - (stemmed in _NEGATIVE_STEMS)
        if sign and not NEGATIONS.isdisjoint(words[max(0, index - 3) : index]):
            sign = -sign
        balance += sign
    return balance


def _negated(text: str) -> bool:
    return not NEGATIONS.isdisjoint([word.replace("’", "'") for word in _WORD.findall(text.lower())])


_NEGATIVE_STEMS = frozenset(map(stem, NEGATIVE_WORDS))
_POSITIVE_STEMS = frozenset(map(stem, POSITIVE_WORDS))
_WEIGHTY: Mapping[Label | None, frozenset[str]] = {"negative": _NEGATIVE_STEMS, "positive": _POSITIVE_STEMS}
