"""The stated mix that the benchmarks run on: the sample stream's reviews, or a file's, under new ids."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import orjson

from stream_app.commands.review_files import Line, read_lines

SAMPLE = Path(__file__).parents[2] / "stream_app" / "embedded" / "sample" / "reviews.jsonl"


@dataclass(frozen=True)
class Workload:
    """Reviews to publish, all acceptable, in English, with distinct ids; and where they come from."""

    source: str
    lines: list[Line]


def workload(path: Path, count: int, *, repeat: bool = True) -> Workload:
    """``count`` reviews: those of the file, again and again, each time under other ids; or each once, at most."""
    rows = [orjson.loads(line.value) for line in read_lines(path) if line.key is not None]
    usable = [
        row
        for row in rows
        if row.get("text", "").strip() and row.get("text", "").isascii() and row.get("rating") in (None, 1, 2, 3, 4, 5)
    ]
    lines = []
    for number, row in enumerate(itertools.islice(itertools.cycle(usable) if repeat else usable, count)):
        kept = {name: row[name] for name in ("product_id", "title", "text", "rating") if row.get(name) is not None}
        kept["review_id"] = f"bench-{number}"
        lines.append(Line(row["product_id"].encode(), orjson.dumps(kept)))
    repeated = f" repeated to {count}" if repeat else ""
    return Workload(f"{path.name}, {len(usable)} reviews{repeated}", lines)


def a_product_each(work: Workload) -> Workload:
    """Each review under a product of its own: the partitions, and so the processes, get equal shares."""
    lines = []
    for number, line in enumerate(work.lines):
        review = {**orjson.loads(line.value), "product_id": f"scaling-{number}"}
        lines.append(Line(review["product_id"].encode(), orjson.dumps(review)))
    return Workload(work.source, lines)
