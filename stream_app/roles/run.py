"""Assembles a role and its adapters, and runs it until a signal. Only that role is imported."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable
from functools import partial

from stream_app.kafka.crash_memory import CrashMemory
from stream_app.kafka.fatal import fatal
from stream_app.kafka.follower import TopicFollower
from stream_app.kafka.groups import topic_of
from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.kafka.run import Fatal, run_role, run_service
from stream_app.kafka.topics import Topics
from stream_app.models.loading import load_embedder, load_models, load_summary_model
from stream_app.models.tuned import Loaded, TunedModel
from stream_app.ports import ConfigurationError, Embedder, StreamRole
from stream_app.records import MAX_AHEAD_MS, RawRecord
from stream_app.role_table import ROLES
from stream_app.roles.admission import admitted
from stream_app.roles.follow import follow_view, resolved
from stream_app.roles.heartbeat import heartbeat
from stream_app.settings import ModelSettings, Settings
from stream_app.store.summaries import RedisSummaryStore
from stream_app.store.workers import WorkerNotes


def now_ms() -> int:
    """Return the clock of the roles: milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def process_name(name: str) -> str:
    """Return a worker's name among all machines: "describe@host:4711"."""
    return f"{name}@{socket.gethostname()}:{os.getpid()}"


def run_worker(
    settings: Settings,
    role: str,
    *,
    load: Callable[[ModelSettings], Loaded] = load_models,
    load_summary: Callable[[ModelSettings], TunedModel[str]] = load_summary_model,
    load_embedder: Callable[[ModelSettings], Embedder | None] = load_embedder,
    now_ms: Callable[[], int] = now_ms,
) -> None:
    """Run ``role`` (enrich, summarize, describe or notify); returns after SIGTERM or SIGINT.

    ``load`` makes the models of ``enrich``, in a child process too, which must be able to import it; ``load_summary``
    and ``load_embedder`` those of ``describe``; ``now_ms`` is the clock of all.
    A bug, or patience spent, ends the process with exit code 1 and nothing unfinished committed. A role of the view
    begins only on a view that was made from the log (see admission), and ends with EXIT_VIEW_SWITCHED when a rebuild
    has switched, unless ``settings.generation`` names one.
    """
    if role not in ROLES:
        raise ConfigurationError(f"There is no role {role!r}: {', '.join(ROLES)}.")
    run = partial(_run, role=role, load=load, load_summary=load_summary, embedder=load_embedder, now_ms=now_ms)
    if not ROLES[role].follows_view:
        run(settings)
    elif settings.generation:
        run(resolved(settings, partial(admitted, role=role)))
    else:
        follow_view(settings, run, partial(admitted, role=role))


def _run(
    settings: Settings,
    role: str,
    load: Callable[[ModelSettings], Loaded],
    load_summary: Callable[[ModelSettings], TunedModel[str]],
    embedder: Callable[[ModelSettings], Embedder | None],
    now_ms: Callable[[], int],
) -> None:
    topics = Topics(settings.topic_prefix)
    crashes = CrashMemory()

    def enrich(publisher: ConfluentPublisher, fatal: Fatal) -> StreamRole:
        from stream_app.roles.enrich.role import Enrich

        return Enrich(
            settings,
            load,
            crashes=crashes,
            max_message_bytes=publisher.max_message_bytes,
            now_ms=now_ms,
            fatal=fatal,
            alert_history=alert_history,
        )

    def alert_history(take: Callable[[RawRecord], None]) -> TopicFollower:
        """Follow the alerts of the oldest reviews that may fire again, and a day more: clocks differ."""
        from stream_app.roles.enrich.fired_alerts import MAX_KNOWN

        since_ms = now_ms() - int(settings.alert_max_age_hours * 3_600_000) - MAX_AHEAD_MS
        return TopicFollower(settings, topics.alerts, take, since_ms=since_ms, max_records=MAX_KNOWN)

    def summarize(publisher: ConfluentPublisher, fatal: Fatal) -> StreamRole:
        from stream_app.roles.summarize import Summarize

        store = RedisSummaryStore.from_settings(settings)
        return Summarize(settings, store, publisher, now_ms=now_ms, fatal=fatal)

    def notify(publisher: ConfluentPublisher, fatal: Fatal) -> StreamRole:
        from stream_app.delivery.receivers_file import read_receivers, variables
        from stream_app.roles.notify.deliveries import Deliveries
        from stream_app.roles.notify.role import Notify
        from stream_app.store.deliveries import DeliveryQueues

        store = RedisSummaryStore.from_settings(settings)
        deliveries = Deliveries(
            read_receivers(settings.receivers_file, variables()),
            DeliveryQueues.from_settings(settings),
            store,
            publisher,
            topics,
            owner=f"{process_name(role)}:{secrets.token_hex(8)}",  # containers may share name and numbers of processes
            patience_seconds=settings.redis_patience_seconds,
            now_ms=now_ms,
            fatal=fatal,
        )
        return Notify(settings, store, deliveries, fatal=fatal)

    async def describe(publisher: ConfluentPublisher, stopping: asyncio.Event) -> None:
        from stream_app.roles.describe import Describe

        async with heartbeat(WorkerNotes.from_settings(settings), process_name(role), now_ms):
            summary = None if settings.summaries == "off" else await asyncio.to_thread(load_summary, settings)
            vectors = await asyncio.to_thread(embedder, settings)
            store = RedisSummaryStore.from_settings(settings)
            await Describe(settings, store, publisher, summary, vectors, now_ms=now_ms, fatal=fatal).run(stopping)

    if role == "describe":
        run_service(settings, role, describe)
        return
    make = {"enrich": enrich, "summarize": summarize, "notify": notify}[role]
    run_role(settings, role, topic_of(settings, role), make, crashes if role == "enrich" else None, now_ms)
