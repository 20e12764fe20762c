"""Finds and reads the schema files."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


def schema_folder() -> Path:
    """Where the schema files are: in an installed package, or next to it in a checkout."""
    installed = Path(__file__).parent.parent / "_schemas"
    return installed if installed.is_dir() else Path(__file__).parent.parent.parent / "schemas"


@cache
def schema(name: str) -> dict[str, Any]:
    """A schema file as it is, e.g. ``review.v1``."""
    loaded: dict[str, Any] = json.loads((schema_folder() / f"{name}.schema.json").read_text(encoding="utf-8"))
    return loaded
