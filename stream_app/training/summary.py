"""Trains the small T5 that sums a review up: its own tokenizer, a warm-up on the reviews' sentences, then titles."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from stream_app.models.device import DeviceChoice
from stream_app.models.summarizer import Summarizer, TorchGenerator
from stream_app.models.transformer import TextTokenizer, padded
from stream_app.records import ModelName
from stream_app.steps.summary_text import content_words
from stream_app.training.card import write_card
from stream_app.training.checkpoint import load_state, save_state
from stream_app.training.data import LabelledReview, read_reviews, sentences
from stream_app.training.evaluate import SummaryScores, answers, score_summaries
from stream_app.training.progress import tracked
from stream_app.training.rows import Columns
from stream_app.training.shapes import LENGTH_STEP, batches_of_few_shapes

_WORD = re.compile(r"[a-z0-9']+")
_LIMITS = (
    "English only; trained from scratch on a few thousand titles: a first version.",
    "It makes words up at times. What it says is used only where the review bears it out, else the best sentence is.",
    "The scores are taken on development reviews whose title mostly stands in the text, as in training.",
)
_IGNORED = -100  # the label that cross entropy leaves out


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is trained. Lengths and batches in tokens."""

    vocabulary: int = 8000
    width: int = 256
    encoder_layers: int = 4
    decoder_layers: int = 2
    warm_up_epochs: int = 1
    epochs: int = 4
    learning_rate: float = 1e-3
    micro_batch_tokens: int = 1024
    max_tokens: int = 80
    max_title_words: int = 10
    min_overlap: float = 0.5
    seed: int = 1


@dataclass(frozen=True, slots=True)
class SummaryTraining:
    """What was trained: its scores on the development titles, and where its files are."""

    output: Path
    pairs: int
    scores: SummaryScores


def train_summary(
    *,
    train: Sequence[Path],
    dev: Sequence[Path],
    output: Path,
    checkpoint: Path,
    choice: DeviceChoice,
    recipe: Recipe | None = None,
    columns: Columns | None = None,
) -> SummaryTraining:
    """Train on the titled reviews of ``train``; write model, tokenizer and card to ``output`` after each epoch.

    After each epoch the state is written to the file ``checkpoint``; a later call with the same recipe resumes from it.
    Only titles whose content words mostly stand in the review are learned: others would teach it to invent.
    """
    recipe = recipe or Recipe()
    console = Console(stderr=True)
    reviews, dev_reviews = read_reviews(train, columns), read_reviews(dev, columns)
    state = load_state(checkpoint)
    if state is None:
        tokenizer = train_tokenizer((f"{one.title} {one.text}" for one in reviews), recipe)
    else:  # a new one might number its pieces differently
        tokenizer = _with_special_tokens(Tokenizer.from_str(state["tokenizer"]))
    run = _Run(reviews, tokenizer, choice, recipe)
    if state is not None:
        run.restore(state)
    result: SummaryTraining | None = None
    while run.epoch < run.last_epoch or result is None:
        loss = run.train_epoch() if run.epoch < run.last_epoch else float("nan")
        save_state(checkpoint, run.state())
        scores = evaluate_titles(run.model, tokenizer, choice, dev_reviews, recipe)
        console.log(f"epoch {run.epoch}/{run.last_epoch}: loss {loss:.3f}, {scores}")
        result = SummaryTraining(output, len(run.pairs), scores)
        _write(run.model, tokenizer, output)
        write_card(
            output,
            title="A small T5 that sums a review up",
            purpose=f"Writes one line about an English product review. Learned from {len(run.pairs):,} titles.",
            limits=_LIMITS,
            train=train,
            dev=dev,
            recipe=asdict(recipe),
            scores=asdict(scores),
        )
    return result


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
    return _with_special_tokens(tokenizer)


def _with_special_tokens(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )


def evaluate_titles(
    model: Any, tokenizer: Any, choice: DeviceChoice, reviews: Sequence[LabelledReview], recipe: Recipe, most: int = 300
) -> SummaryScores:
    """Scores of the model's summaries against the titles that it should have learned, on at most ``most`` reviews."""
    model.eval()
    pairs = learnable(reviews, recipe)[:most]
    judged = Summarizer(
        TorchGenerator(copy.deepcopy(model).float(), choice, beams=1),
        tokenizer,
        name=ModelName("in training", ""),
        languages=None,
        prompt="",
    )
    texts = [text for text, _ in pairs]
    return score_summaries(texts, list(answers(judged, texts)), [title for _, title in pairs])


def learnable(reviews: Sequence[LabelledReview], recipe: Recipe) -> list[tuple[str, str]]:
    """(text, title) where the title is short and its content words mostly stand in the text."""
    pairs = []
    for review in reviews:
        words = [word for word in _WORD.findall(review.title.lower()) if len(word) > 2]
        if not words or len(review.title.split()) > recipe.max_title_words or len(review.text.split()) < 12:
            continue
        text = review.text.lower()
        if sum(word[:5] in text for word in words) >= recipe.min_overlap * len(words):
            pairs.append((review.text, review.title.strip(" .")))
    return pairs


class _Run:
    """One training: model, optimizer and data, from epoch to epoch."""

    def __init__(
        self, reviews: list[LabelledReview], tokenizer: PreTrainedTokenizerFast, choice: DeviceChoice, recipe: Recipe
    ) -> None:
        torch.manual_seed(recipe.seed)
        self._recipe, self._choice, self._tokenizer = recipe, choice, tokenizer
        self._reviews = reviews
        self.pairs = learnable(reviews, recipe)
        self.model = T5ForConditionalGeneration(_config(recipe, tokenizer)).to(choice.device)
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=recipe.learning_rate, weight_decay=0.01)
        self.epoch = 0
        self.last_epoch = recipe.warm_up_epochs + recipe.epochs
        self._seen = 0
        self._total = recipe.warm_up_epochs * len(reviews) + recipe.epochs * len(self.pairs)

    def train_epoch(self) -> float:
        """One pass; returns the mean loss per target token."""
        self.epoch += 1
        torch.manual_seed(1_000 * self._recipe.seed + self.epoch)
        rng = random.Random(f"{self._recipe.seed} {self.epoch}")
        warming_up = self.epoch <= self._recipe.warm_up_epochs
        pairs = [_key_sentence(one, rng) for one in self._reviews] if warming_up else list(self.pairs)
        rng.shuffle(pairs)
        inputs = TextTokenizer(self._tokenizer, self._recipe.max_tokens)([text for text, _ in pairs])
        targets = TextTokenizer(self._tokenizer, 48)([target for _, target in pairs])
        self.model.train()
        losses = []
        runs = batches_of_few_shapes([one.length for one in inputs], self._recipe.micro_batch_tokens, rng)
        for run in tracked(runs, f"epoch {self.epoch}", len(runs)):
            self._set_learning_rate()
            ids, mask = padded(
                [inputs[index] for index in run], self._tokenizer.pad_token_id, self._choice, LENGTH_STEP
            )
            labels, there = padded([targets[index] for index in run], 0, self._choice, LENGTH_STEP)
            labels = labels.masked_fill(there == 0, _IGNORED)
            with torch.autocast(self._choice.device, torch.bfloat16, enabled=self._choice.precision == "bf16"):
                loss = self.model(input_ids=ids, attention_mask=mask, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self._optimizer.step()
            self._optimizer.zero_grad()
            self._seen += len(run)
            losses.append(float(loss.detach()))
        return sum(losses) / len(losses)

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "numbers": (self.epoch, self._seen),
            "tokenizer": self._tokenizer.backend_tokenizer.to_str(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.epoch, self._seen = state["numbers"]

    def _set_learning_rate(self) -> None:
        """Linear warm-up over the first 3 %, then linear decay to zero at the last epoch's end."""
        share = self._seen / max(1, self._total)
        factor = min((share + 1e-3) / 0.03, (1 - share) / 0.97)
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.learning_rate * max(0.0, min(1.0, factor))


def _key_sentence(review: LabelledReview, rng: random.Random) -> tuple[str, str]:
    """A warm-up pair: the review, and the short sentence that shares most words with its title, to be copied."""
    pieces = sentences(review.text)
    short = [one for one in pieces if 3 <= len(one.split()) <= 14] or pieces[:1] or [review.text]
    rng.shuffle(short)
    words = content_words(review.title)
    return review.text, max(short, key=lambda one: len(words & content_words(one)))[:120]


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
        dropout_rate=0.05,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        sums_up_reviews=True,  # how load_summarizer knows that it takes no prompt
    )


def _write(model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Half precision: it is loaded in the precision of the device anyway."""
    output.mkdir(parents=True, exist_ok=True)
    halved = T5ForConditionalGeneration(model.config)
    halved.load_state_dict(model.state_dict())
    halved.half().save_pretrained(str(output), safe_serialization=True)
    tokenizer.save_pretrained(str(output))
