"""A review that kills its worker, in a group of three hosts that share no disk: whoever is next knows of the deaths."""

from __future__ import annotations

import signal
import time

import pytest

from stream_app.kafka.groups import lag
from tests.integration.hosts import Hosts
from tests.reliability.testbed.scripted_models import KILLS, NO_CHILD
from tests.waiting import wait_until

HOSTS = 3
KILLER = "r100"
NAMES = [f"r{number}" for number in range(200)]
MOST_STARTS = 4


def is_ready(hosts: Hosts, number: int) -> bool:
    return "role_became_ready" in hosts.log(number)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("isolates", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_killer_is_rejected_after_few_deaths_on_three_hosts(hosts: Hosts, isolates: bool) -> None:
    """All three run at once; each death moves its partition to another host, and a fresh host comes instead of the
    dead one. The survivor isolates the review in a child; where no child can start, it may cost three processes.
    """
    if not isolates:
        hosts.troubles.begin(NO_CHILD)
    for _ in range(HOSTS):
        hosts.start()
    wait_until(lambda: all(is_ready(hosts, number + 1) for number in range(HOSTS)), 120, "three hosts are ready")
    wait_until(
        lambda: all("partitions_assigned" in hosts.log(number + 1) for number in range(HOSTS)), 60, "they are a group"
    )
    time.sleep(2.0)  # until the group has settled
    hosts.publish(NAMES, lambda name: f"It came in May {KILLS}" if name == KILLER else "It came in May p0100")

    def done() -> bool:
        assert len(hosts.deaths) < MOST_STARTS, "the fourth start rejects it at the latest"
        while len(hosts.running) < HOSTS:
            hosts.start()
        return lag(hosts.settings, "enrich") == 0

    wait_until(done, 200, f"they did not catch up, see {hosts.folder}")
    deaths = hosts.deaths
    print(f"\n{len(deaths)} deaths on {len(hosts.workers)} hosts, {'with' if isolates else 'without'} a child")
    assert set(deaths) == {-signal.SIGKILL}
    assert len(deaths) == 1 if isolates else 1 < len(deaths) < MOST_STARTS
    assert hosts.rejected() == [(KILLER, "kills_worker")]
    assert set(hosts.enriched()) == {*NAMES} - {KILLER}
    rejecters = [number for number in range(1, len(hosts.workers) + 1) if "kills_worker" in hosts.log(number)]
    assert len(rejecters) == 1
    assert hosts.workers[rejecters[0] - 1].poll() is None, "another host than those that died"
