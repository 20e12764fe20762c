"""Writes log lines, with structlog, and reports how the process ends."""

from __future__ import annotations

import errno
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import TextIO, cast

import structlog
from prometheus_client import Counter

from stream_app.ports import ConfigurationError, Unavailable

log = structlog.get_logger("stream_app")
_FAILED_WRITES = Counter("stream_app_log_writes_failed", "Writes of log lines that failed, by error", ["error"])
_take_error: Callable[[Mapping[str, object]], None] = lambda _: None  # noqa: E731 - replaced, not called by name
_flush_errors: Callable[[], None] = lambda: None  # noqa: E731


def report_errors_to(take: Callable[[Mapping[str, object]], None], flush: Callable[[], None]) -> None:
    """``take`` gets each of our log lines of level error or critical; ``flush`` is called when one ends the process."""
    global _take_error, _flush_errors
    _take_error, _flush_errors = take, flush


def _report_errors(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if event["level"] in ("error", "critical"):
        _take_error(event)
    return event


class _Unfailing:
    """A stream for log lines that never raises: a full disk, or a reader that is gone, must not end a worker."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._attempt(self._stream.flush)

    def _attempt(self, call: Callable[[], object]) -> None:
        try:
            call()
        except OSError as error:  # guarantee: failed-log-line-ends-nothing
            _FAILED_WRITES.labels(errno.errorcode.get(error.errno or 0, "OSError")).inc()


def configure(level: str, as_json: bool, worker: str = "") -> None:
    """Log lines to stderr: for people by default, JSON where machines read them; each names the ``worker`` if given."""

    def name_worker(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**event, "worker": worker} if worker else event

    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_worker,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    # the lines of libraries look like ours: where machines read them, each is one object
    stream = cast(TextIO, _Unfailing(sys.stderr))
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
        )
    )
    logging.basicConfig(level=level, handlers=[handler])
    structlog.configure(
        processors=[*common, _report_errors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )


def places(error: BaseException) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def process_stops() -> None:
    log.info("process_stops", next_step="none: what is in flight is finished and committed, for a few seconds")


def process_ends(reason: str) -> None:
    """``reason``: see error_in_words. Returns when it is recorded, or after a quarter of a second."""
    log.critical("process_ends", reason=reason, next_step="see the error above; nothing unfinished was committed")
    _flush_errors()


def process_ended(reason: str) -> None:
    """It is recorded only: the command prints it."""
    _take_error({"event": "process_ended", "reason": reason})
    _flush_errors()


def error_in_words(error: BaseException) -> str:
    """What may be shown of an error that ended a process: our own words, or else its type and place. What a bug's
    exception says may hold what a person wrote.
    """
    if isinstance(error, (ConfigurationError, Unavailable, OSError)):
        return str(error)
    everywhere = places(error)
    ours = [place for place in everywhere if "/stream_app/" in place] or everywhere
    return f"{type(error).__name__}{f' at {ours[-1]}' if ours else ''}"
