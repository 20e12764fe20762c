"""Deliveries with a clock, receivers and Redis that a test controls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from stream_app import contract
from stream_app.delivery.outcome import Outcome
from stream_app.delivery.receivers import HttpReceiver, Notification, Receiver, Receivers
from stream_app.kafka.topics import Topics
from stream_app.records import Alert, RawRecord
from stream_app.roles.notify.deliveries import Deliveries
from stream_app.steps.deliveries import DeliveryRule
from stream_app.testing.deliveries import MemoryDeliveryQueues
from stream_app.testing.kafka import FakePublisher
from stream_app.testing.store import MemorySummaryStore

NOW_MS = 1_777_629_600_000
ALERT = Alert(
    alert_id="negative_review|p|r",
    rule="negative_review",
    severity="warning",
    product_id="p",
    created_at_ms=NOW_MS,
    raised_at_ms=NOW_MS,
    review_id="r",
    revision=1,
    sentence="It broke.",
    safety_words=("cut",),
)
CRITICAL = replace(ALERT, alert_id="safety|p|r", rule="safety", severity="critical")


def numbered(number: int, **changes: Any) -> Alert:
    """An alert of a product and a review of its own."""
    own = {"alert_id": f"negative_review|p{number}|r", "product_id": f"p{number}", "raised_at_ms": NOW_MS + number}
    return replace(ALERT, **{**own, **changes})


def record_of(alert: Alert, offset: int = 0, *, to: str | None = None) -> tuple[RawRecord, Alert]:
    headers = () if to is None else ((contract.HEADER_RECEIVER, to.encode()),)
    return RawRecord("reviews.alerts", 0, offset, NOW_MS, b"p", contract.encode_alert(alert), headers), alert


@dataclass
class FakeSender:
    """delivery.sending.Sender. ``answers``: an Outcome, an exception, or a function without arguments that is awaited;
    one after another, the last one stays. ``sent``: what it was given.
    """

    answers: list[Any] = field(default_factory=lambda: [Outcome()])
    sent: list[Notification] = field(default_factory=list)

    async def send(self, notification: Notification, now_ms: int) -> Outcome:
        self.sent.append(notification)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        outcome: Outcome = answer if isinstance(answer, Outcome) else await answer()
        return outcome

    async def close(self) -> None:
        return

    @property
    def ids(self) -> list[str]:
        return [one.message_id for one in self.sent]

    @property
    def alert_ids(self) -> list[list[str]]:
        return [[alert.alert_id for alert in one.alerts] for one in self.sent]


class Stage:
    """Rounds of deliveries one by one: ``await stage.round("a")``. ``rules``: of the receivers that they name."""

    def __init__(self, *rules: DeliveryRule, queues: Any = None, **senders: FakeSender) -> None:
        self.now_ms = NOW_MS
        self.senders = senders or {"a": FakeSender()}
        self.queues: Any = queues or MemoryDeliveryQueues()
        self.store = MemorySummaryStore()
        self.publisher = FakePublisher(at_once=True)
        self.errors: list[BaseException] = []
        by_name: dict[str, Receiver] = {name: HttpReceiver(name, "webhook", "") for name in self.senders}
        self.receivers = Receivers(by_name, rules or tuple(map(DeliveryRule, self.senders)))
        self.deliveries = self.worker("one")

    def worker(self, owner: str) -> Deliveries:
        return Deliveries(
            self.receivers,
            self.queues,
            self.store,
            self.publisher,
            Topics(""),
            owner=owner,
            patience_seconds=5.0,
            now_ms=lambda: self.now_ms,
            fatal=self.errors.append,
            sender_of=lambda receiver: self.senders[receiver.name],
            jitter=lambda: 0.0,
        )

    async def alert(self, *alerts: Alert, to: str | None = None) -> None:
        """As `notify` takes alerts from Kafka."""
        await self.store.record_alerts(alerts)
        await self.deliveries.queue([record_of(one, to=to) for one in alerts])

    async def round(self, name: str = "a", after_ms: int = 0, deliveries: Deliveries | None = None) -> bool:
        self.now_ms += after_ms
        return await (deliveries or self.deliveries).task_of(name).round()

    async def waiting(self, name: str = "a") -> int:
        return (await self.queues.status(name)).waiting

    @property
    def dead_letters(self) -> list[tuple[str, str, str]]:
        """(reason, receiver, alert_id) of each."""
        return [
            (
                headers[contract.HEADER_ERROR_REASON].decode(),
                headers[contract.HEADER_RECEIVER].decode(),
                contract.decode_alert(RawRecord("", 0, 0, 0, None, one.value)).alert_id,  # type: ignore[union-attr]
            )
            for one in self.publisher.published
            for headers in [dict(one.headers)]
        ]


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario()

    asyncio.run(run())
