"""Keeps the logs of the Kafka clients readable while a broker is away."""

from __future__ import annotations

import logging
import time

_SECONDS_BETWEEN = 10.0


class _OncePerPeriod(logging.Handler):
    """Passes each kind of line (logger, level, template) on once per period, saying how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_at: dict[tuple[str, int, str], float] = {}
        self._left_out: dict[tuple[str, int, str], int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        kind = (record.name, record.levelno, str(record.msg))
        now = time.monotonic()
        if now - self._passed_at.get(kind, -_SECONDS_BETWEEN) < _SECONDS_BETWEEN:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._passed_at[kind] = now
        if left_out := self._left_out.pop(kind, 0):
            record.msg = f"{record.msg} (and {left_out} more like this)"
        logging.getLogger().handle(record)


def quieten_clients() -> None:
    """aiokafka logs several errors per 0.1 s while a broker is away; Faust tells its inner life at INFO."""
    aiokafka = logging.getLogger("aiokafka")
    aiokafka.handlers = [_OncePerPeriod()]
    aiokafka.propagate = False
    ours = ("stream_app.kafka.frame", "stream_app.kafka.consumer_thread")  # their loggers are Faust's: our subclasses
    for chatty in ("aiokafka", "faust", "mode", *ours):
        logger = logging.getLogger(chatty)
        if logging.getLogger().getEffectiveLevel() > logging.DEBUG:
            logger.setLevel(logging.WARNING)
