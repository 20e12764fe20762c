"""A process like `stream-app worker ROLE` or `stream-app api`, with scripted models and a clock that the harness moves.

python -m tests.reliability.testbed.worker ROLE FOLDER-OF-TROUBLES      (settings come from the environment)
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import aiohttp

from stream_app import telemetry
from stream_app.api.server import serve
from stream_app.delivery import http_sender
from stream_app.kafka import log_watch
from stream_app.ports import ConfigurationError, Unavailable
from stream_app.roles import delayed_acknowledgement
from stream_app.roles.notify import receiver_task
from stream_app.roles.run import now_ms, run_worker
from stream_app.settings import Settings
from stream_app.steps import backoff
from tests.reliability.testbed.scripted_models import Troubles, load_scripted_models, scripted_summary

LOOK_EVERY_SECONDS = 5.0
"""How often a worker looks whether its topic was recreated; otherwise every 30."""
CHECK_EVERY_SECONDS = 5.0
"""How often it looks whether Redis would forget keys; otherwise every 30."""


def _shorten_waits() -> None:
    """Of deliveries: a round has no time for pauses of minutes, nor for the lease of a process that was killed."""
    http_sender._TIMEOUT = aiohttp.ClientTimeout(total=2.0)
    backoff._FIRST_MS, backoff._LONGEST_MS = 500, 2_000
    receiver_task.LEASE_MS = 5_000


def main() -> None:
    role, troubles = sys.argv[1], Troubles(Path(sys.argv[2]))
    settings = Settings(_env_file=None)
    telemetry.configure(settings.log_level, settings.log_json)
    log_watch.LOOK_EVERY_SECONDS = LOOK_EVERY_SECONDS
    delayed_acknowledgement.CHECK_EVERY_SECONDS = CHECK_EVERY_SECONDS

    def moved_clock_ms() -> int:
        if "clock" not in troubles:
            return now_ms()
        troubles.took_effect("clock")
        return now_ms() + int(troubles.value("clock", "0"))

    try:
        if role == "notify":
            _shorten_waits()
        if role == "api":
            serve(settings)
        else:
            run_worker(
                settings,
                role,
                load=partial(load_scripted_models, Path(sys.argv[2])),
                load_summary=lambda _: scripted_summary(troubles),
                load_embedder=lambda _: None,
                now_ms=moved_clock_ms,
            )
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except Unavailable as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
