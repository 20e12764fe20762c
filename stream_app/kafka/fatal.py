"""Ends a broken process: reports the error, commits nothing, exits with code 1."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from typing import Any, NoReturn

from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from stream_app import telemetry
from stream_app.ports import ConfigurationError, Unavailable, with_next_step

_log = logging.getLogger(__name__)


def fatal(error: BaseException) -> NoReturn:
    """End the process at once with exit code 1, from any thread.

    No clean-up on purpose: an orderly stop would wait for threads that may hang and could commit unfinished work.
    Kafka redelivers what was not committed.
    """
    try:
        if isinstance(error, (ConfigurationError, Unavailable)):  # its message explains what to do
            words = str(error) if isinstance(error, ConfigurationError) else with_next_step(error)
            print(f"stream-app: {words}", file=sys.stderr)
        else:
            traceback.print_exception(error, file=sys.stderr)
        from_kafka = isinstance(error, KafkaException)  # librdkafka's message, without words of a record
        telemetry.process_ends(f"KafkaException: {error}" if from_kafka else telemetry.error_in_words(error))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(1)  # guarantee: fatal-exits-with-1


def catch_everything(loop: asyncio.AbstractEventLoop) -> None:
    """End the process for exceptions in callbacks, tasks and threads that asyncio and threading would only log."""
    loop.set_exception_handler(_on_loop_exception)  # guarantee: exception-in-a-callback
    threading.excepthook = _on_thread_exception  # guarantee: exception-in-a-thread


def _on_loop_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if error is None or isinstance(error, (KafkaError, OSError, asyncio.CancelledError)):
        # the Kafka client retries these by itself; asyncio reports them when nothing waits for the answer any more
        loop.default_exception_handler(context)
        return
    _log.error("%s", context.get("message"))
    fatal(error)


def _on_thread_exception(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        fatal(arguments.exc_value)
