"""Trains the classifier: a base encoder's layers, or a LoRA adapter on them, and its heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback

from stream_app.models import derived
from stream_app.models.adaptive_temperature import AdaptiveTemperature
from stream_app.models.classifier import load_classifier
from stream_app.models.device import DeviceChoice
from stream_app.models.multitask import SENTENCE_HEADS, MultiTaskBert
from stream_app.ports import ConfigurationError, TextModel
from stream_app.records import Scores
from stream_app.training.resume import digest_of, forget, last_checkpoint
from stream_app.training.rows import Columns
from stream_app.training.sentiment_data import Recipe, planned, read
from stream_app.training.sentiment_trainer import Job, SentimentTrainer, SentimentTraining, arguments, scored


def train_sentiment(
    *,
    train: Sequence[Path],
    sentences: Sequence[Path] = (),
    sentences_dev: Sequence[Path] = (),
    language: str = "en",
    dev: Sequence[Path],
    output: Path,
    checkpoint: Path,
    choice: DeviceChoice,
    base: Path,
    recipe: Recipe | None = None,
    aspects: Mapping[str, str] | None = None,
    clause_aspects: Mapping[str, Mapping[str, str]] | None = None,
    teacher: TextModel[Scores] | None = None,
    teacher_tasks: frozenset[str] = frozenset(),
    start_from: MultiTaskBert | None = None,
    temperature: AdaptiveTemperature | None = None,
    columns: Columns | None = None,
) -> SentimentTraining:
    """Train on the files ``train`` and ``sentences``, keep the epoch with the best macro-F1 on ``dev`` in ``output``.

    ``sentences_dev``: scored alone. Lines in another ``language`` than this are left out. ``columns``: of ``train``
    and ``dev``, field → column.
    ``base``: the folder of the recipe's base encoder. ``aspects``: id → description. ``clause_aspects``: see
    ``read_sentences``. ``teacher``: its probabilities are learned too, and what it says of sentences as far as it
    has learned these ``teacher_tasks``. ``start_from``: a fine-tuned model of which ``recipe.layers`` layers are the
    beginning; ``temperature``: its own, which it keeps where its heads alone are trained. The state is kept in the
    folder ``checkpoint``; a later call with the same arguments resumes from it.
    ``output`` holds what differs from the base encoder, and the card. Raises ConfigurationError.
    """
    recipe = recipe or Recipe()
    _refuse_heads_that_would_not_learn(recipe, start_from)
    _refuse_an_adapter_on_another_model(recipe, start_from)
    _refuse_a_model_of_another_base(base, start_from)
    _refuse_a_teacher_that_is_not_asked(recipe, teacher)
    _refuse_no_epochs_of_no_model(recipe, start_from)
    read_files = (*train, *sentences, *dev, *sentences_dev)
    teacher_name = teacher.name if teacher else None
    options = (
        recipe,
        language,
        aspects,
        clause_aspects,
        columns,
        teacher_name,
        sorted(teacher_tasks),
        choice.precision,
        base.name,
        len(train),
    )
    last = last_checkpoint(checkpoint, digest_of(options, read_files, [start_from]))
    torch.manual_seed(recipe.seed)
    data = read(
        train,
        sentences,
        dev,
        recipe,
        sentences_dev=sentences_dev,
        language=language,
        aspects=clause_aspects or {},
        columns=columns,
    )
    tokenizer = derived.tokenizer_of(base)
    prototypes = derived.prototypes(base, tokenizer, list((aspects or {}).values())).to(choice.device)
    model: Any = (
        derived.student_of(start_from, recipe.layers or start_from.config.num_hidden_layers)
        if start_from
        else derived.new_model(base, recipe.layers)
    )
    if recipe.method == "lora":
        model = derived.with_adapter(model, recipe.rank)
    else:
        derived.freeze_below(model, recipe.trained_layers)
    if recipe.heads_only:
        for name, value in model.named_parameters():
            value.requires_grad_(name.startswith(SENTENCE_HEADS))
    batches = planned(data, tokenizer, recipe, tuple(aspects or {}), teacher, teacher_tasks)
    trainer = SentimentTrainer(
        model=model,
        args=arguments(recipe, checkpoint, choice, batches),
        train_dataset=batches,
        eval_dataset=batches,  # asked for, never read: see evaluate
        data_collator=_only,
        callbacks=[] if recipe.heads_only else [EarlyStoppingCallback(recipe.patience_epochs)],
    )
    files = ((*train, *sentences), (*dev, *sentences_dev))
    known = tuple(aspects or {})
    trainer.set_job(
        Job(data, tokenizer, known, prototypes, recipe, choice, base, output, files, teacher_tasks, temperature)
    )
    if recipe.epochs:
        trainer.train(resume_from_checkpoint=last)
    else:
        trainer.evaluate()
    if trainer.best is None:  # the best epoch is one before the checkpoint
        trainer.best = SentimentTraining(output, *scored(load_classifier(str(output), choice), data.dev), {}, {})
    forget(checkpoint)
    return trainer.best


def _refuse_heads_that_would_not_learn(recipe: Recipe, start_from: MultiTaskBert | None) -> None:
    """Heads learn alone only beside a review head that is kept; in an adapter's copy they would stay as they are."""
    if not recipe.heads_only:
        return
    if recipe.method == "lora":
        raise ConfigurationError(
            "--heads-only trains no adapter, and with --method lora it would train nothing. Add --method full; "
            "a model that is an adapter may be named by --from all the same, its layers are then written whole."
        )
    if start_from is None:
        raise ConfigurationError("--heads-only goes on with a trained model. Name it: --from MODEL.")


def _refuse_an_adapter_on_another_model(recipe: Recipe, start_from: MultiTaskBert | None) -> None:
    """An adapter is loaded onto the whole base encoder: one that was learned on other layers would not fit it."""
    if recipe.method == "lora" and (recipe.layers is not None or start_from is not None):
        raise ConfigurationError(
            "--method lora writes an adapter for the whole base encoder alone, so that it goes neither with --layers "
            "nor with --from. Add --method full."
        )


def _refuse_a_model_of_another_base(base: Path, start_from: MultiTaskBert | None) -> None:
    """What is written leaves the base encoder's embeddings out: on another base's it would read nonsense."""
    if start_from is not None and not derived.has_embeddings_of(start_from, base):
        raise ConfigurationError(
            f"The model to start from was not trained on the base encoder {base.name}. Name its own: --base NAME "
            "(its config.json says which, base_model_name_or_path)."
        )


def _refuse_no_epochs_of_no_model(recipe: Recipe, start_from: MultiTaskBert | None) -> None:
    if not recipe.epochs and start_from is None:
        raise ConfigurationError("--epochs 0 writes and scores trained models. Name one or several: --from MODEL.")


def _refuse_a_teacher_that_is_not_asked(recipe: Recipe, teacher: TextModel[Scores] | None) -> None:
    if recipe.parts and teacher is None:
        raise ConfigurationError("--parts makes texts whose label a teacher alone knows. Name it: --teacher MODEL.")
    if recipe.heads_only and teacher is not None:
        raise ConfigurationError(
            "--heads-only reads labelled sentences alone, a teacher answers reviews. Leave out one of the two."
        )


def _only(items: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    [batch] = items
    return batch
