"""Candidates that are computed one by one, over a rebalance in the middle of a note."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

from stream_app.kafka.crash_memory import CrashMemory
from stream_app.records import Position
from stream_app.roles.enrich.one_by_one import OneByOne


@dataclass(eq=False)
class Candidate:
    offset: int
    epoch: int
    finished: bool = False


class Notes:
    """Crash notes whose commits wait, and are refused while a rebalance goes on."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.rebalance_is_over = asyncio.Event()

    def deaths_alone(self, position: Position) -> int:
        return 0

    async def note_alone(self, position: Position) -> bool:
        self.asked.set()
        if self.rebalance_is_over.is_set():
            return True
        await self.rebalance_is_over.wait()
        return False


def test_note_that_a_rebalance_refuses_holds_up_no_candidate_of_the_next_epoch() -> None:
    """The new owner is the same process, and its candidates come while the old one's note is on its way."""

    async def test() -> None:
        notes, computed, forgotten = Notes(), list[Candidate](), list[Candidate]()

        async def passes() -> None:
            return

        def compute(one: Candidate) -> None:
            computed.append(one)
            one.finished = True

        candidates: OneByOne[Candidate] = OneByOne(
            cast(CrashMemory, notes),
            lambda one: Position("reviews", 0, one.offset),
            lambda one: one.epoch,
            is_idle=lambda: True,
            check_device=passes,
            compute=compute,
            is_finished=lambda one: one.finished,
            reject=lambda one: None,
            forget=forgotten.append,
            fatal=lambda error: computed.clear(),
        )
        old = [Candidate(offset, epoch=1) for offset in (5, 6)]
        new = [Candidate(offset, epoch=2) for offset in (5, 6, 7)]
        candidates.add(old)
        await notes.asked.wait()
        candidates.add(new)
        notes.rebalance_is_over.set()
        async with asyncio.timeout(10):
            await candidates.until_done()
        assert computed == new
        assert forgotten == old
        assert not candidates.busy

    asyncio.run(test())
