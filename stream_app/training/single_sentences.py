"""Writes the short reviews that are one sentence: their label is that of the sentence.

python -m stream_app.training.single_sentences zh_shopping_train.jsonl zh_sentences_train.jsonl

For `stream-app train sentiment --sentences` in a language without labelled sentences.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import orjson

from stream_app.steps.sentences import sentences
from stream_app.training.data import plain, read_lines

CHARACTERS = range(4, 61)
"""A longer one often has clauses of both sentiments."""


def single_sentences(path: Path) -> list[dict[str, object]]:
    """The rows with a label whose text is one sentence of as many ``CHARACTERS``, in order, without other fields."""
    found: list[dict[str, object]] = []
    for row in read_lines(path):
        text = plain(str(row.get("text") or ""))
        if len(text) in CHARACTERS and row.get("label") and len(sentences(text)) == 1:
            kept = {name: row[name] for name in ("review_id", "product_id", "label", "language") if name in row}
            found.append(kept | {"text": text})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reviews", type=Path, help="labelled reviews, as of `stream-app train sentiment --train`")
    parser.add_argument("sentences", type=Path, help="JSON Lines file to write")
    options = parser.parse_args()
    found = single_sentences(options.reviews)
    options.sentences.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in found))
    print(f"{len(found)} reviews of one sentence")


if __name__ == "__main__":
    main()
