"""What the fuzzing sends: bytes at random, broken and bent examples, strange JSON, strange texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

from stream_app import contract
from tests.reliability.fuzz_patterns import FRAGMENTS as PATTERN_FRAGMENTS

MAX_TEXT_CHARACTERS = 20_000
MAX_MESSAGE_BYTES = 1024 * 1024
_EXAMPLES = contract.schema_folder() / "examples"

EXAMPLES: dict[str, list[bytes]] = {
    "review": [
        *(path.read_bytes() for path in sorted((_EXAMPLES / "valid").glob("review.*.json"))),
        *(path.read_bytes() for path in sorted((_EXAMPLES / "invalid").iterdir())),
        *(path.read_bytes() for path in sorted((_EXAMPLES / "cleaned").iterdir())),
    ],
    "enriched": [(_EXAMPLES / "valid" / "enriched-review.json").read_bytes()],
    "alert": [(_EXAMPLES / "valid" / "alert.json").read_bytes()],
    "product_summary": [(_EXAMPLES / "valid" / "product-summary.json").read_bytes()],
}
_OBJECTS = {
    "review": [json.loads(path.read_bytes()) for path in sorted((_EXAMPLES / "valid").glob("review.*.json"))],
    **{target: [json.loads(EXAMPLES[target][0])] for target in ("enriched", "alert", "product_summary")},
}

# pieces of JSON and of what is almost JSON, put into bytes wherever
_TOKENS = (
    *b'{ } [ ] , : " \\ null true false NaN Infinity -Infinity -0 1e400 1E-400 -1 0.1 1.0 \\u0000 \\ud83d'.split(),
    *(b"\\udc00", b"18446744073709551616", b"9007199254740993", b"9" * 400, b"\xef\xbb\xbf", b"\xff\xfe", b"\x00"),
    *(b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98", b"[" * 1100, b'{"a":' * 1030, b"/*"),
    *(b"//", b"'", b"\n"),
)
# values of any field, as JSON text
_VALUES = (
    *"null true false 0 -0 1 5 6 -1 4.5 5.0 1e2 1e308 1e400 -1e400 5e-324 NaN Infinity -Infinity 00 1. .5 +1".split(),
    *"0x1 9007199254740991 9007199254740992 9223372036854775808 18446744073709551615 18446744073709551616".split(),
    *("9" * 400, "0." + "1" * 400, '""', '" "', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\u001f"', '"\\u0085"'),
    *("[]", "{}", "[[]]", "[null]", '[""]', '{"": null}', '{"a": 1, "a": 2}', '["negative"]', '{"label": []}', "'a'"),
    *('"a"', '"é"', '"👍"', '"created"', '"deleted"', '"negative"', '"own_text"', '"critical"', '"en-US"', '"zh_TW"'),
    *(
        '"2026-05-01T12:00:00Z"',
        '"2026-05-01t12:00:00.123456789z"',
        '"2026-05-01 12:00:00"',
        '"2026-05-01T12:00+00:00"',
    ),
    *(
        '"2026-05-01T12:00:00,5+23:59"',
        '"0001-01-01T00:00:00+23:59"',
        '"9999-12-31T23:59:59-23:59"',
        '"1969-12-31T23:59:59Z"',
    ),
    *(
        '"2026-02-30T00:00:00Z"',
        '"2026-05-01T24:00:00Z"',
        '"2026-05-01T23:59:60Z"',
        '"２０２６-05-01T12:00:00Z"',
        '"2026-W18-5T12:00:00"',
    ),
    *(
        '"2026-05-01T12:00:00+00:00:30"',
        '"2026-05-01T120000.000000Z"',
        '"+026-05-01T12:00:00"',
        '"2026-05-01T12:00:00+99:99"',
    ),
)
_NAMES = sorted(
    {name for objects in _OBJECTS.values() for one in objects for name in one} | {"", "schema", "é", "a" * 300}
)

_TEXTS = (
    *(
        "great",
        "Bad.",
        "terrible",
        "not",
        "no",
        "fire",
        "Fire tv",
        "it burned me",
        "smoke",
        "recalled",
        "fake",
        "mr.",
        "e.g.",
    ),
    *("love it!", "I can't recommend it", "don't", "broke after 2 days", "5/5", "$19.99", "12:30", "v2.0.1", "1/2"),
    *("👍", "😡😡", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "✂️", "❤", "\U0001f3fb", "\ufe0f", "\u20e3"),
    *(
        "\u0301",
        "\u0489",
        "\u0300\u0316",
        "e\u0301",
        "\u0344",
        "\uff9e",
        "ﷺ",
        "ﬁ",
        "Å",
        "\u1e9b\u0323",
        "\u0fb2\u0f71\u0f80",
        "각",
        "ᄀ",
        "ᅡ",
    ),
    *("مرحبا", "שלום", "\u202e", "\u202d", "\u2066", "\u2069", "\u061c", "\u200f", "\u200e"),
    *(
        "\u200b",
        "\u200c",
        "\u200d",
        "\u2060",
        "\ufeff",
        "\xad",
        "\u180e",
        "\u034f",
        "\u3164",
        "\u115f",
        "\u2800",
        "\xa0",
        "\u3000",
    ),
    *(
        "\x00",
        "\x07",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x1f",
        "\x7f",
        "\x85",
        "\x9b31m",
        "\u2028",
        "\u2029",
        "\r\n",
        "\t",
        "\n\n",
        " ",
    ),
    *(
        "好评",
        "很好。",
        "質量很差！",
        "とても良い",
        "좋아요",
        "ดีมาก",
        "अच्छा",
        "плохо",
        "κακό",
        "𠮷野家",
        "カ゛",
        "壊れた。",
    ),
    *(
        "<b>bold</b>",
        "<br/>",
        "<p",
        "</",
        "<script>alert(1)</script>",
        "<style>",
        "<!--",
        "-->",
        "<a href='x'>",
        "<3",
        "< 5",
        "<!DOCTYPE",
    ),
    *(
        "&amp;",
        "&lt;b&gt;",
        "&#x41;",
        "&#0;",
        "&#55296;",
        "&#x110000;",
        "&#99999999999999999999;",
        "&#x" + "f" * 50,
        "&nbsp",
        "&",
        "&;",
        "&notit;",
    ),
    *(
        "http://x.example/a?b=c&d=e#f",
        "www.a.b",
        "a@b.example",
        "a.b+c@d-e.co.uk",
        "@",
        "a@",
        "@b.c",
        "ü@ü.de",
        "a@b." + "c" * 30,
    ),
    *(
        "+1 (555) 010-9999",
        "555-010-9999",
        "555-0100",
        "call 555-0100",
        "0171 2345678",
        "+49 30 123456",
        "13800138000",
        "٠١٢٣٤٥٦٧٨٩",
        "１２３４５６７８",
    ),
    *(
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "378282246310005",
        "DE89 3704 0044 0532 0130 00",
        "GB82WEST12345698765432",
        "GB٨٢WEST",
    ),
    *(
        "x" * 300,
        "A1" * 40,
        "!" * 80,
        "。" * 70,
        "…",
        "”",
        "’",
        "'",
        '"',
        "\\",
        "{x}",
        "%s",
        "\U0010ffff",
        "\ue000",
        "\ufffe",
        "\u0378",
    ),
)
_BLOCKS = (
    *((0x20, 0x7F), (0x00, 0x20), (0x80, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0x700), (0x900, 0xE80)),
    *((0x1100, 0x1200), (0x2000, 0x2070), (0x2190, 0x2C00), (0x3040, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4)),
    *((0xE000, 0xF900), (0xFB00, 0x10000), (0x1F000, 0x1FB00), (0x20000, 0x20100), (0xE0000, 0xE0200), (0, 0xD800)),
)


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
            value[at:at] = rng.choice(_TOKENS)
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
    fields = dict(rng.choice(_OBJECTS[target]))
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
        texts.insert(rng.randrange(len(texts) + 1), f"{json.dumps(rng.choice(_NAMES))}:{_strange_value(rng)}")
    return texts


def _strange_value(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.7:
        return rng.choice(_VALUES)
    if kind < 0.8:
        levels = rng.choice((3, 300, 900, 990, 1015, 1030))
        opened, closed = rng.choice((("[", "]"), ('{"a":', "}"), ('[0,{"b":', "}]")))
        return opened * levels + "1" + closed * levels
    if kind < 0.9:
        return json.dumps(_text(rng, 300), ensure_ascii=rng.random() < 0.5)
    return "[" + ",".join(rng.choice(_VALUES) for _ in range(rng.randrange(7))) + "]"


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
        first, end = rng.choice(_BLOCKS)
        text = "".join(map(chr, rng.choices(range(first, end), k=length)))
    elif kind < 0.3:
        text = _repeated(rng.choice(_TEXTS), length)
    elif kind < 0.45:
        text = _repeated(rng.choice(PATTERN_FRAGMENTS), length) + rng.choice(("", "!", "\n", "x", rng.choice(_TEXTS)))
    else:
        pool = rng.choices(_TEXTS, k=rng.choice((2, 5, 30))) + rng.choices(PATTERN_FRAGMENTS, k=3)
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
    fields = dict(rng.choice(_OBJECTS[target]))
    filler = rng.choice((rng.choice(_TEXTS), rng.choice(PATTERN_FRAGMENTS), chr(rng.randrange(0x20, 0xD800))))
    name = rng.choice((*fields, "unknown"))
    kind = rng.random()
    if kind < 0.6:
        whole = json.dumps(_repeated(filler, MAX_MESSAGE_BYTES), ensure_ascii=False).encode("utf-8", "surrogatepass")
        inside = b'"' + whole[1 : MAX_MESSAGE_BYTES - 2_000].decode(errors="ignore").rstrip("\\").encode() + b'"'
    else:
        piece = rng.choice(_VALUES).encode()
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
    "bent example": _mutated_example,
    "strange JSON": _strange_json,
    "strange text": _strange_text,
    "pumped": _pumped,
    "megabyte": _megabyte,
}
_WEIGHTS = (0.1, 0.25, 0.3, 0.343, 0.006, 0.001)
