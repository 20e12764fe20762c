"""Trains the sentiment classifier: a LoRA adapter on every linear layer of the base encoder, and a head."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, TaskType, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from rich.console import Console
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

from stream_app.models.base_encoder import WHEEL
from stream_app.models.classifier import ADAPTER_WEIGHTS, BUNDLED_NAME, base_classifier, load_classifier
from stream_app.models.device import DeviceChoice
from stream_app.models.transformer import MAX_INPUT_TOKENS, TextTokenizer, padded
from stream_app.ports import TextModel, Tokens
from stream_app.records import LABELS, ModelName, Scores
from stream_app.steps.batch_plan import PaddedRows
from stream_app.training.card import write_card
from stream_app.training.checkpoint import load_state, save_state
from stream_app.training.data import LabelledReview, joined, read_reviews, sentences
from stream_app.training.evaluate import SentimentScores, answers, score_sentiment
from stream_app.training.progress import tracked
from stream_app.training.shapes import LENGTH_STEP, batches_of_few_shapes

_NEUTRAL = LABELS.index("neutral")
_LIMITS = (
    "English only: other languages are flagged, not judged.",
    "Neutral means three stars in the training data, which is noisy: expect most mistakes there.",
    "Irony and comparisons with other products are often misread.",
)


@dataclass(frozen=True, slots=True)
class SentimentTraining:
    """What was trained: the best epoch's scores on the development data, and where its files are."""

    output: Path
    best_epoch: int
    scores: SentimentScores
    title_scores: SentimentScores


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is trained. Lengths and batches in tokens."""

    epochs: int = 5
    patience_epochs: int = 2
    learning_rate: float = 5e-4
    rank: int = 16
    micro_batch_tokens: int = 4096
    max_tokens: int = 128
    warm_up_share: float = 0.06
    title_only_share: float = 0.15
    beginning_only_share: float = 0.15
    seed: int = 1


def train_sentiment(
    *,
    train: Sequence[Path],
    dev: Sequence[Path],
    output: Path,
    checkpoint: Path,
    choice: DeviceChoice,
    recipe: Recipe | None = None,
) -> SentimentTraining:
    """Train on the files ``train``, keep the epoch with the best macro-F1 on ``dev``, write it to ``output``.

    After each epoch the state is written to the file ``checkpoint``; a later call with the same recipe resumes from it.
    The adapter, the head and the model card are all that ``output`` holds; the base encoder comes from its wheel.
    """
    recipe = recipe or Recipe()
    run = _Run(read_reviews(train), read_reviews(dev), choice, recipe)
    if (state := load_state(checkpoint)) is not None:
        run.restore(state)
    best: SentimentTraining | None = None
    console = Console(stderr=True)
    while run.epoch < recipe.epochs and run.epoch - run.best_epoch < recipe.patience_epochs:
        loss = run.train_epoch()
        scores, title_scores = run.evaluate(run.judge())
        console.log(
            f"epoch {run.epoch}/{recipe.epochs}: loss {loss:.3f}, accuracy {scores.accuracy:.4f}, "
            f"macro-F1 {scores.macro_f1:.4f}, calibration error {scores.calibration_error:.3f}, "
            f"titles alone {title_scores.accuracy:.4f}"
        )
        if scores.macro_f1 > run.best_macro_f1:
            run.best_macro_f1, run.best_epoch = scores.macro_f1, run.epoch
            best = SentimentTraining(output, run.epoch, scores, title_scores)
            _write(run.model, output)
            _write_card(output, train, dev, recipe, best)
        save_state(checkpoint, run.state())
    if best is None:  # the best epoch is one before the checkpoint
        scores, title_scores = run.evaluate(load_classifier(str(output), choice))
        best = SentimentTraining(output, run.best_epoch, scores, title_scores)
    return best


class _Run:
    """One training: model, optimizer and data, from epoch to epoch."""

    def __init__(
        self, train: list[LabelledReview], dev: list[LabelledReview], choice: DeviceChoice, recipe: Recipe
    ) -> None:
        torch.manual_seed(recipe.seed)
        self._recipe = recipe
        self._choice = choice
        self._dev = dev
        self._three_sided = [review for review in train if review.neutral_possible]
        self._two_sided = [review for review in train if not review.neutral_possible]
        model, self._tokenizer = base_classifier()
        self.model = get_peft_model(model, _lora(recipe)).to(choice.device)
        self._optimizer = torch.optim.AdamW(self._trainable(), lr=recipe.learning_rate, weight_decay=0.01)
        self._seen = 0
        self.epoch = self.best_epoch = 0
        self.best_macro_f1 = 0.0

    def train_epoch(self) -> float:
        """One pass over the three-sided reviews and as many of the two-sided; returns the mean loss."""
        self.epoch += 1
        torch.manual_seed(1_000 * self._recipe.seed + self.epoch)
        rng = random.Random(f"{self._recipe.seed} {self.epoch}")
        reviews = self._sample()
        rng.shuffle(reviews)
        examples = TextTokenizer(self._tokenizer, self._recipe.max_tokens)(
            [_view(one, self._recipe, rng) for one in reviews]
        )
        runs = batches_of_few_shapes([one.length for one in examples], self._recipe.micro_batch_tokens, rng)
        self.model.train()
        losses = []
        for run in tracked(runs, f"epoch {self.epoch}", len(runs)):
            self._set_learning_rate()
            ids, mask = padded(
                [examples[index] for index in run], self._tokenizer.pad_token_id, self._choice, LENGTH_STEP
            )
            with _autocast(self._choice):
                logits = self.model(input_ids=ids, attention_mask=mask).logits
            loss = _loss(logits.float(), [reviews[index] for index in run])
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._trainable(), 1.0)
            self._optimizer.step()
            self._optimizer.zero_grad()
            self._seen += len(run)
            losses.append(float(loss.detach()))
        return sum(losses) / len(losses)

    def judge(self) -> TextModel[Scores]:
        """The model as it is now."""
        self.model.eval()
        return _Checker(self.model, self._tokenizer, self._choice)

    def evaluate(self, judge: TextModel[Scores]) -> tuple[SentimentScores, SentimentScores]:
        """Scores on the development data: whole reviews, and titles alone."""
        titled = [review for review in self._dev if review.title]
        whole = list(answers(judge, [review.model_text for review in self._dev]))
        titles = list(answers(judge, [review.title for review in titled]))
        return score_sentiment(self._dev, whole), score_sentiment(titled, titles)

    def state(self) -> dict[str, Any]:
        return {
            "adapter": get_peft_model_state_dict(self.model),
            "optimizer": self._optimizer.state_dict(),
            "numbers": (self.epoch, self.best_epoch, self.best_macro_f1, self._seen),
        }

    def restore(self, state: dict[str, Any]) -> None:
        set_peft_model_state_dict(self.model, state["adapter"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.best_epoch, self.best_macro_f1, self._seen = state["numbers"]

    def _trainable(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def _sample(self) -> list[LabelledReview]:
        """This epoch's reviews: each epoch takes the next part of the two-sided ones."""
        if not self._three_sided:
            return list(self._two_sided)
        if not self._two_sided:
            return list(self._three_sided)
        count = len(self._three_sided)
        shuffled = random.Random(self._recipe.seed).sample(self._two_sided, len(self._two_sided))
        start = (self.epoch - 1) * count
        return self._three_sided + [shuffled[index % len(shuffled)] for index in range(start, start + count)]

    def _set_learning_rate(self) -> None:
        """Linear warm-up, then linear decay to zero at the last epoch's end."""
        total = len(self._sample_sizes()) * self._recipe.epochs
        share = self._seen / total
        warm_up = self._recipe.warm_up_share
        factor = min((share + 1e-3) / warm_up, (1 - share) / (1 - warm_up)) if share < 1 else 0.0
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.learning_rate * max(0.0, min(1.0, factor))

    def _sample_sizes(self) -> range:
        if self._three_sided and self._two_sided:
            return range(2 * len(self._three_sided))
        return range(len(self._three_sided) or len(self._two_sided))


class _Checker:
    """ports.TextModel[Scores] over the model in training, for evaluating it."""

    name = ModelName(BUNDLED_NAME, "in training")
    languages = None
    plan = PaddedRows()

    def __init__(self, model: Any, tokenizer: Any, choice: DeviceChoice) -> None:
        self._model, self._tokenizer, self._choice = model, tokenizer, choice
        self._tokenize = TextTokenizer(tokenizer, MAX_INPUT_TOKENS)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        return self._tokenize(texts)

    def run(self, batch: Sequence[Tokens]) -> list[Scores]:
        ids, mask = padded(batch, self._tokenizer.pad_token_id, self._choice)
        with torch.inference_mode(), _autocast(self._choice):
            rows = self._model(input_ids=ids, attention_mask=mask).logits.float().softmax(dim=-1).tolist()
        return [Scores(row[0], row[1], row[2], tokens.truncated) for row, tokens in zip(rows, batch, strict=True)]

    def canary(self) -> bool:
        return True


def _autocast(choice: DeviceChoice) -> torch.autocast:
    return torch.autocast(choice.device, torch.bfloat16, enabled=choice.precision == "bf16")


def _lora(recipe: Recipe) -> LoraConfig:
    return LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        lora_dropout=0.0,  # on a CPU it costs a quarter of the time
        target_modules=["query", "key", "value", "dense"],
        modules_to_save=["classifier"],
    )


def _view(review: LabelledReview, recipe: Recipe, rng: random.Random) -> str:
    """The whole review, or its title alone, or its first sentence: short reviews must work too."""
    drawn = rng.random()
    if drawn < recipe.title_only_share and len(review.title.split()) >= 2:
        return review.title
    if drawn > 1 - recipe.beginning_only_share:
        return joined(review.title, (sentences(review.text) or [""])[0])
    return review.model_text


def _loss(logits: torch.Tensor, reviews: Sequence[LabelledReview]) -> torch.Tensor:
    """Cross entropy; where a file knows no neutral reviews, the answer "neutral" is neither right nor wrong."""
    labels = torch.tensor([LABELS.index(review.label) for review in reviews], device=logits.device)
    two_sided = torch.tensor([not review.neutral_possible for review in reviews], device=logits.device)
    logits = logits.clone()
    logits[two_sided, _NEUTRAL] = float("-inf")
    return cross_entropy(logits, labels)


def _write(model: Any, output: Path) -> None:
    """Adapter and head as peft reads them, half precision: a few megabytes."""
    output.mkdir(parents=True, exist_ok=True)
    config = model.peft_config["default"]
    config.base_model_name_or_path = WHEEL  # not where this machine has it
    config.save_pretrained(str(output))
    weights = {
        name: value.detach().cpu().half().contiguous() for name, value in get_peft_model_state_dict(model).items()
    }
    save_file(weights, str(output / ADAPTER_WEIGHTS))


def _write_card(
    output: Path, train: Sequence[Path], dev: Sequence[Path], recipe: Recipe, result: SentimentTraining
) -> None:
    write_card(
        output,
        title="Sentiment of product reviews: negative, neutral, positive",
        purpose="A LoRA adapter and a head for the encoder all-MiniLM-L6-v2, for English product reviews.",
        limits=_LIMITS,
        train=train,
        dev=dev,
        recipe=asdict(recipe),
        scores={"whole_reviews": asdict(result.scores), "titles_alone": asdict(result.title_scores)},
    )
