"""Look-ups of product summaries under load: the real API on a real Valkey, asked over kept connections.

The view is filled through the store's own apply: few products have most of the reviews, as in a shop, over the last 30
days, and each product is asked for as often as it is reviewed. So the products asked most are those that cost most to
read, though one that has not changed since is not read again: all loads but the one with writes measure a view at rest.
Requests come at random times fixed beforehand (Poisson), and latency counts from those.

    python -m benchmarks.lookups                     # 1,000 requests a second, then a ladder up to where it breaks
    python -m benchmarks.lookups --rate 300 --ladder --seconds 5
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import orjson
import psutil
from pydantic import SecretStr
from rich.console import Console

from benchmarks.http_load import HttpAnswers, HttpLoad, generate_beside
from benchmarks.open_loop import Spread, spread
from benchmarks.workload import SAMPLE
from stream_app.commands.options import environment_of
from stream_app.commands.review_files import read_lines
from stream_app.embedded.server_process import die_with
from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.records import EnrichedReview, ModelName, Position, ProductText, Sentiment, Span
from stream_app.settings import Settings
from stream_app.steps.log_identity import LogIdentity
from stream_app.store.generations import Generations
from stream_app.store.summaries import RedisSummaryStore

LADDER = (500, 1000, 1500, 2000, 2500, 3000, 4000)
MOST_P99_MS = 5.0  # what a look-up may take
BATCH = 20  # products of one batch look-up: a page of search results
NOTHING = "the limit: as many bytes at once, of an application that does nothing"
_GENERATION = 1
_DAYS = 30
_DAY_MS = 86_400_000
_APPLIED_AT_ONCE = 500
_TARGETS = 5000
console = Console(stderr=True)


@dataclass(frozen=True)
class LookUpRun:
    """One load: what was asked at which rate, what came back, and how busy the API and Valkey were (of one core)."""

    name: str
    rate: float
    seconds: float
    answers: HttpAnswers
    api_cpu_share: float
    valkey_cpu_share: float


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
            settings = Settings(redis=SecretStr(valkey.url), generation=_GENERATION)
            console.print(f"applying {reviews} reviews of {products} products …")
            hours_read, store_read_ms = asyncio.run(_fill_and_read(settings, shares, reviews, asked, seed))
            with _serving("stream_app", "api", "--port", "0", "--page-port", "0", settings=settings) as (
                api,
                host,
                port,
            ):
                assert valkey.process is not None
                bench = _Bench(psutil.Process(api.pid), _process_on(valkey.port), host, port, connections, seed)
                runs, steps = _loads(bench, settings, asked, rate, seconds, ladder)
                size = round(runs[0].answers.bytes_per_answer)
            with _serving("benchmarks.idle_api", str(size), settings=settings) as (api, host, port):
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
    bench: _Bench, settings: Settings, asked: Sequence[int], rate: float, seconds: float, ladder: Sequence[float]
) -> tuple[list[LookUpRun], list[LookUpRun]]:
    one = [(f"/v1/products/{_product(number)}/summary", "") for number in asked]
    bench.run("warm-up", one, rate / 4, min(2.0, seconds))
    runs = [bench.run("one summary", one, rate, seconds)]
    with _writing(settings, asked):
        runs.append(bench.run("one summary, reviews applied meanwhile", one, rate, seconds))
    runs.append(bench.run("unchanged (304)", bench.with_tags(one), rate, seconds))
    batches = [
        ("/v1/products?" + "&".join(f"id={_product(number)}" for number in asked[start : start + BATCH]), "")
        for start in range(0, len(asked) - BATCH, BATCH)
    ]
    runs.append(bench.run(f"{BATCH} summaries at once", batches, rate / BATCH, seconds))
    steps: list[LookUpRun] = []
    for step in ladder:
        steps.append(bench.run(f"one summary at {step:g}/s", one, step, seconds))
        if steps[-1].answers.latency_ms.p99 > 20 * MOST_P99_MS:  # it only gets worse from here
            break
    return runs, steps


class _Bench:
    """The servers under load, and the way to load them."""

    def __init__(
        self, api: psutil.Process, valkey: psutil.Process, host: str, port: int, connections: int, seed: int
    ) -> None:
        self._servers = (api, valkey)
        self._host, self._port = host, port
        self._connections = connections
        self._seed = seed

    def run(self, name: str, targets: list[tuple[str, str]], rate: float, seconds: float) -> LookUpRun:
        console.print(f"{name}: {rate:g} requests/s for {seconds:g} s …")
        load = HttpLoad(self._host, self._port, targets, rate, seconds, self._connections, self._seed)
        before = [_cpu_seconds(server) for server in self._servers]
        answers = generate_beside(load)
        used = [_cpu_seconds(server) - cpu for server, cpu in zip(self._servers, before, strict=True)]
        lasted = answers.asked / answers.rate_achieved if answers.rate_achieved else seconds
        return LookUpRun(name, rate, seconds, answers, used[0] / lasted, used[1] / lasted)

    def of(self, api: psutil.Process, host: str, port: int) -> _Bench:
        """The same load for another server."""
        return _Bench(api, self._servers[1], host, port, self._connections, self._seed)

    def with_tags(self, targets: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """The same targets with the ETag that each has now."""
        import http.client

        connection = http.client.HTTPConnection(self._host, self._port, timeout=10)
        tags: dict[str, str] = {}
        for target, _ in targets:
            if target not in tags:
                connection.request("GET", target)
                answer = connection.getresponse()
                answer.read()
                tags[target] = answer.headers["ETag"]
        connection.close()
        return [(target, tags[target]) for target, _ in targets]


# ---- the view


async def _fill_and_read(
    settings: Settings, shares: Sequence[float], reviews: int, asked: Sequence[int], seed: int
) -> tuple[float, Spread]:
    """Fill the view; then (hours that a look-up sums on average, ms of single reads through the store)."""
    generations = Generations.from_settings(settings)
    await generations.record_origin(settings.generation, LogIdentity("benchmark", "reviews.enriched"))
    await generations.close()
    store = RedisSummaryStore.from_settings(settings)
    now_ms = time.time_ns() // 1_000_000
    made = list(made_reviews(shares, reviews, now_ms, seed))
    for start in range(0, reviews, _APPLIED_AT_ONCE):
        await store.apply(made[start : start + _APPLIED_AT_ONCE], now_ms)
    newest: dict[str, EnrichedReview] = {review.product_id: review for review in made}
    for product_id, review in newest.items():
        text = ProductText(
            headline=(review.text or "")[:60],
            text=" ".join([review.text or ""] * 2)[:400],
            method="abstractive",
            evidence=(review.review_id,),
            model=ModelName("bench", "0"),
            made_at_ms=now_ms,
        )
        await store.write_text(product_id, text, {review.review_id: review.revision})
    hours: dict[str, set[int]] = {}
    for review in made:
        hours.setdefault(review.product_id, set()).add(review.created_at_ms // 3_600_000)
    ids = [_product(number) for number in asked]
    seconds = []
    for product_id in ids[: min(2000, len(ids))]:
        began = time.perf_counter()
        await store.read([product_id], now_ms)
        seconds.append(time.perf_counter() - began)
    await store.close()
    hours_read = sum(len(hours.get(product_id, ())) for product_id in ids) / len(ids)
    return hours_read, spread(1000 * one for one in seconds)


def made_reviews(shares: Sequence[float], count: int, now_ms: int, seed: int) -> Iterator[EnrichedReview]:
    """Enriched reviews with the sample's texts; every product has one at least, where ``count`` allows."""
    rows = [orjson.loads(line.value) for line in read_lines(SAMPLE) if line.key is not None]
    texts = [row["text"] for row in rows if row.get("text", "").strip()]
    draw = random.Random(seed)
    numbers = [*range(len(shares)), *draw.choices(range(len(shares)), shares, k=max(0, count - len(shares)))][:count]
    for at, number in enumerate(numbers):
        text = texts[at % len(texts)]
        yield _review(number, f"r{at}", text, now_ms - draw.randrange(_DAYS * _DAY_MS), draw.random())


def _review(product: int, review_id: str, text: str, created_at_ms: int, p_negative: float) -> EnrichedReview:
    rest = round((1 - p_negative) / 2, 4)
    sentiment = Sentiment("negative" if p_negative > 0.4 else "positive", 0.9, (round(p_negative, 4), rest, rest))
    return EnrichedReview(
        kind="created",
        product_id=_product(product),
        review_id=review_id,
        revision=0,
        enrichment_version=1,
        created_at_ms=created_at_ms,
        enriched_at_ms=created_at_ms,
        input=Position("reviews", 0, 0),
        rating=1 + round(4 * (1 - p_negative)),
        text=text,
        sentiment=sentiment,
        key_sentence=Span(0, min(len(text), 120)),
    )


def _product(number: int) -> str:
    return quote(f"product-{number:05}", safe="")


@contextmanager
def _writing(settings: Settings, asked: Sequence[int], rate: float = 50) -> Iterator[None]:
    """Reviews applied at ``rate`` a second beside the block, to products as they are asked for."""
    stop = threading.Event()

    async def write() -> None:
        store = RedisSummaryStore.from_settings(settings)
        began, count = time.monotonic(), 0
        while not stop.is_set():
            now_ms = time.time_ns() // 1_000_000
            await store.apply([_review(asked[count % len(asked)], f"w{count}", "Broke at once.", now_ms, 0.9)], now_ms)
            count += 1
            await asyncio.sleep(max(0.0, began + count / rate - time.monotonic()))
        await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(write()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


# ---- the servers


@contextmanager
def _serving(module: str, *arguments: str, settings: Settings) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A module that serves on a free port of loopback and says where, until the end of the block."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environment_of(settings),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=die_with(os.getpid()),
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            if not said.startswith("Page: "):
                log.seek(0)
                raise RuntimeError(f"{module} did not come up: {said}{log.read()[-2000:]}")
            address = urlsplit(said.split()[-1])  # of look-ups, where there are two
            assert address.hostname is not None
            assert address.port is not None
            yield process, address.hostname, address.port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)


def _process_on(port: int) -> psutil.Process:
    """The one process that listens on this port of loopback."""
    [pid] = {
        one.pid
        for one in psutil.net_connections("tcp4")
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid is not None
    }
    return psutil.Process(pid)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


# ---- for people


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


if __name__ == "__main__":
    main()
