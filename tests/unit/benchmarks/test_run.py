"""The benchmark's bookkeeping: what a run writes, what it keeps, what it refuses to mix."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from benchmarks import results_file
from benchmarks.probes.encoders import ARRIVAL, BF16, NAIVE, SORTED, EncoderRun
from benchmarks.probes.peak import flops_of
from benchmarks.probes.summaries import BATCHES, BUNDLED, INT8, SummaryRun
from benchmarks.results_file import write
from benchmarks.sections import end_to_end
from benchmarks.sections.encoders import EncoderResult
from benchmarks.sections.section import Measured
from benchmarks.sections.summaries import SummaryResult

FOUND = Measured("some text", {"padding_share": 0.0123456}, {"naive": [1.0, 2.0], "ours": [3.0]})


def test_section_is_written_for_people_and_for_programs(tmp_path: Path) -> None:
    write("encoders", FOUND, "a mix", 1.0, tmp_path)

    results = orjson.loads((tmp_path / "results.json").read_bytes())
    assert results["padding_share"] == 0.0123
    assert results["sections"]["encoders"]["bars"] == FOUND.bars
    assert "some text" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "results.png").stat().st_size > 1000


def test_section_replaces_its_older_self_and_leaves_the_others(tmp_path: Path) -> None:
    write("look-ups", Measured("fast", {"look_up_p99_ms": 2.0}, {}), "a mix", 1.0, tmp_path)
    write("encoders", FOUND, "a mix", 1.0, tmp_path)
    write("look-ups", Measured("slow", {"look_up_p99_ms": 9.0}, {}), "a mix", 1.0, tmp_path)

    results = orjson.loads((tmp_path / "results.json").read_bytes())
    assert (results["padding_share"], results["look_up_p99_ms"]) == (0.0123, 9.0)
    assert list(results["sections"]) == ["encoders", "look-ups"], "in the order in which they are measured"


def test_numbers_of_another_machine_are_not_kept_beside_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_file, "processor", lambda: "another")
    write("look-ups", Measured("fast", {"look_up_p99_ms": 2.0}, {}), "a mix", 1.0, tmp_path)
    monkeypatch.undo()
    write("encoders", FOUND, "a mix", 1.0, tmp_path)

    assert list(orjson.loads((tmp_path / "results.json").read_bytes())["sections"]) == ["encoders"]


def encoder_run(variant: str, seconds: float, labels: dict[int, int], computed: int = 100) -> EncoderRun:
    return EncoderRun(variant, 10, seconds, 100, computed, 5e9, 1e10, labels)


def test_rates_are_of_the_whole_mix_and_labels_are_compared_where_both_were_asked() -> None:
    """The naive variants are timed on some of the texts: what can be compared is tokens per second."""
    result = EncoderResult(
        20.0,
        {
            NAIVE: [encoder_run(NAIVE, 2.0, {0: 1, 4: 2})],
            ARRIVAL: [encoder_run(ARRIVAL, 4.0, {0: 1, 4: 2}, computed=400)],
            SORTED: [encoder_run(SORTED, 1.0, {0: 1, 1: 1, 4: 1})],
        },
        SORTED,
        "",
    )
    assert result.rates(NAIVE) == [2.5]
    assert result.same_labels(SORTED) == pytest.approx(2 / 3)
    assert result.runs[NAIVE][0].share_of_peak == pytest.approx(0.25)
    assert result.runs[ARRIVAL][0].padding_share == 0.75


def test_fastest_in_fp32_is_ours_and_of_that_precision() -> None:
    seconds = {NAIVE: 0.1, ARRIVAL: 0.2, SORTED: 0.3, "packed, torch fp32": 2.0, BF16: 1.0}
    result = EncoderResult(
        20.0, {variant: [encoder_run(variant, took, {})] for variant, took in seconds.items()}, BF16, ""
    )
    assert result.exact == "packed, torch fp32"
    assert result.share_of_peak(result.exact) == pytest.approx(0.25)


def test_operations_of_an_encoder_are_counted_as_its_matrices_say() -> None:
    class Config:
        hidden_size, intermediate_size, num_hidden_layers = 2, 4, 3

    # a layer and token: 2 * (4 * 4 of the four projections + 2 * 2 * 4 of the two wide ones + 2 * 5 * 2 of attention)
    assert flops_of(Config, [5]) == 3 * 5 * 2 * (16 + 16 + 20)


def test_summaries_are_compared_word_for_word() -> None:
    runs = {BATCHES: [SummaryRun(4, 2.0, ["a", "b"])], INT8: [SummaryRun(4, 0.5, ["a", "c", "d", "e"])]}
    result = SummaryResult({BUNDLED: runs})

    assert result.over_generate(BUNDLED, INT8) == 4.0
    assert result.same_text(INT8) == 0.5


def test_processor_time_has_a_row_per_process_and_says_what_it_takes_at_rest_where_that_was_measured() -> None:
    spent = {
        "BERT": {"enrich": 13_511.4, "the benchmark": 12.0},
        "BERT and T5": {"enrich": 23_932.0, "the benchmark": 33},
    }
    at_rest = {"BERT": {"enrich": 50.0}, "BERT and T5": {"enrich": 85.0}}

    assert end_to_end._processor_time(spent, at_rest)[2:] == [
        "| enrich | 13,511 (50) | 23,932 (85) |",
        "| the benchmark | 12 | 33 |",
    ]
