"""Look-ups of product summaries under load: the real API on a real Valkey, asked over kept connections.

The view is filled through the store's own apply: few products have most of the reviews, as in a shop, over the last 30
days, and each product is asked for as often as it is reviewed. So the products asked most are those that cost most to
read, though one that has not changed since is not read again. The first load asks an API that has read none of them,
as after its start or when an hour has passed; the others but the one with writes measure a view at rest.
Requests come at random times fixed beforehand (Poisson), and latency counts from those.

    python -m benchmarks.sections.look_ups                # 1,000 requests a second, then a ladder up to where it breaks
    python -m benchmarks.sections.look_ups --rate 300 --ladder --seconds 5
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import psutil
from pydantic import SecretStr
from rich.console import Console

from benchmarks.load.http_bench import HttpBench, LookUpRun, process_on, serving
from benchmarks.load.open_loop import Spread
from benchmarks.load.view import GENERATION, applying_reviews, fill_and_read, product_named
from benchmarks.sections.section import Measured, Options
from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.settings import Settings

LADDER = (500, 1000, 1500, 2000, 2500, 3000, 4000)
MOST_P99_MS = 5.0  # what a look-up may take
BATCH = 20  # products of one batch look-up: a page of search results
FIRST = "one summary, none read before"
NOTHING = "the limit: as many bytes at once, of an application that does nothing"
_TARGETS = 5000
_SETTLED_SECONDS = 1.0  # after the last write; the API may return what it read 0.2 s before
console = Console(stderr=True)


@dataclass(frozen=True)
class LookUps:
    """All loads on one view.

    ``store_read_ms``: one read through the store alone, one after the other, in one process. ``hours_read``: hours with
    reviews of a product asked for, on average. ``highest_rate``: of the ladder, with p99 within
    5 ms and no error; 0: none of them.
    """

    products: int
    reviews: int
    hours_read: float
    connections: int
    seed: int
    store_read_ms: Spread
    runs: list[LookUpRun]
    ladder: list[LookUpRun]
    highest_rate: float

    def run(self, name: str) -> LookUpRun:
        """The load of this name. Raises StopIteration when there is none."""
        return next(run for run in self.runs if run.name == name)


def look_ups(
    *,
    products: int = 500,
    reviews: int = 30_000,
    rate: float = 1000,
    seconds: float = 10,
    connections: int = 32,
    ladder: Sequence[float] = LADDER,
    seed: int = 1,
) -> LookUps:
    """Everything on a Valkey and an API of its own. Raises RuntimeError when the API does not come up."""
    shares = [1 / rank for rank in range(1, products + 1)]
    asked = random.Random(seed).choices(range(products), shares, k=_TARGETS)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        valkey = EmbeddedValkey(Path(folder), port=0)
        valkey.start()
        try:
            settings = Settings(redis=SecretStr(valkey.url), generation=GENERATION)
            console.print(f"applying {reviews} reviews of {products} products …")
            hours_read, store_read_ms = asyncio.run(fill_and_read(settings, shares, reviews, asked, seed))
            with serving("stream_app", "api", "--port", "0", "--page-port", "0", settings=settings) as (
                api,
                host,
                port,
            ):
                assert valkey.process is not None
                bench = HttpBench(psutil.Process(api.pid), process_on(valkey.port), host, port, connections, seed)
                runs, steps = _loads(bench, settings, asked, rate, seconds, ladder)
                size = round(runs[0].answers.bytes_per_answer)
            with serving("benchmarks.load.idle_api", str(size), settings=settings) as (api, host, port):
                bench = bench.of(psutil.Process(api.pid), host, port)
                bench.run("warm-up", [("/", "")], rate / 4, min(2.0, seconds))
                runs.insert(1, bench.run(NOTHING, [("/", "")], rate, seconds))
        finally:
            valkey.stop()
    return LookUps(products, reviews, hours_read, connections, seed, store_read_ms, runs, steps, highest_rate(steps))


def highest_rate(ladder: Sequence[LookUpRun]) -> float:
    """The largest rate with p99 within 5 ms and no error; 0: none."""
    good = [run.rate for run in ladder if run.answers.latency_ms.p99 <= MOST_P99_MS and not run.answers.errors]
    return max(good, default=0)


def _loads(
    bench: HttpBench, settings: Settings, asked: Sequence[int], rate: float, seconds: float, ladder: Sequence[float]
) -> tuple[list[LookUpRun], list[LookUpRun]]:
    one = [(f"/v1/products/{product_named(number)}/summary", "") for number in asked]
    bench.run("warm-up", one[:1], rate / 4, min(2.0, seconds))
    runs = [bench.run(FIRST, one, rate, seconds)]
    every = [*dict.fromkeys(one)]
    bench.run("each product once", every, rate / 4, 5 * len(every) / rate)
    runs.append(bench.run("one summary", one, rate, seconds))
    with applying_reviews(settings, asked):
        runs.append(bench.run("one summary, reviews applied meanwhile", one, rate, seconds))
    time.sleep(_SETTLED_SECONDS)
    runs.append(bench.run("unchanged (304)", bench.with_tags(one), rate, seconds))
    batches = [
        ("/v1/products?" + "&".join(f"id={product_named(number)}" for number in asked[start : start + BATCH]), "")
        for start in range(0, len(asked) - BATCH, BATCH)
    ]
    runs.append(bench.run(f"{BATCH} summaries at once", batches, rate / BATCH, seconds))
    steps: list[LookUpRun] = []
    for step in ladder:
        steps.append(bench.run(f"one summary at {step:g}/s", one, step, seconds))
        if steps[-1].answers.latency_ms.p99 > 20 * MOST_P99_MS:  # it only gets worse from here
            break
    return runs, steps


def table(found: LookUps) -> str:
    """The loads as Markdown, times in ms."""
    read = found.store_read_ms
    lines = [
        f"{found.products} products, {found.reviews} reviews, {found.hours_read:.0f} hours with reviews a look-up on "
        f"average; {found.connections} kept connections. One read through the store alone: p50 {read.p50:.2f} ms, "
        f"p99 {read.p99:.2f} ms. Highest rate with p99 ≤ {MOST_P99_MS:g} ms: {found.highest_rate:g}/s.",
        "",
        "| load | asked/s | answered/s | p50 | p90 | p99 | p99.9 | max | errors "
        "| API | Valkey | generator | late p99 |",
        "|" + "---|" * 13,
    ]
    for run in (*found.runs, *found.ladder):
        answers, ms = run.answers, run.answers.latency_ms
        cells = [
            run.name,
            f"{run.rate:g}",
            f"{answers.rate_achieved:.0f}",
            *(f"{value:.2f}" for value in (ms.p50, ms.p90, ms.p99, ms.p999, ms.max)),
            str(answers.errors),
            *(f"{share:.0%}" for share in (run.api_cpu_share, run.valkey_cpu_share, answers.cpu_share)),
            f"{answers.late_ms.p99:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=500)
    parser.add_argument("--reviews", type=int, default=30_000, help="in the view, over the last 30 days")
    parser.add_argument("--rate", type=float, default=1000, help="requests a second")
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--ladder", type=float, nargs="*", default=LADDER, help="rates to climb; none: no ladder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the raw values instead of a table")
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    found = look_ups(**options)
    print(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2).decode() if as_json else table(found))


def measure(options: Options) -> Measured:
    """Look-ups through the API"""
    if options.quick:
        found = look_ups(products=5, reviews=50, rate=50, seconds=1, connections=4, ladder=())
    else:
        found = look_ups()
    return Measured(table(found), {"look_up_p99_ms": found.run("one summary").answers.latency_ms.p99}, {})


if __name__ == "__main__":
    main()
