"""Writes the sentences of short reviews, each with its review's label.

python -m stream_app.training.short_reviews zh_shopping_train.jsonl zh_sentences_train.jsonl

For `stream-app train sentiment --sentences` in a language without labelled sentences; of Chinese, the clauses. Reviews
with a word of contrast ("但是") are left out: they praise one thing and complain of another.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import orjson

from stream_app.steps.sentences import sentences
from stream_app.training.data import plain, read_lines

CHARACTERS = range(4, 61)
MOST_SENTENCES = 3
"""A longer review often has sentences of both sentiments."""
_CONTRAST = re.compile(
    r"但|不过|可惜|就是|只是|可是|虽|然而|除了|却|倒|还行|一般|\b(?:but|however|although|though|except)\b", re.I
)


def sentences_of_short_reviews(path: Path) -> list[dict[str, object]]:
    """A row for each sentence of the reviews with a label, of CHARACTERS and MOST_SENTENCES, in order."""
    found: list[dict[str, object]] = []
    for row in read_lines(path):
        text = plain(str(row.get("text") or ""))
        if len(text) not in CHARACTERS or not row.get("label") or _CONTRAST.search(text):
            continue
        spans = sentences(text)
        if len(spans) <= MOST_SENTENCES:
            kept = {name: row[name] for name in ("review_id", "product_id", "label", "language") if name in row}
            found += [kept | {"text": text[span.start : span.end]} for span in spans]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reviews", type=Path, help="labelled reviews, as of `stream-app train sentiment --train`")
    parser.add_argument("sentences", type=Path, help="JSON Lines file to write")
    options = parser.parse_args()
    found = sentences_of_short_reviews(options.reviews)
    options.sentences.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in found))
    print(f"{len(found)} sentences of short reviews")


if __name__ == "__main__":
    main()
