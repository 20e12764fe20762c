"""The topics as the broker is asked to make them: what is kept for how long, and how large a message may be."""

from __future__ import annotations

import pytest

from stream_app.kafka.groups import topic_of
from stream_app.kafka.topics import MAX_MESSAGE_BYTES, MAX_REVIEW_BYTES, Topics
from stream_app.settings import Settings

DAY_MS = 24 * 3600 * 1000


def test_prefix_stands_before_every_name() -> None:
    assert Topics("test.").all() == tuple(f"test.{name}" for name in Topics().all())
    assert Topics("test.").reviews == "test.reviews"


def test_every_topic_has_a_config_of_its_own_name() -> None:
    topics = Topics("test.")
    assert sorted(topics.configs()) == sorted(topics.all())


def test_enriched_reviews_are_kept_for_ever() -> None:
    """The view is rebuilt from them."""
    topics = Topics()
    config = topics.configs()[topics.enriched]
    assert (config["retention.ms"], config["retention.bytes"]) == ("-1", "-1")
    assert config.get("cleanup.policy", "delete") == "delete"


def test_only_what_is_published_of_products_is_compacted() -> None:
    topics = Topics()
    compacted = [name for name, config in topics.configs().items() if config.get("cleanup.policy") == "compact"]
    assert compacted == [topics.summaries, topics.signals]
    assert {topics.configs()[name]["max.compaction.lag.ms"] for name in compacted} == {str(DAY_MS)}


def test_alerts_and_dead_letters_are_kept_for_30_days() -> None:
    topics = Topics()
    assert {topics.configs()[name]["retention.ms"] for name in (topics.alerts, topics.dead_letter)} == {
        str(30 * DAY_MS)
    }


def test_how_long_reviews_are_kept_is_the_shops_choice() -> None:
    topics = Topics()
    assert not any(key.startswith("retention") for key in topics.configs()[topics.reviews])


@pytest.mark.parametrize("name", ["enriched", "dead_letter", "summaries", "signals"])
def test_largest_review_with_what_is_added_to_it_fits_into_what_it_leads_to(name: str) -> None:
    topics = Topics()
    assert topics.configs()[topics.reviews]["max.message.bytes"] == str(MAX_REVIEW_BYTES)
    assert topics.configs()[getattr(topics, name)]["max.message.bytes"] == str(MAX_MESSAGE_BYTES)
    assert MAX_MESSAGE_BYTES >= 2 * MAX_REVIEW_BYTES


@pytest.mark.parametrize(("replication", "in_sync"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_acknowledged_records_have_two_copies_where_three_are_kept(replication: int, in_sync: str | None) -> None:
    """With 2 of 2, no broker could be away; with 1, acks=all is the word of one disk. The default of brokers that is
    stricter stands.
    """
    configs = Topics().configs(replication)
    assert {config.get("min.insync.replicas") for config in configs.values()} == {in_sync}
    assert len(configs) == 6


@pytest.mark.parametrize("role", ["enrich", "summarize", "describe", "notify"])
def test_what_a_role_reads_and_writes_are_topics_of_ours(role: str) -> None:
    topics = Topics("test.")
    named = (*topics.read_by(role), *topics.written_by(role))
    assert named
    assert set(named) <= set(topics.all())
    assert set(topics.read_by(role)) == (
        {topic_of(Settings(_env_file=None, topic_prefix="test."), role)} if role != "describe" else set()
    )


def test_record_timestamps_stay_the_time_of_producing() -> None:
    assert not any("message.timestamp.type" in config for config in Topics().configs().values())
