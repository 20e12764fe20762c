"""Reviews in flight when a process died: real child processes find the one that kills, and clear the others."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from stream_app.models.bisection import DeviceBroken
from stream_app.models.tuned import Loaded
from stream_app.records import Partition
from stream_app.roles.enrich import isolation
from stream_app.settings import ModelSettings
from stream_app.steps.trials import DEATHS_ALONE
from tests.unit.roles.deadly_models import load_broken, load_deadly, load_of_each_language, only_here
from tests.unit.roles.enrich_stage import LONG_BAD, Stage, review
from tests.waiting import wait_until, wait_until_async

pytestmark = pytest.mark.timeout(90)  # each child is a Python of its own

P0, P1 = Partition("reviews", 0), Partition("reviews", 1)
_SECONDS = 60
KILLER = "A very deadly review."


@asynccontextmanager
async def staged(load: Callable[[ModelSettings], Loaded], **settings: Any) -> AsyncIterator[Stage]:
    stage = Stage({}, load=load, **settings)
    await stage.role.start(stage.acks)
    try:
        yield stage
    finally:
        await stage.role.stop()
    await wait_until_async(lambda: not children(), _SECONDS, "no child process is left")


def children() -> list[int]:
    """The isolated classifiers that live."""
    found = []
    for one in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # a zombie is one of these
            if "spawn_main" in " ".join(one.cmdline()):
                found.append(one.pid)
    return found


async def finished(stage: Stage, *offsets: int) -> None:
    await wait_until_async(lambda: set(offsets) <= set(stage.acks.finished()), _SECONDS, f"not {stage.acks.finished()}")


def test_killer_is_found_among_many_and_all_others_are_enriched_once(tmp_path: Path) -> None:
    """Without the death of this process, and with few of others."""

    async def scenario() -> None:
        starts = tmp_path / "starts"
        async with staged(partial(load_deadly, starts), summaries="off") as stage:
            stage.died_with(until=100)
            texts = [KILLER if offset == 41 else f"I love it, {offset}." for offset in range(120)]
            await stage.take(*(review(offset, text) for offset, text in enumerate(texts)))
            await finished(stage, *range(120))
            assert stage.reasons() == ["kills_worker"]
            assert set(stage.enriched()) == set(range(120)) - {41}
            assert sorted(stage.acks.finished()) == list(range(120)), "each of them once"
            processes = len(starts.read_text().splitlines()) - 1
            assert processes <= DEATHS_ALONE + 2, "in company, alone twice, and one that computes the rest"

    asyncio.run(scenario())


def test_innocent_reviews_cost_one_child_and_no_t5_is_asked(tmp_path: Path) -> None:
    """What killed may have been T5; a later review of the same partition has its summary by T5."""

    async def scenario() -> None:
        starts = tmp_path / "starts"
        async with staged(partial(load_deadly, starts), summary_wait_ms=60_000) as stage:
            stage.died_with(until=3)
            await stage.take(*(review(offset, LONG_BAD) for offset in range(4)))
            await finished(stage, 0, 1, 2, 3)
            methods = [stage.enriched()[offset].summary_method for offset in range(4)]
            assert methods == ["extractive", "extractive", "extractive", "abstractive"]
            assert all(one.sentiment is not None for one in stage.enriched().values())
            assert len(starts.read_text().splitlines()) == 2, "this process, and one child"

    asyncio.run(scenario())


def test_candidates_in_two_languages_are_computed_by_children_with_the_model_of_each() -> None:
    """The killer is found in its own language; the first model would misjudge the other candidates."""

    async def scenario() -> None:
        async with staged(load_of_each_language, summaries="off", sentiment_models="zh=chinese") as stage:
            stage.died_with(until=4)
            chinese = "质量很好，物流也快。"
            await stage.take(
                review(0), review(1, chinese), review(2, f"{chinese} deadly"), review(3), review(4, chinese)
            )
            await finished(stage, 0, 1, 2, 3, 4)
            assert stage.reasons() == ["kills_worker"]
            models = {offset: one.sentiment_model for offset, one in stage.enriched().items()}
            assert {offset: model.name for offset, model in models.items() if model} == {
                0: "bundled", 1: "chinese", 3: "bundled", 4: "chinese"
            }  # fmt: skip

    asyncio.run(scenario())


def test_others_are_computed_meanwhile_with_their_alerts() -> None:
    async def scenario() -> None:
        async with staged(partial(load_deadly, None), summaries="off") as stage:
            stage.died_with(until=2)
            await stage.take(
                review(0, KILLER),
                review(1, "It broke, I am angry."),
                review(2, "It broke, I am angry."),
                review(0, "It broke at once.", partition=1),
            )
            await wait_until_async(lambda: len(stage.acks.calls) >= 4, 30, "those that are no candidates are finished")
            assert {(kind, offset) for kind, offset, _ in stage.acks.calls} == {
                ("early", 2), ("finish", 2), ("early", 0), ("finish", 0)
            }  # fmt: skip
            await wait_until_async(lambda: len(stage.acks.finished()) == 4, _SECONDS, "all are finished")
            assert stage.reasons() == ["kills_worker"]

    asyncio.run(scenario())


def test_text_that_kills_in_the_tokeniser_or_hangs_is_found_too() -> None:
    async def scenario() -> None:
        async with staged(partial(load_deadly, None), summaries="off", device_patience_seconds=1.0) as stage:
            stage.died_with(until=6)
            texts = ["fine", "Dies in the tokeniser.", "fine too", "An endless one.", "good", "better"]
            await stage.take(*(review(offset, text) for offset, text in enumerate(texts)))
            await finished(stage, *range(6))
            assert set(stage.enriched()) == {0, 2, 4, 5}
            assert stage.reasons() == ["kills_worker", "kills_worker"]

    asyncio.run(scenario())


def test_broken_device_ends_the_process_and_rejects_nothing() -> None:
    async def scenario() -> None:
        async with staged(load_broken, summaries="off") as stage:
            stage.died_with(until=2)
            await stage.take(review(0), review(1))
            await wait_until_async(lambda: bool(stage.errors), _SECONDS, "the broken device is reported")
            assert isinstance(stage.errors.pop(), DeviceBroken)
            assert stage.acks.calls == []

    asyncio.run(scenario())


def test_where_no_child_can_load_candidates_go_one_by_one_each_noted_before() -> None:
    async def scenario() -> None:
        async with staged(only_here, summary_wait_ms=60_000) as stage:
            notes: list[int | None] = []

            async def commit(partitions: Iterable[Partition]) -> bool:
                notes.extend(stage.crashes._held[partition].alone for partition in partitions)
                return True

            stage.crashes.commits_by(commit)
            stage.died_with(until=3)
            await stage.take(*(review(offset, LONG_BAD) for offset in range(3)), review(5, "I love it."))
            await finished(stage, 0, 1, 2, 5)
            assert notes == [0, 1, 2]
            assert {one.summary_method for offset, one in stage.enriched().items() if offset < 3} == {"extractive"}
            await stage.take(review(6, LONG_BAD))
            await finished(stage, 6)
            assert stage.errors == []

    asyncio.run(scenario())


def test_loader_that_other_processes_cannot_import_is_no_reason_to_stop() -> None:
    async def scenario() -> None:
        async with staged(lambda settings: load_deadly(None, settings), summaries="off") as stage:

            async def commit(partitions: Iterable[Partition]) -> bool:
                return True

            stage.crashes.commits_by(commit)
            stage.died_with(until=2)
            await stage.take(review(0), review(1))
            await finished(stage, 0, 1)

    asyncio.run(scenario())


def test_review_alone_in_two_deaths_is_rejected_unseen_where_no_child_can_help(tmp_path: Path) -> None:
    """After three deaths without progress no child is tried: its memory may be what kills."""

    async def scenario() -> None:
        starts = tmp_path / "starts"
        async with staged(partial(load_deadly, starts), summaries="off") as stage:

            async def commit(partitions: Iterable[Partition]) -> bool:
                return True

            stage.crashes.commits_by(commit)
            stage.died_with(until=3, deaths=2, alone=1, alone_deaths=1)
            assert stage.crashes.in_a_loop(P0)
            await stage.take(review(0), review(1, KILLER), review(2))
            await finished(stage, 0, 1, 2)
            assert stage.reasons() == ["kills_worker"]
            assert len(starts.read_text().splitlines()) == 1, "this process alone"

    asyncio.run(scenario())


def test_partitions_taken_away_end_the_child_and_what_it_had_is_left_to_the_next_owner() -> None:
    async def scenario() -> None:
        async with staged(partial(load_deadly, None), summaries="off") as stage:
            stage.died_with(until=3)
            await stage.take(review(0), review(1, "An endless one."), review(2))
            await wait_until_async(lambda: 0 in stage.acks.finished() or bool(children()), _SECONDS, "a child works")
            stage.role.drop_waiting(frozenset({P0, P1}))
            async with asyncio.timeout(1):
                await stage.role.finish_started(frozenset({P0, P1}))
            assert stage.reasons() == []

    asyncio.run(scenario())


def test_child_without_work_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_IDLE_SECONDS", 0.2)

    async def scenario() -> None:
        async with staged(partial(load_deadly, None), summaries="off") as stage:
            stage.died_with(until=4)
            for offsets in ((0, 1), (2, 3)):
                await stage.take(*(review(offset) for offset in offsets))
                await finished(stage, *offsets)
                await wait_until_async(lambda: not children(), _SECONDS, "it is gone")
            assert set(stage.enriched()) == {0, 1, 2, 3}

    asyncio.run(scenario())


_PARENT = """
import threading
from functools import partial
from stream_app.models.isolated import IsolatedClassifier, Ready
from stream_app.settings import Settings
from tests.unit.roles.deadly_models import load_deadly

ready = threading.Event()
child = IsolatedClassifier(
    partial(load_deadly, None), Settings(_env_file=None), lambda _, event: isinstance(event, Ready) and ready.set()
)
ready.wait()
print(child._process.pid, flush=True)
threading.Event().wait()
"""


def test_child_ends_with_its_parent() -> None:
    """Even where the parent has no time to end it: the pipe between them does."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not psutil.pid_exists(child), 30, "the child lives on")
