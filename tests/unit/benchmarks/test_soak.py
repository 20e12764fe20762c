"""The soak's verdict fails for each kind of growth and loss that it exists to see, and for nothing else."""

from __future__ import annotations

import itertools
import os
import re
import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from benchmarks.load.workload import SAMPLE
from benchmarks.soak import checker, feed, samples
from benchmarks.soak.checker import Verdict, check, quarters, theil_sen
from benchmarks.soak.report import append, plot, table
from benchmarks.soak.samples import Ending, ProcessSample, Sample, ViewSample
from benchmarks.soak.sampling import look_at
from benchmarks.soak.traffic import Traffic
from stream_app import contract
from stream_app.commands.review_files import Line
from stream_app.records import RawRecord, Rejected
from stream_app.settings import Settings

ROOT = Path(__file__).parents[3]
FLAT = ProcessSample(pid=7, rss_bytes=400_000_000, unique_bytes=300_000_000, open_files=20, threads=9)
ENDING = Ending(1000, 950, 50, 950, (), caught_up=True, held_reviews=800, distinct_reviews=800)


def view(reviews: int, *, extra: int = 0, keys: int = 100) -> ViewSample:
    """A view whose memory is as computed, and ``extra`` bytes."""
    counted = ViewSample(0, keys, products=50, reviews_few=0, reviews_many=reviews, sentences=0, alerts=0)
    return replace(counted, bytes=counted.computed_bytes + extra)


def soak(minutes: int = 30, **changes: object) -> list[Sample]:
    """A sample every 10 seconds of `enrich` and Valkey that don't grow, while reviews come in."""
    return [
        Sample(float(at), {"enrich": FLAT, "valkey": FLAT}, {"enrich": 3, "summarize": 40}, view(100 * at))
        for at in range(0, 60 * minutes, 10)
    ]


def _at(seconds: float, values: dict[str, object]) -> dict[str, Any]:
    return {name: value(seconds) if callable(value) else value for name, value in values.items()}


def with_enrich(samples: list[Sample], **values: object) -> list[Sample]:
    """The samples with some of `enrich`'s values replaced: a function of the time, or one value."""
    return [
        replace(
            sample,
            processes={
                **sample.processes,
                "enrich": replace(FLAT, **_at(sample.seconds, values)),
            },
        )
        for sample in samples
    ]


def verdict(samples: list[Sample], *, ending: Ending | None = ENDING, troubles: tuple[str, ...] = ()) -> Verdict:
    return check(samples, warm_up_seconds=300, rate=20, ending=ending, troubles=troubles)


def failures(samples: list[Sample], **options: object) -> list[str]:
    return verdict(samples, **options).failures  # type: ignore[arg-type]


def test_a_soak_in_which_nothing_grows_passes() -> None:
    """A correct soak passes."""
    assert failures(soak()) == []


def test_a_steady_leak_is_seen() -> None:
    """10 % over the time that counts."""
    [failure] = failures(with_enrich(soak(), rss_bytes=lambda at: int(4e8 * (1 + 0.1 * max(0, at - 300) / 1500))))
    assert failure.startswith("enrich grew by ")
    assert float(re.findall(r"([\d.]+)%", failure)[0]) == pytest.approx(10, 0.1)


def test_growth_within_the_limit_passes() -> None:
    """4 % over the time that counts."""
    assert failures(with_enrich(soak(), rss_bytes=lambda at: int(4e8 * (1 + 0.04 * at / 1800)))) == []


def test_a_step_that_stays_is_growth_though_no_line_fits_it() -> None:
    """A step of 8 % in the last third: the medians see it."""
    [failure] = failures(with_enrich(soak(), rss_bytes=lambda at: int(4e8 * (1.08 if at > 1300 else 1))))
    assert "enrich grew by" in failure


def test_growth_in_the_warm_up_does_not_count() -> None:
    """Models, arenas and pools are allowed to fill."""
    assert failures(with_enrich(soak(), rss_bytes=lambda at: int(4e8 * (1 if at >= 300 else 0.5)))) == []


def test_single_outliers_do_not_count() -> None:
    """One sample in ten of twice the memory, as while a large request is answered."""
    assert failures(with_enrich(soak(), rss_bytes=lambda at: int(4e8 * (2 if at % 100 == 50 else 1)))) == []


@pytest.mark.parametrize(("name", "shown", "more"), [("open_files", "open files", 3), ("threads", "threads", 1)])
def test_open_files_or_a_thread_more_that_stay_are_a_leak(name: str, shown: str, more: int) -> None:
    """However slowly it grows, the medians of the quarters differ."""
    [failure] = failures(with_enrich(soak(), **{name: lambda at: 20 + more if at > 1200 else 20}))
    assert failure == f"enrich has {20 + more} {shown}, after the warm-up 20"


def test_second_connection_of_a_pool_is_no_leak() -> None:
    """It is opened when two calls meet for the first time, and kept."""
    assert failures(with_enrich(soak(), open_files=lambda at: 21 if at > 1200 else 20)) == []


def test_a_process_that_was_started_again_fails_the_soak_also_in_the_warm_up() -> None:
    """A restart would hide any leak, so it counts whenever it happens."""
    assert failures(with_enrich(soak(), pid=lambda at: 7 if at < 100 else 8)) == [
        "enrich was started again: processes 7, 8"
    ]


def test_a_process_that_is_gone_fails_the_soak() -> None:
    """It is named with the number of samples that lack it, and the others are still checked."""
    samples = soak()
    samples[100] = replace(samples[100], processes={"valkey": FLAT})
    assert failures(samples) == ["enrich was gone in 1 samples"]


def test_valkey_may_grow_by_what_its_reviews_take_and_no_more() -> None:
    """5 % and the bytes of the data set; the time that counts adds 149,000 reviews of 59 bytes here: 8.8 MB of 400."""

    def grown(share: float) -> list[Sample]:
        return [
            replace(
                s,
                processes={**s.processes, "valkey": replace(FLAT, rss_bytes=int(4e8 * (1 + share * s.seconds / 1800)))},
            )
            for s in soak()
        ]

    assert failures(grown(0.07)) == []
    [failure] = failures(grown(0.12))
    assert failure.startswith("valkey grew by")
    assert "beyond the 2.1% allowed for its data" in failure


def test_api_may_grow_by_the_summaries_that_it_keeps_and_no_more() -> None:
    """In addition to 5 %: 300 products more, 21 KB each, 6.3 MB of 80."""
    api = replace(FLAT, rss_bytes=80_000_000)

    def grown(share: float) -> list[Sample]:
        return [
            replace(
                s,
                processes={**s.processes, "api": replace(api, rss_bytes=int(8e7 * (1 + share * s.seconds / 1800)))},
                view=replace(s.view, products=50 + int(s.seconds / 5)) if s.view else None,
            )
            for s in soak()
        ]

    assert [one for one in failures(grown(0.1)) if one.startswith("api")] == []
    [failure] = [one for one in failures(grown(0.2)) if one.startswith("api")]
    assert "beyond the 9.9% allowed for its data" in failure
    most = [replace(s, view=replace(s.view, products=s.view.products + 4096)) for s in grown(0.1) if s.view]
    assert [one for one in failures(most) if one.startswith("api")], "it keeps no more than 4,096"


def test_redis_that_grows_by_more_than_its_reviews_account_for_fails() -> None:
    """Twice the computed bytes, as when something more is kept for each review."""
    samples = [
        replace(sample, view=view(int(100 * sample.seconds), extra=int(5900 * sample.seconds))) for sample in soak()
    ]
    [failure] = failures(samples)
    assert failure.startswith("Redis grew by")
    assert "+100%" in failure


def test_keys_that_belong_to_no_product_fail() -> None:
    """Keys that are never removed are seen by their number, however small they are."""
    samples = soak()
    samples[-1] = replace(samples[-1], view=view(179_000, keys=10_000))
    assert failures(samples) == ["Redis has 10000 keys; 50 products have at most 390"]


def test_a_role_that_falls_behind_the_feed_fails() -> None:
    """More than a minute of the feed."""
    samples = soak()
    samples[-2] = replace(samples[-2], lag={"enrich": 1201, "summarize": 0})
    assert failures(samples) == ["enrich was 1201 records behind: more than 60 s of the feed"]


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        ({"lost": ("p0@17",)}, "1 lost, the first: p0@17"),
        ({"enriched": 949, "applied": 949}, "1000 published, but 949 enriched and 50 dead letters"),
        ({"applied": 949}, "950 enriched, but 949 applied"),
        ({"held_reviews": 801}, "Redis holds 801 reviews; 800 different ones were sent"),
        ({"caught_up": False}, "the roles did not catch up at the end"),
    ],
)
def test_an_account_that_does_not_close_fails(change: dict[str, object], failure: str) -> None:
    """Nothing lost, nothing applied that was not sent."""
    assert failures(soak(), ending=replace(ENDING, **change)) == [failure]  # type: ignore[arg-type]


def test_a_run_without_an_account_fails() -> None:
    """What could not be checked has not passed."""
    assert failures(soak(), ending=None) == ["the account of the run could not be made"]


def test_what_was_said_of_processes_is_a_failure() -> None:
    """Such as one that had to be killed at the end, after the last sample."""
    assert failures(soak(), troubles=("enrich did not stop within 20 s and was killed.",)) == [
        "enrich did not stop within 20 s and was killed."
    ]


def test_a_soak_too_short_to_check_fails() -> None:
    """Ctrl-C in the warm-up, or soon after it, gives no verdict, and no verdict is no pass."""
    assert failures(soak()[:20]) == ["only 0 samples after the warm-up: at least 8 are needed"]
    assert failures(soak()[:37]) == ["only 7 samples after the warm-up: at least 8 are needed"]


def test_the_line_through_points_is_that_of_the_majority() -> None:
    """A few outliers at one end, which would tilt a mean, change neither slope nor intercept."""
    points = [(float(x), 3.0 * x + 5 + (1e6 if x > 36 else 0)) for x in range(41)]
    slope, intercept = theil_sen(points)
    assert (round(slope, 6), round(intercept, 6)) == (3.0, 5.0)


def test_a_line_needs_two_points() -> None:
    """One moment says nothing of growth."""
    with pytest.raises(ValueError, match="two points"):
        theil_sen([(1.0, 2.0), (1.0, 3.0)])


def test_quarters_are_medians_of_both_ends() -> None:
    """Eight values: the first two and the last two."""
    assert quarters([1, 3, 9, 9, 9, 9, 5, 7]) == (2, 6)


def test_the_bytes_computed_with_are_those_of_the_operations_page() -> None:
    """Who changes what a review takes in Redis changes both."""
    page = (
        (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split("## Memory of Redis")[1].split("\n## ")[0]
    )
    numbers = {int(one.replace(",", "")) for one in re.findall(r"\d[\d,]*\d|\d", page)}
    stated = {
        name: value
        for name, value in (vars(checker) | vars(samples)).items()
        if name.endswith(("_BYTES", "_FEW", "_MANY"))
    }
    assert len(stated) >= 5
    assert {name: value for name, value in stated.items() if value not in numbers} == {}


def test_the_table_names_growth_files_and_threads_of_each_process() -> None:
    """As it goes into soak.md."""
    assert table(verdict(soak()))[2] == "| enrich | 400.0 | 400.0 | +0.0% | +0.0% | 20 → 20 | 9 → 9 |"


def test_results_are_appended_under_one_head(tmp_path: Path) -> None:
    """A second run keeps the first one's section."""
    append("## one\n", tmp_path / "soak.md")
    append("## two\n", tmp_path / "soak.md")
    text = (tmp_path / "soak.md").read_text()
    assert text.count("# Soak\n") == 1
    assert text.index("## one") < text.index("## two")


def test_a_plot_is_drawn_also_of_an_early_end(tmp_path: Path) -> None:
    """Ctrl-C before the first sample leaves a plot without lines, and no error."""
    plot([], 300, tmp_path / "none.png")
    plot(soak(2), 300, tmp_path / "some.png")
    assert (tmp_path / "some.png").stat().st_size > (tmp_path / "none.png").stat().st_size > 0


def test_a_process_is_looked_at_whole() -> None:
    """This one: it has memory, files and at least one thread."""
    look = look_at(psutil.Process())
    assert (look.pid, look.rss_bytes > look.unique_bytes > 0, look.open_files > 0, look.threads > 0) == (
        os.getpid(),
        True,
        True,
        True,
    )


# ---- the traffic


def test_feed_publishes_key_and_value_of_each_review(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of the traffic has a number too, which no producer takes."""
    sent: list[bytes | None] = []
    enough = threading.Event()

    class Producer(nullcontext):  # type: ignore[type-arg]
        def __init__(self, settings: Settings) -> None:
            super().__init__(self)

        def send(self, key: bytes | None, value: bytes | None) -> None:
            sent.append(value)
            if len(sent) == 3:
                enough.set()

    monkeypatch.setattr(feed, "BlockingProducer", Producer)
    state = feed.State()

    with feed.feeding(Settings(_env_file=None), Traffic(SAMPLE, 1), state, 1000):
        assert enough.wait(10), state.troubles

    assert state.troubles == []
    assert state.published == len(sent)


NOW = datetime(2026, 1, 2, tzinfo=UTC)


def decoded(line: Line) -> object:
    ms = int(NOW.timestamp() * 1000)
    record = RawRecord("reviews", 0, 0, ms, line[0], line[1], ())
    return contract.decode_review(record, now_ms=ms, max_future_ms=300_000, max_text_characters=20_000)


def test_the_same_seed_gives_the_same_traffic() -> None:
    """So that a soak can be repeated from the seed it prints."""
    one, other = Traffic(SAMPLE, 5), Traffic(SAMPLE, 5)
    assert [one.next(NOW) for _ in range(300)] == [other.next(NOW) for _ in range(300)]
    assert Traffic(SAMPLE, 6).next(NOW) != Traffic(SAMPLE, 5).next(NOW)


def test_poison_is_rejected_and_everything_else_accepted() -> None:
    """And ``accepted`` is the number of different reviews that the view will hold."""
    traffic, reasons, held = Traffic(SAMPLE, 1), set(), set()
    for _ in range(5000):
        poison = traffic.sent["poison"]
        review = decoded(traffic.next(NOW))
        if isinstance(review, Rejected):
            reasons.add(review.reason)
            assert traffic.sent["poison"] == poison + 1
        else:
            held.add((review.product_id, review.review_id))  # type: ignore[attr-defined]
            assert traffic.sent["poison"] == poison
    assert len(held) == traffic.accepted
    assert len(reasons) >= 10
    assert all(traffic.sent.values())


def test_the_traffic_itself_does_not_grow() -> None:
    """What it remembers is bounded; products and ids go on for ever."""
    traffic = Traffic(SAMPLE, 1)
    ids = [orjson.loads(line.value)["review_id"] for line in itertools.islice(_good(traffic), 6000)]
    assert len(set(ids)) > 4000
    assert len(traffic._sent) == traffic._sent.maxlen
    assert len(traffic._cold) <= (traffic._cold.maxlen or 0)


def _good(traffic: Traffic):  # type: ignore[no-untyped-def]
    while True:
        before = traffic.sent["poison"]
        line = traffic.next(NOW)
        if traffic.sent["poison"] == before:
            yield line
