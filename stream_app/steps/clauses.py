"""Parts sentences that say two things of which one contrasts with the other.

"Delivery took four weeks, but the kettle itself is excellent" blames and praises: judged as one, the delivery would be
praised. Only English words of contrast are known. Chinese sentences are parted already (steps/sentences.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from stream_app.records import Span
from stream_app.steps.sentences import sentences

_MAY_CONTRAST = ("but ", "though ", "yet ", "however")  # found in a moment; most texts have none
_CONTRAST = re.compile(
    r"(?P<comma>[,;]|\s[-–—])?\s{1,3}(?:but|(?P<behind_comma>(?:even\s)?though|although|yet|however,?))\s{1,3}(?=\w)",
    re.IGNORECASE,
)
# "Although it leaks, it is fine."
_CONCEDES = re.compile(r"(?:even\sthough|although|though)\s{1,3}(?=\w)", re.IGNORECASE)
_PRONOUN = r"(?:i|it|they|we|you|he|she|there|mine)\b"
_SUBJECT = re.compile(
    rf"{_PRONOUN}|(?:this|that|these|those|the|my|our|its|their|when|if|after|once|overall|unfortunately|sadly|luckily|now)\b",
    re.IGNORECASE,
)
_BEGINS_WITH_PRONOUN = re.compile(_PRONOUN, re.IGNORECASE)
_COMMA_AND_SUBJECT = re.compile(rf",\s{{1,3}}(?={_SUBJECT.pattern})", re.IGNORECASE)
# "but for the smell": except
_EXCEPT = re.compile(rf"for\b(?!.*\b(?:{_PRONOUN}|is|are|was|were|will|works?)\b)", re.IGNORECASE)

_NO_CONTRAST = re.compile(r"\b(?:nothing|all|none|help|last|only|just|merely|simply)$", re.IGNORECASE)
# a list of two, a belief or a condition that what follows corrects, or all of which what follows is excepted
_GOES_ON = re.compile(
    r"(?:\bnot|n['’]t) (?:only|just|merely|simply)\b"
    r"|\b(?:thought|think|afraid|scared|concerned|nervous|expect\w*|worr\w+|feared|hop(?:ed?|ing)|s[kc]eptical|doubt\w*"
    r"|assumed|assuming|suppos\w+|heard|sa(?:y|ys|id)|if|would|others?|reviews?|reviewers?|everything|anything|any ?one"
    r"|every ?one|no ?body|no one)\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\b(?:not|no|never)\b|n['’]t\b", re.IGNORECASE)
_NOT_THE_ONE = re.compile(r"\bnot (?:the|an?|my)\b[^,]*$", re.IGNORECASE)  # "not the sound, but the cable"
_TOO_SHORT = re.compile(
    r"\b\w{1,20} (?:is|are|was|were|do|does|did|has|have|had|can|could|will)(?: not|n['’]t)?\W{0,5}$", re.IGNORECASE
)  # "it isn't."
# ", is fine": what stood before the insertion goes on
_COMMA_AND_MORE = re.compile(
    rf",(?!\s{{1,3}}(?:{_SUBJECT.pattern}|(?:but|and|so|although|though|even|yet|however)\b))", re.IGNORECASE
)
_ADJECTIVE = re.compile(r"\b(?:an?|very|quite|so) \w+$", re.IGNORECASE)  # "a cheap, but very good alternative"
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_LEAST_WORDS = 2  # of a clause; of one without a pronoun as its subject one more
_SEEN_CHARACTERS = 80  # of what follows, to count its words
_LONGEST = 1000  # of a sentence, in characters: longer ones stay whole, and none takes long
_MOST_CONTRASTS = 10  # that are examined in a sentence, for the same reason
_OPENS_MORE = (("(", ")"), ("“", "”"), ("[", "]"))


def clauses(text: str) -> list[Span]:
    """The sentences of a text, in order; of one that contrasts statements each, without the word that joins them."""
    found = sentences(text)
    lower = text.lower()
    if not any(word in lower for word in _MAY_CONTRAST):
        return found
    return [clause for span in found for clause in _clauses(text, span)]


def _clauses(text: str, sentence: Span) -> Iterator[Span]:
    """A clause is parted where it and what is left are long enough, and outside of brackets and quotation marks."""
    start = sentence.start
    if sentence.end - start > _LONGEST:
        yield sentence
        return
    if concedes := _CONCEDES.match(text, start, sentence.end):
        comma = _COMMA_AND_SUBJECT.search(text, concedes.end(), sentence.end)
        if comma and _concedes(text[concedes.end() : comma.start()], text[comma.end() : sentence.end]):
            yield _stripped(text, concedes.end(), comma.start())
            start = comma.end()
    for found in islice(_CONTRAST.finditer(text, start, sentence.end), _MOST_CONTRASTS):
        before, after = text[start : found.start()].rstrip(), text[found.end() : sentence.end]
        if _contrast(before, after, bool(found["comma"]), bool(found["behind_comma"])):
            yield _stripped(text, start, found.start())
            start = found.end()
    yield Span(start, sentence.end)


def _concedes(conceded: str, stated: str) -> bool:
    """Is what stands behind "although" and its comma two statements?"""
    is_long = len(_WORD.findall(conceded[:_SEEN_CHARACTERS])) > _LEAST_WORDS
    return is_long and not _GOES_ON.search(conceded) and _parts(conceded, stated, _LEAST_WORDS)


def _contrast(before: str, after: str, comma: bool, behind_comma: bool) -> bool:
    """Are these two statements? ``behind_comma``: the word between them contrasts only behind a comma."""
    if _EXCEPT.match(after) or _TOO_SHORT.match(after) or _NO_CONTRAST.search(before[-20:]) or _GOES_ON.search(before):
        return False
    if behind_comma and _COMMA_AND_MORE.search(after):
        return False  # "the bag, although the zip is stiff, is fine"
    if _BEGINS_WITH_PRONOUN.match(after):
        return (comma or not behind_comma) and _parts(before, after, _LEAST_WORDS)
    subject = _SUBJECT.match(after) is not None
    if not comma and (behind_comma or not subject or _NEGATION.search(before)):
        return False  # "small but mighty", "it is not yet clear", "not the sound but the cable"
    if subject and _NOT_THE_ONE.search(before):
        return False
    if not subject and ("," in after or _NEGATION.search(before) or _ADJECTIVE.search(before[-40:])):
        return False  # "the bag, although not big, is fine", "not red, but a dull brown"
    return _parts(before, after, _LEAST_WORDS + 1)


def _parts(before: str, after: str, least: int) -> bool:
    """May these be two clauses, the second of ``least`` words?"""
    return (
        len(_WORD.findall(before[:_SEEN_CHARACTERS])) >= _LEAST_WORDS
        and len(_WORD.findall(after[:_SEEN_CHARACTERS])) >= least
        and before.count('"') % 2 == 0
        and all(before.count(opens) <= before.count(closes) for opens, closes in _OPENS_MORE)
    )


def _stripped(text: str, start: int, stop: int) -> Span:
    return Span(start, start + len(text[start:stop].rstrip()))
