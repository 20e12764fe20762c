"""A TCP proxy in this process that simulates network faults: cut, partitioned, slow, or redirected."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TypeVar, cast

from stream_app.embedded.free_port import free_port
from tests.reliability.testbed.connections import ChunksInFlight, Connection, Direction

Value = TypeVar("Value")

_PORTS = range(12_000, 20_000)  # others than servers take, which start while the proxy does not listen yet
_CHUNK_BYTES = 64 * 1024
_SWITCH_SECONDS = 10.0
_STEP_SECONDS = 0.05
_END = b""  # behind the last chunk: the sender has closed its side


@dataclass(frozen=True)
class FaultsSeen:
    """The effects of faults on traffic so far. A fault without effect proves nothing."""

    refused: int = 0
    """Connections that were reset before a byte of theirs went on: while cut, or because the target did not answer."""
    reset: int = 0
    """Established connections that were reset."""
    delayed: int = 0
    """Chunks that were delivered late."""
    swallowed: int = 0
    """Chunks that were never delivered."""
    held: int = 0
    """Chunks that waited for the end of a partition."""

    @property
    def total(self) -> int:
        return self.refused + self.reset + self.delayed + self.swallowed + self.held


class Proxy:
    """Passes TCP connections to `target_host:target_port`, on loopback, from a thread of its own.

    Methods may be called from any thread and have taken effect when they return. Bytes keep their order. At most
    4 MiB are in flight per direction and connection. Then the sender has to wait.
    """

    def __init__(self, target_host: str, target_port: int, listen_port: int = 0) -> None:
        """`listen_port`: 0 takes a free one, known at once, and kept by every later `start`."""
        self._target = (target_host, target_port)
        self.port = listen_port or free_port(0, "a proxy", print, candidates=_PORTS)
        self._faults = FaultsSeen()
        self._open: set[Connection] = set()
        self._is_cut = False
        self._reset_next_after: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """host:port for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def target(self) -> tuple[str, int]:
        """Host and port where new connections lead."""
        return self._target

    @property
    def connections(self) -> int:
        """How many clients are connected now, those whose bytes vanish included."""
        return len(self._open)

    @property
    def faults_seen(self) -> FaultsSeen:
        """Counted since the proxy was made."""
        return self._faults

    # ---- life

    def start(self) -> None:
        """Listen; returns when clients can connect. Raises OSError when the port is busy."""
        if self._thread is not None:
            return
        self._loop = asyncio.new_event_loop()
        self._requests, self._answers = Direction(), Direction()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy {self.port}", daemon=True)
        self._thread.start()
        try:
            self._listener = self._await(self._listen())
        except BaseException:
            self._end_thread()
            raise
        self.heal()

    def stop(self) -> None:
        """Close the listener and every connection."""
        if self._thread is None:
            return
        self._await(self._close())
        self._end_thread()

    def __enter__(self) -> Proxy:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # ---- faults

    def cut(self) -> None:
        """Connections are reset, and new ones at once too, until `heal`, as if the server's process had ended."""

        def switch() -> None:
            self._is_cut = True
            self._reset_all()

        self._switch(switch)

    def blackhole(self, *, requests: bool = True, answers: bool = True, late: bool = False) -> None:
        """Connections are accepted and stay open, and no byte arrives, until `heal`: a network partition.

        Only `answers`: the server does what it is asked, and its answers are lost. Bytes are swallowed, and the
        connections that lost some are reset by `heal`; with `late` they wait instead and arrive after `heal`, as
        TCP's retransmissions do after a short partition, even if the client has given up on them in the meantime.
        """

        def switch() -> None:
            for direction, chosen in ((self._requests, requests), (self._answers, answers)):
                if chosen:
                    direction.swallows = not late
                    direction.flows.clear()

        self._switch(switch)

    def delay(self, seconds: float) -> None:
        """Every chunk arrives that much later, in both directions: a round trip takes twice as long; 0 ends it."""

        def switch() -> None:
            self._requests.delay_seconds = self._answers.delay_seconds = seconds

        self._switch(switch)

    def reset_after(self, answer_bytes: int) -> None:
        """The next connection through which answers come is reset after ``answer_bytes`` of them. Once."""

        def switch() -> None:
            self._reset_next_after = answer_bytes

        self._switch(switch)

    def redirect(self, host: str, port: int) -> None:
        """New connections go to another target; existing ones are reset. Other faults stay as they are."""

        def switch() -> None:
            self._target = (host, port)
            self._reset_all()

        if self._thread is None:
            self._target = (host, port)
        else:
            self._switch(switch)

    def heal(self) -> None:
        """All faults end, except for `redirect`; connections that lost bytes are reset."""

        def switch() -> None:
            self._is_cut = False
            self._reset_next_after = None
            for direction in (self._requests, self._answers):
                direction.delay_seconds = 0.0
                direction.swallows = False
                direction.flows.set()
            for connection in [one for one in self._open if one.torn]:
                self._reset(connection)

        self._switch(switch)

    # ---- on the proxy's thread

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=_CHUNK_BYTES, backlog=512)

    async def _close(self) -> None:
        self._listener.close()
        serving = [connection.task for connection in self._open]
        for connection in list(self._open):
            connection.reset()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close their sockets in the next turn of the loop

    async def _serve(self, requests: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """A connection from its beginning to its end. What breaks one end resets the other."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        connection = Connection(task, client)
        self._open.add(connection)
        try:
            answers = await self._connect(connection)
            if answers is None:
                self._count(refused=1)
                connection.abort()
                return
            server = cast("asyncio.StreamWriter", connection.server)
            async with asyncio.TaskGroup() as both:
                self._pass_on(both, connection, requests, server, self._requests)
                self._pass_on(both, connection, answers, client, self._answers)
        except* OSError:
            connection.abort()
        except* asyncio.CancelledError:
            pass  # reset
        finally:
            client.close()
            if connection.server is not None:
                connection.server.close()
            self._open.discard(connection)

    async def _connect(self, connection: Connection) -> asyncio.StreamReader | None:
        """The reader of what the target answers; None if it cannot be reached."""
        if self._is_cut:
            return None
        if not self._requests.flows.is_set():  # its first packet gets no further than any other
            if self._requests.swallows:
                connection.torn = True
                self._count(swallowed=1)
            await self._requests.flows.wait()
        try:
            answers, connection.server = await asyncio.open_connection(*self._target, limit=_CHUNK_BYTES)
        except OSError:
            return None
        for writer in (connection.client, connection.server):
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return answers

    def _pass_on(
        self,
        tasks: asyncio.TaskGroup,
        connection: Connection,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        direction: Direction,
    ) -> None:
        in_flight = ChunksInFlight()
        tasks.create_task(self._take_in(connection, source, in_flight, direction))
        tasks.create_task(self._deliver(connection, in_flight, sink, direction))

    async def _take_in(
        self, connection: Connection, source: asyncio.StreamReader, in_flight: ChunksInFlight, direction: Direction
    ) -> None:
        now = asyncio.get_running_loop().time
        while chunk := await source.read(_CHUNK_BYTES):
            if direction.swallows:
                connection.torn = True
                self._count(swallowed=1)
                continue
            if direction.delay_seconds or not direction.flows.is_set():
                self._count(delayed=direction.delay_seconds > 0, held=not direction.flows.is_set())
            await in_flight.put(chunk, now() + direction.delay_seconds)
        await in_flight.put(_END, now() + direction.delay_seconds)

    async def _deliver(
        self, connection: Connection, in_flight: ChunksInFlight, sink: asyncio.StreamWriter, direction: Direction
    ) -> None:
        now = asyncio.get_running_loop().time
        while True:
            chunk, due = await in_flight.first()
            if direction.delay_seconds and (early := due - now()) > 0:
                await asyncio.sleep(min(early, _STEP_SECONDS))  # in steps, so that `heal` hastens what is in flight
                continue
            await direction.flows.wait()
            in_flight.remove_first()
            if chunk is _END:
                sink.write_eof()
                return
            if direction is self._answers and self._is_resets_turn(connection, chunk):
                sink.write(chunk[: connection.answers_until_reset])
                await asyncio.sleep(_STEP_SECONDS)  # a reset may overtake what was written just before
                self._reset(connection)
                return
            sink.write(chunk)
            await sink.drain()

    def _is_resets_turn(self, connection: Connection, chunk: bytes) -> bool:
        if self._reset_next_after is not None and connection.answers_until_reset is None:
            connection.answers_until_reset, self._reset_next_after = self._reset_next_after, None
        left = connection.answers_until_reset
        if left is None:
            return False
        if left < len(chunk):
            return True
        connection.answers_until_reset = left - len(chunk)
        return False

    def _reset_all(self) -> None:
        for connection in list(self._open):
            self._reset(connection)

    def _reset(self, connection: Connection) -> None:
        self._count(reset=1)
        connection.reset()

    def _count(self, **more: int) -> None:
        seen = self._faults
        self._faults = replace(seen, **{name: getattr(seen, name) + count for name, count in more.items()})

    # ---- from other threads

    def _switch(self, change: Callable[[], None]) -> None:
        async def switch() -> None:
            change()

        self._await(switch())

    def _await(self, coroutine: Coroutine[object, object, Value]) -> Value:
        if self._loop is None:
            coroutine.close()
            raise RuntimeError("the proxy was not started")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_SWITCH_SECONDS)

    def _end_thread(self) -> None:
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_SWITCH_SECONDS)
            loop.close()
