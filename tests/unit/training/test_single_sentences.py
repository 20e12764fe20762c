"""Reviews of one sentence become labelled sentences."""

from __future__ import annotations

from pathlib import Path

import orjson

from stream_app.training.single_sentences import single_sentences


def test_short_reviews_of_one_sentence_are_kept_with_their_label(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"review_id": "1", "text": "颜色很好看，喜欢！", "label": "positive", "language": "zh", "category": "衣服"},
        {"review_id": "2", "text": "颜色很好看。质量太差。", "label": "negative", "language": "zh"},
        {"review_id": "3", "text": "好", "label": "positive", "language": "zh"},
        {"review_id": "4", "text": "差" * 61, "label": "negative", "language": "zh"},
        {"review_id": "5", "text": "用了两天就坏了", "rating": 1, "language": "zh"},
    ]
    file = tmp_path / "reviews.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))

    assert single_sentences(file) == [
        {"review_id": "1", "label": "positive", "language": "zh", "text": "颜色很好看，喜欢！"}
    ]
