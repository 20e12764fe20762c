"""Values in the queues of alerts that this version cannot read: others are delivered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from redis import Redis

from stream_app import telemetry
from stream_app.records import Alert, Position
from stream_app.settings import Settings
from stream_app.steps.delivery_queue import Addition, ReceiverState, Waiting
from stream_app.store.deliveries import DeliveryQueues
from stream_app.store.keys import Namespace
from tests.behaviour.running import Run

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


def test_entry_that_cannot_be_read_waits_and_is_logged_once(
    run: Run, queues: DeliveryQueues, admin: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(telemetry, "waiting_alert_is_unreadable", lambda receiver, _: logged.append(receiver))
    keys = Namespace.of(settings).receiver("r")
    given = [Waiting(replace(ALERT, alert_id=str(n)), Position("alerts", 0, n), 1, 1, 1) for n in range(5)]
    run(queues.add([Addition("r", one) for one in given], 1))
    for one, unreadable in zip(given[1:], (b"{", b"[]", b"{}", admin.hget(keys.waiting, given[0].ref)), strict=True):
        admin.hset(keys.waiting, one.ref, unreadable)

    for _ in range(2):
        assert run(queues.due("r", 1, 9)) == run(queues.expired("r", 2, 9)) == run(queues.least("r", 9)) == given[:1]
    assert logged == ["r"] * 4
    assert run(queues.status("r")).waiting == 5


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
