"""The deliveries of one `notify` process: a task per receiver, so that none waits for another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from stream_app import contract
from stream_app.delivery.queue import DeliveryQueue
from stream_app.delivery.receivers import Receiver, Receivers
from stream_app.delivery.sending import Sender, sender_of
from stream_app.kafka.topics import Topics
from stream_app.ports import ConfigurationError, Publisher, SummaryStore
from stream_app.records import Alert, RawRecord
from stream_app.retry import Retry
from stream_app.roles.notify.giving_up import PATIENCE_MS, GivingUp
from stream_app.roles.notify.queueing import queue_acknowledgements, queue_alerts
from stream_app.roles.notify.receiver_task import LEASE_MS, ReceiverTask

_LOOK_SECONDS = 1.0  # for what another process queued, and what is due by now
_LOOK_FOR_REMOVED_SECONDS = 60.0
_ANNOUNCED_AT_ONCE = 100
_STOP_SECONDS = 3.0  # a message on its way may arrive; what does not is delivered again


class Deliveries:
    """Queues alerts, and delivers them in the background."""

    def __init__(
        self,
        receivers: Receivers,
        queue: DeliveryQueue,
        store: SummaryStore,
        publisher: Publisher,
        topics: Topics,
        *,
        owner: str,
        patience_seconds: float,
        now_ms: Callable[[], int],
        fatal: Callable[[BaseException], None],
        sender_of: Callable[[Receiver], Sender] = sender_of,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """``owner`` names this process among all; ``patience_seconds``: how long Redis may be away; ``jitter`` draws
        from [0, 1).
        """
        self._receivers = receivers
        self._queue = queue
        self._store = store
        self._owner = owner
        self._now_ms = now_ms
        self._fatal = fatal
        self._sender_of = sender_of
        self._jitter = jitter
        self._retry = Retry("redis", patience_seconds)
        self._giving_up = GivingUp(queue, store, publisher, topics, self._retry)
        self._wake: dict[str, asyncio.Event] = {name: asyncio.Event() for name in receivers.by_name}
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def queue(self, alerts: Sequence[tuple[RawRecord, Alert]]) -> None:
        """Queue each for its receivers; return when no queue is much too long. May be repeated.

        A replay to a receiver that the file does not name is a dead letter again. Raises StoreUnavailable.
        """
        if self._receivers.by_name:
            for name in await queue_alerts(self._queue, self._store, self._receivers, alerts, self._now_ms()):
                self._wake[name].set()
                await self._giving_up.make_room(name, self._now_ms())
        for record, _ in alerts:
            named = contract.receiver_named(record)
            if named is not None and named not in self._receivers.by_name:
                await self._giving_up.refuse(named, record)  # guarantee: replay-to-nobody-is-a-dead-letter

    def start(self) -> None:
        """Deliver from now on."""
        for name in self._receivers.by_name:
            self._begin(f"deliver to {name}", self._deliver(name))
        self._begin("give up for removed receivers", self._give_up_for_removed())
        if self._receivers.by_name:
            self._begin("announce acknowledgements", self._announce())

    async def stop(self) -> None:
        """Stop; what is on its way may arrive for a moment. What waits, waits for the next process."""
        self._stopping.set()
        for wake in self._wake.values():
            wake.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._queue.close()

    def _begin(self, name: str, work: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                self._fatal(error)  # guarantee: failed-delivery-task-is-fatal
                raise

        self._tasks.append(asyncio.create_task(run(), name=name))

    def task_of(self, name: str) -> ReceiverTask:
        """The deliveries to one receiver; on the event loop."""
        return ReceiverTask(
            name,
            self._owner,
            self._queue,
            self._store,
            self._giving_up,
            self._sender_of(self._receivers.by_name[name]),
            self._retry,
            product_url=self._receivers.product_url,
            now_ms=self._now_ms,
            jitter=self._jitter,
        )

    async def _deliver(self, name: str) -> None:
        task = self.task_of(name)
        try:
            while not self._stopping.is_set():
                self._wake[name].clear()
                if not await task.round():
                    await _wait(self._wake[name], _LOOK_SECONDS)
        finally:
            await task.close()

    async def announce(self) -> None:
        """Queue what people acknowledged since. After a crash it is done again; a queue takes each once."""
        found = await self._retry(lambda: self._store.newly_acknowledged(_ANNOUNCED_AT_ONCE))
        alerts = [alert for _, alert in found if alert is not None]
        if alerts:
            now_ms = self._now_ms()
            names = await self._retry(lambda: queue_acknowledgements(self._queue, self._receivers, alerts, now_ms))
            for name in names:
                self._wake[name].set()
        if found:
            await self._retry(lambda: self._store.note_announced([alert_id for alert_id, _ in found]))

    async def _announce(self) -> None:
        while not self._stopping.is_set():
            await self.announce()
            await _wait(self._stopping, _LOOK_SECONDS)

    async def _give_up_for_removed(self) -> None:
        """What waits for receivers that the file does not name any more; the workers of a rolling restart have
        different files, so nothing is dropped before its time.
        """
        while not self._stopping.is_set():
            try:
                names = await self._retry(self._queue.receivers)
            except ConfigurationError:
                if self._receivers.by_name:
                    raise
                return  # no rights to the queues, so nothing waits in them
            for name in names:
                if name not in self._receivers.by_name:
                    await self._give_up_for(name)
            await _wait(self._stopping, _LOOK_FOR_REMOVED_SECONDS)

    async def _give_up_for(self, name: str) -> None:
        while await self._retry(lambda: self._queue.hold(name, self._owner, LEASE_MS)):
            now_ms = self._now_ms()
            status = await self._giving_up.sweep(name, now_ms, is_known=False)
            if status is None:
                continue
            if not status.waiting and (status.last_at_ms or 0) < now_ms - 2 * PATIENCE_MS:
                await self._retry(lambda: self._queue.forget(name))
            else:
                await self._retry(lambda: self._queue.release(name, self._owner))
            return


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
