"""Hostile whole records at running workers, a few of them; `make fuzz` sends 100,000."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.reliability.fuzz.records import fuzz_topics


@pytest.mark.parametrize("topic", ["reviews", "reviews.enriched", "reviews.alerts"])
def test_no_record_ends_a_worker_and_each_ends_somewhere(
    kafka: str, valkey: str, topic_prefix: str, tmp_path: Path, topic: str
) -> None:
    """With another seed each time: a failure prints it."""
    seed = random.randrange(2**31)

    [report] = fuzz_topics(kafka, valkey, topic_prefix, tmp_path, {topic: 500}, seed).values()

    assert report.wrong == [], f"seed {seed}"
    assert report.sent > 450, f"seed {seed}"
    assert sum(count for outcome, count in report.outcomes.items() if "rejected" in outcome) > 50, f"seed {seed}"
    assert report.outcomes["enriched"] + report.outcomes["applied"] > 50, f"seed {seed}"
