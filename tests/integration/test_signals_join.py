"""A data engineer who knows docs/signals.md alone joins a table on products.signals, on a real Kafka."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from stream_app.commands.processes import Processes
from stream_app.kafka.reader import read_to_end
from tests.behaviour.enriched import deletion, enriched, opinion
from tests.integration.place import Place
from tests.waiting import wait_until

DOCUMENT = Path(__file__).parents[2] / "docs" / "signals.md"


def example(place: Place) -> str:
    """The program of the document, with the addresses of this test."""
    [program] = re.findall(r"```python\n(.+?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len(program.splitlines()) <= 20
    for own, here in (("127.0.0.1:9092", place.settings.brokers), ("products.signals", place.topics.signals)):
        assert own in program
        program = program.replace(own, here)
    return program


def test_consumer_of_ones_own_joins_on_signals(place: Place, tmp_path: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    bad = [
        enriched(
            f"r{n}",
            "kettle-k17",
            label="negative",
            rating=1 if n else 5,
            created_at_ms=now_ms,
            flags=() if n else ("rating_mismatch",),
            opinions=(opinion("negative", "quality"),),
        )
        for n in range(12)
    ]
    good = [enriched(f"r{n}", "lamp-l2", created_at_ms=now_ms) for n in range(12)]
    out = tmp_path / "consumer.out"
    with (
        out.open("wb") as file,
        Processes(
            place.settings, say=print, log_folder=place.folder, roles=("summarize", "describe"), with_api=False
        ) as running,
        subprocess.Popen([sys.executable, "-c", example(place)], stdout=file, stderr=file) as consumer,
    ):
        try:

            def joined() -> bool:
                running.keep_running()
                return b"'aspect': 'quality', 'reviews': 12" in out.read_bytes()

            place.publish_reviews([*bad, *good])
            wait_until(joined, 120, f"the consumer joins; {out} and logs in {place.folder}")
            assert b"kettle-k17: 40 in stock" in out.read_bytes()
            assert b"lamp" not in out.read_bytes()
            place.publish_reviews([deletion(f"r{n}", "kettle-k17") for n in range(12)])

            def taken_back() -> bool:
                running.keep_running()
                return last_of(place)["kettle-k17"]["reviews"] == 0

            wait_until(taken_back, 120, f"the deletions are published; logs in {place.folder}")
        finally:
            consumer.terminate()
    last = last_of(place)
    assert last["kettle-k17"]["mismatch"]["reviews"] == 0
    assert last["lamp-l2"]["praise"] is None
    assert last["lamp-l2"]["score"]["rated"] == 12


def last_of(place: Place) -> dict[str, Any]:
    """The last record of each product."""
    return {
        (record.key or b"").decode(): orjson.loads(record.value or b"{}")
        for record in read_to_end(place.settings, place.topics.signals)
    }
