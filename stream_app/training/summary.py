"""Trains the small T5 that writes a review's line, by transformers' Trainer."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration, Trainer, TrainingArguments
from transformers.optimization import Adafactor

from stream_app.models.device import DeviceChoice
from stream_app.models.summarizer import load_summarizer
from stream_app.ports import ConfigurationError, TextModel
from stream_app.records import Scores
from stream_app.steps.summary_text import word_count
from stream_app.training.card import write_card
from stream_app.training.data import LabelledReview, read_reviews
from stream_app.training.evaluate import answers
from stream_app.training.headlines import Headlines
from stream_app.training.progress import tracked
from stream_app.training.resume import TOKENIZER, digest_of, forget, last_checkpoint
from stream_app.training.rows import Columns
from stream_app.training.summary_data import (
    IGNORED,
    Judged,
    PairBatches,
    Recipe,
    cut,
    part_pairs,
    whole_pairs,
    with_lines,
)
from stream_app.training.summary_report import evaluate_summaries

console = Console(stderr=True)
# how find_summarizer knows that it takes no prompt and reads the review's label
_OWN = {"sums_up_reviews": True, "reads_label": True}
_SCORED = 1000  # development reviews
_LEARNING_RATE, _FURTHER_LEARNING_RATE = 1e-2, 3e-3  # of a new model, and of one that has learned to copy
_LIMITS = (
    "English only; small, and trained on the clauses of a few ten thousand reviews.",
    "It sometimes joins words of a review to what the review does not say. What it writes is used only where the "
    "review bears it out, else the best sentence is.",
)


@dataclass(frozen=True, slots=True)
class SummaryTraining:
    """What was trained, from how many reviews, the loss per token on the development data, and where its files are."""

    output: Path
    pairs: int
    dev_loss: float


def train_summary(
    *,
    train: Sequence[Path],
    dev: Sequence[Path],
    output: Path,
    checkpoint: Path,
    choice: DeviceChoice,
    classifier: TextModel[Scores],
    start_from: tuple[T5ForConditionalGeneration, PreTrainedTokenizerFast] | None = None,
    recipe: Recipe | None = None,
    columns: Columns | None = None,
) -> SummaryTraining:
    """Train on the reviews of ``train``; write the model, and its card with scores on ``dev``, to ``output``.

    ``classifier``: judges the sentences and the lines: one of the review's sentiment is learned (see ``with_lines``).
    ``start_from``: a model with its tokenizer to go on with; None: both are made new. The state is kept in the folder
    ``checkpoint``; a later call with the same arguments resumes from it.
    """
    recipe = recipe or Recipe()
    reviews, dev_reviews = read_reviews(train, columns), read_reviews(dev, columns)
    judged = judge(reviews, classifier, recipe.min_words, "training data")
    dev_judged = judge(dev_reviews, classifier, recipe.min_words, "development data")
    headlines = Headlines(one.text for one in judged)
    judged = with_lines(judged, headlines, classifier, "training data")
    dev_judged = with_lines(dev_judged, headlines, classifier, "development data")
    default_rate = _LEARNING_RATE if start_from is None else _FURTHER_LEARNING_RATE
    return _train(
        judged,
        dev_judged,
        headlines,
        classifier=classifier,
        files=(train, dev),
        output=output,
        checkpoint=checkpoint,
        choice=choice,
        start_from=start_from,
        recipe=replace(recipe, learning_rate=recipe.learning_rate or default_rate),
    )


def judge(reviews: Sequence[LabelledReview], classifier: TextModel[Scores], min_words: int, name: str) -> list[Judged]:
    """The reviews of at least ``min_words`` words, with their sentences judged.

    Raises ConfigurationError for a classifier that judges no sentences.
    """
    long_enough = [one for one in reviews if word_count(one.text) >= min_words]
    texts = [cut(one.text) for one in long_enough]
    scores = list(tracked(answers(classifier, texts), f"sentences of the {name}", len(texts)))
    if scores and not any(one.sentences for one in scores):
        raise ConfigurationError(
            f"The classifier {classifier.name.name} judges whole reviews alone. Name one that judges sentences: "
            "--classifier bundled."
        )
    return [Judged(review, of_it) for review, of_it in zip(long_enough, scores, strict=True)]


def _train(
    train: Sequence[Judged],
    dev: Sequence[Judged],
    headlines: Headlines,
    *,
    classifier: TextModel[Scores],
    files: tuple[Sequence[Path], Sequence[Path]],
    output: Path,
    checkpoint: Path,
    choice: DeviceChoice,
    start_from: tuple[T5ForConditionalGeneration, PreTrainedTokenizerFast] | None,
    recipe: Recipe,
) -> SummaryTraining:
    """``train_summary`` of reviews whose sentences and lines are judged; ``files``: for the card."""
    data = [[(one.review.text, one.review.label, one.read, one.line) for one in part] for part in (train, dev)]
    options = (recipe, choice.precision, *data)
    last = last_checkpoint(checkpoint, digest_of(options, (), [start_from[0] if start_from else None]))
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    if start_from is None:
        tokenizer = _tokenizer(train, recipe, checkpoint / TOKENIZER)
        model = T5ForConditionalGeneration(_config(recipe, tokenizer))
    else:
        model, tokenizer = start_from
        model.config.update(_OWN)
    for part in (model, model.encoder, model.decoder):
        part.set_attn_implementation("eager")  # the others do not tell where they look
    parts = [part_pairs(train, headlines, rng) for _ in range(recipe.part_epochs)]
    wholes = [whole_pairs(train, rng) for _ in range(recipe.epochs)]
    dev_pairs = whole_pairs(dev, rng)
    if not wholes or not wholes[0] or not dev_pairs:
        raise ConfigurationError(
            f"No review yields a line: {recipe.min_words} words are needed, of which a clause speaks of the product."
        )
    batches = PairBatches([*parts, *wholes], tokenizer, recipe)
    trainer = SummaryTrainer(
        model=model.to(choice.device),
        args=_arguments(recipe, checkpoint, choice, batches),
        train_dataset=batches,
        eval_dataset=PairBatches([dev_pairs], tokenizer, recipe),
        data_collator=_only,
    )
    trainer.alignment_share = recipe.alignment_share
    trainer.train(resume_from_checkpoint=last)
    _write(trainer.model, tokenizer, output)
    dev_loss = float(trainer.evaluate()["eval_loss"])
    console.log(f"loss per token on the development data: {dev_loss:.3f}")
    scores = dev_scores(output, [one.review for one in dev[:_SCORED]], classifier, choice)
    write_card(
        output,
        title="A small T5 that writes a review's line",
        purpose=f"Writes one line about an English product review. Learned from {len(wholes[0]):,} reviews.",
        limits=_LIMITS,
        train=files[0],
        dev=files[1],
        recipe=asdict(recipe),
        scores={"dev_loss": dev_loss, **scores},
    )
    forget(checkpoint)
    return SummaryTraining(output, len(wholes[0]), dev_loss)


def dev_scores(
    folder: Path, reviews: Sequence[LabelledReview], classifier: TextModel[Scores], choice: DeviceChoice
) -> dict[str, Any]:
    """What `evaluate summary` says of the model in ``folder``."""
    summarizer = load_summarizer(str(folder), replace(choice, precision="fp32", backend="torch"))
    report = evaluate_summaries(summarizer, reviews, classifier, reads_label=True)
    for of in (report["outputs"], report["used"]):
        del of["commonest"]
    return report


class SummaryTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer over batches that are planned in order, with guided alignment.

    One head of the last decoder layer learns to look at the token of the review that is written next (Chen et al.
    2016). The optimizer is T5's own, whose steps are shares of a parameter's size: T5 begins with embeddings of size 1
    and queries of size 0.01, and AdamW, whose steps are as large for both, did not teach it to copy (decision 28).
    """

    alignment_share = 0.0

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Adafactor (Shazeer and Stern 2018) with steps relative to each parameter."""
        optimizer: torch.optim.Optimizer = Adafactor(
            self.model.parameters(), lr=self.args.learning_rate, scale_parameter=True, relative_step=False
        )
        self.optimizer = optimizer
        return optimizer

    def compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], return_outputs: bool = False, **_: Any) -> Any:
        positions = inputs.pop("positions")
        out = model(**inputs, output_attentions=model.training)
        loss = out.loss
        if model.training:
            loss = loss + self.alignment_share * alignment_loss(out.cross_attentions[-1][:, 0], positions)
        return (loss, out) if return_outputs else loss

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        assert isinstance(self.train_dataset, PairBatches)
        return torch.utils.data.SequentialSampler(self.train_dataset)


def alignment_loss(attention: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Mean of -log of how much is looked at the right token.

    ``attention``: [texts, tokens of the lines, tokens], rows sum to 1. ``positions``: [texts, tokens of the lines],
    IGNORED where none is right.
    """
    known = positions != IGNORED
    if not known.any():
        return attention.new_zeros(())
    seen = attention.gather(2, positions.clamp(min=0).unsqueeze(2)).squeeze(2)
    return -seen[known].clamp(min=1e-6).log().mean()


def train_tokenizer(texts: Iterator[str], recipe: Recipe) -> PreTrainedTokenizerFast:
    """A unigram tokenizer as T5's own (Kudo, 2018), with T5's special tokens."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" {2,}", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Digits(True)])
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=recipe.vocabulary, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )


def _tokenizer(train: Sequence[Judged], recipe: Recipe, folder: Path) -> PreTrainedTokenizerFast:
    """A new tokenizer, kept in ``folder`` for a training that resumes: another one might number its pieces differently.

    A folder that an interruption left incomplete is written again.
    """
    done = folder / "tokenizer.json"
    if not done.is_file():
        unfinished = folder.with_name("tokenizer.unfinished")
        train_tokenizer((one.text for one in train), recipe).save_pretrained(str(unfinished))
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(str(folder))
    return tokenizer


def _arguments(recipe: Recipe, checkpoint: Path, choice: DeviceChoice, batches: PairBatches) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(checkpoint),
        num_train_epochs=1,  # all of them are planned
        per_device_train_batch_size=1,  # an item of the data is a batch
        per_device_eval_batch_size=1,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=max(1, int(len(batches) * recipe.warm_up_share)),
        max_grad_norm=1.0,
        bf16=choice.precision == "bf16",
        use_cpu=choice.device == "cpu",
        seed=recipe.seed,
        eval_strategy="no",
        save_strategy="steps",
        save_steps=max(1, len(batches) // 20),
        save_total_limit=1,
        logging_steps=max(1, min(100, len(batches) // 20)),
        report_to="none",
        remove_unused_columns=False,
        prediction_loss_only=True,
        dataloader_pin_memory=False,
        disable_tqdm=not console.is_terminal,
    )


def _only(items: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    [batch] = items
    return batch


def _config(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> T5Config:
    return T5Config(
        vocab_size=len(tokenizer),
        d_model=recipe.width,
        d_kv=64,
        d_ff=3 * recipe.width,
        num_heads=recipe.width // 64,
        num_layers=recipe.encoder_layers,
        num_decoder_layers=recipe.decoder_layers,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,  # each epoch has other pairs; its random numbers took a third of a step on a CPU
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        **_OWN,
    )


def _write(model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Half precision: it is loaded in the precision of the device anyway."""
    output.mkdir(parents=True, exist_ok=True)
    halved = T5ForConditionalGeneration(model.config)
    halved.load_state_dict(model.state_dict())
    halved.half().save_pretrained(str(output), safe_serialization=True)
    tokenizer.save_pretrained(str(output))
