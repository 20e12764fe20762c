"""Safety terms: what is found, what takes the hazard away again, and how well on the labelled set."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps.safety import safety_words_in, safety_words_in_each
from stream_app.steps.safety_patterns import languages, parsed, parsed_text
from tests.unit.steps.safety_set import LANGUAGES, scores


def test_labelled_set_is_found_and_look_alikes_are_not() -> None:
    """Of 15 one-star hazard reviews two raised a critical alert, and none in other languages than English."""
    made = scores(*LANGUAGES)

    assert made.hazards >= 200
    assert made.harmless >= 200
    assert made.recall >= 0.85, made.missed
    assert made.precision >= 0.90, made.mistaken


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_is_far_below_the_others(language: str) -> None:
    made = scores(language)

    assert made.recall >= 0.80, made.missed
    assert made.precision >= 0.85, made.mistaken


def test_every_language_of_the_set_has_its_terms() -> None:
    assert set(languages()) == set(LANGUAGES)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("It caught FIRE!", "fire"),
        ("I got an electric shock from it.", "shock"),
        ("My son was injured and taken to the emergency room.", "injury"),
        ("I had an allergic reaction", "allergy"),
        ("He nearly choked on a loose part.", "choking"),
        ("A counterfeit. FAKE, a knock-off", "counterfeit"),
        ("Recall this now, it is unsafe", "unsafe"),
        ("Nothing wrong at first. Then it caught fire.", "fire"),
        ("Ürgs★it caught fire!", "fire"),
        ("“Caught fire” it says", "fire"),
        ("Ça a BRÛLÉ ma main", "burn"),
        ("Ca a brule ma main", "burn"),
        ("半夜起火了", "fire"),
    ],
)
def test_hazard_is_found_whatever_its_case_accents_and_punctuation(text: str, kind: str) -> None:
    assert kind in safety_words_in(text)


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
        "It never caught fire.",
        "没有起火",
        "",
    ],
)
def test_negated_and_harmless_words_are_not(text: str) -> None:
    """A critical alert for them would be noise."""
    assert safety_words_in(text) == ()


@given(st.text(max_size=100))
def test_any_text_is_searched_without_an_error(text: str) -> None:
    """Also where lower case is longer than upper case; what stands before it hides no hazard."""
    assert "fire" in safety_words_in(f"{text}.\n\n It was fine, nice, good, cheap; then it CAUGHT fire!")


@pytest.mark.parametrize(
    "text",
    [
        "caught fire ",
        "No fire hazard! ",
        "it burned my hand. ",
        "hot to ",
        "sick ",
        "plastic" + "-&'%" * 40 + " ",
        "strap" + "'a" * 20,
    ],
)
def test_hazard_named_again_and_again_does_not_hold_up_the_stream(text: str) -> None:
    long = (text * 20_000)[:20_000]

    def seconds() -> float:
        began = time.process_time()
        safety_words_in(long)
        return time.process_time() - began

    assert min(seconds() for _ in range(3)) < 0.1


@given(
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(
                ["burned my hand", "caught FIRE", "electric shock", "no\ud83dfire", "caught", "fire", "起火"]
            ),
        ),
        max_size=8,
    )
)
def test_texts_that_are_searched_together_do_not_change_each_other(texts: list[str]) -> None:
    alone = {index: kinds for index, text in enumerate(texts) if (kinds := safety_words_in(text))}

    assert safety_words_in_each(texts) == alone


def test_term_that_cannot_be_read_is_named() -> None:
    negation = {"negation": {"before": "no"}}

    with pytest.raises(ValueError, match="<part>"):
        parsed("en", {**negation, "fire": {"terms": ["burnt ... <part>"]}})
    with pytest.raises(ValueError, match="a word must stand"):
        parsed("en", {**negation, "fire": {"terms": ["..."]}})


def test_number_of_the_emergency_services_is_no_hazard_by_itself() -> None:
    assert safety_words_in("Number 118 of 400, model 118.") == ()
    assert safety_words_in("Abbiamo chiamato il 118 subito.") == ("injury",)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('"burnt | scorched hand"', "without spaces"),
        ('"burnt||scorched"', "without spaces"),
        ('"by__itself burnt"', "without spaces"),
        ('"!|burnt"', "without spaces"),
        ('"burnt  hand"', "spaces"),
        ('"burnt ... "', "spaces"),
        ('"burnt ..."', "before and after"),
        ('"burnt ... ... hand"', "twice"),
        ('"b*rnt"', "end of a word"),
        ('"burnt|scorched|burnt"', "'burnt' is there twice"),
        ('"caught fire"', "line is there twice"),
        ('"<part> burnt"', "no words have this name"),
    ],
)
def test_line_that_cannot_work_is_named_with_its_file_when_it_is_read(line: str, problem: str) -> None:
    text = f'[negation]\nbefore = "no"\n\n[fire]\nterms = [\n  "caught fire",\n  {line},\n]\n'

    with pytest.raises(ValueError, match=problem) as raised:
        parsed_text("en", "en.toml", text)

    assert str(raised.value).startswith("safety_terms/en.toml, line 7: ")


@pytest.mark.parametrize(
    ("wrong", "place"), [("[fires]", "line 3"), ("[fire]\nharmles = []", "line 4"), ("[fire", "at line 3")]
)
def test_unknown_kind_and_key_are_named_with_their_file(wrong: str, place: str) -> None:
    with pytest.raises(ValueError, match=place) as raised:
        parsed_text("en", "en.toml", f'[negation]\nbefore = "no"\n{wrong}\n')

    assert "safety_terms/en.toml" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("He nearly died, could have killed him.", "injury"),
        ("It is not child safe.", "unsafe"),
        ("L'étagère s'effondre quand on la touche.", "fall"),
        ("Das Gerät ist kaputt, die Kabel sind frei liegend.", "shock"),
        ("Cela a volé en éclats, le verre a volé en éclats", "explosion"),
    ],
)
def test_several_words_are_one_alternative(text: str, kind: str) -> None:
    assert kind in safety_words_in(text)
