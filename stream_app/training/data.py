"""Reads labelled reviews from files: title, text, rating (1 to 5), label (negative, neutral, positive)."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stream_app.ports import ConfigurationError
from stream_app.records import LABELS, Label
from stream_app.steps.sentences import sentences as spans_of_sentences
from stream_app.training.rows import BadRow, Columns, Row, names_of_bad, read_rows

FIELDS = ("text", "title", "rating", "label", "product_id", "domain", "language", "hazard")
"""What a row of reviews or sentences may hold."""

_TAG = re.compile(r"<[^>]{1,40}>")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class LabelledReview:
    """One row of a file. ``neutral_possible``: False where its file knows only negative and positive reviews.

    ``rating``: stars. ``product_id``, ``domain``, ``language``: empty where the row names none.
    """

    title: str
    text: str
    label: Label
    neutral_possible: bool
    product_id: str = ""
    rating: int | None = None
    domain: str = ""
    language: str = ""

    @property
    def model_text(self) -> str:
        """Title and text as the classifier reads them."""
        return joined(self.title, self.text)


@dataclass(frozen=True, slots=True)
class ReviewFile:
    """The labelled reviews of a file, in order, and the rows that are none."""

    path: Path
    reviews: list[LabelledReview]
    bad_rows: list[BadRow]


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


def read_reviews(paths: Sequence[Path], columns: Columns | None = None) -> list[LabelledReview]:
    """All labelled reviews of these files, in order; rows without text, or without label and rating, are left out.

    Raises ConfigurationError for a file that is missing, unreadable or holds no labelled review.
    """
    return [review for path in paths for review in read_review_file(path, columns).reviews]


def read_review_file(path: Path, columns: Columns | None = None) -> ReviewFile:
    """The reviews of one file, as ``read_reviews``, and its bad rows, which are named on stderr."""
    file = ReviewFile(path, [], [])
    for row in read_rows(path, columns):
        one = _labelled(row.fields) if isinstance(row, Row) else row.reason
        if isinstance(one, str):
            file.bad_rows.append(BadRow(row.line, one))
        else:
            file.reviews.append(one)
    if not file.reviews:
        first = f" ({names_of_bad(path, file.bad_rows)})" if file.bad_rows else ""
        raise ConfigurationError(
            f"{path}: no row has a text and a label or rating{first}. Name a file of labelled reviews, or say which "
            "column holds what: --column text=NAME --column rating=NAME."
        )
    _warn(path, file.bad_rows)
    if not any(one.label == "neutral" for one in file.reviews):
        return replace(file, reviews=[replace(one, neutral_possible=False) for one in file.reviews])
    return file


def read_lines(path: Path, columns: Columns | None = None) -> Iterable[dict[str, Any]]:
    """The fields of a file's rows; bad rows are named on stderr.

    Raises ConfigurationError for a file that is missing, unreadable, or has bad rows alone.
    """
    rows = list(read_rows(path, columns))
    bad = [row for row in rows if isinstance(row, BadRow)]
    if bad and len(bad) == len(rows):
        raise ConfigurationError(f"All rows of a file are bad: {names_of_bad(path, bad)}. Name another file.")
    _warn(path, bad)
    return [row.fields for row in rows if isinstance(row, Row)]


def _warn(path: Path, bad: Sequence[BadRow]) -> None:
    if bad:
        print(f"{len(bad)} rows are left out: {names_of_bad(path, bad)}", file=sys.stderr)


def describe_file(path: Path) -> DataFile:
    """Name, number of rows and SHA-256 of a file, for cards and reports."""
    return DataFile(path.name, sum(1 for _ in read_rows(path)), hashlib.sha256(path.read_bytes()).hexdigest())


def sentences(text: str) -> list[str]:
    """Sentences of a text, as ``enrich`` splits it."""
    return [text[span.start : span.end] for span in spans_of_sentences(text)]


def plain(text: str) -> str:
    """Without HTML tags, white space collapsed."""
    return _SPACE.sub(" ", _TAG.sub(" ", text)).strip()


def named(paths: Sequence[Path]) -> dict[str, Path]:
    """A name for each file: its own without the ending, and a number behind it where that names another one."""
    names: dict[str, Path] = {}
    for path in paths:
        name, number = path.stem, 2
        while name in names:
            name, number = f"{path.stem}-{number}", number + 1
        names[name] = path
    return names


def is_held_out(key: str) -> bool:
    """Is it one of the seventh, by its hash, that nothing learns from? ``key``: a product's id, or a text."""
    return hashlib.sha256(key.encode()).digest()[0] < 256 // 7


def _labelled(row: dict[str, Any]) -> LabelledReview | str:
    """The review of a row, or why it is none."""
    title, text = plain(str(row.get("title") or "")), plain(str(row.get("text") or ""))
    if not (title or text):
        return "has no text"
    label, rating = row.get("label"), row.get("rating")
    stars = rating if isinstance(rating, int) and 1 <= rating <= 5 else None
    if not isinstance(label, str):
        if stars is None:
            return "has no label and no rating from 1 to 5"
        label = label_of_rating(stars)
    if label not in LABELS:
        return f"has the label {label[:40]!r}, not {', '.join(LABELS)}"
    return LabelledReview(
        title,
        text,
        label,
        neutral_possible=True,  # until the whole file is known
        product_id=str(row.get("product_id") or ""),
        rating=stars,
        domain=str(row.get("domain") or row.get("category") or ""),
        language=str(row.get("language") or ""),
    )
