"""What an evaluation prints, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typer
from rich.console import Console

from stream_app.commands.evaluate_inputs import folder_of
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.models.adaptive_temperature import AdaptiveTemperature

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


def state_temperature_of(temperature: AdaptiveTemperature, folder: Path) -> None:
    """Write the temperature into the card in a model's ``folder``. Raises ConfigurationError where that fails."""
    from stream_app.training.card import state_temperature

    found = f"exp({temperature.intercept:.2f} + {temperature.slope:.2f} H)"
    try:
        state_temperature(folder, temperature)
    except (OSError, ValueError, LookupError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is no card: {error}"
        raise ConfigurationError(
            f"The temperature {found} could not be written into {folder}/card.json ({why}), so it is not applied. The "
            "card that the training wrote must be there; a folder that cannot be written is copied, and the copy named "
            "with --model."
        ) from error
    console.print(f"Temperature {found}. Stated in {folder}/card.json; workers that start from now on apply it.")


def show(report: Mapping[str, Any], as_json: bool) -> None:
    """All numbers, one a line, or the JSON objects of the report."""
    if as_json:
        print(orjson.dumps(report).decode())
        return
    from stream_app.training.bounds import numbers

    for name, value in numbers(report):
        print(f"{name:50} {value:.4f}" if isinstance(value, float) else f"{name:50} {value}")
