"""Is it the log that the view was made from?"""

from __future__ import annotations

import pytest

from stream_app.steps.log_identity import LogIdentity, is_another, refusal

NOTED = LogIdentity("cluster", "reviews.enriched", "id")


@pytest.mark.parametrize(
    ("present", "another"),
    [
        (NOTED, False),
        (LogIdentity("other", "reviews.enriched", "id"), True),
        (LogIdentity("cluster", "shop.reviews.enriched", "id"), True),
        (LogIdentity("cluster", "reviews.enriched", "made again"), True),
        (LogIdentity("cluster", "reviews.enriched", ""), False),
        (LogIdentity("", "reviews.enriched", "id"), False),
        (LogIdentity("other", "reviews.enriched", ""), True),
    ],
)
def test_logs_differ_in_what_both_say(present: LogIdentity, another: bool) -> None:
    """Brokers that do not say a topic's id leave the cluster and the name to tell by."""
    assert is_another(NOTED, present) is another
    assert is_another(present, NOTED) is another


def test_refusal_names_both_logs_and_every_way_out() -> None:
    said = refusal(NOTED, LogIdentity("other", "reviews.enriched"))

    assert "cluster cluster, topic reviews.enriched, topic id id" in said
    assert "cluster other, topic reviews.enriched, topic id not said" in said
    for way in ("STREAM_APP_BROKERS", "STREAM_APP_TOPIC_PREFIX", "STREAM_APP_APP_NAME", "rebuild --accept-loss"):
        assert way in said
