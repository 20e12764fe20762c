"""Text without markup and control characters, with all that people wrote."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps.clean import clean


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("<p>Good.</p><p>Buy it.</p>", "Good.\nBuy it."),
        ("One<br>two<BR />three", "One\ntwo\nthree"),
        ("A <b>very</b> good <a href='http://x.example'>one</a>", "A very good one"),
        ("Before<script>alert('x')</script>after", "Before after"),
        ("Before<style type='text/css'>p {}</style >after", "Before after"),
        ("Before<script>never closed", "Before"),
        ("Seen<!-- not seen -->again", "Seen again"),
        ("<!DOCTYPE html><?xml version='1.0'?>Text", "Text"),
        (f"<img src='data:image/png;base64,{'A' * 5000}'>Nice", "Nice"),
        ("I like <script <br> tags> and more", "I like and more"),
        ("<style<br>>z", "z"),
        ("One<br />two<br> <3", "One\ntwo\n<3"),
        ("<table><tr><td>big</td><td>red</td></tr></table>", "big\nred"),
    ],
)
def test_markup_is_removed(raw: str, plain: str) -> None:
    """Tags go, what they enclose stays, but not scripts and styles; blocks become lines."""
    assert clean(raw) == (plain, True)


@pytest.mark.parametrize("text", ["I <3 it", "5 < 6 and 7 > 3", "<- look", "a <> b", "R&D & more", "AT&T", "x<y"])
def test_what_only_looks_like_markup_stays(text: str) -> None:
    """Hearts, arrows and comparisons are words of the writer."""
    assert clean(text) == (text, False)


def test_entities_become_the_characters_that_they_spell_once() -> None:
    """What an entity spells is text: it is not read as markup again."""
    assert clean("salt &amp; pepper &#9733; &lt;b&gt; &amp;lt;") == ("salt & pepper ★ <b> &lt;", False)


def test_reference_to_no_character_does_not_raise() -> None:
    """html.unescape raises ValueError at numbers of more than 4,300 digits."""
    assert clean(f"Good &#{'9' * 5000}; one &#x0; &#xD800;")[0].startswith("Good one")


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("bell\x07 and \x1b[31mred", "bell and [31mred"),
        ("nul\x00 del\x7f c1\x9f", "nul del c1"),
        ("turned \u202eround\u202c", "turned round"),
        ("hid\u200bden byte\ufeff order so\xadft", "hidden byte order soft"),
        ("half \ud83d a pair", "half a pair"),
    ],
)
def test_control_characters_are_removed(raw: str, plain: str) -> None:
    """Also those that turn or hide text, and halves of characters."""
    assert clean(raw)[0] == plain


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("  two   spaces\tand\xa0others\u3000here ", "two spaces and others here"),
        ("one\r\n\r\n \n two\rthree\x0bfour", "one\ntwo\nthree four"),
        ("\n\n", ""),
        ("", ""),
    ],
)
def test_white_space_collapses_and_lines_stay(raw: str, plain: str) -> None:
    """One space between words, one break between lines, none around."""
    assert clean(raw) == (plain, False)


@pytest.mark.parametrize(
    "text",
    [
        "❤️👩‍👩‍👧🏳️‍🌈 🎉",
        "质量很好，物流也快。",
        "هذا المنتج رائع",
        "می‌خواهم",
        "क्‍ष",
        "Ünïcödé",
        "とても良い",
        "아주 좋아요",
    ],
)
def test_emoji_and_scripts_stay(text: str) -> None:
    """Joined emoji stay one, Persian and Hindi keep their joiners."""
    assert clean(text) == (text, False)


def test_joiners_elsewhere_are_removed() -> None:
    """They hide words from readers of the text: fi‍re is fire."""
    assert clean("fi\u200dre and smo\u200cke")[0] == "fire and smoke"


def test_letters_are_composed() -> None:
    """An e with an accent is one character, however it was typed."""
    assert clean("cafe\u0301 cafe\u200b\u0301")[0] == "caf\u00e9 caf\u00e9"


@given(st.text(max_size=200) | st.text("<>&;#/!-x \n\r\u200b\u0301\ud800script", max_size=200))
def test_any_text_is_cleaned_without_an_error(text: str) -> None:
    """What comes out can be published: it is UTF-8, without control characters, trimmed."""
    plain, _ = clean(text)

    plain.encode()
    assert plain == plain.strip()
    assert not any(character < " " and character != "\n" for character in plain)
    if "&" not in text and "<" not in text:
        assert clean(plain) == (plain, False)


@pytest.mark.parametrize(
    "piece",
    [
        "<script>",
        "<script",
        "<!--",
        "</",
        "<p ",
        "<a<",
        "&#",
        "&amp;",
        "\u0301\u0327",
        "\u05b0\u0591",
        " \n",
        "<b>x</b>",
        "\u200d",
        "good ",
    ],
)
def test_a_megabyte_takes_no_quadratic_time(piece: str) -> None:
    """Quadratic patterns take minutes at this size, linear ones some 50 ms."""
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()

    clean(text)

    assert time.process_time() - began < 2.0
