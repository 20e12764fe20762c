"""What the view keeps of the words of reviews, and where it finds them."""

from __future__ import annotations

from typing import NamedTuple

from stream_app.records.answers import Label
from stream_app.records.immutable import value


class Mention(NamedTuple):
    """A kept sentence, or clause, with an opinion: ``sentence[start:end]`` of its Evidence; label, ids of its aspects.

    ``begins``: where it begins in the text of the enriched review; None in what was kept before that was noted.
    """

    start: int
    end: int
    label: Label
    aspects: tuple[str, ...]
    begins: int | None = None


@value
class Evidence:
    """What the view keeps of a review's text: what a product's text, and its aspects, may quote.

    ``sentence``: its first sentences and its key sentence, one a line (steps/kept_sentences). ``language``: None in
    what was kept before it was noted; so are ``mentions`` empty. ``key``: where the sentence with the key
    sentence stands.
    """

    review_id: str
    revision: int
    created_at_ms: int
    label: Label | None
    p_negative: int  # x 10,000
    rating: int | None
    sentence: str
    language: str | None = None
    mentions: tuple[Mention, ...] = ()
    key: tuple[int, int] | None = None


class Place(NamedTuple):
    """A sentence of a review, by where it begins in the text of the enriched review."""

    review_id: str
    revision: int
    begins: int


@value
class Theme:
    """Sentences of different reviews that say the same, all of one label.

    ``aspect``: what most of them speak of. ``places``: one per review; the first is quoted, then those nearest to it.
    """

    label: Label
    aspect: str | None
    places: tuple[Place, ...]


@value
class Themes:
    """What people praise and what they complain of, in places instead of words. ``read``: of how many reviews."""

    read: int
    made_at_ms: int
    themes: tuple[Theme, ...]
