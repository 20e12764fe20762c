"""Distinguishes a record that triggers a bug from a bug that any record triggers, by the recent share of failures."""

from __future__ import annotations

from collections import deque
from itertools import repeat

LAST = 200
AT_LEAST = 20
SHARE = 0.1


class FailureShare:
    """Outcomes of the last 200 records."""

    def __init__(self) -> None:
        self._failed: deque[bool] = deque(maxlen=LAST)

    def passed(self, records: int) -> None:
        """Count records that were processed."""
        self._failed.extend(repeat(False, min(records, LAST)))

    def failed(self, records: int) -> bool:
        """Count records that were not. Are they too many: at least 20, and more than a tenth of the last 200 (of all
        where there were fewer)? Then the records are not to blame.
        """
        self._failed.extend(repeat(True, min(records, LAST)))
        failures = sum(self._failed)
        return failures >= AT_LEAST and failures > SHARE * len(self._failed)
