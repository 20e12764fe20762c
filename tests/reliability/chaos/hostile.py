"""Records that are hostile as a whole: by key, headers, timestamp, size, or the topic that they were written to."""

from __future__ import annotations

import random

from tests.reliability.chaos.workload import plain
from tests.reliability.testbed.messages import ALERTS, ENRICHED, Sent
from tests.reliability.testbed.raw_producer import GZIP

_MIB = 2**20
_NEVER_MS, _LONG_AGO_MS, _FAR_AHEAD_MS = -1, -(10**15), 4_102_444_800_000  # the last: the year 2100
_NAME = b"\xff\xfe\x80name"
_NO_REVIEW = b"this is no review"
_NO_DATE = b'{"product_id": "p", "review_id": "%d", "text": "No date, and none on the record."}'


def hostile(prefix: str, seed: int) -> list[Sent]:
    """For one round: each kind of odd header and timestamp once, and two large ones, others with each seed.

    Whatever is accepted is a review of a product of its own.
    """
    chance = random.Random(seed)
    # written long enough ago that a slow clock alone, without the record's own time, does not take it for the future
    reviews = (plain(f"{prefix}-hostile", number, minutes_ago=120) for number in range(100))
    records = [
        # a review counts whatever stands around it
        _around(next(reviews), timestamp_ms=_NEVER_MS),
        _around(next(reviews), timestamp_ms=_LONG_AGO_MS),
        _around(next(reviews), headers=((_NAME, b"value"),)),
        _around(next(reviews), headers=((b"nothing", None), (b"", b""))),
        # without a date of its own it has none where the record has none
        *(_bad(_NO_DATE % seed, "invalid_timestamp", timestamp_ms=at) for at in (_NEVER_MS, _LONG_AGO_MS)),
        _bad(_NO_REVIEW, "not_json", headers=((_NAME, b"\x00\xff"), (_NAME, None))),
        _bad(_NO_REVIEW, "not_json", headers=((b"nothing", None), (b"nothing", None), (b"", b""))),
        _bad(_NO_REVIEW, "not_json", timestamp_ms=_LONG_AGO_MS),
        _bad(None, "tombstone", headers=((_NAME, None),), timestamp_ms=_NEVER_MS),
        # its batch has one offset, and it says that it is at another
        _around(Sent(None, None, "batch_malformed"), delta=chance.choice([-1, 1, 1000])),
    ]
    large = [
        _large(chance, "not_json", headers=((b"large", _filling(chance.choice([1, 2, 2.5]))),)),
        _large(chance, "not_json", headers=tuple((b"h%d" % i, _filling(0.1)) for i in range(25))),
        _large(chance, "not_json", key=_filling(2.5)),
        _large(chance, "not_json", key=_filling(1.5), headers=((_NAME, _filling(1.5)),)),
        _large(chance, "not_json", value=_filling(2.5)),
        _around(next(reviews), headers=((b"large", _filling(2.5)),), codec=GZIP),
        _large(chance, "not_json", value=_filling(1.99), topic=ENRICHED, codec=0),
        _large(chance, "not_json", value=_filling(1.99), topic=ALERTS, codec=GZIP),
    ]
    first = seed % len(large)
    chosen = [large[first], large[(first + len(large) // 2) % len(large)]]
    return [*records, *chosen]


def all_large(prefix: str, seed: int) -> list[Sent]:
    """Every large kind once."""
    found: dict[int, Sent] = {}
    for number in range(8):
        for at, one in enumerate(hostile(prefix, seed - seed % 8 + number)[-2:]):
            found[(number + 4 * at) % 8] = one
    return list(found.values())


def _around(review: Sent, **more: object) -> Sent:
    for name, value in {"is_raw": True, **more}.items():
        setattr(review, name, value)
    return review


def _bad(value: bytes | None, reason: str, **more: object) -> Sent:
    return _around(Sent(b"poison", value, reason), **more)


def _large(
    chance: random.Random, reason: str, value: bytes = _NO_REVIEW, key: bytes = b"poison", **more: object
) -> Sent:
    bad = Sent(key, value, reason, may_be_cut=True)
    return _around(bad, **{"codec": GZIP, **more})


def _filling(mebibytes: float) -> bytes:
    """Bytes that compress well: so a broker takes what is too large for the dead letter."""
    return b"x" * int(mebibytes * _MIB)
