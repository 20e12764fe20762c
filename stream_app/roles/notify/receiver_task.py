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
from stream_app.retry import Retry
from stream_app.roles.notify.giving_up import GivingUp
from stream_app.steps.backoff import MAX_RETRY_AFTER_MS, pause_of_message_ms, pause_of_receiver_ms
from stream_app.steps.deliveries import in_messages, message_id
from stream_app.steps.delivery_queue import QueueStatus, ReceiverState, Suppression, Waiting
from stream_app.steps.handling import suppression_by

LEASE_MS = 30_000
"""Longer than a sender takes, which has a limit of its own."""

_RELEASE_SECONDS = 1.0

_AT_ONCE = 4
_FETCHED = 200  # more than _AT_ONCE digests: none of those that are sent is cut


class ReceiverTask:
    """One receiver's deliveries by this process. The steps of a round:

    1. the lease: one process delivers to a receiver at a time
    2. what waited too long, or is too much, is given up
    3. what was acknowledged or muted meanwhile is counted; it is not delivered
    4. up to four messages are sent at once; one, where the last try failed. The lease is renewed before each. The end
       of an alert waits until the alert was delivered or given up
    5. what was delivered is removed. A crash before leads to a second delivery, with the same webhook-id
    6. what failed steps back behind others, and the receiver is left alone for a while: one step, and only while the
       lease is not another process's
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
        messages = await self._in_order(in_messages(due))
        messages = messages[: 1 if status.state.failures else _AT_ONCE]
        if not messages:
            return False
        if await self._suppress(messages, now_ms):
            return True
        outcomes = await asyncio.gather(
            *(self._try(message, dict(status.suppressed) if first else {}) for first, message in _marked(messages))
        )
        return await self._note(messages, outcomes, status)

    async def close(self) -> None:
        """Give the lease back, and close the sender."""
        with suppress(Unavailable, TimeoutError):  # it ends by itself
            async with asyncio.timeout(_RELEASE_SECONDS):  # guarantee: silent-server-holds-no-stop-up
                await self._queue.release(self._name, self._owner)
        await self._sender.close()

    async def _hold(self) -> bool:
        held = await self._retry(lambda: self._queue.hold(self._name, self._owner, LEASE_MS))
        if not held:
            telemetry.receiver_is_served_elsewhere(self._name)
        return held

    async def _in_order(self, messages: Sequence[Sequence[Waiting]]) -> list[Sequence[Waiting]]:
        """Leave out what ends or acknowledges an alert that still waits itself: after its end nothing would end it.

        Digests are left as they are, and nothing waits for one: it may be due a day later.
        """
        follows = {one.ref: one.follows for one, *more in messages if not more and one.follows}
        if not follows:
            return [*messages]
        waiting = await self._retry(lambda: self._queue.waiting_alone(self._name, [*follows.values()]))
        # guarantee: end-waits-for-its-alert
        return [message for message in messages if follows.get(message[0].ref) not in waiting]

    async def _suppress(self, messages: Sequence[Sequence[Waiting]], now_ms: int) -> bool:
        """Count what was acknowledged or muted while it waited. Return whether there was any: others make a message."""
        waiting = [one for message in messages for one in message if not one.acknowledges]
        if not waiting:
            return False
        handling = await self._retry(lambda: self._store.handling([one.alert for one in waiting], now_ms))
        refs: dict[Suppression, list[str]] = {}
        for one, handled in zip(waiting, handling, strict=True):
            reason = suppression_by(one.alert, handled)  # guarantee: acknowledged-is-not-delivered
            if reason is not None:
                refs.setdefault(reason, []).append(one.ref)
        for reason, found in refs.items():
            await self._retry(lambda: self._queue.suppress(self._name, found, reason))  # noqa: B023 - called here
            for _ in found:
                telemetry.alert_suppressed_for(self._name, reason)
        return bool(refs)

    async def _try(self, message: Sequence[Waiting], counted: dict[Suppression, int]) -> Outcome | None:
        """Send one message; None where another process holds the receiver by now."""
        if message[0].acknowledges:
            counted = {}  # it has no words for them
        try:
            # as late as possible: a review may be deleted meanwhile
            alerts = await self._retry(lambda: self._store.with_alert_words([one.alert for one in message]))
            notification = Notification(
                message_id(self._name, message),
                tuple(sorted(alerts, key=lambda one: (one.raised_at_ms, one.alert_id))),
                counted,
                self._product_url,
                acknowledges=message[0].acknowledges,
            )
            # giving up, the words or another message may have taken longer than the lease
            if not await self._hold():  # guarantee: lease-is-renewed-before-each-send
                return None
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
        self, messages: Sequence[Sequence[Waiting]], outcomes: Sequence[Outcome | None], status: QueueStatus
    ) -> bool:
        """Keep the receiver's new state. Return whether all was delivered. What another process does now is its to
        note.
        """
        before, now_ms = status.state, self._now_ms()
        if None in outcomes:
            return False
        failed = [
            (message, one) for message, one in zip(messages, outcomes, strict=True) if one is not None and one.error
        ]
        if not failed:
            if before != ReceiverState() and await self._end_round((), ReceiverState()):
                telemetry.receiver_recovered(self._name)
            return True
        again = [(message, self._again_at(message, now_ms)) for message, _ in failed]
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
        await self._end_round(again, state)
        return False

    def _again_at(self, message: Sequence[Waiting], now_ms: int) -> int:
        waited_ms = now_ms - min(one.first_due_at_ms for one in message)
        return now_ms + pause_of_message_ms(waited_ms, self._jitter())

    async def _end_round(self, failed: Sequence[tuple[Sequence[Waiting], int]], state: ReceiverState) -> bool:
        return await self._retry(lambda: self._queue.end_round(self._name, self._owner, failed, state))


def _is_left_alone(state: ReceiverState, now_ms: int) -> bool:
    """A time that is further away than any pause is not believed: a clock was ahead."""
    return state.disabled_at_ms is not None or now_ms < state.not_before_ms <= now_ms + MAX_RETRY_AFTER_MS


def _marked(messages: Sequence[Sequence[Waiting]]) -> list[tuple[bool, Sequence[Waiting]]]:
    return [(at == 0, message) for at, message in enumerate(messages)]
