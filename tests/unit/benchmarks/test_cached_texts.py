"""The measurement of cache hits counts what a worker's cache would answer."""

from __future__ import annotations

from pathlib import Path

import orjson

from benchmarks.probes.cached_texts import cached_texts, model_texts
from stream_app.models.batcher import estimated_tokens
from stream_app.models.result_cache import LONGEST_TEXT

GOOD, BAD, LONG = "Great product", "Broke at once", "long " * LONGEST_TEXT


def test_repeats_are_known_unless_they_are_long_or_forgotten() -> None:
    found = cached_texts([GOOD, LONG, GOOD, LONG, BAD, GOOD], cached=2)
    assert (found.reviews, found.short, found.known) == (6, 4, 2)
    assert found.cached_tokens == 2 * estimated_tokens(GOOD)
    assert found.tokens == sum(map(estimated_tokens, [GOOD, LONG, GOOD, LONG, BAD, GOOD]))
    assert cached_texts([GOOD, BAD, GOOD], cached=1).known == 0, "the cache holds the newest one alone"
    assert cached_texts([GOOD, GOOD], cached=0).known == 0


def test_texts_are_those_that_the_classifier_is_given(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    rows = [{"text": "It <b>broke</b>."}, {"title": "Bad", "text": "It broke."}, {"text": "<br>"}]
    path.write_bytes(b"\n".join([*map(orjson.dumps, rows), b"{", b"[]", b'{"text": 5}']))
    assert list(model_texts(path)) == ["It broke.", "Bad. It broke."]
