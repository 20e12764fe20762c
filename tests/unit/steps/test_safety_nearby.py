"""Where a safety term is worth trying: nothing that has the term is left out, and little else is let in."""

from __future__ import annotations

import pytest

from stream_app.steps.safety_nearby import Step, nearby, patterns_of_any

CAUGHT_FIRE = (Step(("caught", "burst into", "catch*"), False), Step(("fire", "flames"), True))


def is_near(text: str, word: str, steps: tuple[Step, ...], at: int, alternative: str) -> bool:
    found = patterns_of_any([nearby(steps, at, alternative, word)])
    encoded = text.encode()
    start = encoded.index(word.encode())
    after = encoded[start + len(word.encode()) :]
    if found.alone and found.alone.match(after):
        return True
    if not found.before or not found.before.match(encoded[:start][::-1]):
        return False
    return found.after is None or found.after.match(after) is not None


@pytest.mark.parametrize(
    ("text", "word", "at", "alternative"),
    [
        ("it caught fire", "caught", 0, "caught"),
        ("it caught, in no time at, fire!", "caught", 0, "caught"),
        ("it caught fire", "fire", 1, "fire"),
        ("it burst into flames", "burst", 0, "burst into"),
        ("it burst into - flames", "flames", 1, "flames"),
        ("catches été fire", "fire", 1, "fire"),
        ("catches été fire", "catch", 0, "catch*"),
    ],
)
def test_place_with_the_term_is_let_through(text: str, word: str, at: int, alternative: str) -> None:
    assert is_near(text, word, CAUGHT_FIRE, at, alternative)


@pytest.mark.parametrize(
    ("text", "word", "at", "alternative"),
    [
        ("it caught my eye", "caught", 0, "caught"),
        ("it caught my eye. fire", "caught", 0, "caught"),
        ("it caught one two three four five fire", "caught", 0, "caught"),
        ("the fire place", "fire", 1, "fire"),
        ("it burst flames", "burst", 0, "burst into"),
    ],
)
def test_most_others_are_not(text: str, word: str, at: int, alternative: str) -> None:
    assert not is_near(text, word, CAUGHT_FIRE, at, alternative)
