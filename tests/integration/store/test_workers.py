"""What workers leave about themselves in a real Redis: bounded, and through an outage."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.ports import StoreUnavailable
from stream_app.roles import heartbeat as heartbeats
from stream_app.roles.heartbeat import heartbeat
from stream_app.roles.last_errors import LastErrors
from stream_app.settings import Settings
from stream_app.steps.last_error import LastError
from stream_app.store.workers import FORGOTTEN_AFTER_MS, MAX_SEEN, Seen, WorkerNotes, workers_of
from tests.behaviour.running import Run
from tests.waiting import wait_until


def settings_on(url: str, folder: Path, prefix: str) -> Settings:
    return Settings(_env_file=None, redis=SecretStr(url), state_folder=str(folder), topic_prefix=prefix)


@pytest.fixture
def settings(valkey: str, tmp_path: Path, topic_prefix: str) -> Settings:
    return settings_on(valkey, tmp_path, topic_prefix)


def test_processes_seen_are_bounded_and_forgotten(run: Run, settings: Settings) -> None:
    notes = WorkerNotes.from_settings(settings)
    for number in range(MAX_SEEN + 5):
        run(notes.seen(f"describe@host:{number}", number))
    seen, errors = run(notes.read())
    assert (len(seen), errors) == (MAX_SEEN, [])
    assert seen[0] == Seen(f"describe@host:{MAX_SEEN + 4}", MAX_SEEN + 4)
    run(notes.seen("describe@host:late", 2 * FORGOTTEN_AFTER_MS))
    assert [one.worker for one in run(notes.read())[0]] == ["describe@host:late"]
    run(notes.close())


def test_newest_error_of_each_role_stands(run: Run, settings: Settings) -> None:
    notes = WorkerNotes.from_settings(settings)
    new, old = (LastError("enrich", "enrich@h:1", at_ms, "words") for at_ms in (2, 1))
    other = LastError("notify", "notify@h:2", 1, "words")
    for one in (new, old, other):
        run(notes.failed(one))
    assert {one.role: one for one in run(notes.read())[1]} == {"enrich": new, "notify": other}
    run(notes.close())


def test_heartbeat_goes_through_an_outage_and_is_withdrawn_in_order(
    run: Run, fresh_valkey: EmbeddedValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.05)
    settings = settings_on(fresh_valkey.url, tmp_path, "")
    clock = [1]

    async def seen_at(at_ms: int) -> None:
        async with asyncio.timeout(60):
            while True:
                try:
                    if [Seen("describe@h:1", at_ms)] == (await workers_of(settings))[0]:
                        return
                except StoreUnavailable:
                    pass
                await asyncio.sleep(0.05)

    async def live() -> None:
        async with heartbeat(WorkerNotes.from_settings(settings), "describe@h:1", lambda: clock[0]):
            await seen_at(1)
            fresh_valkey.stop()
            clock[0] = 2
            await asyncio.sleep(0.3)  # beats that fail
            fresh_valkey.start()
            await seen_at(2)
        assert (await workers_of(settings))[0] == []

    run(live())


def test_process_whose_stop_waits_no_longer_ends_in_order(run: Run, settings: Settings) -> None:
    async def live() -> None:
        async with heartbeat(WorkerNotes.from_settings(settings), "describe@h:1", lambda: 7):
            await asyncio.Event().wait()

    async def stop() -> None:
        living = asyncio.create_task(live())
        while not (await workers_of(settings))[0]:
            await asyncio.sleep(0.01)
        living.cancel()
        with pytest.raises(asyncio.CancelledError):
            await living
        assert (await workers_of(settings))[0] == []

    run(stop())


def test_process_that_did_not_end_in_order_leaves_its_last_heartbeat(run: Run, settings: Settings) -> None:
    async def die() -> None:
        async with heartbeat(WorkerNotes.from_settings(settings), "describe@h:1", lambda: 7):
            while not (await workers_of(settings))[0]:
                await asyncio.sleep(0.01)
            raise LookupError

    with pytest.raises(LookupError):
        run(die())
    assert run(workers_of(settings))[0] == [Seen("describe@h:1", 7)]


def test_error_of_an_outage_reaches_redis_with_the_next_process(
    run: Run, settings: Settings, valkey: str, tmp_path: Path, topic_prefix: str
) -> None:
    away = settings_on("redis://127.0.0.1:1/0", tmp_path, topic_prefix)
    first = LastErrors(away, "summarize", "summarize@h:1")
    first.start()
    first.take({"event": "process_ends", "reason": "Redis cannot be used now"})
    wait_until(lambda: any((tmp_path / "last-errors").glob("*.json")), 30, "the error is on disk")

    LastErrors(settings, "summarize", "summarize@h:2").start()

    wait_until(lambda: run(workers_of(settings))[1] != [], 30, "the error is in Redis")
    [error] = run(workers_of(settings))[1]
    assert (error.worker, error.words) == ("summarize@h:1", "process ends: Redis cannot be used now")
