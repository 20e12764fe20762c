"""Labels that flip are counted by kind of change, the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Callable

from stream_app.records import Label, Scores
from stream_app.testing.models import AnsweringModel, FakeClassifier, FakeModel
from stream_app.training.data import LabelledReview
from stream_app.training.flips import Flips, flips
from stream_app.training.robustness import robustness


def reviews_of(*texts: str) -> list[LabelledReview]:
    return [LabelledReview("", text, "positive", True) for text in texts]


def model_of(negative: Callable[[str], bool]) -> AnsweringModel[Scores]:
    """Negative where ``negative(text)``, else positive."""
    return AnsweringModel(lambda text: Scores(0.9, 0, 0.1) if negative(text) else Scores(0.1, 0, 0.9))


def texts_asked_for(reviews: list[LabelledReview], seed: int) -> list[str]:
    model = FakeModel(lambda text: Scores(0.1, 0, 0.9))
    robustness(model, reviews, ["positive"] * len(reviews), seed)
    return [text for run in model.ran for text in run]


def test_flips_are_labels_that_differ_from_before() -> None:
    before: list[Label] = ["positive", "negative", "positive"]
    assert flips(FakeClassifier(), {0: "good", 1: "good", 2: "It broke"}, before) == Flips(3, 2, 2 / 3)


def test_no_changed_text_is_no_flip() -> None:
    assert flips(FakeClassifier(), {}, []) == Flips(0, 0, 0.0)


def test_a_model_that_reads_case_flips_under_case_alone() -> None:
    reviews = reviews_of("The lamp is bright", "THE LAMP IS BRIGHT", "Lamp", "lamp")
    shouting = model_of(str.isupper)
    found = robustness(shouting, reviews, ["positive", "negative", "positive", "positive"], seed=1)
    assert found["upper_case"] == Flips(3, 3, 1.0)
    assert found["lower_case"] == Flips(3, 1, 1 / 3)
    assert found["emoji"].flipped == 0


def test_what_a_change_does_not_change_is_not_counted() -> None:
    found = robustness(FakeClassifier(), reviews_of("很好用", "非常满意"), ["neutral", "neutral"], seed=1)
    assert (found["upper_case"].texts, found["lower_case"].texts) == (0, 0)
    assert (found["irrelevant_sentence"].texts, found["emoji"].texts) == (2, 2)


def test_an_irrelevant_sentence_is_in_the_language_of_the_review() -> None:
    seen: list[str] = []

    def note(text: str) -> bool:
        seen.append(text)
        return False

    model = model_of(note)
    robustness(
        model, reviews_of("The lamp is bright, and the cable is long enough", "很好用"), ["positive"] * 2, seed=3
    )
    longer = [text for text in seen if text.startswith("The lamp") or text.endswith("long enough")]
    assert [text for text in longer if any("\u4e00" <= sign <= "\u9fff" for sign in text)] == []
    assert [text for text in seen if "很好用" in text and any(sign.isascii() and sign.isalpha() for sign in text)] == []


def test_a_seed_makes_the_same_changes_again() -> None:
    reviews = reviews_of("The lamp is bright and the cable is long enough for us")
    assert texts_asked_for(reviews, seed=1) == texts_asked_for(reviews, seed=1)
    assert texts_asked_for(reviews, seed=1) != texts_asked_for(reviews, seed=2)
