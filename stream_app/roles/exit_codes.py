"""What a role's process says by its exit code, beside 0 (stopped), 1 (an error) and 2 (wrongly configured)."""

from __future__ import annotations

EXIT_VIEW_SWITCHED = 75
"""EX_TEMPFAIL of sysexits.h: nothing is wrong, start me again at once. Not 0: some supervisors would leave it."""
