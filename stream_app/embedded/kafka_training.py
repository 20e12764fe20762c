"""Makes the AOT cache of the JVM (JEP 514) with which a broker starts in half the time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from stream_app.embedded import kafka_jars
from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.file_lock import only_one

_STOP_SECONDS = 120.0  # the JVM writes the cache when it ends


def train(say: Callable[[str], None]) -> None:
    """Start and stop a broker that records which classes it loads, unless the cache is there (60 MB, some 20 s).

    The file appears only when it is complete. Without it everything works, more slowly.
    """
    kafka_jars.fetch(say)
    cache = kafka_jars.aot_cache()
    if cache.exists():
        return
    with (
        only_one(cache.with_name(f"{cache.name}.lock"), say),
        tempfile.TemporaryDirectory(dir=cache.parent, prefix="training-") as scratch,
    ):
        if cache.exists():  # the other process did it
            return
        say("Preparing faster starts of Apache Kafka (only this once) …")
        made = Path(scratch) / "kafka.aot"
        broker = EmbeddedKafka(Path(scratch) / "data", port=0, java_options=[f"-XX:AOTCacheOutput={made}"])
        broker.start()
        for process in broker.processes:
            process.stop(_STOP_SECONDS)
        if made.exists():
            made.rename(cache)
        else:
            say("The JVM wrote no AOT cache; starts stay as slow as they were.")
