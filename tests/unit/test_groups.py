"""Consumer groups: one per role, and one per generation of the view."""

from __future__ import annotations

import pytest

from stream_app.settings import Settings


def settings(**chosen: object) -> Settings:
    return Settings(_env_file=None, **chosen)  # type: ignore[arg-type]


def test_each_role_has_a_group_of_its_own() -> None:
    roles = ("enrich", "summarize", "describe", "notify")
    assert len({settings(generation=1).group(role) for role in roles}) == len(roles)


def test_generation_of_the_view_has_a_group_of_its_own_so_that_it_begins_at_the_first_offset() -> None:
    old, new = settings(generation=1), settings(generation=2)
    assert old.group("summarize") != new.group("summarize")
    assert new.group("summarize").endswith(".summarize.g2")
    assert old.group("enrich") == new.group("enrich"), "enriching does not start again with a new view"


def test_group_of_a_view_without_asking_redis_is_a_bug_and_not_a_guess() -> None:
    with pytest.raises(ValueError, match="ask it first"):
        settings().group("summarize")
