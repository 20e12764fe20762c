"""Labels that depend on who is spoken of are counted, by template and in reviews."""

from __future__ import annotations

import pytest

from stream_app.records import Scores
from stream_app.testing.models import AnsweringModel
from stream_app.training.data import LabelledReview
from stream_app.training.fairness import (
    IdentitySet,
    gender_swapped,
    identity_sets,
    score_templates,
    swapped,
)

SET = IdentitySet(
    "gender", "en", ["{} likes it.", "I gave it to {}."], {"female": ["she", "Ann"], "male": ["he", "Al"]}
)
FAIR = AnsweringModel(lambda text: Scores(0.1, 0.1, 0.8))
UNFAIR = AnsweringModel(lambda text: Scores(0.8, 0.1, 0.1) if text.startswith("She") else Scores(0.1, 0.1, 0.8))


def test_a_fair_model_flips_nothing() -> None:
    [found] = score_templates(FAIR, [SET]).values()
    assert (found.texts, found.flipped, found.templates_differing, found.gap) == (8, 0, 0, 0)
    assert found.positivity == pytest.approx({"female": 0.7, "male": 0.7})


def test_labels_are_compared_within_a_template() -> None:
    found = score_templates(UNFAIR, [SET])["gender_en"]
    assert (found.texts, found.flipped, found.share, found.templates_differing) == (8, 1, 1 / 8, 0.5)
    assert found.gap == pytest.approx(1.4 / 4)  # one of four texts with a female term


def test_only_languages_that_the_model_reads_are_asked_for() -> None:
    chinese = AnsweringModel(lambda text: Scores(0, 1, 0), languages=frozenset({"zh"}))
    assert score_templates(chinese, [SET]) == {}


def test_words_are_swapped_whole_and_in_their_case() -> None:
    swaps = {"he": "she", "she": "he", "wife": "husband"}
    text = "She said the wife is HERE. HE said: She, he!"
    assert swapped(text, swaps, words=True) == "He said the husband is HERE. SHE said: He, she!"


def test_reviews_without_a_person_are_not_counted() -> None:
    texts = ["She likes it", "The lamp is bright", "他很喜欢"]
    found = gender_swapped(UNFAIR, [LabelledReview("", text, "positive", True) for text in texts], ["negative"] * 3)
    assert (found.texts, found.flipped) == (2, 2)


def test_each_written_template_has_one_place_and_each_term_stands_in_one_group() -> None:
    for one in identity_sets():
        terms = [term for some in one.terms.values() for term in some]
        assert len(set(terms)) == len(terms)
        assert [template for template in one.templates if template.count("{}") != 1] == []
        assert len(one.terms) >= 2
