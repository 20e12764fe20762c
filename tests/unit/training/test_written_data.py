"""The data that is written for this project and shipped with it."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from importlib import resources
from typing import Any

import pytest

from stream_app.steps.aspects import load_aspects

_DATA = resources.files("stream_app.training") / "data"


def hazard_sentences() -> list[dict[str, object]]:
    lines = (_DATA / "hazard_sentences.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_each_hazard_sentence_has_its_fields() -> None:
    for row in hazard_sentences():
        assert list(row) == ["text", "hazard", "language", "kind"]
        assert isinstance(row["text"], str)
        assert row["text"] == row["text"].strip() != ""
        assert "{" not in row["text"]
        assert isinstance(row["hazard"], bool)
        assert row["language"] in ("en", "zh")


def test_no_hazard_sentence_of_the_development_data_is_trained_on() -> None:
    lines = (_DATA / "hazard_sentences_dev.jsonl").read_text(encoding="utf-8").splitlines()
    trained = {str(row["text"]).lower().rstrip(".!。！") for row in hazard_sentences()}
    assert len(lines) == 656
    assert [line for line in lines if json.loads(line)["text"].lower().rstrip(".!。！") in trained] == []


def test_no_hazard_sentence_is_there_twice() -> None:
    texts = Counter(str(row["text"]).lower().rstrip(".!。！") for row in hazard_sentences())
    assert [text for text, count in texts.items() if count > 1] == []


def test_about_half_of_the_hazard_sentences_of_each_language_are_look_alikes() -> None:
    counts = Counter((row["language"], row["hazard"]) for row in hazard_sentences())
    for language in ("en", "zh"):
        share = counts[language, True] / (counts[language, True] + counts[language, False])
        assert 0.44 < share < 0.56, language


def test_the_readme_states_the_counts() -> None:
    stated = {}
    for line in (_DATA / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in ("true", "false") and cells[1] != "all":
            stated[cells[0] == "true", cells[1], "en"] = int(cells[2])
            stated[cells[0] == "true", cells[1], "zh"] = int(cells[3])
    counted = Counter((row["hazard"], row["kind"], row["language"]) for row in hazard_sentences())
    assert {key: count for key, count in stated.items() if count} == dict(counted)


@pytest.mark.parametrize("name", ["hazard_sentences.jsonl", "hazard_sentences_dev.jsonl"])
def test_masked_personal_data_stands_in_hazards_and_in_look_alikes(name: str) -> None:
    """Where it stood in neither, "Call me at [phone]" was read as a hazard."""
    rows = [json.loads(line) for line in (_DATA / name).read_text(encoding="utf-8").splitlines()]
    for mask in ("[phone]", "[email]"):
        assert {row["hazard"] for row in rows if mask in row["text"]} == {True, False}, mask


def labelled_places(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (_DATA / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", ["sentences_in_reviews.jsonl", "sentences_in_reviews_dev.jsonl"])
def test_labels_of_sentences_in_reviews_hold_places_and_no_words(name: str) -> None:
    ids = {aspect.id for aspect in load_aspects()}
    counts: Counter[str | None] = Counter()
    for row in labelled_places(name):
        assert list(row) == ["review", "sentences"]
        behind = 0
        for start, end, label, aspects, hazard in row["sentences"]:
            assert behind <= start < end
            behind = end
            assert label in (None, "negative", "neutral", "positive")
            assert set(aspects or ()) <= ids
            assert hazard in (None, True, False)
            counts[label] += 1
    sentences = counts["negative"] + counts["neutral"] + counts["positive"]
    numbers = (len(labelled_places(name)), sentences, counts["negative"], counts["neutral"], counts["positive"])
    stated = f"| {name} | " + " | ".join(f"{one:,}" for one in numbers) + " |"
    assert stated in (_DATA / "README.md").read_text(encoding="utf-8")


def test_no_review_whose_sentences_are_scored_is_trained_on() -> None:
    trained = {row["review"] for row in labelled_places("sentences_in_reviews.jsonl")}
    assert not trained & {row["review"] for row in labelled_places("sentences_in_reviews_dev.jsonl")}


def test_each_aspect_of_oposum_is_mapped_to_an_aspect_of_ours_or_to_none() -> None:
    mapping = tomllib.loads((_DATA / "oposum_aspects.toml").read_text(encoding="utf-8"))
    ids = {aspect.id for aspect in load_aspects()} | {""}
    assert len(mapping) == 6
    for domain, aspects in mapping.items():
        assert len(aspects) == 9, domain
        assert aspects["None"] == ""
        assert set(aspects.values()) <= ids, domain
