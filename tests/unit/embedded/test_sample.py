"""The sample stream tells the stories that its README lists, in texts that do not repeat each other."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from statistics import mean
from typing import Any

import pytest

SAMPLE = files("stream_app") / "embedded" / "sample"
LINES = (SAMPLE / "reviews.jsonl").read_text(encoding="utf-8").splitlines()

Message = dict[str, Any]


def parsed(lines: Iterable[str]) -> list[Message]:
    """The lines that are JSON, in order."""
    messages = []
    for line in lines:
        try:
            messages.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return messages


def broken(message: Message) -> str | None:
    """What is wrong with a message that is JSON; None when nothing is."""
    if "product_id" not in message:
        return "no product_id"
    if message.get("deleted"):
        return None
    if message["rating"] not in range(1, 6):
        return "rating"
    return None if message["text"].strip() else "empty text"


MESSAGES = [message for message in parsed(LINES) if broken(message) is None]
DELETIONS = [message for message in MESSAGES if message.get("deleted")]
EDITS = [message for message in MESSAGES if "updated_at" in message and "text" in message]
ONCE = [message for message in parsed(dict.fromkeys(LINES)) if broken(message) is None]
ORIGINALS = [message for message in ONCE if "text" in message and "updated_at" not in message]
WRITTEN = ORIGINALS + EDITS


def created(message: Message) -> datetime:
    return datetime.fromisoformat(message["created_at"])


def stars(product_id: str, first_day: int, last_day: int) -> list[int]:
    """The stars of a product's original reviews from ``first_day`` to ``last_day`` (1 is 2026-05-01), both included."""
    start = datetime(2026, 5, 1, tzinfo=UTC)
    days = range(first_day, last_day + 1)
    return [m["rating"] for m in ORIGINALS if m["product_id"] == product_id and (created(m) - start).days + 1 in days]


def position(review_id: str, *, edit: bool = False, deletion: bool = False) -> int:
    """Index among the messages of a review's original, its edit or its deletion."""
    return next(
        index
        for index, m in enumerate(MESSAGES)
        if m["review_id"] == review_id and m.get("deleted", False) == deletion and (deletion or (m in EDITS) == edit)
    )


def test_the_readme_counts_what_is_there() -> None:
    duplicates = len(LINES) - len(set(LINES))
    not_standing = {(m["product_id"], m["review_id"]) for m in DELETIONS}
    counted = (
        f"{len(LINES)} lines = {len(ORIGINALS)} reviews + {len(EDITS)} edits + {len(DELETIONS)} deletions "
        f"+ {duplicates} duplicates + {len(LINES) - len(MESSAGES)} broken payloads. "
        f"After the whole stream {len(ORIGINALS) - len(not_standing)} reviews stand."
    )
    assert counted in (SAMPLE / "README.md").read_text(encoding="utf-8")
    assert 380 <= len(LINES) <= 440


def test_the_readme_names_only_reviews_that_exist() -> None:
    named = set(re.findall(r"`([a-z]+-\d{3})`", (SAMPLE / "README.md").read_text(encoding="utf-8")))
    present = set(re.findall(r'"review_id": "([^"]+)"', "\n".join(LINES)))
    assert len(named) > 60
    assert named - present == set()


def test_there_are_a_dozen_products_and_one_of_them_has_little_evidence() -> None:
    reviews = Counter(m["product_id"] for m in ORIGINALS)
    assert len(reviews) == 12
    assert [product for product, count in reviews.items() if count < 5] == ["chair-ergo9"]
    assert min(count for product, count in reviews.items() if product != "chair-ergo9") >= 25


def test_every_review_has_its_own_id_and_every_edit_and_deletion_its_review() -> None:
    identities = [(m["product_id"], m["review_id"]) for m in ORIGINALS]
    assert len(identities) == len(set(identities))
    assert {(m["product_id"], m["review_id"]) for m in EDITS + DELETIONS} <= set(identities)


def test_exactly_the_stated_lines_are_broken() -> None:
    not_json = [line for line in LINES if parsed([line]) == []]
    assert [line[:26] for line in not_json] == ['{"review_id": "kettle-901"', "<html><body><h1>502 Bad Ga"]
    wrong = {m["review_id"]: reason for m in parsed(LINES) if (reason := broken(m))}
    assert wrong == {"vacuum-902": "rating", "jacket-903": "empty text", "coffee-904": "no product_id"}


def test_the_dates_span_sixty_days_and_the_last_line_is_the_latest() -> None:
    first, last = min(map(created, ORIGINALS)), max(map(created, ORIGINALS))
    assert timedelta(days=60) <= last - first < timedelta(days=61)
    assert created(json.loads(LINES[-1])) == last
    assert all(m["created_at"].endswith("Z") for m in WRITTEN)
    assert all(m["updated_at"] < ORIGINALS[-1]["created_at"] for m in EDITS + DELETIONS if "updated_at" in m)


def test_reviews_come_in_order_but_for_a_few_late_ones() -> None:
    late = {after["review_id"] for before, after in pairwise(ORIGINALS) if created(after) < created(before)}
    stated = {"charger-020", "charger-022", "charger-024", "vacuum-002", "novel-012"}
    held_up_by_edit_or_deletion = {"earbuds-019", "cream-030"}
    assert late == stated | held_up_by_edit_or_deletion


def test_three_lines_come_twice() -> None:
    twice = [json.loads(line)["review_id"] for line, count in Counter(LINES).items() if count == 2]
    assert sorted(twice) == ["charger-010", "charger-036", "jacket-007"]
    assert max(Counter(LINES).values()) == 2


def test_edits_change_the_opinion_and_one_comes_before_its_original() -> None:
    assert {m["review_id"]: m.get("revision") for m in EDITS} == {
        "kettle-016": 1,
        "coffee-029": 1,
        "shoes-029": None,
        "earbuds-019": 1,
    }
    for edited in EDITS:
        original = MESSAGES[position(edited["review_id"])]
        assert abs(edited["rating"] - original["rating"]) >= 2
        assert edited["created_at"] == original["created_at"] < edited["updated_at"]
    early = [m["review_id"] for m in EDITS if position(m["review_id"], edit=True) < position(m["review_id"])]
    assert early == ["earbuds-019"]


def test_deletions_carry_no_text_and_one_comes_before_its_review() -> None:
    assert {m["review_id"]: "updated_at" in m for m in DELETIONS} == {
        "vacuum-007": True,
        "novel-015": False,
        "cream-030": True,
    }
    assert all(m.keys() <= {"product_id", "review_id", "deleted", "updated_at"} for m in DELETIONS)
    early = [m["review_id"] for m in DELETIONS if position(m["review_id"], deletion=True) < position(m["review_id"])]
    assert early == ["cream-030"]


def test_the_charger_turns_bad_on_day_45() -> None:
    assert mean(stars("charger-volt65", 1, 44)) > 4
    outbreak = stars("charger-volt65", 45, 47)
    assert len([star for star in outbreak if star <= 2]) >= 15
    assert mean(outbreak) < 1.5


def test_the_dog_food_turns_bad_within_the_last_two_days() -> None:
    assert mean(stars("dogfood-bosco", 1, 59)) > 4
    assert len([star for star in stars("dogfood-bosco", 60, 61) if star <= 2]) >= 10


def test_the_shoes_recover() -> None:
    assert mean(stars("shoes-stride4", 1, 21)) < 2
    assert mean(stars("shoes-stride4", 22, 61)) > 4


def test_the_earbuds_get_worse_from_third_to_third() -> None:
    first, second, third = (mean(stars("earbuds-air2", day, day + 19)) for day in (1, 21, 41))
    assert first - second > 1
    assert second - third > 1


def test_the_vacuum_is_mediocre_and_the_stable_products_are_good() -> None:
    for first_day in (1, 31):
        assert 2.6 < mean(stars("vacuum-rondo", first_day, first_day + 30)) < 3.5
        for product in ("kettle-k17", "jacket-nordic", "coffee-sierra"):
            assert mean(stars(product, first_day, first_day + 30)) > 4


@pytest.mark.parametrize(
    ("rating", "words"),
    [
        (1, ["Absolutely wonderful kettle", "Best coffee I have ever had", "perfect everything"]),
        (5, ["Do NOT buy this!!", "Dangerous rubbish"]),
    ],
)
def test_some_stars_contradict_the_words(rating: int, words: list[str]) -> None:
    for said in words:
        assert [m["rating"] for m in WRITTEN if said in m["text"]] == [rating]


@pytest.mark.parametrize("word", ["fire", "smoke", "burn", "shock", "injury", "allergy", "counterfeit", "choking"])
def test_safety_words_occur_in_bad_reviews(word: str) -> None:
    assert any(m["rating"] <= 2 and re.search(rf"\b{word}", m["text"], re.IGNORECASE) for m in WRITTEN)


def test_ten_reviews_are_chinese_and_not_all_say_so() -> None:
    chinese = [m for m in WRITTEN if re.search("[一-鿿]", m["text"])]
    assert len(chinese) == 10
    assert Counter(m.get("language") for m in chinese) == {"zh": 8, None: 2}
    assert {m.get("language") for m in WRITTEN if m not in chinese} == {"en", None}


def test_addresses_and_numbers_are_fictional() -> None:
    text = "\n".join(LINES)
    addresses, numbers = re.findall(r"[\w.]+@([\w.]+\w)", text), re.findall(r"\b555-\d{4}\b", text)
    assert addresses == ["example.com"] * 2
    assert len(numbers) == 2
    assert all(number.startswith("555-01") for number in numbers)


def test_unknown_fields_html_and_emoji_occur() -> None:
    known = {"review_id", "product_id", "rating", "title", "text", "created_at"}
    known |= {"updated_at", "revision", "deleted", "language", "author_id", "helpful_votes"}
    unknown = {m["review_id"]: m.keys() - known for m in MESSAGES if m.keys() - known}
    assert unknown == {"kettle-007": {"verified_purchase"}, "jacket-019": {"source"}}
    for pattern in ("<br />", "<script>", "&amp;", "[\U0001f300-\U0001faff]"):
        assert any(re.search(pattern, m["text"]) for m in WRITTEN), pattern
    assert 20 < len([m for m in WRITTEN if "title" not in m]) < len(WRITTEN) / 2


def test_no_two_texts_are_equal_and_no_six_words_in_a_row_are_shared() -> None:
    assert len({m["text"] for m in WRITTEN}) == len(WRITTEN)
    said_by: dict[tuple[str, ...], str] = {}
    shared = []
    for message in WRITTEN:
        words = re.findall(r"[\w']+", message["text"].lower())
        for start in range(len(words) - 5):
            sequence = tuple(words[start : start + 6])
            if said_by.setdefault(sequence, message["review_id"]) != message["review_id"]:
                shared.append((message["review_id"], said_by[sequence], " ".join(sequence)))
    assert shared == []


def test_texts_vary_in_length_and_words() -> None:
    lengths = [len(m["text"].split()) for m in WRITTEN if not re.search("[一-鿿]", m["text"])]
    assert min(lengths) <= 3
    assert 150 <= max(lengths) <= 180
    assert len([length for length in lengths if length >= 80]) >= 12
    words = [word for m in WRITTEN for word in re.findall(r"[a-z']+", m["text"].lower())]
    assert len(set(words)) / len(words) > 0.2
