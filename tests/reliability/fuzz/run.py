"""Fuzz the decoders and the steps: nothing may raise, be slow, or violate its schema.

    python -m tests.reliability.fuzz --inputs 1000000 [--seed N] [--processes 2] [--only INDEX]

Prints its seed, the number of inputs by outcome, and the slowest one. Each input follows from the seed and its index
alone, so `--seed N --only INDEX` repeats one. Exit code 1 if an input violated a guarantee; the first of those are
printed.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import random
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from stream_app import contract
from stream_app.records import (
    Alert,
    EnrichedReview,
    ModelName,
    Position,
    ProductSummary,
    RawRecord,
    Rejected,
    Review,
    Scores,
)
from stream_app.steps import alert_rules, assemble, fold, prepare
from tests.reliability.fuzz.inputs import MAX_TEXT_CHARACTERS, made
from tests.schemas import validator

MAX_MILLISECONDS = 50.0  # of processor time, for the largest message
NOW_MS = contract.from_rfc3339("2026-06-01T00:00:00Z")
_CHUNK = 500
_VALIDATED_SHARE = 4  # every fourth message that would be published is validated against its schema
_FAILURES_SHOWN = 10
_MODEL = ModelName("m", "1")
REASONS = frozenset(
    yaml.safe_load((contract.schema_folder() / "asyncapi.yaml").read_text())["components"]["schemas"]["errorHeaders"][
        "properties"
    ]["__connect.errors.exception.class.name"]["enum"]
)


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that violated a guarantee. ``kind``: what failed where; equal for inputs with the same failure."""

    index: int
    kind: str
    detail: str
    value: bytes


@dataclass(slots=True)
class Report:
    """What a run found. ``slowest``: (milliseconds of processor time, index, family, bytes)."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    slowest: tuple[float, int, str, int] = (0.0, 0, "", 0)

    def add(self, other: Report) -> None:
        self.outcomes += other.outcomes
        known = {failure.kind for failure in self.failures}
        self.failures += [failure for failure in other.failures if failure.kind not in known]
        self.slowest = max(self.slowest, other.slowest)


class Broken(Exception):
    """A guarantee that an input violated."""


def fuzz(seed: int, inputs: range, max_milliseconds: float = MAX_MILLISECONDS) -> Report:
    """Runs the inputs with these indices. The garbage collector is off: what it takes is not the input's doing."""
    gc.collect()
    gc.disable()
    try:
        return _fuzz(seed, inputs, max_milliseconds)
    finally:
        gc.enable()


def _fuzz(seed: int, inputs: range, max_milliseconds: float) -> Report:
    report = Report()
    for index in inputs:
        rng = random.Random(f"{seed} {index}")
        family, target, value = made(rng)
        try:
            outcome, messages, milliseconds = _timed(target, value, rng.getrandbits(32), max_milliseconds)
            if index % _VALIDATED_SHARE == 0:
                _demand_valid(messages)
        except Exception as error:  # noqa: BLE001 - whatever it raises is what is looked for
            outcome = "FAILED"
            report.add(Report(failures=[Failure(index, *_described(error), value)]))
        else:
            report.slowest = max(report.slowest, (milliseconds, index, family, len(value)))
        report.outcomes[f"{target}: {outcome}"] += 1
    return report


def _timed(target: str, value: bytes, luck: int, most: float) -> tuple[str, list[tuple[str, bytes]], float]:
    """(outcome, messages, milliseconds). What took too long is run again: the first time may have paid for others."""
    milliseconds = float("inf")
    for _ in range(3):
        began = time.thread_time()
        outcome, messages = run(target, value, luck)
        milliseconds = min(milliseconds, 1000 * (time.thread_time() - began))
        if milliseconds <= most:
            return outcome, messages, milliseconds
    raise Broken(f"slow: {target} took {milliseconds:.0f} ms of processor time")


def _demand_valid(messages: list[tuple[str, bytes]]) -> None:
    for schema, message in messages:
        validator(schema).validate(orjson.loads(message))


def run(target: str, value: bytes, luck: int = 0) -> tuple[str, list[tuple[str, bytes]]]:
    """(outcome of an input, the messages it leads to with their schemas' names). Raises if it violates a guarantee."""
    if target == "product_summary":
        return _product_summary(value)
    record = RawRecord("reviews", 3, 17, NOW_MS - 1000, b"p", value)
    if target == "review":
        decoded: object = contract.decode_review(
            record, now_ms=NOW_MS, max_future_ms=300_000, max_text_characters=MAX_TEXT_CHARACTERS
        )
        if isinstance(decoded, Review):
            return _enriched(record, decoded, luck)
    else:
        decoded = contract.decode_enriched(record) if target == "enriched" else contract.decode_alert(record)
    if isinstance(decoded, EnrichedReview):
        fold.ProductState(decoded.product_id).apply(decoded)
        _demand(contract.decode_enriched(_with(record, contract.encode_enriched(decoded))) == decoded, "read back")
        return "accepted", [("enriched-review.v1", contract.encode_enriched(decoded))]
    if isinstance(decoded, Alert):
        return "accepted", [("alert.v1", contract.encode_alert(decoded))]
    assert isinstance(decoded, Rejected), decoded
    return _rejected(record, decoded), []


def _rejected(record: RawRecord, rejected: Rejected) -> str:
    _demand(rejected.reason in REASONS, f"reason {rejected.reason!r} is not in asyncapi.yaml")
    dead_letter = contract.dead_letter_message("dead", rejected)
    _demand(
        dead_letter.value is record.value and rejected.detail != "", "the dead letter holds the original and says why"
    )
    _demand(len(dead_letter.headers[-1][1].decode()) <= 8192, "the dead letter's detail is short")
    return f"rejected {rejected.reason}"


def _enriched(record: RawRecord, review: Review, luck: int) -> tuple[str, list[tuple[str, bytes]]]:
    """All that `enrich` does with an accepted review, with what models could say of it."""
    position = Position(record.topic, record.partition, record.offset)
    if review.kind == "deleted":
        gone = assemble.deletion(review, enrichment_version=1, now_ms=NOW_MS, position=position)
        return "deleted", [("enriched-review.v1", contract.encode_enriched(gone)), ("review.v1", record.value or b"")]
    languages = None if luck % 4 else frozenset({"en"})
    prepared = prepare.prepare(review, languages)
    if isinstance(prepared, prepare.Unusable):
        return _rejected(record, Rejected(record, prepared.reason, prepared.detail)), []
    negative = (luck >> 8 & 0xFF) / 0xFF
    sentiment = assemble.sentiment_of(Scores(negative, (1 - negative) / 4, 3 * (1 - negative) / 4))
    enriched = assemble.assemble(
        review,
        prepared,
        sentiment=sentiment if prepared.supported else None,
        sentiment_missing=None if prepared.supported else prepare.UNSUPPORTED_LANGUAGE,
        truncated=luck % 2 == 0,
        abstract=prepared.text[:80] if luck % 3 == 0 else "It works well." if luck % 3 == 1 else None,
        with_summary=luck % 8 != 0,
        min_words=8,
        sentiment_model=_MODEL,
        summary_model=_MODEL,
        enrichment_version=1,
        now_ms=NOW_MS,
        position=position,
    )
    value = contract.enriched_message("enriched", enriched).value or b""
    messages = [("enriched-review.v1", value), ("review.v1", record.value or b"")]
    alert = alert_rules.negative_review(
        review,
        prepared,
        sentiment,
        produced_at_ms=record.plausible_timestamp_ms(NOW_MS),
        before=(None, alert_rules.Fired("info", luck % 5 == 0))[luck % 2],
        threshold=0.5,
        max_age_ms=100 * 365 * 86_400_000,
        now_ms=NOW_MS,
    )
    if isinstance(alert, Alert):
        written = contract.alert_message("alerts", alert).value
        _demand(contract.decode_alert(_with(record, written)) == alert, "an alert is read as it was written")
        messages.append(("alert.v1", written or b""))
    _demand(contract.decode_enriched(_with(record, value)) == enriched, "a review is read as it was enriched")
    _demand_sound(enriched)
    fold.ProductState(enriched.product_id).apply(enriched)
    return "enriched", messages


def _demand_sound(enriched: EnrichedReview) -> None:
    text, span = enriched.text or "", enriched.key_sentence
    _demand(text.strip() == text != "", "the text is not empty, nothing blank surrounds it")
    _demand(all(line.isprintable() or not line.isascii() for line in text.split("\n")), "no control characters")
    _demand(span is None or 0 <= span.start < span.end <= len(text), "the key sentence is in the text")
    _demand(enriched.summary is None or enriched.summary.strip() != "", "a summary says something")


def _product_summary(value: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    try:
        summary: ProductSummary = contract.decode_product_summary(value)
    except (KeyError, TypeError, ValueError) as error:  # as its docstring says
        return f"refused {type(error).__name__}", []
    written = contract.encode_product_summary(summary)
    _demand(contract.decode_product_summary(written) == summary, "a summary is read as it was written")
    return "accepted", [("product-summary.v1", written)]


def _with(record: RawRecord, value: bytes | None) -> RawRecord:
    return record._replace(value=value)


def _demand(holds: bool, guarantee: str) -> None:
    if not holds:
        raise Broken(guarantee)


def _described(error: Exception) -> tuple[str, str]:
    """(kind, detail) of a failure: the exception and the innermost place of ours that it passed."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if "stream_app" in one.filename]
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].name}" if frames else "the checks"
    words = str(error).split("\n")[0][:200]
    what = words.split(":")[0] if isinstance(error, Broken) else type(error).__name__
    return f"{what} in {place}", f"{type(error).__name__}: {words}"


def _chunks(seed: int, inputs: int) -> Iterator[tuple[int, range]]:
    for first in range(0, inputs, _CHUNK):
        yield seed, range(first, min(first + _CHUNK, inputs))


def _fuzz_chunk(chunk: tuple[int, range]) -> tuple[int, Report]:
    return len(chunk[1]), fuzz(*chunk)


def run_all(seed: int, inputs: int, processes: int) -> Report:
    """The whole run, with a progress bar."""
    columns = (TextColumn("fuzzing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    report = Report()
    with multiprocessing.Pool(processes) as pool, Progress(*columns, TextColumn("{task.description}")) as progress:
        bar = progress.add_task("", total=inputs)
        for done, found in pool.imap_unordered(_fuzz_chunk, _chunks(seed, inputs)):
            report.add(found)
            failures = f"{len(report.failures)} kinds of failure" if report.failures else ""
            progress.update(bar, advance=done, description=failures)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", type=int, metavar="INDEX", help="one input again, printed")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    if options.only is not None:
        family, target, value = made(random.Random(f"{options.seed} {options.only}"))
        print(f"{family} for {target}, {len(value)} bytes: {value[:2000]!r}")
        report = fuzz(options.seed, range(options.only, options.only + 1))
    else:
        report = run_all(options.seed, options.inputs, options.processes)
    for outcome, count in sorted(report.outcomes.items()):
        print(f"{count:>10,}  {outcome}")
    milliseconds, index, family, size = report.slowest
    print(f"slowest: {milliseconds:.1f} ms of processor time, input {index} ({family}, {size:,} bytes)")
    for failure in report.failures[:_FAILURES_SHOWN]:
        print(f"\n{failure.kind}\n  --seed {options.seed} --only {failure.index}\n  {failure.detail}")
        print(f"  {len(failure.value):,} bytes: {failure.value[:200]!r}")
    if not report.failures:
        print(f"{report.outcomes.total():,} inputs: nothing raised, nothing slow, every message as its schema says")
    return 1 if report.failures else 0
