"""Where sentences end: in a labelled set of 225 texts, and in any text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps.sentences import sentences

# one text a line, "‖" where a sentence, or a Chinese clause, ends, "\n" for a line break; written for this test
LABELLED = Path(__file__).parent / "sentence_texts"


def labelled(name: str) -> Iterator[tuple[str, list[str]]]:
    """(text, its sentences with the white space around them)"""
    for line in (LABELLED / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        parts = line.replace("\\n", "\n").split("‖")
        yield "".join(parts), parts


def ends(parts: list[str]) -> set[int]:
    """Where all sentences but the last end."""
    found, at = set(), 0
    for part in parts[:-1]:
        found.add(at + len(part.rstrip()))
        at += len(part)
    return found


def precision_and_recall(texts: Iterator[tuple[str, list[str]]]) -> tuple[float, float]:
    right = expected = given_ends = 0
    for text, parts in texts:
        gold, found = ends(parts), {span.end for span in sentences(text)[:-1]}
        right, expected, given_ends = right + len(gold & found), expected + len(gold), given_ends + len(found)
    return right / given_ends, right / expected


@pytest.mark.parametrize(("name", "texts"), [("en", 165), ("zh", 60)])
def test_sentences_end_where_people_say_they_do(name: str, texts: int) -> None:
    """With or without a space, but not in numbers, abbreviations and addresses."""
    assert sum(1 for _ in labelled(name)) == texts

    precision, recall = precision_and_recall(labelled(name))

    assert precision >= 0.98
    assert recall >= 0.98


def test_space_that_was_left_out_hides_no_end() -> None:
    """The same texts without a space behind each mark that a capital follows; an address, which has dots, hides it."""
    without = [(re.sub(r"(?<=[a-z][.!?]) (?=‖[A-Z])", "", "‖".join(parts)), parts) for _, parts in labelled("en")]
    changed = [squeezed.split("‖") for squeezed, parts in without if squeezed != "‖".join(parts)]
    assert len(changed) >= 50

    precision, recall = precision_and_recall(("".join(parts), parts) for parts in changed)

    assert precision >= 0.98
    assert recall >= 0.95


def split(text: str) -> list[str]:
    return [text[span.start : span.end] for span in sentences(text)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four… five", ["One.", "Two!", "Three?", "Four… five"]),
        ('He said "great." Then left.', ['He said "great."', "Then left."]),
        ("It costs 3.5 dollars!!! Wow...", ["It costs 3.5 dollars!!!", "Wow..."]),
        ("质量很好。物流也快！“谢谢。”再见", ["质量很好。", "物流也快！", "“谢谢。”", "再见"]),
        ("A line\nanother. And", ["A line", "another.", "And"]),
        ("Dr. Smith has e.g. this one. Yes.", ["Dr. Smith has e.g. this one.", "Yes."]),
        ("I know Mr.", ["I know Mr."]),
        ("Soft . . . and warm. Yes", ["Soft . . . and warm.", "Yes"]),
        ("...and then it broke. Twice.", ["...and then it broke.", "Twice."]),
        ("a\u3000。b", ["a\u3000。", "b"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_text_is_split_into_sentences(text: str, parts: list[str]) -> None:
    """With what closes them; neither numbers nor abbreviations end one."""
    assert split(text) == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("屏幕很清晰，电池不耐用, 有点小贵。", ["屏幕很清晰", "电池不耐用", "有点小贵。"]),
        ("颜色差太多 退货麻烦  将就着上班穿吧", ["颜色差太多", "退货麻烦", "将就着上班穿吧"]),
        ("屏幕很清晰 ， 电池不耐用", ["屏幕很清晰", "电池不耐用"]),
        ("首先，质量不行；其次，客服不回。", ["首先，质量不行", "其次，客服不回。"]),
        ("如果再便宜点，就更好了，下次再来。", ["如果再便宜点，就更好了", "下次再来。"]),
        ("盒子里（没有说明书，也没有电池）什么都缺", ["盒子里（没有说明书，也没有电池）什么都缺"]),
        ("续航12,000毫安，够用两天时间", ["续航12,000毫安", "够用两天时间"]),
        ("배터리가 빨리, 닳아요 정말로", ["배터리가 빨리, 닳아요 정말로"]),
    ],
)
def test_chinese_sentence_is_split_into_its_clauses(text: str, parts: list[str]) -> None:
    """Where each says something; not in brackets, and a condition stays with what depends on it."""
    assert split(text) == parts


@given(st.text(max_size=100) | st.text("ab.!? \n。\"Mr'", max_size=100) | st.text("很好用如果，； 。“”", max_size=40))
def test_sentences_cover_everything_but_white_space(text: str) -> None:
    """In order, without overlap, trimmed: offsets into the text can be trusted. Commas between clauses are left out."""
    spans = sentences(text)

    at = 0
    for span in spans:
        assert not re.sub(r"[\s，；,;]", "", text[at : span.start])
        assert span.start < span.end
        assert text[span.start : span.end] == text[span.start : span.end].strip()
        at = span.end
    assert text[at:].strip() == ""


@given(st.text("很好用如果，； 。！“”", max_size=40))
def test_clause_taken_for_a_text_is_one_clause(text: str) -> None:
    """What is kept of a review is split again when it is quoted."""
    for one in split(text):
        assert split(one) == [one]
