"""A review to be erased, everything that holds its words, and what must stay."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from redis import Redis

from stream_app import contract
from stream_app.kafka.groups import lag
from stream_app.kafka.reader import read_to_end
from stream_app.records import COPY_HEADERS, Alert, AlertQuote, EnrichedReview, Message, RawRecord, Rejected, Span
from tests.behaviour.enriched import deletion, enriched
from tests.integration.place import Place
from tests.waiting import wait_until

WORDS = "Xanthippe broke my teapot."


class Quiet:
    """ports.Progress that keeps what was said."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, what: str) -> None:
        self.heard.append(what)

    def advanced(self, step: str, done: int, total: int) -> None: ...


def the_review(**changes: Any) -> Any:
    return enriched(
        "secret", "tea", text=f"{WORDS} Never again.", key_sentence=Span(0, len(WORDS)), label="negative", **changes
    )


def alert(product_id: str, review_id: str, sentence: str) -> Alert:
    now = time.time_ns() // 1_000_000
    return Alert(
        f"negative_review:{product_id}:{review_id}",
        "negative_review",
        "warning",
        product_id,
        now,
        now,
        review_id=review_id,
        revision=0,
        sentence=sentence,
    )


def alert_about_the_product() -> Alert:
    """It quotes the review, and another one."""
    now = time.time_ns() // 1_000_000
    hour = time.strftime("%Y-%m-%dT%H", time.gmtime(now // 1000))
    quotes = tuple(AlertQuote(review_id, 0, 1, sentence) for review_id, sentence in (("secret", WORDS), ("tea0", None)))
    return Alert(f"negative_spike|tea|{hour}", "negative_spike", "warning", "tea", now, now, quotes=quotes)


def dead_letter(place: Place, value: bytes) -> Message:
    record = RawRecord(place.topics.reviews, 0, 7, 0, b"tea", value)
    return contract.dead_letter_message(place.topics.dead_letter, Rejected(record, "model_failed", "it failed"))


def holding(place: Place, topic: str, words: str = WORDS) -> list[RawRecord]:
    """Records of the topic, from its beginning, that hold the words anywhere."""
    found = []
    for record in read_to_end(place.settings, topic):
        parts = [record.key, record.value, *(value for _, value in record.headers)]
        if any(words.encode() in (part or b"") for part in parts):
            found.append(record)
    return found


def all_of_redis(redis: Redis) -> bytes:
    """Every key and every value of the server."""
    read: dict[Any, Callable[[bytes], Any]] = {
        b"none": lambda _: None,  # gone since the scan
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        b"stream": redis.xrange,
    }
    keys: list[Any] = list(redis.scan_iter("*", count=1000))
    return b"\n".join(key + repr(read[redis.type(key)](key)).encode() for key in keys)


def kept_records(place: Place) -> dict[str, Counter[tuple[Any, ...]]]:
    """Per rewritten topic, all but the erased ones: partition, key, value and headers, without what copies add; of
    alerts about products without quotes.
    """
    found: dict[str, Counter[tuple[Any, ...]]] = {}
    for topic in (place.topics.enriched, place.topics.alerts, place.topics.dead_letter):
        found[topic] = Counter(
            (
                record.partition,
                record.key,
                value,
                tuple(one for one in record.headers if one[0] not in COPY_HEADERS),
            )
            for record in read_to_end(place.settings, topic)
            if WORDS.encode() not in (value := _unquoted(record.value or b""))
        )
    return found


def _unquoted(value: bytes) -> bytes:
    if b'"quotes"' not in value:
        return value
    return json.dumps({name: of for name, of in json.loads(value).items() if name != "quotes"}).encode()


def order_per_product(place: Place) -> dict[bytes | None, list[bytes | None]]:
    found: dict[bytes | None, list[bytes | None]] = {}
    for record in read_to_end(place.settings, place.topics.enriched):
        if WORDS.encode() not in (record.value or b""):
            found.setdefault(record.key, []).append(record.value)
    return found


def file_of(place: Place) -> Path:
    """The deletions, as the procedure has them."""
    file = place.folder / "deletions.jsonl"
    file.write_text(json.dumps({"product_id": "tea", "review_id": "secret", "deleted": True}) + "\n")
    return file


def publish_everything(place: Place) -> None:
    """A history of several products, whose topics all hold the review's words."""
    others = [enriched(f"r{number}", f"p{number % 9}", text=f"Fine, number {number}.") for number in range(90)]
    edits = [enriched(f"r{number}", f"p{number % 9}", kind="edited", revision=1) for number in range(0, 90, 10)]
    cited = [enriched(f"tea{number}", "tea", label="negative") for number in range(2)]  # a text takes three reviews
    place.publish_reviews([*others[:40], the_review(), *cited, *others[40:], *edits])
    alerts = [alert("tea", "secret", WORDS), *(alert(f"p{number}", f"r{number}", "Broke.") for number in range(9))]
    alerts.append(alert_about_the_product())
    place.publish([contract.alert_message(place.topics.alerts, one) for one in alerts])
    raw = json.dumps({"product_id": "tea", "review_id": "secret", "text": WORDS}).encode()
    other = json.dumps({"product_id": "tea", "review_id": "other", "text": "Mine."}).encode()
    place.publish([dead_letter(place, raw), dead_letter(place, other), dead_letter(place, b"no JSON")])
    place.publish([Message(place.topics.reviews, b"tea", raw), Message(place.topics.reviews, b"tea", other)])


def delete_the_review(place: Place) -> None:
    """Step 1, with what `enrich` makes of it."""
    assert "acknowledged" in place.command("publish", str(file_of(place)))
    place.publish_reviews([deletion("secret", "tea", revision=2**53 - 1)])


def all_read(place: Place) -> bool:
    return all(lag(place.of(place.active()), role) == 0 for role in ("summarize", "notify"))


def read_all(place: Place, roles: Sequence[str] = ("summarize", "notify")) -> None:
    """The workers run until nothing is left to read, and stop."""
    from stream_app.commands.processes import Processes

    folder = place.folder / "logs"
    with Processes(place.settings, say=print, log_folder=folder, roles=roles, with_api=False) as live:

        def done() -> bool:
            live.keep_running()
            return all_read(place)

        wait_until(done, 90, f"everything is read; logs in {folder}")


def go_on_with(
    place: Place,
    more: Sequence[EnrichedReview],
    kept: dict[str, Counter[tuple[Any, ...]]],
    order: dict[bytes | None, list[bytes | None]],
) -> None:
    """Publish and read more reviews, and expect them too: adds them to ``kept_records`` and ``order_per_product``."""
    topic = place.topics.enriched
    place.publish_reviews(more)
    read_all(place)
    for message in (contract.enriched_message(topic, one) for one in more):
        assert message.value is not None
        partition = next(record.partition for record in holding(place, topic, message.value.decode()))
        kept[topic][(partition, message.key, message.value, message.headers)] += 1
        order[message.key].append(message.value)
