"""The command `stream-app rebuild` on a machine that does not suit it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_app.commands.rebuild import Workers
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings


def test_log_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    """As in a container whose file system is read-only."""
    (tmp_path / "state").write_text("no folder")
    workers = Workers(1, tmp_path / "state" / "rebuild.log", print)

    with pytest.raises(ConfigurationError, match="STREAM_APP_STATE_FOLDER"):
        workers.start(Settings(_env_file=None), silently=True)
