"""Draws the benchmark's rates as bars, with the spread over the repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.report import median


def plot(sections: Mapping[str, Mapping[str, Sequence[float]]], file: Path) -> None:
    """One panel per section that has bars, a bar per variant, in reviews per second."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = {title: bars for title, bars in sections.items() if bars}
    if not panels:
        return
    heights = [len(bars) + 1.5 for bars in panels.values()]
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(9, 0.32 * sum(heights)), height_ratios=heights, layout="constrained", squeeze=False
    )
    for axis, (title, bars) in zip(axes[:, 0], panels.items(), strict=True):
        for place, values in enumerate(bars.values()):
            middle = median(values)
            error = [[middle - min(values)], [max(values) - middle]]
            axis.barh(place, middle, xerr=error, capsize=3, color="#2563eb", alpha=0.8)
            axis.text(max(values), place, f" {middle:,.1f}", va="center", fontsize=8)
        axis.set_yticks(range(len(bars)), list(bars), fontsize=8)
        axis.invert_yaxis()
        axis.margins(x=0.12)
        axis.set_title(title, fontsize=10, loc="left")
    axes[-1, 0].set_xlabel("reviews per second")
    figure.savefig(file, dpi=120)
    pyplot.close(figure)
