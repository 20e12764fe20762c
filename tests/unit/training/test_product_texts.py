"""Texts of products against people's summaries: what is read, and that the scores say which text is better."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from stream_app.models.sentence_space import SentenceSpace
from stream_app.ports import ConfigurationError
from stream_app.testing.embedder import FakeEmbedder
from stream_app.testing.models import FakeClassifier
from stream_app.training.product_texts import Product, evidence_of, read_products, rouge_of, score_texts

_REVIEWS = [
    "I bought this for my son. The kettle boils water fast.",
    "My wife is from Ohio. Boils water very fast, great kettle.",
    "We moved in May. The kettle is great and boils fast.",
    "I waited a week. The lid broke, bad.",
]


def test_both_forms_of_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "products.jsonl"
    rows = [
        {"product_id": "a", "reviews": ["One.", {"text": "Two."}], "summaries": ["Short."]},
        {
            "product_id": "b",
            "reviews": [{"clauses": [{"text": "It"}, {"text": "works."}]}],
            "summaries": [["It", "is."]],
        },
    ]
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows) + b"\n\n")

    assert read_products(path) == [Product("a", ["One.", "Two."], ["Short."]), Product("b", ["It works."], ["It is."])]


@pytest.mark.parametrize("line", ["[1]", "{}", "{", '{"product_id": "a", "reviews": [{}], "summaries": ["x"]}'])
def test_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "products.jsonl"
    path.write_text(f"\n{line}\n")

    with pytest.raises(ConfigurationError, match="line 2"):
        read_products(path)


def test_evidence_is_what_the_view_would_keep() -> None:
    kept = evidence_of(["The lid broke, bad.", "", "It is great."], FakeClassifier(languages=frozenset({"en"})))

    assert [(one.label, one.sentence) for one in kept] == [
        ("negative", "The lid broke, bad."),
        ("positive", "It is great."),
    ]


def test_rouge_is_100_for_the_reference_itself_and_0_for_other_words() -> None:
    same = rouge_of(["The kettle boils."], [["The kettle boils."]])
    other = rouge_of(["Nothing alike"], [["The kettle boils."]])

    assert (same.rouge1, same.rouge2, same.rougeL, same.words) == (100, 100, 100, 3)
    assert (other.rouge1, other.rougeL) == (0, 0)


def test_choice_beats_first_sentences_that_tell_stories() -> None:
    product = Product("p", _REVIEWS, ["The kettle is great and boils water fast. The lid broke."])
    scores = score_texts([product], FakeClassifier(), SentenceSpace(FakeEmbedder()))

    assert scores["words"] == 11
    assert scores["choice"].rouge1 > scores["first_sentences"].rouge1
    assert scores["lexrank"].rouge1 > 0
