"""Evaluates a summarizer: what it writes for reviews, how much of it repeats, and how much of it is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from stream_app.ports import TextModel
from stream_app.records import Scores
from stream_app.steps.summary_text import faithful, word_count
from stream_app.training.data import LabelledReview
from stream_app.training.evaluate import answers, score_summaries
from stream_app.training.progress import tracked
from stream_app.training.report import table

MOST_OF_ONE_LINE = 0.02
"""A summarizer fails where a larger share of its outputs is the same line."""
LEAST_OUTPUTS = 100
"""Of fewer outputs nothing is said about repetition."""
_MOST_COMMON = 10


def evaluate_summaries(
    model: TextModel[str],
    reviews: Sequence[LabelledReview],
    titled: Sequence[tuple[str, str]],
    classifier: TextModel[Scores] | None = None,
) -> dict[str, Any]:
    """The numbers of `report.json`. ``reviews``: those that are long enough to be summed up, at least 1.

    ``titled``: (text, title) of reviews whose title is a reference for ROUGE. ``classifier``: judges the lines.
    """
    texts = [one.text for one in reviews]
    references = dict(titled)
    asked = list(dict.fromkeys([*texts, *references]))
    made = dict(zip(asked, tracked(answers(model, asked), "summaries", len(asked)), strict=True))
    lines = [made[text] for text in texts]
    used = [
        number
        for number, (line, review) in enumerate(zip(lines, reviews, strict=True))
        if faithful(line, review.text, review.label)
    ]
    report: dict[str, Any] = {
        "outputs": _outputs(lines, texts),
        "used": {
            "share": len(used) / len(lines),
            **_outputs([lines[number] for number in used], [texts[number] for number in used]),
        },
    }
    if classifier is not None and used:
        report["used"]["sentiment_agreement"] = _agreement(
            classifier, [lines[number] for number in used], [reviews[number] for number in used]
        )
    if references:
        report["titles"] = asdict(
            score_summaries(list(references), [made[text] for text in references], list(references.values()))
        )
    return report


def repeated_lines(report: Mapping[str, Any]) -> list[str]:
    """A sentence where the outputs, or those that are used, repeat one line too often."""
    return [
        f"{of['commonest'][0]['share']:.1%} of {of['count']} {name} are the same line, more than "
        f"{MOST_OF_ONE_LINE:.0%}: {of['commonest'][0]['line']!r}"
        for name, of in (("outputs", report["outputs"]), ("used outputs", report["used"]))
        if of["count"] >= LEAST_OUTPUTS and of["commonest"][0]["share"] > MOST_OF_ONE_LINE
    ]


def sections(report: Mapping[str, Any]) -> list[str]:
    """The report for people, from its JSON objects."""
    outputs, used = report["outputs"], report["used"]
    rows = [
        ["outputs", outputs["count"], used["count"]],
        ["share of all outputs", 1.0, used["share"]],
        ["different lines", outputs["distinct"], used["distinct"]],
        ["share of different lines", outputs["distinct_share"], used["distinct_share"]],
        ["copy rate: stands word for word in its review", outputs["copy_rate"], used["copy_rate"]],
        ["compression: words of the line / of the review", outputs["compression"], used["compression"]],
        ["words of a line", outputs["mean_words"], used["mean_words"]],
        ["sentiment agreement", None, used.get("sentiment_agreement")],
    ]
    failed = repeated_lines(report)
    written = [
        "## Outputs",
        "Used: what the check against the review accepts; instead of the others the best sentence is published. "
        "Sentiment agreement: of the used lines of reviews that are not neutral, judged between negative and positive.",
        table(["", "all", "used"], rows),
        "**Fails: " + "; ".join(failed) + ".**" if failed else "No line repeats too often.",
        "The commonest lines:",
        table(["line", "times", "share"], [[one["line"], one["times"], one["share"]] for one in outputs["commonest"]]),
    ]
    if titles := report.get("titles"):
        names = ("rouge1", "rouge2", "rouge_l", "words_in_source")
        written += [
            f"## Titles\n\nAgainst the titles of {titles['summaries']:,} reviews whose title stands in their text.",
            table(["score", "value"], [[name.replace("_", " "), titles[name]] for name in names]),
        ]
    return written


def _outputs(lines: Sequence[str], texts: Sequence[str]) -> dict[str, Any]:
    count = len(lines)
    if not count:
        return {
            "count": 0, "distinct": 0, "distinct_share": None, "copy_rate": None, "compression": None,
            "mean_words": None, "commonest": [],
        }  # fmt: skip
    commonest = Counter(lines).most_common(_MOST_COMMON)
    words = [word_count(line) for line in lines]
    return {
        "count": count,
        "distinct": len(set(lines)),
        "distinct_share": len(set(lines)) / count,
        "copy_rate": sum(_bare(line) in _bare(text) for line, text in zip(lines, texts, strict=True)) / count,
        "compression": sum(own / max(1, word_count(text)) for own, text in zip(words, texts, strict=True)) / count,
        "mean_words": sum(words) / count,
        "commonest": [{"line": line, "times": times, "share": times / count} for line, times in commonest],
    }


def _bare(text: str) -> str:
    """For comparing word for word: without case, spaces and a last full stop."""
    return " ".join(text.lower().split()).rstrip(".!。！")


def _agreement(classifier: TextModel[Scores], lines: Sequence[str], reviews: Sequence[LabelledReview]) -> float | None:
    clear = [(line, one.label) for line, one in zip(lines, reviews, strict=True) if one.label != "neutral"]
    judged = answers(classifier, [line for line, _ in clear])
    agree = [
        (scores.positive > scores.negative) == (label == "positive")
        for scores, (_, label) in zip(judged, clear, strict=True)
    ]
    return sum(agree) / len(agree) if agree else None
