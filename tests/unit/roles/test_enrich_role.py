"""The role that enriches, with fake models: what goes out, in which order, and what happens when things are late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from prometheus_client import REGISTRY

from stream_app import contract
from stream_app.kafka.crash_memory import CrashMemory
from stream_app.models.batcher import estimated_tokens
from stream_app.models.loading import Loaded, TunedModel
from stream_app.ports import InFlightRecord
from stream_app.records import EnrichedReview, Partition, RawRecord, Rejected, Scores
from stream_app.roles.enrich.role import Enrich
from stream_app.roles.enrich.summaries import Summaries
from stream_app.settings import ModelSettings, Settings
from stream_app.steps.crash_note import CrashNote
from stream_app.testing.kafka import FakeAcks, FakeAlertHistory, in_flight_of
from stream_app.testing.models import FakeClassifier, FakeModel, fake_scores, fake_summary
from tests.waiting import wait_until_async

NOW_MS = 1_800_000_000_000
P0, P1 = Partition("reviews", 0), Partition("reviews", 1)
ENGLISH = frozenset({"en"})
_SECONDS = 30
_SIZES = ("micro_batch_tokens", "batch_tokens", "max_message_bytes", "t5_tokens_per_second", "alert_history")
LONG_BAD = (
    "The kettle came in May and I used it each day in my own kitchen. The lid broke after two weeks of careful use. "
    "The shop has never answered any of my dead letters."
)


class Stage:
    """An Enrich between fake models and fake acknowledgements."""

    def __init__(
        self, sizes: dict[str, Any], *, load: Callable[[ModelSettings], Loaded] | None = None, **settings: Any
    ) -> None:
        """``load``: as a worker loads its models; None: the fake ones, which this process alone can have."""
        self.bert = FakeClassifier(languages=ENGLISH)
        self.t5 = FakeModel(fake_summary, languages=ENGLISH)
        self.acks = FakeAcks()
        self.crashes = CrashMemory()
        self.errors: list[BaseException] = []
        micro_batch_tokens, batch_tokens = sizes.get("micro_batch_tokens", 1000), sizes.get("batch_tokens", 1000)
        t5_rate = sizes.get("t5_tokens_per_second", 0)
        self.role = Enrich(
            Settings(_env_file=None, **({"cached_texts": 0} | settings)),
            load
            or (
                lambda _: Loaded(
                    TunedModel(self.bert, micro_batch_tokens, batch_tokens),
                    None
                    if settings.get("summaries") == "off"
                    else TunedModel(self.t5, micro_batch_tokens, batch_tokens, 1, t5_rate),
                )
            ),
            crashes=self.crashes,
            max_message_bytes=sizes.get("max_message_bytes", 2**21),
            now_ms=lambda: NOW_MS,
            fatal=self.errors.append,
            alert_history=sizes.get("alert_history"),
        )

    @property
    def summaries(self) -> Summaries:
        assert self.role._summaries is not None
        return self.role._summaries

    async def take(self, *in_flight_records: InFlightRecord) -> None:
        async with asyncio.timeout(_SECONDS):
            await self.role.take(list(in_flight_records))

    async def finished(self, *offsets: int) -> None:
        await wait_until_async(
            lambda: set(offsets) <= set(self.acks.finished()), _SECONDS, f"{offsets} finished, not {self.acks.calls}"
        )

    def died_with(self, until: int, *, deaths: int = 0, alone: int | None = None, alone_deaths: int = 0) -> None:
        """A previous owner of partition 0 died: records before ``until`` may have been on its device."""
        note = CrashNote(True, until, deaths, alone, alone_deaths, alone is not None)
        self.crashes.assigned(P0, 0, note.packed(), until)

    def enriched(self) -> dict[int, EnrichedReview]:
        """What was published to reviews.enriched, by the offset of its input."""
        made = {}
        for message in self.acks.messages.get("reviews.enriched", []):
            review = contract.decode_enriched(RawRecord(message.topic, 0, 0, 0, message.key, message.value))
            assert not isinstance(review, Rejected)
            made[review.input.offset] = review
        return made

    def reasons(self) -> list[str]:
        """Why each dead letter is one."""
        return [
            dict(message.headers)[contract.HEADER_ERROR_REASON].decode()
            for message in self.acks.messages.get("reviews.dead-letter", [])
        ]


@asynccontextmanager
async def staged(**options: Any) -> AsyncIterator[Stage]:
    sizes = {name: options.pop(name) for name in _SIZES if name in options}
    stage = Stage(sizes, **options)
    await stage.role.start(stage.acks)
    try:
        yield stage
        assert stage.errors == []
    finally:
        stage.bert.gate.set()
        stage.t5.gate.set()
        await stage.role.stop()


def review(
    offset: int, text: str = "I love it.", partition: int = 0, key: bytes = b"p", **fields: Any
) -> InFlightRecord:
    value = orjson.dumps({"product_id": "p", "review_id": f"r{offset}", "text": text} | fields)
    return in_flight_of(value, offset, partition=partition, key=key, timestamp_ms=NOW_MS)


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(scenario())


@pytest.mark.parametrize("timestamp_ms", [-(2**63), -(10**15), -1, 0, 10**15, 2**63 - 1])
def test_no_timestamp_of_a_record_ends_the_worker(timestamp_ms: int) -> None:
    """Alone it is a reject with a name; beside a date it is not looked at, by the metric of latencies neither."""

    def latencies() -> float:
        return REGISTRY.get_sample_value("stream_app_enrich_seconds_sum") or 0.0

    async def scenario() -> None:
        async with staged() as stage:
            before = latencies()
            undated = {"product_id": "p", "review_id": "r", "text": "It broke."}
            dated = undated | {"created_at": contract.to_rfc3339(NOW_MS)}
            await stage.take(
                in_flight_of(orjson.dumps(undated), 0, timestamp_ms=timestamp_ms),
                in_flight_of(orjson.dumps(undated | {"deleted": True}), 1, timestamp_ms=timestamp_ms),
                in_flight_of(orjson.dumps(dated), 2, timestamp_ms=timestamp_ms),
                in_flight_of(orjson.dumps(dated | {"deleted": True}), 3, timestamp_ms=timestamp_ms),
            )
            await stage.finished(0, 1, 2, 3)
            assert stage.reasons() == ["invalid_timestamp"] * 2
            assert set(stage.enriched()) == {2, 3}
            assert latencies() == before

    run(scenario)


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
            await wait_until_async(lambda: len(stage.acks.finished()) == 2, _SECONDS, "it is finished again")
            assert alerts_of(stage, "severity") == ["warning", "warning"]
            history.read(*(one.value for one in stage.acks.messages["reviews.alerts"]))
            await stage.take(with_epoch(edit(0, "It broke.", rating=1), epoch=5))
            await wait_until_async(lambda: len(stage.acks.finished()) == 3, _SECONDS, "it is finished once more")
            assert alerts_of(stage, "severity") == ["warning", "warning"]

    run(scenario)


def test_alerts_of_other_workers_and_of_earlier_runs_are_known_before_the_first_review() -> None:
    """Whatever else is in the topic: bytes that nobody can read stop nothing."""
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


def late_summaries() -> float:
    return REGISTRY.get_sample_value("stream_app_summaries_late_total") or 0.0


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
            await wait_until_async(lambda: stage.t5.ran, _SECONDS, "T5 begins")
            assert stage.acks.calls == [("early", 0, ["reviews.alerts"])]
            stage.t5.gate.set()
            await stage.finished(0)
            assert [kind for kind, _, _ in stage.acks.calls] == ["early", "finish"]
            assert stage.enriched()[0].summary_method == "abstractive"

    run(scenario)


def test_praise_raises_no_alert() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(review(0))
            await stage.finished(0)
            assert stage.acks.calls == [("finish", 0, ["reviews.enriched"])]

    run(scenario)


def test_best_effort_takes_the_best_sentence_when_t5_is_late_and_counts_it() -> None:
    async def scenario() -> None:
        async with staged(summary_wait_ms=20) as stage:
            before = late_summaries()
            stage.t5.gate.clear()
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "extractive"
            assert late_summaries() == before + 1
            stage.t5.gate.set()
            await wait_until_async(stage.role._device_is_idle, _SECONDS, "T5's late answer")
            assert stage.acks.finished() == [0]

    run(scenario)


def test_best_effort_takes_t5_when_it_is_in_time() -> None:
    async def scenario() -> None:
        async with staged(summary_wait_ms=60_000) as stage:
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert (stage.enriched()[0].summary, stage.enriched()[0].summary_method) == (
                "The kettle came",
                "abstractive",
            )

    run(scenario)


def test_best_effort_does_not_wait_where_t5_has_no_room() -> None:
    async def scenario() -> None:
        async with staged(summary_wait_ms=60_000, waiting_tokens=200, micro_batch_tokens=1, batch_tokens=1) as stage:
            stage.t5.gate.clear()
            for offset in range(8):
                await stage.take(review(offset, LONG_BAD))
            await wait_until_async(stage.acks.finished, _SECONDS, "one that T5 has no room for")
            assert {made.summary_method for made in stage.enriched().values()} == {"extractive"}

    run(scenario)


def test_summarizer_that_nobody_asked_for_has_nothing_to_do() -> None:
    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            await stage.role.stop()
            stage.role._load = lambda _: Loaded(TunedModel(stage.bert, 1000, 1000), TunedModel(stage.t5, 1000, 1000))
            await stage.role.start(stage.acks)
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "none"
            assert stage.t5.ran == []

    run(scenario)


@pytest.mark.parametrize("background", [False, True])
def test_t5_begins_beside_one_of_two_busy_threads_of_bert_only_where_its_own_yield(background: bool) -> None:
    async def scenario() -> None:
        go_on = threading.Event()

        def scores(text: str) -> Scores:
            assert "slow" not in text or go_on.wait(_SECONDS)
            return fake_scores(text)

        async with staged(summary_wait_ms=60_000) as stage:
            await stage.role.stop()
            bert: TunedModel[Scores] = TunedModel(FakeModel(scores, languages=ENGLISH), 1, 1000, workers=2)
            stage.role._load = lambda _: Loaded(bert, TunedModel(stage.t5, 1000, 1000, background=background))
            await stage.role.start(stage.acks)
            await stage.take(review(0, "slow"), review(1, LONG_BAD))
            await wait_until_async(lambda: bool(stage.acks.messages.get("reviews.alerts")), _SECONDS, "BERT answered")
            await asyncio.sleep(0.3)  # long enough for T5 to begin, were it not held back
            assert bool(stage.t5.ran) == background
            go_on.set()
            await stage.finished(0, 1)
            assert stage.t5.ran

    run(scenario)


def test_best_effort_gives_t5_only_what_it_can_answer_in_time() -> None:
    """About 40 tokens each: the third begins while there is room, the others go out at once."""

    async def scenario() -> None:
        async with staged(summary_wait_ms=60_000, t5_tokens_per_second=100 / 60) as stage:
            stage.t5.gate.clear()
            for offset in range(5):
                await stage.take(review(offset, LONG_BAD))
            await stage.finished(3, 4)
            assert {made.summary_method for made in stage.enriched().values()} == {"extractive"}
            stage.t5.gate.set()
            await stage.finished(0, 1, 2)
            assert [stage.enriched()[offset].summary_method for offset in range(3)] == ["abstractive"] * 3

    run(scenario)


def test_late_answer_halves_what_t5_is_given_and_answers_in_time_give_it_back() -> None:
    """However little that is, an idle T5 gets a review."""

    async def scenario() -> None:
        async with staged(summary_wait_ms=500, t5_tokens_per_second=200) as stage:
            windows = []
            for offset in range(8):
                stage.t5.gate.clear()
                await stage.take(review(offset, LONG_BAD))
                await stage.finished(offset)
                windows.append(stage.summaries.window.tokens)
                stage.t5.gate.set()
                await wait_until_async(stage.role._device_is_idle, _SECONDS, "T5's late answer")
            assert windows == [50, 25, 12, 6, 3, 1, 1, 1]
            for offset in range(8, 12):
                await stage.take(review(offset, LONG_BAD))
                await stage.finished(offset)
                assert stage.enriched()[offset].summary_method == "abstractive"
            assert stage.summaries.window.tokens == 100

    run(scenario)


def test_text_that_was_answered_before_is_answered_from_memory_by_both_models() -> None:
    """Also where T5 has no room for anything new."""

    async def scenario() -> None:
        async with staged(cached_texts=10, summary_wait_ms=60_000) as stage:
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            stage.bert.gate.clear()
            stage.t5.gate.clear()
            stage.summaries.room = lambda: 0  # type: ignore[method-assign]
            await stage.take(review(1, LONG_BAD))
            await stage.finished(0, 1)
            first, second = stage.enriched()[0], stage.enriched()[1]
            assert (first.sentiment, first.summary) == (second.sentiment, second.summary)
            assert second.summary_method == "abstractive"
            stage.bert.gate.set()
            stage.t5.gate.set()

    run(scenario)


def test_best_effort_does_not_wait_where_bert_leaves_t5_no_pause() -> None:
    """BERT's queue is longer than a review waits: T5 could not begin in time."""

    async def scenario() -> None:
        async with staged(summary_wait_ms=60_000) as stage:
            stage.summaries._bert_tokens_of_a_wait = -1
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "extractive"

    run(scenario)


def test_always_waits_for_t5_whatever_it_takes() -> None:
    async def scenario() -> None:
        async with staged(summaries="always", summary_wait_ms=1) as stage:
            stage.t5.gate.clear()
            await stage.take(review(0, LONG_BAD))
            await wait_until_async(lambda: stage.t5.ran, _SECONDS, "T5 begins")
            await stage.take(review(1))
            await stage.finished(1)
            assert stage.acks.finished() == [1]
            stage.t5.gate.set()
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "abstractive"

    run(scenario)


_SMALL = {"waiting_tokens": 200, "micro_batch_tokens": 1, "batch_tokens": 1, "summary_wait_ms": 60_000}


def test_always_stops_fetching_while_t5_is_full() -> None:
    async def scenario() -> None:
        async with staged(summaries="always", **_SMALL) as stage:
            stage.t5.gate.clear()
            await stage.take(*(review(offset, LONG_BAD) for offset in range(8)))
            await wait_until_async(lambda: len(stage.acks.calls) == 8, _SECONDS, "BERT raises eight alerts")
            assert not stage.role.has_room()  # at most three are with T5: its gate is closed
            stage.t5.gate.set()
            await wait_until_async(stage.role.has_room, _SECONDS, "room after T5 caught up")

    run(scenario)


@pytest.mark.parametrize(
    ("batch_reviews", "reviews_per_second"), [(2, 0), (1, 40)], ids=["a batch, where not measured", "50 ms of work"]
)
def test_broker_may_gather_reviews_only_while_the_device_has_enough_to_do(
    batch_reviews: int, reviews_per_second: int
) -> None:
    """Two reviews are just enough."""

    async def scenario() -> None:
        one = estimated_tokens("I love it.")
        async with staged(summaries="off") as stage:
            await stage.role.stop()
            bert: TunedModel[Scores] = TunedModel(
                stage.bert, 1, batch_reviews * one, tokens_per_second=reviews_per_second * one
            )
            stage.role._load = lambda _: Loaded(bert, None)
            await stage.role.start(stage.acks)
            assert stage.role.fetch_wait_ms() == 0
            stage.bert.gate.clear()
            await stage.take(review(0), review(1))
            assert stage.role.fetch_wait_ms() == 0
            await stage.take(review(2))
            assert 0 < stage.role.fetch_wait_ms() <= 50  # an alert waits so much longer
            stage.bert.gate.set()
            await wait_until_async(lambda: not stage.role.fetch_wait_ms(), _SECONDS, "BERT is idle")

    run(scenario)


def test_best_effort_goes_on_fetching_although_t5_is_full() -> None:
    async def scenario() -> None:
        async with staged(**_SMALL) as stage:
            stage.t5.gate.clear()
            for offset in range(8):
                await stage.take(review(offset, LONG_BAD))
            await wait_until_async(stage.acks.finished, _SECONDS, "one that T5 had no room for")
            await wait_until_async(stage.role.has_room, _SECONDS, "BERT is through")

    run(scenario)


def test_failing_summary_leaves_the_best_sentence() -> None:
    async def scenario() -> None:
        async with staged(summaries="always") as stage:
            stage.t5.fails_on = lambda text: text == LONG_BAD
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "extractive"

    run(scenario)


def test_no_summary_where_they_are_off() -> None:
    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            await stage.take(review(0, LONG_BAD))
            await stage.finished(0)
            assert stage.enriched()[0].summary_method == "none"

    run(scenario)


def test_unreadable_record_goes_to_the_dead_letter_with_its_bytes() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(in_flight_of(b"{broken", 0, key=b"some key"), review(1), review(2, "<br>"))
            await stage.finished(0, 1, 2)
            [broken, _] = stage.acks.messages["reviews.dead-letter"]
            assert (broken.key, broken.value) == (b"some key", b"{broken")
            assert stage.reasons() == ["not_json", "empty_text"]
            assert set(stage.enriched()) == {1}

    run(scenario)


def test_review_that_the_model_fails_on_is_rejected_alone() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            stage.bert.fails_on = lambda text: text == "bad one"
            await stage.take(review(0), review(1, "bad one"), review(2))
            await stage.finished(0, 1, 2)
            assert stage.reasons() == ["model_failed"]
            assert set(stage.enriched()) == {0, 2}

    run(scenario)


def test_deletion_is_finished_without_a_model() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(review(0, deleted=True, revision=3))
            await stage.finished(0)
            made = stage.enriched()[0]
            assert (made.kind, made.revision, made.text) == ("deleted", 3, None)
            assert stage.bert.ran == []

    run(scenario)


def test_language_that_the_model_does_not_read_is_published_without_sentiment() -> None:
    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(review(0, "这个水壶很好用，我很喜欢"))
            await stage.finished(0)
            made = stage.enriched()[0]
            assert (made.sentiment, made.sentiment_missing) == (None, "unsupported_language")
            assert stage.bert.ran == []

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


def test_message_that_became_too_large_is_rejected() -> None:
    async def scenario() -> None:
        async with staged(max_message_bytes=1500) as stage:
            await stage.take(review(0, "word " * 280))
            await stage.finished(0)
            assert stage.reasons() == ["message_too_large"]

    run(scenario)


def test_key_that_is_not_the_product_is_counted() -> None:
    async def scenario() -> None:
        before = REGISTRY.get_sample_value("stream_app_key_mismatches_total") or 0.0
        async with staged() as stage:
            await stage.take(review(0), review(1, key=b"another"))
            await stage.finished(0, 1)
        assert REGISTRY.get_sample_value("stream_app_key_mismatches_total") == before + 1

    run(scenario)


def test_dropped_reviews_are_never_finished_and_started_ones_are_waited_for() -> None:
    async def scenario() -> None:
        async with staged(micro_batch_tokens=1, batch_tokens=1) as stage:
            stage.bert.gate.clear()
            await stage.take(*(review(offset) for offset in range(10)), review(100, partition=1))
            stage.role.drop_waiting(frozenset({P0}))  # with the gate closed at most three have been taken
            draining = asyncio.create_task(stage.role.finish_started(frozenset({P0})))
            stage.bert.gate.set()
            async with asyncio.timeout(_SECONDS):
                await draining
            await stage.finished(100)
            assert set(stage.acks.finished()) <= {0, 1, 2, 100}

    run(scenario)


def test_reviews_that_wait_for_t5_alone_are_published_when_their_partition_goes() -> None:
    async def scenario() -> None:
        async with staged(summary_wait_ms=60_000, micro_batch_tokens=1, batch_tokens=1) as stage:
            stage.t5.gate.clear()
            await stage.take(*(review(offset, LONG_BAD) for offset in range(6)))
            await wait_until_async(lambda: len(stage.acks.calls) == 6, _SECONDS, "BERT raises six alerts")
            stage.role.drop_waiting(frozenset({P0}))
            await stage.finished(3, 4, 5)
            assert {stage.enriched()[offset].summary_method for offset in (3, 4, 5)} == {"extractive"}

    run(scenario)


def test_nothing_started_is_finished_at_once() -> None:
    async def scenario() -> None:
        async with staged() as stage, asyncio.timeout(_SECONDS):
            await stage.role.finish_started(frozenset({P0, P1}))

    run(scenario)
