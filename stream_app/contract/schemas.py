"""The schema files, compiled to validators."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs


def schema_folder() -> Path:
    """Where the schema files are: in an installed package, or beside it in a checkout."""
    installed = Path(__file__).parent.parent / "_schemas"
    return installed if installed.is_dir() else Path(__file__).parent.parent.parent / "schemas"


@cache
def validator(name: str) -> Any:
    """The compiled validator (``is_valid``, ``validate``) of a schema, e.g. ``review.v1``."""
    schema = json.loads((schema_folder() / f"{name}.schema.json").read_text(encoding="utf-8"))
    return jsonschema_rs.validator_for(schema, validate_formats=True)
