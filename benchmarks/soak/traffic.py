"""An endless, seeded stream of reviews as shops send them: new ones for ever, edits, deletions, repeats, and poison."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from stream_app.commands.review_files import Line, read_lines

_HOT_PRODUCTS = 8
_SHARES = {"new": 0.80, "edit": 0.06, "delete": 0.04, "repeat": 0.05, "poison": 0.05}
_HOT_SHARE = 0.6
_NEW_PRODUCT_SHARE = 0.1  # of the reviews of cold products
_COLD_PRODUCTS = 300  # the newest ones, that still get reviews
_REMEMBERED = 3000  # reviews that may still be edited, deleted or sent again: the generator itself must not grow
_LATE_SHARE = 0.02
_LATEST_HOURS = 40
_LONG_TEXT = 20_001


class Traffic:
    """Reviews without end; the same ``seed`` and times give the same ones.

    ``accepted``: how many different (product, review) the accepted ones were, which is what the view must hold.
    """

    def __init__(self, source: Path, seed: int) -> None:
        rows = [orjson.loads(line.value) for line in read_lines(source) if line.key is not None]
        self._sentences = sentences(rows)
        self._random = random.Random(seed)
        self._number = 0
        self._products = 0
        self._cold: deque[str] = deque(maxlen=_COLD_PRODUCTS)
        self._sent: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED)
        self.accepted = 0
        self.sent = dict.fromkeys(_SHARES, 0)

    def next(self, now: datetime) -> Line:
        """The next message; dates are relative to ``now``."""
        kind = self._random.choices(list(_SHARES), list(_SHARES.values()))[0]
        if not self._sent and kind not in ("new", "poison"):
            kind = "new"
        self.sent[kind] += 1
        match kind:
            case "new":
                return _line(self._remembered(self._new(now)))
            case "edit":
                review = self._any()
                if review.get("deleted"):
                    return _line(review)
                review["revision"] = review.get("revision", 0) + 1
                review["text"] = self._text()
                return _line(review)
            case "delete":
                review = self._any()
                review.update(deleted=True, revision=review.get("revision", 0) + 1)
                return _line(review)
            case "repeat":
                return _line(self._any())
            case _:
                return self._poison(now)

    def product(self, chance: random.Random) -> str:
        """A product as a reader would ask for it, hot ones more often; ``chance`` is the reader's, not ours."""
        cold = chance.random() >= _HOT_SHARE and self._products
        return f"cold-{chance.randint(1, self._products):06}" if cold else f"hot-{chance.randrange(_HOT_PRODUCTS)}"

    def _hot(self) -> str:
        return f"hot-{self._random.randrange(_HOT_PRODUCTS)}"

    def _new(self, now: datetime) -> dict[str, Any]:
        self._number += 1
        return {
            "product_id": self._product(),
            "review_id": f"soak-{self._number:09}",
            "text": self._text(),
            "rating": self._random.choice((1, 2, 3, 4, 5, None)),
            "title": self._random.choice((None, "As expected", "Not again")),
            "created_at": (now - self._late_by()).isoformat(timespec="milliseconds"),
        }

    def _remembered(self, review: dict[str, Any]) -> dict[str, Any]:
        self.accepted += 1
        self._sent.append(review)
        return review

    def _product(self) -> str:
        if self._random.random() < _HOT_SHARE:
            return self._hot()
        if not self._cold or self._random.random() < _NEW_PRODUCT_SHARE:
            self._products += 1
            self._cold.append(f"cold-{self._products:06}")
            return self._cold[-1]
        return self._random.choice(self._cold)

    def _late_by(self) -> timedelta:
        return timedelta(hours=self._random.uniform(0, _LATEST_HOURS) if self._random.random() < _LATE_SHARE else 0)

    def _any(self) -> dict[str, Any]:
        return self._sent[self._random.randrange(len(self._sent))]

    def _text(self) -> str:
        return " ".join(self._random.choices(self._sentences, k=self._random.choice((1, 2, 2, 3, 4, 8))))

    def _poison(self, now: datetime) -> Line:
        good = self._new(now)
        good["review_id"] = f"bad-{self._number:09}"
        key = good["product_id"].encode()
        broken: list[bytes] = [
            b"\xff\xfe not JSON",
            b'{"product_id": "hot-1", "review_id": ',
            b"[" * 2000,
            orjson.dumps([good]),
            orjson.dumps({name: value for name, value in good.items() if name != "text"}),
            orjson.dumps({name: value for name, value in good.items() if name != "product_id"}),
            orjson.dumps(good | {"text": " \n "}),
            orjson.dumps(good | {"text": "a" * _LONG_TEXT}),
            orjson.dumps(good | {"text": 7}),
            orjson.dumps(good | {"rating": 6}),
            orjson.dumps(good | {"review_id": "tab\tin it"}),
            orjson.dumps(good | {"review_id": "x" * 129}),
            orjson.dumps(good | {"created_at": "yesterday"}),
            orjson.dumps(good | {"created_at": (now + timedelta(days=2)).isoformat()}),
            orjson.dumps(good | {"revision": -1}),
        ]
        return Line(key, self._random.choice(broken))


def sentences(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The English sentences of the sample's reviews, each once: what the endless texts are put together from."""
    texts = [row["text"] for row in rows if isinstance(row.get("text"), str) and row["text"].isascii()]
    return list(dict.fromkeys(part for text in texts for part in _split(text)))


def _split(text: str) -> Iterator[str]:
    for part in text.split(". "):
        part = " ".join(part.split()).strip(" .")
        if 10 <= len(part) <= 300:
            yield f"{part}."


def _line(review: dict[str, Any]) -> Line:
    value = {name: one for name, one in review.items() if one is not None}
    return Line(review["product_id"].encode(), orjson.dumps(value))


def utc_now() -> datetime:
    return datetime.now(UTC)
