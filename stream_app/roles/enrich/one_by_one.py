"""Computes poison-pill candidates in this process where no child process can: one at a time, each noted beforehand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from stream_app.kafka.crash_memory import CrashMemory
from stream_app.records import Position

Review = TypeVar("Review")

_DEATHS_ALONE = 2
_POLL_SECONDS = 0.01


class OneByOne(Generic[Review]):
    """The slow path, where the machine has no room for a second process, or isolating itself ends in deaths.

    1. wait until nothing is on the device; the caller submits nothing while this is ``busy``
    2. the canary passes, else the device is to blame
    3. commit a note that this review is alone
    4. compute it; where the process dies of it twice, its successor rejects it unseen

    Records of all other partitions wait too: whatever else computes at a death would be as likely a
    cause as the noted one. To let them through between two candidates would take one more commit for each.
    """

    def __init__(
        self,
        crashes: CrashMemory,
        position: Callable[[Review], Position],
        epoch: Callable[[Review], int],
        *,
        is_idle: Callable[[], bool],
        check_device: Callable[[], Awaitable[None]],
        compute: Callable[[Review], None],
        is_finished: Callable[[Review], bool],
        reject: Callable[[Review], None],
        forget: Callable[[Review], None],
        fatal: Callable[[BaseException], None],
    ) -> None:
        """``check_device`` raises where the canary fails; that, and every other error, goes to ``fatal``.

        ``epoch``: of the assignment that a review is of. ``forget`` gets reviews of an epoch that is over: they come
        again.
        """
        self._crashes = crashes
        self._position, self._epoch = position, epoch
        self._is_idle, self._check_device, self._is_finished = is_idle, check_device, is_finished
        self._compute, self._reject, self._forget, self._fatal = compute, reject, forget, fatal
        self._waiting: deque[Review] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Is any review waiting, or alone on the device?"""
        return self._task is not None and not self._task.done()

    def add(self, reviews: Iterable[Review]) -> None:
        """These are computed in this order. Those of an older epoch are forgotten: where the note of one is refused,
        the work would end, with the new ones behind it.
        """
        both = [*self._waiting, *reviews]
        newest = max(map(self._epoch, both), default=0)
        # guarantee: candidates-of-an-old-epoch-are-forgotten
        self._waiting = deque(one for one in both if self._epoch(one) == newest)
        for one in both:
            if self._epoch(one) < newest:
                self._forget(one)
        if self._waiting and not self.busy:
            self._task = asyncio.create_task(self._guarded(), name="one-by-one")

    async def until_done(self) -> None:
        """Returns when nothing waits and nothing is alone on the device."""
        if self._task is not None:
            await asyncio.shield(self._task)

    def drop(self) -> list[Review]:
        """Forget what waits; returns it."""
        dropped = list(self._waiting)
        self._waiting.clear()
        return dropped

    async def _guarded(self) -> None:
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001 - no one awaits this task: ``fatal`` ends the process
            self._fatal(error)

    async def _work(self) -> None:
        while self._waiting:
            review = self._waiting[0]
            position = self._position(review)
            if self._crashes.deaths_alone(position) >= _DEATHS_ALONE:
                self._reject(self._waiting.popleft())
                continue
            while not self._is_idle():
                await asyncio.sleep(_POLL_SECONDS)
            await self._check_device()
            noted = await self._crashes.note_alone(position)
            if not self._waiting or self._waiting[0] is not review:
                continue  # dropped meanwhile
            if not noted:
                return  # the partitions are being taken away
            self._compute(self._waiting.popleft())
            while not self._is_finished(review):
                await asyncio.sleep(_POLL_SECONDS / 10)
