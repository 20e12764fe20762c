"""`stream-app evaluate`: scores of the models on labelled reviews and sentences, as reports."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_app.commands.evaluate_inputs import (
    bad_rows_of,
    columns_of,
    demand_trained_here,
    folder_of,
    model_of,
    on_all_cores,
    reviews_of,
    sampled,
)
from stream_app.commands.evaluate_output import exit_where_broken, show, state_precisions_of, state_temperature_of
from stream_app.commands.evaluate_product_text import evaluate_product_text
from stream_app.commands.options import Column, Json, settings_from
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.models.catalog import Kind
    from stream_app.records import ModelName
    from stream_app.training.report import Run
    from stream_app.training.rows import BadRow

app = typer.Typer()
evaluate = typer.Typer(no_args_is_help=True, help="Score a model on labelled reviews or sentences; write a report.")
app.add_typer(evaluate, name="evaluate")
evaluate.command("product-text")(evaluate_product_text)

Data = Annotated[
    list[Path], typer.Option("--data", help="Labelled reviews: JSON Lines, CSV or Parquet; may be given several times.")
]
Sentences = Annotated[
    list[Path], typer.Option("--data", help="Labelled sentences, as for training; may be given several times.")
]
Model = Annotated[
    str, typer.Option(help="Name or folder of the model, or a name in `models list`; bundled: the one in this package.")
]
Report = Annotated[
    Path | None, typer.Option(help="Write report.md, report.json and plots into this folder, with all scores.")
]
Minimum = Annotated[
    list[str] | None,
    typer.Option(help="NAME=NUMBER, the name as in report.json: exit code 1 below it, as in accuracy=0.8."),
]
Maximum = Annotated[
    list[str] | None,
    typer.Option(help="Exit code 1 above it, as in robustness.typing_errors.share=0.03."),
]
HeldOut = Annotated[
    bool, typer.Option("--held-out", help="Only what a training on this file leaves out: a seventh of its products.")
]
Sample = Annotated[int | None, typer.Option(min=1, help="Score this number of the reviews, drawn with the seed.")]
Seed = Annotated[int, typer.Option(help="Of the sample, of the reviews that are changed, and of the changes.")]
Precisions = Annotated[
    bool,
    typer.Option(
        "--precisions",
        help="Compare int8 and bf16 with fp32 and state it in the model's card: a worker uses only what is stated.",
    ),
]

Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate",
        help="Fit the temperature that calibrates the model's confidence to these reviews, which must not have taught "
        "it, and state it in the model's card: workers apply it.",
    ),
]
SetAside = Annotated[
    bool,
    typer.Option("--set-aside", help="Only what a training on this file as its first one sets aside for --calibrate."),
]


@evaluate.command("sentiment")
def evaluate_sentiment(
    data: Data,
    model: Model = "bundled",
    report: Report = None,
    column: Column = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
    held_out: HeldOut = False,
    sample: Sample = None,
    changed_reviews: Annotated[
        int, typer.Option(help="Measure robustness on at most this number of reviews: each is read seven times.")
    ] = 1000,
    seed: Seed = 1,
    as_json: Json = False,
    precisions: Precisions = False,
    calibrate: Calibrate = False,
    aside: SetAside = False,
) -> None:
    """Accuracy, macro-F1, calibration and confusion on labelled reviews.

    With --report also: scores by length, stars, domain and language; how many labels flip under typing errors, other
    case, emoji and irrelevant sentences; pairs that differ in a negation; and sentences that differ in who they speak
    of. Exit code 1 where a bound is broken.
    """
    from stream_app.models.adaptive_temperature import temperature_of_card
    from stream_app.models.loading import load_sentiment_model
    from stream_app.training.plots import plot_report
    from stream_app.training.precisions import compare_labels
    from stream_app.training.report import report_of, write_report
    from stream_app.training.sentiment_markdown import sections
    from stream_app.training.sentiment_report import evaluate_changes, evaluate_reviews
    from stream_app.training.temperature import temperature_for

    reviews, bad_rows = reviews_of(data, column, held_out, aside)
    reviews = sampled(reviews, sample, seed)
    settings = on_all_cores(settings_from(sentiment_model=model_of(model, "classifier")))
    folder = folder_of(settings.sentiment_model, settings)
    if calibrate:
        if precisions or report or as_json or minimum or maximum:
            raise ConfigurationError("--calibrate writes the model's card alone. Score it in a second run.")
        demand_trained_here(folder)
    if precisions:
        name = _resolved(settings.sentiment_model, "classifier", settings)
        state_precisions_of(
            settings.sentiment_model, compare_labels(name, reviews, settings.threads), settings, as_json
        )
        return
    tuned = load_sentiment_model(settings)
    temperature = temperature_of_card(folder)
    if calibrate:
        state_temperature_of(temperature_for(tuned.model, reviews, temperature), folder)
        return
    scores, answers = evaluate_reviews(tuned.model, reviews, temperature)
    if report is not None:
        scores |= evaluate_changes(tuned.model, reviews, answers, seed=seed, most=changed_reviews)
    made = report_of(_run("sentiment", tuned.model.name, tuned.how, bad_rows, seed), scores)
    if report is not None:
        write_report(report, made, sections(made))
        plot_report(made, report)
    show(made, as_json)
    exit_where_broken(made, minimum, maximum)


@evaluate.command("sentences")
def evaluate_sentences(
    data: Sentences,
    model: Model = "bundled",
    report: Report = None,
    column: Column = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
    held_out: HeldOut = False,
    as_json: Json = False,
) -> None:
    """Hazards, polarity and aspects (against their keywords) of labelled sentences, by file.

    Lines have text and label; text and hazard (true or false); text and features, each with a strength; or clauses with
    aspects. Numbers are named by file, as in hazard_sentences_dev.hazard.at_percent.50.recall.
    """
    from stream_app.commands.train_inputs import clause_aspects
    from stream_app.models.loading import silence_libraries
    from stream_app.models.model_store import ModelStore
    from stream_app.steps.aspects import load_aspects
    from stream_app.training.data import named
    from stream_app.training.report import report_of, write_report
    from stream_app.training.sentence_evaluation import evaluate_sentence_files
    from stream_app.training.sentence_report import sections

    silence_libraries()
    settings = settings_from(sentiment_model=model_of(model, "classifier"))
    columns = columns_of(column)
    name, scores = evaluate_sentence_files(
        folder_of(settings.sentiment_model, settings),
        ModelStore.of(settings),
        data,
        aspects=load_aspects(),
        clause_aspects=clause_aspects(),
        columns=columns,
        held_out=held_out,
    )
    bad_rows = {path: bad_rows_of(path, columns) for path in data}
    made = report_of(_run("sentences", name, "cpu in fp32 by torch", bad_rows, None), scores)
    if report is not None:
        write_report(report, made, [section for one in named(data) for section in sections(one, made[one])])
    show(made, as_json)
    exit_where_broken(made, minimum, maximum)


@evaluate.command("summary")
def evaluate_summary(
    data: Data,
    model: Model = "bundled",
    report: Report = None,
    column: Column = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
    held_out: HeldOut = False,
    sample: Sample = None,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 1,
    classifier: Annotated[
        str,
        typer.Option(help="Judges the reviews, which decides what T5 reads of them, and whether the lines agree."),
    ] = "bundled",
    as_json: Json = False,
    precisions: Precisions = False,
) -> None:
    """How much of the lines is used, repeats or copies its review, and ROUGE against the titles.

    Exit code 1 where more than 2 % of at least 100 lines are the same one, or a bound is broken.
    """
    from stream_app.models.loading import load_sentiment_model, load_summary_model
    from stream_app.steps.summary_text import word_count
    from stream_app.training.precisions import compare_summaries
    from stream_app.training.report import report_of, write_report
    from stream_app.training.summary_report import evaluate_summaries, repeated_lines, sections

    reviews, bad_rows = reviews_of(data, column, held_out)
    reviews = sampled(reviews, sample, seed)
    settings = on_all_cores(settings_from(summary_model=model_of(model, "summarizer")))
    judge = load_sentiment_model(on_all_cores(settings_from(sentiment_model=model_of(classifier, "classifier")))).model
    if precisions:
        name = _resolved(settings.summary_model, "summarizer", settings)
        found = compare_summaries(name, reviews, judge, settings.threads)
        state_precisions_of(settings.summary_model, found, settings, as_json)
        return
    long_enough = [one for one in reviews if word_count(one.text) >= settings.summary_min_words]
    if not long_enough:
        raise ConfigurationError(
            f"No review has {settings.summary_min_words} words: shorter ones are their own summary."
        )
    tuned = load_summary_model(settings)
    scores = evaluate_summaries(tuned.model, long_enough, judge, reads_label=tuned.reads_label)
    made = report_of(_run("summary", tuned.model.name, tuned.how, bad_rows, seed if sample else None), scores)
    if report is not None:
        write_report(report, made, sections(made))
    show(made, as_json)
    exit_where_broken(made, minimum, maximum, repeated_lines(made))


def _run(what: str, model: ModelName, how: str, bad_rows: Mapping[Path, Sequence[BadRow]], seed: int | None) -> Run:
    from stream_app.training.report import Run

    return Run(what, shlex.join(["stream-app", *sys.argv[1:]]), model, how, seed, bad_rows)


def _resolved(model: str, kind: Kind, settings: Settings) -> str:
    from stream_app.models.model_store import ModelStore, resolve

    return resolve(model, kind, ModelStore.of(settings))
