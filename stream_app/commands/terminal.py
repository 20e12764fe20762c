"""What other people wrote, made safe for a terminal."""

from __future__ import annotations


def printable(text: str, *, lines: bool = False) -> str:
    """With everything escaped that a terminal would obey or hide, or that changes the direction of writing.

    lines: line breaks and tabs stay.
    """
    return "".join(
        # guarantee: reviews-command-no-terminal
        c if c.isprintable() or (lines and c in "\n\t") else c.encode("unicode_escape").decode()
        for c in text
    )


def printable_bytes(value: bytes | None, *, lines: bool = False) -> str:
    """As ``printable``, with bytes that are no UTF-8 as \\xff."""
    return "null" if value is None else printable(value.decode("utf-8", "backslashreplace"), lines=lines)
