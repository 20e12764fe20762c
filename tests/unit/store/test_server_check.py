"""Which servers the check refuses or warns of, from what they say of themselves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stream_app import telemetry
from stream_app.ports import ConfigurationError
from stream_app.store.server import Server

GOOD = {"redis_version": "7.2.4", "maxmemory_policy": "noeviction", "maxmemory": 10**9, "aof_enabled": 1}


class ServerThatSays(Server):
    """A server with a given answer to INFO; never connected to."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        super().__init__("redis://127.0.0.1:1/0", ())
        self._answers = list(answers)

    async def infos(self, *sections: str) -> list[dict[str, Any]]:
        return self._answers


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    for name in ("store_policy_was_hidden", "store_is_not_durable"):
        monkeypatch.setattr(telemetry, name, lambda name=name: names.append(name))
    return names


def check(*answers: dict[str, Any]) -> None:
    asyncio.run(ServerThatSays(*answers).check())


def test_server_that_forgets_nothing_passes_without_a_warning(warned: list[str]) -> None:
    check(GOOD)
    check(GOOD | {"maxmemory_policy": "allkeys-lru", "maxmemory": 0})
    assert warned == []


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (GOOD | {"redis_version": "6.0.16"}, "6.0.16 is too old"),
        (GOOD | {"maxmemory_policy": "volatile-lru"}, "CONFIG SET maxmemory-policy noeviction"),
    ],
)
def test_unfit_server_is_refused_with_what_to_do(answer: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        check(answer)


def test_evicted_keys_are_said_with_what_brings_them_back() -> None:
    with pytest.raises(ConfigurationError, match="evicted 7 keys since it started: run `stream-app rebuild`"):
        check(GOOD | {"maxmemory_policy": "allkeys-lru", "evicted_keys": 7})


def test_warnings_are_given_once(warned: list[str]) -> None:
    async def twice() -> None:
        server = ServerThatSays({"redis_version": "7.0.15"})
        await server.check()
        await server.check()

    asyncio.run(twice())
    assert warned == ["store_policy_was_hidden", "store_is_not_durable"]


def test_one_unfit_node_of_a_cluster_is_enough_to_refuse() -> None:
    with pytest.raises(ConfigurationError, match="allkeys-lru"):
        check(GOOD, GOOD | {"maxmemory_policy": "allkeys-lru"})


def test_hidden_policy_and_missing_append_only_file_are_warned_of(warned: list[str]) -> None:
    check({"redis_version": "7.0.15"})
    assert warned == ["store_policy_was_hidden", "store_is_not_durable"]


def test_unusable_url_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="redis://host:port/0"):
        Server("localhost:6379", ())
