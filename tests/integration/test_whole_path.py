"""The whole path on real parts: sample stream in, enriched reviews, alerts, dead letters and look-ups out."""

from __future__ import annotations

import json
import os
import random
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from stream_app import contract
from stream_app.commands.processes import Processes
from stream_app.commands.publish import send
from stream_app.commands.review_files import Line, read_lines
from stream_app.commands.run_report import Offsets, RunReport, account, starting_point
from stream_app.kafka.blocking_producer import BlockingProducer
from stream_app.kafka.groups import lag
from stream_app.kafka.offsets import end_offsets
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import Topics
from stream_app.kafka.topics_admin import create_topics
from stream_app.records import Alert, EnrichedReview
from stream_app.settings import Settings
from stream_app.store.summaries import RedisSummaryStore
from tests.recount import differences
from tests.schemas import validator
from tests.waiting import wait_until

SAMPLE = Path(__file__).parents[2] / "stream_app" / "embedded" / "sample" / "reviews.jsonl"
BROKEN_LINES = 5
COPIES = 3  # of the sample, so that much is still to do at the last kill


@dataclass(frozen=True)
class System:
    """The running processes, and what they were given."""

    settings: Settings
    processes: Processes
    lines: list[Line]
    since: Offsets
    logs: Path

    @property
    def topics(self) -> Topics:
        return Topics(self.settings.topic_prefix)

    def publish(self, lines: list[Line]) -> None:
        with BlockingProducer(self.settings) as producer:
            send(lines, producer, rate=0, on_progress=lambda _: None)
        self.lines.extend(lines)

    def enriched(self) -> int:
        return sum(end_offsets(self.settings, self.topics.enriched).values())

    def wait_until_caught_up(self, seconds: float = 400) -> None:
        def caught_up() -> bool:
            self.processes.keep_running()
            return all(lag(self.settings, role) == 0 for role in ("enrich", "summarize", "notify"))

        logs = ", ".join(map(str, sorted(self.logs.glob("*.log"))))
        wait_until(caught_up, seconds, f"a role did not catch up; see {logs}")

    def account(self) -> RunReport:
        return account(self.settings, self.since, RedisSummaryStore.from_settings(self.settings), 1.0)

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.processes.page.rstrip("/") + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@contextmanager
def running(kafka: str, valkey: str, folder: Path, **others: Any) -> Iterator[System]:
    settings = Settings(
        brokers=kafka,
        redis=SecretStr(valkey),
        topic_prefix=f"t{random.getrandbits(40):x}.",
        generation=random.randrange(2, 10**9),
        state_folder=str(folder / "state"),
        session_timeout_seconds=6.0,
        heartbeat_seconds=0.5,
        redis_settle_seconds=1.0,
        text_min_interval_seconds=1.0,
        partitions=3,
        api_port=0,  # others may take the usual ones meanwhile
        api_internal_port=0,
        **others,
    )
    create_topics(settings)
    since = starting_point(settings)
    with Processes(settings, say=print, log_folder=folder / "logs") as processes:
        yield System(settings, processes, [], since, folder / "logs")


def enriched_of(system: System) -> list[EnrichedReview]:
    found = [contract.decode_enriched(record) for record in read_to_end(system.settings, system.topics.enriched)]
    reviews = [review for review in found if isinstance(review, EnrichedReview)]
    assert len(reviews) == len(found)
    return reviews


def every_published_review_is_enriched_or_in_the_dead_letter(system: System) -> None:
    """Offset by offset: nothing accepted is missing, and all of it is in the view."""
    report = system.account()

    assert report.lost == []
    assert (report.published, report.dead_lettered) == (len(system.lines), BROKEN_LINES)
    assert report.enriched == report.applied == len(system.lines) - BROKEN_LINES
    assert report.products == 12


def the_view_equals_a_recount(system: System) -> None:
    """Made by a program that shares no code with the fold."""
    products, wrong = differences(system.settings.brokers, system.topics.enriched, system.processes.page)

    assert wrong == []
    assert products == 12


def enriched_reviews_are_valid_and_in_offset_order(system: System) -> None:
    """Each record keeps the contract, and no partition overtakes itself."""
    last: dict[tuple[int, int], int] = {}
    for record in read_to_end(system.settings, system.topics.enriched):
        value = json.loads(record.value or b"null")
        validator("enriched-review.v1").validate(value)
        place = (record.partition, value["input"]["partition"])
        assert value["input"]["offset"] > last.get(place, -1)
        last[place] = value["input"]["offset"]


def broken_lines_are_in_the_dead_letter_untouched(system: System) -> None:
    """Their bytes and keys are those that were sent."""
    sent = {(line.key, line.value) for line in system.lines}
    dead_letters = list(read_to_end(system.settings, system.topics.dead_letter))

    assert len(dead_letters) == BROKEN_LINES
    assert {(dead_letter.key, dead_letter.value) for dead_letter in dead_letters} <= sent


def chinese_reviews_are_read_by_their_own_model(system: System) -> None:
    """The English model read none of them."""
    chinese = [review for review in enriched_of(system) if review.language == "zh"]

    assert len(chinese) == 10
    assert None not in {review.sentiment for review in chinese}
    assert {model.name for review in chinese if (model := review.sentiment_model)} == {"stream-app/review-sentiment-zh"}


def bad_reviews_raise_alerts_when_they_come_whenever_they_were_written(system: System) -> None:
    """Each id once; the page's API shows them."""
    alerts = [contract.decode_alert(record) for record in read_to_end(system.settings, system.topics.alerts)]

    assert alerts
    assert all(isinstance(alert, Alert) for alert in alerts)
    ids = [alert.alert_id for alert in alerts if isinstance(alert, Alert)]
    assert len(set(ids)) == len(ids)
    status, body = system.get("/v1/alerts?limit=200")
    assert status == 200
    shown = {alert["alert_id"] for alert in orjson.loads(body)["alerts"]}
    assert len(shown) == min(200, len(ids))
    assert shown <= set(ids)


def every_product_gets_a_headline_with_its_evidence(system: System) -> None:
    """Written from sentences of its own reviews, and published for other teams too."""
    products = {review.product_id for review in enriched_of(system)}

    def published() -> set[str]:
        records = read_to_end(system.settings, system.topics.summaries)
        summaries = [contract.decode_product_summary(record.value) for record in records if record.value]
        return {one.product_id for one in summaries if one.text and one.text.headline and one.text.evidence}

    wait_until(lambda: published() == products, 60, "some products have no headline")
    for product_id in products:
        status, body = system.get(f"/v1/products/{product_id}/summary")
        assert status == 200
        validator("product-summary.v1").validate(json.loads(body))


def unknown_product_is_answered_in_clear_words(system: System) -> None:
    """404, with the product's name in it."""
    status, body = system.get("/v1/products/no-such-product/summary")

    assert status == 404
    assert b"no-such-product" in body


CHECKS = (
    every_published_review_is_enriched_or_in_the_dead_letter,
    the_view_equals_a_recount,
    enriched_reviews_are_valid_and_in_offset_order,
    broken_lines_are_in_the_dead_letter_untouched,
    chinese_reviews_are_read_by_their_own_model,
    bad_reviews_raise_alerts_when_they_come_whenever_they_were_written,
    every_product_gets_a_headline_with_its_evidence,
    unknown_product_is_answered_in_clear_words,
)


@pytest.mark.timeout(600)
def test_sample_stream_is_processed_whole(kafka: str, valkey: str, tmp_path: Path, subtests: pytest.Subtests) -> None:
    """Dated up to now. One test, so that one process of pytest starts the system, once."""
    with running(kafka, valkey, tmp_path, summaries="always") as system:
        system.publish(read_lines(SAMPLE, retime_to=datetime.now(UTC)))
        system.wait_until_caught_up()
        for check in CHECKS:
            with subtests.test(check.__name__):
                check(system)


@pytest.mark.timeout(600)
def test_kill_9_in_the_middle_changes_nothing_in_the_end(kafka: str, valkey: str, tmp_path: Path) -> None:
    """`enrich` and `summarize` die in mid-run, are started again, and every review counts once."""
    sample = read_lines(SAMPLE, retime_to=datetime.now(UTC))
    lines = [line for copy in range(COPIES) for line in (_renamed(line, copy) for line in sample)]
    with running(kafka, valkey, tmp_path, summaries="off", cached_texts=0) as system:
        system.publish(lines)
        for role, at in (("enrich", 100), ("enrich", 250), ("summarize", 400)):
            wait_until(lambda at=at: system.enriched() >= at, 200, f"{at} reviews were not enriched")  # type: ignore[misc]
            pid = system.processes.pids()[role]
            assert pid is not None
            assert system.enriched() < len(lines) - COPIES * BROKEN_LINES, "all was done: nothing is tested"
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: _started_again(system, role, pid), 60, f"{role} was not started again")  # noqa: B023
        system.wait_until_caught_up()
        report = system.account()
        _, wrong = differences(kafka, system.topics.enriched, system.processes.page)

    assert report.lost == []
    assert report.enriched == report.applied == len(lines) - COPIES * BROKEN_LINES
    assert wrong == []


def _started_again(system: System, role: str, before: int) -> bool:
    system.processes.keep_running()
    return system.processes.pids()[role] not in (None, before)


def _renamed(line: Line, copy: int) -> Line:
    """The same review under another id, so that each copy counts."""
    try:
        row = orjson.loads(line.value)
    except orjson.JSONDecodeError:
        return line
    return Line(line.key, orjson.dumps(row | {"review_id": f"{row['review_id']}-{copy}"}))
