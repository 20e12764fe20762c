"""Writes the labelled sentences of reviews: labels name a place in a review, whose words stand in files of reviews.

python -m stream_app.training.sentences_in_reviews labels.jsonl sentences.jsonl reviews.jsonl …

For `stream-app train sentiment --sentences` and `evaluate sentences`. The labels that come with stream-app are in
`stream_app/training/data`, without a word of the reviews.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from stream_app.ports import ConfigurationError
from stream_app.training.data import read_lines, read_reviews

_LEAST_FOUND = 0.9
"""Of the labelled reviews: fewer means that a file is missing or another version."""


def key_of(text: str) -> str:
    """How labels name a review. ``text``: title and text as the classifier reads them (LabelledReview.model_text)."""
    return sha256(text.encode()).hexdigest()[:16]


def sentences_in_reviews(labels: Path, reviews: Sequence[Path]) -> list[dict[str, Any]]:
    """A row ``{review_id, clauses: [{text, label, aspects, hazard}]}`` for each labelled review that is in ``reviews``.

    A line of ``labels`` is ``{review, sentences: [[start, end, label, [aspect, …], hazard], …]}`` with places in code
    points. Raises ConfigurationError where more than a tenth of the labelled reviews is in none of ``reviews``.
    """
    texts = {key_of(one.model_text): one.model_text for one in read_reviews(reviews)}
    labelled = list(read_lines(labels))
    found = [
        {
            "review_id": row["review"],
            "clauses": [
                {"text": texts[row["review"]][start:end], "label": label, "aspects": aspects, "hazard": hazard}
                for start, end, label, aspects, hazard in row["sentences"]
            ],
        }
        for row in labelled
        if row["review"] in texts
    ]
    if len(found) < _LEAST_FOUND * len(labelled):
        raise ConfigurationError(
            f"{len(labelled) - len(found)} of the {len(labelled)} reviews that {labels} labels are in none of these "
            "files. Name all files that it was made from, in the version that the cards of the models state."
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path, help="lines of {review, sentences}")
    parser.add_argument("sentences", type=Path, help="JSON Lines file to write")
    parser.add_argument("reviews", type=Path, nargs="+", help="files of labelled reviews")
    options = parser.parse_args()
    try:
        found = sentences_in_reviews(options.labels, options.reviews)
    except ConfigurationError as error:
        parser.exit(1, f"{error}\n")
    options.sentences.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in found))
    print(f"{sum(len(one['clauses']) for one in found)} sentences of {len(found)} reviews")


if __name__ == "__main__":
    main()
