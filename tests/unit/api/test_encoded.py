"""A summary that did not change is encoded once, and is the same JSON as if it were encoded each time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from stream_app import contract
from stream_app.api.encoded import EncodedSummaries
from stream_app.records import ProductSummary, ProductText
from stream_app.steps.fold import ProductState
from stream_app.steps.product_summary import summarize
from tests.behaviour.enriched import NOW_MS, enriched

TIME_AT_0 = '"as_of":"1970-01-01T00:00:00.000Z"'


def summary_of(*texts: str) -> ProductSummary:
    state = ProductState("p")
    for number, text in enumerate(texts):
        state.apply(enriched(f"r{number}", text=text, key_sentence=None))
    state.write_text(ProductText(texts[0], texts[0], "extractive", ("r0",), None, NOW_MS), {"r0": 0})
    return summarize(state, NOW_MS)


@pytest.mark.parametrize("stale", [False, True])
def test_body_is_that_of_the_contract_at_each_time(stale: bool) -> None:
    """Also where a review has the words that stand in for the time."""
    summary = summary_of(f"It says {TIME_AT_0} on the lid.", "Fine.")
    encoded = EncodedSummaries()
    for as_of_ms in (NOW_MS, NOW_MS + 1, NOW_MS + 61_001):
        one = replace(summary, as_of_ms=as_of_ms)
        assert encoded.of(one, stale=stale) == contract.encode_product_summary(one, stale=stale)
    assert TIME_AT_0 in contract.decode_product_summary(encoded.of(summary)).text.text  # type: ignore[union-attr]


def test_what_changed_is_encoded_again_and_the_least_asked_for_is_forgotten() -> None:
    encoded = EncodedSummaries(kept=1)
    before, after = summary_of("Fine."), summary_of("Fine.", "It broke.")
    of_contract: Any = contract.encode_product_summary
    with patch.object(contract, "encode_product_summary", side_effect=of_contract) as encode:
        assert encoded.of(before) == encoded.of(before) == of_contract(before)
        assert encode.call_count == 1
        assert encoded.of(after) == of_contract(after)
        assert encoded.of(after, stale=True) == of_contract(after, stale=True)
        assert encode.call_count == 3
        encoded.of(replace(before, product_id="q"))
        encoded.of(after, stale=True)
        assert encode.call_count == 5
