"""What the errors of servers mean to us that no test here can start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from redis import exceptions

from stream_app.ports import ConfigurationError, StoreUnavailable
from stream_app.store.clients import Sentinels
from stream_app.store.server import Command, Server
from stream_app.store.server_errors import translated

# Redis 6.2.14, to an EVALSHA
IN_A_SCRIPT = (
    "Error running script (call to f_eb915cba70132a25a4efdcc7f9b0b5b7696eaf54): "
    "@user_script:101: @user_script: 101: -{} command not allowed"
)


class ServerThatReplies(Server):
    """A server with a given reply to everything; never connected to."""

    def __init__(self, reply: object) -> None:
        super().__init__("redis://127.0.0.1:1/0", ())
        self._reply = reply
        self.looked_for_primaries = 0

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        return [self._reply for _ in commands]

    async def _look_for_primaries(self) -> None:
        self.looked_for_primaries += 1


def run(server: Server) -> None:
    asyncio.run(server.run([("HGET", "key", "field")]))


@pytest.mark.parametrize("code", ["OOM", "READONLY", "MISCONF", "NOREPLICAS", "MASTERDOWN"])
def test_refusal_that_an_old_server_wraps_into_a_scripts_error_is_an_outage(code: str) -> None:
    server = ServerThatReplies(exceptions.ResponseError(IN_A_SCRIPT.format(code)))

    with pytest.raises(StoreUnavailable, match=code):
        run(server)
    assert server.looked_for_primaries == (code == "READONLY")


@pytest.mark.parametrize(
    "text",
    [
        "ACL failure in script: User u has no permissions to run the 'hset' command script: on @user_script:1.",
        "ACL failure in script: No permissions to access a key script: on @user_script:1.",
        "Error running script (call to f_eb91): @user_script:1: The user executing the script can't run this command "
        "or subcommand",
    ],
)
def test_command_that_a_script_may_not_run_is_a_refusal_and_no_records_fault(text: str) -> None:
    """As a fault of records it sent 19 of them to the dead letter at each start of `summarize`."""
    with pytest.raises(ConfigurationError, match="the user needs the commands"):
        run(ServerThatReplies(exceptions.ResponseError(text)))


@pytest.mark.parametrize(
    "text", [IN_A_SCRIPT.format("WRONGTYPE"), "unknown command 'OOM'", "wrong number of arguments"]
)
def test_error_that_is_a_bug_is_left_alone(text: str) -> None:
    with pytest.raises(exceptions.ResponseError):
        run(ServerThatReplies(exceptions.ResponseError(text)))


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ClusterError("TTL exhausted."),
        exceptions.MovedError("3999 127.0.0.1:6381"),
        exceptions.AskError("3999 127.0.0.1:6381"),
        exceptions.TryAgainError("Multiple keys request during rehashing of slot"),
        exceptions.SlotNotCoveredError("Slot 1 not covered by the cluster."),
    ],
)
def test_cluster_whose_slots_move_is_away(error: Exception) -> None:
    with pytest.raises(StoreUnavailable):
        run(ServerThatReplies(error))


def test_transport_that_uvloop_closed_is_an_outage_and_another_runtime_error_a_bug() -> None:
    """asyncio's own loop raises ConnectionResetError there."""

    class Raises(ServerThatReplies):
        async def _send(self, commands: Sequence[Command]) -> list[Any]:
            raise RuntimeError(self._reply)

    closed = "unable to perform operation on <TCPTransport closed=True reading=False 0x55f4>; the handler is closed"
    with pytest.raises(StoreUnavailable, match="its connection was closed"):
        run(Raises(closed))
    with pytest.raises(RuntimeError, match="dictionary changed size"):
        run(Raises("dictionary changed size during iteration"))


async def no_primary_found(server: Server) -> None:
    with translated():
        await server._client.ping()


def test_sentinels_that_do_not_answer_are_named_without_their_clients_settings() -> None:
    sentinels = Sentinels((("127.0.0.1", 1), ("127.0.0.1", 2)), "shop-view", "a secret")
    server = Server("redis://named-by-them:1/0", (), sentinels=sentinels)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        asyncio.run(no_primary_found(server))
    assert time.monotonic() - began < 1.5, "redis-py's own tries take seconds"
    message = str(caught.value)
    assert "the Sentinels name no primary 'shop-view' now (no answer from 127.0.0.1:1, 127.0.0.1:2)." in message
    assert "STREAM_APP_REDIS_SENTINEL_PRIMARY" in message
    assert "<" not in message
    assert "a secret" not in message
