"""Ids as parts of larger ids and keys."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote

_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch  # what ids are mostly made of


def percent_encoded(identity: str) -> str:
    """``identity`` as a part of a larger id or key: all but the unreserved characters of RFC 3986 are encoded."""
    return identity if _UNRESERVED(identity) else _quoted(identity)


@lru_cache(maxsize=4096)  # a product has many reviews
def _quoted(identity: str) -> str:
    return quote(identity, safe="")
