"""What `reviews.alerts` holds after a worker was killed and another took over, on a real broker."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer

from stream_app import contract
from stream_app.commands.options import environment_of
from stream_app.kafka.client_config import producer_config
from stream_app.kafka.groups import lag
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.records import Alert
from stream_app.settings import Settings
from tests.integration.scripted_program import PROGRAM
from tests.waiting import wait_until


class Place:
    """Topics of one partition, and workers of `enrich` with models that cost nothing."""

    def __init__(self, kafka: str, prefix: str, folder: Path) -> None:
        self.settings = Settings(
            _env_file=None,
            brokers=kafka,
            topic_prefix=prefix,
            partitions=1,
            session_timeout_seconds=6.0,
            summaries="off",
            state_folder=str(folder / "state"),
        )
        self.topics = Topics(prefix)
        self._folder = folder
        create_topics(self.settings)

    def publish(self, review_id: str, revision: int, text: str, timestamp_ms: int = 0, **fields: object) -> None:
        """0: now."""
        review = {"product_id": "p", "review_id": review_id, "revision": revision, "text": text, "rating": 1}
        producer = Producer(producer_config(self.settings))
        errors: list[object] = []
        producer.produce(
            self.topics.reviews,
            orjson.dumps(review | fields),
            b"p",
            timestamp=timestamp_ms,
            on_delivery=lambda error, _: errors.append(error),
        )
        assert not producer.flush(20)
        assert errors == [None]

    @contextmanager
    def worker(self, how: signal.Signals) -> Iterator[None]:
        """Until everything is enriched; then it gets the signal."""
        environment = os.environ | environment_of(self.settings) | {"TROUBLES": str(self._folder / "troubles")}
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen([*PROGRAM, "worker", "enrich"], env=environment, stdout=log, stderr=log)
        try:
            yield

            def done() -> bool:
                assert process.poll() is None, (self._folder / "log").read_text()[-3000:]
                return lag(self.settings, "enrich") == 0

            wait_until(done, 60, "everything is enriched")
            process.send_signal(how)
            process.wait(60)
        finally:
            process.kill()
            process.wait()

    def alerts(self) -> list[tuple[str | None, str]]:
        found = [contract.decode_alert(record) for record in read_to_end(self.settings, self.topics.alerts)]
        return [(alert.review_id, alert.severity) for alert in found if isinstance(alert, Alert)]

    def reasons(self) -> list[str]:
        dead_letters = read_to_end(self.settings, self.topics.dead_letter)
        return [contract.read_dead_letter(record).reason for record in dead_letters]


@pytest.fixture
def place(kafka: str, topic_prefix: str, tmp_path: Path) -> Place:
    return Place(kafka, topic_prefix, tmp_path)


@pytest.mark.timeout(200)
def test_alert_fires_again_only_when_it_gets_worse_whichever_worker_reads_the_edit(place: Place) -> None:
    """The next worker did not know what the one before had published: an edit to less, or the same, alarmed again."""
    with place.worker(signal.SIGKILL):
        place.publish("burnt", 0, "It says p9900 and caught fire.")
        place.publish("broken", 0, "It says p9900 about it.")
    assert place.alerts() == [("burnt", "critical"), ("broken", "warning")]

    with place.worker(signal.SIGTERM):
        place.publish("burnt", 1, "It says p9900 about it.")
        place.publish("broken", 1, "It says p9900 once more.")
        place.publish("broken", 2, "It says p9900 and caught fire.")
    assert place.alerts() == [("burnt", "critical"), ("broken", "warning"), ("broken", "critical")]


@pytest.mark.timeout(200)
def test_hazards_are_critical_alerts_whatever_the_language_and_the_model_says(place: Place) -> None:
    """A fire in words that no list had, or in Chinese, raised nothing, or an alert among hundreds."""
    fires = {
        "en": "Caught fire while we slept. The fire brigade had to come.",
        "fr": "Le chargeur a pris feu pendant la nuit. Les pompiers sont venus.",
        "zh": "充电器半夜起火了，消防队都来了。",
    }
    with place.worker(signal.SIGTERM):
        for language, text in fires.items():
            place.publish(language, 0, f"{text} p0100")
            place.publish(f"{language}-named", 0, text, language=language)
        place.publish("harmless", 0, "No smoke, never caught fire. p0100")

    found = [contract.decode_alert(record) for record in read_to_end(place.settings, place.topics.alerts)]
    alerts = {alert.review_id: alert for alert in found if isinstance(alert, Alert)}
    assert len(found) == len(alerts)
    assert alerts.keys() == {*fires, *(f"{language}-named" for language in fires)}
    for alert in alerts.values():
        assert (alert.rule, alert.severity, alert.reason) == ("safety", "critical", "terms")
        assert "fire" in alert.safety_words


@pytest.mark.timeout(200)
def test_no_timestamp_of_a_record_ends_a_worker(place: Place) -> None:
    """-10^15 ended every one of them, for ever."""
    with place.worker(signal.SIGTERM):
        for timestamp_ms in (-(10**15), -1):  # what is more than an hour ahead the broker refuses by default
            place.publish(f"undated{timestamp_ms}", 0, "It says p0100 about it.", timestamp_ms)
            dated = {"created_at": "2026-05-01T00:00:00Z"}
            place.publish(f"dated{timestamp_ms}", 0, "It says p0100 about it.", timestamp_ms, **dated)
        place.publish("after", 0, "It says p0100 about it.")

    assert place.reasons() == ["invalid_timestamp"] * 2
    assert sum(1 for _ in read_to_end(place.settings, place.topics.enriched)) == 3
