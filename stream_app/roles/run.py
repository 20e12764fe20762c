"""Puts a role together with its adapters, and runs it until the process is told to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.kafka.run import Fatal, run_role, run_service
from stream_app.kafka.topics import Topics
from stream_app.ports import StreamRole
from stream_app.settings import Settings


def run_worker(settings: Settings, role: str) -> None:
    """Run ``role`` (enrich, summarize, describe or notify); returns after SIGTERM or SIGINT.

    A bug, or patience spent, ends the process with exit code 1 and nothing unfinished committed.
    """
    topics = Topics(settings.topic_prefix)
    if role == "describe":
        run_service(settings, role, _describe(settings))
        return
    make, topic = {
        "enrich": (_enrich, topics.reviews),
        "summarize": (_summarize, topics.enriched),
        "notify": (_notify, topics.alerts),
    }[role]
    run_role(settings, role, topic, lambda publisher, fatal: make(settings, publisher, fatal))


def now_ms() -> int:
    """The clock of the roles: milliseconds since 1970."""
    return time.time_ns() // 1_000_000
