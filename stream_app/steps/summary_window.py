"""Limits what T5 is given where a review waits a limited time for its summary."""

from __future__ import annotations


class SummaryWindow:
    """How many tokens may wait for T5 at a time; halved when an answer is late and grown with each that is in time.

    What T5 can do while a review waits depends on what BERT leaves it, which cannot be predicted: the window is
    found as TCP finds its own (RFC 5681, 3.1).
    """

    def __init__(self, most_tokens: int) -> None:
        """``most_tokens``: what T5 computes in that time undisturbed; the window begins with it."""
        self._most_tokens = most_tokens
        self.tokens = most_tokens

    def answered_late(self) -> None:
        """Some of what was given had no answer in time. However often that is, an idle T5 gets a review."""
        self.tokens = max(1, self.tokens // 2)

    def answered_in_time(self, tokens: int) -> None:
        """A text of this many tokens had its answer in time: a window full of them grows it by about one."""
        more = max(1, tokens * tokens // max(tokens, self.tokens))  # RFC 5681 rounds up, too: else it might never grow
        self.tokens = min(self._most_tokens, self.tokens + more)
