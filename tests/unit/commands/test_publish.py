"""Files that are not what `publish` reads are refused before anything is sent, with what to do."""

# ruff: noqa: E501

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from stream_app.__main__ import app
from stream_app.commands.review_files import read_lines
from stream_app.ports import BrokerUnavailable, ConfigurationError

GOOD = '{"product_id": "p", "review_id": "1", "text": "fine"}\n'


def file(folder: Path, content: str | bytes, name: str = "reviews.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def run(*arguments: object, given: str | None = None) -> Any:
    return CliRunner().invoke(app, ["publish", *map(str, arguments)], input=given)


def refused(*arguments: object, given: str | None = None) -> str:
    """The message; whatever reaches for a broker instead would raise something else."""
    result = run(*arguments, given=given)
    assert isinstance(result.exception, ConfigurationError), result.output
    return str(result.exception)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("p,1,fine\n", ["line 1 is no header", "product_id,review_id,text", "'fine'"]),
        ("asin,id,reviewText\np,1,fine\n", ["--column product_id=asin", "--column review_id=id", "--column text=reviewText"]),
        ("product_id,review_id,review\np,1,fine\n", ["column text is missing", "--column text=review"]),
        ("product_id,review_id,text\np,1,fine, really\n", ["line 2", "4 cells", "quoted"]),
        ("product_id,review_id,text\np,1,fine\n,2,fine\n", ["line 3", "missing_field", "product_id", "nothing was published"]),
        ("product_id,review_id,text,rating\np,1,fine,nine\n", ["line 2", "rating", "--raw"]),
        ("", ["holds no review", "--help"]),
        ("product_id,review_id,text\n", ["holds no review"]),
        (b"product_id,review_id,text\np,1,\xff\n", ["not UTF-8", "iconv"]),
    ],
)  # fmt: skip
def test_csv_that_is_no_reviews_is_refused_with_what_to_do(
    tmp_path: Path, content: str | bytes, said: list[str]
) -> None:
    message = refused(file(tmp_path, content))
    assert [words for words in said if words not in message] == []
    assert "reviews.csv" in message or "line" in message


@pytest.mark.parametrize("sign", [";", "\t", "|", ","])
def test_delimiter_is_detected(tmp_path: Path, sign: str) -> None:
    text = '"broke, twice; or | thrice"'
    path = file(tmp_path, f"product_id{sign}review_id{sign}text\np{sign}1{sign}{text}\n")
    [line] = read_lines(path)
    assert orjson.loads(line.value)["text"] == "broke, twice; or | thrice"


def test_columns_are_named_by_options(tmp_path: Path) -> None:
    path = file(tmp_path, "asin;id;Review\np;1;fine\n")
    columns = {"product_id": "asin", "review_id": "id", "text": "Review"}
    [line] = read_lines(path, columns=columns)
    assert (line.key, orjson.loads(line.value)) == (b"p", {"product_id": "p", "review_id": "1", "text": "fine"})


def test_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    path = file(tmp_path, "asin;id;Review\np;1;fine\n")
    assert "'asin', 'id', 'Review'" in refused(path, "--column", "text=body")
    assert "FIELD=NAME" in refused(path, "--column", "body")


def test_field_that_a_review_does_not_have_is_warned_of(tmp_path: Path) -> None:
    path = file(
        tmp_path, '{"product_id": "p", "review_id": "1", "text": "fine", "ratng": 1, "shop": "x"}\n', "reviews.jsonl"
    )
    result = run(path, "--dry-run")
    assert result.exit_code == 0
    assert "ratng" in result.output
    assert "did you mean rating?" in result.output


def test_json_array_is_read_like_lines(tmp_path: Path) -> None:
    path = file(tmp_path, f"[{GOOD.strip()},\n{GOOD.strip()}]", "reviews.json")
    assert [line.key for line in read_lines(path)] == [b"p", b"p"]


def test_broken_json_line_is_named_and_nothing_is_published(tmp_path: Path) -> None:
    message = refused(file(tmp_path, GOOD + "{broken\n" + GOOD + '["no object"]\n', "reviews.jsonl"))
    assert "2 of 4 reviews" in message
    assert "line 2: not_json" in message
    assert "line 4: not_an_object" in message


def test_standard_input_is_read_and_dry_run_publishes_nothing() -> None:
    result = run("-", "--dry-run", "--brokers", "127.0.0.1:1", given=GOOD * 3)
    assert result.exit_code == 0, result.output
    assert "3 reviews of 1 products would be published" in result.output


def test_csv_on_standard_input_is_distinguished_from_json() -> None:
    result = run("-", "--dry-run", given="product_id;review_id;text\np;1;fine\n")
    assert "1 reviews of 1 products" in result.output


def test_broker_that_does_not_answer_is_reported_within_5_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    result = run(file(tmp_path, GOOD, "reviews.jsonl"), "--brokers", "127.0.0.1:1")
    assert isinstance(result.exception, BrokerUnavailable)
    assert "127.0.0.1:1" in str(result.exception)
    assert time.monotonic() - began < 15
