"""The judge finds what is lost, doubled or spoilt: each test spoils one thing in a round that was in order."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.reliability.judge import SEVERITIES, Published, Verdict, due_alerts, judge_topics, judge_view
from tests.reliability.workload import Sent, workload

Value = dict[str, Any]


class Record:
    """A consumed message, as confluent-kafka gives it."""

    def __init__(self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        self._topic, self._key, self._value, self._headers = topic, key, value, headers

    def topic(self) -> str:
        return self._topic

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes]]:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 1, int(time.time() * 1000)


def round_in_order() -> tuple[list[Sent], list[Record]]:
    """What was sent, acknowledged in one partition, and what a product without faults makes of it."""
    sent = workload("p", 7, 400)
    records = []
    for offset, one in enumerate(sent):
        one.partition, one.offset, one.acked_at = 0, offset, time.time()
        records.append(letter(one) if one.reason else enriched(one))
    records += [alert(alert_id, SEVERITIES[least]) for alert_id, (least, _) in due_alerts(sent).items()]
    return sent, records


def enriched(one: Sent, **changes: Any) -> Record:
    fields = one.fields or {}
    deleted, text = bool(fields.get("deleted")), fields.get("text", "")
    revision = fields.get("revision", 2**53 - 1 if deleted else 0)
    label = text[text.find("label L") :].split(" on ")[0] if "label L" in text else None
    negative = one.p_negative / 10_000
    value: Value = {
        "product_id": fields["product_id"],
        "review_id": fields["review_id"],
        "revision": revision,
        "kind": "deleted" if deleted else "edited" if revision else "created",
        "text": fields.get("text"),
        "rating": fields.get("rating"),
        "sentiment": {"label": "negative" if negative >= 0.5 else "positive", "scores": {"negative": negative}},
        "summary": label or text,
        "summary_method": "abstractive" if label else "own_text",
        "input": {"partition": one.partition, "offset": one.offset},
    }
    return Record("enriched", fields["product_id"].encode(), json.dumps(value | changes).encode(), [])


def letter(one: Sent, reason: str | None = None, value: bytes | None = None) -> Record:
    headers = {
        "partition": str(one.partition),
        "offset": str(one.offset),
        "exception.class.name": reason or one.reason,
    }
    named = [(f"__connect.errors.{name}", text.encode()) for name, text in headers.items()]
    return Record("dead", one.key, one.value if value is None else value, named)


def alert(alert_id: str, severity: str = "info") -> Record:
    return Record("alerts", b"p", json.dumps({"alert_id": alert_id, "severity": severity}).encode(), [])


def judged(sent: list[Sent], records: list[Record]) -> Verdict:
    published = Published()
    published.take(records, "enriched", "dead")
    return judge_topics(sent, published, late_firsts_allowed=False)


def index_of(sent: list[Sent], wanted: Callable[[Sent], bool]) -> int:
    return next(i for i, one in enumerate(sent) if wanted(one))


def is_plain(one: Sent) -> bool:
    """Created, keyed by its product, short, and raising no alert."""
    fields = one.fields or {"deleted": True}
    keyed = one.key == fields.get("product_id", "").encode()
    return keyed and not fields.get("deleted") and one.p_negative < 8000 and len(fields["text"]) < 60


def test_round_in_order_has_no_differences() -> None:
    """The judge is content with what it should be content with."""
    sent, records = round_in_order()
    verdict = judged(sent, records)

    assert verdict.differences == []
    assert verdict.published_twice == 0
    assert {one.reason for one in sent} >= {"", "model_failed", "not_utf8"}


def test_message_that_is_nowhere_is_lost() -> None:
    """Conservation."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)
    del records[at]

    assert len(judged(sent, records).lost) == 1


def test_message_that_is_enriched_and_rejected_is_double() -> None:
    """In one of the two topics, never in both."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)
    verdict = judged(sent, [*records, letter(sent[at], "model_failed")])

    assert len(verdict.double) == 1


def test_second_publication_is_counted_and_allowed() -> None:
    """At least once is what is promised."""
    sent, records = round_in_order()
    verdict = judged(sent, [*records, records[0]])

    assert verdict.differences == []
    assert verdict.published_twice == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "other words"},
        {"revision": 7},
        {"kind": "edited"},
        {"rating": 9},
        {"sentiment": {"label": "positive", "scores": {"negative": 0.1234567}}},
        {"summary": "something else"},
        {"summary": "something else", "summary_method": "extractive"},
    ],
)
def test_spoilt_payload_is_wrong(changes: Value) -> None:
    """What was published is what the models must have said."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)
    records[at] = enriched(sent[at], **changes)

    assert judged(sent, records).wrong


def test_wrong_reason_and_other_bytes_are_wrong() -> None:
    """A dead letter has its own reason, and the bytes that were sent."""
    sent, records = round_in_order()
    at = index_of(sent, lambda one: one.reason == "invalid_rating")

    records[at] = letter(sent[at], "empty_text")
    assert len(judged(sent, records).wrong) == 1
    records[at] = letter(sent[at], value=b"other bytes")
    assert len(judged(sent, records).wrong) == 1


def test_valid_review_in_the_dead_letter_is_wrong() -> None:
    """Rejecting the valid is a loss that looks tidy."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)
    records[at] = letter(sent[at], "kills_worker")

    assert "although it is valid" in judged(sent, records).wrong[0]


def test_overtaking_is_wrong() -> None:
    """First publications stand in offset order."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)
    later = index_of(sent[at + 1 :], is_plain) + at + 1
    records[at], records[later] = records[later], records[at]

    assert judged(sent, records).wrong


def test_missing_and_needless_alerts_are_told() -> None:
    """Every due alert, and no other."""
    sent, records = round_in_order()
    assert len(judged(sent, records[:-1]).lost) == 1
    one = sent[index_of(sent, is_plain)]
    needless = f"negative_review|{(one.fields or {})['product_id']}|{(one.fields or {})['review_id']}|critical"
    assert judged(sent, [*records, alert(needless)]).wrong == [f"alert {needless} was not due"]


@pytest.fixture
def api() -> Iterator[tuple[str, dict[str, Value]]]:
    """A look-up API that says what the test puts into the dictionary, by product."""
    shown: dict[str, Value] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"products": list(shown.values()), "unknown": []}).encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """No lines on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", shown
    server.shutdown()


def test_view_with_too_few_or_too_many_reviews_is_lost_or_double(api: tuple[str, dict[str, Value]]) -> None:
    """Each review once, the latest revision, deletions gone."""
    address, shown = api
    at = "2026-01-02T03:04:05.000Z"
    fields = {"product_id": "p", "review_id": "r", "created_at": at, "text": "t", "rating": 4}
    sent = [
        Sent(b"p", b"", fields=fields, p_negative=10, offset=0),
        Sent(b"p", b"", fields={**fields, "revision": 1}, p_negative=9000, offset=1),
        Sent(b"p", b"", fields={**fields, "review_id": "gone"}, p_negative=9000, offset=2),
        Sent(b"p", b"", fields={"product_id": "p", "review_id": "gone", "deleted": True}, offset=3),
    ]
    counts = {
        "negative": 1,
        "neutral": 0,
        "positive": 0,
        "unknown": 0,
        "stars": [0, 0, 0, 1, 0],
        "p_negative_sum": 9000,
    }

    def show(reviews: int) -> None:
        window = counts | {"reviews": reviews}
        shown["p"] = {"product_id": "p", "as_of": at, "windows": dict.fromkeys(("24h", "7d", "30d", "all"), window)}

    assert judge_view(sent, address).lost == ["product p is unknown"]
    show(1)
    assert judge_view(sent, address).differences == []
    show(2)
    assert len(judge_view(sent, address).double) == 4
    show(0)
    assert len(judge_view(sent, address).lost) == 4
