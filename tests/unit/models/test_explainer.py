"""An explanation is of the classifier that `enrich` would ask, and says plainly why there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stream_app.models.classifier import load_classifier
from stream_app.models.device import DeviceChoice
from stream_app.models.explainer import ClassifierExplainer
from stream_app.models.loading import new_explainer
from stream_app.records import LABELS, Explanation, NotExplained, Review
from stream_app.settings import EnrichSettings

Folder = Callable[[dict[int, str]], Path]
THREE: dict[int, str] = dict(enumerate(LABELS))


def explainer(**settings: object) -> ClassifierExplainer:
    return new_explainer(EnrichSettings(**settings), threads=1)  # type: ignore[arg-type]


def review(text: str, title: str | None = None, language: str | None = None) -> Review:
    return Review("", "", 0, "created", 0, title=title, text=text, language=language)


def explained(by: ClassifierExplainer, of: Review, words: bool = True) -> Explanation:
    found = by.explain(of, words=words)
    assert isinstance(found, Explanation)
    return found


@pytest.fixture
def tiny(classifier_folder: Folder) -> ClassifierExplainer:
    """Reads English with random weights; Chinese with the same."""
    folder = str(classifier_folder(THREE))
    return explainer(sentiment_model=folder, sentiment_models=f"zh={folder}", model_languages="en")


def test_scores_are_those_of_the_classifier(tiny: ClassifierExplainer, tmp_path: Path, cpu: DeviceChoice) -> None:
    found = explained(tiny, review("the zip broke"), words=False)
    classifier = load_classifier(str(tmp_path / "classifier"), cpu)
    [scores] = classifier.run(classifier.tokenize(["the zip broke"]))

    assert found.sentiment.scores == pytest.approx((scores.negative, scores.neutral, scores.positive), abs=1e-4)
    assert found.sentiment.label == LABELS[found.sentiment.scores.index(found.sentiment.confidence)]
    assert (found.model, found.language, found.words) == (classifier.name, "en", None)


def test_words_are_of_what_was_read_and_sum_to_what_they_change(tiny: ClassifierExplainer) -> None:
    found = explained(tiny, review("<b>the zip</b> broke\x07 after two days.", title="bad lid"))
    words = found.words

    assert found.text == "bad lid. the zip broke after two days."
    assert found.text[found.text_start :] == "the zip broke after two days."
    assert words is not None
    assert [found.text[one.start : one.end] for one in words.words] == (
        "bad lid . the zip broke after two days .".split()
    )
    assert words.complete
    assert sum(one.weight for one in words.words) == pytest.approx(
        words.with_words - words.without_words + words.error, abs=1e-6
    )
    assert "markup_removed" in found.flags


def test_what_is_behind_the_cut_has_no_weight(tiny: ClassifierExplainer) -> None:
    found = explained(tiny, review("good " * 200))

    assert found.truncated
    assert "truncated" in found.flags
    assert found.words is not None
    assert len(found.words.words) == 63  # of 64 positions


def test_classifier_of_the_language_reads_it(classifier_folder: Folder) -> None:
    folder = str(classifier_folder(THREE))
    of_chinese = explainer(sentiment_model="no-such-folder", sentiment_models=f"zh={folder}")

    assert explained(of_chinese, review("质量很差")).language == "zh"


@pytest.mark.parametrize(
    ("asked", "reason", "says"),
    [
        (review("Le couvercle s'est cassé après une semaine."), "unsupported_language", "fr"),
        (review("the zip broke", language="de"), "unsupported_language", "STREAM_APP_SENTIMENT_MODELS=de=MODEL"),
        (review(""), "empty_text", "words"),
        (review("<script>alert(1)</script>\x00\x1b"), "empty_text", "words"),
        (review("a" * 20_001), "text_too_long", "20000"),
        (review("a", title="a" * 20_001), "text_too_long", "20000"),
    ],
)
def test_what_cannot_be_explained_says_why_and_what_to_do(
    tiny: ClassifierExplainer, asked: Review, reason: str, says: str
) -> None:
    found = tiny.explain(asked, words=True)

    assert isinstance(found, NotExplained)
    assert found.reason == reason
    assert says in f"{found.detail} {found.next_step}"


@pytest.mark.parametrize("patience", [0, 1])
def test_explanation_is_given_up_before_and_while_it_is_computed(tiny: ClassifierExplainer, patience: int) -> None:
    asked = iter([False] * patience)

    found = tiny.explain(review("the zip broke"), words=True, gives_up=lambda: next(asked, True))

    assert isinstance(found, NotExplained)
    assert found.reason == "too_slow"


def weight_of(found: Explanation, word: str) -> float:
    assert found.words is not None
    [weight] = [one.weight for one in found.words.words if found.text[one.start : one.end] == word]
    return weight


def test_bundled_classifiers_name_the_words_that_made_the_label() -> None:
    """In both languages that they read, with what each sentence says where they judge sentences."""
    by = explainer()
    hazard = explained(
        by, review("The charger got so hot it melted the socket and I burned two fingers. Smoke everywhere.")
    )
    praise = explained(by, review("😍😍😍 love it ❤️ best mug ever 👍🏽"))
    chinese = explained(by, review("物流很快，包装也好。但是质量太差了，用了三天屏幕就坏了，客服不理人。"))

    assert [one.sentiment.label for one in (hazard, praise, chinese)] == ["negative", "positive", "negative"]
    assert min(weight_of(hazard, "melted"), weight_of(praise, "best"), weight_of(chinese, "差")) > 0
    assert all(one.words and one.words.complete for one in (hazard, praise, chinese))
    assert [one.hazard > 0.5 for one in hazard.sentences] == [True, False]
