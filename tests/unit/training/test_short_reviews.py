"""Sentences of short reviews become labelled sentences."""

from __future__ import annotations

from pathlib import Path

import orjson

from stream_app.training.short_reviews import sentences_of_short_reviews


def test_each_sentence_of_a_short_review_has_its_label(tmp_path: Path) -> None:
    """Not those of long reviews, nor of one that praises and complains."""
    rows: list[dict[str, object]] = [
        {"review_id": "1", "text": "颜色很好看，面料舒服！", "label": "positive", "language": "zh", "category": "衣服"},
        {"review_id": "2", "text": "颜色很好看，但是质量太差。", "label": "negative", "language": "zh"},
        {"review_id": "3", "text": "好", "label": "positive", "language": "zh"},
        {"review_id": "4", "text": "差" * 61, "label": "negative", "language": "zh"},
        {"review_id": "5", "text": "用了两天就坏了", "rating": 1, "language": "zh"},
        {"review_id": "6", "text": "质量很差。物流太慢。客服不回。再也不来。", "label": "negative", "language": "zh"},
    ]
    file = tmp_path / "reviews.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))

    assert sentences_of_short_reviews(file) == [
        {"review_id": "1", "label": "positive", "language": "zh", "text": "颜色很好看"},
        {"review_id": "1", "label": "positive", "language": "zh", "text": "面料舒服！"},
    ]
