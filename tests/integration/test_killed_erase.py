"""`stream-app erase` ended by SIGKILL at each of its steps: run again, it finishes, and nothing is lost or doubled."""

from __future__ import annotations

import re
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stream_app.commands.options import environment_of
from stream_app.kafka import rewrite, segments
from stream_app.kafka.group_check import lost_positions
from stream_app.kafka.offsets import begin_offsets
from tests.behaviour.enriched import deletion, enriched
from tests.integration.erasing import (
    all_read,
    file_of,
    go_on_with,
    holding,
    kept_records,
    order_per_product,
    publish_everything,
    read_all,
)
from tests.integration.killed_erase import PROGRAM
from tests.integration.place import Place

pytestmark = pytest.mark.timeout(600)

KILLS = (
    ("survey", 2),
    ("segment.ms", 1),
    ("put", 1),  # segment.ms is set
    ("flush", 1),  # the first copies are in flight
    ("put", 20),  # some copies are there
    ("segment.ms", 2),  # where it is set back
    ("flush", 2),  # the last copies are in flight
    ("verify", 1),
    ("set_forward", 1),
    ("commit", 1),
    ("delete", 1),
    ("delete_records", 1),  # of reviews.enriched: done, and not heard
    ("put", 3),  # of reviews.alerts
    ("set_forward", 1),
    ("delete", 1),
    ("delete_records", 1),
    ("put", 1),  # of the dead letter
    ("delete", 1),
    ("delete_records", 1),
)
WORKERS_GO_ON_AFTER = (4, 10, 13)


def kill(place: Place, where: str, call: int, file: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, where, str(call), str(file)],
        env=environment_of(place.settings),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, f"{where} {call}: {done.stdout}{done.stderr}"


def logs_of(place: Place) -> str:
    """Of all workers that ran, without colours."""
    text = "\n".join(file.read_text(errors="replace") for file in sorted((place.folder / "logs").rglob("*.*")))
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.slow
def test_killed_at_each_step_the_next_run_finishes_and_nothing_is_lost_or_doubled(place: Place) -> None:
    """Nineteen runs end by SIGKILL, one after the other, and three times the workers go on in between."""
    publish_everything(place)
    place.publish_reviews([deletion("secret", "tea", revision=2**53 - 1)])
    read_all(place)
    before, order = kept_records(place), order_per_product(place)
    view: dict[str, Any] = {}
    file = file_of(place)

    for number, (where, call) in enumerate(KILLS):
        kill(place, where, call, file)
        assert {topic: set(kept_records(place)[topic]) for topic in before} == {
            topic: set(records) for topic, records in before.items()
        }, f"lost by kill {number}: {where} {call}"
        if number in WORKERS_GO_ON_AFTER:
            more = [enriched(f"new{number}.{product}", f"p{product}") for product in range(9)]
            go_on_with(place, more, before, order)
            view = place.view(1)

    assert "Nothing to erase" in place.command("erase", str(file)), "the last deletion was done, and not heard"
    assert [holding(place, topic) for topic in before] == [[], [], []]
    assert kept_records(place) == before, "no copy is left twice"
    assert order_per_product(place) == order
    assert [lost_positions(place.of(1), role) for role in ("summarize", "notify")] == [[], []]
    assert all_read(place), "nothing is read twice"
    assert rewrite.lost_beginnings(place.settings, place.topics.enriched) == dict.fromkeys(range(3), 0)
    assert any(begin_offsets(place.settings, place.topics.enriched).values())
    for topic in before:
        assert segments._own_segment_ms(place.settings, topic) is None, topic
    read_all(place)
    assert place.view(1) == view
    lines = [line for line in logs_of(place).splitlines() if "alert_notified" in line]
    notified = Counter(re.findall(r"product_id\W+(\w+)", line)[0] for line in lines)
    assert set(notified.values()) == {1}, "each alert is notified once"
