"""Events of Kafka and Redis as servers that may be away, and of the view in Redis."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from prometheus_client import Counter

from stream_app.telemetry.logs import log

_LOG_INTERVAL_SECONDS = 30.0
_OVER_AFTER_SECONDS = 3.0  # an answer sooner after a failure may be another server's of the same cluster


@dataclass(slots=True)
class _Outage:
    """Times are of time.monotonic()."""

    unlogged: int
    logged_at: float
    failed_at: float


_outages: dict[str, _Outage] = {}  # by dependency
_unavailable = Counter("stream_app_dependency_unavailable_total", "Failed tries to reach a dependency", ["dependency"])


def dependency_unavailable(dependency: str, error: str, retry_in_seconds: float) -> None:
    """Each failed try is counted; the first of an outage is logged, then one every half a minute."""
    _unavailable.labels(dependency).inc()
    now = time.monotonic()
    outage = _outages.setdefault(dependency, _Outage(0, -math.inf, now))
    outage.failed_at = now
    if now - outage.logged_at < _LOG_INTERVAL_SECONDS:
        outage.unlogged += 1
        return
    unlogged, outage.unlogged, outage.logged_at = outage.unlogged, 0, now
    log.warning(
        "dependency_unavailable",
        dependency=dependency,
        error=error,
        retry_in_seconds=round(retry_in_seconds, 2),
        tries_not_logged=unlogged,
        next_step="start the server or its network again, nothing here: it is tried again; `stream-app check` looks",
    )


def dependency_returned(dependency: str) -> None:
    _outages.pop(dependency, None)
    log.info("dependency_returned", dependency=dependency)


def dependency_answered(dependency: str) -> None:
    """Something that needs it has succeeded, whoever met its outage. Cheap; ends an outage that is over."""
    outage = _outages.get(dependency)
    if outage is not None and time.monotonic() - outage.failed_at >= _OVER_AFTER_SECONDS:
        dependency_returned(dependency)


def store_was_replaced(events: int) -> None:
    log.warning("store_was_replaced", events_applied_again=events, why="the server restarted or another took over")


def view_was_switched(old: int, new: int) -> None:
    log.info("view_was_switched", generation=old, active=new, next_step="none: this process starts over on it")


def view_was_lost() -> None:
    log.error(
        "view_was_lost",
        why="Redis lost the view or a part of it, the log is whole",
        next_step="run `stream-app rebuild`",
    )


def view_is_awaited() -> None:
    log.warning(
        "view_is_awaited",
        why="Redis holds no view yet",
        next_step="none while `summarize` starts; run `stream-app rebuild` where it says that the view was lost",
    )


def store_policy_was_hidden() -> None:
    log.warning("store_policy_was_hidden", next_step="make sure yourself that maxmemory-policy is noeviction")


def store_is_not_durable() -> None:
    log.warning("store_is_not_durable", next_step="set `appendonly yes`, or a crash of the server loses products")
