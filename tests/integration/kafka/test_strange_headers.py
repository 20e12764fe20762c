"""Header names that are not UTF-8, and batches that cannot be read, on a real broker and a worker process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.kafka.reader import HEADERS_UNREADABLE, read_to_end
from tests.integration.kafka.conftest import Stage
from tests.reliability.testbed.raw_producer import ZSTD, RawInput, RawProducer, strange_batch
from tests.waiting import wait_until

MakeStage = Callable[[int], Stage]
ODD = ((b"trace", b"1"), (b"\xff\xfe", b"2"), (b"", None))


def test_header_name_that_is_not_utf8_ends_no_worker(stage: MakeStage) -> None:
    """The record, and those around it, are processed."""
    s = stage(1)
    with RawProducer(s.settings.brokers) as producer:
        producer.send(s.topic, [RawInput(b"0", b"0"), RawInput(b"1", b"1", ODD), RawInput(b"2", b"2")])
        producer.send(s.topic, [RawInput(b"3", b"3", ODD)] * 2, codec=ZSTD)
    worker = s.start()

    wait_until(lambda: s.committed() == {0: 5}, 20, "all are taken and committed")
    assert sorted(record.value or b"" for record in s.published()) == [b"0", b"1", b"2", b"3", b"3"]
    assert worker.stop() == 0, worker.log()


def test_batch_that_is_not_as_its_header_says_ends_no_worker(stage: MakeStage) -> None:
    """Kafka takes any offset deltas of a batch that is not compressed. What can be read is processed, the rest counted
    as one record; nothing is committed that was not read.
    """
    s = stage(1)
    with RawProducer(s.settings.brokers) as producer:
        producer.send_batch(s.topic, strange_batch([RawInput(b"0", b"0")], (1000,)))
        worker = s.start()
        wait_until(lambda: s.committed() == {0: 1}, 20, "the batch alone is committed")
        producer.send_batch(s.topic, strange_batch([RawInput(value, value) for value in (b"1", b"2", b"3")], (0, 0, 0)))
        producer.send_batch(s.topic, strange_batch([RawInput(b"4", b"4")], (0,), attributes=0x80))
        producer.send(s.topic, [RawInput(b"5", b"5")])
        wait_until(lambda: s.committed() == {0: 6}, 20, "all are taken and committed")
    assert sorted(record.value or b"" for record in s.published()) == [b"", b"", b"1", b"4", b"5"]
    assert worker.stop() == 0, worker.log()


def test_readers_outside_a_group_survive_such_a_name(stage: MakeStage) -> None:
    """dead-letter, tail and rebuild: the rest of the record is there, one header says why the others are not."""
    s = stage(1)
    with RawProducer(s.settings.brokers) as producer:
        producer.send(s.topic, [RawInput(b"k", b"v", ODD), RawInput(b"l", b"w", ((b"ok", None),))] * 50)

    *_, odd, good = read_to_end(s.settings, s.topic)  # many: CPython specialises what it calls often

    assert (odd.key, odd.value, [name for name, _ in odd.headers]) == (b"k", b"v", [HEADERS_UNREADABLE])
    assert (good.key, good.value, good.headers) == (b"l", b"w", (("ok", None),))


def test_corrupt_batch_ends_the_worker_with_its_place_and_nothing_is_skipped() -> None:
    """A byte that changed on the broker's disk: what is before it is committed, what is behind it is not lost."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        broker = EmbeddedKafka(Path(folder) / "kafka", port=0, say=print)
        broker.start()
        s = Stage(broker.address, "t.", Path(folder))
        try:
            s.create(1)
            with RawProducer(broker.address) as producer:
                for value in (b"0", b"DAMAGED", b"2"):
                    producer.send(s.topic, [RawInput(value, value)])
            [segment] = (Path(folder) / "kafka").rglob(f"{s.topic}-0/*.log")
            at = segment.read_bytes().index(b"DAMAGED")
            with segment.open("r+b") as file:
                file.seek(at)
                file.write(b"d")
            for _ in range(2):
                worker = s.start_only()
                assert worker.process.wait(90) == 1, worker.log()
                assert f"{s.topic} 0 cannot be read at offset" in worker.log()
            assert b"2" not in [record.value for record in s.published()]
            assert s.committed() in ({}, {0: 1})
        finally:
            s.close()
            broker.stop()
