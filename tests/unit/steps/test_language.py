"""Which language a review is in, and whether a model reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps.language import UNDETERMINED, is_supported, language_of

# 40 reviews a language, and 108 of a word or three in English, all written for this test
LABELLED = Path(__file__).parent / "review_languages"


def labelled(name: str) -> list[str]:
    return (LABELLED / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("text", "stated", "language"),
    [
        ("Very good", "en", "en"),
        ("Very good", "en-US", "en"),
        ("Très bien, “vraiment”", "fr", "fr"),
        ("Very good", None, "en"),
        ("Very good", "", "en"),
        ("Very good", "zh", "en"),
        ("Very good", "not a tag!", "en"),
        ("Very good", "und", "en"),
        ("Bof, pas terrible pour le prix", "en", "en"),
        ("质量很好，物流也快", "en", "zh"),
        ("质量很好，物流也快", None, "zh"),
        ("iPhone 15 Pro 很好用，电池也不错", "en", "zh"),
        ("とても良いです", None, "ja"),
        ("아주 좋아요", None, "ko"),
        ("Очень хорошо", "en", "ru"),
        ("Дуже добре", "uk", "uk"),
        ("Якість чудова, рекомендую всім", None, "uk"),
        ("رائع جدا", None, "ar"),
        ("Great product 👍👍 很", "en", "en"),
        ("👍👍👍", "de", "de"),
        ("👍👍👍", None, UNDETERMINED),
        ("10/10!!!", None, UNDETERMINED),
        ("Ok.", None, UNDETERMINED),
        ("iPhone 15 Pro Max", None, UNDETERMINED),
        ("", None, UNDETERMINED),
    ],
)
def test_script_wins_over_what_was_stated(text: str, stated: str | None, language: str) -> None:
    """A shop's default of "en" makes no English of Chinese; Latin script is what the shop says it is."""
    assert language_of(text, stated) == language


@pytest.mark.parametrize(
    ("code", "right"),
    [("de", 37), ("es", 39), ("fr", 39), ("it", 37), ("nl", 36), ("pt", 36), ("ja", 40), ("ko", 40), ("ru", 39)],
)
def test_short_reviews_in_other_languages_are_recognized(code: str, right: int) -> None:
    """As many of 40 as were when the library was chosen; none is taken for English."""
    found = [language_of(text, None) for text in labelled(code)]

    assert len(found) == 40
    assert found.count(code) >= right
    assert "en" not in found


def test_english_is_hardly_ever_taken_for_another_language() -> None:
    """Least of all a word or two: a review that is flagged has no sentiment."""
    assert {language_of(text, None) for text in labelled("en")} <= {"en", UNDETERMINED}

    flagged = [text for text in labelled("en_very_short") if language_of(text, None) not in ("en", UNDETERMINED)]
    assert len(flagged) <= 1, flagged


def test_title_helps_where_the_text_is_short() -> None:
    assert language_of("Bof", None) == UNDETERMINED
    assert language_of("Bof", None, "Je suis très déçue par cet achat") == "fr"


def test_capitals_and_lines_do_not_change_the_language() -> None:
    """In capitals the library takes English for other languages, and it reads one line only."""
    text = "Do not buy this.\nIt broke after two weeks and nobody answers my mails."

    assert language_of(text, None) == language_of(text.upper(), None) == "en"
    assert language_of("NE L'ACHETEZ PAS\nIL EST TOMBÉ EN PANNE", None) == "fr"


def test_plain_english_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer takes as long as all other steps together."""
    asked = []

    class Library:
        def predict(self, text: str) -> tuple[list[str], list[float]]:
            asked.append(text)
            return ["__label__de"], [0.9]

    monkeypatch.setattr("stream_app.steps.language._detector", Library)

    assert language_of("THE case broke after a week, and this was the second.", None) == "en"
    assert asked == []
    assert language_of("The North Face Jacke ist warm", None) == "de"
    assert asked == ["the north face jacke ist warm"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Harry Potter and the Chamber of Secrets, edicion muy bonita", "es"),
        ("Das Buch The Girl with the Dragon Tattoo ist spannend", "de"),
        ("Jeu: The Last of Us, What Remains of Edith Finch, superbe, livraison rapide", "fr"),
        ("Très bon jeu, Call of Duty and the rest", "fr"),
        ("Plug and Play, funktioniert out of the box, klare Kaufempfehlung", "de"),
        ("Prachtige hoes, it's a good one voor mijn Samsung", "nl"),
        ("Ein nice to have, aber kein must have. Works for me", "de"),
        ("Hyva tuote, nopea toimitus, this is the best", "fi"),
        ("Ang ganda ng item, very good and works fine, salamat seller", "tl"),
        ("Vinile Wish You Were Here, suono ottimo, spedizione veloce, consigliato", "it"),
    ],
)
def test_english_names_and_phrases_do_not_make_a_review_english(text: str, language: str) -> None:
    assert language_of(text, None) == language


@pytest.mark.parametrize("title", ["This is the best", "Very good and it works for me", "I love it", "Great product"])
def test_an_english_title_makes_no_review_english(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shops offer titles to choose from. The library weighs them: the short way changes none of its answers."""
    texts = [text for code in ("de", "es", "fr", "it", "nl", "pt") for text in labelled(code)]
    found = [language_of(text, None, title) for text in texts]
    monkeypatch.setattr("stream_app.steps.language._is_plain_english", lambda _: False)

    assert found == [language_of(text, None, title) for text in texts]


def test_models_read_their_languages_and_try_undetermined_ones() -> None:
    """None: a model that reads any language."""
    english = frozenset({"en"})

    assert is_supported("en", english)
    assert is_supported(UNDETERMINED, english)
    assert not is_supported("zh", english)
    assert is_supported("zh", None)


@given(st.text(max_size=60), st.none() | st.text(max_size=12))
def test_any_text_and_tag_give_a_short_code(text: str, stated: str | None) -> None:
    """Whatever a shop states, what is published is a code of two or three letters."""
    language = language_of(text, stated)

    assert language.isalpha()
    assert 2 <= len(language) <= 3
