"""Keeps the logs of the Kafka clients readable while a broker is away."""

from __future__ import annotations

import logging
import time

from stream_app import telemetry
from stream_app.kafka.client_config import RECONNECT_SECONDS

_SECONDS_BETWEEN = 30.0


class _OncePerPeriod(logging.Handler):
    """Passes on one line per logger, level and period, with the number of lines omitted.

    A line about a connection comes with what to do.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed_at: dict[tuple[str, int], float] = {}
        self._omitted: dict[tuple[str, int], int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        is_about_a_connection = record.levelno >= logging.ERROR and "connect" in record.getMessage().lower()
        self._pass_on(record)
        if is_about_a_connection:  # each time: an outage is over when these end
            telemetry.dependency_unavailable("kafka", "a broker cannot be reached", retry_in_seconds=RECONNECT_SECONDS)

    def _pass_on(self, record: logging.LogRecord) -> None:
        kind = (record.name, record.levelno)
        now = time.monotonic()
        if now - self._passed_at.get(kind, -_SECONDS_BETWEEN) < _SECONDS_BETWEEN:
            self._omitted[kind] = self._omitted.get(kind, 0) + 1
            return
        self._passed_at[kind] = now
        if omitted := self._omitted.pop(kind, 0):
            record.msg = f"{record.msg} (and {omitted} more like this)"
        logging.getLogger().handle(record)


def limit_client_logs() -> None:
    """aiokafka logs several errors per 0.1 s while a broker is away; Faust logs its internals at INFO."""
    aiokafka = logging.getLogger("aiokafka")
    aiokafka.handlers = [_OncePerPeriod()]
    aiokafka.propagate = False
    # Faust makes the loggers of our subclasses
    ours = [f"stream_app.kafka.{name}" for name in ("consumer_thread", "faust_app", "faust_commits", "faust_consumer")]
    for chatty in ("aiokafka", "faust", "mode", *ours):
        logger = logging.getLogger(chatty)
        if logging.getLogger().getEffectiveLevel() > logging.DEBUG:
            logger.setLevel(logging.WARNING)
