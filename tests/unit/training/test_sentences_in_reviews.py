"""Labels that name places in reviews are joined with the reviews, and read as labelled sentences."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from stream_app.ports import ConfigurationError
from stream_app.training.examples import LabelledSentence, read_sentences
from stream_app.training.sentences_in_reviews import key_of, sentences_in_reviews
from tests.unit.training.reviews import write

REVIEWS: list[dict[str, object]] = [
    {"title": "Loud", "text": "No hum at all. The cord broke.", "rating": 4},
    {"title": "", "text": "It came in a box.", "rating": 3},
]
TEXT = "Loud. No hum at all. The cord broke."


def labels_of(*texts: str) -> list[dict[str, object]]:
    return [
        {
            "review": key_of(text),
            "sentences": [
                [6, 20, "positive", ["sound"], False],
                [21, 36, "negative", [], None],
                [0, 5, None, None, None],
            ],
        }
        for text in texts
    ]


def test_labelled_places_become_sentences_in_order_with_what_is_known(tmp_path: Path) -> None:
    labels = write(tmp_path / "labels.jsonl", labels_of(TEXT))
    found = sentences_in_reviews(labels, [write(tmp_path / "reviews.jsonl", REVIEWS)])
    assert [one["text"] for one in found[0]["clauses"]] == ["No hum at all.", "The cord broke.", "Loud."]

    path = tmp_path / "sentences.jsonl"
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in found))
    [group] = read_sentences(path, {}, "en", all_held_out=True).held_out
    assert group == [
        LabelledSentence("No hum at all.", "positive", False, hazard=False, aspects=frozenset({"sound"})),
        LabelledSentence("The cord broke.", "negative", False, aspects=frozenset()),
        LabelledSentence("Loud.", None, False),
    ]


def test_sentence_may_be_neutral_where_its_file_has_neutral_ones(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"clauses": [{"text": "It is red.", "label": "neutral"}]},
        {"clauses": [{"text": "Bad.", "label": "negative"}]},
    ]
    groups = read_sentences(write(tmp_path / "s.jsonl", rows), {}, "en", all_held_out=True).held_out
    assert [one.neutral_possible for group in groups for one in group] == [True, True]


def test_labels_of_reviews_that_are_missing_are_refused(tmp_path: Path) -> None:
    labels = write(tmp_path / "labels.jsonl", labels_of(TEXT, "another review"))
    with pytest.raises(ConfigurationError, match="1 of the 2 reviews"):
        sentences_in_reviews(labels, [write(tmp_path / "reviews.jsonl", REVIEWS)])


@pytest.mark.parametrize("review_id", ["{:04x}", "zh-{}"])
def test_of_reviews_that_name_no_product_about_a_seventh_is_held_out(tmp_path: Path, review_id: str) -> None:
    rows: list[dict[str, object]] = [
        {"review_id": review_id.format(number), "clauses": [{"text": "It works.", "label": "positive"}]}
        for number in range(700)
    ]
    rows[0]["review_id"] = "of another kind"
    file = read_sentences(write(tmp_path / "s.jsonl", rows), {}, "en")
    assert 70 <= len(file.held_out) <= 130
