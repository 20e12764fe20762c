"""Where what can be fetched or measured again is kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """STREAM_APP_CACHE, else the platform's cache folder for this user."""
    if chosen := os.environ.get("STREAM_APP_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "stream-app"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stream-app"
