"""Labelled reviews are read row by row; what can't be read is named by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_app.ports import ConfigurationError
from stream_app.training.data import describe_file, joined, read_review_file, read_reviews
from tests.unit.training.reviews import rows, write


def test_stars_become_labels(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [{"text": "x", "rating": rating} for rating in (1, 2, 3, 4, 5)]
    labels = [review.label for review in read_reviews([write(tmp_path / "a.jsonl", lines)])]
    assert labels == ["negative", "negative", "neutral", "positive", "positive"]


def test_a_label_is_preferred_to_the_stars(tmp_path: Path) -> None:
    [review] = read_reviews([write(tmp_path / "a.jsonl", [{"text": "x", "rating": 5, "label": "negative"}])])
    assert review.label == "negative"


def test_a_file_without_neutral_reviews_says_nothing_about_them(tmp_path: Path) -> None:
    three = write(tmp_path / "three.jsonl", rows())
    two = write(tmp_path / "two.jsonl", [row for row in rows() if row["rating"] != 3])
    reviews = read_reviews([three, two])
    assert [review.neutral_possible for review in reviews] == [True] * 9 + [False] * 6


def test_markup_and_white_space_are_removed(tmp_path: Path) -> None:
    [review] = read_reviews([write(tmp_path / "a.jsonl", [{"text": "It <br />\n broke", "rating": 1}])])
    assert review.text == "It broke"


def test_rows_without_text_or_label_are_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[dict[str, object]] = [
        {"text": "", "rating": 1},
        {"text": "no label", "rating": 6},
        {"text": "x", "rating": 1},
        {"text": "x", "label": "bad"},
    ]
    file = read_review_file(write(tmp_path / "a.jsonl", lines))
    assert [review.text for review in file.reviews] == ["x"]
    assert [(row.line, row.reason) for row in file.bad_rows] == [
        (1, "has no text"),
        (2, "has no label and no rating from 1 to 5"),
        (4, "has the label 'bad', not negative, neutral, positive"),
    ]
    assert f"3 rows are left out: {tmp_path}/a.jsonl, line 1 has no text; line 2 has" in capsys.readouterr().err


def test_a_broken_line_is_named_and_the_others_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "x", "rating": 1}\n{"text": \n[]\n')
    assert len(read_reviews([file])) == 1
    printed = capsys.readouterr().err
    assert "line 2 is not JSON" in printed
    assert "line 3 is not a JSON object" in printed


def test_a_file_of_broken_lines_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": \n')
    with pytest.raises(ConfigurationError, match=r"a\.jsonl, line 1 is not JSON"):
        read_reviews([file])


def test_stars_domain_and_language_are_kept(tmp_path: Path) -> None:
    row: dict[str, object] = {"text": "x", "rating": 2, "language": "en", "category": "kettles"}
    [review] = read_reviews([write(tmp_path / "a.jsonl", [row])])
    assert (review.rating, review.language, review.domain) == (2, "en", "kettles")


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no row has a text and a label"):
        read_reviews([write(tmp_path / "a.jsonl", [{"text": "x"}])])


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        read_reviews([tmp_path / "nowhere.jsonl"])


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        ("Good", "It works.", "Good. It works."),
        ("Good!", "It works.", "Good! It works."),
        ("", "It works.", "It works."),
        ("Good", "", "Good"),
    ],
)
def test_title_and_text_are_joined_as_sentences(title: str, text: str, expected: str) -> None:
    assert joined(title, text) == expected


def test_a_file_is_described_by_its_rows_and_hash(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("{}\n\n{}\n")
    described = describe_file(file)
    assert (described.name, described.rows) == ("a.jsonl", 2)
    assert described.sha256.startswith("f1620449")
