"""transformers' Trainer over planned batches, with the classifier's loss, scores and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from rich.console import Console
from transformers import Trainer, TrainerControl, TrainingArguments

from stream_app.models import derived
from stream_app.models.adaptive_temperature import ONE, AdaptiveTemperature
from stream_app.models.device import DeviceChoice
from stream_app.models.multitask import HEADS
from stream_app.models.transformer import MAX_INPUT_TOKENS, TextTokenizer, padded
from stream_app.ports import TextModel, Tokens
from stream_app.records import LABELS, ModelName, Scores
from stream_app.steps.batch_plan import PaddedRows
from stream_app.training.batches import PlannedBatches
from stream_app.training.card import write_card
from stream_app.training.data import LabelledReview
from stream_app.training.evaluate import SentimentScores, answers, probabilities_of, score_sentiment
from stream_app.training.losses import balancing_weights, loss_of
from stream_app.training.sentence_scores import score_sentences
from stream_app.training.sentiment_data import Data, Recipe
from stream_app.training.temperature import fitted_temperature

console = Console(stderr=True)
_NEUTRAL = LABELS.index("neutral")
_NEVER = -100.0  # a logit whose probability rounds to 0 at any temperature
_SURELY_NEVER = -15.0  # what is below it was set, not learned
_LIMITS = (
    "Neutral means three stars in the training data, which is noisy: expect most mistakes there.",
    "Irony and comparisons with other products are often misread.",
)


@dataclass(frozen=True, slots=True)
class SentimentTraining:
    """What was trained: the best epoch's scores on the development data, and where its files are."""

    output: Path
    scores: SentimentScores
    title_scores: SentimentScores | None
    held_out_scores: dict[str, SentimentScores]
    sentence_scores: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Job:
    """What a training reads and where it writes. ``files``: (training, development), for the card.

    ``teacher_tasks``: what it learns of sentences from a teacher. ``temperature``: of the model that it goes on with,
    None of the mean of several.
    """

    data: Data
    tokenizer: Any
    aspects: tuple[str, ...]
    prototypes: torch.Tensor
    recipe: Recipe
    choice: DeviceChoice
    base: Path
    output: Path
    files: tuple[Sequence[Path], Sequence[Path]]
    teacher_tasks: frozenset[str] = frozenset()
    temperature: AdaptiveTemperature | None = None


def arguments(recipe: Recipe, checkpoint: Path, choice: DeviceChoice, batches: PlannedBatches) -> TrainingArguments:
    steps_per_epoch = max(1, len(batches) // max(1, recipe.epochs))
    default_rate = 5e-4 if recipe.method == "lora" else 6e-5
    return TrainingArguments(
        output_dir=str(checkpoint),
        num_train_epochs=1,  # all of them are planned
        per_device_train_batch_size=1,  # an item of the data is a batch
        learning_rate=recipe.learning_rate or default_rate,
        lr_scheduler_type="linear",
        warmup_steps=max(1, int(len(batches) * recipe.warm_up_share)),
        weight_decay=0.01,
        max_grad_norm=1.0,
        bf16=choice.precision == "bf16",
        use_cpu=choice.device == "cpu",
        seed=recipe.seed,
        eval_strategy="steps",
        eval_steps=steps_per_epoch,
        save_strategy="steps",
        save_steps=max(1, steps_per_epoch // 4),
        save_total_limit=1,
        metric_for_best_model="macro_f1",
        greater_is_better=True,
        logging_steps=50,
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=not console.is_terminal,
    )


class SentimentTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer over planned batches, with our loss and our scores."""

    control: TrainerControl

    def set_job(self, job: Job) -> None:
        self._job = job
        self._knows_neutral = any(one.neutral_possible for file in job.data.train for one in file)
        labels = [one.label for file in job.data.train for one in file if one.neutral_possible]
        self._class_weights = balancing_weights([labels.count(label) for label in LABELS]).to(job.choice.device)
        sentences = (one for file in job.data.sentences for group in file.train for one in group)
        self._knows_neutral_sentences = "sentiment" in job.teacher_tasks or any(
            one.label == "neutral" for one in sentences
        )
        self._row_kept: tuple[torch.Tensor, torch.Tensor] | None = None
        if job.recipe.heads_only or not job.recipe.epochs:
            head = self.model.classifier  # stays as it is, whatever the files know
            self._knows_neutral = bool(head.bias[_NEUTRAL] > _SURELY_NEVER)
            head = self.model.sentence_classifier
            self._row_kept = head.weight[_NEUTRAL].detach().clone(), head.bias[_NEUTRAL].detach().clone()
        self.best: SentimentTraining | None = None

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        assert isinstance(self.train_dataset, PlannedBatches)
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW; the heads, which no pretraining made, learn faster than the encoder."""
        trained = [(name, value) for name, value in self.model.named_parameters() if value.requires_grad]
        of_heads = [value for name, value in trained if any(head in name for head in HEADS)]
        others = [value for name, value in trained if not any(head in name for head in HEADS)]
        groups: list[dict[str, Any]] = [
            {"params": others},
            {"params": of_heads, "lr": self._job.recipe.head_learning_rate},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=self.args.learning_rate, weight_decay=self.args.weight_decay)
        return self.optimizer

    def compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], *_: Any, **__: Any) -> torch.Tensor:
        out = model(input_ids=inputs["ids"], attention_mask=inputs["mask"], spans=inputs["spans"])
        return loss_of(
            out,
            inputs,
            self._job.prototypes,
            class_weights=self._class_weights,
            label_smoothing=self._job.recipe.label_smoothing,
            teacher_share=self._job.recipe.teacher_share,
            sentence_share=self._job.recipe.sentence_share,
        )

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Score the model as it is now on the development data; write it where it is the best so far."""
        self.model.eval()
        current = ModelInTraining(self.model, self._job.tokenizer, self._job.choice)
        current.knows_neutral = self._knows_neutral
        current.temperature = self._temperature_of(current)
        scores, title_scores = scored(current, self._job.data.dev)
        console.log(
            f"step {self.state.global_step}/{self.state.max_steps}: accuracy {scores.accuracy:.4f}, "
            f"macro-F1 {scores.macro_f1:.4f}, calibration error {scores.calibration_error:.3f}"
        )
        heads_only = self._job.recipe.heads_only  # reviews are answered as before: no epoch is better than another
        if self.state.best_metric is None or scores.macro_f1 > self.state.best_metric or heads_only:
            held_out = {name: scored(current, reviews)[0] for name, reviews in self._job.data.held_out.items()}
            self.best = SentimentTraining(self._job.output, scores, title_scores, held_out, self._of_sentences())
            self._write(current.temperature)
        metrics = {"eval_macro_f1": scores.macro_f1, "eval_accuracy": scores.accuracy}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.model.train()
        return metrics

    def _temperature_of(self, current: ModelInTraining) -> AdaptiveTemperature:
        if self._job.recipe.heads_only and self._job.temperature is not None:
            return self._job.temperature  # reviews are answered as before, also where these files are others
        aside = self._job.data.calibration
        found = list(answers(current, [one.model_text for one in aside]))
        return fitted_temperature(aside, probabilities_of(found)) or ONE

    def _of_sentences(self) -> dict[str, dict[str, float]]:
        """By file: scores of the sentences that were held out."""
        return {
            file.name: score_sentences(
                self.model,
                self._job.tokenizer,
                file.held_out,
                self._job.aspects,
                self._job.prototypes,
                self._job.recipe.max_tokens,
            )
            for file in self._job.data.sentences
            if file.held_out
        }

    def _write(self, temperature: AdaptiveTemperature) -> None:
        """Write the model, and the card with its temperature."""
        assert self.best is not None
        recipe, model = self._job.recipe, self.model
        lora = recipe.method == "lora"
        state = dict(get_peft_model_state_dict(model, save_embedding_layers=False) if lora else model.state_dict())
        for name in [one for one in state if one.endswith(("classifier.weight", "classifier.bias"))]:
            of_sentences = "sentence_classifier" in name
            state[name] = state[name].clone()
            if self._knows_neutral_sentences if of_sentences else self._knows_neutral:
                continue
            if of_sentences and self._row_kept is not None:  # as it was learned before: these files say nothing of it
                state[name][_NEUTRAL] = self._row_kept[name.endswith("bias")]
            elif name.endswith("bias"):
                state[name][_NEUTRAL] = _NEVER
        if lora:
            derived.save_adapter(model, state, recipe.base, self._job.output)
        else:
            derived.save_layers(model, state, recipe.base, self._job.base, self._job.output)
        scores: dict[str, Any] = {"whole_reviews": asdict(self.best.scores)}
        if self.best.title_scores is not None:
            scores["titles_alone"] = asdict(self.best.title_scores)
        if self.best.held_out_scores:
            scores["held_out_products"] = {name: asdict(of) for name, of in self.best.held_out_scores.items()}
        if self.best.sentence_scores:
            scores["held_out_sentences"] = self.best.sentence_scores
        limits = (
            _LIMITS if self._knows_neutral else ("It never answers neutral: its data knows two labels.", _LIMITS[1])
        )
        write_card(
            self._job.output,
            title="Sentiment of product reviews: negative, neutral, positive",
            purpose=f"What differs from the encoder {recipe.base}, fine-tuned on product reviews.",
            limits=limits,
            train=self._job.files[0],
            dev=self._job.files[1],
            recipe=asdict(recipe),
            scores=scores,
            temperature=temperature,
            learned_aspects=self._learned_aspects(),
        )

    def _learned_aspects(self) -> list[str]:
        """Ids of the aspects that a sentence of the training data speaks of, in their order."""
        sentences = (one for file in self._job.data.sentences for group in file.train for one in group)
        found = frozenset().union(*(one.aspects or () for one in sentences))
        return [aspect for aspect in self._job.aspects if aspect in found]


class ModelInTraining:
    """ports.TextModel[Scores] over the model in training, for evaluating it."""

    name = ModelName("model", "in training")
    languages = None
    plan = PaddedRows()

    def __init__(self, model: Any, tokenizer: Any, choice: DeviceChoice) -> None:
        self._model, self._tokenizer, self._choice = model, tokenizer, choice
        self._tokenize = TextTokenizer(tokenizer, MAX_INPUT_TOKENS)
        self.temperature = ONE
        self.knows_neutral = True

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        return self._tokenize(texts)

    def run(self, batch: Sequence[Tokens]) -> list[Scores]:
        ids, mask = padded(batch, self._tokenizer.pad_token_id, self._choice, 32)
        autocast = torch.autocast(self._choice.device, torch.bfloat16, enabled=self._choice.precision == "bf16")
        with torch.inference_mode(), autocast:
            logits = self._model(input_ids=ids, attention_mask=mask).logits.float()
            if not self.knows_neutral:
                logits[:, _NEUTRAL] = _NEVER
            rows = self.temperature.scaled(logits).softmax(dim=-1).tolist()
        return [Scores(row[0], row[1], row[2], tokens.truncated) for row, tokens in zip(rows, batch, strict=True)]

    def canary(self) -> bool:
        return True


def scored(model: TextModel[Scores], dev: Sequence[LabelledReview]) -> tuple[SentimentScores, SentimentScores | None]:
    """Scores on the development data: whole reviews, and titles alone where there are some."""
    titled = [one for one in dev if one.title]
    whole = score_sentiment(dev, list(answers(model, [one.model_text for one in dev])))
    if not titled:
        return whole, None
    return whole, score_sentiment(titled, list(answers(model, [one.title for one in titled])))
