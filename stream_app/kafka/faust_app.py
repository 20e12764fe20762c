"""The Faust app and worker of a role: one topic, one consumer group, one agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import faust
from faust.app.base import BootStrategy
from faust.transport.drivers import aiokafka as driver
from mode.supervisors import CrashingSupervisor

from stream_app import telemetry
from stream_app.kafka.client_config import faust_brokers
from stream_app.kafka.crash_memory import CrashMemory
from stream_app.kafka.fatal import fatal
from stream_app.kafka.faust_consumer import Batch, Consumer
from stream_app.kafka.ordered_publisher import OrderedPublisher
from stream_app.kafka.publisher import ConfluentPublisher
from stream_app.kafka.security import faust_credentials
from stream_app.ports import BrokerUnavailable, StreamRole
from stream_app.settings import KafkaSettings
from stream_app.steps.log_identity import LogIdentity

FAUST_VERSION = "0.15.3"
"""The version that the overrides were written against; a test fails when another one is installed."""


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's transport, with our consumer."""

    Consumer = Consumer


class _Boot(BootStrategy):  # type: ignore[misc]
    """Start neither Faust's producer, whose failed sends are only logged, nor its web server."""

    enable_kafka_producer = False
    enable_kafka_consumer = True
    enable_web = False


class RoleApp(faust.App):  # type: ignore[misc]
    """One role, one topic, one consumer group."""

    BootStrategy = _Boot

    def __init__(
        self,
        settings: KafkaSettings,
        role_name: str,
        log_identity: LogIdentity,
        role: StreamRole,
        acks: OrderedPublisher,
        publisher: ConfluentPublisher,
        loop: asyncio.AbstractEventLoop,
        now_ms: Callable[[], int],
        crashes: CrashMemory | None = None,
    ) -> None:
        """``log_identity``: of the topic at start. ``crashes``: for a role whose records may kill the process."""
        self.settings = settings
        self.log_identity = log_identity
        self.crashes = crashes
        self.now_ms = now_ms
        self.role_name = role_name
        self.role = role
        self.acks = acks
        self.publisher = publisher
        self.connected = False
        """Set by the consumer's thread. Nothing was consumed before, and the group was not joined; deliveries of
        `notify` may be under way, as at a crash.
        """
        self._ready = False
        self._ending: asyncio.Task[None] | None = None
        super().__init__(settings.group(role_name), loop=loop, **_options(settings))
        self.topics.add(self.topic(log_identity.topic))
        self.batches = self.channel(maxsize=1)

        async def take_batches(stream: AsyncIterator[Batch]) -> None:
            async for batch in stream:
                await self.consumer.take(batch)

        self.agent(self.batches, name=f"{role_name}.batches", supervisor_strategy=CrashingSupervisor)(take_batches)

    def on_flowing(self, partitions: int) -> None:
        """Report that records flow, or flow again."""
        telemetry.partitions_assigned(self.role_name, partitions)
        if not self._ready:
            self._ready = True
            telemetry.role_became_ready(self.role_name, group=self.conf.id, partitions=partitions)

    def end(self, error: BaseException) -> None:
        """End the process for an error of the publisher. Where a broker is away no review is to blame: what is on a
        device is finished first, and the crash notes say so.
        """
        if self._consumer is None or not isinstance(error, BrokerUnavailable):
            fatal(error)
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._close_notes(error), name="end")

    async def _close_notes(self, error: BrokerUnavailable) -> None:
        try:
            await self._consumer.finish_and_commit()  # guarantee: unavailable-broker-makes-no-candidates
        finally:
            fatal(error)

    async def on_stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.finish_and_commit()
        await super().on_stop()
        await self.role.stop()
        await self.publisher.close(0.0)  # the drain has flushed; what is acknowledged from here on comes again anyway

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        fatal(exc)

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Create none: there are no tables."""


class RoleWorker(faust.Worker):  # type: ignore[misc]
    """The process around a RoleApp: its signals and its end."""

    def __init__(self, app: RoleApp, loop: asyncio.AbstractEventLoop, on_signal: Callable[[], None]) -> None:
        # daemon: else Faust ends at once with exit code 0. Logging and stdout are ours: telemetry configures them
        super().__init__(app, loop=loop, daemon=True, quiet=True, redirect_stdouts=False, override_logging=False)
        self.spinner = None
        self._on_signal = on_signal

    def _flag_as_shutdown_by_signal(self) -> None:
        self._on_signal()
        super()._flag_as_shutdown_by_signal()

    def _setproctitle(self, info: str, *, ident: str = "") -> None:
        """Leave the title: `ps` shows the command line."""

    def _crash(self, reason: BaseException) -> None:
        """End the process for the crash of any service, in any thread; an orderly stop could hang or commit."""
        if not (self.should_stop and isinstance(reason, asyncio.CancelledError)):
            fatal(reason)


def _options(settings: KafkaSettings) -> dict[str, Any]:
    return {
        "broker": faust_brokers(settings),
        "broker_credentials": faust_credentials(settings),
        "broker_client_id": settings.app_name,
        "broker_session_timeout": settings.session_timeout_seconds,
        "broker_heartbeat_interval": settings.heartbeat_seconds,
        "broker_rebalance_timeout": settings.rebalance_timeout_seconds,
        "broker_max_poll_interval": settings.max_poll_interval_seconds,
        "broker_max_poll_records": settings.max_poll_records,
        "broker_commit_interval": settings.commit_interval_seconds,
        "consumer_auto_offset_reset": "earliest",
        # a restarted process gets its partitions at once instead of after the session timeout
        "consumer_group_instance_id": None,
        # 0 selects the clients' standard round robin instead of Faust's own assignor, which is there for tables. All
        # members of a group must agree on one protocol: changing this needs a stop of the whole role, not a rolling one
        "table_standby_replicas": 0,
        # Faust would wait without limit for open work, having dropped its acknowledgements
        "stream_wait_empty": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
    }
