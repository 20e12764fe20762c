"""What the fuzzing sends: bytes at random, damaged and mutated examples, strange JSON, strange texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

from tests.reliability.fuzz.corpus import BLOCKS, EXAMPLES, NAMES, OBJECTS, TEXTS, TOKENS, VALUES
from tests.reliability.fuzz.patterns import FRAGMENTS as PATTERN_FRAGMENTS

MAX_TEXT_CHARACTERS = 20_000
MAX_MESSAGE_BYTES = 1024 * 1024


def made(rng: Random) -> tuple[str, str, bytes]:
    """(family, target, bytes). Target: which decoder they are for."""
    family = rng.choices(list(_FAMILIES), _WEIGHTS)[0]
    target, value = _FAMILIES[family](rng)
    return family, target, value


def _noise(rng: Random) -> tuple[str, bytes]:
    return _any_target(rng), rng.randbytes(_length(rng, 2_000))


def _mutated_example(rng: Random) -> tuple[str, bytes]:
    """An example with bytes changed, left out, put in, doubled, or with half of another."""
    target = _any_target(rng)
    value = bytearray(rng.choice(EXAMPLES[target]))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at, kind = rng.randrange(len(value) + 1), rng.randrange(6)
        if kind == 0 and at < len(value):
            value[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del value[at : at + _length(rng, 100)]
        elif kind == 2:
            value[at:at] = rng.choice(TOKENS)
        elif kind == 3:
            value[at:at] = value[at : at + _length(rng, 100)]
        elif kind == 4:
            other = rng.choice(EXAMPLES[target])
            value[at:] = other[rng.randrange(len(other) + 1) :]
        else:
            value[at : at + 1] = rng.randbytes(_length(rng, 8))
    return target, bytes(value)


def _strange_json(rng: Random) -> tuple[str, bytes]:
    """An example's object with values of any type, fields left out, doubled or unknown, at any depth."""
    target = _any_target(rng)
    fields = dict(rng.choice(OBJECTS[target]))
    pairs = list(_mutated_object(rng, fields, depth=0))
    value = "{" + ",".join(pairs) + "}"
    if rng.random() < 0.03:
        value = rng.choice(("\ufeff", " \n", "[", "\x00", "{}")) + value
    return target, value.encode("utf-8", "surrogatepass")


def _mutated_object(rng: Random, fields: dict[str, object], depth: int) -> list[str]:
    pairs = [(name, value) for name, value in fields.items() if rng.random() > 0.02]
    changed = rng.choice((1, 1, 1, 2, 3)) if pairs else 0
    mutated = set(rng.sample(range(len(pairs)), min(changed, len(pairs))))
    texts = []
    for index, (name, value) in enumerate(pairs):
        if index not in mutated:
            text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
        elif isinstance(value, dict) and depth < 3 and rng.random() < 0.8:
            text = "{" + ",".join(_mutated_object(rng, value, depth + 1)) + "}"
        else:
            text = _strange_value(rng)
        texts.append(f"{json.dumps(name)}:{text}")
    if rng.random() < 0.2:
        texts.insert(rng.randrange(len(texts) + 1), f"{json.dumps(rng.choice(NAMES))}:{_strange_value(rng)}")
    return texts


def _strange_value(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.7:
        return rng.choice(VALUES)
    if kind < 0.8:
        levels = rng.choice((3, 300, 900, 990, 1015, 1030))
        opened, closed = rng.choice((("[", "]"), ('{"a":', "}"), ('[0,{"b":', "}]")))
        return opened * levels + "1" + closed * levels
    if kind < 0.9:
        return json.dumps(_text(rng, 300), ensure_ascii=rng.random() < 0.5)
    return "[" + ",".join(rng.choice(VALUES) for _ in range(rng.randrange(7))) + "]"


def _strange_text(rng: Random) -> tuple[str, bytes]:
    """A review that is accepted, but for what its text and title say."""
    fields: dict[str, object] = {"product_id": "p", "review_id": "r", "text": _text(rng, MAX_TEXT_CHARACTERS)}
    if rng.random() < 0.5:
        fields["title"] = _text(rng, rng.choice((60, 60, 60, MAX_TEXT_CHARACTERS)))
    if rng.random() < 0.5:
        fields["rating"] = rng.randint(1, 5)
    if rng.random() < 0.5:
        fields["language"] = rng.choice(("en", "EN-us", "zh", "ja", "uk", "und", "x-y", "", _text(rng, 40)))
    return "review", json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _text(rng: Random, at_most: int) -> str:
    length = _length(rng, at_most)
    kind = rng.random()
    if kind < 0.15:
        first, end = rng.choice(BLOCKS)
        text = "".join(map(chr, rng.choices(range(first, end), k=length)))
    elif kind < 0.3:
        text = _repeated(rng.choice(TEXTS), length)
    elif kind < 0.45:
        text = _repeated(rng.choice(PATTERN_FRAGMENTS), length) + rng.choice(("", "!", "\n", "x", rng.choice(TEXTS)))
    else:
        pool = rng.choices(TEXTS, k=rng.choice((2, 5, 30))) + rng.choices(PATTERN_FRAGMENTS, k=3)
        separator = rng.choice((" ", " ", " ", "", ". ", "\n"))
        text = separator.join(rng.choices(pool, k=1 + length // 8))
    return text[:at_most]


def _pumped(rng: Random) -> tuple[str, bytes]:
    """Text and title as long as they may be, of pieces of the package's own patterns: what would make one backtrack."""
    fields = {"product_id": "p", "review_id": "r", "language": rng.choice(("en", "und", "zh"))}
    for name in ("text", "title"):
        piece = "".join(rng.choices(PATTERN_FRAGMENTS, k=rng.choice((1, 1, 2)))) + rng.choice(("", "", " ", ". ", "\n"))
        end = rng.choice(("", "!", "x", rng.choice(PATTERN_FRAGMENTS)))
        fields[name] = _repeated(piece, MAX_TEXT_CHARACTERS - len(end)) + end
    return "review", json.dumps(fields, ensure_ascii=False).encode()


def _megabyte(rng: Random) -> tuple[str, bytes]:
    """A message as large as the topic takes, all of it in one field."""
    target = _any_target(rng)
    fields = dict(rng.choice(OBJECTS[target]))
    filler = rng.choice((rng.choice(TEXTS), rng.choice(PATTERN_FRAGMENTS), chr(rng.randrange(0x20, 0xD800))))
    name = rng.choice((*fields, "unknown"))
    kind = rng.random()
    if kind < 0.6:
        whole = json.dumps(_repeated(filler, MAX_MESSAGE_BYTES), ensure_ascii=False).encode("utf-8", "surrogatepass")
        inside = b'"' + whole[1 : MAX_MESSAGE_BYTES - 2_000].decode(errors="ignore").rstrip("\\").encode() + b'"'
    else:
        piece = rng.choice(VALUES).encode()
        inside = b"[" + b",".join([piece] * ((MAX_MESSAGE_BYTES - 2_000) // (len(piece) + 1))) + b"]"
    fields[name] = "@"
    return target, json.dumps(fields).encode().replace(b'"@"', inside, 1)


def _any_target(rng: Random) -> str:
    return "review" if rng.random() < 0.7 else rng.choice(("enriched", "alert", "product_summary"))


def _length(rng: Random, at_most: int) -> int:
    """Mostly short; now and then all of it."""
    return at_most if rng.random() < 0.003 else int(at_most ** (rng.random() ** 1.5))


def _repeated(piece: str, length: int) -> str:
    return (piece * (length // len(piece) + 1))[:length]


_FAMILIES: dict[str, Callable[[Random], tuple[str, bytes]]] = {
    "noise": _noise,
    "mutated example": _mutated_example,
    "strange JSON": _strange_json,
    "strange text": _strange_text,
    "pumped": _pumped,
    "megabyte": _megabyte,
}
_WEIGHTS = (0.1, 0.25, 0.3, 0.343, 0.006, 0.001)
