"""Sentences and words: which sentence stands for a review, and whether a summary is borne out by its source."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from stream_app.records import Label, Span
from stream_app.steps.lexicon import NEGATIONS, NEGATIVE_WORDS, POSITIVE_WORDS, STOP_WORDS, safety_words_in

MAX_SENTENCE_CHARACTERS = 300

# a sentence ends after . ! ? … (and their Chinese forms) and what closes behind them, or at a line break
_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+(?=\S)|(?<=[。！？])\s*|\n+")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_NUMBER = re.compile(r"\d+")


def sentences(text: str) -> list[Span]:
    """The sentences of a text, in order, without surrounding white space, none empty."""
    spans = []
    start = 0
    for end in [*(found.start() for found in _END.finditer(text)), len(text)]:
        piece = text[start:end]
        stripped = piece.strip()
        if stripped:
            at = start + piece.index(stripped[0])
            spans.append(Span(at, at + len(stripped)))
        start = end
    return spans


def word_count(text: str) -> int:
    """Words of a text; in scripts without spaces two characters count as a word."""
    if text.isascii():
        return len(text.split())
    cjk = len(_CJK.findall(text))
    return len(_CJK.sub(" ", text).split()) + (cjk + 1) // 2


def content_words(text: str) -> frozenset[str]:
    """The words that carry meaning, lower case, cut to their stems; CJK characters stand for themselves."""
    words = {stem(word) for word in _WORD.findall(text.lower()) if word not in STOP_WORDS and not _CJK.match(word)}
    return frozenset(words | set(_CJK.findall(text)))


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A light stem: enough that "break", "breaks" and "breaking" meet; not a linguist's."""
    word = word.replace("’", "'").removesuffix("'s")
    for ending in ("ingly", "edly", "ing", "ies", "ied", "est", "ers", "ed", "es", "er", "ly", "s", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 4 and (word[-1] == word[-2] or word[-1] == "e") else word


def best_sentence(text: str, title: str | None, label: Label | None) -> Span | None:
    """The sentence that stands best for the review: shares words with the title and with the other sentences, is
    neither very short nor long, carries words of the review's sentiment, and early ones before late ones.
    """
    spans = sentences(text)
    if not spans:
        return None
    words = [content_words(text[span.start : span.end]) for span in spans]
    shared = Counter(word for of_one in words for word in of_one)
    title_words = content_words(title or "")
    weighty = {"negative": _NEGATIVE_STEMS, "positive": _POSITIVE_STEMS}.get(label or "", frozenset())

    def score(index: int) -> float:
        own = words[index]
        length = word_count(text[spans[index].start : spans[index].end])
        fitting = 1.0 if 4 <= length <= 30 else 0.4
        central = sum(shared[word] - 1 for word in own) / (len(own) + 2)
        return fitting * (1 + central + len(own & title_words) + 0.7 * len(own & weighty)) - 0.05 * index

    return shortened(text, spans[max(range(len(spans)), key=score)])


def key_sentence(text: str) -> Span | None:
    """The sentence that weighs most in a complaint: safety words, then how much it complains, then early ones."""
    spans = sentences(text)
    if not spans:
        return None

    def weight(index: int) -> float:
        sentence = text[spans[index].start : spans[index].end]
        own = content_words(sentence)
        complaint = len(own & _NEGATIVE_STEMS) - 0.5 * len(own & _POSITIVE_STEMS)
        return 10 * len(safety_words_in(sentence)) + complaint / (1 + len(own) / 20) - 0.05 * index

    return shortened(text, spans[max(range(len(spans)), key=weight)])


def shortened(text: str, span: Span) -> Span:
    """At most MAX_SENTENCE_CHARACTERS, cut after a word."""
    if span.end - span.start <= MAX_SENTENCE_CHARACTERS:
        return span
    cut = text.rfind(" ", span.start + MAX_SENTENCE_CHARACTERS // 2, span.start + MAX_SENTENCE_CHARACTERS)
    return Span(span.start, cut if cut > 0 else span.start + MAX_SENTENCE_CHARACTERS)


def faithful(summary: str, source: str, label: Label | None) -> bool:
    """Does the source bear the summary out?

    Each content word must stand in the source, or be a common word of praise or blame that agrees with the label; words
    of the other sentiment must stand in the source literally. Numbers must be the source's; a negation needs one there.
    """
    own = content_words(summary)
    if not own:
        return False
    agreeing = {"negative": _NEGATIVE_STEMS, "positive": _POSITIVE_STEMS}.get(label or "", frozenset())
    if not own - content_words(source) <= agreeing:
        return False
    if not set(_NUMBER.findall(summary)) <= set(_NUMBER.findall(source)):
        return False
    return not _negated(summary) or _negated(source)


def _negated(text: str) -> bool:
    return not NEGATIONS.isdisjoint(word.replace("’", "'") for word in _WORD.findall(text.lower()))


_NEGATIVE_STEMS = frozenset(map(stem, NEGATIVE_WORDS))
_POSITIVE_STEMS = frozenset(map(stem, POSITIVE_WORDS))
