"""An exception that one record triggers rejects that record alone, in every role; a bug that many trigger, none."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import structlog

from stream_app import contract
from stream_app.ports import Applied, ConfigurationError, InFlightRecord, StoreUnavailable
from stream_app.records import Alert, EnrichedReview, RawRecord, Rejected
from stream_app.roles.notify.role import Notify
from stream_app.roles.record_errors import HealthyRecordFailed, RecordErrors, TooManyFailures
from stream_app.roles.summarize import Summarize
from stream_app.settings import Settings
from stream_app.steps import alert_rules, assemble, prepare
from stream_app.testing.kafka import FakeAcks, FakePublisher, in_flight_of
from stream_app.testing.store import MemorySummaryStore
from tests.behaviour.enriched import NOW_MS, enriched
from tests.unit.roles.delivery_stage import Stage
from tests.unit.roles.enrich_stage import review, staged
from tests.waiting import wait_until_async

SECRET = "what a person wrote"
MARK = "r4"
OFFSETS = list(range(10))


def planted(work: Callable[..., Any], marks: tuple[str, ...] = (MARK,)) -> Callable[..., Any]:
    """Raises where an argument speaks of a marked review, or is a batch that holds one."""

    def raises(*args: Any, **kwargs: Any) -> Any:
        if any(f'"{mark}"' in str(args).replace("'", '"') for mark in marks):
            raise IndexError(SECRET)
        return work(*args, **kwargs)

    return raises


PLACES = [
    (contract, "decode_review"),
    (prepare, "prepare_all"),
    (alert_rules, "is_alert_candidate"),
    (alert_rules, "negative_review"),
    (assemble, "assemble"),
    (contract, "enriched_message"),
    (contract, "alert_message"),
]


@pytest.mark.parametrize(("module", "name"), PLACES, ids=[name for _, name in PLACES])
def test_enrich_rejects_the_record_alone_wherever_it_raises(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    """All others come out once, alerts too."""
    monkeypatch.setattr(module, name, planted(getattr(module, name)))

    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(*(review(offset, "It broke at once.", rating=1) for offset in OFFSETS))
            await stage.finished(*OFFSETS)
            assert sorted(stage.acks.finished()) == OFFSETS, "each is finished once"
            assert stage.reasons() == ["internal_error"]
            assert sorted(stage.enriched()) == [offset for offset in OFFSETS if offset != 4]
            alerts = [
                contract.decode_alert(RawRecord("", 0, 0, 0, *m[1:])) for m in stage.acks.messages["reviews.alerts"]
            ]
            raised = [str(alert.review_id) for alert in alerts if isinstance(alert, Alert)]
            assert sorted(set(raised)) == sorted(raised)
            assert {f"r{offset}" for offset in OFFSETS} - set(raised) <= {MARK}

    with structlog.testing.capture_logs() as log:
        asyncio.run(scenario())

    [line] = [one for one in log if one["event"] == "record_failed"]
    assert (line["role"], line["topic"], line["partition"], line["offset"]) == ("enrich", "reviews", 0, 4)
    assert line["error"] == "IndexError"
    assert any("test_internal_errors.py" in place for place in line["traceback"])
    assert SECRET not in str(log), "what an exception says may be what a person wrote"


def test_enrich_rejects_a_deletion_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "deletion", planted(assemble.deletion))

    async def scenario() -> None:
        async with staged() as stage:
            await stage.take(*(review(offset, deleted=True) for offset in OFFSETS))
            await stage.finished(*OFFSETS)
            assert stage.reasons() == ["internal_error"]
            assert len(stage.enriched()) == 9

    asyncio.run(scenario())


def test_bug_that_every_record_triggers_rejects_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends, and the topic does not run into the dead letter."""
    marks = tuple(f"r{offset}" for offset in range(30))
    monkeypatch.setattr(contract, "decode_review", planted(contract.decode_review, marks))

    async def scenario() -> None:
        async with staged() as stage:
            with pytest.raises(TooManyFailures, match="a bug") as ended:
                await stage.take(*(review(offset) for offset in range(50)))
            assert stage.acks.calls == []
            assert SECRET not in "".join(traceback.format_exception(ended.value)), "the process prints it when it ends"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (contract, "decode_review"),
        (prepare, "prepare_all"),
        (alert_rules, "is_alert_candidate"),
        (assemble, "assemble"),
    ],
)
def test_bug_that_a_healthy_record_triggers_too_rejects_none(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    """At the first record, whatever the traffic: up to 19 were rejected before the share of failures was too high."""

    def raises(*_: Any, **__: Any) -> Any:
        raise IndexError(SECRET)

    async def scenario() -> None:
        async with staged() as stage:
            monkeypatch.setattr(module, name, raises)
            with pytest.raises(HealthyRecordFailed, match="a bug"):
                await stage.take(review(0, language="de"))
            assert stage.acks.calls == []

    asyncio.run(scenario())


def test_bug_met_record_by_record_rejects_fewer_than_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = tuple(f"r{offset}" for offset in range(50))
    monkeypatch.setattr(contract, "decode_review", planted(contract.decode_review, marks))

    async def scenario() -> None:
        async with staged() as stage:
            for offset in range(19):
                await stage.take(review(offset))
            with pytest.raises(TooManyFailures):
                await stage.take(review(19))
            assert len(stage.reasons()) == 19

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ConfigurationError("wrong"), MemoryError(), OSError()])
def test_what_is_no_records_fault_rejects_none(error: Exception) -> None:
    def work(items: Sequence[int]) -> list[int]:
        raise error

    async def work_async(items: Sequence[int]) -> list[int]:
        raise error

    def reject(item: int, rejected: Rejected) -> None:
        raise AssertionError("nothing is to be rejected")

    record_errors = RecordErrors("test")
    with pytest.raises(type(error)):
        record_errors.attempt([1, 2], work, in_flight_of=lambda item: in_flight_of(b""), reject=reject)
    with pytest.raises(type(error)):
        asyncio.run(
            record_errors.attempt_async([1, 2], work_async, in_flight_of=lambda item: in_flight_of(b""), reject=reject)
        )


class RefusingStore(MemorySummaryStore):
    """Refuses whatever holds a marked review, as Redis would with a ResponseError."""

    async def apply(self, reviews: Sequence[EnrichedReview], now_ms: int) -> list[Applied]:
        if any(one.review_id in self.marks for one in reviews):
            raise ValueError(SECRET)
        return await super().apply(reviews, now_ms)

    async def record_alerts(self, alerts: Sequence[Alert]) -> Any:
        if any(one.review_id in self.marks for one in alerts):
            raise ValueError(SECRET)
        return await super().record_alerts(alerts)

    marks: tuple[str, ...] = (MARK,)


def record_of(role: str, offset: int) -> InFlightRecord:
    if role == "summarize":
        return in_flight_of(contract.encode_enriched(enriched(f"r{offset}")), offset, topic="reviews.enriched")
    alert = Alert(
        f"negative_review|p|r{offset}", "negative_review", "critical", "p", 1000, 2000, review_id=f"r{offset}"
    )
    return in_flight_of(contract.encode_alert(alert), offset, topic="reviews.alerts")


async def on_redis(role: str, store: RefusingStore, offsets: Sequence[int]) -> FakeAcks:
    """What a role makes of records whose writing to Redis may raise."""
    acks, errors = FakeAcks(), list[BaseException]()
    settings = Settings(_env_file=None, redis_settle_seconds=0.0)
    made: Any = (
        Summarize(settings, store, FakePublisher(at_once=True), now_ms=lambda: NOW_MS, fatal=errors.append)
        if role == "summarize"
        else Notify(settings, store, Stage().deliveries, fatal=errors.append)
    )
    await made.start(acks)
    try:
        await made.take([record_of(role, offset) for offset in offsets])
        await wait_until_async(lambda: sorted(acks.finished()) == list(offsets), 30, f"all finished: {acks.calls}")
        assert errors == []
    finally:
        await made.stop()
    return acks


@pytest.mark.parametrize("role", ["summarize", "notify"])
def test_event_that_redis_refuses_is_rejected_alone(role: str) -> None:
    async def scenario() -> None:
        store = RefusingStore()
        acks = await on_redis(role, store, OFFSETS)
        [message] = acks.messages["reviews.dead-letter"]
        assert dict(message.headers)[contract.HEADER_ERROR_REASON] == b"internal_error"
        if role == "summarize":
            [summary] = await store.read(["p"], NOW_MS)
            assert summary is not None
            assert summary.windows["all"].reviews == 9
        else:
            assert len(await store.recent_alerts(20)) == 9

    asyncio.run(scenario())


@pytest.mark.parametrize("role", ["summarize", "notify"])
def test_redis_that_refuses_everything_ends_the_role(role: str) -> None:
    async def scenario() -> None:
        store = RefusingStore()
        store.marks = tuple(f"r{offset}" for offset in range(50))
        with pytest.raises(TooManyFailures):
            await on_redis(role, store, range(50))

    asyncio.run(scenario())


@pytest.mark.parametrize(("role", "decode"), [("summarize", "decode_enriched"), ("notify", "decode_alert")])
def test_event_that_cannot_be_decoded_for_a_bug_is_rejected_alone(
    monkeypatch: pytest.MonkeyPatch, role: str, decode: str
) -> None:
    whole = getattr(contract, decode)
    marked = record_of(role, 4).record

    def raises(record: RawRecord) -> Any:
        if record == marked:
            raise RecursionError(SECRET)
        return whole(record)

    monkeypatch.setattr(contract, decode, raises)
    store = RefusingStore()
    store.marks = ()

    acks = asyncio.run(on_redis(role, store, OFFSETS))
    [message] = acks.messages["reviews.dead-letter"]
    assert message.value == marked.value
