"""The proxy: each of its faults takes effect, is counted, and ends with `heal`."""

from __future__ import annotations

import hashlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stream_app.embedded.kafka import EmbeddedKafka
from tests.reliability.testbed.proxy import FaultsSeen, Proxy
from tests.waiting import wait_until

ANSWER_SECONDS = 30.0


class Echo:
    """A server that sends back what it gets, and keeps it in `heard`."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):  # closed before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._echo, args=(self._listener.accept()[0],), daemon=True).start()

    def _echo(self, framework: socket.socket) -> None:
        with framework, suppress(OSError):
            while chunk := framework.recv(65536):
                self.heard += chunk
                framework.sendall(chunk)


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", echo.port) as running:
        yield running


@contextmanager
def connected(proxy: Proxy, timeout: float = ANSWER_SECONDS) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout) as client:
        yield client


def ask(client: socket.socket, question: bytes = b"?") -> bytes:
    """What comes back, complete."""
    client.sendall(question)
    return receive(client, len(question))


def seconds_of_an_answer(client: socket.socket) -> float:
    began = time.monotonic()
    assert ask(client) == b"?"
    return time.monotonic() - began


def receive(client: socket.socket, size: int) -> bytes:
    answer = b""
    while len(answer) < size and (chunk := client.recv(size - len(answer))):
        answer += chunk
    return answer


def assert_works(proxy: Proxy) -> None:
    with connected(proxy) as client:
        assert ask(client, b"works") == b"works"


def test_bytes_pass_unchanged_and_count_as_no_fault(proxy: Proxy, echo: Echo) -> None:
    """Half-closed, as a client does that has sent all: the rest of the answer still comes."""
    sent = random.Random(1).randbytes(20_000_000)
    with connected(proxy) as client:

        def send() -> None:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)

        threading.Thread(target=send, daemon=True).start()
        answer = receive(client, len(sent) + 1)
    assert hashlib.sha256(answer).digest() == hashlib.sha256(sent).digest()
    wait_until(lambda: proxy.connections == 0, 30, "the connection is forgotten")
    assert proxy.faults_seen == FaultsSeen()
    assert proxy.faults_seen.total == 0


def test_cut_resets_connections_and_new_ones_until_it_is_healed(proxy: Proxy) -> None:
    with connected(proxy) as idle, connected(proxy) as busy:
        ask(idle), ask(busy)
        proxy.cut()
        for client in (idle, busy):
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        with pytest.raises(ConnectionError), connected(proxy) as client:
            ask(client)
    wait_until(lambda: proxy.connections == 0, 30, "the connections are forgotten")
    assert proxy.faults_seen == FaultsSeen(reset=2, refused=1)

    proxy.heal()
    assert_works(proxy)


def test_blackhole_swallows_both_ways_closes_nothing_and_tears_what_lost_bytes(proxy: Proxy, echo: Echo) -> None:
    with connected(proxy) as client, connected(proxy) as untouched:
        ask(client), ask(untouched)
        proxy.blackhole()
        for waiting in (client, new := socket.create_connection(("127.0.0.1", proxy.port), 5)):
            waiting.settimeout(0.2)
            with pytest.raises(TimeoutError):
                ask(waiting, b"lost")
        assert b"lost" not in echo.heard
        assert proxy.faults_seen == FaultsSeen(swallowed=2)

        proxy.heal()
        for torn in (client, new):
            torn.settimeout(ANSWER_SECONDS)
            with pytest.raises(ConnectionResetError):
                torn.recv(1)
        new.close()
        assert ask(untouched) == b"?", "it lost nothing"
    assert_works(proxy)
    assert b"lost" not in echo.heard


def test_blackhole_of_answers_lets_the_server_do_what_it_is_asked(proxy: Proxy, echo: Echo) -> None:
    proxy.blackhole(requests=False)
    with connected(proxy, timeout=0.2) as client, pytest.raises(TimeoutError):
        ask(client, b"done")
    wait_until(lambda: echo.heard == b"done", 30, "the server was asked")
    assert proxy.faults_seen.swallowed == 1


def test_late_bytes_of_a_partition_arrive_when_it_is_healed(proxy: Proxy, echo: Echo) -> None:
    """Also those of a client that has given up."""
    with connected(proxy) as client, connected(proxy) as gave_up:
        ask(client, b"1"), ask(gave_up, b"2")
        proxy.blackhole(late=True)
        gave_up.sendall(b"given up")
        gave_up.close()
        client.sendall(b"late")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        with connected(proxy) as new:
            new.sendall(b"new")
            assert echo.heard in (b"12", b"21")

            proxy.heal()
            client.settimeout(ANSWER_SECONDS)
            assert receive(client, 4) == b"late"
            assert receive(new, 3) == b"new"
    wait_until(lambda: b"given up" in echo.heard, 30, "the server gets what was under way")
    assert replace(proxy.faults_seen, held=0) == FaultsSeen()
    assert proxy.faults_seen.held >= 2


def test_delay_adds_to_each_way_keeps_order_and_the_throughput(proxy: Proxy) -> None:
    """0.2 s each way: a round trip takes 0.4 s, and so do 16 MB: they are not sent one chunk after another."""
    with connected(proxy) as client:
        proxy.delay(0.2)
        round_trips = [seconds_of_an_answer(client) for _ in range(5)]
        assert min(round_trips) >= 0.4
        assert min(round_trips) < 0.8, "each way has it once"

        sent = random.Random(2).randbytes(16_000_000)
        began = time.monotonic()
        threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()
        assert receive(client, len(sent)) == sent
        assert time.monotonic() - began < 25, "4 MiB are under way at a time: 49 s if each 64 KiB waited for the last"
        assert proxy.faults_seen.delayed > 10

        client.sendall(b"hastened")
        proxy.delay(60)
        client.sendall(b", also")
        time.sleep(0.1)
        proxy.heal()
        assert receive(client, 14) == b"hastened, also"
        assert min(seconds_of_an_answer(client) for _ in range(5)) < 0.2


def test_reset_in_the_middle_of_an_answer_delivers_its_beginning(proxy: Proxy) -> None:
    proxy.reset_after(3)
    with connected(proxy) as client:
        client.sendall(b"12345")
        assert receive(client, 3) == b"123"
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert proxy.faults_seen == FaultsSeen(reset=1)
    assert_works(proxy)


def test_redirect_leads_new_connections_elsewhere_and_resets_the_others(proxy: Proxy, echo: Echo) -> None:
    other = Echo()
    with connected(proxy) as client:
        ask(client, b"old")
        proxy.redirect("127.0.0.1", other.port)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert_works(proxy)
    other.close()
    assert (echo.heard, other.heard) == (b"old", b"works")


def test_target_that_does_not_listen_refuses(proxy: Proxy, echo: Echo) -> None:
    echo.close()
    with pytest.raises(ConnectionResetError), connected(proxy) as client:
        client.recv(1)
    assert proxy.faults_seen == FaultsSeen(refused=1)


def test_reader_that_stops_makes_the_sender_wait(proxy: Proxy) -> None:
    """No more than the buffers of both ends of the way is taken in: memory stays bounded."""
    sent = 0
    with connected(proxy, timeout=1.0) as client, suppress(TimeoutError):
        while sent < 200_000_000:
            sent += client.send(bytes(1_000_000))
    assert 1_000_000 < sent < 60_000_000


def test_end_that_dies_is_seen_at_the_other_end(proxy: Proxy, echo: Echo) -> None:
    """A connection whose client died is closed, not kept for ever."""
    with connected(proxy) as client:
        ask(client)
        assert proxy.connections == 1
    wait_until(lambda: proxy.connections == 0, 30, "the connection is forgotten")


def test_stopped_proxy_is_gone_and_starts_again_on_its_port(echo: Echo) -> None:
    before = threading.active_count()
    proxy = Proxy("127.0.0.1", echo.port)
    for _ in range(3):
        with proxy, connected(proxy) as client:
            ask(client)
            proxy.cut()  # ends with the next start
        with pytest.raises(ConnectionRefusedError), connected(proxy):
            pass
        with proxy:
            assert_works(proxy)
    wait_until(lambda: threading.active_count() <= before, 30, "its threads have ended")


def test_broker_behind_a_proxy_tells_its_clients_of_the_proxy_alone(tmp_path: Path, proxy: Proxy) -> None:
    """A client that learns the broker's own port would bypass every fault."""
    kafka = EmbeddedKafka(tmp_path, port=0, advertised_ports=[proxy.port])
    kafka.start()
    try:
        proxy.redirect("127.0.0.1", kafka.proxied_ports[0])
        troubled, direct = (AdminClient({"bootstrap.servers": one}) for one in (proxy.address, kafka.address))
        [broker] = troubled.list_topics(timeout=30).brokers.values()
        assert f"{broker.host}:{broker.port}" == proxy.address

        proxy.cut()
        with pytest.raises(KafkaException):
            troubled.list_topics(timeout=1)
        [broker] = direct.list_topics(timeout=30).brokers.values()
        assert f"{broker.host}:{broker.port}" == kafka.address
        assert proxy.faults_seen.refused > 0

        proxy.heal()
        assert troubled.list_topics(timeout=30).brokers
    finally:
        kafka.stop()
