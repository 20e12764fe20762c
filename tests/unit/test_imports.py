"""The table of packages in ARCHITECTURE.md, as contracts of import-linter in pyproject.toml."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]


def test_imports_keep_the_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    """In functions and for type checking too. What is broken stands in the output of import-linter."""
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])

    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0
