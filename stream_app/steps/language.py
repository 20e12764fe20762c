"""Finds the language of a review from its script and from what its sender states."""

from __future__ import annotations

import re

UNDETERMINED = "und"  # ISO 639-2: Latin script, no language stated

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


def language_of(text: str, stated: str | None) -> str:
    """ISO 639-1 code, or UNDETERMINED. The script of the text wins over what was stated where they contradict."""
    tag = _primary(stated)
    if text.isascii() or not _NOT_LATIN.search(text):
        return UNDETERMINED if tag is None or tag in _SCRIPTS else tag
    weights = {name: len(script.findall(text)) * _DENSE.get(name, 1) for name, script in _SCRIPTS.items()}
    if weights["ja"]:
        weights["ja"] += weights["zh"]  # Japanese is written with Chinese characters, too
    strongest = max(weights, key=weights.__getitem__)
    if weights[strongest] <= len(_LATIN.findall(text)):
        return UNDETERMINED if tag is None or tag in _SCRIPTS else tag
    return tag if tag is not None and tag in _SAME_SCRIPT.get(strongest, ()) else strongest


def is_supported(language: str, languages: frozenset[str] | None) -> bool:
    """Can a model for ``languages`` (None: any) read it? Latin script without a stated language is given a try."""
    return languages is None or language in languages or language == UNDETERMINED


def _primary(tag: str | None) -> str | None:
    """The language of a BCP 47 tag: "en" of "en-US"; None where there is none, or it is undetermined."""
    if not tag:
        return None
    primary = re.split(r"[-_]", tag.strip().lower(), maxsplit=1)[0]
    return primary if primary.isalpha() and 2 <= len(primary) <= 3 and primary != UNDETERMINED else None
