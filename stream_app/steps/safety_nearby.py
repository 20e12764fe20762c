"""What stands before and after a word that a safety term is looked for by, as patterns for bytes.

They are cheap, and let through each place that has the term, and few others: terms are tried only at these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from stream_app.records import value

REACH = 120  # bytes before and after a word: more than a term has
# letters of Latin scripts begin with the bytes C3 to C5; what other bytes stand for is not known here
UNKNOWN = re.compile(rb"[\xc2\xc6-\xff]")
_LETTER = rb"[a-z0-9_'&%\x80-\xff-]"  # ranges are faster than \w
_NEXT = rb"[^a-z0-9_.!?;\n\x80-\xff]{1,3}"
_GAP = rb"(?:" + _NEXT + rb"[a-z0-9_\x80-\xff]" + _LETTER + rb"*){0,4}?" + _NEXT
_ENDING = rb"[a-z0-9_'\x80-\xff-]*"
_END = rb"(?![a-z0-9])"


@value
class Step:
    """A word of a term, in all its spellings; ``far``: up to four others may stand before it."""

    alternatives: tuple[str, ...]
    far: bool


@value
class Side:
    """What a term has on one side of a word: the ``pattern``, and how the nearest word there begins. Before it, the
    bytes are reversed, and a word may have any ending where True. ``far``: up to four others may
    stand between. ``ending``: the word itself goes on. No ``nearest``: nothing has to be there.
    """

    pattern: bytes = b""
    nearest: tuple[tuple[bool, bytes], ...] = ()
    far: bool = False
    ending: bool = False


@value
class Nearby:
    """What a term has before and after a word."""

    before: Side = Side()
    after: Side = Side()


@value
class Patterns:
    """The term is there where ``alone`` matches from the end of a word on, or ``after`` does and ``before`` matches the
    reversed bytes before the word. None as ``alone`` or ``before``: never; as ``after``: it always does.
    """

    alone: re.Pattern[bytes] | None
    after: re.Pattern[bytes] | None
    before: re.Pattern[bytes] | None


def nearby(steps: Sequence[Step], at: int, alternative: str, word: str) -> Nearby:
    """For ``word``, without its star, of an ``alternative`` of the step ``at`` of a term."""
    own = alternative.split()
    index = [one.replace("*", "") for one in own].index(word)
    following = [Step((one,), False) for one in own[index + 1 :]] + list(steps[at + 1 :])
    # the gap before a step stands after it, backwards
    fars = [False] * index + [step.far for step in reversed(steps[1 : at + 1])]
    words = [(one,) for one in reversed(own[:index])] + [step.alternatives for step in reversed(steps[:at])]
    preceding = [Step(one, far) for one, far in zip(words, fars, strict=True)]
    return Nearby(_side(preceding, False, True), _side(following, own[index].endswith("*"), False))


def patterns_of_any(near: Iterable[Nearby]) -> Patterns:
    """Of a word that is in several terms."""
    near = list(dict.fromkeys(near))
    alone = [one.after for one in near if not one.before.nearest]
    both = [one for one in near if one.before.nearest]
    return Patterns(
        _any_side(_distinct(alone)) if alone else None,
        _any_side(_distinct(one.after for one in both)) if all(one.after.nearest for one in both) else None,
        _any_side(_distinct(one.before for one in both)) if both else None,
    )


def _side(steps: Sequence[Step], ending: bool, backwards: bool) -> Side:
    pattern = b"".join((_GAP if step.far else _NEXT) + _any(step.alternatives, backwards) for step in steps)
    nearest = {
        (backwards and "*" in word, plain[::-1] if backwards else plain)
        for word in (steps[0].alternatives if steps else ())
        for plain in [word.split()[-1 if backwards else 0].replace("*", "").encode()]
    }
    return Side(
        (_ENDING if ending else b"") + pattern + _END, tuple(sorted(nearest)), bool(steps and steps[0].far), ending
    )


def _distinct(sides: Iterable[Side]) -> tuple[Side, ...]:
    return tuple(dict.fromkeys(sides))


@cache
def _any_side(sides: tuple[Side, ...]) -> re.Pattern[bytes]:
    pattern = b"(?:" + b"|".join(one.pattern for one in sides) + b")"
    if all(one.nearest for one in sides) and all(one.pattern for one in sides):
        # most often none of the nearest words is there, which a search for their beginnings shows
        ending = _ENDING if any(one.ending for one in sides) else b""
        ended = {word for one in sides for has_ending, word in one.nearest if has_ending}
        whole = {word for one in sides for has_ending, word in one.nearest if not has_ending}
        begins = [*([_begins(whole)] if whole else []), *([_ENDING + _begins(ended)] if ended else [])]
        gap = _GAP if any(one.far for one in sides) else _NEXT
        pattern = b"(?=" + ending + gap + b"(?:" + b"|".join(begins) + b"))" + pattern
    return re.compile(pattern)


def _begins(words: Iterable[bytes], letters: int = 4) -> bytes:
    """Matches how one of the words begins, a letter at a time."""
    by_first: dict[bytes, list[bytes]] = {}
    for word in words:
        if not letters or not re.match(rb"[a-z0-9]", word):
            return b""
        by_first.setdefault(word[:1], []).append(word[1:])
    branches = [first + _begins(rest, letters - 1) for first, rest in sorted(by_first.items())]
    return branches[0] if len(branches) == 1 else b"(?:" + b"|".join(branches) + b")"


@cache
def _any(alternatives: tuple[str, ...], backwards: bool = False) -> bytes:
    return b"(?:" + b"|".join(_one(one, backwards) for one in alternatives) + b")"


@cache
def _one(alternative: str, backwards: bool = False) -> bytes:
    words = []
    for word in alternative.split():
        plain, ending = word.rstrip("*").encode(), _ENDING if word.endswith("*") else b""
        words.append(ending + re.escape(plain[::-1]) if backwards else re.escape(plain) + ending)
    return rb"\s".join(reversed(words) if backwards else words)
