"""Parts sentences that say two things of which one contrasts with the other.

"Delivery took four weeks, but the kettle itself is excellent" blames and praises: judged as one, the delivery would be
praised. Only English words of contrast are known. Chinese sentences are parted already (steps/sentences.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stream_app.records import Span
from stream_app.steps.sentences import sentences

_MAY_CONTRAST = (" but ", "though ", " yet ", "owever")  # found in a moment; most texts have none
_CONTRAST = re.compile(
    r"(?P<comma>[,;]|\s[-–—])?\s{1,3}(?:but|(?P<behind_comma>(?:even\s)?though|although|yet|however,?))\s{1,3}(?=\S)",
    re.IGNORECASE,
)
# "Although it leaks, it is fine."
_CONCEDES = re.compile(r"(?:even\sthough|although|though)\s{1,3}(?=\S)", re.IGNORECASE)
_SUBJECT = re.compile(
    r"(?:i|it|they|we|you|he|she|this|that|these|those|there|the|my|our|its|their|mine|one|some|when|if|after|once|for"
    r"|overall|unfortunately|sadly|luckily|now)\b",
    re.IGNORECASE,
)
_COMMA_AND_SUBJECT = re.compile(r",\s{1,3}(?=" + _SUBJECT.pattern + ")", re.IGNORECASE)
_NO_CONTRAST = re.compile(r"(?:nothing|anything|everything|all|none|no one|help|last|only|just|merely|simply)$", re.I)
_NOT_ONLY = re.compile(r"\bnot (?:only|just|merely|simply)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_LEAST_WORDS = 2  # of a clause; of one that has no subject, one more
_OPENS_MORE = (("(", ")"), ("“", "”"), ("[", "]"))


def clauses(text: str) -> list[Span]:
    """The sentences of a text, in order; of one that contrasts statements each, without the word that joins them."""
    found = sentences(text)
    if not any(word in text for word in _MAY_CONTRAST):
        return found
    return [clause for span in found for clause in _clauses(text, span)]


def _clauses(text: str, sentence: Span) -> Iterator[Span]:
    """A clause is parted where it and what is left are long enough, and outside of brackets and quotation marks."""
    start = sentence.start
    if concedes := _CONCEDES.match(text, start, sentence.end):
        comma = _COMMA_AND_SUBJECT.search(text, concedes.end(), sentence.end)
        if comma and _parts(text, concedes.end(), comma.start(), comma.end(), sentence.end, _LEAST_WORDS):
            yield _stripped(text, concedes.end(), comma.start())
            start = comma.end()
    for found in _CONTRAST.finditer(text, start, sentence.end):
        subject = _SUBJECT.match(text, found.end(), sentence.end) is not None
        if not found["comma"] and (found["behind_comma"] or not subject):
            continue  # "small but mighty", "it is not yet clear"
        least = _LEAST_WORDS if subject else _LEAST_WORDS + 1
        if _parts(text, start, found.start(), found.end(), sentence.end, least):
            yield _stripped(text, start, found.start())
            start = found.end()
    yield Span(start, sentence.end)


def _parts(text: str, start: int, stop: int, next_start: int, end: int, least: int) -> bool:
    """May [start, stop) and [next_start, end) be two clauses, the second of ``least`` words?"""
    before = text[start:stop]
    return (
        len(_WORD.findall(before)) >= _LEAST_WORDS
        and len(_WORD.findall(text, next_start, end)) >= least
        and _NO_CONTRAST.search(before) is None
        and _NOT_ONLY.search(before) is None
        and before.count('"') % 2 == 0
        and all(before.count(opens) <= before.count(closes) for opens, closes in _OPENS_MORE)
    )


def _stripped(text: str, start: int, stop: int) -> Span:
    return Span(start, start + len(text[start:stop].rstrip()))
