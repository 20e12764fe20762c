"""What is shown of a server's URL holds no secret, however it is written."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stream_app.commands.options import settings_from
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings, masked_url
from stream_app.store.server import Server

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        ("rediss://user:hunter2@cache:6379/0", "rediss://********@cache:6379/0"),
        ("redis://:hunt@hunter2@cache", "redis://********@cache"),
        ("redis://:hunter2/hunter2@cache", "redis://********@cache"),
        ("redis://cache:6379/0?password=hunter2", "redis://cache:6379/0?********"),
        ("redis://cache/0?password=a@hunter2", "redis://********"),
        ("redis://:hunter2?@cache/0", "redis://********"),
        ("hunter2", "********"),
    ],
)
def test_masked_url_holds_no_secret(url: str, shown: str) -> None:
    assert masked_url(url) == shown


@pytest.mark.parametrize(
    "url", [f"redis://:pass#{SECRET}:x@cache:6379/0", f"redis://:{SECRET}@cache:{SECRET}/0", SECRET]
)
def test_error_about_a_url_holds_no_secret(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not usable") as error:
        Server(url, [])
    assert SECRET not in str(error.value).replace(f"cache:{SECRET}", "")  # what stands for a port is no secret
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("alert_threshold", 8), ("alert_threshold", -1), ("partitions", 0), ("replication", 0), ("api_port", 99_999)],
)
def test_setting_out_of_its_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(_env_file=None, **{name: value})  # type: ignore[arg-type]


def test_no_number_may_be_negative() -> None:
    for name, field in Settings.model_fields.items():
        if field.annotation in (int, float):
            with pytest.raises(ValidationError):
                Settings(_env_file=None, **{name: -1})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"heartbeat_seconds": 4.0}, r"STREAM_APP_HEARTBEAT_SECONDS \(4\) must be at most a third of"),
        ({"drain_seconds": 10.0}, r"STREAM_APP_DRAIN_SECONDS \(10\) and 3 s for the commit must be less than"),
        ({"rebalance_timeout_seconds": 8.0}, r"less than STREAM_APP_REBALANCE_TIMEOUT_SECONDS \(8\) together"),
    ],
)
def test_times_that_would_cost_a_worker_its_partitions_are_refused(
    values: dict[str, float], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"STREAM_APP_{name.upper()}", str(value))
    with pytest.raises(ConfigurationError, match=words):
        settings_from()


def test_a_heartbeat_of_exactly_a_third_of_the_session_is_taken() -> None:
    Settings(_env_file=None, heartbeat_seconds=2.2, session_timeout_seconds=6.6)


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("", True),
        ("https://shop.example/flag?product={product_id}&from=digest", True),
        ("http://shop.example/{product_id}", False),
        ("https://shop.example/", False),
        ("https://shop.example/{product}", False),
        ("https://shop.example/{product_id}\n", False),
        ("javascript:alert('{product_id}')", False),
    ],
)
def test_flag_url_is_an_https_template_with_the_product(url: str, is_one: bool) -> None:
    """Pages make a link of it."""
    if is_one:
        assert Settings(_env_file=None, flag_url=url).flag_url == url
        return
    with pytest.raises(ValidationError):
        Settings(_env_file=None, flag_url=url)
