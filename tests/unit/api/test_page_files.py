"""The page's files: what they may load, and that they say nothing in markup of their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from stream_app.records import Rule
from stream_app.testing.reader import CannedSummaryReader
from tests.unit.api.test_look_ups import get

STATIC = Path(__file__).parents[3] / "stream_app/api/static"
ADDRESSES = {"index.html": "/", "docs.html": "/docs"}
FILES = sorted(path.name for path in STATIC.iterdir())


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_under_a_policy_that_forbids_inline_script_and_other_origins(name: str) -> None:
    response = get(CannedSummaryReader(), ADDRESSES.get(name, f"/static/{name}"))
    assert response.content == (STATIC / name).read_bytes()
    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_origin_or_writes_markup(name: str) -> None:
    text = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?://[^\s\"']+|(?:src|href)=\"//", text) == []
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\sstyle=|\son\w+=\"", text) == []
    )


def test_every_alert_rule_has_a_title_on_the_page() -> None:
    """A rule without one would be shown as a bad review."""
    [titles] = re.findall(r"const RULES = \{([^}]*)\}", (STATIC / "page.js").read_text())
    assert set(re.findall(r"(\w+):", titles)) == set(get_args(Rule))


def test_unchanged_file_is_not_sent_again() -> None:
    tag = get(CannedSummaryReader(), "/static/page.js").headers["etag"]
    assert get(CannedSummaryReader(), "/static/page.js", If_None_Match=tag).status_code == 304
