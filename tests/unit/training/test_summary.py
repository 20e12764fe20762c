"""A training writes a T5 with its own tokenizer that the summarizer loads; lines are of the review's sentiment."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import torch
from safetensors.torch import load_file

from stream_app.models.device import DeviceChoice
from stream_app.models.summarizer import find_summarizer, load_summarizer, load_t5
from stream_app.ports import ConfigurationError
from stream_app.records import Scores, SentenceScores
from stream_app.steps.sentences import sentences
from stream_app.testing.models import AnsweringModel
from stream_app.training import summary
from stream_app.training.data import LabelledReview
from stream_app.training.headlines import Headlines
from stream_app.training.summary import SummaryTraining, alignment_loss, train_summary
from stream_app.training.summary_data import (
    Judged,
    Pair,
    PairBatches,
    Recipe,
    part_pairs,
    positions_of,
    whole_pairs,
    with_lines,
)
from tests.unit.training.reviews import rows, write

CPU = DeviceChoice("cpu", "fp32", 1, "for tests")
RECIPE = Recipe(
    vocabulary=200, width=64, encoder_layers=1, decoder_layers=1, epochs=2, micro_batch_tokens=256, min_words=10
)
BAD_WORDS = ("broke", "thin", "leaks")


def scores_of(text: str) -> Scores:
    """As a classifier of sentences would answer: bad words are negative, all else is positive."""
    judged = []
    for span in sentences(text):
        negative = 0.9 if any(word in text[span.start : span.end] for word in BAD_WORDS) else 0.1
        judged.append(SentenceScores(span.start, span.end, (negative, 0.0, 1 - negative), 0.0))
    return Scores(0.5, 0.0, 0.5, sentences=tuple(judged))


def train(folder: Path, name: str, recipe: Recipe = RECIPE) -> SummaryTraining:
    file = write(folder / "reviews.jsonl", rows())
    return train_summary(
        train=[file],
        dev=[file],
        output=folder / name,
        checkpoint=folder / f"{name}.checkpoint",
        choice=CPU,
        classifier=AnsweringModel(scores_of),
        recipe=recipe,
    )


def test_the_written_t5_is_loaded_without_a_prompt_and_reads_labels(tmp_path: Path) -> None:
    trained = train(tmp_path, "model")
    assert trained.pairs == 8  # one is too vague
    output = trained.output
    found = find_summarizer(str(output))
    assert found.reads_label
    summarizer = load_summarizer(str(output), CPU)
    assert summarizer.languages == {"en"}
    [tokens] = summarizer.tokenize(["The lamp broke"])
    text = found.tokenizer.decode(tokens.ids, skip_special_tokens=True)  # type: ignore[attr-defined]
    assert text == "The lamp broke"
    assert len(summarizer.run([tokens, tokens])) == 2
    scores = orjson.loads((output / "card.json").read_bytes())["scores"]
    assert scores["dev_loss"] == trained.dev_loss
    assert scores["outputs"]["count"] == 9


def test_a_written_t5_is_trained_further(tmp_path: Path) -> None:
    first = train(tmp_path, "model")
    model, tokenizer = load_t5(str(first.output))
    file = tmp_path / "reviews.jsonl"
    second = train_summary(
        train=[file],
        dev=[file],
        output=tmp_path / "further",
        checkpoint=tmp_path / "further.checkpoint",
        choice=CPU,
        classifier=AnsweringModel(scores_of),
        start_from=(model, tokenizer),
        recipe=replace(RECIPE, epochs=8),
    )
    assert second.dev_loss < first.dev_loss
    assert find_summarizer(str(second.output)).tokenizer.get_vocab() == tokenizer.get_vocab()


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizers = [summary.train_tokenizer((str(row["text"]) for row in rows()), RECIPE)] * 2  # equal pieces tie anyhow
    monkeypatch.setattr(summary, "train_tokenizer", lambda texts, recipe: tokenizers.pop())
    straight = train(tmp_path, "straight")
    step = summary.SummaryTrainer.training_step
    with monkeypatch.context() as patch:

        def interrupted(self: summary.SummaryTrainer, *arguments: object) -> torch.Tensor:
            if self.state.global_step == 3:
                raise KeyboardInterrupt
            done: torch.Tensor = step(self, *arguments)
            return done

        patch.setattr(summary.SummaryTrainer, "training_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, "interrupted")
    assert (tmp_path / "interrupted.checkpoint" / "checkpoint-3").is_dir()
    train(tmp_path, "interrupted")
    expected, found = (load_file(tmp_path / name / "model.safetensors") for name in ("straight", "interrupted"))
    assert expected.keys() == found.keys()
    for name, weights in expected.items():
        assert found[name].equal(weights), name
    assert straight.output.is_dir()


def test_the_state_of_another_training_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its steps would be taken for those of this one."""
    evaluate = summary.SummaryTrainer.evaluate
    monkeypatch.setattr(summary.SummaryTrainer, "evaluate", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, "model")
    assert (tmp_path / "model" / "model.safetensors").is_file(), "written before it is scored"
    monkeypatch.setattr(summary.SummaryTrainer, "evaluate", evaluate)
    with pytest.raises(ConfigurationError, match="the state of another training"):
        train(tmp_path, "model", replace(RECIPE, epochs=3))
    train(tmp_path, "model")
    assert not (tmp_path / "model.checkpoint").exists()


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_classifier_of_whole_reviews_alone_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "reviews.jsonl", rows())
    with pytest.raises(ConfigurationError, match="judges whole reviews alone"):
        train_summary(
            train=[file],
            dev=[file],
            output=tmp_path / "model",
            checkpoint=tmp_path / "checkpoint",
            choice=CPU,
            classifier=AnsweringModel(lambda text: Scores(0.1, 0.2, 0.7)),
            recipe=RECIPE,
        )


def judged(text: str, label: str = "negative", title: str = "") -> Judged:
    return Judged(LabelledReview(title, text, label, True), scores_of(text))  # type: ignore[arg-type]


def lined(some: Sequence[Judged], alone: Callable[[str], Scores]) -> list[Judged]:
    return with_lines(some, Headlines(one.text for one in some), AnsweringModel(alone), "tests")


def texts_of(pairs: Sequence[Pair]) -> list[str]:
    return [pair.line for pair in pairs]


def test_the_line_is_of_the_sentiment_of_its_review() -> None:
    text = "The colour is bright and warm. The zip broke after two days of use."
    some = [judged(text, "negative"), judged(text, "positive")]
    pairs = whole_pairs(lined(some, scores_of), random.Random(1))
    assert texts_of(pairs) == ["The zip broke after two days of use", "The colour is bright and warm"]


def test_what_is_read_is_what_a_worker_gives_to_the_summarizer() -> None:
    text = "The colour is bright and warm. The zip broke after two days of use."
    pairs = whole_pairs(lined([judged(text), judged(text, "neutral")], scores_of), random.Random(1))
    assert [pair.text for pair in pairs] == ["negative: The zip broke after two days of use.", f"neutral: {text}"]


def test_a_line_has_its_review_s_sentiment_where_it_stands_alone_too() -> None:
    """Of a sentence that complains a clause may praise."""
    text = "The colour was bright and warm in the shop, but it broke on the first day."

    def alone(line: str) -> Scores:
        negative = 0.9 if "broke" in line else 0.1
        return Scores(negative, 0.0, 1 - negative)

    headlines = Headlines([text])
    [first] = whole_pairs(
        [replace(judged(text), line=headlines.line(text, "", "negative", judged(text).read))], random.Random(1)
    )
    assert first.line == "The colour was bright and warm in the shop"
    assert texts_of(whole_pairs(lined([judged(text)], alone), random.Random(1))) == ["It broke on the first day"]
    assert lined([judged(text)], lambda _: Scores(0.1, 0.0, 0.9))[0].line is None


def test_parts_are_sentences_of_their_review_with_a_line_of_theirs() -> None:
    text = "The colour is bright and warm. The zip broke after two days of use. The seam fell apart in the wash."
    pairs = part_pairs([judged(text)] * 20, Headlines([text]), random.Random(1))
    assert 20 <= len(pairs) <= 40  # a part of the other sentiment has none
    for pair in pairs:
        part = pair.text.removeprefix("negative: ")
        assert part in text
        assert pair.line.lower() in part.lower()
    assert len({pair.text.removeprefix("negative: ") for pair in pairs}) >= 3


def test_labels_of_a_batch_are_padded_with_what_the_loss_ignores() -> None:
    tokenizer = summary.train_tokenizer((str(row["text"]) for row in rows()), RECIPE)
    pairs = [Pair("The lamp broke", "Broke"), Pair("The lamp broke again and again", "The lamp broke again")]
    batches = PairBatches([pairs * 30], tokenizer, RECIPE)
    batch = batches[0]
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    assert batch["input_ids"].shape[1] % 32 == 0
    lengths = (batch["labels"] != -100).sum(dim=1)
    assert {int(one) for one in lengths} == {len(tokenizer(pair.line)["input_ids"]) for pair in pairs}
    assert all(row[length - 1] == tokenizer.eos_token_id for row, length in zip(batch["labels"], lengths, strict=True))


def test_the_place_of_each_token_of_a_line_is_found() -> None:
    """Its first token was given a capital; the end stands nowhere."""
    text = [9, 4, 5, 6, 7, 8, 1]
    assert positions_of([50, 6, 7, 1], text) == [2, 3, 4, -100]
    assert positions_of([50, 7, 6, 1], text) == [-100] * 4
    assert positions_of([5, 1], text) == [-100] * 2


def test_alignment_costs_nothing_where_the_right_token_is_looked_at() -> None:
    attention = torch.tensor([[[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]])
    assert float(alignment_loss(attention, torch.tensor([[0, -100, 1]]))) == 0
    assert float(alignment_loss(attention, torch.tensor([[0, 1, -100]]))) == pytest.approx(0.5 * math.log(2))
    assert float(alignment_loss(attention, torch.full((1, 3), -100))) == 0
