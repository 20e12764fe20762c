"""Words of danger, and what takes the danger away again."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps import lexicon
from stream_app.steps.lexicon import may_speak_of_danger, safety_words_in


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("It caught FIRE!", ("fire",)),
        ("There was smoke, then sparks, then I burned my hand.", ("smoke", "fire", "burn")),
        ("I got an electric shock from it.", ("shock",)),
        ("It shocked me twice", ("shock",)),
        ("My son was injured and taken to the emergency room.", ("injury",)),
        ("I had an allergic reaction", ("allergy",)),
        ("The tip stayed in my ear: an infection.", ("injury",)),
        ("He nearly choked on a loose part.", ("choking",)),
        ("Mould in the bag, the dog was poisoned.", ("poison",)),
        ("A counterfeit. FAKE, a knock-off", ("counterfeit",)),
        ("Recall this now, it is unsafe", ("unsafe",)),
        ("“burnt” it says", ("burn",)),
        ("Nothing wrong at first. Then it burned.", ("burn",)),
        ("Ürgs★smoke·fire!", ("smoke", "fire")),
    ],
)
def test_words_of_danger_are_found_once_in_order(text: str, kinds: tuple[str, ...]) -> None:
    """Whatever their ending and case."""
    assert safety_words_in(text) == kinds


@pytest.mark.parametrize(
    "text",
    [
        "No smoke at all, it did not burn.",
        "It didn't even burn, it doesn’t smoke and there is no risk of fire.",
        "I watch it on my Fire TV by the fireplace.",
        "He was fired, a fiery person.",
        "Great smoked salmon; the coffee tastes burnt.",
        "I gave it to my father in hospital.",
        "It burns calories and gives no heartburn.",
        "As I recall, the emergency light was good.",
        "",
    ],
)
def test_negated_and_harmless_words_are_not(text: str) -> None:
    """A critical alert for them would be noise."""
    assert safety_words_in(text) == ()


@given(st.text(max_size=100))
def test_any_text_is_searched_without_an_error(text: str) -> None:
    """Also where lower case is longer than upper case; what stands before it hides no danger."""
    assert "burn" in safety_words_in(f"{text}. It BURNED!")


@pytest.mark.parametrize("text", ["fire ", "Fire! ", "it burned. "])
def test_danger_named_again_and_again_did_not_hold_up_the_stream(text: str) -> None:
    """Each mention was looked at as closely as the first: a tenth of a second for one review."""
    long = (text * 20_000)[:20_000]

    def seconds() -> float:
        began = time.process_time()
        safety_words_in(long)
        return time.process_time() - began

    assert min(seconds() for _ in range(3)) < 0.05


@pytest.mark.parametrize("before", ["", "So good. ", "Schön★", "\ud83d 手机。"])
def test_every_word_of_danger_is_found_wherever_it_stands(before: str) -> None:
    for kind, entries in lexicon._SAFETY.items():
        for entry in entries.split():
            text = f"{before}{entry.replace('_', ' ').upper()}"
            assert safety_words_in(text) == (kind,), text
            assert may_speak_of_danger(["fine", text]) == {1}, text


@given(
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(["it burned", "FIRE", "electric\nshock", "ſmoke", "…smoke", "no\ud83dfire", "hurt", "me"]),
        ),
        max_size=8,
    )
)
def test_no_text_that_speaks_of_danger_is_passed_over(texts: list[str]) -> None:
    """Whatever stands in the texts beside it."""
    may = may_speak_of_danger(texts)
    assert may == {index for index in range(len(texts)) if may_speak_of_danger([texts[index]])}
    assert may >= {index for index, text in enumerate(texts) if safety_words_in(text)}
    assert may <= set(range(len(texts)))


def test_texts_without_any_word_of_danger_are_passed_over() -> None:
    assert may_speak_of_danger(["Nice.", "It caught fire", "", "Würg, Smoke"]) == {1, 3}
