"""Alerts of the role `enrich`: at once, once per severity, also where no model reads the language."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from prometheus_client import REGISTRY

from stream_app import contract
from stream_app.ports import InFlightRecord
from stream_app.records import Scores
from stream_app.testing.kafka import FakeAlertHistory, in_flight_of
from tests.unit.roles.enrich_stage import LONG_BAD, NOW_MS, SECONDS, Stage, review, run, staged
from tests.waiting import wait_until_async


def suppressed(reason: str) -> float:
    labels = {"rule": "negative_review", "reason": reason}
    return REGISTRY.get_sample_value("stream_app_alerts_suppressed_total", labels) or 0.0


def edit(offset: int, text: str, **fields: Any) -> InFlightRecord:
    return review(offset, text, review_id="r", revision=offset, **fields)


def with_epoch(in_flight: InFlightRecord, epoch: int) -> InFlightRecord:
    return InFlightRecord(in_flight.record, in_flight.partition, epoch)


def alerts_of(stage: Stage, field: str) -> list[str]:
    return [orjson.loads(one.value or b"")[field] for one in stage.acks.messages.get("reviews.alerts", [])]


def test_alert_fires_again_only_when_it_gets_worse_and_what_does_not_fire_is_counted() -> None:
    """An edit from critical to warning alarmed again, as did one that changed a comma."""

    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            before = suppressed("severity_not_raised")
            texts = [
                "It broke.",
                "It broke!",
                "It broke and caught fire.",
                "It broke, no more.",
                "It broke, and burst into flames!",
            ]
            for offset, text in enumerate(texts):
                await stage.take(edit(offset, text, rating=1))
                await stage.finished(offset)
            assert alerts_of(stage, "severity") == ["warning", "critical"]
            ids = [dict(one.headers)["ce_id"] for one in stage.acks.messages["reviews.alerts"]]
            assert ids == [b"negative_review|p|r|warning", b"safety|p|r|critical"]
            assert suppressed("severity_not_raised") - before == 2  # the last one by the rule safety

    run(scenario)


def test_alert_of_an_old_review_is_counted_and_an_edit_today_fires() -> None:
    """A backlog older than 48 hours raised no alert and no metric."""
    year_ago = contract.to_rfc3339(NOW_MS - 365 * 86_400_000)

    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            before = suppressed("too_old")
            old = orjson.dumps({"product_id": "p", "review_id": "r", "text": "It broke.", "created_at": year_ago})
            await stage.take(in_flight_of(old, 0, timestamp_ms=NOW_MS - 49 * 3_600_000))
            await stage.finished(0)
            assert alerts_of(stage, "severity") == []
            assert suppressed("too_old") - before == 1
            edited = orjson.loads(old) | {"updated_at": contract.to_rfc3339(NOW_MS)}
            await stage.take(in_flight_of(orjson.dumps(edited), 1, timestamp_ms=-1))
            await stage.finished(1)
            assert len(alerts_of(stage, "severity")) == 1

    run(scenario)


def test_alert_that_the_broker_may_not_have_is_published_again_when_its_review_comes_again() -> None:
    """What was sent before a rebalance counts for nothing until it is read back from the topic."""

    async def scenario() -> None:
        history = FakeAlertHistory()
        async with staged(summaries="off", alert_history=history) as stage:
            await stage.take(edit(0, "It broke.", rating=1))
            await stage.finished(0)
            await stage.take(with_epoch(edit(0, "It broke.", rating=1), epoch=3))
            await wait_until_async(lambda: len(stage.acks.finished()) == 2, SECONDS, "it is finished again")
            assert alerts_of(stage, "severity") == ["warning", "warning"]
            history.read(*(one.value for one in stage.acks.messages["reviews.alerts"]))
            await stage.take(with_epoch(edit(0, "It broke.", rating=1), epoch=5))
            await wait_until_async(lambda: len(stage.acks.finished()) == 3, SECONDS, "it is finished once more")
            assert alerts_of(stage, "severity") == ["warning", "warning"]

    run(scenario)


def test_alerts_of_other_workers_and_of_earlier_runs_are_known_before_the_first_review() -> None:
    """Whatever else is in the topic: unreadable bytes stop nothing."""
    fields = orjson.loads((contract.schema_folder() / "examples" / "valid" / "alert.json").read_bytes())
    known = fields | {"alert_id": "negative_review|p|r", "product_id": "p", "review_id": "r", "severity": "critical"}
    of_version_0_1 = known | {"alert_id": "negative_review|p|r2|warning", "review_id": "r2", "severity": "warning"}
    garbage = (None, b"", b"\xff\x00", b"[" * 5000, b'{"schema":"alert.v1"}')
    history = FakeAlertHistory(*garbage, orjson.dumps(known), orjson.dumps(of_version_0_1))

    async def scenario() -> None:
        async with staged(summaries="off", alert_history=history) as stage:
            assert history.states == ["started", "caught up"]
            await stage.take(edit(0, "It broke.", rating=1), review(1, "It broke.", review_id="r2", rating=1))
            await stage.take(review(2, "It broke.", review_id="r3", rating=1))
            await stage.finished(0, 1, 2)
            assert alerts_of(stage, "review_id") == ["r3"]
        assert history.states[-1] == "stopped"

    run(scenario)


def test_alert_of_a_partition_s_previous_owner_is_known_before_its_next_reviews() -> None:
    """A woken worker had not read it back: the next edit fired the alert again."""

    async def scenario() -> None:
        history = FakeAlertHistory()
        async with staged(summaries="off", alert_history=history) as stage:
            await stage.take(review(0, "I love it.", rating=5))
            await stage.finished(0)
            fields = orjson.loads((contract.schema_folder() / "examples" / "valid" / "alert.json").read_bytes())
            own = {"alert_id": "negative_review|p|r", "product_id": "p", "review_id": "r", "severity": "warning"}
            history.late = (orjson.dumps(fields | own | {"rule": "negative_review", "revision": 1}),)
            await stage.take(with_epoch(edit(2, "It broke.", rating=1), epoch=3))
            await wait_until_async(lambda: len(stage.acks.finished()) == 2, SECONDS, "the edit is finished")
            assert alerts_of(stage, "severity") == []
            await stage.take(with_epoch(edit(3, "It broke.", rating=1), epoch=3))
            await wait_until_async(lambda: len(stage.acks.finished()) == 3, SECONDS, "the next one is finished")
            assert history.states == ["started", "caught up", "reached end", "reached end"]

    run(scenario)


def test_a_review_that_may_alarm_overtakes_what_waits_for_the_device() -> None:
    async def scenario() -> None:
        async with staged(summaries="off", micro_batch_tokens=1, batch_tokens=1) as stage:
            stage.bert.gate.clear()
            content = [review(offset, f"I love it {offset}.", rating=5) for offset in range(20)]
            await stage.take(*content, review(20, "It broke and I am angry.", rating=1))
            stage.bert.gate.set()
            await stage.finished(*range(21))
            order = [text for run in stage.bert.ran for text in run]
            assert order.index("It broke and I am angry.") < 6  # behind what was on its way to the device already

    run(scenario)


def test_alert_goes_out_before_the_summary_is_made() -> None:
    async def scenario() -> None:
        async with staged(summaries="always") as stage:
            stage.t5.gate.clear()
            await stage.take(review(0, LONG_BAD, rating=1))
            await wait_until_async(lambda: stage.t5.ran, SECONDS, "T5 begins")
            assert stage.acks.calls == [("early", 0, ["reviews.alerts"])]
            stage.t5.gate.set()
            await stage.finished(0)
            assert [kind for kind, _, _ in stage.acks.calls] == ["early", "finish"]
            assert stage.enriched()[0].summary_method == "abstractive"

    run(scenario)


@pytest.mark.parametrize(("p_negative", "published", "alarms"), [(0.79996, 0.8, True), (0.79994, 0.7999, False)])
def test_threshold_is_compared_with_the_probability_that_is_published(
    p_negative: float, published: float, alarms: bool
) -> None:
    """Who applies the threshold to enriched reviews finds the same ones."""

    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            stage.bert._answer = lambda _: Scores(p_negative, 0.0, 1 - p_negative)
            await stage.take(review(0, "It is as it is.", rating=4))
            await stage.finished(0)
            sentiment = stage.enriched()[0].sentiment
            assert sentiment is not None
            assert sentiment.scores[0] == published
            assert alerts_of(stage, "p_negative") == ([published] if alarms else [])

    run(scenario)


def test_praise_raises_no_alert() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(review(0))
            await stage.finished(0)
            assert stage.acks.calls == [("finish", 0, ["reviews.enriched"])]

    run(scenario)


@pytest.mark.parametrize("text", ["半夜起火了，消防队都来了。", "A pris feu pendant notre sommeil."])
def test_hazard_in_a_language_that_no_model_reads_alarms_at_once(text: str) -> None:
    """It is published without sentiment, and raised none."""

    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(review(0, text, rating=1, language="zh" if text[0] == "半" else "fr"))
            await stage.finished(0)
            assert stage.enriched()[0].sentiment is None
            assert alerts_of(stage, "alert_id") == ["safety|p|r0"]
            assert alerts_of(stage, "severity") == ["critical"]
            assert stage.bert.ran == []

    run(scenario)


def test_hazard_alarms_before_the_model_has_read_it() -> None:
    """Whatever it says of the sentiment then: P(negative) of such reviews was 0.33."""

    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            stage.bert.gate.clear()
            await stage.take(review(0, "Love love love. It caught fire while we slept.", rating=1))
            assert alerts_of(stage, "alert_id") == ["safety|p|r0"]
            assert stage.acks.finished() == []
            stage.bert.gate.set()
            await stage.finished(0)
            assert alerts_of(stage, "alert_id") == ["safety|p|r0"]

    run(scenario)


def test_one_star_in_a_language_that_no_model_reads_alarms_by_its_stars() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(
                review(0, "这个水壶坏了", rating=1),
                review(1, "这个水壶很好用", rating=5),
                review(2, "这个水壶", rating=3),
            )
            await stage.finished(0, 1, 2)
            assert alerts_of(stage, "alert_id") == ["negative_review|p|r0"]
            assert alerts_of(stage, "reason") == ["stars"]
            assert alerts_of(stage, "p_negative") == [None]

    run(scenario)
