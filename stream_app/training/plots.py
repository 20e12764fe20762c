"""Plots scores."""

from __future__ import annotations

from pathlib import Path

from stream_app.records import LABELS
from stream_app.training.evaluate import SentimentScores


def plot_confusion(scores: SentimentScores, file: Path) -> None:
    """Plot the confusion matrix as a PNG: rows are labels, columns the model's answers, as shares of each row."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4.6, 4.2), layout="constrained")
    shares = [[count / max(1, sum(row)) for count in row] for row in scores.confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(scores.confusion):
        for j, count in enumerate(row):
            axes.text(
                j, i, f"{count}\n{shares[i][j]:.0%}", ha="center", va="center", color="k" if shares[i][j] < 0.6 else "w"
            )
    axes.set(
        xlabel="judged", ylabel="labelled", xticks=range(3), yticks=range(3), xticklabels=LABELS, yticklabels=LABELS
    )
    axes.set_title(f"{scores.reviews:,} reviews, accuracy {scores.accuracy:.3f}")
    figure.savefig(file, dpi=120)
    pyplot.close(figure)
