"""Workers that died with reviews in flight, on hosts that keep nothing: what comes after them, on a real broker."""

from __future__ import annotations

import os
import signal
import time

import orjson
import pytest

from stream_app.kafka.reader import read_to_end
from tests.integration.hosts import Hosts
from tests.reliability.testbed.scripted_models import KILLS
from tests.waiting import wait_until

LONG = "The kettle came in May and I used it each day. " * 4


@pytest.mark.timeout(240)
def test_killer_is_rejected_by_the_second_host_and_alerts_of_others_are_not_late(hosts: Hosts) -> None:
    """The process that isolates it does not die of it. Reviews that come meanwhile have their alerts in time."""
    names = [f"r{number}" for number in range(300)]
    hosts.publish(names, lambda name: f"{LONG} {KILLS}" if name == "r150" else f"{LONG} p0100")
    first = hosts.start()
    assert first.wait(60) == -signal.SIGKILL, hosts.log()[-3000:]
    worker = hosts.start()
    wait_until(lambda: "isolation_began" in hosts.log(), 60, "the second host isolates")

    began, sent = time.monotonic(), 0
    while not hosts.rejected():
        hosts.publish([f"later-{sent}"], lambda _: "It broke p9900.", product=f"late-{sent % 7}")
        sent += 1
        assert worker.poll() is None, hosts.log()[-3000:]
        assert sent < 400, hosts.log()[-3000:]
        time.sleep(0.1)
    isolation_seconds = time.monotonic() - began
    hosts.wait_until_done(60)

    assert hosts.rejected() == [("r150", "kills_worker")]
    others = {*names, *(f"later-{number}" for number in range(sent))} - {"r150"}
    assert set(hosts.enriched()) == others
    assert sent >= 5, "isolation takes a while, and others went on"
    late = latencies(hosts)
    print(f"\nalerts while a killer was isolated: {sent}, seconds p50 {late[len(late) // 2]:.2f}, max {late[-1]:.2f}")
    assert len(late) == sent
    assert late[-1] < max(2.0, isolation_seconds / 2), "on a slow machine both take longer"
    worker.terminate()
    assert worker.wait(60) == 0, hosts.log()[-3000:]


def latencies(hosts: Hosts) -> list[float]:
    """Seconds from a review's record to its alert's, of those that came while others were isolated; sorted."""
    produced = {
        orjson.loads(record.value or b"")["review_id"]: record.timestamp_ms
        for record in read_to_end(hosts.settings, hosts.topics.reviews)
    }
    alerts = [
        (orjson.loads(one.value or b""), one.timestamp_ms) for one in read_to_end(hosts.settings, hosts.topics.alerts)
    ]
    return sorted(
        (at - produced[alert["review_id"]]) / 1000 for alert, at in alerts if alert["review_id"].startswith("later-")
    )


@pytest.mark.timeout(180)
def test_reviews_in_flight_at_a_kill_cost_one_child_and_about_their_usual_time(hosts: Hosts) -> None:
    names = [f"r{number}" for number in range(300)]
    hosts.publish(names, lambda _: f"{LONG} p0100")
    hosts.troubles.begin("hangs")
    worker = hosts.start()
    wait_until(lambda: hosts.troubles.has_taken_effect("hangs"), 60, "reviews are on the device")
    time.sleep(1.0)  # until all of them have arrived
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    hosts.troubles.end("hangs")

    successor = hosts.start()
    wait_until(lambda: "partition_was_left_open" in hosts.log(), 60, "it has their partitions")
    began = time.monotonic()
    hosts.wait_until_done(60)
    took = time.monotonic() - began
    print(f"\n300 reviews that were in flight at a kill -9 took {took:.1f} s")
    assert hosts.log().count("isolation_began") == 1
    assert set(hosts.enriched()) == set(names)
    assert hosts.rejected() == []
    assert took < 16.0, "20 s and more when each waited alone for both models"
    successor.terminate()
    assert successor.wait(60) == 0, hosts.log()[-3000:]

    hosts.publish(["after"], lambda _: f"{LONG} p0100")
    hosts.start()
    hosts.wait_until_done(60)
    assert "partition_was_left_open" not in hosts.log(), "a clean end leaves no candidates"
