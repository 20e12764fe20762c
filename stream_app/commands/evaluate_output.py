"""What an evaluation prints, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import typer
from rich.console import Console

from stream_app.commands.evaluate_inputs import folder_of
from stream_app.settings import Settings

console = Console(stderr=True)


def exit_where_broken(
    report: Mapping[str, Any], minimum: Sequence[str] | None, maximum: Sequence[str] | None, failed: Sequence[str] = ()
) -> None:
    from stream_app.training.bounds import broken_bounds

    broken = [*failed, *broken_bounds(report, minimum or (), maximum or ())]
    for sentence in broken:
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    if broken:
        raise typer.Exit(1)


def state_precisions_of(model: str, facts: dict[str, dict[str, Any]], settings: Settings, as_json: bool) -> None:
    """Show how the precisions compare, and write it into the card of the model's folder where it has one."""
    from stream_app.models.precisions import keeps_answers
    from stream_app.training.card import state_precisions

    show(facts, as_json)
    folder = folder_of(model, settings)
    good = ", ".join(precision for precision, of in facts.items() if keeps_answers(of)) or "none"
    try:
        state_precisions(folder, facts)
    except (OSError, ValueError):
        console.print(f"Good enough: {good}. {model} has no card to state it in; name one with STREAM_APP_PRECISION.")
    else:
        console.print(f"Good enough: {good}. Stated in {folder}/card.json; workers choose among these.")


def show(report: Mapping[str, Any], as_json: bool) -> None:
    """All numbers, one a line, or the JSON objects of the report."""
    if as_json:
        print(orjson.dumps(report).decode())
        return
    from stream_app.training.bounds import numbers

    for name, value in numbers(report):
        print(f"{name:50} {value:.4f}" if isinstance(value, float) else f"{name:50} {value}")
