"""A shop's own aspects: used beside the default ones by all that reads aspects, and safe to take away again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stream_app.steps.aspect_counts import said_of_aspects
from stream_app.steps.aspect_spikes import aspect_days
from stream_app.steps.aspects import (
    MAX_ASPECTS,
    Aspect,
    BadAspectsError,
    aspects_in_use,
    known_ids,
    load_aspects,
    own_aspects,
    use_aspects,
)
from stream_app.steps.digest_words import aspect_words
from stream_app.steps.episode_search import searched
from stream_app.steps.fold import HOUR_MS, ProductState
from stream_app.steps.product_alerts import episode_names
from stream_app.steps.product_summary import summarize
from stream_app.steps.spikes import Share
from tests.behaviour.enriched import NOW_MS, deletion, enriched, opinion
from tests.unit.steps.test_aspect_spikes import PRAISED, late
from tests.unit.steps.test_product_alerts import Product

STRINGS = Aspect(
    "strings",
    {"en": "Strings", "zh": "琴弦"},
    {"en": "How the strings play.", "zh": "琴弦怎么样。"},
    {"en": ("string", "strings"), "zh": ("琴弦",)},
    {"en": "the strings", "zh": "琴弦"},
)
_TABLE = """
[strings]
name.en = "Strings"
description.en = "How the strings play."
keywords.en = ["strings"]
"""


@pytest.fixture(autouse=True)
def default_aspects_afterwards() -> Iterator[None]:
    yield
    use_aspects()


def test_own_aspects_stand_behind_the_default_ones() -> None:
    use_aspects([STRINGS])
    assert aspects_in_use() == (*load_aspects(), STRINGS)
    assert known_ids() == {one.id for one in load_aspects()} | {"strings"}


def test_own_aspect_with_the_id_of_a_default_one_replaces_it_in_its_place() -> None:
    quality = replace(STRINGS, id="quality")
    use_aspects([quality])
    assert aspects_in_use() == (quality, *load_aspects()[1:])
    assert aspect_words("quality", "en") == "the strings"


def test_own_aspect_is_counted_named_and_may_alarm() -> None:
    review = enriched(opinions=(opinion("negative", "strings"),))
    assert said_of_aspects(review) == ()
    use_aspects([STRINGS])
    assert said_of_aspects(review) == (("-", "strings"),)
    assert [aspect_words("strings", language) for language in ("en", "zh")] == ["the strings", "琴弦"]
    assert "negative_spike:strings" in episode_names()


def test_digest_names_an_own_aspect_without_a_phrase_by_its_name() -> None:
    use_aspects([replace(STRINGS, phrase={}, name={"en": "Strings"})])
    assert [aspect_words("strings", language) for language in ("en", "zh")] == ["Strings", "strings"]


def test_aspect_that_the_file_lost_stays_counted_until_its_reviews_go_and_alarms_no_more() -> None:
    use_aspects([STRINGS])
    complaints = [late(n, opinions=(opinion("negative", "strings"),)) for n in range(20)]
    product = Product()
    product.take(PRAISED)
    [alert] = product.take(complaints[:15])
    assert alert.aspect == "strings"

    use_aspects()
    assert product.take(complaints[15:]) == []
    assert "negative_spike:strings" not in product.marks
    assert product.take([deletion(complaints[0].review_id)]) == []
    aspects = summarize(product.state, NOW_MS).aspects
    assert aspects is not None
    assert aspects["strings"].windows["all"].mentions == 14
    assert aspect_words("strings", "en") == "strings"


def test_reviews_from_before_an_aspect_was_added_are_no_baseline_and_the_usual_complaints_no_spike() -> None:
    """Of them it is not known what they say of it; a default aspect was looked for in each."""
    use_aspects([STRINGS])
    state = ProductState("p")
    for number in range(300):
        state.apply(replace(PRAISED[0], review_id=f"old {number}", created_at_ms=NOW_MS - (100 + number) * HOUR_MS))
    for number in range(75):
        opinions = (opinion("negative", "strings") if number % 15 == 0 else opinion("positive", "quality"),)
        created_at_ms = NOW_MS - (75 - number) * HOUR_MS
        state.apply(enriched(f"new {number}", created_at_ms=created_at_ms, opinions=opinions))
    older, days = aspect_days(state, "strings")
    assert (older, sum(one.bad for one in days)) == (Share(0, 0), 5)
    assert sum(one.reviews for one in days) <= 100
    found = searched(state, {}, 0.45 / 1000)
    assert found["negative_spike:strings"].newest is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (_TABLE + _TABLE, "strings"),
        (_TABLE.replace("[strings]", "[String-s]"), "an id is lower-case letters, digits and underscores"),
        (_TABLE.replace("description", "about"), "about: unknown field; known are name, description, keywords, phrase"),
        (_TABLE.replace('description.en = "How the strings play."', ""), "[strings] description: missing"),
        ("".join(_TABLE.replace("strings]", f"s{n}]") for n in range(40)), "56 aspects with the default ones"),
    ],
    ids=["twice", "id", "unknown field", "no description", "too many"],
)
def test_error_of_a_shops_file_names_the_file_and_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadAspectsError) as raised:
        own_aspects(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert problem in str(raised.value)


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadAspectsError, match=r"own\.toml: No such file"):
        own_aspects(tmp_path / "own.toml")


def test_shop_may_use_as_many_aspects_as_the_view_has_letters(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    count = MAX_ASPECTS - len(load_aspects())
    path.write_text("".join(_TABLE.replace("strings]", f"s{n}]") for n in range(count)), encoding="utf-8")
    assert len(own_aspects(path)) == count
