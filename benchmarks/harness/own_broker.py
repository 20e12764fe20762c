"""A broker of a benchmark's own, on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from stream_app.embedded.kafka import EmbeddedKafka


@contextmanager
def own_broker(say: Callable[[str], None]) -> Iterator[str]:
    """The address of an Apache Kafka that ends, with all its data, when the context does."""
    with TemporaryDirectory(prefix="stream-app-bench-", ignore_cleanup_errors=True) as folder:
        broker = EmbeddedKafka(Path(folder), port=0, say=say)
        try:
            broker.start()
            yield broker.address
        finally:
            broker.stop()
