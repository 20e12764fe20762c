"""What customers say of a product, in clauses."""

from __future__ import annotations

from typing import Literal

from stream_app.records.immutable import value

DigestReason = Literal["too_few", "unsupported_language", "evidence_withdrawn"]


@value
class Clause:
    """A part of a digest's text, and ids of the reviews that it rests on, at most 20."""

    text: str
    evidence: tuple[str, ...]


@value
class DigestText:
    """The clauses, and all of them as one text."""

    text: str
    clauses: tuple[Clause, ...]


@value
class Digest:
    """What customers say, composed of the counts when it is read. ``texts``: by language; None with a ``reason``.

    ``from_ms``, ``to_ms``: when the oldest and the newest of the reviews were written whose sentences are kept.
    """

    reason: DigestReason | None
    reviews: int
    from_ms: int | None
    to_ms: int | None
    reviews_since_text: int | None
    low_evidence: bool
    texts: dict[str, DigestText] | None
    flag_url: str | None = None
