"""What reading a changed product costs, in processor time: a full one, with all hours, 16 aspects and 64 reviews.

    python -m benchmarks.probes.summary_reads

The answers of Redis are made up; unpacking them, computing the summary, and its JSON are the product's own. Parts are
measured by themselves, too. All in turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import cast
from unittest.mock import patch

from stream_app import contract
from stream_app.records import Evidence, Label, Mention, Place, Theme, Themes
from stream_app.steps import product_summary
from stream_app.steps.aspects import load_aspects
from stream_app.steps.highlights import highlights_of
from stream_app.store import packing
from stream_app.store.keys import Keys, Namespace
from stream_app.store.reads import SummaryReads
from stream_app.store.server import Server
from stream_app.store.theme_packing import pack_themes

_NOW_MS = 1_700_000_000_000
_DAY = _NOW_MS // 86_400_000
_ROUNDS, _CALLS = 9, 10
_LETTERS = "ABCDEFGHIJKLMNOP"


class _NoServer:
    is_cluster = True
    run = None


def main() -> None:
    """Print microseconds a read."""
    fields, sentences, themes = _product()
    evidence = {one.review_id: one for one in map(packing.unpack_evidence, sentences)}
    packed = fields[b"highlights"]
    reads = SummaryReads(cast(Server, _NoServer()), Keys(Namespace("bench:v1"), 1))
    without = {name: value for name, value in fields.items() if name != b"highlights"}
    summary = reads._keep("p", fields, sentences, _NOW_MS, 0.0)
    assert summary is not None
    assert summary.digest is not None
    assert summary.digest.texts is not None
    print(summary.digest.texts["en"].text)
    print(f"highlights take {len(packed):,} bytes in Redis, the JSON {len(contract.encode_product_summary(summary)):,}")
    rows: dict[str, Callable[[], object]] = {
        "read of a changed product": lambda: reads._keep("p", fields, sentences, _NOW_MS, 0.0),
        "without highlights and digest": lambda: _without_them(reads, without, sentences),
        "of it the highlights": lambda: highlights_of(themes, evidence),
        "JSON": lambda: contract.encode_product_summary(summary),
        "JSON without them": lambda: contract.encode_product_summary(replace(summary, highlights=None, digest=None)),
    }
    took: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(_ROUNDS):  # in turns: the machine is not as fast all the time
        for name, call in rows.items():
            began = time.process_time()
            for _ in range(_CALLS):
                call()
            took[name].append((time.process_time() - began) / _CALLS * 1e6)
    for name, found in took.items():
        print(f"{name:30} {median(found):7.0f} µs ({min(found):.0f} to {max(found):.0f})")


def _without_them(reads: SummaryReads, fields: dict[bytes, bytes], sentences: list[bytes]) -> None:
    with patch.object(product_summary, "digest_of", lambda *_: None):
        reads._keep("p", fields, sentences, _NOW_MS, 0.0)


def _product() -> tuple[dict[bytes, bytes], list[bytes], Themes]:
    aspects = [one.id for one in load_aspects()][:16]
    labels: tuple[Label, Label] = ("negative", "positive")
    tally = "1 0 3 0 1 0 0 0 3 10000"
    of_aspects = "".join(f";{letter} 40 {number} {40 - number}" for number, letter in enumerate(_LETTERS)).encode()
    fields = {
        b"version": b"5000",
        b"totals": b"800 0 2400 0 800 0 0 0 2400 8000000",
        b"newest": str(_NOW_MS).encode(),
        b"arrived": b"3200",
        b"aspect_letters": " ".join(f"{aspect}={one}" for aspect, one in zip(aspects, _LETTERS, strict=True)).encode(),
        b"aspects": of_aspects.replace(b" 40 ", b" 1500 "),
    }
    for day in range(_DAY - 36, _DAY + 1):
        fields[str(day).encode()] = "".join(f";{hour} {tally}" for hour in range(24)).encode()
        fields[f"aspects:{day}".encode()] = of_aspects
    evidence = []
    for number in range(64):
        line = "A sentence of about sixty characters that says one thing. "
        mentions = tuple(
            Mention(60 * at, 60 * at + 58, labels[(number + at) % 2], (aspects[(number + at) % 16],), 60 * at)
            for at in range(4)
        )
        evidence.append(
            Evidence(f"review-{number:06}", 0, _NOW_MS - number, labels[number % 2], 5000, 4, line * 4, "en", mentions)
        )
    themes = Themes(64, _NOW_MS, tuple(_theme(labels[number % 2], aspects[number], evidence) for number in range(10)))
    first, lines = pack_themes(themes)
    packed = "".join(f"{line}\n" for line in (first, *("\t".join(map(str, one)) for one in lines)))
    return fields | {b"highlights": packed.encode()}, [packing.pack_evidence(one) for one in evidence], themes


def _theme(label: Label, aspect: str, evidence: list[Evidence]) -> Theme:
    places = [
        Place(one.review_id, 0, next(mention.begins or 0 for mention in one.mentions if mention.label == label))
        for one in evidence[:32]
    ]
    return Theme(label, aspect, tuple(places))


if __name__ == "__main__":
    main()
