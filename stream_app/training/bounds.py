"""Holds the numbers of a report against bounds that a person gave: `--minimum accuracy=0.8`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stream_app.ports import ConfigurationError


def broken_bounds(report: Mapping[str, Any], minima: Sequence[str], maxima: Sequence[str] = ()) -> list[str]:
    """A sentence for each number that is below its minimum, or above its maximum. ``NAME=NUMBER``, the name dotted.

    Raises ConfigurationError for a bound of another form, or of what is no number of the report.
    """
    broken = []
    for bounds, word in ((minima, "minimum"), (maxima, "maximum")):
        for given in bounds:
            name, bound = _parsed(given, word)
            value = _number(report, name)
            if (value < bound) if word == "minimum" else (value > bound):
                broken.append(f"{name} is {value:.4f}, the {word} is {bound:g}")
    return broken


def _parsed(given: str, word: str) -> tuple[str, float]:
    name, _, number = given.rpartition("=")
    try:
        return name, float(number)
    except ValueError:
        raise ConfigurationError(f"--{word} {given}: write NAME=NUMBER, as in accuracy=0.8.") from None


def _number(report: Mapping[str, Any], name: str) -> float:
    found = dict(numbers(report))
    if name not in found:
        raise ConfigurationError(
            f"The report has no number {name!r}. It has {', '.join(sorted(found))}. Some need --report FOLDER."
        )
    return found[name]


def numbers(of: Any, before: str = "") -> Iterator[tuple[str, int | float]]:
    """(dotted name, number) of a report, in its order; what is in a list has no name."""
    if isinstance(of, Mapping):
        for name, value in of.items():
            yield from numbers(value, f"{before}.{name}" if before else str(name))
    elif isinstance(of, int | float) and not isinstance(of, bool):
        yield before, of
