"""product-signals.v1: valid under its schema, its example written out, an id for each published state."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given

from stream_app import contract
from stream_app.records import ProductSummary
from stream_app.steps.signals import signals_of
from tests.contract.test_outputs import stored
from tests.contract.test_product_summaries import SUMMARY
from tests.schemas import validator


def encoded(summary: ProductSummary) -> dict[str, Any]:
    value: dict[str, Any] = orjson.loads(contract.encode_product_signals(signals_of(summary)))
    return value


def with_days(summary: ProductSummary) -> ProductSummary:
    summary.recent_reviews = {7: 9, 28: 30}  # type: ignore[misc]
    return summary


@given(SUMMARY.map(with_days))
def test_signals_are_valid(summary: ProductSummary) -> None:
    validator("product-signals.v1").validate(encoded(summary))


def test_example_is_what_is_made_of_the_example_of_a_summary() -> None:
    summary = contract.decode_product_summary(orjson.dumps(stored("product-summary.aspects.json")))
    summary.mismatches = 1  # type: ignore[misc]
    value = stored("product-signals.json")

    validator("product-signals.v1").validate(value)
    assert encoded(with_days(summary)) == value


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": "product-signals.v2"},
        {"score": {"value": 6, "low": 1, "high": 5, "rated": 1}},
        {"negative_share": None},
        {"trend": "up"},
        {"reviews_per_day": {"7d": 1}},
    ],
)
def test_schema_refuses_what_is_no_signal(wrong: dict[str, Any]) -> None:
    assert not validator("product-signals.v1").is_valid(stored("product-signals.json") | wrong)


def test_signals_have_key_and_id_of_the_summary_that_they_are_made_of() -> None:
    """So consumers of both join them, and drop what is published again."""
    summary = contract.decode_product_summary(orjson.dumps(stored("product-summary.json")))
    one = contract.product_summary_message("products.summaries", summary)
    other = contract.product_signals_message("products.signals", signals_of(summary))
    headers = dict(other.headers)

    assert other.key == one.key
    assert headers["ce_id"] == dict(one.headers)["ce_id"]
    assert headers["ce_type"] == b"product-signals.v1"
