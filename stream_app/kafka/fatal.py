"""The one way out of a broken process: say why, commit nothing, exit with code 1."""

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
from stream_app.ports import ConfigurationError

_log = logging.getLogger(__name__)


def fatal(error: BaseException) -> NoReturn:
    """End the process at once with exit code 1, from any thread.

    No clean-up on purpose: an orderly stop would wait for threads that may hang and could commit unfinished work.
    Kafka redelivers what was not committed.
    """
    try:
        if isinstance(error, ConfigurationError):  # no bug: its message says what to do
            print(f"stream-app: {error}", file=sys.stderr)
        else:
            traceback.print_exception(error, file=sys.stderr)
        said = isinstance(error, KafkaException)  # librdkafka's words, of no record
        telemetry.process_ends(f"KafkaException: {error}" if said else telemetry.error_in_words(error))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(1)  # guarantee: fatal-exits-with-1


def catch_everything(loop: asyncio.AbstractEventLoop) -> None:
    """What asyncio and threading would only log, in callbacks, forgotten tasks and threads, ends the process."""
    loop.set_exception_handler(_on_loop_exception)  # guarantee: exception-in-a-callback
    threading.excepthook = _on_thread_exception  # guarantee: exception-in-a-thread


def _on_loop_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if error is None or isinstance(error, (KafkaError, OSError, asyncio.CancelledError)):
        # the Kafka client retries these by itself; asyncio reports them when nobody waited for the answer any more
        loop.default_exception_handler(context)
        return
    _log.error("%s", context.get("message"))
    fatal(error)


def _on_thread_exception(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        fatal(arguments.exc_value)
