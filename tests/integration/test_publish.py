"""`publish` on a real broker: a missing topic, an interruption, and what it counts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings
from tests.waiting import wait_until


def reviews(folder: Path, count: int) -> Path:
    path = folder / "reviews.jsonl"
    path.write_bytes(
        b"".join(orjson.dumps({"product_id": "p", "review_id": str(n), "text": "fine"}) + b"\n" for n in range(count))
    )
    return path


def started(path: Path, *more: str, kafka: str, prefix: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "stream_app",
        "publish",
        str(path),
        "--brokers",
        kafka,
        "--topic-prefix",
        prefix,
        *more,
    ]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "300"},
        # a shell's job in the background ignores Ctrl-C, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no other thread runs here
    )


def published(settings: Settings) -> int:
    return len(list(read_to_end(settings, Topics(settings.topic_prefix).reviews)))


def test_missing_topic_names_the_command(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    out, err = (process := started(reviews(tmp_path, 1), kafka=kafka, prefix=topic_prefix)).communicate(timeout=60)
    assert process.returncode == 2
    assert "stream-app topics create" in err
    assert not out


def test_what_was_acknowledged_is_counted(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, brokers=kafka, topic_prefix=topic_prefix)
    create_topics(settings)
    out, err = (process := started(reviews(tmp_path, 500), kafka=kafka, prefix=topic_prefix)).communicate(timeout=60)
    assert process.returncode == 0, err
    assert f"500 published to {topic_prefix}reviews" in out
    assert published(settings) == 500


def test_interrupted_run_says_how_many_were_acknowledged(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, brokers=kafka, topic_prefix=topic_prefix)
    create_topics(settings)
    process = started(reviews(tmp_path, 5000), "--rate", "50", kafka=kafka, prefix=topic_prefix)
    wait_until(lambda: published(settings) >= 20, 60, "some reviews are published")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    [acknowledged] = map(int, re.findall(r"Kafka acknowledged (\d+) of 5000 reviews", err))
    # what was in flight at the interrupt may be there too, of which nothing is known
    assert 10 <= acknowledged <= published(settings) <= acknowledged + 10


def test_acknowledgements_that_came_unnoticed_count_when_interrupted(kafka: str, topic_prefix: str) -> None:
    settings = Settings(_env_file=None, brokers=kafka, topic_prefix=topic_prefix)
    create_topics(settings)

    def interrupted() -> None:
        with producer:
            for n in range(50):
                producer.send(b"p", b"%d" % n)
            wait_until(lambda: published(settings) == 50, 60, "the broker has them")
            raise KeyboardInterrupt

    producer = BlockingProducer(settings)
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert producer.acknowledged == 50
