"""A few labelled reviews as files, to train on within seconds."""

from __future__ import annotations

from pathlib import Path

import orjson

_GOOD = ["The lamp is bright and easy to mount", "A warm coat that fits well", "The kettle boils fast"]
_BAD = ["The lamp broke after two days", "The coat is thin and the zip is stuck", "The kettle leaks on the table"]
_MIXED = ["The lamp is fine but the cable is short", "The coat is warm but the colour is off", "An average kettle"]


def rows() -> list[dict[str, object]]:
    """Reviews of five, three and one stars, each with a title that its text bears out."""
    found: list[dict[str, object]] = []
    for rating, texts in ((5, _GOOD), (3, _MIXED), (1, _BAD)):
        for text in texts:
            body = f"{text}. I have used it for a month now, every day, at home and at work."
            found.append({"title": " ".join(text.split()[:4]), "text": body, "rating": rating})
    return found


def write(file: Path, lines: list[dict[str, object]]) -> Path:
    """The lines as a JSON Lines file."""
    file.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return file
