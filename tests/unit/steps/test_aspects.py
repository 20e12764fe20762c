"""Aspects are data: read from a file that says what is wrong with it, and found by keywords as a baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_app.steps.aspects import Aspect, BadAspectsError, load_aspects
from stream_app.steps.aspects.keywords import aspects_by_keyword

_STRINGS = """
[strings]
name = { en = "Strings", zh = "琴弦" }
description = { en = "How the strings play.", zh = "琴弦怎么样。" }
keywords = { en = ["string", "strings"], zh = ["琴弦"] }
"""


def aspect(id_: str, *keywords: str, language: str = "en") -> Aspect:
    return Aspect(id_, {language: id_}, {language: id_}, {language: keywords})


def written(folder: Path, text: str) -> Path:
    path = folder / "aspects.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_default_has_the_aspects_of_a_shop_in_english_and_chinese() -> None:
    aspects = load_aspects()
    assert [one.id for one in aspects] == (
        "quality durability value size_and_fit look comfort ease_of_use function delivery packaging service "
        "smell_and_taste sound battery_and_power material safety"
    ).split()
    for one in aspects:
        assert list(one.name) == list(one.description) == list(one.keywords) == ["en", "zh"]
        assert all(15 <= len(keywords) <= 40 for keywords in one.keywords.values()), one.id


def test_shop_adds_an_aspect_by_adding_a_table(tmp_path: Path) -> None:
    assert load_aspects(written(tmp_path, _STRINGS)) == (
        Aspect(
            "strings",
            {"en": "Strings", "zh": "琴弦"},
            {"en": "How the strings play.", "zh": "琴弦怎么样。"},
            {"en": ("string", "strings"), "zh": ("琴弦",)},
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[strings]", "[Strings]", "[Strings]: an id is lower-case letters"),
        ('zh = "琴弦" }', '"zh" = "" }', "[strings] name.zh: not a text, or empty"),
        ('"string", ', '"String", ', "[strings] keywords.en: 'String' is not in lower case"),
        ('"string", ', '"strings", ', "[strings] keywords.en: 'strings' is there twice"),
        ('"string", ', '" string", ', "[strings] keywords.en: ' string' is not words"),
        ('"string", ', "3, ", "[strings] keywords.en: 3 is not words"),
        ('["琴弦"]', "[]", "[strings] keywords.zh: not a list, or empty"),
        (', zh = ["琴弦"]', "", "[strings] keywords: language 'zh' is missing"),
        ("description = {", "describes = {", "[strings] describes: unknown field"),
        ('name = { en = "Strings", zh = "琴弦" }', "", "[strings] name: missing, or not a table of languages"),
        ("[strings]", "strings = 1\n[others]", "[strings]: not a table"),
        (_STRINGS, "", "no aspects"),
        ("[strings]", "[strings", "line 2"),
    ],
)
def test_error_names_file_table_and_field(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in _STRINGS
    path = written(tmp_path, _STRINGS.replace(old, new, 1))
    with pytest.raises(BadAspectsError) as raised:
        load_aspects(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert problem in str(raised.value)


def test_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "aspects.toml"
    path.write_bytes(_STRINGS.encode("gbk"))
    with pytest.raises(BadAspectsError, match=r"aspects\.toml: .*utf-8"):
        load_aspects(path)


def test_aspects_are_found_in_the_order_of_the_file_and_once() -> None:
    aspects = (aspect("sound", "sound", "loud"), aspect("value", "price"), aspect("look", "looks"))
    assert aspects_by_keyword("Good PRICE, loud sound.", "en", aspects) == ("sound", "value")


@pytest.mark.parametrize(
    ("text", "keyword", "found"),
    [
        ("outfit", "fit", False),
        ("fits", "fit", False),
        ("a fit!", "fit", True),
        ("fit", "fit", True),
        ("the (fit)", "fit", True),
        ("it fell\n apart", "fell apart", True),
        ("it fell, apart", "fell apart", False),
        ("paid $50", "$", True),
        ("don’t buy", "don't buy", True),
        ("cafés", "café", False),
    ],
)
def test_english_keywords_are_whole_words(text: str, keyword: str, found: bool) -> None:
    assert aspects_by_keyword(text, "en", (aspect("one", keyword),)) == (("one",) if found else ())


def test_chinese_keywords_are_found_inside_text() -> None:
    assert aspects_by_keyword("这个质量很好", "zh", (aspect("quality", "质量", language="zh"),)) == ("quality",)


def test_keyword_of_two_aspects_finds_both() -> None:
    aspects = (aspect("quality", "broke"), aspect("durability", "broke", "broke down"))
    assert aspects_by_keyword("it broke down", "en", aspects) == ("quality", "durability")


def test_keywords_of_another_language_find_nothing() -> None:
    assert aspects_by_keyword("Qualität, quality", "de", load_aspects()) == ()


@pytest.mark.parametrize(
    ("text", "language", "ids"),
    [
        ("The zipper broke after a month.", "en", ("quality", "durability")),
        ("Arrived late and the box was crushed.", "en", ("delivery", "packaging")),
        ("Smells fresh, tastes bitter.", "en", ("smell_and_taste",)),
        ("it got so hot that it started to smoke", "en", ("safety",)),
        ("物流很快，包装完好，就是太贵", "zh", ("value", "delivery", "packaging")),
        ("插头漏电，客服不理人", "zh", ("service", "battery_and_power", "safety")),
        ("I gave it to my brother.", "en", ()),
    ],
)
def test_default_keywords_find_what_sentences_speak_of(text: str, language: str, ids: tuple[str, ...]) -> None:
    assert aspects_by_keyword(text, language, load_aspects()) == ids
