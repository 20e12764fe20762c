"""Which language a review is in, and whether a model reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps.language import UNDETERMINED, is_supported, language_of


@pytest.mark.parametrize(
    ("text", "stated", "language"),
    [
        ("Very good", "en", "en"),
        ("Very good", "en-US", "en"),
        ("Très bien, “vraiment”", "fr", "fr"),
        ("Very good", None, UNDETERMINED),
        ("Very good", "", UNDETERMINED),
        ("Very good", "zh", UNDETERMINED),
        ("Very good", "not a tag!", UNDETERMINED),
        ("质量很好，物流也快", "en", "zh"),
        ("质量很好，物流也快", None, "zh"),
        ("iPhone 15 Pro 很好用，电池也不错", "en", "zh"),
        ("とても良いです", None, "ja"),
        ("아주 좋아요", None, "ko"),
        ("Очень хорошо", "en", "ru"),
        ("Дуже добре", "uk", "uk"),
        ("رائع جدا", None, "ar"),
        ("Great product 👍👍 很", "en", "en"),
        ("👍👍👍", "de", "de"),
        ("", None, UNDETERMINED),
    ],
)
def test_script_wins_over_what_was_stated(text: str, stated: str | None, language: str) -> None:
    """A shop's default of "en" makes no English of Chinese; Latin script is what the shop says it is."""
    assert language_of(text, stated) == language


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
