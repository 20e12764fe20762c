"""Plots the scores of a classifier, as PNG files from the JSON objects of its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stream_app.records import LABELS

_BLUE, _GREY = "#3b6fb6", "#888888"
_DPI = 120
_LAST_LATIN = "\u0530"  # Cyrillic and Greek too


def plot_report(report: Mapping[str, Any], folder: Path) -> None:
    """confusion.png, reliability.png, slices.png and flips.png."""
    plot_confusion(report, folder / "confusion.png")
    plot_reliability(report, folder / "reliability.png")
    plot_slices(report, folder / "slices.png")
    plot_flips(report, folder / "flips.png")


def plot_confusion(report: Mapping[str, Any], file: Path) -> None:
    """Rows are labels, columns the model's answers, as numbers and as shares of each row."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(4.6, 4.2), layout="constrained")
    shares = [[count / max(1, sum(row)) for count in row] for row in report["confusion"]]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(report["confusion"]):
        for j, count in enumerate(row):
            color = "k" if shares[i][j] < 0.6 else "w"
            axes.text(j, i, f"{count:,}\n{shares[i][j]:.0%}", ha="center", va="center", color=color)
    axes.set(
        xlabel="judged", ylabel="labelled", xticks=range(3), yticks=range(3), xticklabels=LABELS, yticklabels=LABELS
    )
    axes.set_title(f"{report['reviews']:,} reviews, accuracy {report['accuracy']:.3f}", fontsize=11)
    _save(figure, file)


def plot_reliability(report: Mapping[str, Any], file: Path) -> None:
    """Accuracy over confidence, above how many reviews have it."""
    pyplot = _pyplot()
    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(4.6, 5.2), height_ratios=(3, 1), sharex=True, layout="constrained"
    )
    bins = report["calibration"]["bins"]
    confidence = [one["confidence"] for one in bins]
    above.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="as confident as right")
    above.plot(confidence, [one["accuracy"] for one in bins], color=_BLUE, marker="o", label="measured")
    above.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    above.legend(loc="upper left", frameon=False)
    above.set_title(f"Calibration error {report['calibration_error']:.3f}", fontsize=11)
    below.bar(confidence, [one["reviews"] for one in bins], width=0.05, color=_BLUE)
    below.set(xlabel="confidence", ylabel="reviews")
    _save(figure, file)


def plot_slices(report: Mapping[str, Any], file: Path) -> None:
    """A bar for each part of the data: the share of right answers, with the number of reviews."""
    pyplot = _pyplot()
    parts = report["slices"]
    heights = [0.6 + 0.3 * len(of) for of in parts.values()]
    figure, rows = pyplot.subplots(
        len(parts), 1, figsize=(6.4, sum(heights) + 0.5), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for axes, (name, of) in zip(rows[:, 0], parts.items(), strict=True):
        accuracy = {value: one["accuracy"] for value, one in of.items()}
        _bars(axes, accuracy, 1.0, [f"{one['accuracy']:.1%}  (n = {one['reviews']:,})" for one in of.values()])
        axes.axvline(report["accuracy"], color=_GREY, linestyle="--", linewidth=1)
        axes.set_title(f"Accuracy by {name}", fontsize=11, loc="left")
    rows[-1, 0].set_xlabel(f"dashed: all reviews, {report['accuracy']:.1%}")
    _save(figure, file)


def plot_flips(report: Mapping[str, Any], file: Path) -> None:
    """A bar for each kind of change: the share of labels that flip."""
    pyplot = _pyplot()
    kinds = report["robustness"] | {f"identity: {name}": of for name, of in report["fairness"].items()}
    most = max(0.05, 1.1 * max(of["share"] for of in kinds.values()))
    figure, axes = pyplot.subplots(figsize=(6.4, 0.3 * len(kinds) + 1.0), layout="constrained")
    said = [f"{of['share']:.1%}  (n = {of['texts']:,})" for of in kinds.values()]
    _bars(axes, {name: of["share"] for name, of in kinds.items()}, most, said)
    axes.set_xlabel("share of labels that flip")
    _save(figure, file)


def _bars(axes: Any, lengths: Mapping[str, float], most: float, said: Sequence[str]) -> None:
    """Horizontal bars of at most ``most``, from above to below; what is ``said`` of each stands in a column."""
    axes.barh(range(len(lengths)), lengths.values(), color=_BLUE, height=0.7)
    axes.set(yticks=range(len(lengths)), xlim=(0, most), ylim=(len(lengths) - 0.4, -0.6))
    axes.set_yticklabels([_printable(name, at) for at, name in enumerate(lengths)])
    for at, text in enumerate(said):
        axes.text(1.02 * most, at, text, va="center", fontsize=8, color="#444444")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}" if most > 0.1 else f"{value:.1%}")
    axes.spines[["top", "right"]].set_visible(False)


def _printable(name: str, at: int) -> str:
    """matplotlib's font has no Chinese: such a name is its row in the table of the report."""
    return name.replace("_", " ") if all(sign < _LAST_LATIN for sign in name) else f"row {at + 1}"


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, file: Path) -> None:
    figure.savefig(file, dpi=_DPI)
    _pyplot().close(figure)
