"""Any T5 is loaded by folder; each text gets one summary, the same alone and in company."""

from __future__ import annotations

from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation.logits_process import NoRepeatNGramLogitsProcessor

from stream_app.models.device import DeviceChoice
from stream_app.models.summarizer import MAX_SUMMARY_TOKENS, NoRepeat, TorchGenerator, load_summarizer

TEXTS = ["the zip broke", "the kettle was good and the lid broke after two days ."]


def test_each_text_gets_its_summary_alone_and_in_company(t5_folder: Path, cpu: DeviceChoice) -> None:
    summarizer = load_summarizer(str(t5_folder), cpu)
    tokens = summarizer.tokenize(TEXTS)
    together = summarizer.run(tokens)
    assert together == [summarizer.run([one])[0] for one in tokens]
    assert all(len(summary.split()) <= MAX_SUMMARY_TOKENS for summary in together)


def test_a_t5_of_others_is_asked_by_its_prompt(t5_folder: Path, cpu: DeviceChoice) -> None:
    summarizer = load_summarizer(str(t5_folder), cpu)
    [tokens] = summarizer.tokenize(["the zip broke"])
    assert tokens.length == len(["summarize", ":", "the", "zip", "broke", "[END]"])
    assert summarizer.languages is None


def test_the_canary_notices_a_device_that_answers_differently(t5_folder: Path, cpu: DeviceChoice) -> None:
    summarizer = load_summarizer(str(t5_folder), cpu)
    assert summarizer.canary()
    assert isinstance(summarizer.generator, TorchGenerator)
    with torch.no_grad():
        for weights in summarizer.generator.model.parameters():
            weights.normal_()
    assert not summarizer.canary()


@given(st.integers(1, 12).flatmap(lambda n: st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=1)))
def test_no_three_tokens_come_twice_as_transformers_sees_to_it(rows: list[list[int]]) -> None:
    """Few tokens to choose from, so that most have come before."""
    ids = torch.tensor(rows)
    scores = torch.randn(len(rows), 4)
    expected = NoRepeatNGramLogitsProcessor(3)(ids, scores.clone())
    torch.testing.assert_close(NoRepeat()(ids, scores), expected, rtol=0.0, atol=0.0)
