"""Rows of JSON Lines, CSV and Parquet files are the same rows; columns have any name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream_app.ports import ConfigurationError
from stream_app.training.data import read_reviews
from stream_app.training.rows import BadRow, Row, read_rows
from tests.unit.training.reviews import write


def write_csv(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def write_parquet(file: Path, table: dict[str, list[Any]]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(table), file)
    return file


def test_a_table_is_read_as_json_lines_are(tmp_path: Path) -> None:
    as_json = write(tmp_path / "a.jsonl", [{"text": 'It said "no", twice', "rating": 1}, {"text": "ok", "rating": 5}])
    as_csv = write_csv(tmp_path / "a.csv", "text,rating", '"It said ""no"", twice",1', "ok,5.0")
    texts = ['It said "no", twice', "ok"]
    as_parquet = write_parquet(tmp_path / "a.parquet", {"text": texts, "rating": [1.0, 5.0]})
    expected = read_reviews([as_json])
    assert read_reviews([as_csv]) == expected
    assert read_reviews([as_parquet]) == expected


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_delimiter_of_a_csv_is_found(tmp_path: Path, sign: str) -> None:
    file = write_csv(tmp_path / "a.csv", f"text{sign}rating", f"ok{sign}5")
    assert list(read_rows(file)) == [Row(2, {"text": "ok", "rating": 5})]


def test_columns_are_mapped_in_every_kind_of_file(tmp_path: Path) -> None:
    columns = {"text": "review_body", "rating": "stars"}
    files = [
        write(tmp_path / "a.jsonl", [{"review_body": "ok", "stars": 5, "text": "not this"}]),
        write_csv(tmp_path / "a.csv", "stars,review_body,text", "5,ok,not this"),
        write_parquet(tmp_path / "a.parquet", {"stars": [5], "review_body": ["ok"], "text": ["not this"]}),
    ]
    reviews = [read_reviews([file], columns) for file in files]
    assert [(one.text, one.rating) for [one] in reviews] == [("ok", 5)] * 3


def test_a_column_that_a_file_lacks_is_named(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "a.jsonl", [{"text": "ok", "rating": 5}]),
        write_csv(tmp_path / "a.csv", "text,rating", "ok,5"),
        write_parquet(tmp_path / "a.parquet", {"text": ["ok"], "rating": [5]}),
    ]
    for file in files:
        with pytest.raises(ConfigurationError, match="column 'stars'"):
            list(read_rows(file, {"rating": "stars"}))


def test_bad_rows_of_a_csv_are_named_by_the_line_that_they_begin_on(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", "text,rating", '"two', 'lines",5', "ok,5,6", 'a "b" c,1', '"a"b,1', "last,2")
    assert list(read_rows(file)) == [
        Row(2, {"text": "two\nlines", "rating": 5}),
        BadRow(4, "has 3 cells, the header 2"),
        Row(5, {"text": 'a "b" c', "rating": 1}),
        BadRow(6, "is not CSV (',' expected after '\"')"),
        Row(7, {"text": "last", "rating": 2}),
    ]


def test_hazards_of_a_csv_are_truth_values(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", "text,hazard", "hot,TRUE", "true,false")
    assert [row.fields for row in read_rows(file) if isinstance(row, Row)] == [
        {"text": "hot", "hazard": True},
        {"text": "true", "hazard": False},
    ]


def test_a_csv_that_is_not_utf8_names_the_conversion(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes("text,rating\nzu groß,1\n".encode("cp1252"))
    with pytest.raises(ConfigurationError, match="iconv -f WINDOWS-1252"):
        list(read_rows(file))


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    file = tmp_path / "a.parquet"
    file.write_bytes(b"PAR0")
    with pytest.raises(ConfigurationError, match="is not a Parquet file"):
        list(read_rows(file))
