"""The Redis of a testbed: one Valkey, on a small disk where the machine allows one, a pair, with or without a Sentinel,
or a cluster.

``url`` is for the workers, through a proxy; ``direct_url`` and ``client()`` for faults and for the checker.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

from stream_app.embedded.valkey import EmbeddedValkey
from tests.reliability.testbed.proxy import Proxy
from tests.reliability.testbed.sentinel import SentinelPair
from tests.reliability.testbed.valkey_cluster import ValkeyCluster
from tests.reliability.testbed.valkeys import ReplicaPair

_CHUNK = bytes(2**20)
_OWN_MOUNTS = "STREAM_APP_OWN_MOUNTS"


class SmallDisk:
    """A folder of limited size; an ordinary folder where ``can_mount`` is false."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        folder.mkdir(parents=True)
        self._ballast = folder / "ballast"
        if can_mount():
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", str(folder)], check=True)

    def fill(self) -> None:
        """Write until the disk is full. Raises RuntimeError where it is not a small one: it would be the machine's."""
        if not can_mount():
            raise RuntimeError(f"{self._ballast.parent} is on the machine's own disk; that is not filled")
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(_CHUNK)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        if can_mount():
            subprocess.run(["umount", "--lazy", str(self._ballast.parent)], check=True)


class SingleStore:
    """One server, with an append-only file."""

    is_cluster = False
    settings_of_workers: Mapping[str, Any] = {}

    def __init__(self, folder: Path) -> None:
        self.disk = SmallDisk(folder, 256 * 2**20)
        self.server = EmbeddedValkey(folder / "data", port=0)
        self.proxy = Proxy("127.0.0.1", 0)

    @property
    def url(self) -> str:
        return f"redis://{self.proxy.address}/0"

    @property
    def direct_url(self) -> str:
        return self.server.url

    def start(self) -> None:
        self.proxy.start()
        self.server.start()
        self.proxy.redirect("127.0.0.1", self.server.port)

    def stop(self) -> None:
        self.proxy.stop()
        self.server.stop()
        self.disk.close()

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.direct_url)


class PairStore(ReplicaPair):
    """A primary and its replica."""

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.direct_url)


class SentinelStore(SentinelPair):
    """A primary and its replica, as a Sentinel names them."""

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.direct_url)


class ClusterStore(ValkeyCluster):
    """Three masters, each with a replica."""

    def client(self) -> redis.RedisCluster:
        return redis.RedisCluster.from_url(self.direct_url)


def can_mount() -> bool:
    """Can a SmallDisk be made here?"""
    return _OWN_MOUNTS in os.environ


def with_own_mounts(command: list[str]) -> None:
    """Become ``command`` in a mount namespace of its own, if the system allows one: its mounts end with it.

    Returns where that was done before, or is not allowed.
    """
    if can_mount():
        return
    probe = subprocess.run(["unshare", "--mount", "--map-root-user", "true"], capture_output=True, check=False)
    if probe.returncode == 0:
        os.environ[_OWN_MOUNTS] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--map-root-user", *command])
