"""product-summary.v1: valid under its schema, read back as it was, readable as it was yesterday."""

from __future__ import annotations

import json
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app import contract
from stream_app.erasure import cited_in
from stream_app.records import (
    LABELS,
    AspectCounts,
    AspectSummary,
    Change,
    Clause,
    Comparison,
    Counts,
    Digest,
    DigestReason,
    DigestText,
    Highlight,
    Highlights,
    PlacedQuote,
    ProductSummary,
    ProductText,
    Quote,
    Trend,
)
from tests.contract.test_outputs import ID, MODEL, MS, PROBABILITY, TEXT, stored
from tests.schemas import validator

N = st.integers(0, 10**9)
QUOTE = st.builds(Quote, ID, st.integers(0, 2**53 - 1), st.sampled_from(LABELS), TEXT)
ASPECT_COUNTS = st.builds(
    lambda mentions, negative, positive: AspectCounts(mentions, min(negative, mentions), min(positive, mentions)),
    *[N] * 3,
)
ASPECT = st.builds(
    AspectSummary, st.fixed_dictionaries({"30d": ASPECT_COUNTS, "all": ASPECT_COUNTS}), st.none() | QUOTE
)
NUMBER = st.none() | st.integers(0, 50_000).map(lambda n: n / 10_000)
COMPARISON = st.builds(Comparison, NUMBER, N, NUMBER, N, st.none() | PROBABILITY, st.sampled_from(get_args(Change)))
TREND = st.builds(Trend, MS, MS, COMPARISON, COMPARISON, st.dictionaries(TEXT, COMPARISON, max_size=2))
PLACED = st.builds(PlacedQuote, ID, st.integers(0, 2**53 - 1), N, N, st.text(max_size=300))
EVIDENCE = st.lists(ID, max_size=20).map(tuple)
HIGHLIGHTS = st.lists(st.builds(Highlight, st.integers(1, 64), st.none() | TEXT, PLACED, EVIDENCE), max_size=5).map(
    tuple
)
DIGEST_TEXT = st.builds(DigestText, TEXT, st.lists(st.builds(Clause, TEXT, EVIDENCE), max_size=3).map(tuple))
DIGEST = st.builds(
    lambda dates, *fields: Digest(*fields[:2], *dates, *fields[2:]),
    st.just((None, None)) | st.tuples(MS, MS),
    st.none() | st.sampled_from(get_args(DigestReason)),
    N,
    st.none() | N,
    st.booleans(),
    st.none() | st.fixed_dictionaries({"en": DIGEST_TEXT, "zh": DIGEST_TEXT}),
    st.none() | st.just("https://shop.example/flag?product=p"),
)
COUNTS = st.builds(Counts, N, N, N, N, N, st.tuples(N, N, N, N, N), N)
SUMMARY = st.builds(
    ProductSummary,
    product_id=ID,
    as_of_ms=MS,
    state_version=N,
    windows=st.fixed_dictionaries({"24h": COUNTS, "7d": COUNTS, "30d": COUNTS, "all": COUNTS}),
    last_review_at_ms=st.none() | MS,
    text=st.none()
    | st.builds(
        ProductText, TEXT, TEXT, st.sampled_from(["abstractive", "extractive", "none"]), st.tuples(TEXT), MODEL, MS
    ),
    low_evidence=st.booleans(),
    aspects=st.none() | st.dictionaries(TEXT, ASPECT, max_size=2),
    trend=st.none() | TREND,
    highlights=st.none() | st.builds(Highlights, N, MS, HIGHLIGHTS, HIGHLIGHTS),
    digest=st.none() | DIGEST,
    reviews_since_text=st.none() | N,
)


@given(SUMMARY)
def test_product_summary_is_valid_and_comes_back_as_it_was(summary: ProductSummary) -> None:
    """Nothing is lost on the wire."""
    value = contract.encode_product_summary(summary)

    validator("product-summary.v1").validate(json.loads(value))
    assert contract.decode_product_summary(value) == summary


def test_example_of_a_summary_with_aspects_is_valid_and_says_what_reviews_say() -> None:
    value = stored("product-summary.aspects.json")

    validator("product-summary.v1").validate(value)
    summary = contract.decode_product_summary(orjson.dumps(value))

    assert summary.aspects is not None
    assert summary.trend is not None
    assert summary.aspects["durability"].windows["30d"] == AspectCounts(9, 8, 1)
    assert summary.aspects["durability"].quote == Quote("r-31", 0, "negative", "The lid broke after a week.")
    assert (summary.trend.negative.change, summary.trend.aspects["durability"].change) == ("worse", "too_few")


def test_example_of_a_summary_with_a_digest_is_valid_and_its_numbers_are_counts() -> None:
    value = stored("product-summary.digest.json")

    validator("product-summary.v1").validate(value)
    summary = contract.decode_product_summary(orjson.dumps(value))
    assert summary.highlights is not None
    assert summary.digest is not None
    assert summary.digest.texts is not None
    complaint = summary.highlights.complaints[0]
    assert (complaint.reviews, complaint.aspect, complaint.quote.start) == (7, "durability", 18)
    assert value["digest"]["generated"] is True
    assert value["digest"]["as_of"] == value["as_of"]
    told = summary.digest.texts["en"]
    assert "(10 of 112, most of them in the last week)" in told.text
    assert told.clauses[2].evidence == ("r-31",)


def test_reviews_whose_words_are_published_are_known_to_the_erasure() -> None:
    """Those that the text cites, and those that are quoted."""
    assert cited_in(orjson.dumps(stored("product-summary.aspects.json") | {"text": None})) == {"r-40", "r-31"}
    assert cited_in(orjson.dumps(stored("product-summary.json"))) == {"r-2", "r-1"}
    quoted = stored("product-summary.digest.json") | {"text": None, "aspects": {}}
    assert cited_in(orjson.dumps(quoted)) == {"r-40", "r-31"}
    assert cited_in(None) == cited_in(b"[]") == cited_in(b"{}") == set()


def test_summary_from_before_aspects_has_none() -> None:
    summary = contract.decode_product_summary(orjson.dumps(stored("product-summary.json")))

    assert (summary.aspects, summary.trend, summary.reviews_since_text) == (None, None, None)
    assert (summary.highlights, summary.digest) == (None, None)


def test_reader_of_summaries_ignores_what_it_does_not_know() -> None:
    """Windows and values of a later version: each has a stated fall-back."""
    value = stored("product-summary.aspects.json")
    value["trend"]["negative"] |= {"change": "sideways", "new_field": 1}
    value["aspects"]["durability"]["quote"]["label"] = "ironic"
    value["aspects"]["durability"]["windows"]["1y"] = value["aspects"]["durability"]["windows"]["all"]

    summary = contract.decode_product_summary(orjson.dumps(value))

    assert summary.aspects is not None
    assert summary.trend is not None
    quote = summary.aspects["durability"].quote
    assert quote is not None
    assert (summary.trend.negative.change, quote.label) == ("none", "neutral")


@pytest.mark.parametrize(
    "wrong",
    [
        {"windows": []},
        {"windows": {}},
        {"windows": {"24h": None}},
        {"product_id": 1},
        {"state_version": "12"},
        {"low_evidence": "no"},
        {"text": []},
        {"last_review_at": 5},
        {"reviews_since_text": -1},
        {"aspects": []},
        {"aspects": {"look": {"windows": {"30d": {}, "all": {}}}}},
        {"aspects": {"look": {"windows": {}, "quote": None}}},
        {"trend": "up"},
        {"trend": {}},
        {"highlights": []},
        {"highlights": {"read": 1, "made_at": "2026-05-08T10:00:50Z", "praise": {}, "complaints": []}},
        {"highlights": {"read": 1, "made_at": "2026-05-08T10:00:50Z", "praise": [{}], "complaints": []}},
        {"digest": "good"},
        {"digest": {"reviews": 1, "low_evidence": False, "texts": {"en": "good"}}},
        {"digest": {"reviews": "1", "low_evidence": False, "texts": None}},
    ],
)
def test_product_summary_of_wrong_types_is_refused_as_promised(wrong: dict[str, Any]) -> None:
    """Some raised an AttributeError, others came through and failed where they were used."""
    value = orjson.dumps(stored("product-summary.json") | wrong)

    with pytest.raises((KeyError, TypeError, ValueError)):
        contract.decode_product_summary(value)


def test_what_is_no_object_is_no_product_summary() -> None:
    """It raised an AttributeError."""
    with pytest.raises(TypeError):
        contract.decode_product_summary(b"[]")
