"""`stream-app train`: the models, from labelled reviews."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stream_app.commands.evaluate_inputs import columns_of
from stream_app.commands.options import Column, settings_from

if TYPE_CHECKING:
    from stream_app.models.device import DeviceChoice

app = typer.Typer()
train = typer.Typer(no_args_is_help=True, help="Train a model from labelled reviews (JSON Lines, CSV or Parquet).")
app.add_typer(train, name="train")

Train = Annotated[list[Path], typer.Option("--train", help="Training data; may be given several times.")]
Dev = Annotated[list[Path], typer.Option("--dev", help="Development data: scores and the best epoch come from it.")]
Output = Annotated[Path, typer.Option(help="Folder for the model and its card.")]
Checkpoint = Annotated[
    Path | None, typer.Option(help="State to resume from, removed at the end. Default: <output>.checkpoint")
]
Epochs = Annotated[int | None, typer.Option(help="Passes over the data; default: the recipe's.")]
Precision = Annotated[str | None, typer.Option(help="fp32 or bf16; default: what suits the device.")]
Sentences = Annotated[
    list[Path] | None, typer.Option("--sentences", help="Labelled sentences; may be given several times.")
]
SentencesDev = Annotated[
    list[Path] | None, typer.Option("--sentences-dev", help="Labelled sentences to score with alone.")
]
Base = Annotated[str, typer.Option(help="The base encoder: a name in `models list`.")]
Method = Annotated[
    Literal["lora", "full"], typer.Option(help="lora: an adapter, a few megabytes; full: all of the encoder's layers.")
]
Layers = Annotated[int | None, typer.Option(help="Start from this number of layers, evenly spaced; with full alone.")]
HeadsOnly = Annotated[
    bool, typer.Option("--heads-only", help="Train the heads for sentences alone, of the model named by --from.")
]
TrainedLayers = Annotated[
    int | None, typer.Option(help="Train the last N layers alone: faster, and a smaller file; with full alone.")
]
Teacher = Annotated[
    str | None,
    typer.Option(
        help="Distil this model: learn its probabilities besides the labels, also of the reviews' sentences; with "
        "--layers, start from its layers."
    ),
]
ReviewsOfFile = Annotated[
    int | None, typer.Option(help="At most N reviews of a file are in an epoch, the next ones in the next.")
]
Parts = Annotated[
    int,
    typer.Option(
        help="With --teacher: N more texts an epoch for it to answer, some sentences of a review of the first file.",
        min=0,
    ),
]
LabelSmoothing = Annotated[
    float | None,
    typer.Option(help="The share of a review's label that is spread over all three; default: 0.05.", min=0, max=0.5),
]
StartFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        help="Go on with this model instead of the base encoder; with full alone. Several times: with the mean of "
        "their weights (a model soup). Default: --teacher, with --layers.",
    ),
]
SentimentEpochs = Annotated[
    int | None,
    typer.Option(help="Passes over the data; default: the recipe's. 0: write and score what --from names.", min=0),
]
MaxTokens = Annotated[
    int | None, typer.Option(help="Texts are cut to this number of tokens; default: the recipe's.", min=16, max=512)
]
LearningRate = Annotated[float, typer.Option(help="0: 0.0005 for lora, 0.00006 for full.")]


@train.command("sentiment")
def train_sentiment(
    train: Train,
    dev: Dev,
    output: Output,
    sentences: Sentences = None,
    sentences_dev: SentencesDev = None,
    base: Base = "bge-small-en-v1.5",
    method: Method = "lora",
    layers: Layers = None,
    trained_layers: TrainedLayers = None,
    heads_only: HeadsOnly = False,
    teacher: Teacher = None,
    start_from: StartFrom = None,
    checkpoint: Checkpoint = None,
    epochs: SentimentEpochs = None,
    learning_rate: LearningRate = 0.0,
    reviews_of_file: ReviewsOfFile = None,
    parts: Parts = 0,
    label_smoothing: LabelSmoothing = None,
    max_tokens: MaxTokens = None,
    precision: Precision = None,
    column: Column = None,
    seed: Annotated[int, typer.Option(help="Of the order, the views and the fresh heads.")] = 1,
) -> None:
    """Fine-tune an encoder to negative, neutral, positive, for reviews and, with --sentences, for their sentences.

    Lines of --train have text and label (negative, neutral, positive) or rating (1-5), and may have a title. Lines of
    --sentences have text and label; text and hazard (true or false); text and features, each with a strength; or
    clauses of a review, each with text and any of label, aspects (ids) and hazard. Use the result with
    STREAM_APP_SENTIMENT_MODEL=<output>.
    """
    from stream_app.commands.train_inputs import sentiment_inputs
    from stream_app.training import sentiment
    from stream_app.training.sentiment_data import Recipe

    defaults = Recipe()
    choice = _training_device(precision)
    trained = sentiment.train_sentiment(
        train=train,
        sentences=sentences or (),
        sentences_dev=sentences_dev or (),
        dev=dev,
        output=output,
        checkpoint=checkpoint or output.with_name(f"{output.name}.checkpoint"),
        choice=choice,
        recipe=replace(
            defaults,
            base=base,
            method=method,
            layers=layers,
            trained_layers=trained_layers,
            heads_only=heads_only,
            sentences_of_file=24_000 if heads_only else defaults.sentences_of_file,
            epochs=defaults.epochs if epochs is None else epochs,
            learning_rate=learning_rate,
            reviews_of_file=reviews_of_file or defaults.reviews_of_file,
            parts=parts,
            label_smoothing=defaults.label_smoothing if label_smoothing is None else label_smoothing,
            max_tokens=max_tokens or defaults.max_tokens,
            seed=seed,
        ),
        columns=columns_of(column),
        **sentiment_inputs(settings_from(), base, teacher, start_from or ([teacher] if teacher and layers else [])),
    )
    scores = trained.scores
    print(
        f"{output}: accuracy {scores.accuracy:.4f}, macro-F1 {scores.macro_f1:.4f} on the development data; "
        f"its card is {output / 'README.md'}"
    )


@train.command("summary")
def train_summary(
    train: Train,
    dev: Dev,
    output: Output,
    checkpoint: Checkpoint = None,
    epochs: Epochs = None,
    part_epochs: Annotated[
        int | None, typer.Option(help="Passes over parts of reviews, before; default: the recipe's.")
    ] = None,
    start_from: Annotated[
        str | None, typer.Option("--from", help="Go on with this T5 and its tokenizer: a folder, or bundled.")
    ] = None,
    classifier: Annotated[
        str, typer.Option(help="Judges the sentences and their clauses: one of the review's sentiment is learned.")
    ] = "bundled",
    learning_rate: Annotated[float, typer.Option(help="0: 0.01, with --from 0.003.")] = 0.0,
    precision: Precision = None,
    column: Column = None,
) -> None:
    """Train a small T5 to write a review's line: a clause that says what its title says, of its sentiment.

    Lines have text, and label or rating; they may have a title. Use the result with STREAM_APP_SUMMARY_MODEL=<output>.
    """
    from stream_app.commands.evaluate_inputs import model_of
    from stream_app.models.loading import load_sentiment_model
    from stream_app.models.summarizer import load_t5
    from stream_app.training import summary
    from stream_app.training.summary_data import Recipe

    recipe = Recipe()
    judge = load_sentiment_model(settings_from(sentiment_model=model_of(classifier, "classifier"))).model
    trained = summary.train_summary(
        train=train,
        dev=dev,
        output=output,
        checkpoint=checkpoint or output.with_name(f"{output.name}.checkpoint"),
        choice=_training_device(precision),
        classifier=judge,
        start_from=load_t5(start_from) if start_from else None,
        recipe=replace(
            recipe,
            epochs=epochs or recipe.epochs,
            part_epochs=recipe.part_epochs if part_epochs is None else part_epochs,
            learning_rate=learning_rate,
        ),
        columns=columns_of(column),
    )
    print(f"Learned from {trained.pairs} reviews; the model is in {output}, with its card in {output / 'README.md'}")


def _training_device(precision: str | None) -> DeviceChoice:
    """All cores work on one batch, unlike in a worker."""
    from stream_app.models.device import choose_device

    settings = settings_from(precision=precision)
    return choose_device(settings.device, settings.precision, settings.threads)
