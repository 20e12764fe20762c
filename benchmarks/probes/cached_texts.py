"""How many reviews of a stream are answered from the cache, and how much of a model's work that saves.

A review is a cache hit if its cleaned text, title included, equals an earlier one that the cache still holds. Each
worker has its own cache. A worker has slightly fewer hits: a text still being computed is not in the cache yet.

    python -m benchmarks.probes.cached_texts --input reviews.jsonl more.jsonl
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import track

from benchmarks.load.workload import SAMPLE
from stream_app.models.batcher import estimated_tokens
from stream_app.models.result_cache import LONGEST_TEXT, ResultCache
from stream_app.records import Review
from stream_app.settings import Settings
from stream_app.steps import prepare

console = Console(stderr=True)


@dataclass(frozen=True)
class Known:
    """Of one stream. ``tokens``: estimated, as a worker does."""

    reviews: int
    short: int
    known: int
    tokens: int
    cached_tokens: int


def cached_texts(texts: Iterable[str], cached: int) -> Known:
    """Count what a cache of ``cached`` texts answers of this stream, read once."""
    cache: ResultCache[bool] = ResultCache(cached)
    reviews = short = known = tokens = cached_tokens = 0
    for text in texts:
        size = estimated_tokens(text)
        reviews, tokens, short = reviews + 1, tokens + size, short + (len(text) <= LONGEST_TEXT)
        if cache.get(text):
            known, cached_tokens = known + 1, cached_tokens + size
        else:
            cache.keep(text, True)
    return Known(reviews, short, known, tokens, cached_tokens)


def model_texts(path: Path) -> Iterator[str]:
    """What a classifier for any language is given of each review of a file of JSON lines: of ``text`` and ``title``
    alone, so that data sets without ids do, too. Lines without a text are passed over.
    """
    with path.open("rb") as file:
        for line in file:
            text, title = _text_and_title(line)
            review = Review("p", "r", 0, "created", 0, title=title, text=text)
            if isinstance(prepared := prepare.prepare(review, None), prepare.Prepared):
                yield prepared.model_text


def _text_and_title(line: bytes) -> tuple[str, str | None]:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "", None
    text, title = (fields.get(name) if isinstance(fields, dict) else None for name in ("text", "title"))
    return text if isinstance(text, str) else "", title if isinstance(title, str) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--input", type=Path, nargs="+", default=[SAMPLE], help="JSON lines; default: the sample stream"
    )
    parser.add_argument("--cached", type=int, default=Settings().cached_texts, help="texts that the cache holds")
    options = parser.parse_args()
    print(f"| stream | reviews | up to {LONGEST_TEXT} characters | known, of {options.cached:,} texts | tokens saved |")
    print("|---|---|---|---|---|")
    for path in options.input:
        found = cached_texts(track(model_texts(path), path.name, console=console, transient=True), options.cached)
        if not found.reviews:
            console.print(f"{path.name} has no line with a text")
            continue
        print(
            f"| {path.name} | {found.reviews:,} | {found.short / found.reviews:.1%} "
            f"| {found.known / found.reviews:.2%} | {found.cached_tokens / found.tokens:.2%} |"
        )


if __name__ == "__main__":
    main()
