"""Reads review files, JSON lines, JSON arrays and CSV, into (key, value), with dates shifted if asked."""

from __future__ import annotations

import csv
import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from stream_app.ports import ConfigurationError

_NUMBERS = ("rating", "revision", "helpful_votes")
_DATES = ("created_at", "updated_at")
_IDENTITY = ("product_id", "review_id")
FIELDS = (*_IDENTITY, "text", "title", "rating", "language", *_DATES, "revision", "deleted")
"""What review.v1 knows; other columns of a file are published with it, and nothing reads them."""

_OTHER_NAMES = {
    "product_id": ("product_id", "product", "asin", "sku", "item_id"),
    "review_id": ("review_id", "id", "uuid"),
    "text": ("text", "review_text", "review", "body", "comment", "content"),
}
_DELIMITERS = ",;\t|"
_SHOWN_COLUMNS = 12
_HOW = "Give JSON lines, a JSON array of reviews, or CSV with a header; --help has the fields."


class Line(NamedTuple):
    """One review to publish. ``key``: its product_id, None where it names none. ``number``: its line, or its place in a
    JSON array, from 1.
    """

    key: bytes | None
    value: bytes
    number: int = 0


class _Row(NamedTuple):
    number: int
    fields: dict[str, Any] | None  # None: not a JSON object
    as_bytes: bytes


def read_lines(
    path: Path,
    *,
    retime_to: datetime | None = None,
    within: timedelta | None = None,
    raw: bool = False,
    columns: Mapping[str, str] | None = None,
) -> list[Line]:
    """All reviews of a file, in its order; ``-`` is standard input. Its name or first character decide its kind.

    retime_to: shift every created_at and updated_at by the same time, so that the last one is this moment.
    within: then also bring dates that span a longer time into this one, in their order.
    raw: the bytes of each line as they are. Without it too, a line that is not a JSON object stays as it is: the
    worker reports what is wrong with it.
    columns: field of review.v1 -> column of the CSV file that holds it.
    Raises ConfigurationError when the file cannot be read, is empty, or its columns do not name a review.
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"Cannot read {name}: {error.strerror}. {_HOW}") from None
    try:
        rows = list(_rows(content, path.suffix.lower(), raw, columns or {}))
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"Cannot read {name}: it is not UTF-8 (byte {error.start}). Save it as UTF-8, or convert it: "
            "iconv -f WINDOWS-1252 -t UTF-8 FILE | stream-app publish -"
        ) from None
    except (csv.Error, ValueError) as error:
        raise ConfigurationError(f"Cannot read {name}: {error}. {_HOW}") from None
    except _Unusable as error:
        raise ConfigurationError(f"{name}: {error}") from None
    if not rows:
        raise ConfigurationError(f"{name} holds no review. {_HOW}")
    shift = _shift(rows, retime_to, within) if retime_to and not raw else None
    return [_line(row, shift) for row in rows]


class _Unusable(Exception):
    """The file is not what it should be; the message states what to do."""


def _rows(content: bytes, suffix: str, raw: bool, columns: Mapping[str, str]) -> Iterator[_Row]:
    begins_with = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if raw:
        return _json_rows(content)
    if suffix in (".csv", ".tsv") or (suffix not in (".jsonl", ".json", ".ndjson") and begins_with not in (b"{", b"[")):
        return _csv_rows(content, columns)
    return _array_rows(content) if begins_with == b"[" and _is_array(content) else _json_rows(content)


def _is_array(content: bytes) -> bool:
    """Of reviews, and not lines of which the first one is broken."""
    try:
        return isinstance(orjson.loads(content), list)
    except orjson.JSONDecodeError:
        return False


def _array_rows(content: bytes) -> Iterator[_Row]:
    for number, fields in enumerate(orjson.loads(content), start=1):
        yield _Row(number, fields if isinstance(fields, dict) else None, orjson.dumps(fields))


def _json_rows(content: bytes) -> Iterator[_Row]:
    for number, line in enumerate(content.split(b"\n"), start=1):
        line = line.rstrip(b"\r")
        if not line.strip():
            continue
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError:
            fields = None
        yield _Row(number, fields if isinstance(fields, dict) else None, line)


def _csv_rows(content: bytes, columns: Mapping[str, str]) -> Iterator[_Row]:
    text = content.decode("utf-8-sig")
    first_line = next(iter(text.splitlines()), "")
    if not first_line.strip():
        return
    delimiter = max(
        _DELIMITERS, key=lambda sign: (len(set(first_line.split(sign)) & set(FIELDS)), first_line.count(sign))
    )
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    header = _header(next(reader), columns)
    for cells in reader:
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise _Unusable(
                f"line {reader.line_num} has {len(cells)} cells, the header {len(header)}. Is a text that "
                f"holds {delimiter!r} not quoted? Nothing was published."
            )
        fields = _fields(dict(zip(header, cells, strict=True)))
        yield _Row(reader.line_num, fields, orjson.dumps(fields))


def _header(names: list[str], columns: Mapping[str, str]) -> list[str]:
    """The columns by the fields that they hold."""
    names = [name.strip() for name in names]
    for field, column in columns.items():
        if column not in names:
            raise _Unusable(f"there is no column {column!r} for {field}. Columns: {_shown(names)}.")
    by_column = {column: field for field, column in columns.items()}
    # a column that has a field's name, where another one is named for that field, keeps its cells under another name
    header = [by_column.get(name, f"_{name}" if name in columns else name) for name in names]
    if not set(header) & set(FIELDS):
        raise _Unusable(
            f"line 1 is no header, or names no field of a review: {_shown(names)}. Begin the file with a line such as "
            f"`product_id,review_id,text,rating`, or say which column holds what: {_suggested(names, FIELDS[:3])}."
        )
    missing = [field for field in (*_IDENTITY, "text") if field not in header]
    if missing == ["text"] and "deleted" in header:
        missing = []
    if missing:
        raise _Unusable(
            f"the column{'s' * (len(missing) > 1)} {', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing. "
            f"Columns: {_shown(names)}. Say which one holds it: {_suggested(names, missing)}."
        )
    return header


def _suggested(names: list[str], fields: Sequence[str]) -> str:
    """Options that would name the columns, with the likeliest ones."""
    lower = {name.lower(): name for name in names}
    options = []
    for field in fields:
        likely = (near for word in _OTHER_NAMES[field] for near in difflib.get_close_matches(word, lower, 1, 0.8))
        options.append(f"--column {field}={lower.get(next(likely, ''), 'NAME')}")
    return " ".join(options)


def _shown(names: list[str]) -> str:
    rest = f" and {len(names) - _SHOWN_COLUMNS} more" if len(names) > _SHOWN_COLUMNS else ""
    return ", ".join(repr(name[:40]) for name in names[:_SHOWN_COLUMNS]) + rest


def _fields(cells: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: cell for name, cell in cells.items() if name and cell != ""}
    for name in _NUMBERS:
        if name in fields and re.fullmatch(r"-?[0-9]+(\.0+)?", fields[name]):  # spreadsheets write 5.0
            fields[name] = int(fields[name].partition(".")[0])
    if "deleted" in fields:
        fields["deleted"] = fields["deleted"].strip().lower() in ("true", "1", "yes")
    return fields


def _line(row: _Row, shift: Callable[[datetime], datetime] | None) -> Line:
    fields, as_bytes = row.fields, row.as_bytes
    key = fields.get("product_id") if fields else None
    if fields and shift:
        dates = {name: _parsed(fields.get(name)) for name in _DATES}
        fields = {**fields, **{name: _written(shift(date)) for name, date in dates.items() if date is not None}}
        as_bytes = orjson.dumps(fields)
    return Line(key.encode("utf-8", "surrogatepass") if isinstance(key, str) else None, as_bytes, row.number)


def _shift(rows: list[_Row], until: datetime, within: timedelta | None) -> Callable[[datetime], datetime] | None:
    """Where each date goes: the last one to ``until``, the others before it, nearer where ``within`` is shorter."""
    dates = [
        date for row in rows if row.fields for name in _DATES if (date := _parsed(row.fields.get(name))) is not None
    ]
    if not dates:
        return None
    last, span = max(dates), max(dates) - min(dates)
    pace = within / span if within is not None and span > within else 1.0
    return lambda date: until - (last - date) * pace


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
