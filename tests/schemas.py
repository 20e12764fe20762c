"""Validators compiled from the schema files."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs

from stream_app import contract


@cache
def validator(name: str) -> Any:
    """Return the compiled validator (``is_valid``, ``validate``) of a schema."""
    return jsonschema_rs.validator_for(contract.schema(name), validate_formats=True)
