"""Splits a text into sentences, in any language, also where people leave out the space.

Chinese joins with commas or spaces what other languages write as sentences ("屏幕清晰，电池不耐用，有点贵。"): there
each clause counts as one, so that each is judged by itself.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from stream_app.records import Span

# what may end a sentence: a line break, or marks and what closes behind them
_MARKS = re.compile(r"\n|[.!?…。！？]+(?: [.!?…]+(?!\w))*[\"'”’」』）)\]]*")
_FULL_WIDTH = re.compile("[。！？]|……")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_WORD = re.compile(r"[^\W\d_]+(?:['’][a-z]+)?")
_ADDRESS = re.compile(r"www\.|://|@|\w\.\w+/", re.IGNORECASE)
_LONGEST_WORD = 60
_OPENING = "\"'“‘(（"
_CLOSING = "\"'”’」』）)]"
_CONTINUES = frozenset("，、；：,;:")  # behind a quotation that ends in marks: the sentence goes on

_NEVER_LAST = frozenset("mr mrs ms dr prof st sgt mt vs e.g eg i.e approx ph.d".split())
_BEFORE_NUMBERS = frozenset("no nos p pp vol pt ch fig op ed jan feb mar apr jun jul aug sep sept oct nov dec".split())
_BEFORE_LOWER_CASE = _BEFORE_NUMBERS | frozenset("etc inc ltd co corp max incl dept ext ex".split())
_UNITS = frozenset("oz lb lbs ft in tsp tbsp qt pt gal hr hrs min mins sec yr yrs".split())  # behind a number
_I = re.compile(r"i(?:['’]\w+)? ")
# behind "U.S.", an initial or "Inc." a new sentence begins if one of these follows
_FIRST_WORDS = frozenset(
    """a although and as at but each everything for he her his how however i i'm i've if in it it's its my no not now
    our she since so that that's the their then there these they they're this those we we're what when where which
    while why with you your""".split()
)
_HALF_NAMES = frozenset("inc ltd co corp a.m p.m".split())
_DOMAINS = frozenset("com net org co js io".split())

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
# what may part two clauses, and what opens or closes around one
_COMMA_OR_BRACKET = re.compile(
    r"(?P<comma>[，；]|(?<=[\u4e00-\u9fff])(?:[,;]|\s)(?=\s*[\u4e00-\u9fff]))|(?P<opens>[“‘「『（(《])|[”’」』）)》]"
)
_CLAUSE_CHARACTERS = 4  # of a shorter one nothing can be said: "首先，", "个头大，"
_NOT_ALONE = re.compile(
    "如果|要是|若|假如|只要|除非|因为|由于|为了|除了|当|自从|与其"
)  # goes with the clause behind it


def sentences(text: str) -> list[Span]:
    """The sentences of a text, in order, without surrounding white space, none empty; of Chinese the clauses."""
    found = _sentences(text)
    if _HAN.search(text) is None:
        return found
    return [clause for span in found for clause in _clauses(text, span)]


def _clauses(text: str, sentence: Span) -> list[Span]:
    """The clauses of a Chinese sentence, without the commas between them; any other sentence as it is.

    A clause is split off where it and what is left are long enough, outside of brackets and quotation marks, unless it
    is a condition or a reason for the next one. Each clause, taken for a sentence, is one clause.
    """
    spans: list[Span] = []
    start, depth, commas, characters = sentence.start, 0, 0, 0
    han = [found.start() for found in _HAN.finditer(text, sentence.start, sentence.end)]
    for found in _COMMA_OR_BRACKET.finditer(text, sentence.start, sentence.end):
        if found["comma"] is None:
            depth = depth + 1 if found["opens"] else max(0, depth - 1)
            continue
        commas += 1
        before = bisect_left(han, found.start())
        leans = commas == 1 and _NOT_ALONE.match(text, start)
        if depth or leans or min(before - characters, len(han) - before) < _CLAUSE_CHARACTERS:
            continue
        spans.append(Span(start, start + len(text[start : found.start()].rstrip())))
        start, commas, characters = found.end(), 0, before
        while text[start].isspace():
            start += 1
    return [*spans, Span(start, sentence.end)]


def _sentences(text: str) -> list[Span]:
    spans = []
    start, last = 0, len(text.rstrip())
    for found in _MARKS.finditer(text, 0, last):
        at, end = found.span()
        while start < end and text[start].isspace():
            start += 1
        # marks alone are no sentence: ". . ." belongs to what follows
        if end < last and text[at] != "\n" and (start >= at or not _ends(text, start, at, end)):
            continue
        stop = at if text[at] == "\n" else end
        while stop > start and text[stop - 1].isspace():
            stop -= 1
        if stop > start:
            spans.append(Span(start, stop))
            start = end
    while start < last and text[start].isspace():
        start += 1
    if start < last:
        spans.append(Span(start, last))
    return spans


def _ends(text: str, start: int, at: int, end: int) -> bool:
    """Do the marks from ``at`` to ``end`` end the sentence that began at ``start``? Something follows them."""
    spaced = text[end].isspace()
    next_at = end + spaced
    while text[next_at].isspace():
        next_at += 1
    following = text[next_at]
    if end - at == 1 and text[at] == ".":
        return _full_stop_ends(text, start, at, spaced, next_at)
    marks = text[at:end].rstrip(_CLOSING)
    if _FULL_WIDTH.search(marks):
        return following not in _CONTINUES
    if len(marks) < end - at and (following.islower() or following in _CONTINUES):
        return False  # "great!" she said
    if "!" in marks or "?" in marks:
        if spaced:
            return True
        # "?" inside a word is an apostrophe that a wrong encoding broke
        begins = following in _OPENING or (following.isalpha() and ("!" in marks or not following.islower()))
        return begins and not _ADDRESS.search(_word_before(text, start, at))
    if marks == ".":
        return _full_stop_ends(text, start, at, spaced, next_at)
    return following.isupper() or _CJK.match(following) is not None  # "so... it works" is one sentence


def _full_stop_ends(text: str, start: int, at: int, spaced: bool, next_at: int) -> bool:
    """Does a single full stop end the sentence? What follows it is at ``next_at``."""
    following = text[next_at]
    word = _word_before(text, start, at)
    lower = word.lower()
    if lower in _NEVER_LAST or (word.isdecimal() and len(word) <= 2 and text[start:at].strip() == word):
        return False  # "1." begins a list
    dotted = word != "I" and _is_dotted(word)
    if not spaced:
        if _CJK.match(following):
            return not text[at - 1].isascii()
        if dotted or not (following.isupper() or (following in _OPENING and text[at - 1].isalpha())):
            return False
        return not _goes_on(text, next_at) and not _ADDRESS.search(word)
    if following.isupper():
        return _is_first_word(text, next_at) if dotted or lower in _HALF_NAMES else True
    if following.isdigit():
        return lower not in _BEFORE_NUMBERS
    if not following.islower() or _I.match(text, next_at):
        return True
    return not (dotted or lower in _BEFORE_LOWER_CASE or (lower in _UNITS and _after_number(text, at - len(word))))


def _word_before(text: str, start: int, at: int) -> str:
    """What stands between the last space, or 60 characters, and ``at``."""
    earliest = max(start, at - _LONGEST_WORD)
    return text[max(text.rfind(" ", earliest, at) + 1, earliest) : at].lstrip(_OPENING)


def _is_dotted(word: str) -> bool:
    """Single letters between dots: "U.S", and the initial of a name."""
    return word.isascii() and all(len(part) == 1 and part.isalpha() for part in word.split("."))


def _after_number(text: str, at: int) -> bool:
    return text[max(0, at - 2) : at].rstrip()[-1:].isdigit()


def _is_first_word(text: str, at: int) -> bool:
    word = _WORD.match(text, at)
    return word is not None and word.group().lower().replace("’", "'") in _FIRST_WORDS


def _goes_on(text: str, at: int) -> bool:
    """Is it a domain ("Amazon.Com"), or an abbreviation ("Ph.D.")?"""
    word = _WORD.match(text, at)
    if word is None:
        return False
    return word.group().lower() in _DOMAINS or (len(word.group()) == 1 and text.startswith(".", word.end()))
