"""A Valkey primary and its replica with a Sentinel, which names the primary and promotes the replica when that dies."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from pydantic import SecretStr
from redis import Redis

from stream_app.embedded.free_port import free_port
from stream_app.embedded.server_process import start_server
from tests.reliability.testbed.valkeys import SYNC_SECONDS, FailOver, ReplicaPair, client_of, follows, kill_primary
from tests.waiting import wait_until

PRIMARY = "shop-view"
_PASSWORD = "of the sentinels"
_DOWN_AFTER_MS = 500
_PROMOTION_SECONDS = 20.0


class SentinelPair(ReplicaPair):
    """`url` names no server: clients ask the Sentinel at each new connection, and reach the server past any proxy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder / "sentinel"
        self.sentinel_port = free_port(0, "a Sentinel", print)
        self.settings_of_workers = {
            "redis_sentinels": f"127.0.0.1:1, 127.0.0.1:{self.sentinel_port}",  # the first one is down
            "redis_sentinel_primary": PRIMARY,
            "redis_sentinel_password": SecretStr(_PASSWORD),
        }

    @property
    def url(self) -> str:
        return "redis://named-by-the-sentinel:1/0"

    def start(self) -> None:
        super().start()
        self._folder.mkdir()
        (self._folder / "sentinel.conf").write_text(
            f'bind 127.0.0.1\nport {self.sentinel_port}\nrequirepass "{_PASSWORD}"\n'
            f"sentinel monitor {PRIMARY} 127.0.0.1 {self.primary.port} 1\n"
            f"sentinel down-after-milliseconds {PRIMARY} {_DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {PRIMARY} 3000\n"
        )
        command = [str(self.primary._binary), str(self._folder / "sentinel.conf"), "--sentinel"]
        process = start_server(command, self._folder, f"127.0.0.1:{self.sentinel_port}", detached=False)
        self._cleanup.callback(process.stop, 5.0)
        self._wait_until_known()

    def fail_over(self, *, lose_seconds: float = 0.0) -> FailOver:
        """`kill -9` the primary; returns when the Sentinel has promoted the replica. As ``ReplicaPair`` else."""
        self._wait_until_known()
        with ExitStack() as during:
            old, new = (during.enter_context(client_of(one)) for one in (self.primary, self.replica))
            lost_bytes = kill_primary(self.primary, old, new, lose_seconds)
            began = time.monotonic()
            wait_until(
                lambda: self._named() == self.replica.port and new.info("replication")["role"] == "master",
                _PROMOTION_SECONDS,
                "the Sentinel promoted no replica",
            )
        self.primary, self.replica = self.replica, self.primary
        return FailOver(time.monotonic() - began, lost_bytes)

    def start_old_as_replica(self) -> None:
        """Start the dead server; returns when the Sentinel has made a replica of it, which has all of the primary's."""
        self.replica.start()
        with client_of(self.primary) as primary, client_of(self.replica) as replica:
            wait_until(lambda: follows(primary, replica), 2 * SYNC_SECONDS, "the dead primary came back as a replica")

    def _named(self) -> int:
        """The port of the primary that the Sentinel names."""
        with self._ask() as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(PRIMARY)[1])

    def _wait_until_known(self) -> None:
        def known() -> bool:
            with self._ask() as sentinel:
                found = sentinel.sentinel_slaves(PRIMARY)
            return any(one["port"] == self.replica.port and not one["is_disconnected"] for one in found)

        wait_until(known, SYNC_SECONDS, "the Sentinel knows no replica")

    def _ask(self) -> Redis:
        return Redis(port=self.sentinel_port, password=_PASSWORD, socket_timeout=10)
