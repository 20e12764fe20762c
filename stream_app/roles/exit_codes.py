"""Exit codes of a role's process in addition to 0 (stopped), 1 (an error) and 2 (wrongly configured)."""

from __future__ import annotations

EXIT_VIEW_SWITCHED = 75
"""EX_TEMPFAIL of sysexits.h: no error, restart at once. Not 0: some supervisors would not restart it."""
