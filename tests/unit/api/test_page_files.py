"""The page's files: what they may load, and that they say nothing in markup of their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import orjson
import pytest

from stream_app.records import Rule
from stream_app.steps.aspects import Aspect, load_aspects, use_aspects
from stream_app.testing.reader import CannedSummaryReader
from tests.unit.api.test_look_ups import get

STATIC = Path(__file__).parents[3] / "stream_app/api/static"
ADDRESSES = {"index.html": "/", "docs.html": "/docs"}
FILES = sorted(path.name for path in STATIC.iterdir())


def words_of_the_page(name: str) -> dict[str, list[str]]:
    """A table of words.js: key -> the texts."""
    [table] = re.findall(rf"const {name} = \{{\n(.*?)\n\}};", (STATIC / "words.js").read_text(), re.DOTALL)
    return {
        key: re.findall(r'"([^"]*)"', texts) for key, texts in re.findall(r"(\w+): \[(.*?)\](?=,)", table, re.DOTALL)
    }


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
    text = text.replace("https://github.com/leeoniya/uPlot", "")  # where the library of the chart is from
    assert re.findall(r"https?://[^\s\"']+|(?:src|href)=\"//", text) == []
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\sstyle=|\son\w+=\"", text) == []
    )


def test_every_alert_rule_has_a_title_on_the_page() -> None:
    """A rule without one would be shown as a bad review."""
    assert set(words_of_the_page("RULES")) == set(get_args(Rule))


def names_of_aspects() -> dict[str, list[str]]:
    response = get(CannedSummaryReader(), "/static/aspects.js")
    assert response.headers["content-type"].startswith("text/javascript")
    names: dict[str, list[str]] = orjson.loads(
        response.content.removeprefix(b"export const ASPECTS = ").removesuffix(b";\n")
    )
    return names


def test_aspects_have_on_the_page_the_names_that_they_have_elsewhere() -> None:
    names = {one.id: [one.name["en"], one.name["zh"]] for one in load_aspects()}
    assert names_of_aspects() == names
    use_aspects([Aspect("strings", {"en": "Strings"}, {"en": "Strings."}, {"en": ("strings",)})])
    try:
        assert names_of_aspects() == names | {"strings": ["Strings", "Strings"]}
    finally:
        use_aspects()


def test_page_has_every_text_in_english_and_chinese() -> None:
    words = words_of_the_page("WORDS")
    holes = {key: [sorted(re.findall(r"\{\w+\}", text)) for text in texts] for key, texts in words.items()}

    assert {key: len(texts) for key, texts in words.items() if len(texts) != 2 or not all(texts)} == {}
    assert {key for key, (english, chinese) in holes.items() if english != chinese} == set()


def test_every_text_that_the_page_asks_for_is_there() -> None:
    words = words_of_the_page("WORDS")
    page = "".join((STATIC / name).read_text() for name in FILES if name != "words.js" and "uplot" not in name)
    asked = set(re.findall(r"\bt\(\"(\w+)\"|data-t(?:-\w+)?=\"(\w+)\"", page))

    assert {one or other for one, other in asked} - set(words) == set()


def test_markup_of_the_page_is_in_english_as_the_dictionary_has_it() -> None:
    """A reader without script, and the moment before it runs."""
    words = words_of_the_page("WORDS")
    shown = re.findall(r"data-t=\"(\w+)\"[^>]*>([^<]*)<", (STATIC / "index.html").read_text())

    assert {key: text for key, text in shown if words[key][0] != text} == {}


def test_unchanged_file_is_not_sent_again() -> None:
    tag = get(CannedSummaryReader(), "/static/page.js").headers["etag"]
    assert get(CannedSummaryReader(), "/static/page.js", If_None_Match=tag).status_code == 304
