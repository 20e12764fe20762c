"""Values in the queues of alerts that this version cannot read: others are delivered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from redis import Redis

from stream_app import contract, telemetry
from stream_app.records import Alert, Position
from stream_app.settings import Settings
from stream_app.steps.delivery_queue import Addition, ReceiverState, Unreadable, Waiting
from stream_app.store.deliveries import DeliveryQueues
from stream_app.store.keys import Namespace
from tests.behaviour.running import Run
from tests.unit.roles.delivery_stage import ALERT as ROLE_ALERT
from tests.unit.roles.delivery_stage import CRITICAL, Stage

pytestmark = pytest.mark.store

ALERT = Alert("a", "safety", "critical", "p", 1, 1)


@pytest.fixture
def admin(settings: Settings) -> Iterator[Any]:
    with Redis.from_url(settings.redis.get_secret_value()) as client:
        yield client


@pytest.fixture
def queues(run: Run, settings: Settings) -> Iterator[DeliveryQueues]:
    opened = DeliveryQueues.from_settings(settings)
    yield opened
    run(opened.close())


def numbered(numbers: range) -> list[Waiting]:
    return [Waiting(replace(ALERT, alert_id=f"{n:03d}"), Position("alerts", 0, n), 1, 1, 1) for n in numbers]


def test_entry_that_cannot_be_read_waits_and_is_logged_once(
    run: Run, queues: DeliveryQueues, admin: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(telemetry, "waiting_alert_is_unreadable", lambda receiver, _: logged.append(receiver))
    keys = Namespace.of(settings).receiver("r")
    given = numbered(range(5))
    run(queues.add([Addition("r", one) for one in given], 1))
    damaged = (b"{", b"[]", b"{}", admin.hget(keys.waiting, given[0].ref))
    for one, packed in zip(given[1:], damaged, strict=True):
        admin.hset(keys.waiting, one.ref, packed)

    unreadable = [Unreadable(one.ref, packed) for one, packed in zip(given[1:], damaged, strict=True)]
    assert run(queues.expired("r", 2, 9)) == run(queues.least("r", 9)) == [*given[:1], *unreadable]
    for _ in range(2):
        assert run(queues.due("r", 1, 9)) == given[:1]
    assert logged == ["r"] * 4
    assert run(queues.status("r")).waiting == 5


def test_entries_that_cannot_be_read_step_back_behind_others(
    run: Run, queues: DeliveryQueues, admin: Any, settings: Settings
) -> None:
    """And come back: a newer version, which wrote them, may deliver by then."""
    given = numbered(range(30))
    run(queues.add([Addition("r", one) for one in given], 1))
    keys = Namespace.of(settings).receiver("r")
    for one in given[:25]:
        admin.hset(keys.waiting, one.ref, b"{")

    found = [run(queues.due("r", 1, 10)) for _ in range(4)]
    assert found[:2] == [[], []]
    assert given[25:] == found[3]
    assert len(run(queues.due("r", 600_001, 30))) == 5
    assert all(admin.zscore(keys.critical, one.ref) == 1_200_001 for one in given[:25])


def test_ref_without_an_entry_blocks_nothing(run: Run, queues: DeliveryQueues, admin: Any, settings: Settings) -> None:
    given = numbered(range(3))
    run(queues.add([Addition("r", one) for one in given], 1))
    admin.hdel(Namespace.of(settings).receiver("r").waiting, given[0].ref)

    assert run(queues.expired("r", 2, 1)) == []
    assert run(queues.expired("r", 2, 1)) == given[1:2]


def test_ref_that_is_no_text_can_be_given_up(run: Run, queues: DeliveryQueues, admin: Any, settings: Settings) -> None:
    keys = Namespace.of(settings).receiver("r")
    admin.hset(keys.waiting, b"\xff", b"{")
    for key in (keys.queued, keys.critical):
        admin.zadd(key, {b"\xff": 1})

    assert run(queues.due("r", 1, 9)) == []
    [found] = run(queues.expired("r", 2, 9))
    run(queues.remove("r", [found.ref], given_up=True))
    assert run(queues.status("r")).waiting == 0


@pytest.mark.parametrize("packed", [b"{", b"\xff"])
def test_entry_that_cannot_be_read_is_a_dead_letter_after_a_day(
    run: Run, queues: DeliveryQueues, admin: Any, settings: Settings, packed: bytes
) -> None:
    stage = Stage(queues=queues)
    run(stage.alert(ROLE_ALERT, CRITICAL))
    keys = Namespace.of(settings).receiver("a")
    admin.hset(keys.waiting, f"{CRITICAL.alert_id}|critical", packed)

    run(stage.round())
    assert stage.senders["a"].alert_ids == [[ROLE_ALERT.alert_id]]
    stage.now_ms += 24 * 3_600_000
    run(stage.round())
    assert stage.publisher.published == []
    stage.now_ms += 1
    run(stage.round())
    [letter] = stage.publisher.published
    headers = dict(letter.headers)
    assert (letter.value, headers[contract.HEADER_ERROR_REASON]) == (packed, b"delivery_failed")
    assert CRITICAL.alert_id.encode() in (headers["__connect.errors.exception.message"] or b"")
    assert run(stage.waiting()) == 0


def test_fields_that_a_newer_version_wrote_are_left_out(
    run: Run, queues: DeliveryQueues, admin: Any, settings: Settings
) -> None:
    keys = Namespace.of(settings).receiver("r")
    given = Waiting(ALERT, Position("alerts", 0, 0), 1, 1, 1)
    run(queues.add([Addition("r", given)], 1))
    run(queues.note("r", ReceiverState(3)))
    fields = orjson.loads(admin.hget(keys.waiting, given.ref))
    newer = fields | {"new": 1, "alert": fields["alert"] | {"new": [1]}}
    admin.hset(keys.waiting, given.ref, orjson.dumps(newer))
    admin.set(keys.state, orjson.dumps({"failures": 3, "new": 1}))

    assert run(queues.due("r", 1, 9)) == [given]
    assert run(queues.status("r")).state == ReceiverState(3)
    admin.set(keys.state, b"{")
    assert run(queues.status("r")).state == ReceiverState()
