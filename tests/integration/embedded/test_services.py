from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient
from redis import Redis

from stream_app.embedded.services import Services, addresses_of, services_status, start_services, stop_services
from tests.waiting import wait_until

_HOLDER = """
import signal, sys
from stream_app.embedded.services import Services

with Services(kafka_port=0, valkey_port=0) as services:
    print(services.kafka.processes[0].pid, services.valkey.process.pid, flush=True)
    signal.pause()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "services"
    stop_services(tmp_path / "services")


def _both_answer(brokers: str | None, redis: str | None) -> bool:
    assert brokers is not None
    assert redis is not None
    with Redis.from_url(redis) as client:
        return bool(AdminClient({"bootstrap.servers": brokers}).list_topics(timeout=10).brokers) and client.ping()


def _gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_both_servers_answer_in_the_block_and_their_data_is_gone_after_it() -> None:
    with Services(kafka_port=0, valkey_port=0) as services:
        assert _both_answer(services.brokers, services.redis)
        assert services.valkey.process is not None
        pids = [services.kafka.processes[0].pid, services.valkey.process.pid]
        data = services.valkey.process.folder.parent

    assert [_gone(pid) for pid in pids] == [True, True]
    assert not data.exists()


def test_killed_parent_leaves_no_server(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", _HOLDER], stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout is not None
        pids = [int(pid) for pid in holder.stdout.readline().split()]
        assert [psutil.pid_exists(pid) for pid in pids] == [True, True]

        holder.send_signal(signal.SIGKILL)

    wait_until(lambda: all(_gone(pid) for pid in pids), 30, f"the servers {pids} are gone")


def test_detached_servers_outlive_the_process_that_started_them(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from stream_app.embedded.services import start_services; "
        "start_services(Path(sys.argv[1]), kafka_port=0, valkey_port=0)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, timeout=90)

    status = services_status(folder)

    assert status.running
    assert _both_answer(status.kafka.address, status.valkey.address)


def test_detached_servers_are_started_once_and_stopped_once(folder: Path) -> None:
    said: list[str] = []
    assert not services_status(folder).running

    first = start_services(folder, kafka_port=0, valkey_port=0)
    second = start_services(folder, kafka_port=0, valkey_port=0, say=said.append)

    assert first.running
    assert second == first
    assert said == [f"Kafka and Valkey run already, with their data in {folder}."]

    assert stop_services(folder).running
    assert not stop_services(folder).running
    assert services_status(folder).kafka.pid is None
    assert _gone(first.kafka.pid or 0)
    assert _gone(first.valkey.pid or 0)


def test_half_dead_pair_is_completed_and_the_other_half_left_alone(folder: Path) -> None:
    """On the data and at the address of before, where running workers look for it."""
    first = start_services(folder, kafka_port=0, valkey_port=0)
    with Redis.from_url(first.valkey.address or "") as client:
        client.set("product", "kettle")
    psutil.Process(first.kafka.pid).kill()
    wait_until(lambda: not services_status(folder).kafka.running, 30, "the broker is dead")

    second = start_services(folder, kafka_port=0, valkey_port=0)

    assert second.running
    assert second.valkey == first.valkey, "Valkey was not restarted"
    assert second.kafka.address == first.kafka.address
    psutil.Process(second.valkey.pid).kill()
    wait_until(lambda: not services_status(folder).valkey.running, 30, "Valkey is dead")
    assert addresses_of(services_status(folder)) == (second.kafka.address, second.valkey.address)

    third = start_services(folder, kafka_port=0, valkey_port=0)

    assert third.kafka == second.kafka, "Kafka was not restarted"
    assert third.valkey.address == first.valkey.address
    with Redis.from_url(third.valkey.address or "") as client:
        assert client.get("product") == b"kettle"
