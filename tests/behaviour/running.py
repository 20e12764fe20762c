"""What the tests of the view call to run a coroutine to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Run = Callable[..., Any]
