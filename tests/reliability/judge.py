"""Says what a round lost, doubled or spoilt, from topics and look-ups alone; shares no code with the product.

What must be there follows from what was sent and from the rules of the contract:

    conservation   every message is in `reviews.enriched` or, with its own bytes, in the dead letter; never in both
    integrity      what was published is what the ruled models must have said of that text
    apply-once     each product's counts, in every window, are those of the latest revision of each of its reviews
    order          the first publications of a partition's messages stand in offset order
    alerts         each due alert was published at least once and is shown once; none that is not due
"""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.error import HTTPError, URLError

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream_app.store.keys import Keys
from tests.reliability.workload import ACCEPTED, Sent

_HOUR_MS = 3_600_000
_WINDOW_HOURS = {"24h": 24, "7d": 168, "30d": 720}
_ALERT_FROM, _SURE_FROM, _SURER_FROM = 8000, 9500, 9700  # P(negative) x 10,000
SEVERITIES = ("info", "warning", "critical")
_INFO, _WARNING = 0, 1
_PRODUCTS_A_CALL = 100


@dataclass(slots=True)
class Verdict:
    """``lost``, ``double`` and ``wrong`` name each difference in words."""

    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    published_twice: int = 0  # allowed: consumers drop them by ce_id
    stall_seconds: float = 0.0  # the longest that an accepted message waited for its first publication

    @property
    def differences(self) -> list[str]:
        return self.lost + self.double + self.wrong


class Reader:
    """Reads topics to their present ends, again and again, each from where it stopped."""

    def __init__(self, brokers: str, topics: Sequence[str]) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": brokers, "group.id": "judge", "enable.auto.commit": False, "log_level": 2}
        )
        self._next: dict[tuple[str, int], int] = {}
        for topic in topics:
            for number in self._consumer.list_topics(topic, timeout=10).topics[topic].partitions:
                self._next[topic, number] = 0
        self._consumer.assign([TopicPartition(*place, 0) for place in self._next])

    def read(self, seconds: float = 20.0) -> list[Any]:
        """The messages that came since. Raises TimeoutError when the brokers do not answer so long."""
        until = time.monotonic() + seconds
        ends = {place: self._end(place, until) for place in self._next}
        messages = []
        while any(self._next[place] < end for place, end in ends.items()):
            for message in self._consumer.consume(2000, timeout=0.5):
                if message.error() is None:
                    messages.append(message)
                    self._next[message.topic(), message.partition()] = message.offset() + 1
            if time.monotonic() > until:
                raise TimeoutError(f"the topics could not be read to their ends in {seconds:.0f} s")
        return messages

    def close(self) -> None:
        self._consumer.close()

    def _end(self, place: tuple[str, int], until: float) -> int:
        while True:
            try:
                return int(self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=2)[1])
            except KafkaException:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)  # until the brokers answer again


@dataclass(slots=True)
class Published:
    """Everything that came out since the beginning, by the input message that it came from."""

    enriched: dict[tuple[int, int], list[tuple[float, dict[str, Any]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    firsts: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))  # partition -> offsets, as seen
    letters: dict[tuple[int, int], list[tuple[float, Any]]] = field(default_factory=lambda: defaultdict(list))
    alerts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # id -> severities

    def take(self, messages: Iterable[Any], enriched_topic: str, dead_letter_topic: str) -> None:
        """Sort messages of the three output topics in; within a topic's partition they come in order."""
        for message in messages:
            at = message.timestamp()[1] / 1000
            if message.topic() == enriched_topic:
                value = json.loads(message.value())
                place = value["input"]["partition"], value["input"]["offset"]
                if place not in self.enriched:
                    self.firsts[place[0]].append(place[1])
                self.enriched[place].append((at, value))
            elif message.topic() == dead_letter_topic:
                headers = dict(message.headers() or ())
                place = (int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"]))
                self.letters[place].append((at, message))
            else:
                value = json.loads(message.value())
                self.alerts[value["alert_id"]].append(value["severity"])

    def __contains__(self, place: tuple[int, int]) -> bool:
        return place in self.enriched or place in self.letters


def judge_topics(sent: Sequence[Sent], published: Published, *, late_firsts_allowed: bool) -> Verdict:
    """Conservation, integrity, order and published alerts of one round's messages.

    ``late_firsts_allowed``: a process that was stopped and woke up may publish what it had begun after its successor
    has published later messages of the partition.
    """
    verdict = Verdict()
    for one in sent:
        enriched, letters = published.enriched.get(one.place, []), published.letters.get(one.place, [])
        if not enriched and not letters:
            verdict.lost.append(f"message {one.place} is nowhere: {one.value!r:.120}")
            continue
        if enriched and letters:
            verdict.double.append(f"message {one.place} is enriched and in the dead letter")
        verdict.published_twice += len(enriched) + len(letters) - 1
        verdict.stall_seconds = max(verdict.stall_seconds, min(at for at, _ in enriched + letters) - one.acked_at)
        verdict.wrong += [f"message {one.place}: {what}" for what in _wrong(one, enriched, letters)]
    verdict.wrong += [] if late_firsts_allowed else _out_of_order(sent, published)
    due = due_alerts(sent)
    for alert_id, (least, most) in sorted(due.items()):
        gravest = max((SEVERITIES.index(one) for one in published.alerts.get(alert_id, ())), default=-1)
        if gravest < least:
            verdict.lost.append(f"alert {alert_id} was not published as {SEVERITIES[least]}")
        elif gravest > most:
            verdict.wrong.append(f"alert {alert_id} was published as {SEVERITIES[gravest]}")
    prefixes = {f"negative_review|{product_of(one)}|" for one in sent if one.fields}
    verdict.wrong += [
        f"alert {alert_id} was not due"
        for alert_id in published.alerts
        if alert_id not in due and alert_id[: alert_id.index("|", alert_id.index("|") + 1) + 1] in prefixes
    ]
    return verdict


def _wrong(one: Sent, enriched: list[tuple[float, dict[str, Any]]], letters: list[tuple[float, Any]]) -> Iterable[str]:
    if letters and one.reason == ACCEPTED:
        yield f"rejected as {_reason(letters[0][1])} although it is valid: {one.value!r:.120}"
    elif enriched and one.reason != ACCEPTED:
        yield f"enriched although it must be rejected as {one.reason}"
    for _, letter in letters:
        if one.reason and _reason(letter) != one.reason:
            yield f"rejected as {_reason(letter)}, not as {one.reason}"
        if letter.value() != one.value or letter.key() != one.key:
            yield "its dead letter has other bytes"
    for _, value in enriched:
        if one.reason == ACCEPTED:
            yield from _spoilt(one, value)


def _spoilt(one: Sent, value: dict[str, Any]) -> Iterable[str]:
    """How a publication differs from what the ruled models must give."""
    fields = one.fields or {}
    deleted = bool(fields.get("deleted"))
    expected = {
        "product_id": fields["product_id"],
        "review_id": fields["review_id"],
        "revision": _revision(fields),
        "kind": "deleted" if deleted else "edited" if fields.get("revision") else "created",
        "text": fields.get("text"),
        "rating": fields.get("rating"),
    }
    for name, should in expected.items():
        if value[name] != should:
            yield f"its {name} is {value[name]!r}, not {should!r}"
    if deleted:
        return
    negative = one.p_negative / 10_000
    if value["sentiment"]["scores"]["negative"] != negative:
        yield f"P(negative) is {value['sentiment']['scores']['negative']}, not {negative}"
    if value["sentiment"]["label"] != _label(one):
        yield f"its label is {value['sentiment']['label']}, not {_label(one)}"
    text = fields["text"]
    said = {
        "abstractive": text[text.find("label L") :].split(" on ")[0],
        "own_text": text,
        "extractive": value["summary"] if value["summary"] in text else "a sentence of the text",
    }[value["summary_method"]]
    if value["summary"] != said:
        yield f"its {value['summary_method']} summary is {value['summary']!r}, not {said!r}"


def _out_of_order(sent: Sequence[Sent], published: Published) -> list[str]:
    """Only messages keyed by their product count: others reach another partition of the enriched topic."""
    ours = {one.place for one in sent if one.fields and one.key == one.fields["product_id"].encode()}
    wrong = []
    for partition, offsets in published.firsts.items():
        highest = -1
        for offset in (offset for offset in offsets if (partition, offset) in ours):
            if offset < highest:
                wrong.append(f"message {(partition, offset)} was published behind {(partition, highest)}")
            highest = max(highest, offset)
    return wrong


def due_alerts(sent: Iterable[Sent]) -> dict[str, tuple[int, int]]:
    """The alerts that these messages must raise: id -> the least and the most grave that its gravest may be.

    A message is as old as its record: all are fresh. A version that is sure of it by less than the margin makes it a
    warning only where none fired before.
    """
    due: dict[str, tuple[int, int]] = {}
    for one in sent:
        fields = one.fields
        if not fields or fields.get("deleted") or one.p_negative < _ALERT_FROM:
            continue
        stars_agree = (fields.get("rating") or 1) <= 2
        least = _WARNING if stars_agree and one.p_negative >= _SURER_FROM else _INFO
        most = _WARNING if stars_agree and one.p_negative >= _SURE_FROM else _INFO
        alert_id = f"negative_review|{product_of(one)}|{fields['review_id']}"
        before = due.get(alert_id, (_INFO, _INFO))
        due[alert_id] = max(before[0], least), max(before[1], most)
    return due


def judge_view(sent: Iterable[Sent], api: str) -> Verdict:
    """Apply-once: what the API says of each product against a fold from scratch. Too few are lost, too many double."""
    verdict = Verdict()
    standing = _standing(sent)
    products = sorted({product for product, _ in standing})
    shown = look_up(api, products)
    for product in products:
        if product not in shown:
            verdict.lost.append(f"product {product} is unknown")
            continue
        as_of_ms = round(_seconds(shown[product]["as_of"]) * 1000)
        reviews = [one for (of, _), one in standing.items() if of == product and not (one.fields or {}).get("deleted")]
        for window in ("all", *_WINDOW_HOURS):
            expected = _counts([one for one in reviews if _within(one, window, as_of_ms)])
            actual = {name: shown[product]["windows"][window][name] for name in expected}
            if actual != expected:
                difference = f"product {product}, window {window}: shows {actual}, should be {expected}"
                (verdict.double if actual["reviews"] > expected["reviews"] else verdict.lost).append(difference)
    return verdict


def judge_shown_alerts(sent: Iterable[Sent], client: Any, keys: Keys, kept: int = 500) -> Verdict:
    """Each due alert is kept for the page; where more were raised since than are kept, only the newest.

    ``client``: redis-py's, of the server or the cluster.
    """
    shown = {alert_id.decode() for alert_id in client.hkeys(keys.alerts)}
    missing = sorted(due_alerts(sent).keys() - shown) if len(shown) < kept else []
    return Verdict(lost=[f"alert {alert_id} is not shown" for alert_id in missing])


def look_up(api: str, products: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Summaries by product, as a product page gets them. Raises URLError while the API cannot answer."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(products), _PRODUCTS_A_CALL):
        query = urllib.parse.urlencode([("id", one) for one in products[start : start + _PRODUCTS_A_CALL]])
        try:
            with urllib.request.urlopen(f"{api}/v1/products?{query}", timeout=10) as answer:
                found |= {one["product_id"]: one for one in json.load(answer)["products"]}
        except (HTTPError, TimeoutError, ConnectionError) as error:
            raise URLError(str(error)) from error
    return found


def product_of(one: Sent) -> str:
    return str((one.fields or {})["product_id"])


def _standing(sent: Iterable[Sent]) -> dict[tuple[str, str], Sent]:
    """The latest version of each review, in the order (revision, deleted); of equal ones the first."""
    standing: dict[tuple[str, str], Sent] = {}
    for one in sorted((one for one in sent if one.fields), key=lambda one: one.offset):
        fields = one.fields or {}
        identity = fields["product_id"], fields["review_id"]
        before = standing.get(identity)
        if before is None or _version(fields) > _version(before.fields or {}):
            standing[identity] = one
    return standing


def _version(fields: dict[str, Any]) -> tuple[int, bool]:
    return _revision(fields), bool(fields.get("deleted"))


def _revision(fields: dict[str, Any]) -> int:
    return int(fields.get("revision", 2**53 - 1 if fields.get("deleted") else 0))


def _within(one: Sent, window: str, as_of_ms: int) -> bool:
    if window == "all":
        return True
    hour = round(_seconds((one.fields or {})["created_at"]) * 1000) // _HOUR_MS
    now_hour = as_of_ms // _HOUR_MS
    return now_hour - _WINDOW_HOURS[window] <= hour <= now_hour


def _counts(reviews: Sequence[Sent]) -> dict[str, Any]:
    labels = Counter(_label(one) for one in reviews)
    ratings = Counter((one.fields or {}).get("rating") for one in reviews)
    return {
        "reviews": len(reviews),
        "negative": labels["negative"],
        "neutral": 0,
        "positive": labels["positive"],
        "unknown": 0,
        "stars": [ratings[stars] for stars in range(1, 6)],
        "p_negative_sum": sum(one.p_negative for one in reviews),
    }


def _label(one: Sent) -> str:
    return "negative" if one.p_negative >= 5000 else "positive"


def _reason(letter: Any) -> str:
    return str(dict(letter.headers())["__connect.errors.exception.class.name"].decode())


def _seconds(rfc3339: str) -> float:
    return datetime.fromisoformat(rfc3339).timestamp()
