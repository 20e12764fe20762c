"""Delivers what waits for one receiver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from stream_app import telemetry
from stream_app.delivery.outcome import Outcome
from stream_app.delivery.queue import DeliveryQueue
from stream_app.delivery.receivers import Notification
from stream_app.delivery.sending import Sender
from stream_app.ports import ConfigurationError, SummaryStore, Unavailable
from stream_app.roles.notify.giving_up import GivingUp
from stream_app.roles.retry import Retry
from stream_app.steps.backoff import MAX_RETRY_AFTER_MS, pause_of_message_ms, pause_of_receiver_ms
from stream_app.steps.deliveries import in_messages, message_id
from stream_app.steps.delivery_queue import QueueStatus, ReceiverState, Suppression, Waiting

LEASE_MS = 30_000
"""Longer than a round takes: each sender has a limit of its own."""

_AT_ONCE = 4
_FETCHED = 200  # more than _AT_ONCE digests: none of those that are sent is cut


class ReceiverTask:
    """One receiver's deliveries by this process. The steps of a round:

    1. the lease: one process delivers to a receiver at a time
    2. what waited too long, or is too much, is given up
    3. up to four messages are sent at once; one, where the last try failed
    4. what was delivered is removed. A crash before leads to a second delivery, with the same webhook-id
    5. what failed steps back behind others, and the receiver is left alone for a while
    """

    def __init__(
        self,
        name: str,
        owner: str,
        queue: DeliveryQueue,
        store: SummaryStore,
        giving_up: GivingUp,
        sender: Sender,
        retry: Retry,
        *,
        product_url: str = "",
        now_ms: Callable[[], int],
        jitter: Callable[[], float],
    ) -> None:
        """``owner`` names this process; ``jitter`` draws from [0, 1)."""
        self._name = name
        self._owner = owner
        self._queue = queue
        self._store = store
        self._giving_up = giving_up
        self._sender = sender
        self._retry = retry
        self._product_url = product_url
        self._now_ms = now_ms
        self._jitter = jitter

    async def round(self) -> bool:
        """Do one round. True: there may be more to do at once."""
        if not await self._hold():
            return False
        now_ms = self._now_ms()
        status = await self._giving_up.sweep(self._name, now_ms)
        if status is None:
            return True
        age_ms = 0 if status.oldest_at_ms is None else max(0, now_ms - status.oldest_at_ms)
        telemetry.deliveries_waiting(self._name, status.waiting, age_ms / 1000)
        if _is_left_alone(status.state, now_ms):
            return False
        due = await self._retry(lambda: self._queue.due(self._name, now_ms, _FETCHED))
        messages = in_messages(due)[: 1 if status.state.failures else _AT_ONCE]
        if not messages or not await self._hold():  # giving up may have taken longer than the lease
            return False
        outcomes = await asyncio.gather(
            *(self._try(message, dict(status.suppressed) if first else {}) for first, message in _marked(messages))
        )
        return await self._note(messages, outcomes, status)

    async def close(self) -> None:
        """Give the lease back, and close the sender."""
        with suppress(Unavailable):  # it ends by itself
            await self._queue.release(self._name, self._owner)
        await self._sender.close()

    async def _hold(self) -> bool:
        held = await self._retry(lambda: self._queue.hold(self._name, self._owner, LEASE_MS))
        if not held:
            telemetry.receiver_is_served_elsewhere(self._name)
        return held

    async def _try(self, message: Sequence[Waiting], counted: dict[Suppression, int]) -> Outcome:
        try:
            # as late as possible: a review may be deleted meanwhile
            alerts = await self._retry(lambda: self._store.with_alert_words([one.alert for one in message]))
            notification = Notification(
                message_id(self._name, message),
                tuple(sorted(alerts, key=lambda one: (one.raised_at_ms, one.alert_id))),
                counted,
                self._product_url,
            )
            outcome = await self._sender.send(notification, self._now_ms())
        except (Unavailable, ConfigurationError):
            raise
        except Exception as error:  # noqa: BLE001 - of this message: others, and other receivers, go on
            telemetry.delivery_raised(self._name, error)
            return Outcome(f"a bug: {type(error).__name__}", of_message=True)
        if not outcome.error:
            refs = [one.ref for one in message]
            await self._retry(lambda: self._queue.remove(self._name, refs, counted=counted))
            telemetry.message_delivered(self._name, outcome.remark)
        return outcome

    async def _note(
        self, messages: Sequence[Sequence[Waiting]], outcomes: Sequence[Outcome], status: QueueStatus
    ) -> bool:
        """Keep the receiver's new state. Return whether all was delivered."""
        before, now_ms = status.state, self._now_ms()
        failed = [(message, one) for message, one in zip(messages, outcomes, strict=True) if one.error]
        if not failed:
            if before != ReceiverState():
                await self._retry(lambda: self._queue.note(self._name, ReceiverState()))
                telemetry.receiver_recovered(self._name)
            return True
        for message, _ in failed:
            waited_ms = now_ms - min(one.first_due_at_ms for one in message)
            due_at_ms = now_ms + pause_of_message_ms(waited_ms, self._jitter())
            await self._retry(lambda: self._queue.postpone(self._name, message, due_at_ms))  # noqa: B023 - called here
        all_failed = len(failed) == len(messages)
        is_receivers = all_failed and not all(one.of_message for _, one in failed)
        failures = before.failures + 1 if is_receivers else 1  # guarantee: refused-message-slows-no-receiver
        retry_after_ms = max((one.retry_after_ms or 0 for _, one in failed), default=0)
        pause_ms = pause_of_receiver_ms(failures, self._jitter(), retry_after_ms)
        since_ms = before.failing_since_ms if all_failed else None
        state = ReceiverState(
            failures,
            now_ms if since_ms is None else since_ms,
            now_ms + pause_ms,
            failed[-1][1].error,
        )
        if any(one.gone for _, one in failed):  # guarantee: gone-receiver-is-disabled
            state = replace(state, disabled_at_ms=now_ms)
            telemetry.receiver_disabled(self._name)
        else:
            telemetry.delivery_failed(self._name, state.last_error, failures, pause_ms / 1000)
        await self._retry(lambda: self._queue.note(self._name, state))
        return False


def _is_left_alone(state: ReceiverState, now_ms: int) -> bool:
    """A time that is further away than any pause is not believed: a clock was ahead."""
    return state.disabled_at_ms is not None or now_ms < state.not_before_ms <= now_ms + MAX_RETRY_AFTER_MS


def _marked(messages: Sequence[Sequence[Waiting]]) -> list[tuple[bool, Sequence[Waiting]]]:
    return [(at == 0, message) for at, message in enumerate(messages)]
