"""Review files on their way to Kafka."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from stream_app.commands.review_files import read_lines
from stream_app.ports import ConfigurationError


def written(folder: Path, content: str, name: str = "reviews.jsonl") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_each_line_is_keyed_by_its_product(tmp_path: Path) -> None:
    """As the shop's own producer does it."""
    path = written(tmp_path, '{"product_id": "kettle", "review_id": "1"}\n\n{"product_id": "lamp", "review_id": "2"}\n')

    assert [line.key for line in read_lines(path)] == [b"kettle", b"lamp"]


def test_retimed_file_ends_at_the_moment_and_keeps_its_distances(tmp_path: Path) -> None:
    """Every date is shifted by the same time, updates too."""
    path = written(
        tmp_path,
        '{"product_id": "a", "created_at": "2020-01-01T00:00:00Z"}\n'
        '{"product_id": "a", "created_at": "2020-01-02T00:00:00", "updated_at": "2020-01-03T00:00:00+00:00"}\n'
        '{"product_id": "a", "deleted": true}\n',
    )
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)

    first, second, third = (orjson.loads(line.value) for line in read_lines(path, retime_to=now))

    assert first["created_at"] == "2026-04-29T12:00:00.000Z"
    assert second["created_at"] == "2026-04-30T12:00:00.000Z"
    assert second["updated_at"] == "2026-05-01T12:00:00.000Z"
    assert "created_at" not in third


def test_broken_line_is_sent_as_it_is(tmp_path: Path) -> None:
    """What is wrong with it is for the worker to say, not for the file reader to hide."""
    path = written(tmp_path, '{"product_id": "a"\n["no object"]\n')

    lines = read_lines(path, retime_to=datetime.now(UTC))

    assert [line.value for line in lines] == [b'{"product_id": "a"', b'["no object"]']
    assert [line.key for line in lines] == [None, None]


def test_raw_sends_the_bytes_untouched(tmp_path: Path) -> None:
    """Not even spaces change, and dates stay."""
    content = b'{ "product_id":"a",  "created_at": "2020-01-01T00:00:00Z" }'
    path = tmp_path / "reviews.jsonl"
    path.write_bytes(content + b"\r\n\xff\xfe\n")

    lines = read_lines(path, retime_to=datetime.now(UTC), raw=True)

    assert [line.value for line in lines] == [content, b"\xff\xfe"]


def test_csv_cells_become_typed_fields(tmp_path: Path) -> None:
    """Numbers are numbers, empty cells are absent, quoted line breaks stay in the text."""
    path = written(
        tmp_path,
        'product_id,review_id,rating,text,title,deleted\na,1,4,"good,\nreally",,false\nb,2,x,bad,No,\n',
        "reviews.csv",
    )

    first, second = (orjson.loads(line.value) for line in read_lines(path))

    assert first == {"product_id": "a", "review_id": "1", "rating": 4, "text": "good,\nreally", "deleted": False}
    assert second["rating"] == "x"


def test_unreadable_file_is_reported_with_the_next_step(tmp_path: Path) -> None:
    """The message names the file and what to give instead."""
    with pytest.raises(ConfigurationError, match=r"missing\.jsonl.*Give JSON lines"):
        read_lines(tmp_path / "missing.jsonl")
