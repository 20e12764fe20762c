"""Maps the label names of any sentiment classifier to negative, neutral and positive."""

from __future__ import annotations

from collections.abc import Mapping

from stream_app.ports import ConfigurationError
from stream_app.records import LABELS

_NAMES = {
    "negative": ("negative", "neg", "very negative", "bad", "1 star", "2 stars", "1", "2"),
    "neutral": ("neutral", "neu", "mixed", "3 stars", "3"),
    "positive": ("positive", "pos", "very positive", "good", "4 stars", "5 stars", "4", "5"),
}
_INDEX_OF_NAME = {name: LABELS.index(label) for label in LABELS for name in _NAMES[label]}

# Models that never named their labels: LABEL_0 ... LABEL_n-1, from the worst to the best.
_UNNAMED = {2: (0, 2), 3: (0, 1, 2), 5: (0, 0, 1, 2, 2)}


def columns(id2label: Mapping[int, str]) -> tuple[int, ...]:
    """For each output of the model, its place in ``records.LABELS``.

    Understood, in any case, with ``_`` or ``-`` for spaces: negative/neg/bad, neutral/neu/mixed, positive/pos/good,
    "very" before them; 1 to 5 with or without "star(s)" (1, 2: negative; 3: neutral; 4, 5: positive); LABEL_0 ...
    of two (negative, positive), three (negative, neutral, positive) or five (stars) outputs. Where no output is
    neutral, its probability is 0. Raises ConfigurationError that names the labels it does not know.
    """
    names = [_normalised(id2label[index]) for index in sorted(id2label)]
    if all(name == f"label {index}" for index, name in enumerate(names)) and len(names) in _UNNAMED:
        return _UNNAMED[len(names)]
    unknown = sorted({id2label[index] for index in id2label if _normalised(id2label[index]) not in _INDEX_OF_NAME})
    if unknown:
        raise ConfigurationError(
            f"The classifier's labels {', '.join(map(repr, unknown))} are not sentiments that are known here. "
            "Name a sentiment model, or change id2label in its config.json to negative, neutral and positive."
        )
    found = tuple(_INDEX_OF_NAME[name] for name in names)
    if not {0, 2} <= set(found):
        raise ConfigurationError(
            f"The classifier's labels {', '.join(map(repr, id2label.values()))} lack a negative or a positive one. "
            "Name a sentiment model."
        )
    return found


def _normalised(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())
