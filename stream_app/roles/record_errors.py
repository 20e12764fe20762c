"""Turns an exception that one record causes into a reject of that record, so that the others continue.

1. all records of a poll are processed together; an exception does not show which one caused it
2. then one by one: what raises alone is rejected as `internal_error`, its traceback in the log
3. unless a fixed healthy record fails too, where the role has one: then the bug is ours. The process ends, nothing is
   rejected
4. and unless too many of the recent records failed so (``FailureShare``): then it is a bug of ours or something that is
   broken. The process ends, and nothing of this poll's failures is rejected, so that a bug never empties a topic into
   the dead letter. Less than 20 were rejected before
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from stream_app import telemetry
from stream_app.ports import ConfigurationError, InFlightRecord, Unavailable
from stream_app.records import Rejected
from stream_app.steps.failure_share import FailureShare

Item = TypeVar("Item")
Result = TypeVar("Result")

NOT_OF_A_RECORD = (Unavailable, ConfigurationError, MemoryError, OSError)  # guarantee: outage-rejects-nothing
_LOGGED = 3  # failures of a poll that ends the process: they are all alike


class TooManyFailures(Exception):
    """Too many records, or products, fail without a known cause. The log has their errors."""


class HealthyRecordFailed(Exception):
    """A fixed healthy record fails as well. The log has the errors."""


class RecordErrors:
    """One per role. Exceptions that are not a record's, such as Unavailable, pass through."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._share = FailureShare()

    def attempt(
        self,
        items: Sequence[Item],
        work: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        in_flight_of: Callable[[Item], InFlightRecord],
        reject: Callable[[Item, Rejected], None],
        healthy: Callable[[], Item] | None = None,
    ) -> list[tuple[Item, Result]]:
        """Return each item with its result, in order, without those that were rejected.

        ``work`` gives one result per item and changes nothing else, since it may be called again for any of them, and
        for the fixed item that ``healthy`` makes. Raises TooManyFailures or HealthyRecordFailed, nothing rejected.
        """
        try:
            results = work(items)
        except NOT_OF_A_RECORD:
            raise
        # guarantee: exception-of-one-record
        except Exception:  # noqa: BLE001 - of any of these records: which one is found out below
            pass
        else:
            self._share.passed(len(items))
            return list(zip(items, results, strict=True))
        # outside of the handler: what ends the process would be printed with the words of that exception
        return self._apart(items, work, in_flight_of, reject, healthy)

    async def attempt_async(
        self,
        items: Sequence[Item],
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        in_flight_of: Callable[[Item], InFlightRecord],
        reject: Callable[[Item, Rejected], None],
    ) -> list[tuple[Item, Result]]:
        """Do the same as ``attempt``. ``work`` may be called again for any item, and must be idempotent."""
        try:
            results = await work(items)
        except NOT_OF_A_RECORD:
            raise
        except Exception:  # noqa: BLE001 - as above  # guarantee: event-that-redis-refuses
            pass
        else:
            self._share.passed(len(items))
            return list(zip(items, results, strict=True))
        done: list[tuple[Item, Result]] = []
        failed: list[tuple[Item, Exception]] = []
        for item in items:
            try:
                [result] = await work([item])
            except NOT_OF_A_RECORD:
                raise
            except Exception as error:  # noqa: BLE001 - this record's
                failed.append((item, error))
            else:
                done.append((item, result))
        self._reject_or_raise(len(done), failed, in_flight_of, reject)
        return done

    def _apart(
        self,
        items: Sequence[Item],
        work: Callable[[Sequence[Item]], Sequence[Result]],
        in_flight_of: Callable[[Item], InFlightRecord],
        reject: Callable[[Item, Rejected], None],
        healthy: Callable[[], Item] | None,
    ) -> list[tuple[Item, Result]]:
        done: list[tuple[Item, Result]] = []
        failed: list[tuple[Item, Exception]] = []
        for item in items:
            try:
                [result] = work([item])
            except NOT_OF_A_RECORD:
                raise
            except Exception as error:  # noqa: BLE001 - this record's
                failed.append((item, error))
            else:
                done.append((item, result))
        if failed and healthy is not None:  # guarantee: healthy-record-is-tried-first
            self._try_healthy(healthy, work, failed, in_flight_of)
        self._reject_or_raise(len(done), failed, in_flight_of, reject)
        return done

    def _try_healthy(
        self,
        healthy: Callable[[], Item],
        work: Callable[[Sequence[Item]], Sequence[Result]],
        failed: Sequence[tuple[Item, Exception]],
        in_flight_of: Callable[[Item], InFlightRecord],
    ) -> None:
        try:
            work([healthy()])
        except Exception as error:
            self._log(failed[:_LOGGED], in_flight_of)
            raise HealthyRecordFailed(
                f"{len(failed)} records failed in {self._role}, and so does a healthy record of its own: a bug. See "
                "record_failed above. Nothing is rejected or committed."
            ) from error

    def _reject_or_raise(
        self,
        passed: int,
        failed: Sequence[tuple[Item, Exception]],
        in_flight_of: Callable[[Item], InFlightRecord],
        reject: Callable[[Item, Rejected], None],
    ) -> None:
        """Reject what failed. Raises TooManyFailures before anything is rejected."""
        self._share.passed(passed)
        too_many = self._share.failed(len(failed))  # guarantee: bug-rejects-no-topic
        self._log(failed[:_LOGGED] if too_many else failed, in_flight_of)
        if too_many:
            raise TooManyFailures(
                f"{len(failed)} records of this poll failed in {self._role} without a known fault of theirs, and "
                "more than a tenth of the recent ones: a bug, or a dependency that is broken. See record_failed above. "
                "Nothing of them is rejected or committed."
            )
        for item, error in failed:
            in_flight = in_flight_of(item)
            reject(item, Rejected(in_flight.record, "internal_error", _words(error)))

    def _log(self, failed: Sequence[tuple[Item, Exception]], in_flight_of: Callable[[Item], InFlightRecord]) -> None:
        for item, error in failed:
            record = in_flight_of(item).record
            telemetry.record_failed(self._role, record.topic, record.partition, record.offset, error)


def _words(error: Exception) -> str:
    """Describe the error and its place, for readers of the dead letter."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name}" if frames else ""
    return f"{type(error).__name__}{place}: {error}"
