"""The arithmetic of the overhead benchmark: rates, checks of outputs, shares of time, and missing frameworks."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.frameworks.installing import FRAMEWORKS, FrameworkMissing, python_of
from benchmarks.frameworks.job import Job
from benchmarks.frameworks.work import enriched_and_alerts, first_difference, noop_scores
from benchmarks.probes import overhead_profile
from benchmarks.probes.overhead import Run, WrongOutput, rate_of
from benchmarks.probes.overhead_profile import part_of, profile_table
from benchmarks.sections.overhead import BARE_FAUST, OURS, Overhead, Variant, table
from stream_app.records import Position, RawRecord

NOW_MS = 1_790_000_000_000


def record(offset: int, text: str = "It works well.") -> RawRecord:
    value = f'{{"product_id": "p", "review_id": "r{offset}", "text": "{text}"}}'.encode()
    return RawRecord("reviews", 0, offset, NOW_MS - 1000, b"p", value)


def output_of(source: RawRecord) -> RawRecord:
    """As the worker publishes it."""
    message = enriched_and_alerts(*source[:6], enriched_topic="out", alerts_topic="alerts", now_ms=NOW_MS)[-1]
    return RawRecord("out", 0, source.offset, NOW_MS, message.key, message.value, message.headers)


def test_records_of_the_first_moment_only_start_the_clock() -> None:
    assert rate_of([2000, 1000, 1000, 1500]) == 2.0


def test_outputs_that_came_at_once_cannot_be_timed() -> None:
    with pytest.raises(WrongOutput, match="too few"):
        rate_of([1000, 1000])


def test_an_eighth_of_the_reviews_is_negative_and_raises_an_alert() -> None:
    negative = [len(text) for text in ("x" * n for n in range(1, 81)) if noop_scores(text).negative > 0.8]
    assert negative == list(range(8, 81, 8))
    topics = [
        message.topic
        for message in enriched_and_alerts(
            *record(0, "x" * 8)[:6], enriched_topic="out", alerts_topic="alerts", now_ms=NOW_MS
        )
    ]
    assert topics == ["alerts", "out"]


def test_outputs_equal_to_the_steps_pass() -> None:
    inputs = [record(0), record(1)]
    outputs = {Position("reviews", 0, one.offset): output_of(one) for one in inputs}

    assert first_difference(inputs, outputs) is None


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({}, "led to nothing"),
        ({Position("reviews", 0, 0): output_of(record(0, "It is well."))}, "not b'"),
        ({Position("reviews", 0, 0): output_of(record(0))._replace(key=b"other")}, "not b'"),
        ({Position("reviews", 0, 0): output_of(record(0))._replace(headers=())}, "led to the headers"),
        ({Position("reviews", 0, 0): output_of(record(0))._replace(value=b"{")}, "led to"),
    ],
)
def test_output_that_is_missing_or_another_is_found(outputs: dict[Position, RawRecord], said: str) -> None:
    difference = first_difference([record(0)], outputs)
    assert difference is not None
    assert said in difference


def test_ratios_are_of_the_medians_and_peers_without_runs_have_none() -> None:
    found = Overhead(
        "mix",
        100,
        (
            Variant(OURS, "all", (Run(10.0, 1.0), Run(30.0, 1.0), Run(20.0, 1.0))),
            Variant(BARE_FAUST, "little", (Run(8.0, 1.0),)),
            Variant("Quix Streams", "steps", (Run(16.0, 1.0),)),
            Variant("aiokafka", "steps", (), missing="uv is not installed here"),
        ),
    )
    assert found.over_bare_faust == 2.5
    assert found.over_frameworks == {"Quix Streams": 1.25}
    written = table(found)
    assert f"| {OURS} | 20 (10 – 30) | 2.50 | 1 | all |" in written
    assert "| aiokafka | – | – | – | uv is not installed here |" in written


def test_parts_of_the_profile_are_files_of_the_package() -> None:
    """A file that moved would be counted as the rest."""
    package = Path(overhead_profile.__file__).parents[2] / "stream_app"
    files = [file for _, file, _ in overhead_profile._PARTS if (package / file.split("/")[0]).is_dir()]
    assert len(files) > 15
    assert [file for file in files if not list(package.glob(f"{file}*"))] == []


def test_framework_states_that_uv_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr("benchmarks.frameworks.installing.shutil.which", lambda *_, **__: None)
    framework = next(one for one in FRAMEWORKS if one.requirements)

    with pytest.raises(FrameworkMissing, match="uv is not installed"):
        python_of(framework)


def test_framework_that_cannot_be_installed_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A uv that only fails stands for a machine without a network."""
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'no route to the index' >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("UV", str(uv))
    framework = next(one for one in FRAMEWORKS if one.requirements)

    with pytest.raises(FrameworkMissing, match="no route to the index"):
        python_of(framework)


def test_peers_are_pinned() -> None:
    assert [one for framework in FRAMEWORKS for one in framework.requirements if "==" not in one] == []


def test_job_survives_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job("127.0.0.1:1", "group", "in", "out", "alerts", 3)
    monkeypatch.setattr("sys.argv", ["framework", job.as_argument()])
    assert Job.from_arguments() == job


@pytest.mark.parametrize(
    ("frames", "part"),
    [
        (["main (a.py:1)", "decode_review (/x/stream_app/contract/reviews.py:27)"], "decode JSON"),
        (["decode_review (/x/contract/reviews.py:30)", "_id (/x/stream_app/contract/reviews.py:79)"], "validate"),
        (["encode_enriched (/x/contract/enriched.py:48)", "to_rfc3339 (/x/contract/times.py:20)"], "encode JSON"),
        (["Enrich.take (/x/roles/enrich/role.py:9)", "mask.<locals>.<genexpr> (/x/steps/privacy.py:46)"], "mask"),
        (
            ["Thread._bootstrap (threading.py:1)", "Batcher.submit.<locals>.<listcomp> (/x/models/batcher.py:3)"],
            "batch",
        ),
        (["thread (12): MainThread", "main (somewhere.py:1)"], "the rest"),
    ],
)
def test_time_belongs_to_the_innermost_frame_that_has_a_part(frames: list[str], part: str) -> None:
    assert part_of(frames) == part


def test_parts_sum_up_to_the_processes_time() -> None:
    stacks = ["main (a.py:1);mask (/x/steps/privacy.py:46) 3", "main (a.py:1);clean (/x/steps/clean.py:46) 1"]

    found = overhead_profile._divided("mix", 1000, {"python": 0.02, "MainThread": 0.02, "rdk:broker1": 0.01}, stacks)

    assert found.parts["mask"] == pytest.approx(30.0)
    assert found.parts["clean"] == pytest.approx(10.0)
    assert found.total_us == pytest.approx(50.0)
    assert profile_table(found).splitlines()[2] == "| mask | 30.0 | 60% |"
    assert profile_table(found).splitlines()[-1] == "| **all of the process** | **50.0** | 100% |"
