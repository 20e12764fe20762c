"""Runs one role as a process: prepares it, joins the group, and ends with an exit code."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server

from stream_app import telemetry
from stream_app.exit_now import exit_stopped
from stream_app.kafka.admin import check_brokers
from stream_app.kafka.crash_memory import CrashMemory
from stream_app.kafka.fatal import catch_everything, fatal
from stream_app.kafka.faust_app import RoleApp, RoleWorker
from stream_app.kafka.log_rate_limit import limit_client_logs
from stream_app.kafka.log_watch import watch_log
from stream_app.kafka.ordered_publisher import OrderedPublisher
from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.kafka.topic_check import check_topics_of
from stream_app.kafka.topics_admin import log_identity
from stream_app.ports import ConfigurationError, StreamRole
from stream_app.retry import Retry
from stream_app.settings import KafkaSettings

Fatal = Callable[[BaseException], None]
"""Ends the process with exit code 1, nothing unfinished committed; may be called from any thread."""

Service = Callable[[ConfluentPublisher, asyncio.Event], Coroutine[Any, Any, None]]
"""A role that reads no topic: works until the event is set. Cancelled where it does not return soon after that."""

_PROBE_SECONDS = 2.0  # the first question: an outage is reported soon
_STOP_SECONDS = 12.0  # after draining, for the commit and for leaving the group: beyond it something hangs
_OBJECTS_BETWEEN_COLLECTIONS = 50_000  # some MiB
_Result = TypeVar("_Result")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def run_role(
    settings: KafkaSettings,
    role_name: str,
    topic: str,
    make_role: Callable[[ConfluentPublisher, Fatal], StreamRole],
    crashes: CrashMemory | None = None,
    now_ms: Callable[[], int] = _now_ms,
) -> None:
    """The main of a process that runs ``role_name`` on ``topic`` (full name). Returns after SIGTERM or SIGINT.
    ``now_ms``: this machine's clock, which is compared with the records' timestamps.

    Order: brokers and topic are there, the role is made and started (models load), then the group is joined: a member
    that still loads would only hold partitions back. Anything that goes wrong later ends the process with code 1.
    ``crashes``: of a role whose records may kill the process; what it notes is committed.

    Raises ConfigurationError (a topic is missing or does not do for the role, the port is taken) and BrokerUnavailable
    (patience spent).
    """
    loop = _new_loop(settings, role_name)

    async def prepare() -> RoleApp:
        await _until_reachable(settings, role_name, [topic])
        log = await _patiently(settings, partial(log_identity, settings, topic))
        publisher = ConfluentPublisher(settings)
        acks = OrderedPublisher(publisher)
        role = make_role(publisher, fatal)
        await role.start(acks)
        # models were loaded meanwhile: an outage is reported in words, before Faust connects
        await _patiently(settings, partial(check_brokers, settings, _PROBE_SECONDS))
        _tune_garbage_collector()
        watch_log(settings, log, fatal)
        app = RoleApp(settings, role_name, log, role, acks, publisher, loop, now_ms, crashes)
        publisher.on_fatal = app.end
        return app

    app = loop.run_until_complete(_unless_signalled(prepare()))

    def stop() -> None:
        if not app.connected:
            exit_stopped()  # guarantee: stop-does-not-wait-for-the-first-connection
        _end_at_the_latest(settings.drain_seconds)

    worker = RoleWorker(app, loop, on_signal=stop)
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        if end.code:
            raise


def run_service(settings: KafkaSettings, name: str, service: Service) -> None:
    """The main of a process that reads no topic. Returns after SIGTERM or SIGINT, when ``service`` has returned.

    Raises as ``run_role`` does. An exception of ``service`` ends the process with code 1.
    """
    loop = _new_loop(settings, name)

    async def run() -> None:
        publisher = ConfluentPublisher(settings)
        stopping = asyncio.Event()
        work = asyncio.create_task(service(publisher, stopping))

        def stop() -> None:
            stopping.set()
            loop.call_later(settings.drain_seconds, work.cancel)  # guarantee: stop-does-not-wait-for-a-dependency
            _end_at_the_latest(settings.drain_seconds)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        with suppress(asyncio.CancelledError):
            await work
        if not stopping.is_set():
            raise RuntimeError(f"{name} ended without a signal; report this as a bug.")
        await publisher.close()
        if work.cancelled():
            exit_stopped()  # guarantee: stop-does-not-wait-for-a-thread

    loop.run_until_complete(_unless_signalled(_until_reachable(settings, name)))
    running = loop.create_task(run(), name=name)
    loop.run_until_complete(asyncio.wait([running]))
    if (error := running.exception()) is not None:
        if isinstance(error, ConfigurationError):
            raise error
        fatal(error)
    loop.close()


def _new_loop(settings: KafkaSettings, role: str) -> asyncio.AbstractEventLoop:
    limit_client_logs()
    if settings.metrics_port:
        serve_metrics(settings, role)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    catch_everything(loop)
    return loop


def serve_metrics(settings: KafkaSettings, role: str) -> WSGIServer:
    """Serve the role's metrics from a thread, where the settings say. Raises ConfigurationError."""
    host, port = settings.metrics_host, settings.metrics_port
    try:
        # guarantee: metrics-keep-to-their-address
        server, _ = start_http_server(port, addr=host, registry=telemetry.registry_of(role))
    except OSError as error:
        raise ConfigurationError(
            f"{host} port {port} for metrics: {error.strerror}. Set STREAM_APP_METRICS_PORT to a free one, and "
            "STREAM_APP_METRICS_HOST to an address of this machine."
        ) from error
    return server


def _tune_garbage_collector() -> None:
    """Records on their way are no garbage, and libraries and models stay: looking at all of them again and again
    took a tenth of the time of `enrich`.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 50)


async def _unless_signalled(preparation: Coroutine[Any, Any, _Result]) -> _Result:
    """The preparation's result. A signal ends the process at once, in order: nothing was consumed yet."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, exit_stopped)
    return await preparation


def _end_at_the_latest(drain_seconds: float) -> None:
    """A stop that hangs must not hold partitions back: the group takes them over when this process is gone."""
    telemetry.process_stops()
    seconds = _STOP_SECONDS + drain_seconds

    def end() -> None:
        fatal(TimeoutError(f"The process did not stop within {seconds:.0f} s; look for what hangs above."))

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


async def _until_reachable(settings: KafkaSettings, role: str, also: Sequence[str] = ()) -> None:
    """Look at all topics that the role reads and writes, and at ``also`` (full names); while no broker answers, again.

    Raises BrokerUnavailable after ``publish_patience_seconds``, ConfigurationError when a topic is missing or the role
    could not work with it.
    """

    def look() -> None:
        check_brokers(settings, _PROBE_SECONDS)
        check_topics_of(settings, role, also)  # guarantee: topics-are-checked-at-start

    await _patiently(settings, look)


async def _patiently(settings: KafkaSettings, ask: Callable[[], _Result]) -> _Result:
    """The answer of the brokers; asked again while none of them can be reached."""
    # guarantee: a-broker-is-waited-for-at-the-start
    return await Retry("kafka", settings.publish_patience_seconds)(lambda: asyncio.to_thread(ask))
