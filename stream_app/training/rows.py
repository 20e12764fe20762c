"""Reads the rows of data files: JSON Lines, CSV or Parquet, with a mapping of columns; bad rows are named by line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from stream_app.ports import ConfigurationError

_CSV_DELIMITERS = {".csv": ",;\t|", ".tsv": "\t"}
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+(\.0+)?")
_FLAGS = {"true": True, "false": False}
_NAMED_BAD_ROWS = 5
_SHOWN_COLUMNS = 12

Columns = Mapping[str, str]
"""Field → the column of the file that holds it."""


@dataclass(frozen=True, slots=True)
class Row:
    """``line``: from 1; in a Parquet file the number of the row."""

    line: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why."""

    line: int
    reason: str


def read_rows(path: Path, columns: Columns | None = None) -> Iterator[Row | BadRow]:
    """The rows of a file, in order. Its name says what it is: .csv, .tsv, .parquet, everything else is JSON Lines.

    Raises ConfigurationError for a file that is missing or unreadable, or lacks one of ``columns``.
    """
    if not path.is_file():
        raise ConfigurationError(f"{path} does not exist. Name a JSON Lines, CSV or Parquet file.")
    suffix = path.suffix.lower()
    if suffix in _CSV_DELIMITERS:
        return _csv_rows(path, columns or {})
    return _parquet_rows(path, columns or {}) if suffix == ".parquet" else _json_rows(path, columns or {})


def names_of_bad(path: Path, bad: Sequence[BadRow]) -> str:
    """A sentence that names the first few bad rows of a file."""
    first = "; ".join(f"line {one.line} {one.reason}" for one in bad[:_NAMED_BAD_ROWS])
    more = f"; and {len(bad) - _NAMED_BAD_ROWS} more" if len(bad) > _NAMED_BAD_ROWS else ""
    return f"{path}, {first}{more}"


def _json_rows(path: Path, columns: Columns) -> Iterator[Row | BadRow]:
    found: set[str] = set()
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                fields = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except orjson.JSONDecodeError as error:
                yield BadRow(number, f"is not JSON ({error})")
                continue
            if not isinstance(fields, dict):
                yield BadRow(number, "is not a JSON object")
                continue
            found |= columns.keys() & {field for field, column in columns.items() if column in fields}
            yield Row(number, _mapped(fields, columns))
    if missing := [column for field, column in columns.items() if field not in found]:
        raise ConfigurationError(f"{path}: no row has the column {missing[0]!r}.")


def _csv_rows(path: Path, columns: Columns) -> Iterator[Row | BadRow]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path} is not UTF-8 (byte {error.start}). Convert it: iconv -f WINDOWS-1252 -t UTF-8"
        ) from None
    delimiter = max(_CSV_DELIMITERS[path.suffix.lower()], key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip() for name in next(reader, [])]
    _demand(path, columns, header)
    before = reader.line_num
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(before + 1, f"is not CSV ({error})")
            before = reader.line_num
            continue
        number, before = before + 1, reader.line_num  # a row may span lines: it is named by its first
        if not any(cells):
            continue
        if len(cells) != len(header):
            yield BadRow(number, f"has {len(cells)} cells, the header {len(header)}")
            continue
        fields: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=True) if cell != ""}
        yield Row(number, _mapped(fields, columns))


def _parquet_rows(path: Path, columns: Columns) -> Iterator[Row | BadRow]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ConfigurationError(
            f"{path}: Parquet files need the extra `parquet`: `pip install stream-app[parquet]`."
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            _demand(path, columns, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches():
                for fields in batch.to_pylist():
                    number += 1
                    yield Row(number, _mapped(fields, columns))
    except ArrowException as error:
        raise ConfigurationError(f"{path} is not a Parquet file that can be read: {error}") from error


def _demand(path: Path, columns: Columns, header: Sequence[str]) -> None:
    for field, column in columns.items():
        if column not in header:
            shown = ", ".join(map(repr, header[:_SHOWN_COLUMNS])) + (" …" if len(header) > _SHOWN_COLUMNS else "")
            raise ConfigurationError(f"{path} has no column {column!r} for {field}. Columns: {shown}.")


def _mapped(fields: dict[str, Any], columns: Columns) -> dict[str, Any]:
    """By field. What a table holds as 5.0 or "5" is a whole number, "true" a truth value."""
    named = fields | {field: fields.get(column) for field, column in columns.items()}
    rating = named.get("rating")
    if isinstance(rating, float) and rating.is_integer():
        named["rating"] = int(rating)
    elif isinstance(rating, str) and _WHOLE_NUMBER.fullmatch(rating.strip()):
        named["rating"] = int(float(rating))
    if isinstance(named.get("hazard"), str):
        named["hazard"] = _FLAGS.get(named["hazard"].strip().lower())
    return named
