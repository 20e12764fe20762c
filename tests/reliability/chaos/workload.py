"""A round's reviews: numbered, over hot and cold products, with everything that shops do wrong; seeded."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.reliability.testbed.messages import ACCEPTED, Sent
from tests.reliability.testbed.scripted_models import KILLS, KILLS_SUMMARIZER, RAISES

_EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples" / "invalid"

SAFETY_WORDS = "caught fire"
_POISON_SHARE = 0.05
_HOT_SHARE = 0.4
_COLD_PRODUCTS = 12


def workload(prefix: str, seed: int, size: int, *, killers: int = 0) -> list[Sent]:
    """``size`` messages, and ``killers`` that end the worker that computes them.

    Of these, shares: 5 % poison of every invalid kind in turn; 0.5 % on which the model fails; 5 % duplicates sent on
    purpose; 10 % edits, a third of them before their original; 5 % deletions, some before their original; 2 % edits
    from critical to warning; 5 % late (created up to 40 days ago); 1 % under a key that is not the product's. Two
    fifths go to one hot product.
    """
    chance = random.Random(seed)
    poison = _poison(seed)
    messages: list[Sent] = []
    number = 0
    while len(messages) < size:
        number += 1
        dice = chance.random()
        if dice < _POISON_SHARE:
            messages.append(next(poison))
            continue
        fields = _review(prefix, number, chance)
        if dice < 0.055:
            messages.append(_failing(fields, RAISES, "model_failed"))
        elif dice < 0.105:
            one = _accepted(fields, chance)
            messages += [one, replace(one)]
        elif dice < 0.205:
            messages += _edits(fields, chance)
        elif dice < 0.255:
            messages += _deletion(fields, chance)
        elif dice < 0.265:
            messages += _calmed(fields)
        elif dice < 0.285:
            messages.append(replace(_accepted(fields, chance), key=chance.choice([None, b"another-product"])))
        else:
            messages.append(_accepted(fields, chance))
    del messages[size:]
    for killer in range(killers):
        fields = _review(prefix, number + 1 + killer, chance)
        messages.insert(chance.randrange(size // 3), _failing(fields, KILLS, "kills_worker"))
    return messages


def plain(prefix: str, number: int, words: str = "", product: str = "", *, minutes_ago: float = 0) -> Sent:
    """A review just written, neither alarming nor long, with these words in it; of its own product if none is named."""
    product_id = f"{prefix}-{product or f'plain-{number}'}"
    fields: dict[str, object] = {
        "product_id": product_id,
        "review_id": f"s{number}",
        "created_at": _time(minutes_ago),
        "rating": 4,
        "text": f"Number {number} says p1234 about it{' ' if words else ''}{words}.",
    }
    return Sent(product_id.encode(), as_bytes(fields), ACCEPTED, fields, 1234)


LONG = "and came with a small blue label L7 on its upper side, and my neighbour took it in and brought it over"
"""Words that make a review long enough for T5; the label is its summary."""


def deletion(of: Sent, revision: int) -> Sent:
    """The deletion of a review, under a revision."""
    fields = {name: (of.fields or {})[name] for name in ("product_id", "review_id")}
    fields |= {"deleted": True, "revision": revision}
    return Sent(of.key, as_bytes(fields), ACCEPTED, fields)


def killer_of_describe(prefix: str, number: int) -> list[Sent]:
    """Reviews of one product; T5 dies over one of their sentences."""
    return [plain(prefix, number + i, KILLS_SUMMARIZER if i == 1 else "", f"kills-{number}") for i in range(4)]


def probe(prefix: str, number: int) -> Sent:
    """A fresh review of a product of its own: does it pass?"""
    chance = random.Random(number)
    fields = _review(prefix, number, chance) | {"product_id": f"{prefix}-probe-{number}", "created_at": _time(0)}
    return _accepted(fields, chance)


def _review(prefix: str, number: int, chance: random.Random) -> dict[str, Any]:
    hot = chance.random() < _HOT_SHARE
    late = chance.random() < 0.05
    minutes_ago = chance.uniform(60, 40 * 24 * 60) if late else chance.uniform(0, 30)
    return {
        "product_id": f"{prefix}-hot" if hot else f"{prefix}-{chance.randrange(_COLD_PRODUCTS)}",
        "review_id": f"r{number}",
        "created_at": _time(minutes_ago),
        "rating": chance.choice([None, 1, 2, 3, 4, 5]),
    }


def _accepted(fields: dict[str, Any], chance: random.Random, **more: Any) -> Sent:
    p_negative = 9900 if chance.random() < 0.2 else chance.randrange(10_001)
    text = f"Number {fields['review_id'][1:]} says p{p_negative:04d} about it."
    if chance.random() < 0.3:
        text += f" The parcel came on a Tuesday with a small blue label L{chance.randrange(1000)} on its upper side."
        text += " My neighbour took it in and brought it over in the evening."
    fields = {**fields, "text": text, **more}
    return Sent(fields["product_id"].encode(), as_bytes(fields), ACCEPTED, fields, p_negative)


def _failing(fields: dict[str, Any], word: str, reason: str) -> Sent:
    return Sent(fields["product_id"].encode(), as_bytes(fields | {"text": f"This one {word}, I fear."}), reason)


def _calmed(fields: dict[str, Any]) -> list[Sent]:
    """Written with a word of danger, and then edited: bad still, but no danger any more."""
    versions = []
    for revision, words in enumerate((f"It {SAFETY_WORDS} at once", "It stopped at once")):
        text = f"Number {fields['review_id'][1:]} says p9900 about it. {words}."
        more = {**fields, "rating": 1, "text": text, "created_at": _time(1)} | ({"revision": 1} if revision else {})
        versions.append(Sent(more["product_id"].encode(), as_bytes(more), ACCEPTED, more, 9900))
    return versions


def _edits(fields: dict[str, Any], chance: random.Random) -> list[Sent]:
    versions = [_accepted(fields, chance)]
    versions += [_accepted(fields, chance, revision=revision) for revision in range(1, chance.choice([2, 3]))]
    if chance.random() < 1 / 3:
        chance.shuffle(versions)
    return versions


def _deletion(fields: dict[str, Any], chance: random.Random) -> list[Sent]:
    deletion = {name: fields[name] for name in ("product_id", "review_id")} | {"deleted": True}
    if chance.random() < 0.5:
        deletion["revision"] = chance.choice([0, 1])
    gone = Sent(fields["product_id"].encode(), as_bytes(deletion), ACCEPTED, deletion)
    both = [_accepted(fields, chance), gone]
    if chance.random() < 0.3:
        both.reverse()
    return both


def _poison(seed: int) -> Iterator[Sent]:
    """Every kind of invalid message in turn, for ever."""
    reasons: dict[str, str] = json.loads((_EXAMPLES / "reasons.json").read_text())
    kinds = [(path.read_bytes(), reasons[path.name]) for path in sorted(_EXAMPLES.iterdir()) if path.name in reasons]
    number = seed
    while True:
        number += 1
        value, reason = kinds[number % len(kinds)] if number % (len(kinds) + 1) else (None, "tombstone")
        yield Sent(b"poison", value, reason)


def as_bytes(fields: dict[str, Any]) -> bytes:
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def _time(minutes_ago: float) -> str:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
