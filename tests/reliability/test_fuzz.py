"""A short run of the fuzzing, and that it finds what it looks for."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from stream_app import contract
from stream_app.contract import json_bytes
from stream_app.steps import prepare
from tests.reliability.fuzz import run as fuzz
from tests.reliability.fuzz.inputs import MAX_MESSAGE_BYTES, MAX_TEXT_CHARACTERS, made
from tests.reliability.fuzz.patterns import fragments, patterns

INPUTS = 4_000
PATIENT_MILLISECONDS = 500.0  # a machine of CI may be slow; what backtracks takes seconds to years


def test_nothing_raises_is_slow_or_comes_out_against_its_schema() -> None:
    """With another seed each time: a failure prints it. Inputs that all end as not_json would prove nothing."""
    seed = random.randrange(2**31)

    report = fuzz.fuzz(seed, range(INPUTS), PATIENT_MILLISECONDS)

    assert report.failures == [], f"seed {seed}: {[(one.index, one.detail) for one in report.failures]}"
    assert report.outcomes.total() == INPUTS
    assert report.outcomes["review: enriched"] > INPUTS / 5, f"seed {seed}"
    common = "not_utf8 not_json too_deep lone_surrogate missing_field wrong_type invalid_id invalid_date empty_text"
    assert {f"review: rejected {reason}" for reason in common.split()} <= set(report.outcomes), f"seed {seed}"
    accepted = {"review: deleted", "enriched: accepted", "alert: accepted", "product_summary: accepted"}
    assert accepted <= set(report.outcomes), f"seed {seed}"


def test_input_follows_from_seed_and_index() -> None:
    """What is reported can be made again."""
    first, second = (made(random.Random("7 42")) for _ in range(2))

    assert first == second


def test_largest_inputs_are_as_large_as_the_topic_takes() -> None:
    """And no larger: nothing that cannot come is reported."""
    rng = random.Random(1)
    sizes = [len(made(rng)[2]) for _ in range(4_000)]

    assert MAX_MESSAGE_BYTES - 10_000 < max(sizes) <= MAX_MESSAGE_BYTES


def _raises(*_: Any, **__: Any) -> Any:
    raise IndexError("planted")


def _takes_long(text: str) -> int:
    return sum(1 for _ in range(1_000_000))


@pytest.mark.parametrize(
    ("module", "name", "planted", "kind"),
    [
        (contract, "decode_review", _raises, "IndexError"),
        (contract, "decode_alert", _raises, "IndexError"),
        (json_bytes, "_has_lone_surrogate", _raises, "IndexError in json_bytes.py"),
        (prepare, "mask", lambda text: (f"{text}\x07.", True), "no control characters"),
        (prepare, "clean", lambda text: (text, False), "the text is not empty"),
        (prepare, "clean_word_count", _takes_long, "slow"),
        (prepare, "is_supported", _raises, "IndexError in prepare.py:_prepared"),
        (contract, "encode_alert", lambda alert: b"{}", ""),
    ],
)
def test_planted_error_is_found(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, planted: Callable[..., Any], kind: str
) -> None:
    """One of each sort that is looked for."""
    monkeypatch.setattr(module, name, planted)

    report = fuzz.fuzz(1, *((range(12), 5.0) if kind == "slow" else (range(400), PATIENT_MILLISECONDS)))

    assert [failure.kind for failure in report.failures if kind in failure.kind], report


def test_reason_that_is_not_in_the_contract_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers of the dead letter go by the list."""
    monkeypatch.setattr(fuzz, "REASONS", fuzz.REASONS - {"not_json"})

    report = fuzz.fuzz(1, range(100), PATIENT_MILLISECONDS)

    assert [one.kind for one in report.failures] == ["reason 'not_json' is not in asyncapi.yaml in the checks"]


def slowest_milliseconds(pattern: re.Pattern[str], every: int = 1) -> float:
    """Of searching the longest text that is read, made of one piece of the pattern again and again."""
    slowest = 0.0
    for piece in fragments(pattern, random.Random(1))[::every]:
        text = (piece * MAX_TEXT_CHARACTERS)[:MAX_TEXT_CHARACTERS]
        began = time.process_time()
        sum(1 for _ in pattern.finditer(text))
        slowest = max(slowest, 1000 * (time.process_time() - began))
    return slowest


@pytest.mark.parametrize("name", sorted(patterns()))
def test_no_pattern_is_slow_on_repeats_of_its_own_pieces(name: str) -> None:
    """All patterns of the contract and the steps, those in dictionaries too."""
    assert slowest_milliseconds(patterns()[name], every=4) < PATIENT_MILLISECONDS


def test_pattern_of_quadratic_time_is_found() -> None:
    """A tag may hold the beginning of the next one: each beginning reads to the end of the text."""
    tag = patterns()["stream_app.steps.clean._TAG"]
    assert "[^<>]*" in tag.pattern

    quadratic = re.compile(tag.pattern.replace("[^<>]*", "[^>]*"))
    assert slowest_milliseconds(quadratic) > 20 * slowest_milliseconds(tag)
