"""Reads labelled reviews from JSON Lines files: title, text, rating (1 to 5), label (negative, neutral, positive)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from stream_app.ports import ConfigurationError
from stream_app.records import LABELS, Label
from stream_app.steps.sentences import sentences as spans_of_sentences

_TAG = re.compile(r"<[^>]{1,40}>")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class LabelledReview:
    """One line of a file. ``neutral_possible``: False where its file knows only negative and positive reviews.

    ``product_id``: empty where the file names none.
    """

    title: str
    text: str
    label: Label
    neutral_possible: bool
    product_id: str = ""

    @property
    def model_text(self) -> str:
        """Title and text as the classifier reads them."""
        return joined(self.title, self.text)


@dataclass(frozen=True, slots=True)
class DataFile:
    """What a model card states about a file of data."""

    name: str
    rows: int
    sha256: str


def joined(title: str, text: str) -> str:
    """``title. text``, with a full stop only where the title has no punctuation of its own."""
    if not title or not text:
        return title or text
    return f"{title} {text}" if title[-1] in ".!?…。！？" else f"{title}. {text}"


def label_of_rating(rating: int) -> Label:
    """1, 2: negative; 3: neutral; 4, 5: positive."""
    return LABELS[0] if rating <= 2 else LABELS[1] if rating == 3 else LABELS[2]


def read_reviews(paths: Sequence[Path]) -> list[LabelledReview]:
    """All labelled reviews of these files, in order; lines without text, or without label and rating, are left out.

    Raises ConfigurationError for a file that is missing, malformed or holds no labelled review.
    """
    reviews: list[LabelledReview] = []
    for path in paths:
        rows = [row for row in map(_labelled, read_lines(path)) if row]
        if not rows:
            raise ConfigurationError(
                f"{path}: no line has a text and a label or rating. Name a file of labelled reviews."
            )
        neutral_possible = any(label == "neutral" for _, _, label, _ in rows)
        reviews += [
            LabelledReview(title, text, label, neutral_possible, product) for title, text, label, product in rows
        ]
    return reviews


def read_lines(path: Path) -> Iterable[dict[str, Any]]:
    """The JSON objects of a file, one per line; raises ConfigurationError that names file and line."""
    if not path.is_file():
        raise ConfigurationError(f"{path} does not exist. Name a JSON Lines file with one review per line.")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise ConfigurationError(f"{path}, line {number} is not JSON ({error}). Fix or remove it.") from error
            if not isinstance(row, dict):
                raise ConfigurationError(f"{path}, line {number} is not a JSON object. Fix or remove it.")
            yield row


def describe_file(path: Path) -> DataFile:
    """Name, number of lines and SHA-256 of a file, for the model card."""
    content = path.read_bytes()
    return DataFile(
        path.name, sum(1 for line in content.splitlines() if line.strip()), hashlib.sha256(content).hexdigest()
    )


def sentences(text: str) -> list[str]:
    """Sentences of a text, as ``enrich`` splits it."""
    return [text[span.start : span.end] for span in spans_of_sentences(text)]


def plain(text: str) -> str:
    """Without HTML tags, white space collapsed."""
    return _SPACE.sub(" ", _TAG.sub(" ", text)).strip()


def is_held_out(key: str) -> bool:
    """Is it one of the seventh, by its hash, that nothing learns from? ``key``: a product's id, or a text."""
    return hashlib.sha256(key.encode()).digest()[0] < 256 // 7


def _labelled(row: dict[str, Any]) -> tuple[str, str, Label, str] | None:
    title, text = plain(str(row.get("title") or "")), plain(str(row.get("text") or ""))
    label, rating = row.get("label"), row.get("rating")
    if not isinstance(label, str) and isinstance(rating, int) and 1 <= rating <= 5:
        label = label_of_rating(rating)
    if label not in LABELS or not (title or text):
        return None
    return title, text, label, str(row.get("product_id") or "")
