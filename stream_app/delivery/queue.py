"""What delivering needs of the queues of alerts, as a protocol; store.deliveries and testing.deliveries fulfil it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from stream_app.steps.delivery_queue import (
    Addition,
    QueueStatus,
    ReceiverState,
    Suppression,
    Unreadable,
    Waiting,
)


class DeliveryQueue(Protocol):
    """A queue per receiver, by its name. Every call raises StoreUnavailable when the server is away, and may then be
    made again.

    An entry comes back without the words of its review, also where it was added with them.
    """

    async def cool_downs(self, asked: Sequence[tuple[str, str]]) -> list[int | None]:
        """For each (receiver, key): until when (ms) it suppresses."""
        ...

    async def handled(self, asked: Sequence[tuple[str, str]]) -> list[bool]:
        """For each (receiver, ref): does or did it wait, or was it suppressed, and was it not given up?"""
        ...

    async def add(self, additions: Sequence[Addition], now_ms: int) -> list[bool]:
        """Queue or count each, unless its receiver's queue handled this ref before. For each: was it new?"""
        ...

    async def hold(self, receiver: str, owner: str, lease_ms: int) -> bool:
        """Take or renew the right to deliver to it. False: another process has it."""
        ...

    async def release(self, receiver: str, owner: str) -> None:
        """Give that right back, where it is ``owner``'s."""
        ...

    async def status(self, receiver: str) -> QueueStatus:
        """State, length and age of its queue."""
        ...

    async def due(self, receiver: str, now_ms: int, most: int) -> list[Waiting]:
        """What is due, the gravest first, then the earliest; also what is due later than believed_until_ms.

        What cannot be read steps back behind others.
        """
        ...

    async def waiting_alone(self, receiver: str, refs: Sequence[str]) -> set[str]:
        """Those of these refs that wait, due or not, and for no digest."""
        ...

    async def expired(self, receiver: str, due_before_ms: int, most: int) -> list[Waiting | Unreadable]:
        """What was due first before this time, the oldest first."""
        ...

    async def least(self, receiver: str, most: int) -> list[Waiting | Unreadable]:
        """The least severe, and of these the earliest due."""
        ...

    async def remove(
        self,
        receiver: str,
        refs: Sequence[str],
        *,
        counted: Mapping[Suppression, int] | None = None,
        given_up: bool = False,
    ) -> None:
        """They were delivered, in a message that ``counted`` suppressed alerts; or given up, to be queued again."""
        ...

    async def suppress(self, receiver: str, refs: Sequence[str], reason: Suppression) -> None:
        """They are not delivered any more, but counted in the next message."""
        ...

    async def end_round(
        self, receiver: str, owner: str, failed: Sequence[tuple[Sequence[Waiting], int]], state: ReceiverState
    ) -> bool:
        """Try each message that failed again, whole, at its time (ms), and keep the state: both or neither.

        The age of an alert that was to be due first after that time (a clock was ahead) counts from it. False, and
        nothing changed: another process than ``owner`` has the right to deliver.
        """
        ...

    async def note(self, receiver: str, state: ReceiverState) -> None:
        """Keep a state that a person wants, whoever delivers."""
        ...

    async def receivers(self) -> list[str]:
        """Those that anything is kept of."""
        ...

    async def forget(self, receiver: str) -> None:
        """Drop everything of it, unless something waits for it."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
