"""Shows an explanation on a terminal."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream_app.commands.terminal import printable
from stream_app.records import LABELS, Explanation, Label, WordWeight, WordWeights
from stream_app.steps.opinions import HAZARD_THRESHOLD

_STYLES: dict[Label, str] = {"negative": "bold red", "neutral": "bold yellow", "positive": "bold green"}
# ColorBrewer's Blues and Oranges: also told apart by who does not see red and green
_ADDS = ("black on #c6dbef", "black on #6baed6", "white on #2171b5")
_TAKES = ("black on #fdd0a2", "black on #fd8d3c", "white on #d94801")
_COLOURED_FROM = 0.1  # of the largest weight: below it a word is left as it is
_LISTED = 8


def show(explanation: Explanation, console: Console | None = None) -> None:
    """Label, sentences and, where they were asked for, words."""
    console = console or Console(highlight=False)
    label = explanation.sentiment.label
    line = Text()
    for name, probability in sorted(zip(LABELS, explanation.sentiment.scores, strict=True), key=lambda one: -one[1]):
        line.append(f"{name} {probability:.4f}   ", _STYLES[name] if name == label else "dim")
    console.print(line)
    model = explanation.model
    console.print(Text(f"language {explanation.language}, read by {model.name} {model.revision} in fp32", "dim"))
    if explanation.flags:
        console.print(Text(f"flags: {', '.join(explanation.flags)}"))
    if explanation.safety_words:
        console.print(Text(f"safety terms of: {', '.join(explanation.safety_words)}", "bold red"))
    _show_sentences(explanation, console)
    if explanation.words is not None:
        _show_words(explanation.text, label, explanation.words, console)


def _show_sentences(explanation: Explanation, console: Console) -> None:
    if not explanation.sentences:
        console.print("\nThis model judges whole reviews alone: nothing is said of sentences.")
        return
    table = Table("label", "P", "hazard", "aspects", "sentence", box=None, padding=(0, 1), pad_edge=False)
    for one in explanation.sentences:
        if one.probabilities is None:
            label, probability = Text("–"), "–"
        else:
            surest = max(one.probabilities)
            name = LABELS[one.probabilities.index(surest)]
            label, probability = Text(name, _STYLES[name]), f"{surest:.2f}"
        hazard = Text(f"{one.hazard:.2f}", "bold red" if one.hazard >= HAZARD_THRESHOLD else "dim")
        said = Text(printable(explanation.text[one.start : one.end], lines=True))
        table.add_row(label, probability, hazard, Text(", ".join(one.aspects)), said)
    console.print()
    console.print(table)


def _show_words(text: str, label: Label, words: WordWeights, console: Console) -> None:
    largest = max((abs(one.weight) for one in words.words), default=0.0)
    shown = Text()
    at = 0
    for one in words.words:
        shown.append(printable(text[at : one.start], lines=True))
        shown.append(printable(text[one.start : one.end]), _style(one.weight, largest))
        at = one.end
    shown.append(printable(text[at:], lines=True), "dim")  # behind what the model read
    console.print()
    console.print(
        Text("words that ").append("add", _ADDS[1]).append(" to ").append(label, _STYLES[label])
        .append(", or ").append("take", _TAKES[1]).append(" from it")
    )  # fmt: skip
    console.print(shown)
    console.print()
    by_weight = sorted(words.words, key=lambda one: one.weight)
    _list("adds most", text, [one for one in reversed(by_weight) if one.weight > 0], console)
    _list("takes most", text, [one for one in by_weight if one.weight < 0], console)
    before, after = words.without_words, words.with_words
    console.print(
        Text(
            f"log-odds of {label}: {before:+.2f} with blanks (P {_probability(before):.2f}), {after:+.2f} with the "
            f"words (P {_probability(after):.2f}); the weights sum to {sum(one.weight for one in words.words):+.2f}",
            "dim",
        )
    )
    if not words.complete:
        console.print(
            Text(f"The weights miss this difference by {words.error:+.2f}: take them as rough.", "bold yellow")
        )


def _list(name: str, text: str, words: list[WordWeight], console: Console) -> None:
    said = ", ".join(f"{printable(text[one.start : one.end])} {one.weight:+.2f}" for one in words[:_LISTED])
    console.print(Text(f"{name}: {said or '–'}"))


def _style(weight: float, largest: float) -> str:
    share = abs(weight) / largest if largest else 0.0
    if share < _COLOURED_FROM:
        return ""
    return (_ADDS if weight > 0 else _TAKES)[min(int(share * 3), 2)]


def _probability(log_odds: float) -> float:
    return 0.5 * (1 + math.tanh(log_odds / 2))  # exp would overflow
