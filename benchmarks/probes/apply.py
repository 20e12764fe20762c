"""What the script that applies a review costs, in turns with that of another revision, and the bytes that it leaves.

Both get the same events on one Valkey: reviews of 100 products with the sample's texts, whose opinions are found by
keywords, a tenth of them edited. Counted are events a second, and the processor time of the server for each. The
bytes are `MEMORY USAGE` of products of 5 to 20,000 reviews of 30 days.

    python -m benchmarks.probes.apply --against REVISION
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from redis import Redis
from rich.console import Console

from benchmarks.load.view import made_reviews
from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.records import EnrichedReview
from stream_app.store.keys import Keys, Namespace
from stream_app.store.scripts import APPLY
from stream_app.store.summaries import apply_command

_PRODUCTS = 100
_AT_ONCE = 500
_EDITED = 10  # one of so many
_NOW_MS = 1_800_000_000_000
_SCRIPT = "stream_app/store/apply.lua"
_FUNCTIONS = "stream_app/store/aspects.lua"

console = Console(stderr=True)


def events(products: int, count: int) -> list[EnrichedReview]:
    """Reviews, and edits of some of them behind them."""
    made = list(made_reviews([1.0] * products, count, _NOW_MS, seed=1))
    return made + [replace(one, kind="edited", revision=1) for one in made[::_EDITED]]


def source_of(revision: str) -> bytes:
    """The script as it is there, with the functions in front of it where it has any."""

    def shown(path: str) -> bytes:
        return subprocess.run(["git", "show", f"{revision}:{path}"], check=True, capture_output=True).stdout

    named = subprocess.run(
        ["git", "ls-tree", "--name-only", revision, _FUNCTIONS], check=True, capture_output=True, text=True
    ).stdout.split()
    return b"".join(shown(path) for path in (*named, _SCRIPT))


def measure(client: Redis, sha: str, generation: int, reviews: Sequence[EnrichedReview]) -> tuple[float, float]:
    """(events a second, microseconds of the server's processor for each) in a view of its own."""
    keys = Keys(Namespace("probe"), generation)
    commands = [("EVALSHA", sha, *apply_command(keys, one)[2:]) for one in reviews]
    before, began = _cpu_seconds(client), time.perf_counter()
    for start in range(0, len(commands), _AT_ONCE):
        with client.pipeline(transaction=False) as pipeline:
            for command in commands[start : start + _AT_ONCE]:
                pipeline.execute_command(*command)
            pipeline.execute()
    seconds = time.perf_counter() - began
    return len(commands) / seconds, (_cpu_seconds(client) - before) / len(commands) * 1e6


def bytes_of(client: Redis, sha: str, reviews: int, *, opinions: bool) -> dict[str, float]:
    """Of one product with so many reviews, by what they are of."""
    keys = Keys(Namespace("probe"), 0)
    made = made_reviews([1.0], reviews, _NOW_MS, seed=1)
    measure(client, sha, 0, [one if opinions else replace(one, opinions=None) for one in made])
    product = keys.product("product-00000")

    def used(key: str) -> int:
        return int(client.execute_command("MEMORY", "USAGE", key, "SAMPLES", 0) or 0)

    kept = max(1, int(client.hlen(product.sentences)))
    return {
        "contribution": used(product.reviews) / reviews,
        "state": used(product.state),
        "sentences of a review": (used(product.sentences) + used(product.sentence_times)) / kept,
    }


def _cpu_seconds(client: Redis) -> float:
    used: Any = client.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def _loaded(client: Redis, source: bytes) -> str:
    client.script_load(source)
    return hashlib.sha1(source, usedforsecurity=False).hexdigest()


def _packing_us(reviews: Sequence[EnrichedReview]) -> float:
    keys = Keys(Namespace("probe"), 0)
    began = time.process_time()
    for one in reviews:
        apply_command(keys, one)
    return (time.process_time() - began) / len(reviews) * 1e6


def _in_turns(repeats: int, variants: Sequence[Callable[[], float]]) -> list[list[float]]:
    found: list[list[float]] = [[] for _ in variants]
    for _ in range(repeats):
        for results, variant in zip(found, variants, strict=True):
            results.append(variant())
    return found


def _median(numbers: Sequence[float]) -> str:
    return f"{statistics.median(numbers):,.1f} ({min(numbers):,.1f} to {max(numbers):,.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", required=True, help="a git revision, whose script is the other one")
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    reviews = events(_PRODUCTS, options.events)
    with_aspects = sum(any(opinion.aspects for opinion in one.opinions or ()) for one in reviews)
    print(f"{len(reviews):,} events, {with_aspects / len(reviews):.0%} with aspects, {options.repeats} times in turns")
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedValkey(Path(folder), port=0)
        server.start()
        try:
            with Redis.from_url(server.url) as client:
                _report(client, reviews, options.against, options.repeats)
        finally:
            server.stop()


def _report(client: Redis, reviews: Sequence[EnrichedReview], against: str, repeats: int) -> None:
    shas = {"this": _loaded(client, APPLY.source), against: _loaded(client, source_of(against))}
    rates: dict[str, list[float]] = {name: [] for name in shas}
    costs: dict[str, list[float]] = {name: [] for name in shas}
    for turn in range(repeats):
        for name, sha in shas.items():
            rate, cost = measure(client, sha, turn, reviews)
            rates[name].append(rate)
            costs[name].append(cost)
            client.flushdb()
    for name in shas:
        print(f"{name}: {_median(rates[name])} events/s, {_median(costs[name])} µs of the server each")
    ratios = [theirs / ours for ours, theirs in zip(costs["this"], costs[against], strict=True)]
    print(f"events for the same processor time of the server, this / {against}: {_median(ratios)}")
    plain = [replace(one, opinions=None) for one in reviews]
    packing = _in_turns(repeats, [lambda: _packing_us(reviews), lambda: _packing_us(plain)])
    print(f"packed for the script in {_median(packing[0])} µs, without opinions in {_median(packing[1])} µs")
    for count in (5, 100, 2000, 20_000):
        for name, opinions in (("with", True), ("without", False)):
            found = bytes_of(client, shas["this"], count, opinions=opinions)
            print(
                f"product of {count:,} reviews {name} opinions: " + ", ".join(f"{k} {v:,.0f}" for k, v in found.items())
            )
            client.flushdb()


if __name__ == "__main__":
    main()
