"""Evaluates a summarizer: what it writes for reviews, how much of it repeats, and how much of it is used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from stream_app.ports import TextModel
from stream_app.records import Label, Scores, Span
from stream_app.steps.label_agreement import agreeing_sentences, contradicts_label, line_agrees
from stream_app.steps.sentences import sentences
from stream_app.steps.summary_input import summary_input
from stream_app.steps.summary_text import best_sentence, faithful, is_copied, word_count
from stream_app.training.data import LabelledReview
from stream_app.training.evaluate import answers, labels_of, score_summaries
from stream_app.training.progress import tracked
from stream_app.training.report import table

MOST_OF_ONE_LINE = 0.02
"""A summarizer fails where a larger share of its outputs is the same line."""
LEAST_OUTPUTS = 100
"""Of fewer outputs nothing is said about repetition."""
_MOST_COMMON = 10
_MOST_TITLE_WORDS = 10
_LEAST_OF_TITLE = 0.5  # share of a title's words that stand in the text: other titles say what no line of it can
_WORD = re.compile(r"[a-z0-9']+")


def evaluate_summaries(
    model: TextModel[str],
    reviews: Sequence[LabelledReview],
    classifier: TextModel[Scores],
    *,
    reads_label: bool = False,
) -> dict[str, Any]:
    """The numbers of `report.json`. ``reviews``: those that are long enough to be summed up, at least 1.

    ``classifier``: judges the reviews, which decides what the model is given of them, and the lines; unlike in a worker
    it does not read their titles, which are the references. ``reads_label``: the model is told the label.
    """
    texts = [one.text for one in reviews]
    judged = list(tracked(answers(classifier, texts), "labels", len(texts)))
    labels = labels_of(judged)
    asked = summary_inputs(texts, judged, reads_label=reads_label)
    lines = list(tracked(answers(model, asked), "summaries", len(asked)))
    judged_lines = list(tracked(answers(classifier, lines), "labels of the summaries", len(lines)))
    used = [
        number
        for number, (line, text, label, scores) in enumerate(zip(lines, texts, labels, judged, strict=True))
        if faithful(line, text, label)
        and not contradicts_label(line, text, scores.sentences, label)
        and (not reads_label or line_agrees(judged_lines[number], label))
    ]
    report: dict[str, Any] = {
        "outputs": _outputs(lines, texts),
        "used": {
            "share": len(used) / len(lines),
            **_outputs([lines[number] for number in used], [texts[number] for number in used]),
        },
    }
    if used:
        report["used"]["sentiment_agreement"] = _agreement(
            [judged_lines[number] for number in used], [labels[number] for number in used]
        )
    if titled := [number for number, one in enumerate(reviews) if has_faithful_title(one)]:
        best = [
            best_sentence(
                texts[number],
                None,
                labels[number],
                [span for _, span in agreeing_sentences(judged[number].sentences, labels[number])],
            )
            for number in titled
        ]
        report["titles"] = _of_titles(
            [reviews[number] for number in titled], [lines[number] for number in titled], best
        )
    return report


def summary_inputs(texts: Sequence[str], judged: Sequence[Scores], *, reads_label: bool) -> list[str]:
    """What a worker gives to the summarizer of these texts. ``judged``: the classifier's answers to them."""
    return [
        summary_input(text, label, scores.sentences, reads_label=reads_label, truncated=scores.truncated)
        for text, label, scores in zip(texts, labels_of(judged), judged, strict=True)
    ]


def has_faithful_title(review: LabelledReview) -> bool:
    """Is the title short, and do its content words mostly stand in the text?"""
    words = [word for word in _WORD.findall(review.title.lower()) if len(word) > 2]
    if not words or len(review.title.split()) > _MOST_TITLE_WORDS:
        return False
    text = review.text.lower()
    return sum(word[:5] in text for word in words) >= _LEAST_OF_TITLE * len(words)


def _of_titles(reviews: Sequence[LabelledReview], lines: Sequence[str], best: Sequence[Span | None]) -> dict[str, Any]:
    """Scores of the lines against the titles, and of what could stand in their place."""
    texts, titles = [one.text for one in reviews], [one.title for one in reviews]
    first = [next(iter(sentences(text)), None) for text in texts]
    return {
        "lines": asdict(score_summaries(texts, lines, titles)),
        **{
            name: asdict(
                score_summaries(
                    texts,
                    [text[span.start : span.end] if span else "" for text, span in zip(texts, spans, strict=True)],
                    titles,
                )
            )
            for name, spans in (("best_sentence", best), ("first_sentence", first))
        },
    }


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
        names = ("rouge1", "rouge2", "rouge_l", "words_in_source", "mean_words")
        written += [
            f"## Titles\n\nAgainst the titles of {titles['lines']['summaries']:,} reviews whose title stands in "
            "their text. The model was not shown them. Best sentence: what is published in place of an unused line.",
            table(
                ["", *(name.replace("_", " ") for name in names)],
                [[name.replace("_", " "), *(of[one] for one in names)] for name, of in titles.items()],
            ),
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
        "copy_rate": sum(is_copied(line, text) for line, text in zip(lines, texts, strict=True)) / count,
        "compression": sum(own / max(1, word_count(text)) for own, text in zip(words, texts, strict=True)) / count,
        "mean_words": sum(words) / count,
        "commonest": [{"line": line, "times": times, "share": times / count} for line, times in commonest],
    }


def _agreement(lines: Sequence[Scores], labels: Sequence[Label]) -> float | None:
    agree = [
        (line.positive > line.negative) == (label == "positive")
        for line, label in zip(lines, labels, strict=True)
        if label != "neutral"
    ]
    return sum(agree) / len(agree) if agree else None
