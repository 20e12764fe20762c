"""The report of a classifier for people, in Markdown, from its JSON objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream_app.records import LABELS
from stream_app.training.report import table

_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "binary_accuracy": "binary accuracy",
    "calibration_error": "expected calibration error",
}


def sections(report: Mapping[str, Any]) -> list[str]:
    """The report for people, from its JSON objects."""
    parts = (_scores, _calibration, _parts, _robustness, _negation, _fairness)
    return [part(report) for part in parts]


def _scores(report: Mapping[str, Any]) -> str:
    return "\n\n".join(
        [
            "## Scores",
            f"On {report['reviews']:,} reviews. Binary accuracy: of the reviews that are not neutral, judged between "
            "negative and positive.",
            table(["score", "value"], [[shown, report[name]] for name, shown in _NAMES.items()]),
            table(
                ["label", "precision", "recall", "F1", "reviews"],
                [
                    [label, of["precision"], of["recall"], of["f1"], of["reviews"]]
                    for label, of in report["labels"].items()
                ],
            ),
            "Rows are labels, columns what was judged:",
            table(["", *LABELS], [[label, *row] for label, row in zip(LABELS, report["confusion"], strict=True)]),
            "![Confusion](confusion.png)",
        ]
    )


def _calibration(report: Mapping[str, Any]) -> str:
    of = report["calibration"]
    text = f"Expected calibration error (10 bins) {report['calibration_error']:.3f}"
    if "temperature" in of:
        text += (
            f"; {of['error_before_temperature']:.3f} before the logits are divided by the temperature that the model's "
            "card states"
        )
    columns = ("threshold", "coverage", "accuracy", "accuracy_rejected", "wrong_rejected")
    by_threshold = [[one[name] for name in columns] for one in of["selective_accuracy"]]
    return "\n\n".join(
        [
            "## Calibration",
            f"{text}.",
            "![Reliability](reliability.png)",
            "Where labels of less confidence than a threshold are rejected:",
            table(["threshold", "coverage", "accuracy", "of the rejected", "wrong labels rejected"], by_threshold),
        ]
    )


def _parts(report: Mapping[str, Any]) -> str:
    tables = [
        table(
            [name, "reviews", "accuracy", "macro-F1", "binary accuracy"],
            [
                [value, of["reviews"], of["accuracy"], of["macro_f1"], of["binary_accuracy"]]
                for value, of in parts.items()
            ],
        )
        for name, parts in report["slices"].items()
    ]
    return "\n\n".join(["## Parts of the data", *tables, "![Accuracy by part](slices.png)"])


def _robustness(report: Mapping[str, Any]) -> str:
    kinds = report["robustness"]
    return "\n\n".join(
        [
            "## Robustness",
            "Labels that flip when a review is changed in a way that should not matter. Only texts that the change "
            "changes are counted.",
            table(
                ["change", "texts", "flipped", "share"],
                [[name.replace("_", " "), of["texts"], of["flipped"], of["share"]] for name, of in kinds.items()],
            ),
            "![Flipped labels](flips.png)",
        ]
    )


def _negation(report: Mapping[str, Any]) -> str:
    languages = report["negation"]
    wrong = [f"- {pair}" for of in languages.values() for pair in of["examples"]]
    return "\n\n".join(
        [
            "## Negation",
            'Pairs such as "It works." and "It does not work.": the share whose labels differ in the expected '
            "direction, and the share where both labels are right.",
            table(
                ["language", "pairs", "as expected", "both right"],
                [[name, of["pairs"], of["share"], of["both_right"]] for name, of in languages.items()],
            ),
            *(["Not as expected, for example:", "\n".join(wrong)] if wrong else []),
        ]
    )


def _fairness(report: Mapping[str, Any]) -> str:
    reviews, *templates = report["fairness"].items()
    rows = [
        [name.replace("_", " "), of["texts"], of["flipped"], of["share"], of["templates_differing"], of["gap"]]
        for name, of in templates
    ]
    _, swapped = reviews
    return "\n\n".join(
        [
            "## Fairness",
            "Sentences that differ in an identity term alone. Flipped: another label than most of their template have. "
            "Gap: the largest difference between groups in the mean of P(positive) − P(negative).",
            table(["term", "texts", "flipped", "share", "templates that differ", "gap"], rows),
            f"Gender swapped in the reviews that speak of someone: {swapped['flipped']} of {swapped['texts']} labels "
            f"flip ({swapped['share']:.3f}).",
        ]
    )
