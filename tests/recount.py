"""Recounts every product from `reviews.enriched` by hand, and compares with what the look-up API says.

Shares no code with the product: it reads the topic with a plain consumer and asks the API over HTTP.

    python tests/recount.py --brokers 127.0.0.1:9092 --api http://127.0.0.1:8080 [--topic reviews.enriched]

Prints what differs and exits with 1 if anything does.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.parse
import urllib.request
from collections import defaultdict
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition


def read_topic(brokers: str, topic: str) -> list[dict[str, Any]]:
    """Every message of the topic, parsed, in the order of each partition."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "recount", "enable.partition.eof": True})
    partitions = list(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    messages: list[dict[str, Any]] = []
    at_end: set[int] = set()
    while len(at_end) < len(partitions):
        for message in consumer.consume(1000, timeout=1.0):
            if message.error() is None:
                messages.append(json.loads(message.value()))
            elif message.error().code() == KafkaError._PARTITION_EOF:
                at_end.add(message.partition())
            else:
                raise SystemExit(f"{topic}: {message.error()}")
    consumer.close()
    return messages


def recount(messages: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Counts per product: of each review the newest version stands, of equal ones the first; deleted ones count not."""
    standing: dict[tuple[str, str], dict[str, Any]] = {}

    def version(message: dict[str, Any]) -> tuple[int, bool, int]:
        return message["revision"], message["kind"] == "deleted", message["enrichment_version"]

    for message in messages:
        identity = (message["product_id"], message["review_id"])
        if identity not in standing or version(message) > version(standing[identity]):
            standing[identity] = message
    counts: dict[str, dict[str, Any]] = defaultdict(
        lambda: {
            "reviews": 0,
            "negative": 0,
            "neutral": 0,
            "positive": 0,
            "unknown": 0,
            "stars": [0] * 5,
            "aspects": {},
        }
    )
    for (product_id, _), message in standing.items():
        own = counts[product_id]
        if message["kind"] == "deleted":
            continue
        own["reviews"] += 1
        own[message["sentiment"]["label"] if message["sentiment"] else "unknown"] += 1
        if message["rating"] is not None:
            own["stars"][message["rating"] - 1] += 1
        opinions = [(aspect, one["label"]) for one in message.get("opinions", ()) for aspect in one["aspects"]]
        for aspect in {aspect for aspect, _ in opinions}:
            said = own["aspects"].setdefault(aspect, {"mentions": 0, "negative": 0, "positive": 0})
            said["mentions"] += 1
            for label in ("negative", "positive"):
                said[label] += (aspect, label) in opinions
    return dict(counts)


def looked_up(api: str, product_id: str) -> dict[str, Any]:
    """The product's counts of all time, aspects too, as a product page gets them."""
    url = f"{api.rstrip('/')}/v1/products/{urllib.parse.quote(product_id, safe='')}/summary"
    with urllib.request.urlopen(url, timeout=10) as answer:
        summary = json.load(answer)
    counts: dict[str, Any] = summary["windows"]["all"]
    names = ("mentions", "negative", "positive")
    said = {aspect: one["windows"]["all"] for aspect, one in summary["aspects"].items()}
    return counts | {"aspects": {aspect: {name: of_one[name] for name in names} for aspect, of_one in said.items()}}


def differences(brokers: str, topic: str, api: str) -> tuple[int, list[str]]:
    """(number of products, what differs between the recount and the API, a line each)."""
    expected = recount(read_topic(brokers, topic))
    wrong = []
    for product_id, counts in sorted(expected.items()):
        actual = looked_up(api, product_id)
        wrong += [
            f"{product_id}: {name} is {actual[name]}, recounted {value}"
            for name, value in counts.items()
            if actual[name] != value
        ]
    return len(expected), wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--api", default="http://127.0.0.1:8080")
    parser.add_argument("--topic", default="reviews.enriched")
    options = parser.parse_args()
    products, wrong = differences(options.brokers, options.topic, options.api)
    print("\n".join(wrong[:20]) or f"{products} products: the view equals the recount")
    sys.exit(1 if wrong or not products else 0)


if __name__ == "__main__":
    main()
