"""Review files on their way to Kafka: JSONL and CSV lines to (key, value), with dates shifted if asked."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from stream_app.ports import ConfigurationError

_NUMBERS = ("rating", "revision", "helpful_votes")
_DATES = ("created_at", "updated_at")


class Line(NamedTuple):
    """One review to publish. ``key`` is its product_id, None where the line names none."""

    key: bytes | None
    value: bytes


def read_lines(path: Path, *, retime_to: datetime | None = None, raw: bool = False) -> list[Line]:
    """All reviews of a file (.csv, or JSON lines), in its order.

    retime_to: shift every created_at and updated_at by the same time, so that the last one is this moment.
    raw: the bytes of each line as they are. Without it too, a line that is not a JSON object stays as it is: the
    worker will say what is wrong with it.
    Raises ConfigurationError when the file cannot be read.
    """
    try:
        rows = list(_csv_rows(path) if path.suffix.lower() == ".csv" else _json_rows(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"Cannot read {path}: {error}. Give a JSONL or a CSV file with a header.") from None
    shift = _shift(rows, retime_to) if retime_to and not raw else None
    return [_line(row, as_bytes, shift, raw) for row, as_bytes in rows]


def _json_rows(path: Path) -> Iterator[tuple[dict[str, Any] | None, bytes]]:
    with path.open("rb") as lines:
        for line in lines:
            line = line.rstrip(b"\r\n")
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                row = None
            yield (row if isinstance(row, dict) else None), line


def _csv_rows(path: Path) -> Iterator[tuple[dict[str, Any] | None, bytes]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for cells in csv.DictReader(lines):
            row: dict[str, Any] = {name: cell for name, cell in cells.items() if name and cell not in (None, "")}
            for name in _NUMBERS:
                if name in row and row[name].lstrip("-").isdigit():
                    row[name] = int(row[name])
            if "deleted" in row:
                row["deleted"] = row["deleted"].strip().lower() in ("true", "1", "yes")
            yield row, orjson.dumps(row)


def _line(row: dict[str, Any] | None, as_bytes: bytes, shift: timedelta | None, raw: bool) -> Line:
    key = row.get("product_id") if row else None
    if row and shift and not raw:
        dates = {name: _parsed(row.get(name)) for name in _DATES}
        row = {**row, **{name: _written(date + shift) for name, date in dates.items() if date is not None}}
        as_bytes = orjson.dumps(row)
    return Line(key.encode("utf-8", "surrogatepass") if isinstance(key, str) else None, as_bytes)


def _shift(rows: list[tuple[dict[str, Any] | None, bytes]], until: datetime) -> timedelta | None:
    dates = [date for row, _ in rows if row for name in _DATES if (date := _parsed(row.get(name))) is not None]
    return until - max(dates) if dates else None


def _parsed(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _written(date: datetime) -> str:
    return date.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
