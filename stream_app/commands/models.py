"""`stream-app train` and `evaluate`: the models, from labelled reviews."""

from __future__ import annotations

from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer
from rich.console import Console

from stream_app.commands.evaluate_product_text import evaluate_product_text
from stream_app.commands.options import Json, settings_from

if TYPE_CHECKING:
    from stream_app.models.catalog import Kind
    from stream_app.models.device import DeviceChoice

app = typer.Typer()
console = Console(stderr=True)
train = typer.Typer(no_args_is_help=True, help="Train a model from labelled reviews (JSON lines).")
evaluate = typer.Typer(no_args_is_help=True, help="Score a model on labelled reviews (JSON lines).")
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")
evaluate.command("product-text")(evaluate_product_text)

Train = Annotated[list[Path], typer.Option("--train", help="Training data; may be given several times.")]
Dev = Annotated[list[Path], typer.Option("--dev", help="Development data: scores and the best epoch come from it.")]
Output = Annotated[Path, typer.Option(help="Folder for the model and its card.")]
Checkpoint = Annotated[
    Path | None, typer.Option(help="State after each epoch, to resume from. Default: <output>.checkpoint")
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
Layers = Annotated[int | None, typer.Option(help="Start from so many of the layers, evenly spaced; with full alone.")]
TrainedLayers = Annotated[
    int | None, typer.Option(help="Train the last so many layers alone: faster, and a smaller file; with full alone.")
]
Teacher = Annotated[
    str | None,
    typer.Option(help="Distil this model: start from its layers, and learn its probabilities besides the labels."),
]
ReviewsOfFile = Annotated[
    int | None, typer.Option(help="At most so many reviews of a file are in an epoch, the next ones in the next.")
]
StartFrom = Annotated[
    str | None, typer.Option("--from", help="Go on with this model instead of the base encoder; default: --teacher.")
]
LearningRate = Annotated[float, typer.Option(help="0: 0.0005 for lora, 0.00006 for full.")]
Data = Annotated[list[Path], typer.Option("--data", help="Labelled reviews; may be given several times.")]
Model = Annotated[
    str, typer.Option(help="Name or folder of the model, or a name in `models list`; bundled: the one in this package.")
]
Precisions = Annotated[
    bool,
    typer.Option(
        "--precisions",
        help="Compare int8 and bf16 with fp32 and state it in the model's card: a worker uses only what is stated.",
    ),
]
Plot = Annotated[Path | None, typer.Option(help="Write a plot to this PNG file.")]


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
    teacher: Teacher = None,
    start_from: StartFrom = None,
    checkpoint: Checkpoint = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = 0.0,
    reviews_of_file: ReviewsOfFile = None,
    precision: Precision = None,
    seed: Annotated[int, typer.Option(help="Of the order, the views and the fresh heads.")] = 1,
) -> None:
    """Fine-tune an encoder to negative, neutral, positive, for reviews and, with --sentences, for their sentences.

    Lines of --train have text and label (negative, neutral, positive) or rating (1-5), and may have a title. Lines of
    --sentences have text and label; text and hazard (true or false); text and features, each with a strength; or
    clauses with aspects. Use the result with STREAM_APP_SENTIMENT_MODEL=<output>.
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
        checkpoint=checkpoint or output.with_suffix(".checkpoint"),
        choice=choice,
        recipe=replace(
            defaults,
            base=base,
            method=method,
            layers=layers,
            trained_layers=trained_layers,
            epochs=epochs or defaults.epochs,
            learning_rate=learning_rate,
            reviews_of_file=reviews_of_file or defaults.reviews_of_file,
            seed=seed,
        ),
        **sentiment_inputs(settings_from(), base, teacher, start_from or (teacher if layers else None)),
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
    precision: Precision = None,
) -> None:
    """Train a small T5, tokenizer included, from the titles of reviews.

    Lines have title and text, and label or rating. Use the result with STREAM_APP_SUMMARY_MODEL=<output>.
    """
    from stream_app.training import summary

    recipe = summary.Recipe()
    trained = summary.train_summary(
        train=train,
        dev=dev,
        output=output,
        checkpoint=checkpoint or output.with_suffix(".checkpoint"),
        choice=_training_device(precision),
        recipe=replace(recipe, epochs=epochs or recipe.epochs),
    )
    print(f"Learned from {trained.pairs} titles; the model is in {output}, with its card in {output / 'README.md'}")


@evaluate.command("sentiment")
def evaluate_sentiment(
    data: Data, model: Model = "bundled", plot: Plot = None, as_json: Json = False, precisions: Precisions = False
) -> None:
    """Accuracy, macro-F1, calibration and confusion on labelled reviews."""
    from stream_app.models.loading import load_sentiment_model
    from stream_app.training.data import read_reviews
    from stream_app.training.evaluate import answers, score_sentiment
    from stream_app.training.plots import plot_confusion
    from stream_app.training.precisions import compare_labels
    from stream_app.training.progress import tracked

    reviews = read_reviews(data)
    model = _resolved(model, "classifier")
    if precisions:
        _state(model, "sentiment", compare_labels(model, reviews, threads=settings_from().threads), as_json)
        return
    classifier = load_sentiment_model(settings_from(sentiment_model=model)).model
    found = list(tracked(answers(classifier, [one.model_text for one in reviews]), "reading", len(reviews)))
    scores = score_sentiment(reviews, found)
    if plot is not None:
        plot_confusion(scores, plot)
    _show(asdict(scores), as_json)


@evaluate.command("summary")
def evaluate_summary(
    data: Data, model: Model = "bundled", as_json: Json = False, precisions: Precisions = False
) -> None:
    """ROUGE against the titles, and how much of each summary stands in its review."""
    from stream_app.models.loading import load_summary_model
    from stream_app.training.data import read_reviews
    from stream_app.training.evaluate import answers, score_summaries
    from stream_app.training.precisions import compare_summaries
    from stream_app.training.progress import tracked
    from stream_app.training.summary import Recipe, learnable

    reviews = read_reviews(data)
    model = _resolved(model, "summarizer")
    if precisions:
        _state(model, "summary", compare_summaries(model, reviews, threads=settings_from().threads), as_json)
        return
    pairs = learnable(reviews, Recipe())
    summarizer = load_summary_model(settings_from(summary_model=model)).model
    texts = [text for text, _ in pairs]
    found = list(tracked(answers(summarizer, texts), "reading", len(texts)))
    _show(asdict(score_summaries(texts, found, [title for _, title in pairs])), as_json)


def _resolved(model: str, kind: Kind) -> str:
    from stream_app.models.model_store import ModelStore, resolve

    return resolve(model, kind, ModelStore.of(settings_from()))


def _state(model: str, kind: str, facts: dict[str, dict[str, Any]], as_json: bool) -> None:
    """Show how the precisions compare, and write it into the card of the model's folder where it has one."""
    from stream_app.models.precisions import keeps_answers
    from stream_app.training.card import state_precisions

    _show(facts, as_json)
    folder = files("stream_app.models").joinpath("bundled", kind) if model == "bundled" else Path(model)
    good = ", ".join(precision for precision, of in facts.items() if keeps_answers(of)) or "none"
    try:
        state_precisions(Path(str(folder)), facts)
    except (OSError, ValueError):
        console.print(f"Good enough: {good}. {model} has no card to state it in; name one with STREAM_APP_PRECISION.")
    else:
        console.print(f"Good enough: {good}. Stated in {folder}/card.json; workers choose among these.")


def _training_device(precision: str | None) -> DeviceChoice:
    """All cores work on one batch, unlike in a worker."""
    from stream_app.models.device import choose_device

    settings = settings_from(precision=precision)
    return choose_device(settings.device, settings.precision, settings.threads)


def _show(scores: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(orjson.dumps(scores).decode())
        return
    from stream_app.training.card import flat

    for name, value in flat(scores):
        print(f"{name:32} {value:.4f}" if isinstance(value, float) else f"{name:32} {value}")
