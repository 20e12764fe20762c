"""What the benchmarks compare with runs on the bundled models: transformers, as first programs use it."""

from __future__ import annotations

import pytest

from benchmarks.load.workload import SAMPLE
from benchmarks.probes import encoders
from benchmarks.probes.models_alone import ONE_AT_A_TIME, models_alone


def test_reviews_are_classified_and_summed_up_one_at_a_time() -> None:
    assert models_alone(ONE_AT_A_TIME, SAMPLE, 4, with_summaries=True) > 0


@pytest.mark.parametrize("variant", [encoders.NAIVE, encoders.ARRIVAL])
def test_texts_are_classified_by_the_bundled_model(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "peak_flops", lambda *_: 1e12)  # takes longest, and is not asked for here

    run = encoders.run_variant(variant, encoders.model_texts(SAMPLE, 16))

    assert run.labels.keys() == {0, 4, 8, 12}
    assert run.tokens_per_second > 0


def test_model_of_another_shape_has_none_of_the_bundled_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """They read vectors of the bundled model's width."""
    monkeypatch.setattr(encoders, "peak_flops", lambda *_: 1e12)

    run = encoders.run_variant("CTranslate2 int8", encoders.model_texts(SAMPLE, 2, encoders.BASE), encoders.BASE)

    assert run.labels.keys() == {0, 1}
